//! What the daemon and the program that writes to terminals say to each other.
//!
//! Whoever opens a terminal, or reads or writes its state, may be blocked in the kernel for as long
//! as the terminal's user likes: `O_NONBLOCK` keeps a write from waiting for room, and not from
//! waiting for the lock of the terminal (`tty_lock()`) or of its line discipline
//! (`tty_ldisc_ref_wait()` in `drivers/tty/tty_ldisc.c`). So the daemon touches none. It asks
//! `session-timeout-terminals`, which has short-lived workers do it, and is the only program of the
//! project with a capability.
//!
//! A message is a header, which is [`MAGIC`] and the length of the rest as a little-endian number of
//! 32 bits, and JSON. One question has one answer, and a connection any number of them.

#![forbid(unsafe_code)]

mod channel;
pub mod process;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use channel::{receive, send};

/// Where the program listens.
pub const SOCKET: &str = "/run/session-timeout/terminals.sock";

/// What a message begins with; the last byte is the version of what follows.
pub const MAGIC: [u8; 4] = *b"STT\x01";

/// The longest message without its header, in bytes.
pub const LONGEST: usize = 128 * 1024;

/// So many terminals may be in one question.
pub const TERMINALS_MAX: usize = 64;

/// A question of the daemon's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The uid of the session's user, to whom all of it is put down.
    pub user: u32,
    /// The terminals of the session, [`TERMINALS_MAX`] at most.
    pub terminals: Vec<Terminal>,
    /// What is to be done with them.
    pub wish: Wish,
}

/// What is to be done with terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Watch them for input, with the inotify instance that comes along with the message.
    Watch,
    /// Write to them.
    Write {
        /// What to write.
        text: String,
        /// Whether terminals that refuse messages are written to.
        mesg: Mesg,
    },
}

/// What `mesg n` of mesg(1) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mesg {
    /// Nothing.
    Ignored,
    /// A terminal that refuses messages is spared.
    Respected,
}

/// A terminal, as it was when it was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Terminal {
    /// Its file, below `/dev`.
    pub path: PathBuf,
    /// Its device number.
    pub device: u64,
    /// Whose it was.
    pub owner: u32,
    /// A process of the session that had it for its controlling terminal. Only with one is a
    /// terminal taken that is not the session's user's.
    pub witness: Option<Witness>,
}

/// A process, and not another one with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Witness {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

/// The answer: one entry for each terminal, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The numbers of the watches; none where a terminal cannot be watched.
    Watched(Vec<Option<i32>>),
    /// What became of the text.
    Written(Vec<Shown>),
}

/// What became of a text for one terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Whether it was taken.
    pub outcome: Outcome,
    /// When the terminal was last written to, before and after, where that is known: part of a text
    /// may have been written though the terminal did not take it.
    pub stamps: Option<Stamps>,
}

impl Shown {
    /// This came of it, and nothing was written.
    #[must_use]
    pub const fn only(outcome: Outcome) -> Self {
        Self {
            outcome,
            stamps: None,
        }
    }
}

/// The outcome for one terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The terminal has it.
    Written,
    /// The terminal refuses messages, and that is respected.
    Spared,
    /// The terminal is gone, somebody else's, or broken.
    Refused,
    /// The terminal is stopped by ^S, or its buffer is full.
    Full,
    /// The terminal blocks whoever touches it, or others of its user's do.
    Late,
}

/// When a terminal was last written to, in seconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// Before the text was written.
    pub before: i64,
    /// Afterwards.
    pub after: i64,
}
