//! A test harness with real Debian machines: systemd as PID 1, logind, dbus, sshd, PAM.
//!
//! [`Machine::bare`] boots one under `systemd-nspawn`, on a root tree that is built once for each
//! suite and kind and kept under `target/machines`. [`Ssh`], [`SharedConnection`], [`Console`],
//! [`Desktop`], [`Screen`] and [`LoginScreen`] log in to it, and [`Journal`] follows its journal.
//! Every wait has a condition and a bound, never a fixed time. The cases are in `tests/`, the
//! demonstration is in `src/bin`.
//!
//! It needs root, but not the host's systemd.

#![forbid(unsafe_code)]

mod cgroup;
mod console;
mod desktop;
mod environment;
mod failure;
mod feed;
mod image;
mod journal;
mod keyboard;
mod kind;
mod layer;
mod load;
mod login;
mod login_screen;
mod machine;
mod package;
mod picture;
mod pressure;
mod product;
mod rootfs;
mod running;
mod scheduler;
mod screen;
mod seat;
mod semaphore;
mod shared;
mod suite;
mod times;
mod transcript;
mod vts;
mod wait;

pub use console::Console;
pub use desktop::{Desktop, Locker};
pub use environment::Environment;
pub use failure::{Context, Failure, Outcome};
pub use journal::{Entry, Journal, UNIT, Wanted};
pub use kind::Kind;
pub use layer::workspace_dir;
pub use load::Load;
pub use login::{Account, Ssh, Terminal};
pub use login_screen::{LoginManager, LoginScreen, Plasma};
pub use machine::{Machine, Output, end_all};
pub use package::Package;
pub use scheduler::Place;
pub use screen::Screen;
pub use seat::{Class, Seated};
pub use shared::SharedConnection;
pub use suite::Suite;
pub use transcript::{Seen, Transcript};
pub use vts::{Vt, Vts};
pub use wait::{hold_for, wait_until};
