//! The limits of the policy that other programs can interfere with.

use std::time::Duration;

use session_timeout_config::Settings;
use session_timeout_policy::{ABSOLUTE_MAX, Limits};

/// The extremes of the limits of all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyLimits {
    /// The longest time without input that the policy allows anybody. Anything that acts sooner
    /// takes effect before the policy does.
    pub(crate) longest: Duration,
    /// The shortest inactivity limit; absent if it is off for everybody.
    pub(crate) inactivity: Option<Duration>,
    pub(crate) extensions: Extensions,
}

/// Whether users may request extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extensions {
    Some,
    Nobody,
}

impl PolicyLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        let rules = settings.rules.iter().map(|rule| &rule.effective.limits);
        let all = || rules.clone().chain([&settings.default.limits]);
        Self {
            longest: all().map(without_input).max().unwrap_or(ABSOLUTE_MAX),
            inactivity: all().filter_map(inactivity).min(),
            extensions: if all().any(|limits| limits.extensions.times > 0) {
                Extensions::Some
            } else {
                Extensions::Nobody
            },
        }
    }
}

/// The limits of the built-in policy.
impl Default for PolicyLimits {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}

fn inactivity(limits: &Limits) -> Option<Duration> {
    limits.inactivity.as_ref().map(|limit| limit.length)
}

fn without_input(limits: &Limits) -> Duration {
    let absolute = limits.absolute.length;
    inactivity(limits).map_or(absolute, |limit| limit.min(absolute))
}

#[cfg(test)]
mod tests {
    use session_timeout_config::{Minima, parse};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_most_lenient_rule_is_what_others_are_measured_by() {
        let policy = "\
[default]
session-timeout = \"10h\"
inactivity-timeout = \"15min\"
[[rule]]
name = \"bob\"
match = { user = [\"bob\"] }
inactivity-timeout = \"off\"
extend.times = 1
";
        let settings = parse("x", policy, Minima::Enforced).unwrap();
        let policy_limits = PolicyLimits::of(&settings);
        assert_eq!(policy_limits.longest, 600 * MINUTE);
        assert_eq!(policy_limits.inactivity, Some(15 * MINUTE));
        assert_eq!(policy_limits.extensions, Extensions::Some);
    }

    #[test]
    fn as_shipped_nobody_has_an_inactivity_limit_or_more_time() {
        let policy_limits = PolicyLimits::default();
        assert_eq!(policy_limits.longest, ABSOLUTE_MAX);
        assert_eq!(policy_limits.inactivity, None);
        assert_eq!(policy_limits.extensions, Extensions::Nobody);
    }
}
