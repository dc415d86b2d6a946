//! The texts of stamps: the vectors that every language shares.

use lamport_clock::{Instance, Stamp};

#[test]
fn every_language_reads_and_writes_these_texts() {
    let mut count = 0;
    for line in include_str!("stamps.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let columns: Vec<&str> = line.split('\t').collect();
        match columns[..] {
            [text, "refused", why] => {
                let message = text.parse::<Stamp>().unwrap_err().to_string();
                assert!(message.contains(why), "{text:?}: {message}");
            }
            [text, time, process, instance, plain, long] => {
                let stamp: Stamp = text.parse().unwrap();
                assert_eq!(stamp.time.to_string(), time, "{text:?}");
                assert_eq!(stamp.process.as_str(), process, "{text:?}");
                assert_eq!(stamp.instance.to_string(), instance, "{text:?}");
                assert_eq!(
                    (stamp.to_string(), format!("{stamp:#}")),
                    (plain.into(), long.into())
                );
                assert_eq!(long.parse::<Stamp>().unwrap(), stamp);
                let unknown = Stamp {
                    instance: Instance::UNKNOWN,
                    ..stamp
                };
                assert_eq!(plain.parse::<Stamp>().unwrap(), unknown);
            }
            _ => panic!("{line:?}"),
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[cfg(feature = "shared")]
#[test]
fn every_language_signs_these_headers_alike() {
    let mut count = 0;
    for line in include_str!("header.tsv").lines() {
        if line.starts_with('#') {
            continue;
        }
        let [long, key, value] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?}");
        };
        let stamp: Stamp = long.parse().unwrap();
        let header = lamport_clock::Header::signed([key]).unwrap();
        assert_eq!(header.write(&stamp), value);
        assert_eq!(header.read(value).unwrap(), stamp);
        assert_eq!(lamport_clock::Header::default().write(&stamp), long);
        count += 1;
    }
    assert_eq!(count, 12);
}
