//! Checks a policy and prints what is wrong with it, for `session-timeout check` and
//! `session-timeoutd --check`.
//!
//! The policy is read by [`load()`], with which the daemon reads it as well.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use session_timeout_texts::sanitize;

use crate::diagnostic::{Diagnostic, Style};
use crate::keys::range::Minima;
use crate::load::sources::{ParentCheck, Sources};
use crate::load::{LoadError, Loaded, load};
use crate::settings::Settings;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    /// It can be put in force. There may be warnings.
    Good,
    /// It has errors.
    Invalid,
    /// It cannot be read.
    Unreadable,
}

impl CheckStatus {
    /// The exit status for it: 0, 1 or 2.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Invalid => 1,
            Self::Unreadable => 2,
        }
    }
}

impl From<CheckStatus> for ExitCode {
    fn from(status: CheckStatus) -> Self {
        status.exit_code().into()
    }
}

/// Checks a policy: writes every error and every warning of all its files to `err`, and a summary
/// of one line to `out`.
///
/// # Errors The output could not be written.
pub fn check(
    sources: &Sources,
    minima: Minima,
    style: Style,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> io::Result<CheckStatus> {
    let checked = Checked::of(sources, minima);
    checked.print(style, out, err)?;
    Ok(checked.status())
}

/// A policy that was checked.
#[derive(Debug)]
pub struct Checked {
    sources: Sources,
    found: Result<Loaded, LoadError>,
}

impl Checked {
    /// Reads the policy.
    ///
    /// If the policy of the machine is missing, that is no error: the built-in one holds then. Any
    /// other policy was named by the caller and must exist.
    #[must_use]
    pub fn of(sources: &Sources, minima: Minima) -> Self {
        let found = match load(sources, minima) {
            Err(LoadError::Missing) if may_be_missing(sources) => Ok(Loaded {
                settings: Settings::default(),
                files: Vec::new(),
            }),
            found => found,
        };
        Self {
            sources: sources.clone(),
            found,
        }
    }

    /// The result.
    #[must_use]
    pub const fn status(&self) -> CheckStatus {
        match &self.found {
            Ok(_) => CheckStatus::Good,
            Err(LoadError::Invalid(_)) => CheckStatus::Invalid,
            Err(LoadError::Missing | LoadError::Unreadable { .. }) => CheckStatus::Unreadable,
        }
    }

    /// The settings, if the policy can be put in force.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.found.as_ref().ok().map(|loaded| &loaded.settings)
    }

    /// The files that it was read from, in this order; empty for the built-in policy. `None`: the
    /// policy cannot be put in force.
    #[must_use]
    pub fn files(&self) -> Option<&[PathBuf]> {
        let loaded = self.found.as_ref().ok();
        loaded.map(|loaded| loaded.files.as_slice())
    }

    /// Its errors.
    #[must_use]
    pub fn errors(&self) -> &[Diagnostic] {
        match &self.found {
            Err(LoadError::Invalid(errors)) => errors,
            Ok(_) | Err(LoadError::Missing | LoadError::Unreadable { .. }) => &[],
        }
    }

    /// Its warnings.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        self.settings()
            .map_or(&[], |settings| settings.warnings.as_slice())
    }

    /// Why it cannot be read, in a sentence that names the file.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        match &self.found {
            Ok(_) | Err(LoadError::Invalid(_)) => None,
            Err(LoadError::Unreadable { reason }) => Some(reason.clone()),
            Err(LoadError::Missing) => Some(self.missing()),
        }
    }

    /// Writes every error and every warning to `err`, and a summary of one line to `out`.
    ///
    /// # Errors The output could not be written.
    pub fn print(
        &self,
        style: Style,
        out: &mut dyn io::Write,
        err: &mut dyn io::Write,
    ) -> io::Result<()> {
        self.print_diagnostics(style, err)?;
        match self.summary() {
            Some(summary) => writeln!(out, "{summary}"),
            None => Ok(()),
        }
    }

    /// Writes every error and every warning, with the lines of the file that it is about.
    ///
    /// # Errors The output could not be written.
    pub fn print_diagnostics(&self, style: Style, err: &mut dyn io::Write) -> io::Result<()> {
        for diagnostic in self.errors().iter().chain(self.warnings()) {
            writeln!(err, "{}\n", diagnostic.render(style))?;
        }
        match self.unreadable() {
            Some(reason) => writeln!(err, "error: {reason}"),
            None => Ok(()),
        }
    }

    /// A summary on one line; `None` if the files could not be read.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        match &self.found {
            Ok(loaded) => Some(self.summary_of(loaded)),
            Err(LoadError::Invalid(errors)) => Some(summary_of_errors(errors)),
            Err(LoadError::Missing | LoadError::Unreadable { .. }) => None,
        }
    }

    fn summary_of(&self, loaded: &Loaded) -> String {
        let Loaded { settings, files } = loaded;
        let what = self.what_was_read(files);
        if files.is_empty() {
            return format!("{what}: ok, the built-in policy holds");
        }
        let rules = match settings.rules.len() {
            0 => "no rules".to_owned(),
            some => counted(some, "rule"),
        };
        let warnings = match settings.warnings.len() {
            0 => String::new(),
            some => format!(", {}", counted(some, "warning")),
        };
        format!("{what}: ok, {rules}{warnings}")
    }

    fn what_was_read(&self, files: &[PathBuf]) -> String {
        let Some(main) = &self.sources.main else {
            let directory = self.sources.drop_ins.last().map(|path| shown(path));
            let directory = directory.unwrap_or_default();
            return format!("{} of {directory}", counted(files.len(), "file"));
        };
        let main_name = shown(main);
        match files {
            [] => format!("no {main_name}"),
            [first] if first == main => main_name,
            [first, more @ ..] if first == main => {
                format!("{main_name} and {}", counted(more.len(), "drop-in"))
            }
            some => format!("{} and no {main_name}", counted(some.len(), "drop-in")),
        }
    }

    fn missing(&self) -> String {
        match (&self.sources.main, self.sources.drop_ins.last()) {
            (Some(main), _) => format!("cannot read {}: there is no such file", shown(main)),
            (None, Some(directory)) => format!(
                "cannot read a policy from {}: there is no file *.toml in it",
                shown(directory)
            ),
            (None, None) => "there is no file to read".to_owned(),
        }
    }
}

