//! Checks of the backstop, by which PID 1 ends sessions that have exceeded every limit.

use std::time::Duration;

use session_timeout_config::{Settings, duration};
use session_timeout_policy::{EndAction, Limits};
use session_timeout_texts::exactly;

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::pam::stack::{BACKSTOP, Stack, StackLine};
use crate::doctor::pam::{OURS, SYSTEMD};

/// The minimum and maximum of the PAM module; pam_session_timeout(8).
const MIN_BACKSTOP: Duration = Duration::from_secs(10 * 60);
const MAX_BACKSTOP: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const UNITS: [&str; 4] = ["s", "min", "h", "d"];

/// The time in the packaged profile.
const USUAL: &str = "25h";

/// Whether the backstop is enabled in these stacks and consistent with the policy. Without a policy
/// the default limits are assumed.
pub(crate) fn examine<'a>(
    stacks: impl Iterator<Item = &'a Stack>,
    settings: Option<&Settings>,
) -> Vec<Finding> {
    let default = Settings::default();
    let lasting = LongestSession::of(settings.unwrap_or(&default));
    let mut findings: Vec<Finding> = Vec::new();
    for stack in stacks {
        if let Some(line) = stack.find_backstop(OURS) {
            let finding = judge(stack, line, lasting);
            // Services that share a file share its backstop.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    if findings.is_empty() {
        let off = "the backstop is off: while the daemon is away no session ends";
        findings.push(Finding::ok(Check::PamBackstop, off));
    }
    findings
}

/// The longest session that the policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LongestSession {
    /// The maximum, with every extension.
    UpTo(Duration),
    /// Some sessions continue after their limits.
    Unlimited,
}

impl LongestSession {
    fn of(settings: &Settings) -> Self {
        let rules = settings.rules.iter().map(|rule| &rule.effective.limits);
        let all = rules.chain([&settings.default.limits]);
        all.map(Self::under)
            .max()
            .unwrap_or(Self::UpTo(Duration::ZERO))
    }

    fn under(limits: &Limits) -> Self {
        match limits.end_action {
            EndAction::Lock | EndAction::Report => Self::Unlimited,
            EndAction::HangUp | EndAction::Terminate => Self::UpTo(limits.longest()),
        }
    }
}

fn judge(stack: &Stack, line: &StackLine, lasting: LongestSession) -> Finding {
    let check = Check::PamBackstop;
    let location = &line.location;
    let text = line.value(BACKSTOP).unwrap_or_default();
    let Some(time) = time_of(line) else {
        let what =
            format!("there is no backstop: the module ignores `{BACKSTOP}={text}` ({location})");
        return Finding::error(check, &what).do_this(&set_to(line, USUAL));
    };
    if let Some(systemd) = stack.find(SYSTEMD)
        && stack.comes_before(systemd, line)
    {
        let systemd = &systemd.location;
        let what = format!(
            "there is no backstop: its line {location} comes after that of pam_systemd.so \
             ({systemd}), which makes the session without it"
        );
        let fix = format!("move the line {location} above the line {systemd}");
        return Finding::error(check, &what).do_this(&fix);
    }
    let after = exactly(time);
    match lasting {
        LongestSession::UpTo(longest) if time > longest => {
            let what = format!("PID 1 ends sessions after {after}, should nobody have done so");
            Finding::ok(check, &what)
        }
        LongestSession::UpTo(longest) => {
            let longest_text = exactly(longest);
            let what = format!(
                "the backstop of {after} ({location}) is not longer than the {longest_text} that the \
                 policy lets a session last: it ends sessions first, without a warning"
            );
            let wanted = duration::print(longest + Duration::from_secs(60 * 60));
            Finding::warning(check, &what).do_this(&set_to(line, &wanted))
        }
        LongestSession::Unlimited => {
            let what = format!(
                "the policy lets sessions go on after their limits (`action`), and the backstop of \
                 {after} ({location}) ends them all the same, without a warning"
            );
            Finding::warning(check, &what).do_this(
                "have `action` end sessions, or run: pam-auth-update --disable session-timeout-backstop",
            )
        }
    }
}

fn set_to(line: &StackLine, time: &str) -> String {
    format!("set {BACKSTOP}={time} in the line {}", line.location)
}

