//! What survives the daemon: one file in `/run`, written whole.
//!
//! It is a cache. logind says which sessions there are; the file only says how far each had got,
//! so that a restart moves no deadline and repeats no warning. A file that cannot be understood is
//! put aside with a word in the journal, and all is taken from logind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_timeout_policy as policy;

/// The version of the file's shape.
const VERSION: u32 = 1;

/// Where the state is kept.
pub(crate) struct Store {
    path: PathBuf,
    boot_id: String,
}

impl Store {
    /// The state in this file, for this boot of the machine.
    pub(crate) fn new(path: PathBuf) -> Self {
        // Times since boot mean nothing after the next one.
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            path,
            boot_id: boot_id.trim().to_owned(),
        }
    }

    /// What was kept. A missing file is an empty one.
    ///
    /// # Errors
    /// The file cannot be read or understood, or is of another boot or version.
    pub(crate) fn load(&self) -> io::Result<Vec<policy::SessionRecord>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let state: State = serde_json::from_slice(&text)?;
        if state.version != VERSION {
            return Err(invalid(format!("version {}, not {VERSION}", state.version)));
        }
        if state.boot_id != self.boot_id {
            return Err(invalid("it is of another boot of this machine".to_owned()));
        }
        Ok(state.sessions.into_iter().map(Into::into).collect())
    }

    /// Keeps these records instead of the last ones: either all of them or, where that fails, the
    /// last ones are there afterwards.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn save(
        &self,
        records: impl Iterator<Item = policy::SessionRecord>,
    ) -> io::Result<()> {
        let state = State {
            version: VERSION,
            boot_id: self.boot_id.clone(),
            sessions: records.map(Into::into).collect(),
        };
        let draft = self.path.with_extension("json.new");
        // Left behind by a crash; whatever it is, it is not followed and not appended to.
        if let Err(error) = fs::remove_file(&draft)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&serde_json::to_vec(&state)?)?;
        // /run is memory: there is nothing to sync.
        fs::rename(&draft, &self.path)
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

// The shapes on disk are their own: the engine's types may change without the file's.

#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    boot_id: String,
    sessions: Vec<Session>,
}

#[derive(Serialize, Deserialize)]
struct Session {
    id: String,
    stamp: u64,
    user: String,
    uid: u32,
    class: String,
    r#type: String,
    leader: Option<u32>,
    service: Option<String>,
    remote_host: Option<String>,
    terminal: Option<String>,
    started: u64,
    recorded: bool,
    closed: bool,
    activity: Activity,
    absolute: Limit,
    inactivity: Limit,
}

