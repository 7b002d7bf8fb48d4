//! Absolute limits of sessions whose type, class or terminal was changed by their user.
//!
//! logind lets users set the type, the class and the terminal of their own sessions (`SetType`,
//! `SetClass`, `SetTTY` and `SetDisplay` of org.freedesktop.login1(5)), and rules may match these
//! properties. To prevent an evasion of limits, the engine records the earlier properties of a
//! session and evaluates the policy for all of them. The earliest absolute limit that ends the
//! session applies, even if it does not match the current properties. A lock does not count as an
//! end, because a user can fake one; neither do reports and exemptions. The inactivity limit
//! depends on the current properties only.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::compiled::{CompiledPolicy, EffectiveLimits};
use crate::session::Session;
use crate::session::countdown::Countdown;
use crate::session::locking::Hold;
use crate::session::request::Request;
use crate::{
    BootTime, EndAction, Extensions, Granted, Groups, Limits, SessionClass, SessionFacts,
    SessionType, Subject, Verdict,
};

/// The number of earlier properties that are recorded per session. A user can create a hundred.
const MAX_RECORDED: usize = 16;

/// The properties of a session that its user can change, at one point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeableProperties {
    /// The class of the login.
    pub class: SessionClass,
    /// The type of the session.
    pub session_type: SessionType,
    /// The terminal or display.
    pub terminal: Option<String>,
}

/// Earlier properties of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierProperties {
    /// All earlier properties, without duplicates and without the current ones.
    pub properties: Vec<ChangeableProperties>,
    /// The time that an absolute limit that ends the session counts from: the login, or the last
    /// time that the screen was locked for a limit or unlocked by its user while no such limit
    /// applied.
    pub counts_from: BootTime,
    /// The source of the absolute limit when the properties were recorded, if a limit applied.
    pub previous_source: Option<LimitsSource>,
}

/// The source of limits in the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitsSource {
    /// The default of the policy.
    Default,
    /// The rule with this name.
    Rule(String),
}

/// The absolute limit that applies to a session whose properties were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AbsoluteOverride {
    /// Limits with clamped leads.
    pub(crate) limits: Arc<Limits>,
    /// The rule of these limits; `None` for the default.
    pub(crate) rule: Option<String>,
    /// The end action for the session type that the rule matched.
    pub(crate) end_action: EndAction,
    /// The fewest extensions that any of the matching limits allows.
    pub(crate) extensions: Extensions,
}

/// End actions by severity. Among the limits with the most severe one, the earliest applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Report,
    Lock,
    End,
}

impl ChangeableProperties {
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

impl AbsoluteOverride {
    pub(crate) fn source(&self) -> LimitsSource {
        self.rule
            .clone()
            .map_or(LimitsSource::Default, LimitsSource::Rule)
    }

    const fn severity(&self) -> Severity {
        match self.end_action {
            EndAction::Report => Severity::Report,
            EndAction::Lock => Severity::Lock,
            EndAction::HangUp | EndAction::Terminate => Severity::End,
        }
    }

    /// The time at which it ends the session, if its countdown begins now or has begun. An
    /// announced end stays: another limit precedes it only if there is time for its own warning.
    fn ends_at(
        &self,
        now: BootTime,
        since: BootTime,
        granted: Granted,
        begun: Option<&Countdown>,
    ) -> BootTime {
        let limit = &self.limits.absolute;
        let end = since.saturating_add(granted.with_extensions(limit.length));
        let named = begun.and_then(|begun| begun.not_before);
        let warned = || now.saturating_add(limit.leads.shortest().unwrap_or_default());
        end.max(named.unwrap_or_else(warned))
    }
}

impl Session {
    /// The current properties of the session.
    pub(crate) fn properties(&self) -> ChangeableProperties {
        ChangeableProperties::of(&self.facts)
    }

    /// Records the properties `before` a change.
    pub(crate) fn record_earlier_properties(
        &mut self,
        before: ChangeableProperties,
        policy: &CompiledPolicy,
    ) {
        let now = self.properties();
        if before == now {
            return;
        }
        if !self.idle_matters() && matches!(self.probe, Request::Pending { .. }) {
            // Nothing counts from the last activity now, so the open probe is dropped. The pause
            // after a failed one stays.
            self.drop_probe();
        }
        let since = self.absolute_anchor();
        let earlier = self.earlier.get_or_insert_with(|| {
            Box::new(EarlierProperties {
                properties: Vec::new(),
                counts_from: since,
                previous_source: None,
            })
        });
        earlier.properties.retain(|properties| *properties != now);
        // Limits apply to no other class.
        if before.class.is_login_of_a_person() && !earlier.properties.contains(&before) {
            earlier.properties.push(before);
        }
        if earlier.properties.len() > MAX_RECORDED {
            self.forget_laxest(policy);
        }
    }

