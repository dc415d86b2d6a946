//! Where two runs of one system first differ. The texts of each process are compared in its own order,
//! without the parts that differ from run to run: numbers, ids, times.

use std::collections::{BTreeMap, HashMap};

use crate::events::Events;

/// Where two runs part. Before this point the process logged the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The process.
    pub process: Box<str>,
    /// How many of the process's events before this point are alike in both runs.
    pub alike: u64,
    /// The last event that is alike: its number in the first run, and in the second.
    pub common: Option<[u32; 2]>,
    /// The next event in each run; `None` if the run has none.
    pub next: [Option<u32>; 2],
    /// How many other processes part, too, none of them earlier.
    pub others: u64,
}

/// Numbers for texts. Texts that differ only in numbers, ids and times get the same number.
///
/// ```
/// let mut texts = lamport_trace::MaskedTexts::default();
/// let first = texts.number("charged order 17 in 3.5 ms");
/// assert_eq!(texts.number("charged order 4 in 12 ms"), first);
/// assert_ne!(texts.number("refused order 4 in 12 ms"), first);
/// ```
#[derive(Debug, Default)]
pub struct MaskedTexts {
    known: HashMap<String, u32>,
    masked: String,
}

impl MaskedTexts {
    /// The number of this text, and of all texts that differ from it only in numbers, ids and times.
    pub fn number(&mut self, text: &str) -> u32 {
        self.masked.clear();
        mask(text.trim(), &mut self.masked);
        if let Some(&number) = self.known.get(&self.masked) {
            return number;
        }
        let number = self.known.len() as u32;
        self.known.insert(self.masked.clone(), number);
        number
    }
}

/// Where two runs first part; `None` if they do not. Each run is given by its events and the numbers of
/// their texts. The first difference is the one with the smallest time: no other can have caused it.
pub fn first_divergence(one: (&Events, &[u32]), other: (&Events, &[u32])) -> Option<Divergence> {
    let runs = [one, other];
    let mut by_process: BTreeMap<&str, [Vec<u32>; 2]> = BTreeMap::new();
    for (run, (events, _)) in runs.iter().enumerate() {
        for &event in events.order() {
            if !events.is_duplicate(event) {
                let life = events.point(event).life as usize;
                let process = &*events.lives()[life].process;
                by_process.entry(process).or_default()[run].push(event);
            }
        }
    }
    let says = |run: usize, event: u32| {
        let (events, texts) = runs[run];
        (events.kind(event), texts.get(event as usize))
    };
    let mut first: Option<(u64, Divergence)> = None;
    let mut count = 0;
    for (process, [a, b]) in by_process {
        let pairs = a.iter().zip(&b);
        let alike = pairs
            .take_while(|&(&a, &b)| says(0, a) == says(1, b))
            .count();
        let next = [a.get(alike).copied(), b.get(alike).copied()];
        let times = next.iter().enumerate().filter_map(|(run, event)| {
            let event = (*event)?;
            Some(runs[run].0.point(event).time)
        });
        let Some(time) = times.min() else { continue };
        count += 1;
        if first.as_ref().is_none_or(|(earliest, _)| time < *earliest) {
            let divergence = Divergence {
                process: process.into(),
                alike: alike as u64,
                common: alike.checked_sub(1).map(|last| [a[last], b[last]]),
                next,
                others: 0,
            };
            first = Some((time, divergence));
        }
    }
    first.map(|(_, divergence)| Divergence {
        others: count - 1,
        ..divergence
    })
}

/// Writes `#` in the place of each number with its unit, and of each word that seems to be an id: one of
/// hexadecimal digits, or a long one of digits and letters.
fn mask(text: &str, masked: &mut String) {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut at = 0;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            let end = bytes[at..].iter().position(|&byte| is_word(byte));
            let end = end.map_or(bytes.len(), |end| at + end);
            let mut between = &text[at..end];
            let is_number = bytes.get(end).is_some_and(u8::is_ascii_digit);
            // A sign belongs to the number only at the start, or behind one of these characters.
            let is_first = |rest: &str| match rest.bytes().next_back() {
                None => at == 0,
                Some(byte) => b" =([,:".contains(&byte),
            };
            if is_number
                && let Some(rest) = between.strip_suffix(['-', '+'])
                && is_first(rest)
            {
                between = rest;
            }
            // A number may go on behind a dot, a comma, or a separator of dates and times.
            let goes_on = matches!(between, "." | "," | ":" | "-" | "/") && masked.ends_with('#');
            if !(goes_on && is_number) {
                masked.push_str(between);
            }
            at = end;
            continue;
        }
        if is_uuid(&bytes[at..]) {
            masked.push('#');
            at += UUID.len();
            continue;
        }
        let end = bytes[at..].iter().position(|&byte| !is_word(byte));
        let end = end.map_or(bytes.len(), |end| at + end);
        mask_word(&text[at..end], masked);
        at = end;
    }
}