#[derive(Serialize, Deserialize)]
struct Activity {
    last: u64,
    sampled: u64,
    source: Source,
    logind: Option<u64>,
    terminals: BTreeMap<u64, u64>,
    clocks: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    Logind,
    Terminals,
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Limit {
    length: Option<u64>,
    heard: Option<u64>,
    not_before: Option<u64>,
    reported: bool,
}

impl From<policy::SessionRecord> for Session {
    fn from(record: policy::SessionRecord) -> Self {
        let facts = record.facts;
        Self {
            id: facts.key.id,
            stamp: facts.key.stamp,
            user: facts.user,
            uid: facts.uid.as_raw(),
            class: facts.class.as_str().to_owned(),
            r#type: facts.session_type.as_str().to_owned(),
            leader: facts.leader.map(policy::Pid::as_raw),
            service: facts.service,
            remote_host: facts.remote_host,
            terminal: facts.terminal,
            started: facts.started.as_micros(),
            recorded: record.recorded,
            closed: record.closed,
            activity: record.activity.into(),
            absolute: record.absolute.into(),
            inactivity: record.inactivity.into(),
        }
    }
}

impl From<Session> for policy::SessionRecord {
    fn from(session: Session) -> Self {
        Self {
            facts: policy::SessionFacts {
                key: policy::SessionKey {
                    id: session.id,
                    stamp: session.stamp,
                },
                user: session.user,
                uid: policy::Uid::new(session.uid),
                class: policy::SessionClass::parse(&session.class),
                session_type: policy::SessionType::parse(&session.r#type),
                leader: session.leader.map(policy::Pid::new),
                service: session.service,
                remote_host: session.remote_host,
                terminal: session.terminal,
                started: policy::BootTime::from_micros(session.started),
            },
            recorded: session.recorded,
            closed: session.closed,
            activity: session.activity.into(),
            absolute: session.absolute.into(),
            inactivity: session.inactivity.into(),
        }
    }
}

impl From<policy::Activity> for Activity {
    fn from(activity: policy::Activity) -> Self {
        let stamp = |source| {
            activity
                .stamps
                .get(&source)
                .map(|stamp: &policy::WallTime| stamp.as_micros())
        };
        let terminals = activity
            .stamps
            .iter()
            .filter_map(|(source, stamp)| match source {
                policy::StampSource::Terminal(device) => Some((*device, stamp.as_micros())),
                policy::StampSource::Logind => None,
            });
        Self {
            last: activity.last.as_micros(),
            sampled: activity.sampled.as_micros(),
            source: match activity.source {
                policy::IdleSource::Logind => Source::Logind,
                policy::IdleSource::Terminals => Source::Terminals,
                policy::IdleSource::Unknown => Source::Unknown,
            },
            logind: stamp(policy::StampSource::Logind),
            terminals: terminals.collect(),
            clocks: activity
                .clocks
                .map(|(boot, wall)| (boot.as_micros(), wall.as_micros())),
        }
    }
}

impl From<Activity> for policy::Activity {
    fn from(activity: Activity) -> Self {
        let wall = policy::WallTime::from_micros;
        let terminals = activity
            .terminals
            .into_iter()
            .map(|(device, stamp)| (policy::StampSource::Terminal(device), wall(stamp)));
        let logind = activity
            .logind
            .map(|stamp| (policy::StampSource::Logind, wall(stamp)));
        Self {
            last: policy::BootTime::from_micros(activity.last),
            sampled: policy::BootTime::from_micros(activity.sampled),
            source: match activity.source {
                Source::Logind => policy::IdleSource::Logind,
                Source::Terminals => policy::IdleSource::Terminals,
                Source::Unknown => policy::IdleSource::Unknown,
            },
            stamps: terminals.chain(logind).collect(),
            clocks: activity
                .clocks
                .map(|(boot, real)| (policy::BootTime::from_micros(boot), wall(real))),
        }
    }
}

impl From<policy::LimitRecord> for Limit {
    fn from(record: policy::LimitRecord) -> Self {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self {
            length: record.length.map(micros),
            heard: record.countdown.heard.map(micros),
            not_before: record.countdown.not_before.map(policy::BootTime::as_micros),
            reported: record.countdown.reported,
        }
    }
}

impl From<Limit> for policy::LimitRecord {
    fn from(limit: Limit) -> Self {
        Self {
            length: limit.length.map(Duration::from_micros),
            countdown: policy::Countdown {
                heard: limit.heard.map(Duration::from_micros),
                not_before: limit.not_before.map(policy::BootTime::from_micros),
                reported: limit.reported,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> policy::SessionRecord {
        let at = policy::BootTime::from_micros;
        let wall = policy::WallTime::from_micros;
        policy::SessionRecord {
            facts: policy::SessionFacts {
                key: policy::SessionKey {
                    id: "c1".into(),
                    stamp: 12,
                },
                user: "alice".into(),
                uid: policy::Uid::new(1000),
                class: policy::SessionClass::User,
                session_type: policy::SessionType::Tty,
                leader: Some(policy::Pid::new(77)),
                service: Some("sshd".into()),
                remote_host: Some("192.0.2.7".into()),
                terminal: None,
                started: at(13),
            },
            recorded: true,
            closed: false,
            activity: policy::Activity {
                last: at(14),
                sampled: at(15),
                source: policy::IdleSource::Terminals,
                stamps: BTreeMap::from([
                    (policy::StampSource::Terminal(0x8803), wall(16)),
                    (policy::StampSource::Logind, wall(17)),
                ]),
                clocks: Some((at(15), wall(18))),
            },
            absolute: policy::LimitRecord {
                length: Some(Duration::from_secs(60)),
                countdown: policy::Countdown {
                    heard: Some(Duration::from_secs(5)),
                    not_before: Some(at(19)),
                    reported: false,
                },
            },
            inactivity: policy::LimitRecord::default(),
        }
    }

    #[test]
    fn what_is_kept_comes_back_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("state.json"));
        assert_eq!(store.load().unwrap(), []);
        store.save([record()].into_iter()).unwrap();
        assert_eq!(store.load().unwrap(), [record()]);
        store.save(std::iter::empty()).unwrap();
        assert_eq!(store.load().unwrap(), []);
    }

    #[test]
    fn a_file_of_another_boot_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::new(dir.path().join("state.json"));
        store.save([record()].into_iter()).unwrap();
        store.boot_id = "another".into();
        assert!(store.load().is_err());
    }

    #[test]
    fn every_cut_of_a_file_is_an_error_and_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let store = Store::new(path.clone());
        store.save([record()].into_iter()).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(store.load().is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_draft_that_a_crash_left_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        std::os::unix::fs::symlink("/dev/null", path.with_extension("json.new")).unwrap();
        let store = Store::new(path);
        store.save([record()].into_iter()).unwrap();
        assert_eq!(store.load().unwrap(), [record()]);
    }
}