    /// PAM has completed properties that logind did not know; this is not a change by the user.
    pub(crate) fn complete_earlier_properties(&mut self) {
        let Some(earlier) = &mut self.earlier else {
            return;
        };
        for properties in &mut earlier.properties {
            if properties.terminal.is_none() {
                properties.terminal.clone_from(&self.facts.terminal);
            }
        }
        let now = ChangeableProperties::of(&self.facts);
        earlier.properties.retain(|properties| *properties != now);
        earlier.properties.dedup();
    }

    /// The time that an absolute limit that ends the session counts from. It is constant while such
    /// a limit applies, or may apply (groups not resolved).
    pub(crate) fn absolute_anchor(&self) -> BootTime {
        match &self.earlier {
            Some(earlier)
                if self.ends_despite_lock() || self.effective == EffectiveLimits::Undecided =>
            {
                earlier.counts_from
            }
            Some(_) | None => self.locking.anchor(self.facts.started),
        }
    }

    /// Whether the absolute limit ends the session even if its screen is locked.
    pub(crate) fn ends_despite_lock(&self) -> bool {
        let ends = |overriding: &AbsoluteOverride| overriding.severity() == Severity::End;
        self.overriding.as_deref().is_some_and(ends)
    }

    /// Whether an unlock of this lock restarts the absolute limit and clears its extensions. It
    /// does not restart a limit that ends the session. After a restart of the daemon, until the
    /// limits are decided, the limit from before the restart decides: if it ended the session, it
    /// counts from a time before the lock.
    pub(crate) fn unlock_restarts_absolute(&self, lock: Hold) -> bool {
        match &self.earlier {
            Some(earlier) if self.effective == EffectiveLimits::Undecided => {
                earlier.counts_from >= lock.since
            }
            Some(_) | None => !self.ends_despite_lock(),
        }
    }

    /// Clears extensions after a change of limits; the earlier limits counted from `since`.
    /// Extensions of a limit that ended the session are cleared if the absolute limit now counts
    /// from a later unlock.
    pub(crate) fn forget_extensions_before(&mut self, since: BootTime) {
        let is_restarted = self
            .locking
            .unlocked_at
            .is_some_and(|unlocked_at| unlocked_at > since);
        let decided = self.effective != EffectiveLimits::Undecided;
        if self.earlier.is_some() && decided && !self.ends_despite_lock() && is_restarted {
            self.granted = Granted::default();
        }
    }

    /// Evaluates the policy for the current and the earlier properties of the session. An absolute
    /// limit whose countdown has begun (`begun`) continues unless another one ends the session
    /// sooner.
    pub(crate) fn evaluate<'c>(
        &self,
        now: BootTime,
        policy: &CompiledPolicy,
        begun: impl Fn(&Limits) -> Option<&'c Countdown>,
    ) -> (EffectiveLimits, Option<Box<AbsoluteOverride>>) {
        let effective = EffectiveLimits::of(policy, &self.facts.subject(&self.groups));
        let Some(earlier) = &self.earlier else {
            return (effective, None);
        };
        let mut candidates: Vec<AbsoluteOverride> = Vec::new();
        candidates.extend(override_of(&effective, self.facts.session_type));
        let mut undecided = effective == EffectiveLimits::Undecided;
        for properties in &earlier.properties {
            let subject = properties.subject(&self.facts, &self.groups);
            let effective = EffectiveLimits::of(policy, &subject);
            undecided |= effective == EffectiveLimits::Undecided;
            candidates.extend(override_of(&effective, properties.session_type));
        }
        if undecided {
            return (EffectiveLimits::Undecided, None);
        }
        let effective = match effective {
            EffectiveLimits::Exempt(_) => {
                strictest(&candidates).map_or(effective, |overriding| EffectiveLimits::Limited {
                    limits: Arc::clone(&overriding.limits),
                    rule: overriding.rule.clone(),
                })
            }
            limited => limited,
        };
        let overriding = self.earliest(now, candidates, begun);
        (effective, overriding)
    }

    /// Extends shorter limits too, when the absolute limit of this length was extended to `until`.
    /// A shorter limit did not apply if its warning would have come too late; if the extension
    /// leaves time for the warning, the shorter limit applies from now on, with the same end.
    pub(crate) fn extend_shorter_limits(
        &mut self,
        now: BootTime,
        policy: &CompiledPolicy,
        (mut length, until): (Duration, BootTime),
    ) {
        while let (_, Some(overriding)) = self.evaluate_now(now, policy)
            && overriding.limits.absolute.length < length
        {
            length = overriding.limits.absolute.length;
            let span = until.since(self.absolute_anchor());
            self.granted.total = span.saturating_sub(length);
        }
    }

