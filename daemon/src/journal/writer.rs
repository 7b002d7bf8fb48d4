//! Writes entries to the journal, with fields, and lines to the authentication log.
//!
//! A thread of its own writes, because a write blocks while journald does not read, and the driver
//! must not wait for that.

use std::fmt::Display;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use log::{Level, Log as _, Record};
use session_timeout_policy::SessionFacts;
use session_timeout_texts::sanitize;
use syslog::{Facility, Formatter3164};
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Maximum number of entries in the queue; further entries are dropped, and their number is logged.
/// All of logind's sessions (8192) may be warned and ended at the same time. A full queue takes
/// some 10 MB.
const BACKLOG_MAX: usize = 16 * 1024;

/// The kind of an event, for programs: the fields `MESSAGE_ID` and `SESSION_TIMEOUT_EVENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// An agent was registered for a desktop.
    AgentAttached,
    /// A desktop has no agent any more.
    AgentGone,
    /// The agent of a desktop does not answer.
    AgentSilent,
    /// A session is ended because of a limit.
    End,
    /// A request to end a session failed, or processes of the session remain after it.
    EndFailed,
    /// The absolute limit of a session was put off.
    Extended,
    /// A request for an extension was refused.
    ExtensionRefused,
    /// A connection to the login socket sent something other than a valid frame.
    FrameRejected,
    /// A session has ended after a request of the daemon.
    Gone,
    /// A session was hung up.
    HungUp,
    /// A session still runs after its grace, and is killed.
    Kill,
    /// A session's screen is about to be locked.
    Lock,
    /// A session's screen was locked.
    Locked,
    /// A session began.
    Login,
    /// logind answers.
    LogindConnected,
    /// logind does not.
    LogindLost,
    /// A session ended without a request of the daemon.
    Logout,
    /// A login inside another session.
    Nested,
    /// A policy was put in force.
    PolicyLoaded,
    /// A policy was rejected.
    PolicyRejected,
    /// A limit is passed and the policy only reports it, or a limit or a rule cannot be applied.
    Report,
    /// Limits may be shorter than in daily use.
    ShortLimits,
    /// A login without a logind session.
    Unlimited,
    /// A user was warned.
    Warning,
    /// A warning was withdrawn.
    Withdrawn,
}

impl EventKind {
    const fn name(self) -> &'static str {
        match self {
            Self::AgentAttached => "agent-attached",
            Self::AgentGone => "agent-gone",
            Self::AgentSilent => "agent-silent",
            Self::End => "end",
            Self::EndFailed => "end-failed",
            Self::Extended => "extended",
            Self::ExtensionRefused => "extension-refused",
            Self::FrameRejected => "frame-rejected",
            Self::Gone => "gone",
            Self::HungUp => "hung-up",
            Self::Kill => "kill",
            Self::Lock => "lock",
            Self::Locked => "locked",
            Self::Login => "login",
            Self::LogindConnected => "logind-connected",
            Self::LogindLost => "logind-lost",
            Self::Logout => "logout",
            Self::Nested => "nested",
            Self::PolicyLoaded => "policy-loaded",
            Self::PolicyRejected => "policy-rejected",
            Self::Report => "report",
            Self::ShortLimits => "short-limits",
            Self::Unlimited => "unlimited",
            Self::Warning => "warning",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The `MESSAGE_ID`, a constant 128-bit number, for `journalctl MESSAGE_ID=...`.
    const fn message_id(self) -> &'static str {
        match self {
            Self::AgentAttached => "545384d0299b479fd40e9c65569cd624",
            Self::AgentGone => "a5220edf27743bffb6c9faa3e8a9087f",
            Self::AgentSilent => "3d6ad8d0592ec58bbfadec0ee0df1717",
            Self::End => "b6c3aa0de4f84a1f8f33d4e0a4f2b7c1",
            Self::EndFailed => "5a9d0f1c2be14c7a9e6f4b8d3c2a1e07",
            Self::Extended => "e3f4472ad2d940d68d7a03659f818b32",
            Self::ExtensionRefused => "5d3424b7bc0f4cccab49332fa8211c81",
            Self::FrameRejected => "0f7b6f2f9a3c4d55a1d84c9e7b3f6a12",
            Self::Gone => "c82e5d7740b94d7f9d3b1a6f5e4c8b90",
            Self::HungUp => "a8ed48f8663749d1b49500634f6b484e",
            Self::Kill => "e1f4b3a29c6d4e0b8a7f5d2c1b0e9f38",
            Self::Lock => "5a5eaa0e57874da5a8081ccad506fa86",
            Self::Locked => "4ea9bdaa179443feac2af9c5ec8ced86",
            Self::Login => "3d2b8c6e5f7a4911b0c4d9e8f1a2b376",
            Self::LogindConnected => "7c9e1d3f5b2a48608e4f6a0b9d8c7e51",
            Self::LogindLost => "94b7e2c1d0f34a5db8e6f7a9c3d2b140",
            Self::Logout => "a0e8d7c6b5f44392817f6e5d4c3b2a19",
            Self::Nested => "d5f6a7b8c9e04f1a92b3c4d5e6f7a8b9",
            Self::PolicyLoaded => "18f2e3d4c5b64a7988a9b0c1d2e3f405",
            Self::PolicyRejected => "6e5d4c3b2a1f4098b7c6d5e4f3a2b1c8",
            Self::Report => "f9a8b7c6d5e44f3a8b2c1d0e9f8a7b6c",
            Self::ShortLimits => "2c3d4e5f6a7b48c99d0e1f2a3b4c5d6e",
            Self::Unlimited => "8b9c0d1e2f3a44b5a6c7d8e9f0a1b2c3",
            Self::Warning => "41d5e9c7b3a84f60a2f8d1e6c5b4a397",
            Self::Withdrawn => "5e0c9b8a7d6f4e3fb2a1c0d9e8f7b6a5",
        }
    }
}

