//! Renders an explanation as text: the login, its rule, the values, and the schedule.

use anstyle::Style;
use session_timeout_texts::roughly;

use super::{About, Explanation, Holds, Login, ScheduledEvent, Setting};
use crate::columns::{HEADER, NOW, SOON, line, row, widest};
use crate::no_session::reason;
use crate::status::notes::earlier_limit;

/// The maximum width of the column of values: a message may have 200 characters, and is then not
/// aligned.
const WIDEST_VALUE: usize = 40;

/// What the idle time of a login in a web console is worth.
const WEB_CONSOLE: &str = "Input in its terminals counts, but its absence proves nothing, since \
    the user may be on another page: unless output counts, `unknown-idle` decides about the \
    inactivity limit.";

/// The explanation as text with colours.
pub(crate) fn render(explanation: &Explanation) -> String {
    let mut out = String::new();
    let what = format!("{}: {}", subject(explanation), holds(explanation));
    line(&mut out, Style::new(), &what);
    about(&mut out, explanation);
    settings(&mut out, &explanation.settings);
    schedule(&mut out, explanation);
    out
}

fn subject(explanation: &Explanation) -> String {
    let user = &explanation.user;
    match &explanation.about {
        About::Session { id, .. } => format!("Session {id} of {user}"),
        About::Login(login) => {
            let facts = [
                Some(format!("uid {}", login.uid)),
                Some(format!("service {}", login.service)),
                login.from.as_ref().map(|from| format!("from {from}")),
                Some(format!("type {}", login.session_type)),
                Some(format!("class {}", login.class)),
                login.tty.as_ref().map(|tty| format!("tty {tty}")),
                login.seat.as_ref().map(|seat| format!("seat {seat}")),
            ];
            let facts: Vec<String> = facts.into_iter().flatten().collect();
            format!("Login of {user} ({})", facts.join(", "))
        }
    }
}

fn holds(explanation: &Explanation) -> String {
    let user = &explanation.user;
    match &explanation.holds {
        Holds::Rule(name) => format!("the rule \"{name}\" holds."),
        Holds::Default if explanation.groups_state.as_deref() == Some("unavailable") => {
            format!("the groups of {user} are unavailable, so [default] holds instead of a rule.")
        }
        Holds::Default => "no rule matches, so [default] holds.".to_owned(),
        Holds::Nothing(why) => exemption(why),
        Holds::Undecided => {
            format!("the groups of {user} are being asked for; until then no limit holds.")
        }
    }
}

/// Why no limit holds, in a sentence if the daemon's word is known.
fn exemption(why: &str) -> String {
    let known = match why {
        "root" => "no limit holds for root unless a rule names it in `user`.",
        "system account" => {
            "no limit holds for accounts below UID_MIN of /etc/login.defs unless a rule names \
             them in `user`."
        }
        "not a login of a person" => "no limit holds, because no person logged in here.",
        "logged out" => "no limit holds, because the user has logged out.",
        "no policy" => "no limit holds, because there is no policy that could be read.",
        other => return format!("no limit holds ({other})."),
    };
    known.to_owned()
}

fn about(out: &mut String, explanation: &Explanation) {
    if let Some(groups) = &explanation.groups {
        let groups = match groups.as_slice() {
            [] => "none".to_owned(),
            groups => groups.join(", "),
        };
        line(out, Style::new(), &format!("Groups: {groups}"));
    }
    match &explanation.about {
        About::Session {
            phase,
            no_session,
            unwarned,
            absolute_rule,
            ..
        } => {
            if let Some(note) = standing(phase) {
                let style = if phase == "survived" { NOW } else { SOON };
                line(out, style, &note);
            }
            if let Some(word) = no_session {
                let why = reason(word);
                let note = format!(
                    "logind has no session for this login: {why}. session-timeoutd keeps it itself."
                );
                line(out, SOON, &note);
            }
            if let Some(rule) = absolute_rule {
                let limit = earlier_limit(rule);
                line(out, SOON, &format!("It still has {limit}."));
            }
            if *unwarned == Some(true) {
                let note = "A warning reached nobody: no terminal took it, and no agent.";
                line(out, SOON, note);
            }
        }
        About::Login(login) => {
            if let Some(word) = login.no_session {
                let why = reason(word);
                let note = format!(
                    "logind makes no session for this login: {why}. session-timeoutd keeps it \
                     itself, and its limits hold all the same."
                );
                line(out, SOON, &note);
            }
            if login.session_type == "web" && has_idle_limit(&explanation.schedule) {
                line(out, Style::new(), WEB_CONSOLE);
            }
            rules(out, login);
        }
    }
}

/// Whether a limit counts the time without input.
fn has_idle_limit(schedule: &[ScheduledEvent]) -> bool {
    schedule.iter().any(|step| step.limit == "inactivity")
}

