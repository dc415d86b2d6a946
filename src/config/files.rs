//! Reads the files that settings name: certificates, keys, passwords. Their contents are never printed.
//!
//! A secret file that others on the machine can read is refused, by the rule of PostgreSQL's client for
//! its keys (libpq, "SSL support"). A file must have mode 600 or less. If root owns it, a group may read
//! it too (640): that is how a secret is handed to a process that is not root, for example by Kubernetes
//! with `fsGroup`. Certificates and configurations are no secrets, but the library obeys them: nobody but
//! the owner may write to them (as for OpenSSH's files).

use std::fs::{File, Metadata};
use std::io::Read;

use crate::error::{Error, Result};
use crate::excerpt::quote;
use crate::header::Header;

/// The largest file accepted, in bytes: far more than a bundle of all public authorities takes.
const LARGEST: u64 = 1 << 20;

/// Reads a file that is no secret. Refused if others may write to it.
pub(super) fn read(file: &str) -> Result<Vec<u8>> {
    contents(file, refuse_if_others_may_write)
}

/// Reads a file that holds a secret. Refused if others may read it.
pub(super) fn read_secret(file: &str) -> Result<String> {
    let bytes = contents(file, refuse_if_others_may_read)?;
    // The error drops its source, which holds the bytes of the secret.
    String::from_utf8(bytes).map_err(|_| refused(file, "is not UTF-8 text"))
}

/// Reads the password in `file`.
pub(super) fn read_password(file: &str) -> Result<String> {
    let text = read_secret(file)?;
    // Editors end a file with a newline that is no part of the password.
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(refused(file, "is empty: it holds the password"));
    }
    if password.contains(['\r', '\n']) {
        let why = "holds several lines: it takes the password and nothing else";
        return Err(refused(file, why));
    }
    Ok(password.to_owned())
}

/// Reads the keys in `file` that sign headers, one a line: one key, or two while keys are exchanged.
pub(crate) fn read_keys(file: &str) -> Result<String> {
    let text = read_secret(file)?;
    match text.lines().count() {
        1 | 2 if text.lines().all(|key| key.len() >= Header::SHORTEST_KEY) => Ok(text),
        _ => Err(refused(
            file,
            "holds no key for signing headers: it takes one line, or two while keys are exchanged (the \
             first signs, both are accepted), each of at least 32 characters: openssl rand -hex 32",
        )),
    }
}

/// Reads a file whose metadata `check` accepts.
fn contents(name: &str, check: fn(&str, &Metadata) -> Result<()>) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| refused(name, &format!("can't be read: {error}"));
    // Checked before opening, too: opening a pipe waits until somebody opens it for writing.
    refuse_if_no_file(name, &std::fs::metadata(name).map_err(unreadable)?)?;
    let file = File::open(name).map_err(unreadable)?;
    // Checked again on the open file: its name may lead to another file by now.
    let about = file.metadata().map_err(unreadable)?;
    refuse_if_no_file(name, &about)?;
    check(name, &about)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(LARGEST + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused(name, "is larger than 1 MiB"));
    }
    Ok(bytes)
}

fn refuse_if_no_file(name: &str, about: &Metadata) -> Result<()> {
    if about.is_file() {
        return Ok(());
    }
    let what = match about.is_dir() {
        true => "is a directory, not a file",
        false => "is not a regular file",
    };
    Err(refused(name, what))
}

fn refuse_if_others_may_read(name: &str, about: &Metadata) -> Result<()> {
    let (mode, owner) = mode_and_owner(about);
    let (forbidden, most) = match owner {
        0 => (0o037, "640 or less where the owner is root"),
        _ => (0o077, "600 or less"),
    };
    if mode & forbidden == 0 {
        return Ok(());
    }
    let why = format!(
        "has mode {mode:03o}, so that others on this machine can get at the secret: it takes {most} \
         (chmod 600 {name}; for a secret of Kubernetes defaultMode: 0400, of Docker mode: 0400)"
    );
    Err(refused(name, &why))
}

fn refuse_if_others_may_write(name: &str, about: &Metadata) -> Result<()> {
    let (mode, _) = mode_and_owner(about);
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let why = format!(
        "has mode {mode:03o}, so that others on this machine can write what is obeyed here: take that \
         away (chmod go-w {name})"
    );
    Err(refused(name, &why))
}

#[cfg(unix)]
fn mode_and_owner(about: &Metadata) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;

    (about.mode() & 0o777, about.uid())
}

/// Systems other than Unix have no such mode. There every file passes the checks.
#[cfg(not(unix))]
fn mode_and_owner(_: &Metadata) -> (u32, u32) {
    (0, 0)
}