/// Whether a missing policy means the built-in one: for the files of the machine, also with another
/// main file.
fn may_be_missing(sources: &Sources) -> bool {
    sources.above == ParentCheck::Roots
}

fn summary_of_errors(errors: &[Diagnostic]) -> String {
    let files: BTreeSet<&str> = errors.iter().map(Diagnostic::file).collect();
    let what = match files.iter().next() {
        Some(one) if files.len() == 1 => (*one).to_owned(),
        _ => counted(files.len(), "file"),
    };
    format!("{what}: {}", counted(errors.len(), "error"))
}

fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

fn shown(path: &Path) -> String {
    sanitize(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::fs::{DirBuilder, OpenOptions};
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

    use tempfile::TempDir;

    use super::*;

    const BROKEN: &str = "[default]\ngrace = \"1h\"\n";
    const RULE: &str = "[[rule]]\nname = \"card data\"\nmatch = { group = [\"pci\"] }\n";
    const WARNED: &str = "[default]\nsession-warnings = []\n";

    /// A directory with these files in it. No other user may write to them, whatever the umask is.
    fn directory(files: &[(&str, &str)]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o755);
            builder.create(path.parent().unwrap()).unwrap();
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o644);
            let mut file = options.open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        directory
    }

    /// The result for this path: the status, the line on `out`, and the text on `err`, with `DIR`
    /// for the directory.
    fn said(directory: &TempDir, name: &str) -> (CheckStatus, String, String) {
        let sources = Sources::at(directory.path().join(name));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let minima = Minima::Enforced;
        let status = check(&sources, minima, Style::Plain, &mut out, &mut err).unwrap();
        let base = directory.path().to_str().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(base, "DIR");
        (status, text(out), text(err))
    }

    #[test]
    fn a_good_policy_is_said_on_one_line() {
        let files = directory(&[
            ("policy.toml", "[default]\n"),
            ("policy.d/10-a.toml", RULE),
            ("policy.d/20-b.toml", WARNED),
        ]);
        let alone = said(&files, "policy.toml");
        let expected = "DIR/policy.toml: ok, no rules\n";
        assert_eq!(alone, (CheckStatus::Good, expected.into(), String::new()));

        let (status, out, err) = said(&files, "");
        assert_eq!(status, CheckStatus::Good);
        assert_eq!(
            out,
            "DIR/policy.toml and 2 drop-ins: ok, 1 rule, 1 warning\n"
        );
        assert!(err.starts_with("warning: "), "{err}");
        assert!(err.contains("DIR/policy.d/20-b.toml:2:"), "{err}");
    }

    #[test]
    fn drop_ins_alone_are_a_policy_too() {
        let files = directory(&[("policy.d/10-a.toml", RULE), ("others/x.toml", RULE)]);
        let (_, out, _) = said(&files, "");
        assert_eq!(out, "1 drop-in and no DIR/policy.toml: ok, 1 rule\n");
        let (_, out, _) = said(&files, "others");
        assert_eq!(out, "1 file of DIR/others: ok, 1 rule\n");
    }

    #[test]
    fn the_errors_of_all_files_are_drawn() {
        let files = directory(&[
            ("policy.toml", BROKEN),
            ("policy.d/10-a.toml", "[defualt]\n"),
        ]);
        let (status, out, err) = said(&files, "");
        assert_eq!(status, CheckStatus::Invalid);
        assert_eq!(out, "2 files: 2 errors\n");
        assert!(err.contains("--> DIR/policy.toml:2:9\n"), "{err}");
        assert!(err.contains("--> DIR/policy.d/10-a.toml:1:2\n"), "{err}");
        let (_, out, _) = said(&files, "policy.toml");
        assert_eq!(out, "DIR/policy.toml: 1 error\n");
    }

    #[test]
    fn what_cannot_be_read_is_another_status_than_errors() {
        let files = directory(&[("empty/readme", "")]);
        for (name, says) in [
            ("x.toml", "cannot read DIR/x.toml: there is no such file"),
            (
                "empty",
                "cannot read a policy from DIR/empty: there is no file *.toml in it",
            ),
        ] {
            let (status, out, err) = said(&files, name);
            assert_eq!((status, out.as_str()), (CheckStatus::Unreadable, ""));
            assert_eq!(err, format!("error: {says}\n"));
        }
        DirBuilder::new()
            .create(files.path().join("policy.toml"))
            .unwrap();
        let (status, _, err) = said(&files, "");
        assert_eq!(status, CheckStatus::Unreadable);
        assert!(err.contains("DIR/policy.toml: "), "{err}");
    }

    #[test]
    fn only_the_policy_of_the_machine_may_be_missing() {
        assert!(may_be_missing(&Sources::system()));
        assert!(may_be_missing(&Sources::with_main("/elsewhere.toml")));
        assert!(!may_be_missing(&Sources::file("/elsewhere.toml")));
        assert!(!may_be_missing(&Sources::at("/")));
        let checked = Checked {
            sources: Sources::system(),
            found: Ok(Loaded {
                settings: Settings::default(),
                files: Vec::new(),
            }),
        };
        let expected = "no /etc/session-timeout/policy.toml: ok, the built-in policy holds";
        assert_eq!(checked.summary().as_deref(), Some(expected));
        assert_eq!(checked.files(), Some([].as_slice()));
    }

    #[test]
    fn a_path_does_not_command_the_terminal() {
        let sources = Sources::file(Path::new("/nowhere/\u{1b}[2J.toml"));
        let checked = Checked::of(&sources, Minima::Enforced);
        assert!(!checked.unreadable().unwrap().contains('\u{1b}'));
    }
}
