//! A worker: takes one job after the other, and may be blocked by any of them.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use session_timeout_terminals::{Mesg, Terminal};

use crate::device;

/// One text for one terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The uid of the session's user.
    pub(crate) user: u32,
    pub(crate) terminal: Terminal,
    pub(crate) text: String,
    pub(crate) mesg: Mesg,
}

/// Does what each line says, and answers it with a line, until there are no more.
///
/// # Errors
/// A line is none of ours, or nobody reads the answers.
pub(crate) fn run(jobs: &mut impl BufRead, answers: &mut impl Write) -> io::Result<()> {
    for line in jobs.lines() {
        let job: Job = serde_json::from_str(&line?)?;
        // The terminal is closed again before that is told: closing may block as well.
        let shown = device::write(&job);
        let mut answer = serde_json::to_vec(&shown)?;
        answer.push(b'\n');
        answers.write_all(&answer)?;
        answers.flush()?;
    }
    Ok(())
}
