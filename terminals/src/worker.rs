//! A worker process: executes one job after another, and may be blocked by any of them.

use std::io::{self, BufRead, Write};

use crate::device;
use crate::job::Job;

/// Executes the job on each line of the input and replies with a line, until the input ends.
///
/// # Errors
/// A line is not a job, or the output is closed.
pub(crate) fn run(jobs: &mut impl BufRead, responses: &mut impl Write) -> io::Result<()> {
    for line in jobs.lines() {
        let job: Job = serde_json::from_str(&line?)?;
        // The terminal is closed before the reply: close(2) may block as well.
        let result = device::write(&job);
        let mut response = serde_json::to_vec(&result)?;
        response.push(b'\n');
        responses.write_all(&response)?;
        responses.flush()?;
    }
    Ok(())
}
