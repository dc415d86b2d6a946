//! What wakes an event loop: a file descriptor that is readable from the time it is rung until it is
//! silenced.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::{read, write};

/// Nothing here blocks, and ringing may be done by any thread.
pub(crate) struct Alarm {
    heard: OwnedFd,
    /// `None` where one descriptor has both ends.
    rung: Option<OwnedFd>,
}

impl Alarm {
    /// An eventfd: one descriptor, and a number in the kernel in place of a buffer.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn new() -> io::Result<Alarm> {
        use rustix::event::{EventfdFlags, eventfd};

        let heard = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Alarm { heard, rung: None })
    }

    /// A pipe, where there is no eventfd.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn new() -> io::Result<Alarm> {
        let (heard, rung) = io::pipe()?;
        let (heard, rung) = (OwnedFd::from(heard), OwnedFd::from(rung));
        rustix::io::ioctl_fionbio(&heard, true)?;
        rustix::io::ioctl_fionbio(&rung, true)?;
        Ok(Alarm {
            heard,
            rung: Some(rung),
        })
    }

    /// What an event loop waits for to become readable.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.heard.as_raw_fd()
    }

    pub(crate) fn ring(&self) {
        // Eight bytes: an eventfd takes no others. It fails only where the alarm has not been
        // silenced for ever so long, and then it rings.
        let _ = write(
            self.rung.as_ref().unwrap_or(&self.heard),
            &1_u64.to_ne_bytes(),
        );
    }

    /// Silent until it is rung again; it may have been silent before.
    pub(crate) fn silence(&self) {
        // A pipe may hold some more than this: it then rings once too often.
        let _ = read(&self.heard, &mut [0_u8; 512]);
    }
}
