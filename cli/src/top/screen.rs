//! The terminal's alternate screen, and the keys that are pressed while it is shown.

use std::io::{self, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
};

use super::super::output::written;
use super::Ending;

/// The terminal's alternate screen, without a cursor. Dropping it brings back the normal screen.
pub(super) struct Screen {
    /// The terminal's earlier settings for keys; `None` if keys can't be read.
    keyboard: Option<Termios>,
}

impl Screen {
    pub(super) fn enter() -> Result<Screen, Ending> {
        let screen = Screen {
            keyboard: own_keyboard(),
        };
        write("\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Draws over the old text without clearing the screen first, so that nothing flickers.
    pub(super) fn draw(&self, lines: &[String]) -> Result<(), Ending> {
        write(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n")))
    }

    /// Whether one of these keys was pressed. Does not wait.
    pub(super) fn is_key(&self, keys: &[u8]) -> bool {
        if self.keyboard.is_none() {
            return false;
        }
        let mut pressed = [0; 32];
        match rustix::io::read(io::stdin(), &mut pressed) {
            Ok(count) => pressed[..count].iter().any(|key| keys.contains(key)),
            Err(_) => false,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(keyboard) = &self.keyboard {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, keyboard);
        }
        let _ = write("\x1b[?25h\x1b[?1049l");
    }
}

/// Makes keys arrive at once and without echo, and returns the earlier settings. Ctrl-C stays a signal.
/// Ctrl-Z does nothing, because it would leave the alternate screen in place.
fn own_keyboard() -> Option<Termios> {
    let stdin = io::stdin();
    if !isatty(&stdin) {
        return None;
    }
    let before = tcgetattr(&stdin).ok()?;
    let mut own = before.clone();
    own.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    for code in [
        SpecialCodeIndex::VMIN,
        SpecialCodeIndex::VTIME,
        SpecialCodeIndex::VSUSP,
    ] {
        own.special_codes[code] = 0;
    }
    tcsetattr(&stdin, OptionalActions::Now, &own).ok()?;
    Some(before)
}

fn write(text: &str) -> Result<(), Ending> {
    let mut stdout = io::stdout().lock();
    written(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}
