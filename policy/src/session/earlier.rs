//! Absolute limits of sessions whose user changed their type, class or terminal.
//!
//! logind lets the user set the type, the class and the terminal of an own session (`SetType`,
//! `SetClass`, `SetTTY` and `SetDisplay` of org.freedesktop.login1(5)), and rules may match them.
//! So the engine records the earlier properties of a session, and evaluates the policy for all of
//! them. Of the absolute limits that end the session the earliest holds, even if it does not match
//! the current properties. A lock is no end, because a user can fake one; reports and exemptions
//! are none either. The inactivity limit follows the current properties.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::compiled::{Standing, Terms};
use crate::session::Tracked;
use crate::session::countdown::Countdown;
use crate::session::locking::Hold;
use crate::session::retry::Inquiry;
use crate::{
    BootTime, EndAction, Extensions, Granted, Groups, Limits, SessionClass, SessionFacts,
    SessionType, Subject, Verdict,
};

/// How many earlier properties of a session are recorded. A user can create a hundred.
const REMEMBERED: usize = 16;

/// Properties of a session that its user can change, at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The class of the login.
    pub class: SessionClass,
    /// The type of the session.
    pub session_type: SessionType,
    /// The terminal or display.
    pub terminal: Option<String>,
}

/// Earlier properties of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// All earlier properties, each once, without the current ones.
    pub variants: Vec<Variant>,
    /// What an absolute limit that ends the session counts from: the login, or the last time that
    /// the screen was locked for a limit or unlocked by its user while no such limit held.
    pub since: BootTime,
    /// Where the absolute limit was from when this was recorded, if one held.
    pub held: Option<Source>,
}

/// Where limits are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The default of the policy.
    Default,
    /// The rule with this name.
    Rule(String),
}

/// The absolute limit that holds for a session whose properties were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// With leads that fit.
    pub(crate) limits: Arc<Limits>,
    /// The rule that they are from; `None` for the default.
    pub(crate) rule: Option<String>,
    /// The end action for the session type that the rule matched.
    pub(crate) how: EndAction,
    /// The fewest extensions that any of the matching limits allows.
    pub(crate) extensions: Extensions,
}

/// Order of end actions. Of the highest one, the earliest limit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Report,
    Lock,
    End,
}

impl Variant {
    fn of(facts: &SessionFacts) -> Self {
        Self {
            class: facts.class.clone(),
            session_type: facts.session_type,
            terminal: facts.terminal.clone(),
        }
    }

    fn subject<'a>(&'a self, facts: &'a SessionFacts, groups: &'a Groups) -> Subject<'a> {
        Subject {
            class: &self.class,
            session_type: self.session_type,
            terminal: self.terminal.as_deref(),
            ..facts.subject(groups)
        }
    }
}

impl Barrier {
    pub(crate) fn source(&self) -> Source {
        self.rule.clone().map_or(Source::Default, Source::Rule)
    }

    const fn weight(&self) -> Weight {
        match self.how {
            EndAction::Report => Weight::Report,
            EndAction::Lock => Weight::Lock,
            EndAction::HangUp | EndAction::Terminate => Weight::End,
        }
    }

    /// When it ends the session, if it begins to count down now or has begun to. An end that was
    /// named stands: another limit comes before it only if there is time for its own warning.
    fn ends_at(
        &self,
        now: BootTime,
        since: BootTime,
        granted: Granted,
        begun: Option<&Countdown>,
    ) -> BootTime {
        let limit = &self.limits.absolute;
        let end = since.saturating_add(granted.stretched(limit.length));
        let named = begun.and_then(|begun| begun.not_before);
        let warned = || now.saturating_add(limit.leads.shortest().unwrap_or_default());
        end.max(named.unwrap_or_else(warned))
    }
}

impl Tracked {
    /// The current properties of the session.
    pub(crate) fn variant(&self) -> Variant {
        Variant::of(&self.facts)
    }

    /// The properties of the session have changed from these.
    pub(crate) fn remember(&mut self, before: Variant, terms: &Terms) {
        let now = self.variant();
        if before == now {
            return;
        }
        if !self.idle_matters() && matches!(self.probe, Inquiry::Asked { .. }) {
            // Nothing counts from the last activity now, so the open probe is dropped. The pause
            // after a failed one stays.
            self.forget_question();
        }
        let since = self.ends_count_from();
        let past = self.past.get_or_insert_with(|| {
            Box::new(Past {
                variants: Vec::new(),
                since,
                held: None,
            })
        });
        past.variants.retain(|variant| *variant != now);
        // No limit can hold for other classes.
        if before.class.is_login_of_a_person() && !past.variants.contains(&before) {
            past.variants.push(before);
        }
        if past.variants.len() > REMEMBERED {
            self.forget_the_laxest(terms);
        }
    }

