//! Sanitizes text from outside (names of users, hosts and rules, messages of other programs):
//! replaces control characters.

/// The text with each unprintable character replaced by U+FFFD. It is safe on a terminal, in a
/// notification and in a log: it cannot move the cursor, change colours, begin a line or change the
/// direction of writing.
#[must_use]
pub fn sanitize(text: &str) -> String {
    text.chars()
        .map(|c| if is_unprintable(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Whether this character controls a terminal or the layout of a line. CVE-2024-28085 is a bug of
/// wall(1) with such characters.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    // Cc is C0, DEL and C1. The others are the bidirectional controls of UAX #9, the line and
    // paragraph separators, and the byte order mark.
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "\u{1b}[2Jé\n\u{9b}\u{7f}\u{202e}\0";
        assert_eq!(
            sanitize(hostile),
            "\u{fffd}[2Jé\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        for c in '\0'..=char::MAX {
            assert!(!sanitize(c.encode_utf8(&mut [0; 4])).contains(char::is_control));
        }
    }

    #[test]
    fn names_of_the_world_stay_as_they_are() {
        assert_eq!(sanitize("José 李 müller-1"), "José 李 müller-1");
    }
}
