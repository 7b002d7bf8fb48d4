//! `status` for people: one line for each session, and below it what is out of the ordinary.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::duration;
use crate::status::{Session, Status};

const HEADER: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const SOON: Style = AnsiColor::Yellow.on_default();
const NOW: Style = AnsiColor::Red.on_default();

/// A cell is cut here; host names may have 255 characters.
const WIDEST_CELL: usize = 40;
const GAP: &str = "  ";

/// The whole answer as text with colours in it. With a `width`, columns that people can best do
/// without are left out until the table fits.
pub(crate) fn render(status: &Status, width: Option<usize>) -> String {
    let mut out = String::new();
    if status.sessions.is_empty() {
        out.push_str("No sessions.\n");
    } else {
        sessions(&mut out, &status.sessions, width);
    }
    let notes = notes(status);
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        line(&mut out, SOON, &note);
    }
    out
}

/// What an administrator should know before believing the table.
fn notes(status: &Status) -> Vec<String> {
    let policy = &status.policy;
    let path = &policy.path;
    let mut notes = Vec::new();
    match (policy.state.as_str(), &policy.error) {
        ("in-force", None) => {}
        ("in-force", Some(_)) => notes.push(format!(
            "{path} was refused; the policy before it is still in force."
        )),
        ("built-in", None) => notes.push(format!(
            "There is no {path}; the built-in defaults are in force."
        )),
        ("built-in", Some(_)) => notes.push(format!(
            "{path} was refused; the built-in defaults are in force."
        )),
        ("last-good", _) => notes.push(format!(
            "{path} was refused; a copy of the last good policy is in force."
        )),
        ("none", _) => notes.push(format!(
            "{path} was refused and there is no last good policy: NO LIMIT IS ENFORCED."
        )),
        (other, _) => notes.push(format!("The state of the policy {path} is \"{other}\".")),
    }
    notes.extend(policy.error.iter().map(|error| indent(error)));
    if status.short_limits {
        notes.push("Limits below the minima are allowed (--allow-short-limits).".into());
    }
    if status.logind != "connected" {
        notes.push("logind does not answer; what is shown may be out of date.".into());
    }
    match status.rejected_frames {
        0 => {}
        1 => notes.push("1 message on the login socket was rejected; see the journal.".into()),
        n => notes.push(format!(
            "{n} messages on the login socket were rejected; see the journal."
        )),
    }
    notes
}

