//! Decides whether every session that one rule matches is matched by another rule as well.
//!
//! The answer "yes" is certain; "no" may also mean unknown. Each key of `match` is compared
//! separately, so two rules that cover a third only together are not found.

use session_timeout_policy::{Host, Match, Pattern, Reach, SessionClass, SessionType};

use crate::parse::matching::{CLASSES, TYPES};

/// The remaining work of comparing, in bytes. It bounds the time for a policy of a thousand rules
/// with long lists.
pub(crate) struct CompareBudget(usize);

impl CompareBudget {
    /// Enough for every policy that is written by hand; a fraction of a second of work.
    pub(crate) const fn new() -> Self {
        Self(20_000_000)
    }

    /// Whether enough is left for a comparison of this many bytes.
    fn takes(&mut self, bytes: usize) -> bool {
        /// The fixed cost of a comparison.
        const EACH: usize = 16;
        let left = self.0.checked_sub(EACH + bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// A `match`, with precomputed properties for comparing it with every other one.
pub(crate) struct PreparedMatch<'a> {
    asks: &'a Match,
    /// Whether its sessions are local or remote, by `remote` or by `from`.
    reach: Option<Reach>,
    /// It matches every user.
    everybody: bool,
    names_root: bool,
    /// `from` in lower case.
    hosts: Option<Vec<Host>>,
    /// It matches every host.
    anywhere: bool,
}

impl<'a> PreparedMatch<'a> {
    pub(crate) fn of(asks: &'a Match) -> Self {
        let (user, from) = (asks.user.as_deref(), asks.from.as_deref());
        Self {
            asks,
            reach: asks.reach.or_else(|| from.and_then(reach_of)),
            everybody: user.is_none_or(|names| names.iter().any(is_any)),
            names_root: asks.names("root"),
            hosts: from.map(|hosts| hosts.iter().map(lower).collect()),
            anywhere: from.is_some_and(|hosts| hosts.iter().any(is_anywhere)),
        }
    }

    /// Whether every session that `narrow` matches is matched.
    pub(crate) fn covers(&self, narrow: &Self, budget: &mut CompareBudget) -> bool {
        let (wide, asks) = (self.asks, narrow.asks);
        covers_types(wide.session_type.as_deref(), asks.session_type.as_deref())
            && covers_classes(wide.class.as_deref(), asks.class.as_deref())
            && wide.reach.is_none_or(|reach| narrow.reach == Some(reach))
            // A session of root is matched only by rules that name root.
            && (self.names_root || !narrow.names_root)
            && (self.everybody || covers_names(&wide.user, &asks.user, budget))
            && covers_names(&wide.group, &asks.group, budget)
            && covers_names(&wide.service, &asks.service, budget)
            && covers_names(&wide.tty, &asks.tty, budget)
            && covers_names(&wide.seat, &asks.seat, budget)
            && self.covers_hosts(narrow, budget)
    }

    /// Whether it matches every session of a person.
    pub(crate) fn is_catch_all(&self) -> bool {
        let others = Match {
            user: None,
            session_type: None,
            class: None,
            ..self.asks.clone()
        };
        others.is_empty()
            && self.everybody
            && covers_types(self.asks.session_type.as_deref(), None)
            && covers_classes(self.asks.class.as_deref(), None)
    }

    fn covers_hosts(&self, narrow: &Self, budget: &mut CompareBudget) -> bool {
        let Some(hosts) = &self.hosts else {
            return true;
        };
        match &narrow.hosts {
            Some(narrow) => narrow
                .iter()
                .all(|host| hosts.iter().any(|one| covers_host(one, host, budget))),
            // A remote login has an address.
            None => narrow.reach == Some(Reach::Remote) && self.anywhere,
        }
    }
}

/// Whether these hosts are all remote, or all this machine.
pub(crate) fn reach_of(hosts: &[Host]) -> Option<Reach> {
    let mut reaches = hosts.iter().map(reach_of_host);
    let first = reaches.next()??;
    reaches.all(|reach| reach == Some(first)).then_some(first)
}

/// The names of this machine: the engine takes a session from there as local.
pub(crate) const LOCAL_NAMES: [&str; 4] = [
    "localhost",
    "localhost.",
    "localhost.localdomain",
    "localhost.localdomain.",
];

fn reach_of_host(host: &Host) -> Option<Reach> {
    let is_local = LOCAL_NAMES.iter().any(|name| host.contains(name));
    match host {
        Host::Name(pattern) if is_local && pattern.is_open() => None,
        Host::Name(_) if is_local => Some(Reach::Local),
        // No address is one of those names.
        Host::Name(_) | Host::Network(_) => Some(Reach::Remote),
    }
}

fn covers_types(wide: Option<&[SessionType]>, narrow: Option<&[SessionType]>) -> bool {
    let all = TYPES.map(|choice| choice.meaning);
    wide.is_none_or(|wide| narrow.unwrap_or(&all).iter().all(|one| wide.contains(one)))
}

fn covers_classes(wide: Option<&[SessionClass]>, narrow: Option<&[SessionClass]>) -> bool {
    // Sessions of other classes are exempt.
    let all = CLASSES.map(|choice| choice.meaning);
    wide.is_none_or(|wide| narrow.unwrap_or(&all).iter().all(|one| wide.contains(one)))
}

fn covers_names(
    wide: &Option<Vec<Pattern>>,
    narrow: &Option<Vec<Pattern>>,
    budget: &mut CompareBudget,
) -> bool {
    let Some(wide) = wide else { return true };
    narrow.as_ref().is_some_and(|narrow| {
        narrow
            .iter()
            .all(|name| wide.iter().any(|one| covers_name(one, name, budget)))
    })
}

fn covers_host(wide: &Host, narrow: &Host, budget: &mut CompareBudget) -> bool {
    match (wide, narrow) {
        (Host::Network(wide), Host::Network(narrow)) => budget.takes(0) && wide.covers(narrow),
        (Host::Name(wide), Host::Name(narrow)) => covers_name(wide, narrow, budget),
        (Host::Name(_), Host::Network(_)) => budget.takes(0) && is_anywhere(wide),
        (Host::Network(_), Host::Name(_)) => false,
    }
}

/// Host names are case-insensitive.
fn lower(host: &Host) -> Host {
    match host {
        Host::Name(pattern) => Host::Name(Pattern::new(pattern.as_str().to_ascii_lowercase())),
        Host::Network(network) => Host::Network(*network),
    }
}

fn is_anywhere(host: &Host) -> bool {
    matches!(host, Host::Name(pattern) if is_any(pattern))
}

/// Whether the pattern matches every name.
fn is_any(pattern: &Pattern) -> bool {
    !pattern.as_str().is_empty() && pattern.as_str().bytes().all(|byte| byte == b'*')
}

/// Whether `wide` matches every name that `narrow` matches.
///
/// Only a `*` of `wide` can match a `*` of `narrow`. So `narrow` is tested as a name in which each
/// `*` is replaced by a character that no pattern contains.
fn covers_name(wide: &Pattern, narrow: &Pattern, budget: &mut CompareBudget) -> bool {
    const NO_CHARACTER: &str = "\0";
    if !budget.takes(wide.as_str().len() + narrow.as_str().len()) {
        return false;
    }
    if narrow.is_open() {
        wide.matches(&narrow.as_str().replace('*', NO_CHARACTER))
    } else {
        wide.matches(narrow.as_str())
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{Groups, MatchResult, Subject, Uid};

    use super::*;

    fn name_covers(wide: &str, narrow: &str) -> bool {
        covers_name(
            &Pattern::new(wide),
            &Pattern::new(narrow),
            &mut CompareBudget::new(),
        )
    }

    #[test]
    fn a_pattern_covers_what_it_matches_and_narrower_patterns() {
        for (wide, narrow) in [
            ("alice", "alice"),
            ("*", "alice"),
            ("*", "**"),
            ("web-*", "web-1-*"),
            ("*-*", "web-*"),
            ("a*", "a*b*"),
        ] {
            assert!(name_covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("alice", "*"),
            ("alice", "al*"),
            ("web-", "web-*"),
            ("a*b", "a*b*"),
            ("web-1*", "web-*"),
            ("a*b", "a*"),
            ("*a*", "*"),
        ] {
            assert!(!name_covers(wide, narrow), "{wide} {narrow}");
        }
    }

    #[test]
    fn without_a_budget_nothing_is_known_to_be_covered() {
        let (wide, narrow) = (Pattern::new("*"), Pattern::new("alice"));
        assert!(!covers_name(&wide, &narrow, &mut CompareBudget(21)));
        assert!(covers_name(&wide, &narrow, &mut CompareBudget(22)));
    }

    #[test]
    fn the_names_of_the_machine_itself_are_those_of_the_engine() {
        let local = Match {
            reach: Some(Reach::Local),
            ..Match::default()
        };
        let from = |host| Subject {
            user: "alice",
            uid: Uid::new(1000),
            groups: &Groups::Unknown,
            class: &SessionClass::User,
            session_type: SessionType::Tty,
            service: None,
            remote_host: Some(host),
            terminal: None,
            seat: None,
        };
        for name in LOCAL_NAMES {
            assert_eq!(local.test(&from(name)), MatchResult::Matches, "{name}");
        }
        assert_eq!(local.test(&from("127.0.0.1")), MatchResult::Differs);
    }
}
