//! A policy of several files: their order, and files that are ignored or refused.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::{chown, geteuid, mkfifo};
use session_timeout_config::last_good::remember;
use session_timeout_config::{
    Diagnostic, LoadError, Loaded, MAX_DROP_INS, MAX_FILE_BYTES, Minima, Settings, Sources, load,
};
use tempfile::TempDir;

/// A main file and three directories of drop-ins, as on a machine.
struct Machine {
    root: TempDir,
}

const MAIN: &str = "etc/policy.toml";
const DIRECTORIES: [&str; 3] = ["usr", "run", "etc"];

impl Machine {
    /// A machine with these files: the main file is `etc/policy.toml`, and a drop-in is `usr/NAME`.
    fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in DIRECTORIES {
            let path = root.path().join(directory).join("policy.d");
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let machine = Self { root };
        for (name, text) in files {
            machine.write(name, text);
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        if name == MAIN {
            return self.root.path().join(MAIN);
        }
        let (directory, file) = name.split_once('/').unwrap();
        self.root.path().join(directory).join("policy.d").join(file)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    fn sources(&self) -> Sources {
        let drop_ins = DIRECTORIES.map(|name| self.root.path().join(name).join("policy.d"));
        Sources::new(self.root.path().join(MAIN), drop_ins)
    }

    /// Loads the policy; panics if that takes too long.
    fn try_load(&self) -> Result<Loaded, LoadError> {
        load_in_time(self.sources())
    }

    fn load(&self) -> Loaded {
        let found = self.try_load();
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    fn settings(&self) -> Settings {
        self.load().settings
    }

    /// The paths of the files that were read, below the root.
    fn files(&self) -> Vec<String> {
        let loaded = self.load();
        let names = loaded.files.iter().map(|path| {
            let name = path.strip_prefix(self.root.path()).unwrap();
            name.to_str().unwrap().replace("/policy.d", "")
        });
        names.collect()
    }

    #[track_caller]
    fn assert_refused(&self, name: &str, reason: &str) {
        let expected = format!("cannot read {}: {reason}", self.path(name).display());
        match self.try_load() {
            Err(LoadError::Unreadable { reason }) => assert_eq!(reason, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

fn load_in_time(sources: Sources) -> Result<Loaded, LoadError> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || drop(sender.send(load(&sources, Minima::Enforced))));
    // To load the most files takes a busy computer more than ten seconds; what hangs never ends.
    let bound = Duration::from_secs(60);
    receiver.recv_timeout(bound).expect("loading hangs")
}

fn grace(seconds: u64) -> String {
    format!("[default]\ngrace = \"{seconds}s\"\n")
}

fn rule(name: &str, user: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nmatch = {{ user = \"{user}\" }}\n")
}

fn grace_of(settings: &Settings) -> u64 {
    settings.default.limits.grace.as_secs()
}

/// The rules, each with the user that it matches.
fn rules_of(settings: &Settings) -> Vec<String> {
    let rules = settings.rules.iter().map(|rule| {
        let user = rule.matching.user.as_deref().unwrap_or_default();
        format!("{}={}", rule.name, user[0])
    });
    rules.collect()
}

#[test]
fn drop_ins_are_loaded_after_the_main_file_in_the_order_of_their_names() {
    let machine = Machine::new(&[
        ("etc/10-c.toml", ""),
        ("etc/30-a.toml", "#\n"),
        ("usr/20-b.toml", "#\n"),
        ("run/05-d.toml", "#\n"),
        ("usr/readme", "no toml"),
        ("usr/.40-hidden.toml", "no toml"),
        ("usr/50.toml~", "no toml"),
        (MAIN, "#\n"),
    ]);
    machine.write("etc/10-c.toml", "#\n");
    assert_eq!(
        machine.files(),
        [
            MAIN,
            "run/05-d.toml",
            "etc/10-c.toml",
            "usr/20-b.toml",
            "etc/30-a.toml"
        ]
    );
}

#[test]
fn etc_hides_run_and_run_hides_usr() {
    let machine = Machine::new(&[("usr/a.toml", &grace(1))]);
    assert_eq!(grace_of(&machine.settings()), 1);
    machine.write("run/a.toml", &grace(2));
    assert_eq!(grace_of(&machine.settings()), 2);
    machine.write("etc/a.toml", &grace(3));
    assert_eq!(grace_of(&machine.settings()), 3);
    assert_eq!(machine.files(), ["etc/a.toml"]);
}

#[test]
fn an_empty_file_or_a_link_to_dev_null_hides_the_file_of_its_name() {
    let vendor = grace(5);
    let machine = Machine::new(&[(MAIN, ""), ("usr/a.toml", &vendor), ("usr/b.toml", &vendor)]);
    assert_eq!(machine.files(), [MAIN, "usr/a.toml", "usr/b.toml"]);
    machine.write("run/a.toml", "");
    assert_eq!(machine.files(), [MAIN, "usr/b.toml"]);
    symlink("/dev/null", machine.path("etc/b.toml")).unwrap();
    assert_eq!(machine.files(), [MAIN]);
    // A hidden file is not read.
    machine.write("usr/b.toml", "nonsense");
    assert_eq!(grace_of(&machine.settings()), 10);
}

#[test]
fn a_key_of_default_that_is_set_again_wins() {
    let machine = Machine::new(&[
        (MAIN, "[default]\ngrace = \"20s\"\naction = \"hang-up\"\n"),
        ("usr/10.toml", &grace(30)),
        ("etc/20.toml", &grace(40)),
    ]);
    let settings = machine.settings();
    assert_eq!(grace_of(&settings), 40);
    let origin = |key| settings.default.origin(key).unwrap().to_string();
    let location = |name, line| format!("{}:{line}", machine.path(name).display());
    assert_eq!(origin("grace"), location("etc/20.toml", 2));
    assert_eq!(origin("action"), location(MAIN, 3));
}

#[test]
fn a_preset_in_a_drop_in_does_not_win_over_a_key() {
    let machine = Machine::new(&[
        (MAIN, "[default]\ninactivity-timeout = \"5min\"\n"),
        ("etc/10.toml", "[default]\npreset = \"stig\"\n"),
    ]);
    let inactivity = machine.settings().default.limits.inactivity;
    assert_eq!(inactivity.unwrap().length.as_secs(), 5 * 60);
}

#[test]
fn a_rule_replaces_the_one_of_its_name_and_new_ones_come_last() {
    let machine = Machine::new(&[
        (MAIN, &(rule("b", "main") + &rule("a", "main"))),
        ("usr/10.toml", &(rule("new", "usr") + &rule("a", "usr"))),
        ("etc/20.toml", &rule("b", "etc")),
    ]);
    let settings = machine.settings();
    assert_eq!(rules_of(&settings), ["b=etc", "a=usr", "new=usr"]);
    let location = format!("{}:2", machine.path("etc/20.toml").display());
    assert_eq!(settings.rules[0].location.to_string(), location);
}

#[test]
fn rules_inherit_from_the_default_of_all_files() {
    let machine = Machine::new(&[(MAIN, &rule("a", "alice")), ("etc/10.toml", &grace(40))]);
    let limits = &machine.settings().rules[0].effective.limits;
    assert_eq!(limits.grace.as_secs(), 40);
}

#[test]
fn without_a_main_file_drop_ins_are_a_policy() {
    let machine = Machine::new(&[("run/a.toml", &grace(2))]);
    assert_eq!(machine.files(), ["run/a.toml"]);
}

#[test]
fn only_without_any_file_the_policy_is_missing() {
    let machine = Machine::new(&[]);
    assert!(matches!(machine.try_load(), Err(LoadError::Missing)));
    // A file that only hides another is no policy.
    machine.write("etc/a.toml", "");
    assert!(matches!(machine.try_load(), Err(LoadError::Missing)));
    // A directory may be missing.
    fs::remove_dir_all(machine.root.path().join("usr")).unwrap();
    assert!(matches!(machine.try_load(), Err(LoadError::Missing)));
    machine.write(MAIN, "");
    assert_eq!(machine.files(), [MAIN]);
}

#[test]
fn errors_of_all_files_are_reported_at_once_with_their_paths() {
    let machine = Machine::new(&[
        (
            MAIN,
            "[default]\ngrace = \"1h\"\nsession-timeout = \"2h\"\n",
        ),
        ("usr/10.toml", "\n[defualt]\n"),
        ("etc/20.toml", "[default]\ninactivity-timeout = \"3h\"\n"),
        ("etc/30.toml", "[default]\ngrace = 10s\n"),
    ]);
    let Err(LoadError::Invalid(found)) = machine.try_load() else {
        panic!("broken files were accepted");
    };
    let locations: Vec<String> = found.iter().map(location_of).collect();
    let expected = [(MAIN, 2), ("usr/10.toml", 2), ("etc/30.toml", 2)];
    let expected = expected.map(|(name, line)| format!("{}:{line}", machine.path(name).display()));
    assert_eq!(locations, expected);

    // When the syntax of all files is valid, the merged values are checked.
    machine.write("etc/30.toml", &grace(10));
    let Err(LoadError::Invalid(found)) = machine.try_load() else {
        panic!("broken files were accepted");
    };
    assert_eq!(
        location_of(&found[2]),
        format!("{}:2", machine.path("etc/20.toml").display())
    );
    let label = format!(
        "3 h, and `session-timeout` is 2 h ({}:3)",
        machine.path(MAIN).display()
    );
    assert_eq!(found[2].label(), Some(label.as_str()));
}

fn location_of(diagnostic: &Diagnostic) -> String {
    format!("{}:{}", diagnostic.file(), diagnostic.line())
}

#[test]
fn one_file_that_is_unsafe_is_enough_to_refuse_the_policy() {
    const FILE: &str = "etc/a.toml";
    let prepared = |prepare: &dyn Fn(&Path)| {
        let machine = Machine::new(&[(MAIN, "")]);
        prepare(&machine.path(FILE));
        machine
    };
    let irregular = "it is not a regular file";
    prepared(&|path| mkfifo(path, Mode::S_IRUSR).unwrap()).assert_refused(FILE, irregular);
    prepared(&|path| fs::create_dir(path).unwrap()).assert_refused(FILE, irregular);
    for target in ["../policy.toml", "/dev/zero", "/nonexistent", "null"] {
        let machine = prepared(&|path| symlink(target, path).unwrap());
        machine.assert_refused(FILE, "it is a symbolic link; put the file itself there");
    }
    for text in ["", "#\n"] {
        let machine = prepared(&|path| {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap();
        });
        let reason = "others than its owner may write to it (mode 0664): chmod go-w";
        machine.assert_refused(FILE, reason);
    }
    let long = |path: &Path| {
        fs::File::create(path)
            .unwrap()
            .set_len(100_000_000)
            .unwrap();
    };
    prepared(&long).assert_refused(FILE, "it is longer than 1024 KiB");
}

#[test]
fn the_files_that_are_refused_are_named_up_to_five() {
    let machine = Machine::new(&[]);
    for number in 1..=5 {
        fs::create_dir(machine.path(&format!("etc/{number}.toml"))).unwrap();
    }
    let error = machine.try_load().unwrap_err().to_string();
    for number in 1..=5 {
        let path = machine.path(&format!("etc/{number}.toml"));
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    assert!(!error.contains("more"), "{error}");
    fs::create_dir(machine.path("usr/6.toml")).unwrap();
    fs::create_dir(machine.path("usr/7.toml")).unwrap();
    let error = machine.try_load().unwrap_err().to_string();
    assert!(error.ends_with("; and 2 more"), "{error}");
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    let machine = Machine::new(&[(MAIN, "")]);
    let directory = machine.root.path().join("run/policy.d");
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    let error = machine.try_load().unwrap_err().to_string();
    let expected = format!(
        "cannot read {}: others than its owner may write to it (mode 0777): chmod go-w",
        directory.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_file_in_place_of_a_directory_is_refused() {
    let machine = Machine::new(&[(MAIN, "")]);
    let directory = machine.root.path().join("run/policy.d");
    let refused = |error: &str| {
        let reason = "it is not a directory, or only a symbolic link to one";
        assert_eq!(
            error,
            format!("cannot read {}: {reason}", directory.display())
        );
    };
    fs::remove_dir(&directory).unwrap();
    symlink(machine.root.path().join("usr/policy.d"), &directory).unwrap();
    refused(&machine.try_load().unwrap_err().to_string());
    fs::remove_file(&directory).unwrap();
    fs::write(&directory, "").unwrap();
    refused(&machine.try_load().unwrap_err().to_string());
}

/// Only root can give a file away; `file.rs` tests the same rule without a file.
#[test]
fn a_drop_in_or_a_directory_of_another_user_is_refused() {
    if !geteuid().is_root() {
        return;
    }
    let reason = "uid 12345 owns it; make it root's: chown root:root";
    let machine = Machine::new(&[("etc/a.toml", "#\n")]);
    chown(&machine.path("etc/a.toml"), Some(12345.into()), None).unwrap();
    machine.assert_refused("etc/a.toml", reason);

    let machine = Machine::new(&[("etc/a.toml", "#\n")]);
    let directory = machine.root.path().join("etc/policy.d");
    chown(&directory, Some(12345.into()), None).unwrap();
    let error = machine.try_load().unwrap_err().to_string();
    assert_eq!(
        error,
        format!("cannot read {}: {reason}", directory.display())
    );
}

#[test]
fn no_more_than_256_drop_ins_are_taken() {
    let machine = Machine::new(&[]);
    for number in 0..MAX_DROP_INS {
        machine.write(&format!("etc/{number}.toml"), "#\n");
    }
    assert_eq!(machine.files().len(), MAX_DROP_INS);
    machine.write("usr/more.toml", "#\n");
    let error = machine.try_load().unwrap_err().to_string();
    assert_eq!(error, "there are 257 drop-ins; at most 256");
}

#[test]
fn a_directory_full_of_other_files_is_not_searched_for_ever() {
    let machine = Machine::new(&[]);
    for number in 0..5000 {
        machine.write(&format!("run/{number}"), "");
    }
    let directory = machine.root.path().join("run/policy.d");
    let error = machine.try_load().unwrap_err().to_string();
    let expected = format!(
        "cannot read {}: there are more than 4096 files in it",
        directory.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn all_files_together_have_the_same_maximum_size_as_one() {
    let half = usize::try_from(MAX_FILE_BYTES).unwrap() / 2;
    let machine = Machine::new(&[(MAIN, &"#".repeat(half)), ("etc/a.toml", &"#".repeat(half))]);
    assert_eq!(machine.files().len(), 2);
    machine.write("etc/b.toml", "#");
    machine.assert_refused("etc/b.toml", "all files together are longer than 1024 KiB");
}

#[test]
fn rules_of_all_files_together_have_the_same_maximum_as_those_of_one() {
    let rules = |from: usize, to: usize| {
        let rules = (from..to).map(|number| rule(&format!("r{number}"), "a"));
        rules.collect::<String>()
    };
    let machine = Machine::new(&[
        ("etc/a.toml", &rules(0, 600)),
        ("etc/b.toml", &rules(500, 1001)),
    ]);
    let Err(LoadError::Invalid(found)) = machine.try_load() else {
        panic!("too many rules were accepted");
    };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message(), "too many rules");
    assert_eq!(
        found[0].file(),
        machine.path("etc/b.toml").to_str().unwrap()
    );
    machine.write("etc/b.toml", &rules(500, 1000));
    assert_eq!(machine.settings().rules.len(), 1000);
}

#[test]
fn bytes_that_are_no_utf8_do_not_hide_the_errors_of_other_files() {
    let machine = Machine::new(&[(MAIN, "[default]\ngrace = \"1h\"\n")]);
    fs::write(machine.path("etc/a.toml"), b"# caf\xe9\n").unwrap();
    let Err(LoadError::Invalid(found)) = machine.try_load() else {
        panic!("latin-1 was accepted");
    };
    let messages: Vec<&str> = found.iter().map(Diagnostic::message).collect();
    assert_eq!(messages, ["`grace` is out of range", "not UTF-8"]);
}

#[test]
fn a_directory_is_loaded_with_its_drop_ins() {
    let machine = Machine::new(&[(MAIN, &grace(2)), ("etc/a.toml", &grace(3))]);
    let at = |path: PathBuf| load_in_time(Sources::at(path)).unwrap();
    let etc = at(machine.root.path().join("etc"));
    assert_eq!(etc.files, [machine.path(MAIN), machine.path("etc/a.toml")]);
    let drop_ins = at(machine.root.path().join("etc/policy.d"));
    assert_eq!(drop_ins.files, [machine.path("etc/a.toml")]);
    let main = at(machine.path(MAIN));
    assert_eq!(main.files, [machine.path(MAIN)]);
    assert_eq!(grace_of(&main.settings), 2);
    // A directory `policy.d` is enough to recognize a configuration directory.
    let usr = load_in_time(Sources::at(machine.root.path().join("usr")));
    assert!(matches!(usr, Err(LoadError::Missing)));
}

#[test]
fn the_policy_of_the_machine_has_the_paths_of_the_manual() {
    let main = Path::new("/etc/session-timeout/policy.toml");
    assert_eq!(Sources::system().main_path(), Some(main));
    assert_eq!(Sources::system(), Sources::with_main(main));
    assert_ne!(Sources::system(), Sources::file(main));
    let shown = format!("{:?}", Sources::system());
    for directory in ["/usr/lib", "/run", "/etc"] {
        let directory = format!("{directory}/session-timeout/policy.d");
        assert!(shown.contains(&directory), "{shown}");
    }
}

/// A file that is named explicitly, such as a draft, may be in any directory.
#[test]
fn a_policy_below_a_directory_that_others_can_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let main = inner.join("policy.toml");
    fs::write(&main, grace(5)).unwrap();
    fs::set_permissions(&main, Permissions::from_mode(0o644)).unwrap();
    // The sticky bit, as on /tmp, does not help: anybody can create entries.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    for path in [&main, &inner.join("missing.toml")] {
        let error = load_in_time(Sources::with_main(path)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("cannot trust what is below /"), "{error}");
        assert!(error.contains("chmod go-w /") || error.contains("chown root:root /"));
        assert_eq!(error.matches("cannot trust").count(), 1, "{error}");
    }
    assert!(load_in_time(Sources::file(&main)).is_ok());
    assert!(load_in_time(Sources::at(&inner)).is_ok());
}

#[test]
fn a_main_file_that_was_there_is_missed() {
    let machine = Machine::new(&[("etc/50.toml", &grace(5))]);
    let copy = machine.root.path().join("copy");
    let main = machine.path(MAIN);
    let sources = || machine.sources().remembered_in(&copy);
    assert!(load_in_time(sources()).is_ok(), "no copy");
    fs::write(&copy, remember(&grace(6), None)).unwrap();
    assert!(load_in_time(sources()).is_ok(), "of drop-ins alone");
    fs::write(&copy, remember(&grace(6), Some(&main))).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    for sources in [sources(), machine.sources().known_to_be_there()] {
        let error = load_in_time(sources).unwrap_err().to_string();
        let expected = format!(
            "cannot read {0}: it was there and is gone; put it back or, to do without it, \
             make it empty: touch {0}",
            main.display()
        );
        assert_eq!(error, expected);
    }
    machine.write(MAIN, "");
    for sources in [sources(), machine.sources().known_to_be_there()] {
        let loaded = load_in_time(sources).unwrap();
        assert_eq!(loaded.files.first(), Some(&main));
    }
}

#[test]
fn a_name_does_not_command_the_terminal() {
    let machine = Machine::new(&[]);
    fs::create_dir(machine.path("etc/\u{1b}[2J.toml")).unwrap();
    let error = machine.try_load().unwrap_err().to_string();
    assert!(!error.contains('\u{1b}'), "{error}");
}
