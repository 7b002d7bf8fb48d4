//! Kills that need nobody else.
//!
//! PID 1 ends control groups, and a user can have a process of theirs moved out of one between two
//! calls (`AttachProcessesToUnit`, as fast as the bus takes it). And it starts no scope while calls
//! of users wait: its jobs have a lower priority than messages (`EVENT_PRIORITY_RUN_QUEUE` of
//! systemd). So what has not ended in its grace is killed by the daemon itself, for which it has
//! `CAP_KILL`.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use session_timeout_policy::{Keeper, NoSession, SessionFacts};

use super::holding::Pin;
use super::{Ends, leftovers};
use crate::process::Process;

/// What is killed may have forked while the others were read.
const ROUNDS: u32 = 16;

/// A process that was killed is gone in a moment.
const PAUSE: Duration = Duration::from_millis(10);

/// Who is looked for beside those that were noted when the end began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Latecomers {
    /// What descends from the leader while that lives. Where it has ended in its grace, who is left
    /// in its audit session may have been detached.
    Descendants,
    /// Where the leader is gone, also who is in its audit session.
    All,
}

impl Latecomers {
    /// Of a session whose grace is over. The user may have killed the leader long before.
    pub(super) fn after_grace(session: &SessionFacts) -> Self {
        match session.keeper {
            Keeper::Daemon(NoSession::Dropped) => Self::All,
            Keeper::Daemon(_) | Keeper::Logind => Self::Descendants,
        }
    }
}

impl Ends {
    /// Kills whoever is left of the session, wherever it is. The leader is the last one: what
    /// descends from it is found as long as it lives.
    pub(super) async fn kill(&self, session: &SessionFacts, latecomers: Latecomers) {
        let leader = leftovers::leader(session);
        for _ in 0..ROUNDS {
            let leads = leader.is_some_and(Process::lives);
            if (leads || latecomers == Latecomers::All) && !self.is_hung_up(session) {
                self.note_again(session).await;
            }
            let mut left = self.left_of(session);
            left.retain(|&process| Some(process) != leader);
            if left.is_empty() {
                break;
            }
            self.kill_all(left).await;
            tokio::time::sleep(PAUSE).await;
        }
        self.kill_all(leader.into_iter().collect()).await;
    }

    async fn kill_all(&self, processes: BTreeSet<Process>) {
        // What it could not kill is found when it is looked for.
        self.aside
            .run(move || processes.into_iter().for_each(kill))
            .await;
    }
}

/// Kills this process, and no other that has its number by now.
fn kill(process: Process) {
    let Some(pin) = Pin::of(process) else { return };
    if let Err(error) = pidfd_send_signal(&pin.pidfd, Signal::KILL) {
        log::debug!("cannot kill process {}: {error}", process.pid.as_raw());
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::Pid;

    use super::*;

    #[test]
    fn a_process_is_killed() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        kill(Process::of(Pid::new(child.id())).unwrap());
        let status = child.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(nix::libc::SIGKILL)
        );
    }
}