/// The time in the syntax of the module: one number with one unit, within the range.
fn time_of(line: &StackLine) -> Option<Duration> {
    let text = line.value(BACKSTOP)?;
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let time = duration::parse(text).ok()?;
    let least = if line.has("allow-short-limits") {
        Duration::from_secs(1)
    } else {
        MIN_BACKSTOP
    };
    (UNITS.contains(&unit) && (least..=MAX_BACKSTOP).contains(&time)).then_some(time)
}

#[cfg(test)]
mod tests {
    use session_timeout_config::{Minima, parse};

    use super::*;
    use crate::doctor::finding::{Fix, Level};
    use crate::doctor::root::fake;

    /// The findings for a stack with this argument on a line before pam_systemd.
    fn with(word: &str, policy: &str) -> Finding {
        let stack = format!(
            "session [default=ignore] pam_session_timeout.so {word}\n\
             session optional pam_systemd.so\nsession optional pam_session_timeout.so\n"
        );
        of(&stack, policy)
    }

    fn of(stack: &str, policy: &str) -> Finding {
        let (_dir, root) = fake::root(&[
            ("/etc/pam.d/sshd", "@include common-session\n"),
            ("/etc/pam.d/login", "@include common-session\n"),
            ("/etc/pam.d/common-session", stack),
        ]);
        let stacks = ["sshd", "login"].map(|name| Stack::of(&root, name).unwrap());
        let settings = parse("x", policy, Minima::Enforced).unwrap();
        let mut found = examine(stacks.iter(), Some(&settings));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn whether_it_is_on_is_said_and_off_is_no_ill() {
        let on = with("backstop=25h", "");
        assert_eq!(
            (on.level, on.what.as_str()),
            (
                Level::Ok,
                "PID 1 ends sessions after 25 h, should nobody have done so"
            )
        );
        let off = of("session optional pam_systemd.so\n", "");
        assert_eq!(off.level, Level::Ok);
        assert!(off.what.starts_with("the backstop is off"), "{off:?}");
        assert_eq!(examine([].iter(), None).len(), 1);
    }

    #[test]
    fn what_the_module_ignores_is_an_error() {
        for word in [
            "backstop=",
            "backstop=25",
            "backstop=1h30min",
            "backstop=90m",
            "backstop=9min",
            "backstop=8d",
            "backstop=25h backstop=1s",
        ] {
            let found = with(word, "");
            assert_eq!(found.level, Level::Error, "{word}");
            let fix = "set backstop=25h in the line /etc/pam.d/common-session:1";
            assert_eq!(found.fix.as_ref().map(Fix::text), Some(fix));
        }
    }

    #[test]
    fn after_pam_systemd_it_is_too_late() {
        let found = of(
            "session optional pam_systemd.so\n\
             session optional pam_session_timeout.so backstop=25h\n",
            "",
        );
        assert_eq!(found.level, Level::Error);
        let fix = "move the line /etc/pam.d/common-session:2 above the line \
                    /etc/pam.d/common-session:1";
        assert_eq!(found.fix.as_ref().map(Fix::text), Some(fix));
    }

    #[test]
    fn one_that_is_shorter_than_a_session_may_last_is_a_warning() {
        let half = "[default]\nsession-timeout = \"12h\"\n";
        let longer = "[[rule]]\nname = \"bob\"\nmatch = { user = [\"bob\"] }\n\
                      extend.times = 2\nextend.by = \"1h\"\n";
        assert_eq!(with("backstop=13h", half).level, Level::Ok);
        for (word, policy) in [
            ("backstop=24h", String::new()),
            ("backstop=12h", half.to_owned()),
            ("backstop=13h", format!("{half}{longer}")),
            ("backstop=5s allow-short-limits", String::new()),
        ] {
            let found = with(word, &policy);
            assert_eq!(found.level, Level::Warning, "{word} {policy}");
        }
        let found = with("backstop=13h", &format!("{half}{longer}"));
        let fix = "set backstop=15h in the line /etc/pam.d/common-session:1";
        assert_eq!(found.fix.as_ref().map(Fix::text), Some(fix));
    }

    #[test]
    fn it_does_not_go_with_actions_that_let_sessions_go_on() {
        for action in ["lock", "report"] {
            let policy = format!("[default]\naction = \"{action}\"\n");
            let found = with("backstop=25h", &policy);
            assert_eq!(found.level, Level::Warning, "{action}");
            assert!(found.fix.is_some(), "{action}");
        }
    }
}
