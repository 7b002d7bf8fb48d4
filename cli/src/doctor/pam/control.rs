//! The control field of a line in a PAM stack (pam.d(5)): what PAM does after the module.

use std::fmt;

/// The effect of a module's return value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// The field as it is written in the file.
    text: String,
    /// Whether the stack can end after a return value of success or ignore.
    ends: bool,
    /// The longest jump, in lines.
    jump: usize,
}

impl Control {
    /// Parses the field, which is one word, or pairs in brackets.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let (ends, jump) = match pairs {
            Some(pairs) => (ends(pairs), jump(pairs)),
            None => (text.eq_ignore_ascii_case("sufficient"), 0),
        };
        Self {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            ends,
            jump,
        }
    }

    /// Whether PAM can end the stack at this line with success.
    pub(crate) const fn ends_the_stack(&self) -> bool {
        self.ends
    }

    /// The maximum number of following lines that can be skipped.
    pub(crate) const fn jump(&self) -> usize {
        self.jump
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `done` after a return value that is not a failure. After a failure the login is refused, and
/// needs no session.
fn ends(pairs: &str) -> bool {
    let action = |answer: &str| {
        let of = |wanted: &str| actions(pairs).find(|(answer, _)| *answer == wanted);
        of(answer)
            .or_else(|| of("default"))
            .map(|(_, action)| action)
    };
    ["success", "ignore"]
        .into_iter()
        .any(|answer| action(answer) == Some("done"))
}

fn jump(pairs: &str) -> usize {
    let jumps = actions(pairs).filter_map(|(_, action)| action.parse().ok());
    jumps.max().unwrap_or_default()
}

/// A pair such as `success=ok`.
fn actions(pairs: &str) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
}
