//! A snapshot that is updated from an answer equals one that is parsed from the answer alone.

use super::*;

/// Pseudo-random numbers: xorshift.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// A random state of a random key. There are so few of both that equal bytes and revisions come again.
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

/// Records as legacy writers put them: odd names, odd times, odd fields.
const LEGACY: [&str; 6] = [
    r#"{"value": VALUE}"#,
    r#"{"value": VALUE, "process_id": null, "real_timestamp": null}"#,
    r#"{"value": VALUE, "process_id": "\ud83d\ude80 \"\\\n\u0000", "real_timestamp": 1750116944.9200001}"#,
    r#"{"value": VALUE, "process_id": "\ud83d", "real_timestamp": -0}"#,
    r#"{"value": VALUE, "process_id": 5, "real_timestamp": 1e999}"#,
    r#"{"value": VALUE, "process_id": ["x"], "real_timestamp": 5e-324, "colour": {"value": 1}}"#,
];

/// Fields that a later version of this library might add to the base.
const LATER: [&str; 4] = [
    r#""int":-0,"big":123456789012345678901234567890,"max":18446744073709551615"#,
    r#""small":5e-324,"sum":0.30000000000000004"#,
    r#""deep":{"b":[null,{"a":"\u0000"}]}"#,
    r#""":"","value ":1"#,
];

/// Overwrites our base with one of a later version.
fn write_later(store: &mut Mvcc) {
    let base = store.read(&KeyRange::key(b"/c/base"), At::Now).unwrap();
    let Some(entry) = base.entries.first() else {
        return;
    };
    let text = String::from_utf8(entry.value.clone()).unwrap();
    if !text.contains("\"int\"") {
        let text = text.replacen('}', &format!(",{}}}", LATER.join(",")), 1);
        let put = Operation::Put(b"/c/base".to_vec(), text.into_bytes());
        write(store, put);
    }
}

/// Lets a random process or another writer do something. Returns the process that then knows the newest
/// state, if one does.
fn step(draw: &mut Draw, all: &mut [Protocol], store: &mut Mvcc) -> Option<usize> {
    let who = draw.below(all.len() as u64) as usize;
    let process = &mut all[who];
    match draw.below(12) {
        0 => {
            let clock = look(process, store).unwrap().clock().unwrap();
            let near = clock.map_or(0, Time::get) + draw.below(5);
            let legacy = LEGACY[draw.below(6) as usize].replace("VALUE", &near.to_string());
            write(store, Operation::Put(b"/c".to_vec(), legacy.into_bytes()));
            None
        }
        1 => {
            write_later(store);
            None
        }
        2 => {
            write(store, Operation::Put(b"/c/b".to_vec(), b"what?".to_vec()));
            None
        }
        3..=5 => {
            let form = [Fold::AtRest, Fold::InACrowd][draw.below(2) as usize];
            // It may be stale.
            let seen = match draw.below(2) {
                0 => process.snapshot().cloned(),
                _ => Some(look(process, store).unwrap()),
            };
            let fold = process.fold(form, &seen?, 0.1 + 0.2)?;
            let reply = store.apply(fold.transaction()).unwrap();
            process.handle_fold(&fold, &reply);
            Some(who)
        }
        drawn => {
            let newest = process.snapshot().and_then(|newest| newest.clock().ok()?);
            let local = newest.map_or(1, |newest| newest.get() + draw.below(4));
            let mut call = process.begin(time(local.max(1)), 1 + draw.below(200));
            if drawn < 8 {
                // The reply to the call's first transaction is lost.
                let Step::Send(lost) = process.poll(&mut call, 1.1) else {
                    return None;
                };
                store.apply(&lost).unwrap();
                process.handle_lost(&mut call);
            }
            finish(process, &mut call, store).unwrap();
            Some(who)
        }
    }
}

#[test]
fn what_a_transaction_leaves_is_known_as_whoever_looks_finds_it() {
    let mut draw = Draw(0x2013);
    let (mut rules, mut takes, mut folds) = (0, 0, 0);
    for _ in 0..20 {
        let mut store = Mvcc::default();
        // The name of the last one is not ASCII.
        let names = [("a", 1), ("b", 2), ("\u{e9}\u{1f680}", 3)];
        let mut all = names.map(|(name, instance)| process(name, instance).with_crowd(3));
        for _ in 0..100 {
            let Some(who) = step(&mut draw, &mut all, &mut store) else {
                continue;
            };
            let known = all[who].snapshot().unwrap().clone();
            let found = look(&mut process("looks", 9), &store).unwrap();
            assert_eq!(says(&known), says(&found), "{known:?}");
            assert_eq!(known.revision, found.revision);
            assert_eq!(known.repaired(), found.repaired());
            let wrote = known.base().unwrap();
            match (wrote.count, known.takes()) {
                (0, _) => folds += 1,
                (_, 0) => rules += 1,
                _ => takes += 1,
            }
        }
    }
    // Each kind occurred often.
    assert!(
        rules > 99 && takes > 99 && folds > 99,
        "{rules} {takes} {folds}"
    );
}
