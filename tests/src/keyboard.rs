//! Keys that are pressed in a desktop, as its own input devices would report them.

use std::io::Write;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use crate::environment::{Environment, SCRIPTS};
use crate::failure::{Context, Outcome};
use crate::machine::end_inside;
use crate::screen::Client;
use crate::transcript::{Source, Transcript};

/// For a key to be pressed: a few milliseconds on a host that has nothing else to do.
const PRESSED: Duration = Duration::from_secs(10);

/// The code of a key that writes nothing (linux/input-event-codes.h, `KEY_LEFTSHIFT`).
const LEFT_SHIFT: &str = "42\n";

/// A keyboard of a desktop's.
#[derive(Debug)]
pub(crate) enum Keyboard {
    /// Comes with each key and goes after it: the `virtual-keyboard` protocol of wlroots, or the
    /// `XTEST` extension of X11.
    PerKey(&'static str),
    /// Stays: GNOME's shell has one for those who control it from far.
    Attached(Attached),
}

/// A keyboard that stays.
#[derive(Debug)]
pub(crate) struct Attached {
    script: Child,
    codes: ChildStdin,
    said: Transcript,
    seen: usize,
}

impl Keyboard {
    /// The keyboard of `environment`, with whose programs `client` belongs.
    ///
    /// # Errors
    /// Where none can be attached.
    pub(crate) fn of(environment: Environment, client: &Client<'_>) -> Outcome<Self> {
        match environment {
            Environment::Sway | Environment::Labwc => Ok(Self::PerKey("wtype -k Shift_L")),
            Environment::X11 => Ok(Self::PerKey("xdotool key Shift_L")),
            Environment::Gnome => Attached::start(client).map(Self::Attached),
        }
    }

    /// Presses a key that writes nothing.
    ///
    /// # Errors
    /// Where the desktop does not take it.
    pub(crate) fn press(&mut self, client: &Client<'_>) -> Outcome {
        match self {
            Self::PerKey(command) => client.run(command).map(drop),
            Self::Attached(keyboard) => keyboard.press(),
        }
    }
}

impl Attached {
    fn start(client: &Client<'_>) -> Outcome<Self> {
        let mut script = client
            .command(&format!("exec python3 {SCRIPTS}/keyboard.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("attach a keyboard")?;
        let codes = script.stdin.take().context("the keyboard's input")?;
        let stdout = script.stdout.take().context("the keyboard's output")?;
        let mut keyboard = Self {
            script,
            codes,
            said: Transcript::of(stdout, Source::Pipe),
            seen: 0,
        };
        keyboard.wait_for("ready")?;
        Ok(keyboard)
    }

    fn press(&mut self) -> Outcome {
        let sent = self.codes.write_all(LEFT_SHIFT.as_bytes());
        sent.context("press a key")?;
        self.wait_for("pressed")
    }

    fn wait_for(&mut self, word: &str) -> Outcome {
        self.seen = self.said.wait_after(self.seen, word, PRESSED)?.end;
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        end_inside(&mut self.script);
    }
}
