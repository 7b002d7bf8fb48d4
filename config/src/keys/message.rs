//! Reads `message`, the administrator's text for warnings.

use session_timeout_texts::is_unprintable;

use crate::diagnostic::{Problem, shown};
use crate::keys::value::{Entry, did_you_mean};

/// The placeholders that the daemon fills in.
const PLACEHOLDERS: [&str; 4] = ["{user}", "{limit}", "{left}", "{reason}"];

/// The maximum length in characters: about three lines of a terminal.
const MAX_CHARS: usize = 200;

/// The message, if it is one printable line with known placeholders only.
pub(crate) fn read(entry: Entry<'_>) -> Result<String, Problem> {
    let text = entry.text("a line of text")?;
    let length = text.chars().count();
    if text.trim().is_empty() {
        let problem = entry.error("is empty");
        return Err(problem.help("leave the key out for the built-in text"));
    }
    if length > MAX_CHARS {
        let label = format!("{length} characters; at most {MAX_CHARS}");
        return Err(entry.error("is too long").label(label));
    }
    if text.contains(is_line_break) {
        let problem = entry.error("has a line break in it");
        return Err(problem.label("warnings are one line"));
    }
    if let Some(control) = text.chars().find(|c| is_unprintable(*c)) {
        let label = format!("U+{:04X} is not a printable character", u32::from(control));
        return Err(entry.error("has a control character in it").label(label));
    }
    match placeholders(text).find(|(_, found)| !PLACEHOLDERS.contains(found)) {
        None => Ok(text.to_owned()),
        Some((start, unknown)) => Err(unknown_placeholder(entry, start, unknown)),
    }
}

/// Every `{`, with what follows it up to `}` or to the end.
fn placeholders(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('{').map(|(start, _)| {
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        (start, rest.get(..end).unwrap_or_default())
    })
}

fn unknown_placeholder(entry: Entry<'_>, start: usize, typed: &str) -> Problem {
    let known = PLACEHOLDERS.join(" ");
    let message = if typed.ends_with('}') {
        format!("unknown placeholder `{}` in `{}`", shown(typed), entry.key)
    } else {
        format!("`{{` without `}}` in `{}`", entry.key)
    };
    let span = entry.part(start..start + typed.len());
    let problem = Problem::error(span, message).label(format!("available: {known}"));
    did_you_mean(problem, typed, PLACEHOLDERS)
}

/// LF, CR, NEL, and the line and paragraph separators of Unicode.
fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
