//! What a user can change about a session, and why that never lengthens its life.
//!
//! logind takes the user's word for the type, the class and the terminal of a session (`SetType`,
//! `SetClass`, `SetTTY` and `SetDisplay` of org.freedesktop.login1(5)), and rules may ask for them.
//! So what a session was before is remembered, and the policy is asked about all of it: of the
//! absolute limits that would end the session the earliest holds, whichever of them is that of the
//! session as it is now. A lock is no such end, because a user can pretend one, and neither is a
//! report or an exemption. What counts from the last activity follows the session as it is now.

use std::sync::Arc;

use crate::countdown::Countdown;
use crate::locking::Hold;
use crate::standing::{Standing, Terms};
use crate::tracked::Tracked;
use crate::{
    BootTime, EndAction, Extensions, Granted, Groups, Limits, SessionClass, SessionFacts,
    SessionType, Subject, Verdict,
};

/// So many things that a session was before are remembered. A user can make a hundred of them.
const REMEMBERED: usize = 16;

/// What a user can change about a session, as it was once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What kind of login it was.
    pub class: SessionClass,
    /// Where it ran.
    pub session_type: SessionType,
    /// The terminal or display.
    pub terminal: Option<String>,
}

/// What a session was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What it was, each once and without what it is now.
    pub variants: Vec<Variant>,
    /// What an absolute limit that ends the session counts from: the login, or the last time that
    /// the user was locked out or authenticated again while nothing but locks stood for an end.
    pub since: BootTime,
}

/// The absolute limit that holds for a session that was something else before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// With leads that fit.
    pub(crate) limits: Arc<Limits>,
    /// The rule that they are from, unless they are everybody's.
    pub(crate) rule: Option<String>,
    /// What it comes to in the session that the rule matched.
    pub(crate) how: EndAction,
    /// What all of the limits that it could have been allow.
    pub(crate) extensions: Extensions,
}

/// How much of an end something is. Of the most there is, the earliest holds.
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
    /// What the session is.
    pub(crate) fn variant(&self) -> Variant {
        Variant::of(&self.facts)
    }

    /// The session was this before it became what it is now.
    pub(crate) fn remember(&mut self, before: Variant, terms: &Terms) {
        let now = self.variant();
        if before == now {
            return;
        }
        if !self.idle_matters() {
            // Nothing counts from the last activity here, so nobody waits for a look any more.
            self.forget_question();
        }
        let since = self.ends_count_from();
        let past = self.past.get_or_insert_with(|| {
            Box::new(Past {
                variants: Vec::new(),
                since,
            })
        });
        past.variants.retain(|variant| *variant != now);
        // What no limit can hold for does not matter.
        if before.class.is_login_of_a_person() && !past.variants.contains(&before) {
            past.variants.push(before);
        }
        if past.variants.len() > REMEMBERED {
            self.forget_the_laxest(terms);
        }
    }

    /// PAM's word completes what logind did not know; no user has changed anything.
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

    /// What an absolute limit that ends the session counts from. Where one holds that no lock puts
    /// off, or it is not decided whether one does, that stays what it was.
    pub(crate) fn ends_count_from(&self) -> BootTime {
        match &self.past {
            Some(past) if self.is_fixed() || self.standing == Standing::Undecided => past.since,
            Some(_) | None => self.locking.anchor(self.facts.started),
        }
    }

    /// Whether the absolute limit is one that no lock puts off or stands for.
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

    /// Other limits hold than those that counted from then. What was granted while no lock put off
    /// the absolute limit is for nothing where it counts from a later authentication now.
    pub(crate) fn forget_extensions_before(&mut self, since: BootTime) {
        let renewed = self.locking.renewed.is_some_and(|renewed| renewed > since);
        let decided = self.standing != Standing::Undecided;
        if self.past.is_some() && decided && !self.is_fixed() && renewed {
            self.granted = Granted::default();
        }
    }

    /// What the policy says of the session as it is and as it was. An absolute limit that has
    /// begun to count, as `begun` says of the limits that it is from, goes on unless another one
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

    /// Whether it depends on groups that nobody has told what holds.
    pub(crate) fn depends_on_groups(&self, terms: &Terms) -> bool {
        let unasked = &Groups::Untold;
        let depends = |subject: &Subject<'_>| terms.policy().judge(subject) == Verdict::NeedsGroups;
        let past = self.past.iter().flat_map(|past| &past.variants);
        depends(&self.facts.subject(unasked))
            || past
                .into_iter()
                .any(|variant| depends(&variant.subject(&self.facts, unasked)))
    }

    /// Of all the absolute limits that could hold, the one that does.
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
        // What has begun gives way to a limit that is shorter, and to no other.
        candidates.retain(|barrier| {
            let shorter = |length| barrier.limits.absolute.length < length;
            begun(&barrier.limits).is_some() || going.is_none_or(shorter)
        });
        let ends = candidates.into_iter().map(|barrier| {
            let begun = begun(&barrier.limits);
            let end = barrier.ends_at(now, since, self.granted, begun);
            // Of those that end the session at the same time, the one that has begun goes on.
            ((end, begun.is_none()), barrier)
        });
        let (_, barrier) = ends.min_by_key(|(end, _)| *end)?;
        Some(Box::new(Barrier {
            extensions,
            ..barrier
        }))
    }

    /// Of more than can be remembered, one is forgotten that changes nothing beside another, or
    /// else the one that is least of an end and ends latest.
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

/// The absolute limit of a session of this type, as one that may hold whatever it becomes.
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
