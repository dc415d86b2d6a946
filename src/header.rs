//! The header that carries a stamp in a message: `42@mx-nodel;instance=00000000000000ff`, and a
//! signature where strangers can send messages.
//!
//! Its form is the same in every language and for every carrier: HTTP, gRPC metadata, the messages of task
//! queues, the environment of a child process. `tests/header.tsv` has the test vectors for all of them.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::{Stamp, parameter, trimmed};
use crate::config::files;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::quote;

/// How a process writes stamps into its messages, and which received stamps it believes.
///
/// With keys ([`Config::header`](crate::Config::header), `LAMPORT_HEADER_KEY_FILE`) each header bears an
/// HMAC-SHA256 (RFC 2104) over time, process and instance. A header without an HMAC, or with a wrong one,
/// is refused. The first key signs and every key is accepted, so that keys can be exchanged one process at
/// a time. A replayed stamp passes the check, but its time is old, and an old time moves no clock.
///
/// ```
/// use lamport_clock::{ErrorKind, Header, Stamp};
/// let sent: Stamp = "42@mx-nodel;instance=00000000000000ff".parse()?;
/// let header = Header::default();
/// assert_eq!(header.write(&sent), "42@mx-nodel;instance=00000000000000ff");
/// assert_eq!(header.read("42@mx-nodel;instance=00000000000000ff")?, sent);
///
/// let signed = Header::signed(["a secret of at least 32 characters"])?;
/// assert_eq!(signed.read(&signed.write(&sent))?, sent);
/// let stranger = signed.read(&header.write(&sent)).unwrap_err();
/// assert_eq!(stranger.kind(), ErrorKind::Untrusted);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Header {
    keys: Vec<Hmac<Sha256>>,
}

impl Header {
    /// The header's name, in lower case as HTTP/2 wants it.
    pub const NAME: &'static str = "lamport";
    /// The environment variable that carries a stamp to a child process.
    pub const VARIABLE: &'static str = "LAMPORT_STAMP";
    /// The longest value that is read, in bytes. The longest that is written has 877.
    pub const LONGEST: usize = 1024;
    /// The shortest key, in bytes.
    pub const SHORTEST_KEY: usize = 32;
    /// At most this many stamps of one value are read.
    const MOST: usize = 16;

