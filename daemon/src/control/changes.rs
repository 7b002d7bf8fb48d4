//! Detects changes of sessions other than the passing of time, for clients that show the remaining
//! time.

use std::collections::BTreeMap;
use std::time::Duration;

use session_timeout_policy::{
    BootTime, EndAction, Engine, Extensions, LimitKind, Phase, SessionId, SessionKey, View,
};

/// Ignore changes of the end of less than 1 s: each reading of idle time is some moments old.
const JITTER: Duration = Duration::from_secs(1);

/// The last reported state of all sessions.
pub(crate) struct Changes {
    /// Boxed, because the nodes of a B-tree map are half empty.
    shown: BTreeMap<SessionId, Box<Shown>>,
    revision: u64,
}

/// The reported state of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    key: SessionKey,
    phase: Phase,
    end: Option<(LimitKind, BootTime)>,
    length: Option<Duration>,
    action: Option<EndAction>,
    rule: Option<String>,
    locked: bool,
    /// The remaining number of extensions, and the length of each.
    extensions: Option<(u32, Duration)>,
}

impl Changes {
    /// Starts with the current state, which is not a change.
    pub(crate) fn new(engine: &Engine) -> Self {
        let mut changes = Self {
            shown: BTreeMap::new(),
            revision: engine.revision(),
        };
        changes.compare(engine);
        changes
    }

    /// The ids of the users' sessions that have changed since the last call.
    pub(crate) fn since(&mut self, engine: &Engine) -> Vec<SessionId> {
        if self.revision == engine.revision() {
            return Vec::new();
        }
        self.revision = engine.revision();
        self.compare(engine)
    }

    fn compare(&mut self, engine: &Engine) -> Vec<SessionId> {
        let mut changed = Vec::new();
        let people = |session: &View<'_>| session.facts.class.is_login_of_a_person();
        for session in engine.sessions().filter(people) {
            let now = Shown::of(&session);
            let before = self.shown.get(&session.facts.key.id);
            if before.is_none_or(|before| before.differs(&now)) {
                changed.push(session.facts.key.id.clone());
                self.shown
                    .insert(session.facts.key.id.clone(), Box::new(now));
            }
        }
        self.shown.retain(|id, _| {
            let stays = engine.session(id).is_some();
            if !stays {
                changed.push(id.clone());
            }
            stays
        });
        changed
    }
}

impl Shown {
    fn of(session: &View<'_>) -> Self {
        let extensions = session.extensions();
        let left = |all: Extensions| (all.times.saturating_sub(session.granted.times), all.by);
        let length = |(limit, _)| session.length(limit);
        Self {
            key: session.facts.key.clone(),
            phase: session.phase,
            end: session.next_end,
            length: session.next_end.and_then(length),
            locked: session.locking.locked,
            action: session.limits.map(|limits| limits.end_action),
            rule: match session.next_end {
                Some((limit, _)) => session.rule_for(limit),
                None => session.rule,
            }
            .map(str::to_owned),
            extensions: extensions.map(left),
        }
    }

