//! How long to pause before another attempt. This module only decides: it never waits, and never reads a
//! clock.

use std::time::Duration;

use crate::clock::Instance;

/// Pauses that grow: each is twice the one before, up to the longest. Where [`Jitter::around`] draws a
/// length around each, the longest is a mean: a pause then lasts up to half as long again.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            first,
            longest,
            next: first,
        }
    }

    /// Call it after a success: the next pause is the first one again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The pause after one more failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

/// Random lengths around a pause, so that processes with the same schedule act at different times.
///
/// Uses its own generator, seeded with the instance, and not the system's. An instance always draws the
/// same lengths, so a simulation can be repeated exactly. Instances themselves are random.
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn of(instance: Instance) -> Jitter {
        Jitter(instance.get())
    }

    /// A length from one half to three halves of `pause`, each equally likely.
    ///
    /// The range is as wide as the pause. A fleet may begin together, or go on together when a server
    /// comes back. Its next updates are spread evenly over a whole pause at once, and not only after
    /// minutes. The mean is the pause itself, so the load stays the same.
    pub(super) fn around(&mut self, pause: Duration) -> Duration {
        // SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let drawn = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        pause.mul_f64(0.5 + drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(SECOND / 4, SECOND * 2);
        let pauses: Vec<u128> = (0..5).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 2_000]);
        backoff.reset();
        assert_eq!(backoff.pause(), SECOND / 4);
    }

    #[test]
    fn a_fleet_that_began_together_is_spread_evenly_after_one_pause() {
        const FLEET: usize = 10_000;
        let mut tenths = [0_usize; 10];
        let mut sum = Duration::ZERO;
        for instance in 1..=FLEET as u64 {
            let pause = Jitter::of(Instance::new(instance)).around(SECOND);
            assert!(pause >= SECOND / 2 && pause < SECOND * 3 / 2, "{pause:?}");
            tenths[((pause.as_secs_f64() - 0.5) * 10.0) as usize] += 1;
            sum += pause;
        }
        for tenth in tenths {
            assert!(tenth.abs_diff(FLEET / 10) < FLEET / 50, "{tenths:?}");
        }
        assert!(
            (sum / FLEET as u32).abs_diff(SECOND) < SECOND / 100,
            "{sum:?}"
        );
    }

    #[test]
    fn one_process_draws_anew_each_time() {
        let mut jitter = Jitter::of(Instance::new(7));
        let pauses: Vec<Duration> = (0..100).map(|_| jitter.around(SECOND)).collect();
        let distinct: std::collections::HashSet<_> = pauses.iter().collect();
        assert_eq!(distinct.len(), pauses.len());
        let mut again = Jitter::of(Instance::new(7));
        assert!(pauses.iter().all(|pause| *pause == again.around(SECOND)));
    }
}
