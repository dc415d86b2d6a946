//! An answer that is read against what was seen before says the same as one that is read alone.

use super::*;

/// A stream of numbers: xorshift.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// One of few states of one of few keys: equal bytes and revisions come again.
    fn entry(&mut self) -> Entry {
        let keys = Keys::new("/c");
        let base = |value, taken| {
            let mut base = Base::counted(time(value), "a", Instance::new(1), 1.5);
            base.taken = taken;
            base.created = 1;
            serde_json::to_vec(&base).unwrap()
        };
        let taken = Taken {
            process: "b".to_owned(),
            instance: Instance::new(2),
            count: 1,
            local: time(self.below(2)),
            attempt: 1,
            real_timestamp: 1.5,
        };
        let record = |value: u64| format!(r#"{{"value": {value}}}"#).into_bytes();
        let (key, value) = match self.below(12) {
            0 | 1 => (keys.record.clone(), record(self.below(3))),
            2 => (keys.record.clone(), b"what?".to_vec()),
            3..=5 => (keys.base.clone(), base(self.below(2), 1 + self.below(2))),
            6 => (keys.base.clone(), br#"{"format": 2}"#.to_vec()),
            7 | 8 => (keys.taken.clone(), serde_json::to_vec(&taken).unwrap()),
            9 => (keys.taken.clone(), b"what?".to_vec()),
            10 => (keys.weight(self.below(2) as u32), Vec::new()),
            _ => (b"/c/taken/strange".to_vec(), b"what?".to_vec()),
        };
        Entry {
            key,
            value,
            create_revision: 1 + self.below(2),
            mod_revision: 2 + self.below(3),
            version: 1 + self.below(3),
        }
    }

    /// Keys in any order, some of them twice.
    fn reply(&mut self) -> Reply {
        Reply {
            succeeded: self.below(2) == 0,
            revision: 10 + self.below(10),
            cluster: self.below(3),
            entries: (0..self.below(8)).map(|_| self.entry()).collect(),
        }
    }
}

fn says(snapshot: &Snapshot) -> String {
    let keys = format!("{snapshot:?}");
    let (_, keys) = keys.split_once(" [").unwrap();
    format!(
        "[{keys} {:?} {:?} {:?} {:?} {:?} {:?}",
        snapshot.clock(),
        snapshot.record(),
        snapshot.base(),
        snapshot.newest(),
        snapshot.takes(),
        snapshot.is_current(),
    )
}

#[test]
fn an_answer_says_the_same_whatever_was_seen_before() {
    let mut draw = Draw(0x1978);
    let process = process("a", 1);
    let keys = process.keys().clone();
    for _ in 0..3_000 {
        let seen = Arc::new(Snapshot::of(&keys, &draw.reply()));
        let read = Transaction {
            then: read_all(&keys),
            otherwise: read_all(&keys),
            ..Transaction::default()
        };
        let reply = draw.reply();
        let answer = process.ask(read, &seen).answer(&reply);
        let alone = Snapshot::of(&keys, &reply);
        assert_eq!(says(&answer.before), says(&alone), "{seen:?} {reply:?}");
        assert_eq!(says(&answer.after), says(&alone));
        let after = &answer.after;
        assert_eq!(
            (after.revision, after.cluster),
            (reply.revision, reply.cluster)
        );
    }
}
