//! The protocol between the daemon and `session-timeout-terminals`, and the latter's parts.
//!
//! A process that opens a terminal, or reads or writes its state, can be blocked in the kernel for
//! as long as the terminal's user wants: `O_NONBLOCK` prevents waiting for room, but not waiting
//! for the lock of the terminal (`tty_lock()`) or of its line discipline (`tty_ldisc_ref_wait()` in
//! `drivers/tty/tty_ldisc.c`). So the daemon opens none. It sends requests to
//! `session-timeout-terminals`, which has the required capability and runs them in worker
//! processes.
//!
//! A message is a header, which is [`MAGIC`] and the length of the body as a little-endian 32-bit
//! number, and a JSON body. Each request has one reply; a connection carries any number of them.

#![forbid(unsafe_code)]

mod channel;
pub mod process;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use channel::{receive, send};

/// The path of the program's socket.
pub const SOCKET: &str = "/run/session-timeout/terminals.sock";

/// The first bytes of a message; the last byte is the version of the protocol.
pub const MAGIC: [u8; 4] = *b"STT\x01";

/// Maximum length of a message's body, in bytes.
pub const MAX_BODY_LEN: usize = 128 * 1024;

/// Maximum number of terminals in one request.
pub const MAX_TERMINALS: usize = 64;

/// A request of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The uid of the session's user, whose limits the request counts against.
    pub user: u32,
    /// The terminals of the session, at most [`MAX_TERMINALS`].
    pub terminals: Vec<Terminal>,
    /// The operation on the terminals.
    pub operation: Operation,
}

/// The operations on terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Watch them for input, with the inotify instance that is passed with the message.
    Watch,
    /// Write to them.
    Write {
        /// The text to write.
        text: String,
        /// Whether terminals that refuse messages are written to.
        mesg: Mesg,
    },
}

/// How to treat `mesg n` of mesg(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mesg {
    /// It is ignored.
    Ignored,
    /// A terminal that refuses messages is not written to.
    Respected,
}

/// A terminal, as it was when the daemon found it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Terminal {
    /// Its path, below `/dev`.
    pub path: PathBuf,
    /// Its device number.
    pub device: u64,
    /// The uid of its owner.
    pub owner: u32,
    /// A process of the session with this controlling terminal. Without one, only a terminal that
    /// the session's user owns is accepted.
    pub witness: Option<Witness>,
}

/// A process, identified by id and start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Witness {
    /// Its process id.
    pub pid: u32,
    /// Its start time, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

/// The reply: one entry for each terminal, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The watch descriptors; `None` for a terminal that cannot be watched.
    Watched(Vec<Option<i32>>),
    /// The results of the write.
    Written(Vec<WriteResult>),
}

/// The result of a write to one terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteResult {
    /// Whether the text was written.
    pub outcome: Outcome,
    /// The terminal's write times before and after, if known: part of a text may have been written
    /// even if the write failed.
    pub stamps: Option<Stamps>,
}

impl WriteResult {
    /// This outcome, with nothing written.
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
    /// The text was written.
    Written,
    /// The terminal refuses messages, and the request respects that.
    Spared,
    /// The terminal does not exist any more, belongs to another user, or failed.
    Refused,
    /// The terminal is stopped by ^S, or its buffer is full.
    Full,
    /// The deadline passed: this terminal blocked the worker, or the user's other terminals did.
    Late,
}

/// The write times of a terminal, in seconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// Before the write.
    pub before: i64,
    /// After the write.
    pub after: i64,
}
