//! Every sentence that the user reads on the screen.

use std::time::Duration;

use crate::notice::{End, Extensions, Limit, Parting, Plain, Remaining, Warning};

/// The name that notifications come under.
pub(crate) const PROGRAM: &str = "Session timeout";

/// What is going to happen, and when.
pub(crate) fn threat(end: End, remaining: Remaining) -> String {
    let comes = match end {
        End::Ends => "This session ends",
        End::Locks => "This screen is locked",
    };
    if remaining.span().is_zero() {
        format!("{comes} now")
    } else {
        format!("{comes} within {}", for_people(remaining.span()))
    }
}

/// Why that is, and what helps.
pub(crate) fn reason(warning: &Warning) -> String {
    if let Some(message) = &warning.message {
        return message.as_str().to_owned();
    }
    let length = for_people(warning.length);
    let rule = by_rule(warning.rule.as_ref());
    match (warning.limit, warning.end) {
        (Limit::Absolute, End::Ends) => {
            format!("A session lasts for {length}{rule}. Save your work.")
        }
        (Limit::Absolute, End::Locks) => {
            format!("It is locked after {length}{rule}, however busy you are.")
        }
        (Limit::Inactivity, _) => format!(
            "There is no input, and the limit is {length}{rule}. \
             Press a key or move the pointer to stay."
        ),
    }
}

/// What more time there is.
pub(crate) fn offer(extensions: Extensions) -> String {
    let by = for_people(extensions.by);
    match extensions.left {
        1 => format!("You may extend it once more, by {by}."),
        left => format!("You may extend it {left} more times, by {by} each."),
    }
}

/// What more time there is, where there are no buttons.
pub(crate) fn offer_of_command(extensions: Extensions) -> String {
    format!(
        "{} The command is: session-timeout extend",
        offer(extensions)
    )
}

/// That there is more time.
pub(crate) fn granted(by: Duration) -> String {
    format!("This session was extended by {}", for_people(by))
}

/// When it ends after that.
pub(crate) fn granted_until(remaining: Remaining) -> String {
    format!("It ends within {}.", for_people(remaining.span()))
}

/// That there is no more time.
pub(crate) fn refused(why: &str) -> String {
    format!("It was not extended: {}.", Plain::of(why).as_str())
}

/// That nobody hears that the user is there.
pub(crate) fn unheard(why: &str) -> String {
    format!(
        "This was not heard ({}): press a key to stay.",
        Plain::of(why).as_str()
    )
}

/// That logind does not end the session.
pub(crate) fn not_signed_out(why: &str) -> String {
    format!("You were not signed out: {}.", Plain::of(why).as_str())
}

/// What is happening, at last.
pub(crate) const fn parting(end: End) -> &'static str {
    match end {
        End::Ends => "This session ends now",
        End::Locks => "This screen was locked",
    }
}

/// Why that is.
pub(crate) fn parting_reason(parting: &Parting) -> String {
    let length = for_people(parting.length);
    match parting.limit {
        Limit::Absolute => format!("It has lasted for {length}."),
        Limit::Inactivity => format!("There was no input for {length}."),
    }
}

pub(crate) const STAY: &str = "Stay signed in";
pub(crate) const SIGN_OUT: &str = "Sign out now";

pub(crate) fn extend(by: Duration) -> String {
    format!("Extend by {}", for_people(by))
}

fn by_rule(rule: Option<&Plain>) -> String {
    rule.map(|rule| format!(" (rule \"{}\")", rule.as_str()))
        .unwrap_or_default()
}

/// `24 h`, `1 h 30 min`, `30 s`. Fractions of a second are dropped.
fn for_people(span: Duration) -> String {
    let secs = span.as_secs();
    let parts = [
        (secs / 3600, "h"),
        (secs / 60 % 60, "min"),
        (secs % 60, "s"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if parts.is_empty() {
        "0 s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_by_people() {
        for (secs, said) in [
            (0, "0 s"),
            (30, "30 s"),
            (5400, "1 h 30 min"),
            (86_400, "24 h"),
        ] {
            assert_eq!(for_people(Duration::from_secs(secs)), said);
        }
    }
}
