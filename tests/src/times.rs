//! How long each case took when it last ran, kept in `target/machines/times`, a file for each case.
//!
//! The longest cases start first, so that a run does not end with one of them alone.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Context, Outcome};
use crate::layer::machines_dir;

/// The time of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// From its start to its end.
    pub(crate) whole: Duration,
    /// What its machine used of the processors.
    pub(crate) processor: Duration,
}

impl Times {
    /// Keeps it as the time of this case.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn keep(self, case: &str) -> Outcome {
        let path = path(case)?;
        let (whole, processor) = (self.whole.as_secs_f32(), self.processor.as_secs_f32());
        // The columns of a list that sort(1) sorts.
        let line = format!("{whole:6.1} {processor:6.1} {case}\n");
        fs::write(&path, line).context(format!("write {}", path.display()))
    }
}

/// How long this case took the last time; none where it never ran.
pub(crate) fn last(case: &str) -> Option<Duration> {
    let line = fs::read_to_string(path(case).ok()?).ok()?;
    let whole = line.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f32(whole).ok()
}

fn path(case: &str) -> Outcome<PathBuf> {
    let dir = machines_dir()?.join("times");
    fs::create_dir_all(&dir).context(format!("make {}", dir.display()))?;
    Ok(dir.join(case))
}
