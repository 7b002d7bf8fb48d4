//! Renders the diagnosis as text: a line for each group of checks, followed by its problems and
//! their fixes.

use anstyle::{AnsiColor, Style};

use crate::cli::Detail;
use crate::columns::{HEADER, NOW, QUIET, SOON, line};
use crate::doctor::Diagnosis;
use crate::doctor::checks::Group;
use crate::doctor::finding::{Finding, Level};
use crate::text::listed;

const WELL: Style = AnsiColor::Green.on_default();
const NOTED: Style = AnsiColor::Cyan.on_default();

/// The width of the longest word for a level.
const WORD: usize = "warning".len();

/// The diagnosis as text with colours.
pub(crate) fn render(diagnosis: &Diagnosis, detail: Detail) -> String {
    let mut out = String::new();
    for group in Group::ALL {
        let of_group = |finding: &&Finding| finding.check.group() == group;
        let findings: Vec<&Finding> = diagnosis.findings.iter().filter(of_group).collect();
        if !findings.is_empty() {
            section(&mut out, group, &findings, detail);
        }
    }
    out.push('\n');
    let all: Vec<&Finding> = diagnosis.findings.iter().collect();
    let summary = match diagnosis.worst() {
        Level::Ok => "All is well.".to_owned(),
        Level::Note => format!("All is well; {}.", counts(&all, Level::Note)),
        _ => format!("{}.", counts(&all, Level::Note)),
    };
    line(&mut out, style(diagnosis.worst()), &summary);
    out
}

fn section(out: &mut String, group: Group, findings: &[&Finding], detail: Detail) {
    let title = format!("{}: {}", group.title(), counts(findings, Level::Ok));
    line(out, HEADER, &title);
    let shown = findings.iter().filter(|finding| match detail {
        Detail::Everything => true,
        Detail::Problems => finding.level > Level::Ok,
    });
    for finding in shown {
        let (style, word) = (style(finding.level), finding.level.word());
        let what = format!("  {style}{word:<WORD$}{style:#}  {}", finding.what);
        line(out, Style::new(), &what);
        if let Some(fix) = &finding.fix {
            let indent = " ".repeat(2 + WORD + 2);
            line(out, QUIET, &format!("{indent}fix: {}", fix.text()));
        }
    }
}

/// `1 error, 2 warnings and 3 ok`: the most severe level first, down to this one.
fn counts(findings: &[&Finding], least: Level) -> String {
    let levels = [Level::Error, Level::Warning, Level::Note, Level::Ok];
    let counts = levels
        .into_iter()
        .filter(|level| *level >= least)
        .filter_map(|level| {
            let count = findings
                .iter()
                .filter(|finding| finding.level == level)
                .count();
            let word = level.word();
            match (count, level) {
                (0, _) => None,
                (1, _) | (_, Level::Ok) => Some(format!("{count} {word}")),
                _ => Some(format!("{count} {word}s")),
            }
        });
    let counts: Vec<String> = counts.collect();
    let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    listed(&counts, "and")
}

const fn style(level: Level) -> Style {
    match level {
        Level::Ok => WELL,
        Level::Note => NOTED,
        Level::Warning => SOON,
        Level::Error => NOW,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::sample;

    fn plain(diagnosis: &Diagnosis, detail: Detail) -> String {
        anstream::adapter::strip_str(&render(diagnosis, detail)).to_string()
    }

    #[test]
    fn the_drawing_stays_as_it_is() {
        let expected = "\
Login: 1 error and 1 ok
  error    pam_session_timeout.so is missing
           fix: pam-auth-update --enable session-timeout
Daemon and policy: 1 ok
Sessions: 1 warning
  warning  session c1: nobody can tell
Others that end sessions: 1 note
  note     logind acts
System: 1 ok

1 error, 1 warning and 1 note.
";
        assert_eq!(plain(&sample(), Detail::Problems), expected);
    }

    #[test]
    fn everything_is_shown_to_who_asks() {
        let text = plain(&sample(), Detail::Everything);
        assert!(
            text.contains("  ok       the PAM module is installed\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 14);
    }

    #[test]
    fn a_machine_that_is_well_is_said_so() {
        let mut well = sample();
        well.findings.retain(|finding| finding.level == Level::Ok);
        let expected = "\
Login: 1 ok
Daemon and policy: 1 ok
System: 1 ok

All is well.
";
        assert_eq!(plain(&well, Detail::Problems), expected);
        let mut noted = sample();
        noted
            .findings
            .retain(|finding| finding.level <= Level::Note);
        let text = plain(&noted, Detail::Problems);
        assert!(text.ends_with("\nAll is well; 1 note.\n"), "{text}");
    }

    #[test]
    fn a_level_has_its_colour() {
        let text = render(&sample(), Detail::Problems);
        assert!(text.contains("\u{1b}[31merror  \u{1b}[0m"), "{text:?}");
        assert!(text.contains("\u{1b}[33mwarning\u{1b}[0m"), "{text:?}");
    }
}
