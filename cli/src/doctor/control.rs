//! The control of a line of a PAM stack (pam.d(5)): what PAM does after the module.

use std::fmt;

/// What comes of a module's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// As the file has it.
    text: String,
    /// Whether a module that agrees, or has nothing to say, can be the last one.
    ends: bool,
    /// The farthest that it can jump, in lines.
    jump: usize,
}

impl Control {
    /// `text` is one word, or pairs in brackets.
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

    /// Whether PAM can go no further than this line, and let the user in all the same.
    pub(crate) const fn ends_the_stack(&self) -> bool {
        self.ends
    }

    /// How many of the next lines can be passed over.
    pub(crate) const fn jump(&self) -> usize {
        self.jump
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `done` after an answer that refuses nobody. After any other the login fails, and needs no
/// session.
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

/// `success=ok` and so on.
fn actions(pairs: &str) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
}
