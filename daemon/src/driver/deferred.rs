//! Defers the outputs of the session that the daemon was killed over.
//!
//! If executing an output hangs the daemon, the watchdog kills it, and the next daemon would begin with the
//! same output: one session would disable everybody's limits. So a file records the session whose
//! outputs are being executed. If the file names a session at the start, the outputs of that
//! session are deferred until the driver is idle.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::libc;
use session_timeout_policy::{Output, SessionId, SessionKey};
use tokio::time::Instant;

/// Maximum deferral, however busy the driver is: the load may be caused by the user of the session.
const DEFERRAL_MAX: Duration = Duration::from_secs(10);

/// Maximum size of the record in bytes; longer ids than logind's are not recorded.
const RECORD_BYTES: usize = 256;

/// The record of the session being processed, and the deferred outputs.
pub(crate) struct Deferred {
    file: Option<File>,
    /// The session that the previous daemon was killed over.
    suspect: Option<SessionKey>,
    waiting: VecDeque<Output>,
    /// When the first output was deferred.
    since: Option<Instant>,
}

impl Deferred {
    /// Reads the record that the previous daemon left in this file.
    pub(crate) fn load(path: &Path) -> Self {
        let file = match open(path) {
            Ok(file) => Some(file),
            Err(error) => {
                log::warn!("cannot use {}, going on without: {error}", path.display());
                None
            }
        };
        let suspect = file.as_ref().and_then(|file| noted(file).ok().flatten());
        if let Some(key) = &suspect {
            log::warn!(
                "the daemon ended while it dealt with session {}, which comes last from now on",
                key.id
            );
        }
        Self {
            file,
            suspect,
            waiting: VecDeque::new(),
            since: None,
        }
    }

    /// Returns these outputs without those of the suspect session, which are deferred.
    pub(crate) fn defer(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        let Some(suspect) = &self.suspect else {
            return outputs;
        };
        let (late, now): (Vec<_>, Vec<_>) = outputs
            .into_iter()
            .partition(|output| output.key() == suspect);
        if !late.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.waiting.extend(late);
        }
        now
    }

    /// The deadline of the deferred outputs; `None` if there are none.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + DEFERRAL_MAX)
    }

    /// Takes the deferred outputs for execution.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        self.since = None;
        self.waiting.drain(..).collect()
    }

    /// The suspect session has been processed, and is treated like others from now on.
    pub(crate) fn clear_suspect(&mut self) {
        self.suspect = None;
    }

    /// Records that the outputs of this session are being executed.
    pub(crate) fn begin(&mut self, key: &SessionKey) {
        let mut line = format!("{} {}\n", key.stamp, key.id).into_bytes();
        if line.len() > RECORD_BYTES {
            return;
        }
        // Overwrites the rest of a longer record.
        line.resize(RECORD_BYTES, b'\n');
        self.write(|file| file.write_all_at(&line, 0));
    }

    /// Records that no output is being executed.
    pub(crate) fn end(&mut self) {
        self.write(|file| file.set_len(0));
    }

    fn write(&mut self, how: impl FnOnce(&File) -> io::Result<()>) {
        let written = self.file.as_ref().map_or(Ok(()), how);
        if let Err(error) = written {
            // The file system is full: no record is better than one that may be stale.
            log::warn!("cannot note which session is dealt with, going on without: {error}");
            if let Some(file) = self.file.take() {
                let _ = file.set_len(0);
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

fn noted(file: &File) -> io::Result<Option<SessionKey>> {
    let mut text = String::new();
    let room = u64::try_from(RECORD_BYTES).unwrap_or(u64::MAX);
    file.take(room).read_to_string(&mut text)?;
    let key = text.trim_end().split_once(' ').and_then(|(stamp, id)| {
        Some(SessionKey {
            id: SessionId::new(id),
            stamp: stamp.parse().ok()?,
        })
    });
    Ok(key)
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::Action;

    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey {
            id: SessionId::new(id),
            stamp: 7,
        }
    }

    fn outputs() -> Vec<Output> {
        let of = |id| Action::Probe(key(id)).into();
        vec![of("c1"), of("c22"), of("c1"), of("c3")]
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_daemon_was_killed_over_comes_last_and_comes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last");
        let mut last = Deferred::load(&path);
        assert_eq!(last.defer(outputs()), outputs());
        assert_eq!(last.due(), None);
        last.begin(&key("a-longer-one"));
        last.begin(&key("c1"));

        // The daemon is killed here. The session stays recorded for the next one.
        for _ in 0..2 {
            let mut last = Deferred::load(&path);
            let [c1, c22, _, c3] = outputs().try_into().unwrap();
            assert_eq!(last.defer(outputs()), [c22, c3]);
            let began = Instant::now();
            tokio::time::advance(Duration::from_secs(1)).await;
            last.defer(outputs());
            assert_eq!(last.due(), Some(began + DEFERRAL_MAX), "from the first on");
            assert_eq!(last.take(), vec![c1; 4]);
            assert_eq!(last.due(), None);
        }

        let mut last = Deferred::load(&path);
        last.clear_suspect();
        assert_eq!(last.defer(outputs()), outputs());
        last.end();
        assert_eq!(Deferred::load(&path).defer(outputs()), outputs());
    }

    #[test]
    fn a_note_that_is_none_puts_nothing_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last");
        for text in [
            "",
            "c1",
            "x c1",
            " ",
            "\u{fffd}",
            &"1 ".repeat(RECORD_BYTES),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                Deferred::load(&path).defer(outputs()),
                outputs(),
                "{text:?}"
            );
        }
        let nowhere = directory.path().join("missing/last");
        let mut last = Deferred::load(&nowhere);
        last.begin(&key("c1"));
        last.end();
        assert_eq!(last.defer(outputs()), outputs());
    }
}
