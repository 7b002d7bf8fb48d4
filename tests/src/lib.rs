//! Real Debian machines to test the whole product on: systemd as PID 1, logind, dbus, sshd, PAM.
//!
//! [`Machine::bare`] starts one under `systemd-nspawn`, over a root tree that is built once per
//! suite and package list and kept under `target/machines`. [`Ssh`], [`SharedConnection`],
//! [`Console`] and [`Desktop`] log in to it for real, [`Journal`] follows its journal, and
//! everything waits for a condition with a bound, never for a while.
//! The cases are in `tests/`, the demonstration in `src/bin`.
//!
//! It needs root, and nothing of the host's own systemd.

#![forbid(unsafe_code)]

mod bed;
mod cgroup;
mod console;
mod desktop;
mod failure;
mod feed;
mod image;
mod journal;
mod layer;
mod login;
mod machine;
mod package;
mod product;
mod shared;
mod suite;
mod transcript;
mod wait;

pub use console::Console;
pub use desktop::{Desktop, Locker};
pub use failure::{Context, Failure, Outcome};
pub use journal::{Entry, Journal, UNIT, Wanted};
pub use layer::workspace_dir;
pub use login::{Account, Ssh, Terminal};
pub use machine::{Machine, Output, end_all};
pub use package::Package;
pub use shared::SharedConnection;
pub use suite::Suite;
pub use transcript::{Seen, Transcript};
pub use wait::{hold_for, wait_until};