    fn differs(&self, now: &Self) -> bool {
        let moved = match (self.end, now.end) {
            (Some((limit, then)), Some((other, now))) => {
                limit != other || then.since(now).max(now.since(then)) >= JITTER
            }
            (then, now) => then != now,
        };
        let same_end = Self {
            end: now.end,
            ..self.clone()
        };
        moved || same_end != *now
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{
        Event, Hint, Leads, Limit, Limits, Policy, Reading, SessionClass, SessionFacts, SessionType,
    };

    use super::*;
    use crate::fixtures;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> BootTime {
        BootTime::from_micros(seconds * 1_000_000)
    }

    fn key() -> SessionKey {
        fixtures::session().key
    }

    fn login(class: SessionClass) -> Event {
        Event::SessionSeen(SessionFacts {
            class,
            session_type: SessionType::Wayland,
            ..fixtures::session()
        })
    }

    fn limit(length: Duration) -> Limit {
        Limit {
            length,
            leads: Leads::new([Duration::from_secs(60)]),
        }
    }

    fn policy() -> Policy {
        Policy::of(Some(Limits {
            absolute: limit(2 * HOUR),
            inactivity: Some(limit(HOUR)),
            extensions: Extensions {
                times: 2,
                by: HOUR / 2,
            },
            ..Limits::default()
        }))
    }

    struct Case(Engine, Changes);

    impl Case {
        fn new() -> Self {
            let engine = Engine::new(at(0), policy());
            let changes = Changes::new(&engine);
            Self(engine, changes)
        }

        fn news(&mut self, seconds: u64, event: Event) -> usize {
            let _ = self.0.handle(at(seconds), event);
            self.1.since(&self.0).len()
        }

        fn extended(&mut self, seconds: u64) -> usize {
            let (result, _) = self.0.extend(at(seconds), &key());
            assert!(result.is_ok(), "{result:?}");
            self.1.since(&self.0).len()
        }

        fn at(&mut self, seconds: u64) -> usize {
            let _ = self.0.handle_timeout(at(seconds));
            self.1.since(&self.0).len()
        }
    }

    fn idle_since(micros: u64) -> Event {
        let reading = Reading {
            agent: Some(Hint::IdleSince(BootTime::from_micros(micros))),
            ..Reading::default()
        };
        Event::Probed(key(), reading)
    }

    #[test]
    fn a_beginning_a_warning_input_an_extension_a_lock_and_an_end_are_news() {
        let mut case = Case::new();
        assert_eq!(case.news(0, login(SessionClass::User)), 1);
        assert_eq!(case.at(3540), 0, "a probe");
        assert_eq!(case.news(3540, idle_since(0)), 1, "warned");
        assert_eq!(case.news(3550, Event::ActivitySeen(key())), 1, "withdrawn");
        assert_eq!(case.news(3560, Event::Locked(key())), 1);
        assert_eq!(case.news(3570, Event::Unlocked(key())), 1);
        assert_eq!(case.extended(3580), 1);
        let mut gentler = policy();
        if let Some(limits) = &mut gentler.default {
            limits.end_action = EndAction::HangUp;
        }
        assert_eq!(
            case.news(3585, Event::PolicyReplaced(gentler)),
            1,
            "another end"
        );
        assert_eq!(case.news(3590, Event::PolicyReplaced(Policy::of(None))), 1);
        assert_eq!(case.news(3600, Event::SessionGone("c1".into())), 1);
        assert_eq!(case.news(3600, Event::SessionGone("c1".into())), 0);
    }

    #[test]
    fn time_that_goes_on_is_no_news() {
        let mut case = Case::new();
        assert_eq!(case.news(0, login(SessionClass::User)), 1);
        assert_eq!(case.at(600), 0);
        assert_eq!(case.news(700, login(SessionClass::User)), 0);
        assert_eq!(case.news(800, Event::PolicyReplaced(policy())), 0);
        assert_eq!(Changes::new(&case.0).since(&case.0), []);
    }

    #[test]
    fn an_end_that_trembles_has_not_moved_and_one_that_creeps_has() {
        let mut case = Case::new();
        let _ = case.news(0, login(SessionClass::User));
        let base = 600_000_000;
        assert_eq!(case.news(1000, idle_since(base)), 1);
        assert_eq!(case.news(1001, idle_since(base + 400_000)), 0);
        assert_eq!(case.news(1002, idle_since(base + 800_000)), 0);
        assert_eq!(case.news(1003, idle_since(base + 1_200_000)), 1);
    }

    #[test]
    fn what_no_person_logged_in_to_is_no_news() {
        let mut case = Case::new();
        assert_eq!(case.news(0, login(SessionClass::Greeter)), 0);
        assert_eq!(case.news(1, Event::SessionGone("c1".into())), 0);
    }
}