    /// Whether the limits depend on groups that are not resolved yet.
    pub(crate) fn depends_on_groups(&self, policy: &CompiledPolicy) -> bool {
        let unasked = &Groups::Unknown;
        let depends =
            |subject: &Subject<'_>| policy.source().evaluate(subject) == Verdict::NeedsGroups;
        let earlier = self.earlier.iter().flat_map(|earlier| &earlier.properties);
        depends(&self.facts.subject(unasked))
            || earlier
                .into_iter()
                .any(|properties| depends(&properties.subject(&self.facts, unasked)))
    }

    /// Selects the absolute limit that applies, among all that match.
    fn earliest<'c>(
        &self,
        now: BootTime,
        mut candidates: Vec<AbsoluteOverride>,
        begun: impl Fn(&Limits) -> Option<&'c Countdown>,
    ) -> Option<Box<AbsoluteOverride>> {
        let severity = candidates.iter().map(AbsoluteOverride::severity).max()?;
        let since = match severity {
            Severity::Report => return None,
            Severity::Lock => self.locking.anchor(self.facts.started),
            Severity::End => self.absolute_anchor(),
        };
        candidates.retain(|overriding| overriding.severity() == severity);
        let allowed = candidates
            .iter()
            .map(|overriding| overriding.limits.extensions);
        let extensions = Extensions {
            times: allowed.clone().map(|allowed| allowed.times).min()?,
            by: allowed.map(|allowed| allowed.by).min()?,
        };
        let mut running = candidates.iter();
        let running = running.find(|overriding| begun(&overriding.limits).is_some());
        let running = running.map(|overriding| overriding.limits.absolute.length);
        // Only a shorter limit replaces the limit whose countdown has begun.
        candidates.retain(|overriding| {
            let shorter = |length| overriding.limits.absolute.length < length;
            begun(&overriding.limits).is_some() || running.is_none_or(shorter)
        });
        let ends = candidates.into_iter().map(|overriding| {
            let begun = begun(&overriding.limits);
            let end = overriding.ends_at(now, since, self.granted, begun);
            // Of limits that end the session at the same time, the one whose countdown has begun
            // continues.
            (
                (end, begun.is_none(), !self.held_before(&overriding)),
                overriding,
            )
        });
        let (_, overriding) = ends.min_by_key(|(end, _)| *end)?;
        Some(Box::new(AbsoluteOverride {
            extensions,
            ..overriding
        }))
    }

    /// Whether this limit applied when the session was recorded. This matters after a restart,
    /// until the limits are decided, because a record does not distinguish limits of the same
    /// length.
    fn held_before(&self, overriding: &AbsoluteOverride) -> bool {
        let earlier = self.earlier.as_deref();
        let held = earlier.and_then(|earlier| earlier.previous_source.as_ref());
        self.effective == EffectiveLimits::Undecided && held == Some(&overriding.source())
    }

    /// Removes one of the recorded properties if there are too many: one with the same limits as
    /// another, or else the one with the least strict limit.
    fn forget_laxest(&mut self, policy: &CompiledPolicy) {
        let Some(earlier) = &mut self.earlier else {
            return;
        };
        let facts = (&self.facts, &self.groups);
        let candidates_of = |properties: &ChangeableProperties| {
            let effective = EffectiveLimits::of(policy, &properties.subject(facts.0, facts.1));
            override_of(&effective, properties.session_type)
        };
        let candidates_of: Vec<Option<AbsoluteOverride>> =
            earlier.properties.iter().map(candidates_of).collect();
        let double = (1..candidates_of.len()).rev().find(|at| {
            let (before, one) = candidates_of.split_at(*at);
            before.iter().any(|other| Some(other) == one.first())
        });
        let strictness = |at: &usize| {
            let overriding = candidates_of.get(*at)?.as_ref()?;
            let length = overriding.limits.absolute.length;
            Some((overriding.severity(), std::cmp::Reverse(length)))
        };
        let laxest = || (0..candidates_of.len()).min_by_key(strictness);
        if let Some(at) = double.or_else(laxest) {
            earlier.properties.remove(at);
        }
    }
}

/// The absolute limit of a session of this type.
fn override_of(effective: &EffectiveLimits, session_type: SessionType) -> Option<AbsoluteOverride> {
    match effective {
        EffectiveLimits::Limited { limits, rule } => Some(AbsoluteOverride {
            limits: Arc::clone(limits),
            rule: rule.clone(),
            end_action: limits.end_action.for_session_type(session_type),
            extensions: limits.extensions,
        }),
        EffectiveLimits::Exempt(_) | EffectiveLimits::Undecided => None,
    }
}

fn strictest(candidates: &[AbsoluteOverride]) -> Option<&AbsoluteOverride> {
    let mut candidates = candidates.iter().rev();
    let first = candidates.next()?;
    Some(candidates.fold(first, |strictest, other| {
        let order = |one: &AbsoluteOverride| {
            let length = one.limits.absolute.length;
            (one.severity(), std::cmp::Reverse(length))
        };
        if order(other) >= order(strictest) {
            other
        } else {
            strictest
        }
    }))
}
