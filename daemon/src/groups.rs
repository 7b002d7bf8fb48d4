//! Queries the uid and the groups of a user from the name services of the machine.
//!
//! The answer may come over the network (LDAP, SSSD), or never. NSS modules are third-party code
//! that is loaded into the calling process (nsswitch.conf(5)), so the query runs in a separate
//! process, id(1), which can be killed and whose crash does not affect the daemon.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use session_timeout_policy::Uid;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Timeout of a query. A login does not wait for it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of concurrent queries. Others queue, and their timeout includes the time in the
/// queue.
const MAX_CONCURRENT: usize = 4;
/// Maximum size of an answer in bytes: Linux allows a process 65,536 groups (`NGROUPS_MAX`), and
/// real users are in far fewer.
const ANSWER_MAX_BYTES: u64 = 256 * 1024;

/// Queries the name services. Clones share the limit.
#[derive(Clone)]
pub(crate) struct NameService {
    program: PathBuf,
    turn: Arc<Semaphore>,
}

impl NameService {
    pub(crate) fn new() -> Self {
        Self::asked_of("/usr/bin/id")
    }

    fn asked_of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            turn: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }

    /// The names of this user's groups.
    ///
    /// # Errors
    /// The query failed, or took longer than two seconds.
    pub(crate) async fn of(&self, user: &str) -> io::Result<BTreeSet<String>> {
        // -z, since names of groups may contain spaces, as in Active Directory.
        Ok(names(&self.run_id("-Gnz", user).await?))
    }

    /// The uid of this user.
    ///
    /// # Errors
    /// It cannot be resolved, or not within two seconds.
    pub(crate) async fn uid_of(&self, user: &str) -> io::Result<Uid> {
        let answer = self.run_id("-u", user).await?;
        let number = String::from_utf8_lossy(&answer);
        let number = number.trim().parse().map_err(io::Error::other)?;
        Ok(Uid::new(number))
    }

    async fn run_id(&self, what: &str, user: &str) -> io::Result<Vec<u8>> {
        match tokio::time::timeout(TIMEOUT, self.ask(what, user)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} s", TIMEOUT.as_secs()),
            )),
        }
    }

    async fn ask(&self, what: &str, user: &str) -> io::Result<Vec<u8>> {
        let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
        let mut child = Command::new(&self.program)
            .args([what, "--", user])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        spare_others(child.id());
        let mut answer = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(ANSWER_MAX_BYTES)
                .read_to_end(&mut answer)
                .await?;
        }
        let status = child.wait().await?;
        // id(1) also fails if a group has no name, and then prints its number.
        if !status.success() && answer.is_empty() {
            return Err(io::Error::other(format!("id(1) failed: {status}")));
        }
        Ok(answer)
    }
}

/// Lets the kernel's OOM killer choose this process before the daemon, which is protected from it.
fn spare_others(child: Option<u32>) {
    if let Some(pid) = child
        && let Err(error) = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "0")
    {
        log::debug!("cannot reset the oom_score_adj of {pid}: {error}");
    }
}

/// The names in the answer. A group without a name is listed by its number, which no rule matches.
fn names(answer: &[u8]) -> BTreeSet<String> {
    let names = answer.split(|byte| *byte == 0);
    names
        .filter(|name| !name.iter().all(u8::is_ascii_digit))
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_groups_of_root_are_read() {
        let groups = NameService::new().of("root").await.unwrap();
        assert!(groups.contains("root"), "{groups:?}");
        assert_eq!(
            NameService::new().uid_of("root").await.unwrap(),
            Uid::new(0)
        );
    }

    #[tokio::test]
    async fn a_user_whom_nobody_knows_has_no_groups_but_an_error() {
        assert!(NameService::new().of("nobody-has-this-name").await.is_err());
        // Not an option of id(1).
        assert!(NameService::new().of("--help").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_service_that_hangs_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let hangs = dir.path().join("id");
        std::fs::write(&hangs, "#!/bin/sh\nexec /bin/sleep 1000\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&hangs, mode).unwrap();
        let error = NameService::asked_of(hangs).of("alice").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }

    #[test]
    fn a_group_without_a_name_costs_no_other_its_own() {
        let groups = names(b"users\x0054321\0pci\0");
        assert_eq!(
            groups,
            BTreeSet::from(["users".to_owned(), "pci".to_owned()])
        );
    }

    #[test]
    fn names_may_have_spaces_in_them() {
        let groups = names(b"users\0domain users\0\0");
        assert_eq!(
            groups,
            BTreeSet::from(["users".to_owned(), "domain users".to_owned()])
        );
    }
}
