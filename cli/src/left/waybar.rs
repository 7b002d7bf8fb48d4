//! Renders `left --json`, for a custom module of Waybar (waybar-custom(5), `return-type` `json`).

use std::time::Duration;

use serde::Serialize;
use session_timeout_texts::{End, Language, Limit, Sentence};

use super::{Left, Precision, remaining};

#[derive(Serialize)]
struct Module<'a> {
    text: String,
    tooltip: String,
    class: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentage: Option<u64>,
}

/// One document, on one line.
pub(crate) fn document(language: Language, left: &Left, now: Duration) -> String {
    let module = Module {
        text: remaining::time_or_state(language, left, now),
        tooltip: tooltip(language, left, now),
        class: &left.phase,
        percentage: left.percent(now),
    };
    // Serializing texts and numbers cannot fail.
    serde_json::to_string(&module).unwrap_or_default()
}

/// The time until the document changes.
pub(crate) fn changes_in(left: &Left, now: Duration) -> Option<Duration> {
    let parts = [Precision::Words, Precision::Percent];
    parts
        .into_iter()
        .filter_map(|part| part.changes_in(left, now))
        .min()
}

/// It contains no text of users, since Waybar interprets it as Pango markup.
fn tooltip(language: Language, left: &Left, now: Duration) -> String {
    let session = left.session.as_str();
    let Some(remaining) = left.remaining(now) else {
        let state = remaining::state(left);
        return language.say(Sentence::SessionState { session, state });
    };
    let end = match left.end_action.as_deref() {
        Some("lock") => End::Locks,
        Some("report") => End::Passes,
        _ => End::Ends,
    };
    let left_now = remaining::shown(remaining);
    let mut lines = vec![Sentence::SessionLeft {
        session,
        end,
        left: left_now,
    }];
    if let Some(end) = &left.end {
        let limit = match end.limit.as_str() {
            "inactivity" => Limit::Inactivity,
            _ => Limit::Absolute,
        };
        let length = end.length;
        lines.push(Sentence::ByLimit { limit, length });
        if limit == Limit::Absolute && left.extensions > 0 {
            let count = left.extensions;
            lines.push(Sentence::ExtensionsLeft { count });
        }
    }
    let lines: Vec<String> = lines.into_iter().map(|line| language.say(line)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_shape_is_what_waybar_reads() {
        let (mut left, now) = sample(4350);
        assert_eq!(
            document(Language::English, &left, now),
            r#"{"text":"1 h 12 min","tooltip":"Session c1 ends in 1 h 12 min\nby the absolute limit of 2 h\n2 extensions are left","class":"running","percentage":60}"#
        );
        left.phase = "ending".into();
        assert_eq!(
            document(Language::English, &left, now),
            r#"{"text":"ending","tooltip":"Session c1: ending","class":"ending"}"#
        );
        let none = Left {
            session: "c2".into(),
            phase: "exempt".into(),
            ..Left::default()
        };
        assert_eq!(
            document(Language::English, &none, now),
            r#"{"text":"no limit","tooltip":"Session c2: no limit","class":"exempt"}"#
        );
    }

    #[test]
    fn extensions_are_shown_where_they_help() {
        let (mut left, now) = sample(60);
        left.extensions = 1;
        assert!(tooltip(Language::English, &left, now).ends_with("\none extension is left"));
        left.end.as_mut().unwrap().limit = "inactivity".into();
        assert!(
            tooltip(Language::English, &left, now).ends_with("\nby the inactivity limit of 2 h")
        );
        left.end_action = Some("lock".into());
        assert!(
            tooltip(Language::English, &left, now).starts_with("Session c1 is locked in 1 min\n")
        );
    }
}