    /// PAM completes what logind did not know; the user has changed nothing.
    pub(crate) fn complete_the_past(&mut self) {
        let Some(past) = &mut self.past else { return };
        for variant in &mut past.variants {
            if variant.terminal.is_none() {
                variant.terminal.clone_from(&self.facts.terminal);
            }
        }
        let now = Variant::of(&self.facts);
        past.variants.retain(|variant| *variant != now);
        past.variants.dedup();
    }

    /// What an absolute limit that ends the session counts from. If such a limit holds, or if it is
    /// not decided yet whether one does, that does not change.
    pub(crate) fn ends_count_from(&self) -> BootTime {
        match &self.past {
            Some(past) if self.is_fixed() || self.standing == Standing::Undecided => past.since,
            Some(_) | None => self.locking.anchor(self.facts.started),
        }
    }

    /// Whether the absolute limit ends the session even if its screen is locked.
    pub(crate) fn is_fixed(&self) -> bool {
        let ends = |barrier: &Barrier| barrier.weight() == Weight::End;
        self.barrier.as_deref().is_some_and(ends)
    }

    /// Whether an unlock of this lock restarts the absolute limit, which clears its extensions. It
    /// does not restart a limit that ends the session. After a restart of the daemon, until it is
    /// decided which limit holds, the one from before the restart counts: if it ended the session,
    /// it counts from a time before the lock.
    pub(crate) fn is_renewed_by_unlock(&self, lock: Hold) -> bool {
        match &self.past {
            Some(past) if self.standing == Standing::Undecided => past.since >= lock.since,
            Some(_) | None => !self.is_fixed(),
        }
    }

    /// The limits have changed; the ones before counted from `since`. Extensions of a limit that
    /// ended the session are cleared if the absolute limit counts from a later unlock now.
    pub(crate) fn forget_extensions_before(&mut self, since: BootTime) {
        let renewed = self.locking.renewed.is_some_and(|renewed| renewed > since);
        let decided = self.standing != Standing::Undecided;
        if self.past.is_some() && decided && !self.is_fixed() && renewed {
            self.granted = Granted::default();
        }
    }