const UUID: &[u8] = b"00000000-0000-0000-0000-000000000000";

fn is_uuid(text: &[u8]) -> bool {
    let like = |(byte, like): (&u8, &u8)| match like {
        b'-' => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() >= UUID.len() && text.iter().zip(UUID).all(like)
}

fn mask_word(word: &str, masked: &mut String) {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    // No English word consists of eight or more letters from a to f.
    let is_id = digits > 0 && (is_hex || word.len() >= 16) || is_hex && word.len() >= 8;
    let is_digit = |c: char| c.is_ascii_digit();
    if is_id || is_duration(word) {
        if !masked.ends_with('#') {
            masked.push('#');
        }
        return;
    }
    let mut rest = word;
    while let Some(start) = rest.find(is_digit) {
        masked.push_str(&rest[..start]);
        if !(start == 0 && masked.ends_with('#')) {
            masked.push('#');
        }
        rest = rest[start..].trim_start_matches(is_digit);
    }
    masked.push_str(rest);
}

/// `12ms`, `3h`, and the parts of an RFC 3339 time that have letters: `28T12`, `5Z`.
fn is_duration(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_time = |unit: &str| {
        let rest = unit.strip_prefix('T').or_else(|| unit.strip_suffix('Z'));
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    unit.len() < word.len()
        && (matches!(unit, "" | "ns" | "us" | "µs" | "ms" | "s" | "m" | "h" | "d") || is_time(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Reader, describe};

    fn masked(text: &str) -> String {
        let mut masked = String::new();
        mask(text, &mut masked);
        masked
    }

    #[test]
    fn numbers_ids_and_times_are_masked_and_words_are_not() {
        for (text, expected) in [
            ("charged order 17", "charged order #"),
            ("took 3.5 ms", "took # ms"),
            ("took 12ms", "took #"),
            ("took 1.2s", "took #"),
            ("took 999µs", "took #"),
            ("worker2 and worker-13", "worker# and worker-#"),
            ("balance=-5", "balance=#"),
            ("balance=5", "balance=#"),
            ("at 2026-11-29T12:00:00.123Z", "at #"),
            ("at 12:00:01", "at #"),
            ("1,234,567 rows", "# rows"),
            ("id 0f8fad5b-d9cb-469f-a165-70867728950e", "id #"),
            ("id abcdefab-abcd-abcd-abcd-abcdefabcdef.", "id #."),
            ("req 7f3kq9zz01ab23cd", "req #"),
            ("hash a94a8fe5ccb19ba6", "hash #"),
            ("added a cafe", "added a cafe"),
            ("out of tea", "out of tea"),
            ("日本 7", "日本 #"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    fn run(log: &str, texts: &mut MaskedTexts) -> (Events, Vec<u32>) {
        let mut reader = Reader::default();
        reader.begin("log");
        reader.feed(log.as_bytes());
        let lines: Vec<u32> = log
            .lines()
            .map(|line| texts.number(&describe(line.as_bytes()).message))
            .collect();
        (reader.finish(), lines)
    }

    fn compare(a: &str, b: &str) -> Option<Divergence> {
        let mut texts = MaskedTexts::default();
        let (a, b) = (run(a, &mut texts), run(b, &mut texts));
        first_divergence((&a.0, &a.1), (&b.0, &b.1))
    }

    #[test]
    fn runs_that_say_the_same_are_alike_in_whatever_order_and_at_whatever_time() {
        let a = "took 1 2@api\nasked 3@api\ncharged 7 5@billing\n";
        let b = "charged 9 1@billing\ntook 44 20@api\nasked 23@api\n";
        assert_eq!(compare(a, b), None);
        assert_eq!(compare("", ""), None);
    }

    #[test]
    fn the_earliest_difference_is_the_first() {
        let a = "took 1 2@api\nasked 3@api\ncharged 7 5@billing\ngot it 7@api\n";
        let b = "took 1 2@api\nasked 3@api\nrefused 7 5@billing\ngave up 7@api\n";
        let found = compare(a, b).unwrap();
        assert_eq!(&*found.process, "billing");
        assert_eq!((found.alike, found.common), (0, None));
        assert_eq!((found.next, found.others), ([Some(2), Some(2)], 1));
        let found = compare(a, "took 1 2@api\nasked 3@api\ncharged 7 5@billing\n").unwrap();
        assert_eq!(&*found.process, "api");
        assert_eq!((found.alike, found.common), (2, Some([1, 1])));
        assert_eq!((found.next, found.others), ([Some(3), None], 0));
    }

    #[test]
    fn what_an_event_is_counts_too() {
        let of =
            |kind| format!("{{\"lamport\":\"1@a\",\"lamport_kind\":\"{kind}\",\"message\":\"x\"}}");
        assert!(compare(&of("send"), &of("receive")).is_some());
        assert!(compare(&of("send"), &of("send")).is_none());
    }
}