/// The sentence about a session's phase, if it needs one.
fn standing(phase: &str) -> Option<String> {
    let known = match phase {
        "running" | "exempt" | "undecided" | "" => return None,
        "warned" => "Its user has been warned.",
        "ending" => "It is being ended.",
        "survived" => {
            "It was ended, and something of it lives on; session-timeoutd tries again and again."
        }
        "reported" => "A limit has passed; the policy only reports it.",
        "held" => "It is locked for a limit; the limits count again from the unlock.",
        other => return Some(format!("Its phase is \"{other}\".")),
    };
    Some(known.to_owned())
}

fn rules(out: &mut String, login: &Login) {
    let files = match login.files.as_slice() {
        [] => "the built-in one".to_owned(),
        files => files.join(", "),
    };
    line(out, Style::new(), &format!("Policy: {files}"));
    if login.passed_over.is_empty() {
        return;
    }
    out.push('\n');
    line(out, HEADER, "RULES PASSED OVER");
    for rule in &login.passed_over {
        let text = format!("rule \"{}\": {}", rule.rule, rule.why);
        line(out, Style::new(), &text);
    }
}

fn settings(out: &mut String, settings: &[Setting]) {
    if settings.is_empty() {
        return;
    }
    let titles = ["SETTING", "VALUE", "SET BY"];
    let keys = settings.iter().map(|setting| setting.key.as_str());
    let values = settings.iter().map(|setting| setting.value.as_str());
    let first = widest(keys.chain(["SETTING"]));
    let second = widest(values.chain(["VALUE"])).min(WIDEST_VALUE);
    let in_row =
        |[key, value, origin]: [&str; 3]| row([(key, first), (value, second), (origin, 0)]);
    out.push('\n');
    line(out, HEADER, &in_row(titles));
    for setting in settings {
        let text = in_row([&setting.key, &setting.value, &setting.origin]);
        line(out, Style::new(), &text);
    }
}

fn schedule(out: &mut String, explanation: &Explanation) {
    let steps = &explanation.schedule;
    if steps.is_empty() {
        return;
    }
    let title = match explanation.about {
        About::Login(_) => "AFTER THE LOGIN",
        About::Session { .. } if steps.iter().any(ScheduledEvent::waits_for_input) => {
            "AS THINGS STAND, WITHOUT MORE INPUT"
        }
        About::Session { .. } => "AS THINGS STAND",
    };
    let whens = steps.iter().map(|step| when(step, &explanation.about));
    let whens: Vec<String> = whens.collect();
    let width = widest(whens.iter().map(String::as_str));
    out.push('\n');
    line(out, HEADER, title);
    for (step, when) in steps.iter().zip(&whens) {
        let what = what(step, explanation);
        line(
            out,
            Style::new(),
            &row([(when.as_str(), width), (&what, 0)]),
        );
    }
}

fn when(step: &ScheduledEvent, about: &About) -> String {
    let span = roughly(step.after);
    match about {
        About::Session { .. } => format!("in {span}"),
        About::Login(_) if step.waits_for_input() => format!("after {span} without input"),
        About::Login(_) => format!("after {span}"),
    }
}