/// The names of the fields of an entry.
pub(crate) mod field {
    pub(crate) const ACTION: &str = "ACTION";
    pub(crate) const ASKED_BY_UID: &str = "ASKED_BY_UID";
    pub(crate) const LEAD_SEC: &str = "LEAD_SEC";
    pub(crate) const LEFT_SEC: &str = "LEFT_SEC";
    pub(crate) const LIMIT: &str = "LIMIT";
    pub(crate) const LIMIT_SEC: &str = "LIMIT_SEC";
    pub(super) const REMOTE_HOST: &str = "REMOTE_HOST";
    /// The number of terminals and agents that accepted a warning.
    pub(crate) const REACHED: &str = "REACHED";
    pub(crate) const RULE: &str = "RULE";
    pub(crate) const SERVICE: &str = "SERVICE";
    pub(crate) const SESSION_ID: &str = "SESSION_ID";
    pub(crate) const SOURCE: &str = "SOURCE";
    pub(crate) const TERMINALS: &str = "TERMINALS";
    pub(crate) const TERMINALS_SPARED: &str = "TERMINALS_SPARED";
    pub(crate) const USER_NAME: &str = "USER_NAME";
    pub(super) const USER_UID: &str = "USER_UID";
}

/// A journal entry.
pub(crate) struct Entry {
    level: Level,
    message: String,
    fields: Vec<(&'static str, String)>,
    /// The line for the authentication log, if there is one.
    auth: Option<String>,
}

impl Entry {
    pub(crate) fn new(level: Level, what: EventKind, message: impl AsRef<str>) -> Self {
        let fields = vec![
            ("MESSAGE_ID", what.message_id().to_owned()),
            ("SESSION_TIMEOUT_EVENT", what.name().to_owned()),
        ];
        Self {
            level,
            message: sanitize(message.as_ref()),
            fields,
            auth: None,
        }
    }

    /// The same entry with another priority and message.
    pub(crate) fn saying(mut self, level: Level, message: impl AsRef<str>) -> Self {
        self.level = level;
        self.message = sanitize(message.as_ref());
        self
    }

    /// Adds the fields of this session.
    pub(crate) fn about(mut self, session: &SessionFacts) -> Self {
        self.fields
            .push((field::SESSION_ID, session.key.id.to_string()));
        self.fields.push((field::USER_NAME, session.user.clone()));
        self.fields.push((field::USER_UID, session.uid.to_string()));
        for (name, value) in [
            (field::SERVICE, &session.service),
            (field::REMOTE_HOST, &session.remote_host),
        ] {
            self.fields.extend(value.clone().map(|value| (name, value)));
        }
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.fields.push((name, format!("{value}")));
        self
    }

    /// Adds a line for the authentication log.
    pub(crate) fn auth(mut self, line: impl AsRef<str>) -> Self {
        self.auth = Some(sanitize(line.as_ref()));
        self
    }
}

/// Queues entries for the thread. Never waits.
#[derive(Clone)]
pub(crate) struct EntrySender {
    messages: Sender<Message>,
    backlog: Arc<Backlog>,
}

/// The state of the queue. A bounded channel would allocate its whole capacity at once.
#[derive(Default)]
struct Backlog {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

/// A message to the thread.
enum Message {
    Write(Entry),
    /// The last message. The channel does not close by itself: a sender may outlive the driver,
    /// since a connection to the bus and the objects served on it hold each other.
    Finish,
}

/// The handle of the thread.
pub(crate) struct Writer {
    messages: Sender<Message>,
    thread: JoinHandle<()>,
}

impl EntrySender {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub(crate) fn start() -> std::io::Result<(Self, Writer)> {
        let (messages, queue) = channel();
        let backlog = Arc::new(Backlog::default());
        let before = Arc::clone(&backlog);
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(&queue, &before))?;
        let writer = Writer {
            messages: messages.clone(),
            thread,
        };
        Ok((Self { messages, backlog }, writer))
    }

