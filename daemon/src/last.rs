//! What the daemon was doing when it was killed is done last.
//!
//! An action that hangs the daemon has the watchdog kill it, and the next daemon would begin with
//! the same action: everybody's limits would be off for one session. So the session whose actions
//! are done is noted in a file, and where the file names one at the start, that session's actions
//! wait until there is nothing else to do.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::libc;
use session_timeout_policy::{Action, SessionKey};
use tokio::time::Instant;

/// What is put off is done at the latest after so long, however much else there is to do: what
/// there is may be this session's user's doing.
const LONGEST: Duration = Duration::from_secs(10);

/// Longer ids than logind's are not noted.
const ROOM: usize = 256;

/// The session whose actions are done, and those that wait.
pub(crate) struct Last {
    file: Option<File>,
    /// Whose action the daemon was killed over.
    suspect: Option<SessionKey>,
    waiting: VecDeque<Action>,
    /// When the first of them was put off.
    since: Option<Instant>,
}

impl Last {
    /// What this file says of the daemon before this one.
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

    /// These actions without those of the session that comes last; they wait.
    pub(crate) fn sift(&mut self, actions: Vec<Action>) -> Vec<Action> {
        let Some(suspect) = &self.suspect else {
            return actions;
        };
        let (late, now): (Vec<_>, Vec<_>) = actions
            .into_iter()
            .partition(|action| action.key() == suspect);
        if !late.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.waiting.extend(late);
        }
        now
    }

    /// When what waits is to be done at the latest; `None` where nothing does.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + LONGEST)
    }

    /// What waits, which is to be done now.
    pub(crate) fn take(&mut self) -> Vec<Action> {
        self.since = None;
        self.waiting.drain(..).collect()
    }

    /// The session that came last has been dealt with, and is one like others from now on.
    pub(crate) fn acquit(&mut self) {
        self.suspect = None;
    }

    /// The actions of this session are done now.
    pub(crate) fn begin(&mut self, key: &SessionKey) {
        let mut line = format!("{} {}\n", key.stamp, key.id).into_bytes();
        if line.len() > ROOM {
            return;
        }
        // What was there before may have been longer.
        line.resize(ROOM, b'\n');
        self.write(|file| file.write_all_at(&line, 0));
    }

    /// All of them are done.
    pub(crate) fn end(&mut self) {
        self.write(|file| file.set_len(0));
    }

    fn write(&mut self, how: impl FnOnce(&File) -> io::Result<()>) {
        let written = self.file.as_ref().map_or(Ok(()), how);
        if let Err(error) = written {
            // The file system is full: a note that may be old is worse than none.
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
    let room = u64::try_from(ROOM).unwrap_or(u64::MAX);
    file.take(room).read_to_string(&mut text)?;
    let key = text.trim_end().split_once(' ').and_then(|(stamp, id)| {
        Some(SessionKey {
            id: id.to_owned(),
            stamp: stamp.parse().ok()?,
        })
    });
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey {
            id: id.to_owned(),
            stamp: 7,
        }
    }

    fn actions() -> Vec<Action> {
        let of = |id| Action::Probe(key(id));
        vec![of("c1"), of("c22"), of("c1"), of("c3")]
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_daemon_was_killed_over_comes_last_and_comes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last");
        let mut last = Last::load(&path);
        assert_eq!(last.sift(actions()), actions());
        assert_eq!(last.due(), None);
        last.begin(&key("a-longer-one"));
        last.begin(&key("c1"));

        // Killed here. Whatever becomes of the next daemon, it has that session in mind.
        for _ in 0..2 {
            let mut last = Last::load(&path);
            let [c1, c22, _, c3] = actions().try_into().unwrap();
            assert_eq!(last.sift(actions()), [c22, c3]);
            let began = Instant::now();
            tokio::time::advance(Duration::from_secs(1)).await;
            last.sift(actions());
            assert_eq!(last.due(), Some(began + LONGEST), "from the first on");
            assert_eq!(last.take(), vec![c1; 4]);
            assert_eq!(last.due(), None);
        }

        let mut last = Last::load(&path);
        last.acquit();
        assert_eq!(last.sift(actions()), actions());
        last.end();
        assert_eq!(Last::load(&path).sift(actions()), actions());
    }

    #[test]
    fn a_note_that_is_none_puts_nothing_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("last");
        for text in ["", "c1", "x c1", " ", "\u{fffd}", &"1 ".repeat(ROOM)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Last::load(&path).sift(actions()), actions(), "{text:?}");
        }
        let nowhere = directory.path().join("missing/last");
        let mut last = Last::load(&nowhere);
        last.begin(&key("c1"));
        last.end();
        assert_eq!(last.sift(actions()), actions());
    }
}
