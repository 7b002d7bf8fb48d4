//! Follows the journal of a machine from its boot on.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::feed::Feed;

/// The daemon's unit.
pub const UNIT: &str = "session-timeoutd.service";

/// The entries of one machine's journal.
#[derive(Clone, Debug)]
pub struct Journal {
    entries: Arc<Feed<Entry>>,
}

/// One journal entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When journald received it. `journalctl --follow` may print it 250 ms later.
    pub at: Instant,
    fields: Map<String, Value>,
}

/// The fields of a wanted entry.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    fields: Vec<(String, String)>,
}

impl Wanted {
    /// Any entry of the daemon.
    #[must_use]
    pub fn of_daemon() -> Self {
        Self::default().with("_SYSTEMD_UNIT", UNIT)
    }

    /// An event of the daemon: its `SESSION_TIMEOUT_EVENT`.
    #[must_use]
    pub fn event(name: &str) -> Self {
        Self::of_daemon().with("SESSION_TIMEOUT_EVENT", name)
    }

    /// A line of the auth log: facility `authpriv` is 10 (RFC 5424, 6.2.1).
    #[must_use]
    pub fn auth_log() -> Self {
        Self::default()
            .with("SYSLOG_FACILITY", "10")
            .with("SYSLOG_IDENTIFIER", "session-timeoutd")
    }

    /// Only entries of one session.
    #[must_use]
    pub fn session(self, id: &str) -> Self {
        self.with("SESSION_ID", id)
    }

    /// Only entries with `value` in the field `name`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn suits(&self, entry: &Entry) -> bool {
        self.fields
            .iter()
            .all(|(name, value)| entry.field(name) == Some(value))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        f.write_str(&fields.collect::<Vec<_>>().join(" "))
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
            return None;
        };
        let at = fields.get("__MONOTONIC_TIMESTAMP").and_then(Value::as_str);
        Some(Self {
            at: instant_of(at.and_then(|micros| micros.parse().ok())),
            fields,
        })
    }

    /// The text of a field; `None` if it occurs more than once or is not text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        self.field("MESSAGE").unwrap_or_default()
    }
}

impl fmt::Display for Entry {
    /// For failures: the source, the message, and the daemon's own fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.field("SYSLOG_IDENTIFIER").unwrap_or("?");
        let micros = self
            .field("__REALTIME_TIMESTAMP")
            .and_then(|text| text.parse::<u64>().ok());
        let micros = micros.unwrap_or_default();
        let (seconds, millis) = (micros / 1_000_000 % 1000, micros / 1000 % 1000);
        write!(f, "{seconds:03}.{millis:03} {who}: {}", self.message())?;
        for name in [
            "SESSION_TIMEOUT_EVENT",
            "SESSION_ID",
            "RULE",
            "ACTION",
            "LIMIT",
            "LEAD_SEC",
            "LEFT_SEC",
        ] {
            if let Some(value) = self.field(name) {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

impl Journal {
    /// Reads the output of `journalctl --follow --output=json`.
    pub(crate) fn of(lines: impl Read + Send + 'static) -> Self {
        let entries = Arc::new(Feed::new());
        let feed = Arc::clone(&entries);
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if let Some(entry) = Entry::parse(&line) {
                    feed.push(entry);
                }
            }
            feed.end();
        });
        Self { entries }
    }

    /// Waits for an entry; an existing one counts.
    ///
    /// # Errors
    /// No entry appears within `bound`.
    pub fn wait_for(&self, wanted: &Wanted, bound: Duration) -> Outcome<Entry> {
        let found = self.entries.wait(bound, |state| {
            let mut entries = state.items.iter();
            entries.find(|entry| wanted.suits(entry)).cloned()
        });
        found.ok_or_else(|| {
            let seconds = bound.as_secs_f32();
            Failure::new(format!("waited {seconds} s for {wanted} in the journal"))
        })
    }

    /// All matching entries so far.
    #[must_use]
    pub fn all(&self, wanted: &Wanted) -> Vec<Entry> {
        self.entries.read(|state| {
            let entries = state.items.iter().filter(|entry| wanted.suits(entry));
            entries.cloned().collect()
        })
    }

    /// The last `count` entries, for the report of a failure.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<Entry> {
        self.entries.read(|state| {
            let skipped = state.items.len().saturating_sub(count);
            state.items.iter().skip(skipped).cloned().collect()
        })
    }
}

/// Converts a reading of CLOCK_MONOTONIC, which the machine shares with the host. `Instant` is such
/// a reading, but does not expose it: both clocks are read now to compute the difference.
fn instant_of(micros: Option<u64>) -> Instant {
    let (here, now) = (Instant::now(), clock_gettime(ClockId::Monotonic));
    let now = Duration::try_from(now).unwrap_or_default();
    let then = micros.map_or(now, Duration::from_micros);
    here.checked_sub(now.saturating_sub(then)).unwrap_or(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_all_its_fields() {
        let lines = concat!(
            r#"{"MESSAGE":"a","_SYSTEMD_UNIT":"session-timeoutd.service","#,
            r#""SESSION_TIMEOUT_EVENT":"warning","SESSION_ID":"c1","LEAD_SEC":"10"}"#,
            "\n",
            r#"{"MESSAGE":"b","_SYSTEMD_UNIT":"session-timeoutd.service","#,
            r#""SESSION_TIMEOUT_EVENT":"warning","SESSION_ID":"c1","LEAD_SEC":"5"}"#,
            "\n",
        );
        let journal = Journal::of(lines.as_bytes());
        let soon = Duration::from_secs(5);
        let second = Wanted::event("warning").session("c1").with("LEAD_SEC", "5");
        assert_eq!(journal.wait_for(&second, soon).unwrap().message(), "b");
        assert_eq!(journal.all(&Wanted::event("warning")).len(), 2);
        let other = Wanted::event("warning").session("c2");
        assert!(journal.wait_for(&other, soon).is_err());
    }
}
