//! Checks for `TMOUT`, by which shells exit at an idle prompt (bash(1)).

use session_timeout_config::Location;
use std::time::Duration;

use session_timeout_texts::roughly;

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::policy_limits::PolicyLimits;
use crate::doctor::root::{Root, Text};

/// The files that shells and pam_env(8) read for all users.
const FILES: [&str; 7] = [
    "/etc/environment",
    "/etc/profile",
    "/etc/profile.d/*.sh",
    "/etc/bash.bashrc",
    "/etc/zsh/zshenv",
    "/etc/zsh/zprofile",
    "/etc/zsh/zshrc",
];

/// A `TMOUT` that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tmout {
    seconds: u64,
    hold: Mutability,
    location: Location,
}

/// Whether the user can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutability {
    Changeable,
    Readonly,
}

/// The settings, and the files that could not be read.
#[derive(Debug, Default)]
pub(crate) struct TmoutSettings {
    set: Vec<Tmout>,
    hidden: Vec<String>,
}

impl TmoutSettings {
    pub(crate) fn gather(root: &Root) -> Self {
        let mut facts = Self::default();
        for path in FILES.iter().flat_map(|pattern| root.matching(pattern)) {
            match root.read(&path) {
                Text::Is(text) => facts.set.extend(set_in(&text, &path)),
                Text::Hidden => facts.hidden.push(path),
                Text::Missing => {}
            }
        }
        facts
    }
}

/// All findings about `TMOUT`.
pub(crate) fn examine(facts: &TmoutSettings, policy_limits: &PolicyLimits) -> Vec<Finding> {
    let check = Check::ShellTmout;
    let mut findings: Vec<Finding> = facts
        .set
        .iter()
        .map(|tmout| judge(tmout, policy_limits))
        .chain(facts.hidden.iter().map(|path| Finding::unseen(check, path)))
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no shell ends by itself (TMOUT)"));
    }
    findings
}

fn judge(tmout: &Tmout, policy_limits: &PolicyLimits) -> Finding {
    let check = Check::ShellTmout;
    let after = Duration::from_secs(tmout.seconds);
    let location = &tmout.location;
    let readonly = match tmout.hold {
        Mutability::Readonly => ", readonly",
        Mutability::Changeable => "",
    };
    let what = format!(
        "TMOUT={}{readonly} ({location}): each shell ends by itself after {} at a prompt, without a \
         warning",
        tmout.seconds,
        roughly(after)
    );
    if after >= policy_limits.longest {
        return Finding::note(check, &format!("{what}; no limit is that long"));
    }
    Finding::warning(check, &what).do_this(&format!(
        "take out {location}; inactivity-timeout in the policy does the same, with a warning"
    ))
}

/// The value of `TMOUT` after this text, if it ends shells.
fn set_in(text: &str, file: &str) -> Option<Tmout> {
    let mut found: Option<Tmout> = None;
    let mut hold = Mutability::Changeable;
    for (index, line) in text.lines().enumerate() {
        for command in commands(line) {
            match Word::of(&command) {
                Some(Word::Set { seconds, hold: new }) => {
                    hold = new;
                    found = Some(Tmout {
                        seconds,
                        hold,
                        location: Location {
                            file: file.to_owned(),
                            line: index + 1,
                        },
                    });
                }
                Some(Word::Protected) => hold = Mutability::Readonly,
                Some(Word::Unset) => found = None,
                None => {}
            }
        }
    }
    let found = found.map(|tmout| Tmout { hold, ..tmout });
    found.filter(|tmout| tmout.seconds > 0)
}

/// The words of each command of a line of a shell script. A quoted word with blanks is split, and
/// no part of it looks like a setting of `TMOUT`.
fn commands(line: &str) -> Vec<Vec<&str>> {
    let comment = |word: &&str| !word.starts_with('#');
    let parts = line.split([';', '&', '|']);
    parts
        .map(|part| part.split_whitespace().take_while(comment).collect())
        .collect()
}

/// The effect of a command on `TMOUT`.
enum Word {
    Set { seconds: u64, hold: Mutability },
    Protected,
    Unset,
}