    /// A header that signs with the first of these keys and accepts each of them.
    ///
    /// [`ErrorKind::InvalidArgument`] for a key of less than 32 bytes, and for no key at all.
    pub fn signed<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Header> {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| Header::key(key.as_ref()))
            .collect::<Result<_>>()?;
        if keys.is_empty() {
            return Err(Error::invalid("there is no key to sign headers with"));
        }
        Ok(Header { keys })
    }

    /// A header with the keys of a file like that of `LAMPORT_HEADER_KEY_FILE`: one or two lines, a key in
    /// each. Other users must not be able to read the file: mode 600 or less, or 640 or less if root owns it.
    ///
    /// [`ErrorKind::InvalidArgument`] if the file is not like that.
    pub fn from_file(file: &str) -> Result<Header> {
        Header::signed(files::read_keys(file)?.lines())
    }

    fn key(key: &[u8]) -> Result<Hmac<Sha256>> {
        if key.len() < Header::SHORTEST_KEY {
            return Err(Error::invalid(format!(
                "a key that signs headers has at least {} bytes, and this one has {}: make one with \
                 openssl rand -hex 32",
                Header::SHORTEST_KEY,
                key.len()
            )));
        }
        // HMAC takes a key of any length, so this can't fail.
        Hmac::new_from_slice(key).map_err(|error| Error::invalid(error.to_string()))
    }

    /// Whether headers are signed, and unsigned ones refused.
    pub fn is_signed(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The value of the header for a message with this stamp: the stamp's long form, and a signature if there
    /// is a key.
    pub fn write(&self, stamp: &Stamp) -> String {
        let mut value = format!("{stamp:#}");
        if let Some(key) = self.keys.first() {
            let code = key.clone().chain_update(&value).finalize().into_bytes();
            value += ";mac=";
            for byte in code {
                // Writing to a `String` can't fail.
                let _ = write!(value, "{byte:02x}");
            }
        }
        value
    }

    /// The stamp in the value of a header, which is ASCII and holds one stamp.
    ///
    /// [`ErrorKind::InvalidArgument`] if the value holds no stamp; [`ErrorKind::Untrusted`] if the stamp is
    /// not signed with one of the keys.
    pub fn read(&self, value: &str) -> Result<Stamp> {
        Header::check_length(value)?;
        if !value.is_ascii() {
            let why = format!("{} has characters that are not ASCII", quote(value));
            return Err(Error::invalid(why));
        }
        let stamp = value.parse()?;
        self.verify(&stamp, parameter(value, "mac"))?;
        Ok(stamp)
    }

    fn check_length(value: &str) -> Result<()> {
        if value.len() > Header::LONGEST {
            return Err(Error::invalid(format!(
                "a header of {} bytes is ignored: the longest that is read has {}",
                value.len(),
                Header::LONGEST
            )));
        }
        Ok(())
    }

    /// Checks every key, in constant time: the time taken doesn't show which key signed.
    fn verify(&self, stamp: &Stamp, code: Option<&str>) -> Result<()> {
        if !self.is_signed() {
            return Ok(());
        }
        let untrusted = |why: &str| Err(Error::new(ErrorKind::Untrusted, format!("{stamp} {why}")));
        let Some(code) = code else {
            return untrusted("is not signed, and this process believes only who has its key");
        };
        let text = format!("{stamp:#}");
        let bytes = bytes_of(code).unwrap_or_default();
        let signs =
            |key: &Hmac<Sha256>| key.clone().chain_update(&text).verify_slice(&bytes).is_ok();
        match self.keys.iter().filter(|key| signs(key)).count() {
            0 => untrusted("is signed with another key than this process has"),
            _ => Ok(()),
        }
    }

    /// Receives a message with this value of the header, or with several separated by commas. Returns the
    /// stamp of its arrival. Each stamp that the clock accepts counts; the newest is received last.
    pub(crate) fn receive(
        &self,
        value: &str,
        receive: impl Fn(&Stamp) -> Result<Stamp>,
    ) -> Result<Stamp> {
        Header::check_length(value)?;
        let texts = value.split(',').map(trimmed);
        let mut refused = None;
        let mut stamps = Vec::new();
        for text in texts.filter(|text| !text.is_empty()).take(Header::MOST) {
            match self.read(text) {
                Ok(stamp) => stamps.push(stamp),
                Err(error) => refused = Some(error),
            }
        }
        // In rising order: an attacker's stamp far ahead must not hide an honest one, and every stamp
        // that counts happened before what follows.
        stamps.sort_unstable();
        let mut arrived = None;
        for stamp in &stamps {
            match receive(stamp) {
                Ok(arrival) => arrived = Some(arrival),
                Err(error) => refused = Some(error),
            }
        }
        let refused = || refused.unwrap_or_else(|| Error::invalid("an empty header is no stamp"));
        arrived.ok_or_else(refused)
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Header(signed: {})", self.is_signed())
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::try_from(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const OLD: &str = "the old key, of at least 32 characters";
    const NEW: &str = "the new key, of at least 32 characters";

    fn stamp(text: &str) -> Stamp {
        text.parse().unwrap()
    }

    fn kind(result: Result<Stamp>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn a_signature_counts_for_nothing_where_there_is_no_key() {
        let sent = stamp("42@a;instance=00000000000000ff");
        let header = Header::default();
        for value in [
            "42@a;instance=00000000000000ff",
            " 42@a ; colour=red; Instance=00000000000000ff;mac=00;x",
        ] {
            assert_eq!(header.read(value).unwrap(), sent, "{value}");
        }
        assert_eq!(header.read("42@a").unwrap(), stamp("42@a"));
    }

    #[test]
    fn what_is_no_stamp_is_refused() {
        let long = format!("42@{};x={}", "a".repeat(255), "y".repeat(800));
        for value in [
            "",
            "42",
            "42@",
            "@a",
            "-1@a",
            "42@z\u{fc}rich",
            "42@%ff",
            "42@a%20b",
            "42@a;instance=1",
            &long,
            "9007199254740992@a",
            "42@a%00b",
            "42@a%3Binstance=00000000000000ff",
        ] {
            assert_eq!(
                kind(Header::default().read(value)),
                ErrorKind::InvalidArgument,
                "{value}"
            );
        }
    }

    #[test]
    fn a_stamp_is_believed_from_who_has_a_key_and_from_nobody_else() {
        let sent = stamp("42@a;instance=00000000000000ff");
        let old = Header::signed([OLD]).unwrap();
        let both = Header::signed([NEW, OLD]).unwrap();
        let new = Header::signed([NEW]).unwrap();
        assert_eq!(both.read(&old.write(&sent)).unwrap(), sent);
        assert_eq!(new.read(&both.write(&sent)).unwrap(), sent);
        assert_eq!(Header::default().read(&new.write(&sent)).unwrap(), sent);
        let signed = new.write(&sent);
        let forged = [
            old.write(&sent),
            Header::default().write(&sent),
            signed.replace("42@", "43@"),
            signed.replace("@a", "@b"),
            signed.replace("00ff", "00fe"),
            signed[..signed.len() - 1].to_owned(),
            signed[..signed.len() - 2].to_owned(),
            signed.clone() + "00",
            signed.replace(";mac=", ";mac=+"),
        ];
        for value in forged {
            assert_eq!(kind(new.read(&value)), ErrorKind::Untrusted, "{value}");
        }
        for short in ["", "31 characters are not enough..."] {
            assert!(Header::signed([short]).is_err());
        }
        assert!(Header::signed::<&str>([]).is_err());
        assert!(!format!("{new:?}").contains("key,"));
    }

    #[test]
    fn of_several_stamps_each_counts_that_the_clock_takes() {
        let asked = RefCell::new(Vec::new());
        let receive = |stamp: &Stamp| {
            asked.borrow_mut().push(stamp.time.get());
            match stamp.time.get() {
                100.. => Err(Error::new(ErrorKind::TooFarAhead, "too far")),
                _ => Ok(stamp.clone()),
            }
        };
        let header = Header::default();
        let arrival = header
            .receive("7@a, 500@liar,,42@b, rubbish", receive)
            .unwrap();
        assert_eq!((arrival, asked.take()), (stamp("42@b"), vec![7, 42, 500]));
        assert_eq!(
            kind(header.receive("500@liar", receive)),
            ErrorKind::TooFarAhead
        );
        for value in ["", " , ", "rubbish", &"1@a,".repeat(300)] {
            assert_eq!(
                kind(header.receive(value, receive)),
                ErrorKind::InvalidArgument
            );
        }
        asked.take();
        let many = vec!["1@a"; 200].join(",");
        header
            .receive(&many, |_| {
                asked.borrow_mut().push(1);
                Err(Error::new(ErrorKind::Internal, "no"))
            })
            .unwrap_err();
        assert_eq!(asked.take().len(), Header::MOST);
    }
}
