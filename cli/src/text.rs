//! Sanitizes text from outside for printing, and joins lists of words.
//!
//! User names, hosts and file contents may contain control characters, which a terminal obeys
//! (CVE-2024-28085 is such a bug of wall(1)).

use session_timeout_texts::sanitize;

/// One line, without any control characters.
pub(crate) fn one_line(text: &str) -> String {
    sanitize(text)
}

/// Several lines: newlines are kept.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().split('\n').map(sanitize).collect();
    lines.join("\n")
}

/// `a`, `a and b`, `a, b and c`; of a longer list only the first few.
pub(crate) fn listed(items: &[&str], last: &str) -> String {
    const MOST: usize = 5;
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        _ if items.len() > MOST => {
            let few: Vec<&str> = items.iter().take(MOST).copied().collect();
            let more = items.len() - MOST;
            format!("{} {last} {more} more", few.join(", "))
        }
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(one_line("\u{1b}[2Jé\n\u{9b}\u{7f}\u{202e}\0"), "�[2Jé�����");
        assert_eq!(lines("a\r\n\u{1b}b\n\n"), "a�\n�b");
        for c in '\0'..=char::MAX {
            assert!(!one_line(c.encode_utf8(&mut [0; 4])).contains(char::is_control));
        }
    }

    #[test]
    fn a_list_is_a_phrase_and_never_long() {
        assert_eq!(listed(&[], "or"), "");
        assert_eq!(listed(&["a"], "or"), "a");
        assert_eq!(listed(&["a", "b"], "or"), "a or b");
        assert_eq!(
            listed(&["a", "b", "c", "d", "e"], "and"),
            "a, b, c, d and e"
        );
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(listed(&many, "or"), "a, b, c, d, e or 2 more");
    }

    #[test]
    fn names_of_the_world_stay_as_they_are() {
        assert_eq!(one_line("José 李 müller-1"), "José 李 müller-1");
    }
}