    /// The result of the policy for the current and the earlier properties of the session. An
    /// absolute limit that has begun to count down, as `begun` says, continues unless another one
    /// ends the session sooner.
    pub(crate) fn verdict<'c>(
        &self,
        now: BootTime,
        terms: &Terms,
        begun: impl Fn(&Limits) -> Option<&'c Countdown>,
    ) -> (Standing, Option<Box<Barrier>>) {
        let standing = Standing::of(terms, &self.facts.subject(&self.groups));
        let Some(past) = &self.past else {
            return (standing, None);
        };
        let mut candidates: Vec<Barrier> = Vec::new();
        candidates.extend(barrier_of(&standing, self.facts.session_type));
        let mut undecided = standing == Standing::Undecided;
        for variant in &past.variants {
            let subject = variant.subject(&self.facts, &self.groups);
            let standing = Standing::of(terms, &subject);
            undecided |= standing == Standing::Undecided;
            candidates.extend(barrier_of(&standing, variant.session_type));
        }
        if undecided {
            return (Standing::Undecided, None);
        }
        let standing = match standing {
            Standing::Exempt(_) => {
                strictest(&candidates).map_or(standing, |barrier| Standing::Limited {
                    limits: Arc::clone(&barrier.limits),
                    rule: barrier.rule.clone(),
                })
            }
            limited => limited,
        };
        let barrier = self.earliest(now, candidates, begun);
        (standing, barrier)
    }

    /// The absolute limit of this length was extended until then. A shorter limit did not hold if
    /// its warning would have come too late; if there is time for it before the extended end, the
    /// shorter limit holds from now on, with the same end.
    pub(crate) fn extend_shorter_limits(
        &mut self,
        now: BootTime,
        terms: &Terms,
        (mut length, until): (Duration, BootTime),
    ) {
        while let (_, Some(barrier)) = self.verdict_now(now, terms)
            && barrier.limits.absolute.length < length
        {
            length = barrier.limits.absolute.length;
            let span = until.since(self.ends_count_from());
            self.granted.total = span.saturating_sub(length);
        }
    }

    /// Whether the limits depend on groups of the user that are not known.
    pub(crate) fn depends_on_groups(&self, terms: &Terms) -> bool {
        let unasked = &Groups::Untold;
        let depends = |subject: &Subject<'_>| terms.policy().judge(subject) == Verdict::NeedsGroups;
        let past = self.past.iter().flat_map(|past| &past.variants);
        depends(&self.facts.subject(unasked))
            || past
                .into_iter()
                .any(|variant| depends(&variant.subject(&self.facts, unasked)))
    }

    /// Of all absolute limits that match, the one that holds.
    fn earliest<'c>(
        &self,
        now: BootTime,
        mut candidates: Vec<Barrier>,
        begun: impl Fn(&Limits) -> Option<&'c Countdown>,
    ) -> Option<Box<Barrier>> {
        let weight = candidates.iter().map(Barrier::weight).max()?;
        let since = match weight {
            Weight::Report => return None,
            Weight::Lock => self.locking.anchor(self.facts.started),
            Weight::End => self.ends_count_from(),
        };
        candidates.retain(|barrier| barrier.weight() == weight);
        let allowed = candidates.iter().map(|barrier| barrier.limits.extensions);
        let extensions = Extensions {
            times: allowed.clone().map(|allowed| allowed.times).min()?,
            by: allowed.map(|allowed| allowed.by).min()?,
        };
        let mut going = candidates.iter();
        let going = going.find(|barrier| begun(&barrier.limits).is_some());
        let going = going.map(|barrier| barrier.limits.absolute.length);
        // Only a shorter limit replaces the one that has begun to count down.
        candidates.retain(|barrier| {
            let shorter = |length| barrier.limits.absolute.length < length;
            begun(&barrier.limits).is_some() || going.is_none_or(shorter)
        });
        let ends = candidates.into_iter().map(|barrier| {
            let begun = begun(&barrier.limits);
            let end = barrier.ends_at(now, since, self.granted, begun);
            // Of limits that end the session at the same time, the one that has begun continues.
            ((end, begun.is_none(), !self.held_before(&barrier)), barrier)
        });
        let (_, barrier) = ends.min_by_key(|(end, _)| *end)?;
        Some(Box::new(Barrier {
            extensions,
            ..barrier
        }))
    }

    /// Whether this limit held when the session was recorded. That matters after a restart, until
    /// it is decided which limit holds: a record does not distinguish limits of the same length.
    fn held_before(&self, barrier: &Barrier) -> bool {
        let past = self.past.as_deref();
        let held = past.and_then(|past| past.held.as_ref());
        self.standing == Standing::Undecided && held == Some(&barrier.source())
    }

    /// Forgets one of the recorded properties if there are too many: one with the same limits as
    /// another, or else the one with the least strict limit.
    fn forget_the_laxest(&mut self, terms: &Terms) {
        let Some(past) = &mut self.past else { return };
        let facts = (&self.facts, &self.groups);
        let judged = |variant: &Variant| {
            let standing = Standing::of(terms, &variant.subject(facts.0, facts.1));
            barrier_of(&standing, variant.session_type)
        };
        let judged: Vec<Option<Barrier>> = past.variants.iter().map(judged).collect();
        let double = (1..judged.len()).rev().find(|at| {
            let (before, one) = judged.split_at(*at);
            before.iter().any(|other| Some(other) == one.first())
        });
        let strictness = |at: &usize| {
            let barrier = judged.get(*at)?.as_ref()?;
            let length = barrier.limits.absolute.length;
            Some((barrier.weight(), std::cmp::Reverse(length)))
        };
        let laxest = || (0..judged.len()).min_by_key(strictness);
        if let Some(at) = double.or_else(laxest) {
            past.variants.remove(at);
        }
    }
}

/// The absolute limit of a session of this type.
fn barrier_of(standing: &Standing, session_type: SessionType) -> Option<Barrier> {
    match standing {
        Standing::Limited { limits, rule } => Some(Barrier {
            limits: Arc::clone(limits),
            rule: rule.clone(),
            how: limits.end_action.within(session_type),
            extensions: limits.extensions,
        }),
        Standing::Exempt(_) | Standing::Undecided => None,
    }
}

fn strictest(candidates: &[Barrier]) -> Option<&Barrier> {
    let mut candidates = candidates.iter().rev();
    let first = candidates.next()?;
    Some(candidates.fold(first, |strictest, other| {
        let order = |one: &Barrier| {
            let length = one.limits.absolute.length;
            (one.weight(), std::cmp::Reverse(length))
        };
        if order(other) >= order(strictest) {
            other
        } else {
            strictest
        }
    }))
}