    /// Queues an entry.
    pub(crate) fn write(&self, entry: Entry) {
        let before = self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= BACKLOG_MAX || self.messages.send(Message::Write(entry)).is_err() {
            self.backlog.waiting.fetch_sub(1, Ordering::Relaxed);
            self.backlog.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writer {
    /// Waits until all queued entries are written.
    pub(crate) fn finish(self) {
        // A panic of the thread was printed by the thread itself.
        let _ = self.messages.send(Message::Finish);
        let _ = self.thread.join();
    }
}

fn write(queue: &Receiver<Message>, backlog: &Backlog) {
    let journal = connected_to_journal()
        .then(JournalLog::new)
        .and_then(Result::ok);
    let mut auth = AuthLog::default();
    while let Ok(Message::Write(entry)) = queue.recv() {
        put(journal.as_ref(), &entry);
        if let Some(line) = &entry.auth {
            auth.put(entry.level, line);
        }
        backlog.waiting.fetch_sub(1, Ordering::Relaxed);
        let dropped = backlog.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            log::warn!("{dropped} journal entries were lost: journald did not take them in time");
        }
    }
}

fn put(journal: Option<&JournalLog>, entry: &Entry) {
    let fields: Vec<(&str, &str)> = entry
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let (level, message, fields) = (entry.level, &entry.message, fields.as_slice());
    match journal {
        Some(journal) => journal.log(
            &Record::builder()
                .level(level)
                .target("session-timeoutd")
                .args(format_args!("{message}"))
                .key_values(&fields)
                .build(),
        ),
        None => eprintln!("{level}: {message}"),
    }
}

/// The client of syslog's socket `/dev/log`. If there is none yet, it is tried again at the next
/// line.
#[derive(Default)]
struct AuthLog(Option<syslog::Logger<syslog::LoggerBackend, Formatter3164>>);

impl AuthLog {
    fn put(&mut self, level: Level, line: &str) {
        for _attempt in 0..2 {
            let Some(logger) = self.connected() else {
                return;
            };
            let written = match level {
                Level::Error | Level::Warn => logger.warning(line),
                Level::Info => logger.notice(line),
                Level::Debug | Level::Trace => logger.info(line),
            };
            match written {
                Ok(()) => return,
                // syslog was restarted and has a new socket.
                Err(_) => self.0 = None,
            }
        }
    }

    fn connected(&mut self) -> Option<&mut syslog::Logger<syslog::LoggerBackend, Formatter3164>> {
        if self.0.is_none() {
            let formatter = Formatter3164 {
                facility: Facility::LOG_AUTHPRIV,
                hostname: None,
                process: "session-timeoutd".to_owned(),
                pid: process::id(),
            };
            self.0 = syslog::unix(formatter).ok();
        }
        self.0.as_mut()
    }
}

/// Sends the messages of the `log` macros, the daemon's and those of libraries, to the journal, or
/// to the terminal of a user who runs the daemon by hand.
pub(crate) fn install_log() {
    let level = log::LevelFilter::Info;
    if connected_to_journal()
        && let Ok(journal) = JournalLog::new()
        && journal.install().is_ok()
    {
        log::set_max_level(level);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_finished_though_somebody_could_still_write() {
        let (journal, writer) = EntrySender::start().unwrap();
        let (over, is_over) = channel();
        thread::spawn(move || {
            writer.finish();
            over.send(()).unwrap();
        });
        is_over.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(journal);
    }

    #[test]
    fn what_journald_does_not_take_in_time_is_counted() {
        let (messages, queue) = channel();
        let backlog = Arc::new(Backlog::default());
        let journal = EntrySender {
            messages,
            backlog: Arc::clone(&backlog),
        };
        let dropped = || backlog.dropped.load(Ordering::Relaxed);
        let entry = || Entry::new(Level::Info, EventKind::LogindLost, "");
        (0..BACKLOG_MAX).for_each(|_| journal.write(entry()));
        assert_eq!(dropped(), 0, "a warning of every session has room");
        journal.write(entry());
        assert_eq!(dropped(), 1);
        assert_eq!(queue.try_iter().count(), BACKLOG_MAX);
    }
}
