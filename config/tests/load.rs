//! Loading a policy from any kind of file: the result comes quickly, and the memory is bounded.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::{chown, geteuid, mkfifo};
use session_timeout_config::{LoadError, Loaded, MAX_FILE_BYTES, Minima, Sources, Style, load};
use session_timeout_policy::Limits;
use tempfile::TempDir;

/// A directory, and the path of the policy in it.
struct PolicyFile {
    directory: TempDir,
}

impl PolicyFile {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("policy.toml")
    }

    fn write(&self, bytes: &[u8]) -> File {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644);
        let mut file = options.open(self.path()).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Loads the policy; panics if that takes too long.
    fn load(&self) -> Result<Loaded, LoadError> {
        let (sender, receiver) = mpsc::channel();
        let sources = Sources::file(self.path());
        thread::spawn(move || drop(sender.send(load(&sources, Minima::Enforced))));
        let bound = Duration::from_secs(5);
        receiver.recv_timeout(bound).expect("loading hangs")
    }

    #[track_caller]
    fn assert_refused(&self, reason: &str) {
        let expected = format!("cannot read {}: {reason}", self.path().display());
        match self.load() {
            Err(LoadError::Unreadable { reason }) => assert_eq!(reason, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

#[test]
fn a_good_file_is_settings() {
    let policy = PolicyFile::new();
    policy.write(b"[default]\ngrace = \"20s\"\n");
    let loaded = policy.load().unwrap();
    let limits = loaded.settings.default.limits;
    assert_eq!(limits.grace, Duration::from_secs(20));
    assert_eq!(loaded.files, [policy.path()]);
}

#[test]
fn an_empty_file_is_the_built_in_policy() {
    let policy = PolicyFile::new();
    policy.write(b"");
    let loaded = policy.load().unwrap();
    assert_eq!(loaded.settings.default.limits, Limits::default());
    assert_eq!(loaded.files, [policy.path()]);
}

#[test]
fn a_missing_file_is_not_an_unreadable_one() {
    assert!(matches!(PolicyFile::new().load(), Err(LoadError::Missing)));
    let nowhere = Sources::file("/nonexistent/policy.toml");
    let found = load(&nowhere, Minima::Enforced);
    assert!(matches!(found, Err(LoadError::Missing)));
}

#[test]
fn a_broken_file_gives_diagnostics_with_its_path() {
    let policy = PolicyFile::new();
    policy.write(b"[default]\ngrace = \"1h\"\naction = \"kill\"\n");
    let Err(error) = policy.load() else {
        panic!("a broken file was accepted");
    };
    let line = error.to_string();
    let start = format!(
        "{}:2:9: error: `grace` is out of range;",
        policy.path().display()
    );
    assert!(line.starts_with(&start), "{line}");
    assert!(line.ends_with("(and 1 more)"), "{line}");
}

#[test]
fn a_fifo_is_refused_at_once() {
    let policy = PolicyFile::new();
    mkfifo(&policy.path(), Mode::S_IRUSR).unwrap();
    policy.assert_refused("it is not a regular file");
}

#[test]
fn a_directory_is_refused() {
    let policy = PolicyFile::new();
    fs::create_dir(policy.path()).unwrap();
    policy.assert_refused("it is not a regular file");
}

#[test]
fn a_socket_is_refused() {
    let policy = PolicyFile::new();
    let _listener = UnixListener::bind(policy.path()).unwrap();
    policy.assert_refused("it is not a regular file");
}

#[test]
fn a_symbolic_link_is_refused_wherever_it_leads() {
    let reason = "it is a symbolic link; put the file itself there";
    for target in ["/dev/null", "good.toml", "/nonexistent", "policy.toml"] {
        let policy = PolicyFile::new();
        fs::write(policy.directory.path().join("good.toml"), "").unwrap();
        symlink(target, policy.path()).unwrap();
        policy.assert_refused(reason);
    }
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    for (mode, shown) in [(0o664, "0664"), (0o602, "0602"), (0o666, "0666")] {
        let policy = PolicyFile::new();
        let file = policy.write(b"");
        file.set_permissions(Permissions::from_mode(mode)).unwrap();
        let reason = format!("others than its owner may write to it (mode {shown}): chmod go-w");
        policy.assert_refused(&reason);
    }
}

/// Only root can give a file away; `file.rs` tests the same rule without a file.
#[test]
fn a_file_of_another_user_is_refused() {
    if !geteuid().is_root() {
        return;
    }
    let policy = PolicyFile::new();
    policy.write(b"");
    chown(&policy.path(), Some(12345.into()), None).unwrap();
    policy.assert_refused("uid 12345 owns it; make it root's: chown root:root");
}

#[test]
fn a_file_is_read_up_to_its_longest_length_and_not_beyond() {
    let longest = usize::try_from(MAX_FILE_BYTES).unwrap();
    let policy = PolicyFile::new();
    policy.write(&b"#".repeat(longest));
    assert!(policy.load().is_ok());

    let policy = PolicyFile::new();
    policy.write(&b"#".repeat(longest + 1));
    policy.assert_refused("it is longer than 1024 KiB");

    let policy = PolicyFile::new();
    policy.write(b"").set_len(100_000_000).unwrap();
    policy.assert_refused("it is longer than 1024 KiB");
}

#[test]
fn bytes_that_are_no_utf8_are_shown_with_their_place() {
    let policy = PolicyFile::new();
    policy.write(b"[default]\n# \xc3\xbc\nmessage = \"caf\xe9\"\n");
    let Err(LoadError::Invalid(found)) = policy.load() else {
        panic!("latin-1 was accepted");
    };
    assert_eq!((found[0].line(), found[0].column()), (3, 15));
    let drawing = found[0].render(Style::Plain);
    assert!(
        drawing
            .ends_with("3 | message = \"caf\u{fffd}\"\n  |               ^ save the file in UTF-8"),
        "{drawing}"
    );
}