fn what(step: &ScheduledEvent, explanation: &Explanation) -> String {
    let longest = match &explanation.about {
        About::Login(login) if step.what == "end" => login.longest.map(roughly),
        About::Login(_) | About::Session { .. } => None,
    };
    let limit = match (step.limit.as_str(), longest) {
        ("absolute", Some(longest)) => {
            format!("absolute limit; after {longest} with every extension")
        }
        (limit @ ("absolute" | "inactivity"), _) => format!("{limit} limit"),
        (other, _) => other.to_owned(),
    };
    match (step.what.as_str(), step.lead(&explanation.schedule)) {
        ("warning", Some(lead)) => {
            let lead = roughly(lead);
            format!("warning ({limit}, {lead} before)")
        }
        ("end", _) => match &explanation.end_action {
            Some(action) => format!("end: {action} ({limit})"),
            None => format!("end ({limit})"),
        },
        (what, _) => format!("{what} ({limit})"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{exempt, login, session, step};
    use super::*;

    fn plain(explanation: &Explanation) -> String {
        anstream::adapter::strip_str(&render(explanation)).to_string()
    }

    #[test]
    fn a_session_is_explained_by_its_rule_its_values_and_what_comes() {
        let expected = "\
Session c1 of alice: the rule \"card data\" holds.
Groups: alice, pci

SETTING             VALUE  SET BY
session-timeout     \"12h\"  /etc/session-timeout/policy.toml:9
inactivity-timeout  \"off\"  built-in

AS THINGS STAND
in 11 h 40 min  warning (absolute limit, 20 min before)
in 12 h         end: terminate (absolute limit)
";
        assert_eq!(plain(&session()), expected);
    }

    #[test]
    fn a_login_is_explained_from_its_beginning() {
        let expected = "\
Login of alice (uid 1000, service sshd, from 192.0.2.7, type tty, class user): \
no rule matches, so [default] holds.
Groups: alice, pci
Policy: /etc/session-timeout/policy.toml, /etc/session-timeout/policy.d/50-cards.toml

RULES PASSED OVER
rule \"card data\": group is not pci

SETTING             VALUE  SET BY
session-timeout     \"12h\"  /etc/session-timeout/policy.toml:9
inactivity-timeout  \"off\"  built-in

AFTER THE LOGIN
after 5 min without input        lock (lock-after)
after 14 min 30 s without input  warning (inactivity limit, 30 s before)
after 15 min without input       end: terminate (inactivity limit)
after 12 h                       end: terminate (absolute limit; after 13 h with every extension)
";
        assert_eq!(plain(&login()), expected);
    }

    #[test]
    fn what_is_known_of_the_idle_time_of_a_web_console_is_said() {
        let said = |session_type: &'static str, schedule: Vec<ScheduledEvent>| {
            let mut explanation = login();
            explanation.schedule = schedule;
            if let About::Login(login) = &mut explanation.about {
                login.session_type = session_type;
            }
            plain(&explanation).contains("\nInput in its terminals counts, but its absence proves")
        };
        let idle = || vec![step("end", "inactivity", 900)];
        assert!(said("web", idle()));
        assert!(!said("tty", idle()));
        assert!(!said("web", vec![step("end", "absolute", 900)]));
    }

    #[test]
    fn an_exempt_session_has_a_reason_and_nothing_else() {
        let expected =
            "Session 3 of root: no limit holds for root unless a rule names it in `user`.\n";
        assert_eq!(plain(&exempt()), expected);
        let mut other = exempt();
        other.holds = Holds::Nothing("full moon".into());
        assert_eq!(
            plain(&other),
            "Session 3 of root: no limit holds (full moon).\n"
        );
    }

    #[test]
    fn a_phase_that_changes_what_comes_is_said() {
        let said = |phase: &str| {
            let mut explanation = session();
            explanation.about = About::Session {
                id: "c1".into(),
                phase: phase.into(),
                no_session: None,
                unwarned: None,
                absolute_rule: None,
            };
            plain(&explanation)
        };
        assert!(!said("running").contains("phase"));
        assert!(said("held").contains("\nIt is locked for a limit;"));
        assert!(said("survived").contains("\nIt was ended, and something of it lives on;"));
        assert!(said("dreaming").contains("\nIts phase is \"dreaming\"."));
    }

    #[test]
    fn a_login_that_logind_does_not_know_is_said_with_the_reason() {
        let mut explanation = session();
        explanation.about = About::Session {
            id: "login-4711".into(),
            phase: "running".into(),
            no_session: Some("logind-silent".into()),
            unwarned: Some(true),
            absolute_rule: Some("lab".into()),
        };
        let expected = "\
logind has no session for this login: logind did not answer in time. session-timeoutd keeps it itself.
It still has the absolute limit of the rule \"lab\", which held before its type, its class or its terminal was changed.
A warning reached nobody: no terminal took it, and no agent.
";
        let text = plain(&explanation);
        assert!(text.contains(expected), "{text}");

        let mut numeric = login();
        if let About::Login(login) = &mut numeric.about {
            login.no_session = Some("name-refused");
        }
        let expected = "logind makes no session for this login: systemd takes no user name of \
                        this form. session-timeoutd keeps it itself, and its limits hold";
        let text = plain(&numeric);
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn unavailable_groups_are_the_reason() {
        let mut explanation = session();
        explanation.holds = Holds::Default;
        explanation.groups = None;
        explanation.groups_state = Some("unavailable".into());
        let expected = "Session c1 of alice: the groups of alice are unavailable, \
                        so [default] holds instead of a rule.\n";
        assert!(plain(&explanation).starts_with(expected));
        explanation.holds = Holds::Undecided;
        assert!(plain(&explanation).contains("are being asked for; until then no limit holds."));
    }

    #[test]
    fn input_is_named_where_it_would_change_what_comes() {
        let mut explanation = session();
        explanation.schedule = vec![step("end", "inactivity", 600)];
        explanation.end_action = Some("lock".into());
        let text = plain(&explanation);
        let expected =
            "AS THINGS STAND, WITHOUT MORE INPUT\nin 10 min  end: lock (inactivity limit)\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_long_value_does_not_push_every_origin_away() {
        let mut explanation = session();
        explanation.settings.push(Setting {
            key: "message".into(),
            value: "m".repeat(200),
            origin: "built-in".into(),
        });
        let text = plain(&explanation);
        let of_off = text.lines().find(|line| line.contains("\"off\"")).unwrap();
        assert_eq!(of_off.find("built-in"), Some(20 + WIDEST_VALUE + 2));
        assert!(text.contains(&format!("{}  built-in\n", "m".repeat(200))));
    }
}
