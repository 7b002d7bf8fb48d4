//! Renders the status as a table of sessions, followed by notes.

use std::time::Duration;

use anstyle::Style;
use session_timeout_texts::roughly;

use crate::columns::{HEADER, NOW, QUIET, SOON, cut, line, row, total_width, widest};
use crate::status::notes::notes;
use crate::status::{Session, Status};

/// The maximum width of a cell; host names may have 255 characters.
const WIDEST_CELL: usize = 40;

/// The status as text with colours. With a `width`, the least important columns are left out until
/// the table fits.
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

fn sessions(out: &mut String, sessions: &[Session], width: Option<usize>) {
    let mut columns: Vec<FilledColumn> = Column::ALL
        .into_iter()
        .filter(|column| column.is_useful(sessions))
        .map(|column| FilledColumn::new(column, sessions))
        .collect();
    let mut left_out = Vec::new();
    for column in Column::DISPENSABLE {
        let widths: Vec<usize> = columns.iter().map(|filled| filled.width).collect();
        if width.is_none_or(|width| total_width(&widths) <= width) {
            break;
        }
        let before = columns.len();
        columns.retain(|filled| filled.column != column);
        left_out.extend((columns.len() < before).then(|| column.title()));
    }
    let titles = columns
        .iter()
        .map(|filled| (filled.column.title(), filled.width));
    line(out, HEADER, &row(titles));
    for (index, session) in sessions.iter().enumerate() {
        let text = row(columns.iter().map(|filled| filled.cell(index)));
        line(out, style(session), &text);
    }
    if !left_out.is_empty() {
        let text = format!("(no room for {})", left_out.join(", "));
        line(out, QUIET, &text);
    }
}

/// The style of a row, by how close the end is.
fn style(session: &Session) -> Style {
    const MINUTE: Duration = Duration::from_secs(60);
    match (session.phase.as_str(), session.left) {
        ("ending" | "survived" | "reported", _) => NOW,
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
    Rule,
    Keeper,
    EndsBy,
    Left,
}

impl Column {
    const ALL: [Self; 11] = [
        Self::Session,
        Self::User,
        Self::Type,
        Self::Service,
        Self::From,
        Self::Idle,
        Self::Source,
        Self::Rule,
        Self::Keeper,
        Self::EndsBy,
        Self::Left,
    ];

    /// The columns in the order in which they are left out on a narrow terminal.
    const DISPENSABLE: [Self; 7] = [
        Self::Keeper,
        Self::Source,
        Self::Service,
        Self::Type,
        Self::Rule,
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
            Self::Rule => "RULE",
            Self::Keeper => "KEEPER",
            Self::EndsBy => "ENDS BY",
            Self::Left => "LEFT",
        }
    }

    /// A policy without rules needs no column for them, and a machine where logind keeps every
    /// session needs no column for the keeper.
    fn is_useful(self, sessions: &[Session]) -> bool {
        match self {
            Self::Rule => sessions.iter().any(|session| session.rule.is_some()),
            Self::Keeper => sessions.iter().any(Session::is_kept_by_the_daemon),
            _ => true,
        }
    }

    fn cell(self, session: &Session) -> String {
        let text = match self {
            Self::Session => Some(session.id.clone()),
            Self::User => Some(session.user.clone()),
            Self::Type => Some(session.session_type.clone()),
            Self::Service => session.service.clone(),
            Self::From => session.from.clone(),
            Self::Idle => session.idle.map(roughly),
            Self::Source => Some(source(session)),
            Self::Rule => session.rule.clone(),
            Self::Keeper => session.keeper.clone(),
            Self::EndsBy => ends_by(session),
            Self::Left => left(session),
        };
        match text {
            Some(text) if !text.is_empty() => cut(&text, WIDEST_CELL),
            _ => "-".to_owned(),
        }
    }
}

/// The source of the idle time; for an agent also its own source.
fn source(session: &Session) -> String {
    match (session.idle_source.as_str(), &session.agent_source) {
        ("agent", Some(how)) => format!("agent ({how})"),
        (source, _) => source.to_owned(),
    }
}

fn ends_by(session: &Session) -> Option<String> {
    if session.phase == "exempt" || session.exemption.is_some() {
        return Some(match &session.exemption {
            Some(why) => format!("exempt ({why})"),
            None => "exempt".to_owned(),
        });
    }
    if session.phase == "undecided" {
        return Some("undecided (groups)".to_owned());
    }
    let limit = session.ends_by.as_ref()?;
    // These two actions end nothing.
    Some(match session.end_action.as_deref() {
        Some(action @ ("lock" | "report")) => format!("{limit} ({action})"),
        _ => limit.clone(),
    })
}

fn left(session: &Session) -> Option<String> {
    match session.phase.as_str() {
        "ending" => Some("ending".to_owned()),
        "survived" => Some("survived".to_owned()),
        // Its limit has passed, and the action is only to report it.
        "reported" => Some("passed".to_owned()),
        "held" => Some("locked".to_owned()),
        _ => session.left.map(roughly),
    }
}

/// A column with its cells and width.
struct FilledColumn {
    column: Column,
    cells: Vec<String>,
    width: usize,
}

impl FilledColumn {
    fn new(column: Column, sessions: &[Session]) -> Self {
        let cells: Vec<String> = sessions
            .iter()
            .map(|session| column.cell(session))
            .collect();
        let texts = cells.iter().map(String::as_str);
        Self {
            column,
            width: widest(texts.chain([column.title()])),
            cells,
        }
    }