impl Word {
    fn of(command: &[&str]) -> Option<Self> {
        let first = command.iter().find(|word| {
            !matches!(
                **word,
                "then" | "else" | "do" | "{" | "(" | "builtin" | "command"
            )
        })?;
        let has_flag = |flag| {
            let mut flags = command.iter().filter(|word| word.starts_with('-'));
            flags.any(|word| word.contains(flag))
        };
        let hold = match *first {
            "readonly" => Mutability::Readonly,
            "declare" | "typeset" if has_flag('r') => Mutability::Readonly,
            _ => Mutability::Changeable,
        };
        if let Some(value) = command.iter().find_map(|word| word.strip_prefix("TMOUT=")) {
            // Expressions are not evaluated.
            let seconds = value.trim_matches(['"', '\'']).parse().ok()?;
            return Some(Self::Set { seconds, hold });
        }
        if !command.contains(&"TMOUT") {
            return None;
        }
        match (*first, hold) {
            ("unset", _) => Some(Self::Unset),
            (_, Mutability::Readonly) => Some(Self::Protected),
            (_, Mutability::Changeable) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;
    use crate::doctor::root::fake;

    fn found(text: &str) -> Option<(u64, Mutability, usize)> {
        let tmout = set_in(text, "f")?;
        Some((tmout.seconds, tmout.hold, tmout.location.line))
    }

    #[test]
    fn every_way_of_setting_it_is_seen() {
        use Mutability::{Changeable, Readonly};
        for (text, expected) in [
            ("TMOUT=900", Some((900, Changeable, 1))),
            ("\nexport TMOUT=900 # CIS", Some((900, Changeable, 2))),
            ("readonly TMOUT=600", Some((600, Readonly, 1))),
            (
                "TMOUT=600; readonly TMOUT; export TMOUT",
                Some((600, Readonly, 1)),
            ),
            (
                "TMOUT=600\nexport TMOUT\nreadonly TMOUT",
                Some((600, Readonly, 1)),
            ),
            ("declare -xr TMOUT=\"300\"", Some((300, Readonly, 1))),
            ("typeset -x TMOUT='300'", Some((300, Changeable, 1))),
            ("if true; then readonly TMOUT=5; fi", Some((5, Readonly, 1))),
            ("[ -t 0 ] && TMOUT=5", Some((5, Changeable, 1))),
            ("TMOUT=900\nTMOUT=60", Some((60, Changeable, 2))),
            ("TMOUT=900\nunset TMOUT", None),
            ("TMOUT=0", None),
            ("# TMOUT=900", None),
            ("echo a #TMOUT=900", None),
            ("MY_TMOUT=900", None),
            ("export TMOUT", None),
            ("TMOUT=$((15 * 60))", None),
            ("", None),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn every_file_that_sets_it_is_named() {
        let (_dir, root) = fake::root(&[
            ("/etc/profile", "PATH=/bin\n"),
            ("/etc/profile.d/tmout.sh", "readonly TMOUT=900\n"),
            ("/etc/profile.d/other.txt", "TMOUT=1\n"),
            ("/etc/environment", "TMOUT=300\n"),
        ]);
        let findings = examine(&TmoutSettings::gather(&root), &PolicyLimits::default());
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.level == Level::Warning)
        );
        assert!(
            findings[0].what.contains("/etc/environment:1"),
            "{findings:?}"
        );
        assert!(
            findings[1]
                .what
                .starts_with("TMOUT=900, readonly (/etc/profile.d/tmout.sh:1)")
        );
    }

    #[test]
    fn one_that_is_longer_than_every_limit_is_only_noted() {
        let policy_limits = PolicyLimits {
            longest: Duration::from_secs(900),
            inactivity: None,
            ..PolicyLimits::default()
        };
        let (_dir, root) = fake::root(&[("/etc/profile", "TMOUT=900\n")]);
        let facts = TmoutSettings::gather(&root);
        assert_eq!(examine(&facts, &policy_limits)[0].level, Level::Note);
        let (_dir, root) = fake::root(&[]);
        assert_eq!(
            examine(&TmoutSettings::gather(&root), &policy_limits)[0].level,
            Level::Ok
        );
    }
}
