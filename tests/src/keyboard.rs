//! Presses keys in a desktop through its virtual input devices.

use std::io::Write;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use crate::environment::{Environment, SCRIPTS};
use crate::failure::{Context, Outcome};
use crate::machine::end_inside;
use crate::screen::Client;
use crate::transcript::{Source, Transcript};

/// Timeout for a key press: it takes a few milliseconds on an idle host.
const PRESSED: Duration = Duration::from_secs(10);

/// The code of a key that types no character (linux/input-event-codes.h, `KEY_LEFTSHIFT`).
const LEFT_SHIFT: &str = "42\n";

/// A virtual keyboard of a desktop.
#[derive(Debug)]
pub(crate) enum Keyboard {
    /// Exists for one key press only: the `virtual-keyboard` protocol of wlroots, or the `XTEST`
    /// extension of X11.
    PerKey(&'static str),
    /// Permanent: the remote desktop interface of GNOME's shell.
    Attached(Attached),
}

/// A permanent keyboard.
#[derive(Debug)]
pub(crate) struct Attached {
    script: Child,
    codes: ChildStdin,
    said: Transcript,
    seen: usize,
}

impl Keyboard {
    /// The keyboard of `environment`, in the session of `client`.
    ///
    /// # Errors
    /// It cannot be attached.
    pub(crate) fn of(environment: Environment, client: &Client<'_>) -> Outcome<Self> {
        match environment {
            Environment::Sway | Environment::Labwc => Ok(Self::PerKey("wtype -k Shift_L")),
            Environment::X11 => Ok(Self::PerKey("xdotool key Shift_L")),
            Environment::Gnome => Attached::start(client).map(Self::Attached),
        }
    }

    /// Presses a key that types no character.
    ///
    /// # Errors
    /// The desktop refuses it.
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
