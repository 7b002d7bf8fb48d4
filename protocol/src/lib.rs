//! What the login module and the daemon say to each other over `/run/session-timeout/login.sock`.
//!
//! One connection carries one [`Request`] and at most one [`Reply`], each in one frame:
//!
//! ```text
//!  0         4          6        8           12
//!  +---------+----------+--------+-----------+------------------------
//!  | "STMO"  | version  |  kind  |  length   | fields, `length` bytes
//!  +---------+----------+--------+-----------+------------------------
//!   4 bytes    u16        u16      u32           all integers little-endian
//!
//!  field:  | tag u8 | length u16 | UTF-8 text |
//! ```
//!
//! A reader refuses another [`VERSION`] and skips fields whose tag it does not know, so that a
//! module that sshd mapped before an upgrade and a daemon that was started after it understand
//! each other. A frame is at most [`MAX_FRAME`] bytes; a reader knows that from the header,
//! before it allocates anything.
//!
//! Who the peer is, is never in a message: the daemon asks the kernel.

#![forbid(unsafe_code)]

mod frame;
mod message;

pub use frame::{FrameError, HEADER_LEN, Header, MAX_FIELD, MAX_FRAME, VERSION};
pub use message::{Closed, Opened, Reply, Request};

/// Where the daemon listens for logins. Mode 0600: only root connects.
pub const LOGIN_SOCKET: &str = "/run/session-timeout/login.sock";
