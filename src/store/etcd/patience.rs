//! How long an attempt at a member may take.

use std::time::Duration;

/// A healthy member answers far sooner. After this time without an answer, another member is tried.
pub(super) const LEAST_PATIENCE: Duration = Duration::from_millis(300);

/// The time limit of one attempt. It doubles once as many attempts ran out of it as there are members, so
/// that a store that is slow as a whole is still waited for. The first answer sets it anew.
///
/// It does not double with each attempt: all members are silent while a leader is elected. A clock that
/// then came back to the dead member with a grown limit would wait for seconds after the election.
pub(super) struct Patience {
    length: Duration,
    members: usize,
    /// Number of attempts that ran out of the present length.
    ran_out: usize,
}

impl Patience {
    pub(super) fn with(members: usize) -> Patience {
        Patience {
            length: LEAST_PATIENCE,
            members,
            ran_out: 0,
        }
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// Records an attempt that was answered after this time.
    pub(super) fn answered(&mut self, after: Duration) {
        self.length = (after * 4).max(LEAST_PATIENCE);
        self.ran_out = 0;
    }

    /// Records an attempt that was not answered within the time limit `of`.
    pub(super) fn ran_out(&mut self, of: Duration) {
        // An attempt that began before the last change says nothing about the present length.
        if of != self.length {
            return;
        }
        self.ran_out += 1;
        if self.ran_out >= self.members {
            self.length *= 2;
            self.ran_out = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time limits of the next attempts, in milliseconds, if none is answered.
    fn unanswered(patience: &mut Patience, attempts: usize) -> Vec<u128> {
        let attempt = |_| {
            let length = patience.length();
            patience.ran_out(length);
            length.as_millis()
        };
        (0..attempts).map(attempt).collect()
    }

    #[test]
    fn every_member_gets_the_same_time_before_any_gets_more() {
        let mut patience = Patience::with(3);
        let rounds = [300, 300, 300, 600, 600, 600, 1200];
        assert_eq!(unanswered(&mut patience, 7), rounds);
        assert_eq!(
            unanswered(&mut Patience::with(1), 4),
            [300, 600, 1200, 2400]
        );
    }

    #[test]
    fn an_answer_says_how_long_the_next_may_take() {
        let mut patience = Patience::with(2);
        unanswered(&mut patience, 3);
        patience.answered(Duration::from_millis(500));
        assert_eq!(unanswered(&mut patience, 3), [2000, 2000, 4000]);
        patience.answered(Duration::from_millis(1));
        assert_eq!(unanswered(&mut patience, 3), [300, 300, 600]);
    }

    #[test]
    fn attempts_that_began_with_another_length_don_t_count() {
        let mut patience = Patience::with(1);
        for _ in 0..5 {
            patience.ran_out(LEAST_PATIENCE);
        }
        assert_eq!(patience.length(), LEAST_PATIENCE * 2);
    }
}
