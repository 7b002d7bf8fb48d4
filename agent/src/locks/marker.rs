//! A file that says that the agent has set logind's hint, for an agent that is started again.

use std::path::PathBuf;

/// The file. Without `XDG_RUNTIME_DIR` there is none.
pub(super) struct Marker(Option<PathBuf>);

impl Marker {
    pub(super) fn of_session(id: &str) -> Self {
        let directory = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let directory = directory.filter(|directory| directory.is_absolute());
        // logind's ids are letters and digits.
        let name = format!("session-timeout-agent.{}.locked", id.replace('/', "_"));
        Self(directory.map(|directory| directory.join(name)))
    }

    pub(super) fn exists(&self) -> bool {
        self.0.as_ref().is_some_and(|file| file.exists())
    }

    /// A failure means that a later agent does not clear the hint.
    pub(super) fn create(&self) {
        if let Some(file) = &self.0 {
            let _ = std::fs::write(file, "");
        }
    }

    pub(super) fn remove(&self) {
        if let Some(file) = &self.0 {
            let _ = std::fs::remove_file(file);
        }
    }
}
