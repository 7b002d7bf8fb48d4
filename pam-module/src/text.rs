//! Sanitizes texts from outside: the names of a login, and the daemon's line for the user's
//! terminal.

use std::ffi::{CStr, CString};

use session_timeout_protocol::{HEADER_LEN, MAX_FIELD, MAX_FRAME};

/// Maximum length of a text that is sent, in bytes. A request has at most five texts, each with a
/// tag and a length, and they have to fit into one frame.
pub(crate) const MAX_SENT: usize = (MAX_FRAME - HEADER_LEN) / 5 - 3;
const _: () = assert!(MAX_SENT <= MAX_FIELD);

/// Maximum length of a line that is shown, in bytes: `PAM_MAX_MSG_SIZE` of _pam_types.h.
pub(crate) const MAX_SHOWN: usize = 512;

/// Maximum length of a char in UTF-8, in bytes.
const MAX_CHAR: usize = 4;

/// A text of the login, to send.
///
/// Invalid UTF-8 is replaced, and a text that is too long is cut. It is not rejected: a session
/// must be recorded even if its user has chosen an extreme name.
pub(crate) fn for_the_daemon(text: &CStr) -> String {
    let bytes = text.to_bytes();
    // One char more than is kept, so that a cut inside a char is not mistaken for invalid UTF-8.
    let bytes = bytes.get(..MAX_SENT + MAX_CHAR).unwrap_or(bytes);
    cut(String::from_utf8_lossy(bytes).into_owned(), MAX_SENT)
}

/// The daemon's line, to show; `None` if it is empty.
///
/// Removes control characters, which terminals execute, and overrides of the text direction
/// (Unicode Standard Annex 9), which some log viewers apply. The daemon's lines have neither.
pub(crate) fn for_the_user(line: &str) -> Option<CString> {
    let shown = line.chars().filter(|&c| !c.is_control() && !is_bidi(c));
    let shown = cut(shown.collect(), MAX_SHOWN);
    if shown.trim().is_empty() {
        return None;
    }
    CString::new(shown).ok()
}

/// Whether a char embeds, overrides or isolates a direction of text.
const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The longest prefix of `text` that has at most `max` bytes and ends at a char boundary.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bytes: impl Into<Vec<u8>>) -> String {
        for_the_daemon(&CString::new(bytes).unwrap())
    }

    fn shown(line: &str) -> Option<String> {
        for_the_user(line).map(|line| line.into_string().unwrap())
    }

    #[test]
    fn a_plain_name_is_sent_as_it_is() {
        assert_eq!(sent("alice"), "alice");
        assert_eq!(sent(""), "");
        assert_eq!(sent("a\nb\x1b[2J../é"), "a\nb\x1b[2J../é");
        assert_eq!(sent("x".repeat(MAX_SENT)), "x".repeat(MAX_SENT));
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(sent(b"al\xffice".as_slice()), "al\u{fffd}ice");
        let replaced = sent(vec![0xff; 10_000]);
        assert!(replaced.chars().all(|c| c == '\u{fffd}'));
        assert_eq!(replaced.len(), MAX_SENT / 3 * 3);
    }

    #[test]
    fn a_long_name_is_cut_at_a_whole_char() {
        assert_eq!(sent("x".repeat(10_000)), "x".repeat(MAX_SENT));
        for (c, size) in [('é', 2), ('€', 3), ('😀', 4)] {
            for offset in 0..MAX_CHAR {
                let name = "x".repeat(offset) + &c.to_string().repeat(5_000);
                let sent = sent(name.clone());
                assert!(name.starts_with(&sent), "{c} {offset}");
                assert!(sent.len() > MAX_SENT - size, "{c} {offset}");
                assert!(sent.len() <= MAX_SENT, "{c} {offset}");
            }
        }
    }

    #[test]
    fn a_line_is_shown_without_what_a_terminal_would_act_on() {
        let line = "This session ends after 24 h.";
        assert_eq!(shown(line).as_deref(), Some(line));
        assert_eq!(
            shown("a\x1b[2Jb\r\nc\0d\x7fe\u{9b}f\u{202e}g\u{2066}h\u{2069}i\u{202a}é").as_deref(),
            Some("a[2Jbcdefghié")
        );
        for c in ('\0'..=' ').chain('\u{7f}'..='\u{9f}') {
            assert_eq!(shown(&c.to_string()), None, "{c:?}");
        }
        assert_eq!(shown(""), None);
    }

    #[test]
    fn a_line_is_shown_up_to_512_bytes() {
        assert_eq!(shown(&"x".repeat(512)), Some("x".repeat(512)));
        assert_eq!(shown(&"x".repeat(513)), Some("x".repeat(512)));
        assert_eq!(
            shown(&("x".to_owned() + &"é".repeat(400))).map(|line| line.len()),
            Some(511)
        );
    }
}
