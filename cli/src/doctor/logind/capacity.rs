//! Checks how many of logind's sessions are in use, and by whom.

use std::collections::BTreeMap;

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::logind::conf::RELOAD;
use crate::text::{listed, one_line};

/// The number of logind's sessions, by org.freedesktop.login1(5).
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// `NCurrentSessions` and `SessionsMax`; absent if logind did not report them.
    pub(crate) sessions: Option<SessionCount>,
    /// Absent if logind was not asked, since it had not replied before.
    pub(crate) closing: Option<Closing>,
}

/// The sessions in the state `closing`, as far as logind replied in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It did not list its sessions.
    Unknown,
    Known {
        /// The user of each of them.
        users: Vec<String>,
        /// The number of sessions whose state it did not report.
        unknown: usize,
    },
}

impl Usage {
    fn closing_users(&self) -> &[String] {
        match &self.closing {
            Some(Closing::Known { users, .. }) => users,
            Some(Closing::Unknown) | None => &[],
        }
    }
}

/// The number of sessions, and the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionCount {
    pub(crate) taken: u64,
    pub(crate) all: u64,
}

/// All findings about logind's capacity.
pub(crate) fn examine(facts: &Usage) -> Vec<Finding> {
    let sessions = facts.sessions.map(|sessions| sessions_max(sessions, facts));
    let closing = facts.closing.as_ref().map(closing);
    sessions.into_iter().chain(closing).collect()
}

/// Beyond `SessionsMax` logind refuses a session, and the login goes on without one.
fn sessions_max(sessions: SessionCount, facts: &Usage) -> Finding {
    let check = Check::LogindSessionsMax;
    let SessionCount { taken, all } = sessions;
    let what = format!("logind has {taken} sessions of the {all} that SessionsMax= allows");
    let percent = u128::from(taken) * 100;
    if percent <= u128::from(all) * 50 {
        return Finding::ok(check, &what);
    }
    let finding = if percent <= u128::from(all) * 90 {
        Finding::note(check, &what)
    } else {
        let beyond = "logins beyond that get no session of logind's";
        Finding::warning(check, &format!("{what}: {beyond}"))
    };
    let left_behind = match facts.closing_users() {
        [] => String::new(),
        closing => format!(
            "end what {} left behind, with loginctl kill-session, or ",
            by_user(closing)
        ),
    };
    finding.do_this(&format!(
        "{left_behind}raise SessionsMax= in /etc/systemd/logind.conf, then: {RELOAD}"
    ))
}

/// Processes that survive a logout keep their session in logind's table.
fn closing(closing: &Closing) -> Finding {
    let check = Check::LogindClosing;
    let (users, unknown) = match closing {
        Closing::Unknown => {
            let what = "logind did not say in time which sessions wait for what their users left \
                        behind (closing)";
            return Finding::note(check, what);
        }
        Closing::Known { users, unknown } => (users, *unknown),
    };
    let unsaid = match unknown {
        0 => String::new(),
        1 => "logind did not say in time whether 1 session waits for what its user left behind \
              (closing)"
            .to_owned(),
        n => format!(
            "logind did not say in time whether {n} sessions wait for what their users left behind \
             (closing)"
        ),
    };
    if users.is_empty() && unknown > 0 {
        return Finding::note(check, &unsaid);
    }
    let left_behind = match users.len() {
        0 => {
            let what = "no session waits for what its user left behind (closing)";
            return Finding::ok(check, what);
        }
        1 => "1 session waits for what its user left behind (closing), and takes a place of \
              SessionsMax="
            .to_owned(),
        n => format!(
            "{n} sessions wait for what their users left behind (closing), and take a place of \
             SessionsMax= each"
        ),
    };
    let what = format!("{left_behind}: {}", by_user(users));
    if unknown > 0 {
        return Finding::note(check, &format!("{what}; {unsaid}"));
    }
    Finding::note(check, &what)
}

/// `alice (12), bob (3) and carol (1)`, sorted by descending number.
fn by_user(users: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users {
        *counts.entry(user).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    // The sort is stable: equal numbers stay sorted by name.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(user, count)| format!("{} ({count})", one_line(user)))
        .collect();
    let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    listed(&counts, "and")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    fn facts(taken: u64, closing: &[&str]) -> Usage {
        Usage {
            sessions: Some(SessionCount { taken, all: 100 }),
            closing: Some(known(closing, 0)),
        }
    }

    fn known(users: &[&str], unknown: usize) -> Closing {
        let users = users.iter().map(|&user| user.to_owned()).collect();
        Closing::Known { users, unknown }
    }

    #[test]
    fn what_logind_did_not_say_in_time_is_said() {
        let alice = "1 session waits for what its user left behind (closing), and takes a place of \
                     SessionsMax=: alice (1)";
        let three = "logind did not say in time whether 3 sessions wait for what their users left \
                     behind (closing)";
        for (reported, level, expected) in [
            (known(&[], 0), Level::Ok, "no session waits"),
            (known(&["alice"], 0), Level::Note, alice),
            (known(&[], 3), Level::Note, three),
            (known(&["alice"], 3), Level::Note, three),
            (Closing::Unknown, Level::Note, "did not say in time which"),
        ] {
            let finding = closing(&reported);
            assert_eq!(finding.level, level, "{reported:?}");
            assert!(finding.what.contains(expected), "{finding:?}");
        }
        let both = closing(&known(&["alice"], 3)).what;
        assert_eq!(both, format!("{alice}; {three}"));
    }

    #[test]
    fn how_full_logind_is_decides_how_bad_it_is() {
        for (taken, level) in [
            (0, Level::Ok),
            (50, Level::Ok),
            (51, Level::Note),
            (90, Level::Note),
            (91, Level::Warning),
            (100, Level::Warning),
        ] {
            let found = examine(&facts(taken, &[]));
            assert_eq!(found[0].level, level, "{taken}");
            assert_eq!(found[0].fix.is_some(), level > Level::Ok, "{taken}");
        }
        assert_eq!(examine(&Usage::default()), []);
    }

    #[test]
    fn what_fills_it_is_counted_by_user_and_named_in_the_fix() {
        let found = examine(&facts(95, &["bob", "alice", "carol", "alice"]));
        let [sessions, closing] = found.as_slice() else {
            panic!("{found:?}");
        };
        let fix = sessions.fix.as_ref().unwrap().text();
        let expected = "end what alice (2), bob (1) and carol (1) left behind, with loginctl";
        assert!(fix.starts_with(expected), "{fix}");
        assert_eq!(closing.level, Level::Note);
        assert_eq!(
            closing.what,
            "4 sessions wait for what their users left behind (closing), and take a place of \
             SessionsMax= each: alice (2), bob (1) and carol (1)"
        );
    }
}