    fn cell(&self, index: usize) -> (&str, usize) {
        let cell = self.cells.get(index).map_or("", String::as_str);
        (cell, self.width)
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::status::{Policy, sample};

    fn plain(status: &Status, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&render(status, width)).to_string()
    }

    #[test]
    fn the_table_stays_as_it_is() {
        let expected = "\
SESSION  USER   TYPE     SERVICE  FROM       IDLE       SOURCE          ENDS BY            LEFT
c1       alice  tty      sshd     192.0.2.7  12 s       terminals       absolute           23 h 59 min
c2       bob    wayland  -        -          7 s        agent (mutter)  absolute (report)  4 min 10 s
3        root   tty      login    -          2 h 1 min  logind          exempt (root)      -
";
        assert_eq!(plain(&sample(), None), expected);
    }

    #[test]
    fn a_source_is_named_as_the_daemon_names_it_and_an_agent_with_how_it_knows() {
        let shown = |idle_source: &str, agent_source: Option<&str>| {
            Column::Source.cell(&Session {
                idle_source: idle_source.into(),
                agent_source: agent_source.map(str::to_owned),
                ..Session::default()
            })
        };
        assert_eq!(
            shown("agent", Some("ext-idle-notify")),
            "agent (ext-idle-notify)"
        );
        assert_eq!(shown("agent", None), "agent");
        // The agent has no source of idle time, so another source is used.
        assert_eq!(shown("logind", Some("none")), "logind");
        assert_eq!(shown("of-the-future", None), "of-the-future");
        assert_eq!(shown("", None), "-");
    }

    #[test]
    fn rules_have_a_column_where_there_are_any() {
        let mut status = sample();
        status.sessions[1].rule = Some("card data".into());
        let expected = "\
SESSION  USER   TYPE     SERVICE  FROM       IDLE       SOURCE          RULE       ENDS BY            LEFT
c1       alice  tty      sshd     192.0.2.7  12 s       terminals       -          absolute           23 h 59 min
c2       bob    wayland  -        -          7 s        agent (mutter)  card data  absolute (report)  4 min 10 s
3        root   tty      login    -          2 h 1 min  logind          -          exempt (root)      -
";
        assert_eq!(plain(&status, None), expected);
        let narrow = plain(&status, Some(70));
        assert!(
            narrow.ends_with("(no room for SOURCE, SERVICE, TYPE, RULE)\n"),
            "{narrow}"
        );
    }

    #[test]
    fn who_keeps_a_session_has_a_column_where_it_is_not_always_logind() {
        let mut status = sample();
        status.sessions.truncate(2);
        status.sessions[1].id = "login-4711".into();
        status.sessions[1].keeper = Some("daemon".into());
        status.sessions[1].no_session = Some("not-in-stack".into());
        let expected = "\
SESSION     USER   TYPE     SERVICE  FROM       IDLE  SOURCE          KEEPER  ENDS BY            LEFT
c1          alice  tty      sshd     192.0.2.7  12 s  terminals       logind  absolute           23 h 59 min
login-4711  bob    wayland  -        -          7 s   agent (mutter)  daemon  absolute (report)  4 min 10 s

session-timeoutd itself keeps session login-4711 of bob, for which logind has no session: \
pam_systemd.so is not in the stack of its PAM service.
";
        assert_eq!(plain(&status, None), expected);
        let narrow = plain(&status, Some(80));
        assert!(
            narrow.contains("(no room for KEEPER, SOURCE, SERVICE)\n"),
            "{narrow}"
        );
    }

    #[test]
    fn a_narrow_terminal_loses_what_matters_least() {
        let expected = "\
SESSION  USER   TYPE     FROM       IDLE       ENDS BY            LEFT
c1       alice  tty      192.0.2.7  12 s       absolute           23 h 59 min
c2       bob    wayland  -          7 s        absolute (report)  4 min 10 s
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
        assert_eq!(with("survived", None), NOW);
        assert_eq!(with("survived", Some(3600)), NOW);
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
        status.sessions[0].phase = "survived".into();
        let text = plain(&status, None);
        assert!(text.contains("absolute  survived\n"), "{text}");
        status.sessions[0].phase = "reported".into();
        status.sessions[0].end_action = Some("report".into());
        assert!(plain(&status, None).ends_with("absolute (report)  passed\n"));
    }

    #[test]
    fn a_session_that_nobody_can_time_says_why() {
        let mut status = sample();
        status.sessions.truncate(1);
        status.sessions[0].left = None;
        status.sessions[0].phase = "held".into();
        status.sessions[0].end_action = Some("lock".into());
        assert!(plain(&status, None).ends_with("absolute (lock)  locked\n"));
        status.sessions[0].phase = "undecided".into();
        status.sessions[0].ends_by = None;
        assert!(plain(&status, None).ends_with("undecided (groups)  -\n"));
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
        assert_eq!(column_of("terminals"), column_of("agent (mutter)"));
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

The policy of /etc/session-timeout/policy.toml was refused and there is no last good one: NO LIMIT IS ENFORCED.
    policy.toml:3:1: unknown key
      sesion-timeout
Limits below the minima are allowed (--allow-short-limits).
logind does not answer; what is shown may be out of date.
3 messages on the login socket were rejected; see the journal.
";
        assert_eq!(plain(&status, None), expected);
    }
}
