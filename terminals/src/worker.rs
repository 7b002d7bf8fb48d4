//! A worker process: executes one job after another, and may be blocked by any of them.

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

/// Executes the job on each line of the input and replies with a line, until the input ends.
///
/// # Errors
/// A line is not a job, or the output is closed.
pub(crate) fn run(jobs: &mut impl BufRead, answers: &mut impl Write) -> io::Result<()> {
    for line in jobs.lines() {
        let job: Job = serde_json::from_str(&line?)?;
        // The terminal is closed before the reply: close(2) may block as well.
        let shown = device::write(&job);
        let mut answer = serde_json::to_vec(&shown)?;
        answer.push(b'\n');
        answers.write_all(&answer)?;
        answers.flush()?;
    }
    Ok(())
}
