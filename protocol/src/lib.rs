//! The protocols between the programs of session-timeout.
//!
//! [`bus`] is the D-Bus interface of the daemon and that of its agents. The other items are the
//! protocol between the PAM module and the daemon, over `/run/session-timeout/login.sock`
//! ([`LOGIN_SOCKET`]).
//!
//! On the login socket one connection carries one [`Request`] and at most one [`Reply`], each in
//! one frame:
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
//! A reader rejects another [`VERSION`] and skips fields with an unknown tag, so that a module
//! that sshd mapped before an upgrade and a daemon that was started after it understand each
//! other. A frame has at most [`MAX_FRAME`] bytes; the header has its length, so that a reader
//! checks it before it allocates memory.
//!
//! No message says which process sent it: the daemon gets the peer's credentials from the kernel.

#![forbid(unsafe_code)]

pub mod bus;
mod frame;
mod message;

pub use frame::{FrameError, HEADER_LEN, Header, MAX_FIELD, MAX_FRAME, VERSION};
pub use message::{Closed, Opened, Reply, Request};

/// The socket on which the daemon accepts connections of the PAM module. Mode 0600: only root can
/// connect.
pub const LOGIN_SOCKET: &str = "/run/session-timeout/login.sock";