fn indent(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

fn sessions(out: &mut String, sessions: &[Session], width: Option<usize>) {
    let mut columns: Vec<Drawn> = Column::ALL
        .into_iter()
        .map(|column| Drawn::new(column, sessions))
        .collect();
    let mut left_out = Vec::new();
    for column in Column::DISPENSABLE {
        if width.is_none_or(|width| total_width(&columns) <= width) {
            break;
        }
        columns.retain(|drawn| drawn.column != column);
        left_out.push(column.title());
    }
    line(out, HEADER, &row(&columns, |drawn| drawn.column.title()));
    for (index, session) in sessions.iter().enumerate() {
        let text = row(&columns, |drawn| {
            drawn.cells.get(index).map_or("", String::as_str)
        });
        line(out, style(session), &text);
    }
    if !left_out.is_empty() {
        let text = format!("(no room for {})", left_out.join(", "));
        line(out, QUIET, &text);
    }
}

/// How close the end is, as a colour.
fn style(session: &Session) -> Style {
    const MINUTE: Duration = Duration::from_secs(60);
    match (session.phase.as_str(), session.left) {
        ("ending" | "reported", _) => NOW,
        (_, Some(left)) if left <= MINUTE => NOW,
        ("warned", _) => SOON,
        (_, Some(left)) if left <= 5 * MINUTE => SOON,
        (_, Some(_)) => Style::new(),
        (_, None) => QUIET,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Session,
    User,
    Type,
    Service,
    From,
    Idle,
    Source,
    EndsBy,
    Left,
}

impl Column {
    const ALL: [Self; 9] = [
        Self::Session,
        Self::User,
        Self::Type,
        Self::Service,
        Self::From,
        Self::Idle,
        Self::Source,
        Self::EndsBy,
        Self::Left,
    ];

    /// In this order they are left out where the terminal is narrow.
    const DISPENSABLE: [Self; 5] = [
        Self::Source,
        Self::Service,
        Self::Type,
        Self::From,
        Self::Idle,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Session => "SESSION",
            Self::User => "USER",
            Self::Type => "TYPE",
            Self::Service => "SERVICE",
            Self::From => "FROM",
            Self::Idle => "IDLE",
            Self::Source => "SOURCE",
            Self::EndsBy => "ENDS BY",
            Self::Left => "LEFT",
        }
    }

    fn cell(self, session: &Session) -> String {
        let text = match self {
            Self::Session => Some(session.id.clone()),
            Self::User => Some(session.user.clone()),
            Self::Type => Some(session.session_type.clone()),
            Self::Service => session.service.clone(),
            Self::From => session.from.clone(),
            Self::Idle => session.idle.map(duration::for_people),
            Self::Source => Some(session.idle_source.clone()),
            Self::EndsBy => ends_by(session),
            Self::Left => left(session),
        };
        match text {
            Some(text) if !text.is_empty() => cut(&text),
            _ => "-".to_owned(),
        }
    }
}

fn ends_by(session: &Session) -> Option<String> {
    if session.phase == "exempt" || session.exemption.is_some() {
        return Some(match &session.exemption {
            Some(why) => format!("exempt ({why})"),
            None => "exempt".to_owned(),
        });
    }
    let limit = session.ends_by.as_ref()?;
    Some(match session.end_action.as_str() {
        "report" => format!("{limit} (report)"),
        _ => limit.clone(),
    })
}

fn left(session: &Session) -> Option<String> {
    match session.phase.as_str() {
        "ending" => Some("ending".to_owned()),
        // Its limit has passed, and the policy's action is to say so in the journal.
        "reported" => Some("passed".to_owned()),
        _ => session.left.map(duration::for_people),
    }
}

/// At most [`WIDEST_CELL`] columns of `text`.
fn cut(text: &str) -> String {
    if text.width() <= WIDEST_CELL {
        return text.to_owned();
    }
    let mut width = 1; // of the ellipsis
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= WIDEST_CELL
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

/// A column as it will be printed.
struct Drawn {
    column: Column,
    cells: Vec<String>,
    width: usize,
}

impl Drawn {
    fn new(column: Column, sessions: &[Session]) -> Self {
        let cells: Vec<String> = sessions
            .iter()
            .map(|session| column.cell(session))
            .collect();
        let widest = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
        Self {
            column,
            width: widest.max(column.title().width()),
            cells,
        }
    }
}

fn total_width(columns: &[Drawn]) -> usize {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    columns.iter().map(|drawn| drawn.width).sum::<usize>() + gaps
}

fn row<'a>(columns: &'a [Drawn], cell: impl Fn(&'a Drawn) -> &'a str) -> String {
    let padded = columns.iter().map(|drawn| {
        let text = cell(drawn);
        // Not `{:<width$}`: that counts characters, and some are two columns wide.
        format!(
            "{text}{}",
            " ".repeat(drawn.width.saturating_sub(text.width()))
        )
    });
    let padded: Vec<String> = padded.collect();
    padded.join(GAP).trim_end().to_owned()
}

fn line(out: &mut String, style: Style, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{style}{text}{style:#}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Policy, sample};

    fn plain(status: &Status, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&render(status, width)).to_string()
    }

    #[test]
    fn the_table_stays_as_it_is() {
        let expected = "\
SESSION  USER   TYPE     SERVICE  FROM       IDLE       SOURCE     ENDS BY            LEFT
c1       alice  tty      sshd     192.0.2.7  12 s       terminals  absolute           23 h 59 min
c2       bob    wayland  -        -          -          unknown    absolute (report)  4 min 10 s
3        root   tty      login    -          2 h 1 min  logind     exempt (root)      -
";
        assert_eq!(plain(&sample(), None), expected);
    }

    #[test]
    fn a_narrow_terminal_loses_what_matters_least() {
        let expected = "\
SESSION  USER   TYPE     FROM       IDLE       ENDS BY            LEFT
c1       alice  tty      192.0.2.7  12 s       absolute           23 h 59 min
c2       bob    wayland  -          -          absolute (report)  4 min 10 s
3        root   tty      -          2 h 1 min  exempt (root)      -
(no room for SOURCE, SERVICE)
";
        assert_eq!(plain(&sample(), Some(80)), expected);
        let narrowest = plain(&sample(), Some(1));
        assert!(narrowest.starts_with("SESSION  USER   ENDS BY            LEFT\n"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_while_columns_can_go() {
        for width in 47..120 {
            let text = plain(&sample(), Some(width));
            assert!(
                text.lines().all(|line| line.width() <= width),
                "{width}:\n{text}"
            );
        }
    }

    #[test]
    fn colours_follow_how_close_the_end_is() {
        let with = |phase: &str, left: Option<u64>| {
            style(&Session {
                phase: phase.into(),
                left: left.map(Duration::from_secs),
                ..Session::default()
            })
        };
        assert_eq!(with("running", Some(3600)), Style::new());
        assert_eq!(with("running", Some(300)), SOON);
        assert_eq!(with("warned", Some(1200)), SOON);
        assert_eq!(with("warned", Some(60)), NOW);
        assert_eq!(with("ending", Some(0)), NOW);
        assert_eq!(with("reported", None), NOW);
        assert_eq!(with("exempt", None), QUIET);
    }

    #[test]
    fn the_header_is_bold_and_ends_so() {
        let text = render(&sample(), None);
        assert!(text.starts_with("\u{1b}[1mSESSION"), "{text:?}");
        assert!(text.lines().next().unwrap().ends_with("LEFT\u{1b}[0m"));
    }

    #[test]
    fn an_ending_session_says_so_instead_of_a_time() {
        let mut status = sample();
        status.sessions.truncate(1);
        status.sessions[0].phase = "ending".into();
        assert!(plain(&status, None).ends_with("absolute  ending\n"));
        status.sessions[0].phase = "reported".into();
        status.sessions[0].end_action = "report".into();
        assert!(plain(&status, None).ends_with("absolute (report)  passed\n"));
    }

    #[test]
    fn wide_and_long_texts_keep_the_columns_straight() {
        let mut status = sample();
        status.sessions.truncate(2);
        status.sessions[0].user = "李雷".into();
        status.sessions[0].from = Some("h".repeat(255));
        let text = plain(&status, None);
        let column_of = |needle: &str| {
            let line = text.lines().find(|line| line.contains(needle)).unwrap();
            line.split(needle).next().unwrap().width()
        };
        assert_eq!(column_of("tty"), column_of("wayland"));
        assert_eq!(column_of("terminals"), column_of("unknown"));
        assert!(text.contains(&format!(" {}… ", "h".repeat(WIDEST_CELL - 1))));
    }

    #[test]
    fn without_sessions_and_with_everything_wrong() {
        let status = Status {
            policy: Policy {
                path: "/etc/session-timeout/policy.toml".into(),
                state: "none".into(),
                error: Some("policy.toml:3:1: unknown key\n  sesion-timeout".into()),
            },
            short_limits: true,
            logind: "waiting".into(),
            rejected_frames: 3,
            ..Status::default()
        };
        let expected = "\
No sessions.

/etc/session-timeout/policy.toml was refused and there is no last good policy: NO LIMIT IS ENFORCED.
    policy.toml:3:1: unknown key
      sesion-timeout
Limits below the minima are allowed (--allow-short-limits).
logind does not answer; what is shown may be out of date.
3 messages on the login socket were rejected; see the journal.
";
        assert_eq!(plain(&status, None), expected);
    }

    #[test]
    fn every_state_of_the_policy_but_the_good_one_is_said() {
        let mut status = sample();
        assert_eq!(notes(&status), Vec::<String>::new());
        for (state, says) in [
            (
                "built-in",
                "There is no /etc/session-timeout/policy.toml; the built-in",
            ),
            (
                "last-good",
                "was refused; a copy of the last good policy is in force.",
            ),
            ("none", "NO LIMIT IS ENFORCED"),
            ("of-the-future", "is \"of-the-future\""),
        ] {
            status.policy.state = state.into();
            assert!(notes(&status).concat().contains(says), "{state}");
        }
        status.policy.state = "in-force".into();
        status.policy.error = Some("why".into());
        let expected = "/etc/session-timeout/policy.toml was refused; \
                        the policy before it is still in force.";
        assert_eq!(notes(&status), [expected, "    why"]);
    }
}