/// Whether this program has rights that its caller lacks, for example because its file is set-user-ID. The
/// caller made the environment, so no file is then taken from it (as with `secure_getenv` of the C library).
#[cfg(target_os = "linux")]
pub(super) fn has_more_rights_than_its_caller() -> bool {
    // The auxiliary vector, pairs of a type and a value, holds the kernel's answer under `AT_SECURE`.
    if let Ok(bytes) = std::fs::read("/proc/self/auxv") {
        const SECURE: usize = 23;
        let (words, _) = bytes.as_chunks::<{ size_of::<usize>() }>();
        let mut pairs = words
            .chunks_exact(2)
            .map(|pair| [pair[0], pair[1]].map(usize::from_ne_bytes));
        return pairs.any(|[kind, value]| kind == SECURE && value != 0);
    }
    // A program with such rights can't read the vector, unless it is root. Anybody can read its real and
    // effective ids.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| {
        let mut words = line.split_whitespace();
        let is_of_ids = matches!(words.next(), Some("Uid:" | "Gid:"));
        let (real, effective) = (words.next(), words.next());
        is_of_ids && real != effective
    })
}

/// On other systems there is no way to know.
#[cfg(not(target_os = "linux"))]
pub(super) fn has_more_rights_than_its_caller() -> bool {
    false
}

fn refused(name: &str, why: &str) -> Error {
    Error::invalid(format!("the file {} {why}", quote(name)))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::error::ErrorKind;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn file(&self, content: &[u8], mode: u32) -> String {
            let path = self.path("secret");
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    fn we_are_root() -> bool {
        use std::os::unix::fs::MetadataExt;
        fs::metadata("/proc/self").unwrap().uid() == 0
    }

    #[test]
    fn a_secret_that_others_can_read_or_write_is_refused_with_its_mode_and_the_way_out() {
        let folder = Folder::new();
        for mode in [0o644, 0o604, 0o622, 0o602, 0o660, 0o666, 0o777] {
            let file = folder.file(b"swordfish", mode);
            for error in [
                read_secret(&file).unwrap_err(),
                read_password(&file).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                let message = error.to_string();
                for part in [&file, &format!("{mode:03o}"), &format!("chmod 600 {file}")] {
                    assert!(message.contains(part), "{mode:o}: {message}");
                }
                assert!(!message.contains("swordfish"), "{message}");
            }
            // A file that is no secret may be readable by all, but writable by its owner alone.
            match read(&file) {
                Ok(bytes) => assert_eq!((bytes.as_slice(), mode & 0o022), (&b"swordfish"[..], 0)),
                Err(error) => {
                    let message = error.to_string();
                    for part in [&file, &format!("{mode:03o}"), &format!("chmod go-w {file}")] {
                        assert!(message.contains(part), "{mode:o}: {message}");
                    }
                    assert_ne!(mode & 0o022, 0);
                }
            }
        }
        for mode in [0o600, 0o400] {
            let file = folder.file(b"swordfish", mode);
            assert_eq!(read_password(&file).unwrap(), "swordfish", "{mode:o}");
        }
    }

    #[test]
    fn a_group_may_read_what_root_owns_and_nothing_else() {
        let folder = Folder::new();
        let file = folder.file(b"swordfish", 0o440);
        if we_are_root() {
            assert_eq!(read_password(&file).unwrap(), "swordfish");
            chown(&file, Some(12_345), None).unwrap();
        }
        let message = read_password(&file).unwrap_err().to_string();
        assert!(message.contains("600 or less"), "{message}");
    }

    #[test]
    fn a_link_is_followed_as_kubernetes_mounts_its_secrets() {
        let folder = Folder::new();
        folder.file(b"swordfish\n", 0o600);
        symlink("secret", folder.path("..data")).unwrap();
        symlink("..data", folder.path("password")).unwrap();
        let link = folder.path("password");
        assert_eq!(read_password(link.to_str().unwrap()).unwrap(), "swordfish");
        fs::set_permissions(folder.path("secret"), Permissions::from_mode(0o644)).unwrap();
        assert!(read_password(link.to_str().unwrap()).is_err());
    }

    #[test]
    fn what_is_no_file_is_told_at_once() {
        let folder = Folder::new();
        let pipe = folder.path("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        for (name, part) in [
            (folder.0.path().to_path_buf(), "directory"),
            (folder.path("missing"), "No such file"),
            (pipe, "not a regular file"),
            (PathBuf::from("/dev/zero"), "not a regular file"),
        ] {
            let name = name.to_str().unwrap();
            for error in [read(name).unwrap_err(), read_password(name).unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                let message = error.to_string();
                assert!(
                    message.contains(name) && message.contains(part),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn what_can_be_no_password_is_refused() {
        let folder = Folder::new();
        let large = vec![b'x'; (1 << 20) + 1];
        for (content, part) in [
            (&b""[..], "empty"),
            (b"\r\n\n", "empty"),
            (b"-----BEGIN\nMII\n", "several lines"),
            (b"\xff\xfe", "UTF-8"),
            (&large, "1 MiB"),
        ] {
            let message = read_password(&folder.file(content, 0o600)).unwrap_err();
            assert!(message.to_string().contains(part), "{message}");
        }
        let spaced = folder.file(b" two words \r\n", 0o600);
        assert_eq!(read_password(&spaced).unwrap(), " two words ");
    }
}
