//! The state file in `/run`, which survives a restart of the daemon.
//!
//! It is a cache. logind's list decides which sessions exist; the file only records the progress of
//! each, so that a restart moves no deadline and repeats no warning. An invalid file is logged
//! and ignored, and the state is read from logind alone.

mod activity;
mod shape;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::time::Duration;

use session_timeout_policy as policy;

use shape::{OneByOne, Session, State, Written};

use crate::sys::atomic_file::{Outlives, replace_with};
use crate::sys::clock::Clocks;

/// The version of the file format.
const VERSION: u32 = 5;

/// Loads and saves the state file.
pub(crate) struct Store {
    path: PathBuf,
    boot_id: String,
}

impl Store {
    /// The store for this file, and for the current boot.
    pub(crate) fn new(path: PathBuf) -> Self {
        // Times since boot are meaningless after the next boot.
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            path,
            boot_id: boot_id.trim().to_owned(),
        }
    }

    /// Loads the records; none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, is invalid, or is of another boot or version.
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
        let now = Clocks::now();
        let sessions = state.sessions.into_iter().map(Into::into);
        Ok(sessions.map(|record| plausible(record, now)).collect())
    }

    /// Replaces the records in the file. If that fails, the file is unchanged.
    ///
    /// # Errors
    /// The error of the operating system.
    pub(crate) fn save(
        &self,
        records: impl Iterator<Item = policy::SessionRecord>,
    ) -> io::Result<()> {
        let state = Written {
            version: VERSION,
            boot_id: &self.boot_id,
            sessions: OneByOne(Cell::new(Some(records.map(Session::from)))),
        };
        let write = |file: &mut BufWriter<File>| Ok(serde_json::to_writer(file, &state)?);
        replace_with(&self.path, write, Outlives::Daemon)
    }
}

/// The record, with its start limited to the possible range: a wrong start would end the session
/// too early or too late. logind's `CLOCK_MONOTONIC` stamp is part of the key, so a record with
/// another stamp belongs to no session. That clock stops during suspend, so the start is not before
/// the stamp, and not later than the stamp plus all suspend time so far.
fn plausible(mut record: policy::SessionRecord, now: Clocks) -> policy::SessionRecord {
    let facts = &mut record.facts;
    if facts.keeper != policy::Keeper::Logind {
        return record;
    }
    let slept = now.boot.as_micros().saturating_sub(now.monotonic);
    let (earliest, latest) = (facts.key.stamp, facts.key.stamp.saturating_add(slept));
    let started = facts.started.as_micros().clamp(earliest, latest);
    facts.started = policy::BootTime::from_micros(started);
    record
}

/// The number of microseconds, the unit of all times in the file.
fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;
    use crate::fixtures;

    fn record() -> policy::SessionRecord {
        let at = policy::BootTime::from_micros;
        let wall = policy::WallTime::from_micros;
        policy::SessionRecord {
            facts: policy::SessionFacts {
                key: policy::SessionKey {
                    id: "c1".into(),
                    stamp: 12,
                },
                leader: Some(policy::Pid::new(77)),
                service: Some("sshd".into()),
                remote_host: Some("192.0.2.7".into()),
                seat: Some("seat0".into()),
                started: at(12),
                ..fixtures::session()
            },
            recorded: true,
            login: policy::LoginState::HungUp(policy::LimitKind::Inactivity),
            groups: policy::Groups::Known(BTreeSet::from(["pci".into()])),
            earlier: Some(policy::EarlierProperties {
                counts_from: at(13),
                previous_source: Some(policy::LimitsSource::Rule("terminals".to_owned())),
                properties: vec![policy::ChangeableProperties {
                    class: policy::SessionClass::UserEarly,
                    session_type: policy::SessionType::Wayland,
                    terminal: Some("pts/4".into()),
                }],
            }),
            activity: policy::Activity {
                last: at(14),
                output: at(11),
                assumed: Some(at(12)),
                probed_at: at(15),
                source: policy::IdleSource::Terminals,
                fallbacks: BTreeSet::from([policy::IdleSource::Logind]),
                stamps: BTreeMap::from([
                    (policy::StampSource::Terminal(0x8803), wall(16)),
                    (policy::StampSource::Output(0x8803), wall(11)),
                    (policy::StampSource::Logind, wall(17)),
                ]),
                clocks: Some((at(15), wall(18))),
                inhibitor: Some("mpv".into()),
                cpu_time: Some((at(10), Duration::from_millis(3))),
            },
            unknown_reported: true,
            absolute: policy::LimitRecord {
                length: Some(Duration::from_secs(60)),
                countdown: policy::Countdown {
                    last_lead: Some(Duration::from_secs(5)),
                    not_before: Some(at(19)),
                    reported: false,
                },
            },
            inactivity: policy::LimitRecord::default(),
            lock_after: policy::LimitRecord {
                length: Some(Duration::from_secs(7)),
                countdown: policy::Countdown {
                    reported: true,
                    ..policy::Countdown::default()
                },
            },
            granted: policy::Granted {
                times: 2,
                total: Duration::from_secs(8),
            },
            locking: policy::Locking {
                locked: true,
                hold: Some(policy::Hold {
                    limit: policy::LimitKind::Absolute,
                    since: at(9),
                    in_doubt: true,
                }),
                unlocked_at: Some(at(10)),
                requested_at: None,
                unconfirmed: false,
            },
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
    fn a_start_is_believed_as_far_as_the_stamp_of_logind_allows() {
        let clocks = |slept: u64| Clocks {
            boot: policy::BootTime::from_micros(1000 + slept),
            monotonic: 1000,
            wall: policy::WallTime::from_micros(7),
        };
        let started = |stored: u64, slept: u64| {
            let mut record = record();
            record.facts.started = policy::BootTime::from_micros(stored);
            let found = plausible(record, clocks(slept)).facts;
            found.started.as_micros()
        };
        // The monotonic time stamp is 12.
        for (stored, slept, expected) in [
            (0, 0, 12),
            (12, 0, 12),
            (900, 0, 12),
            (u64::MAX, 0, 12),
            (0, 50, 12),
            (40, 50, 40),
            (63, 50, 62),
        ] {
            assert_eq!(started(stored, slept), expected, "{stored} {slept}");
        }
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
