//! The state of the daemon and of its sessions, for D-Bus.

use std::time::Duration;

use session_timeout_config::{Setting, Settings};
use session_timeout_policy::{
    ActivityKind, BootTime, Engine, Extensions, Granted, Groups, IdleSource, LimitKind, Limits,
    Milestone, MilestoneKind, Phase, SessionFacts, SessionId, View,
};

use zbus::names::OwnedUniqueName;

use crate::agents::{Agents, Source};
use crate::unwarned::Unwarned;

/// The state of the daemon, which can be read at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) policy_path: String,
    pub(crate) policy_state: &'static str,
    pub(crate) policy_error: Option<String>,
    pub(crate) short_limits: bool,
    pub(crate) logind_connected: bool,
    pub(crate) rejected_frames: u64,
}

/// Where one session stands.
#[derive(Debug)]
pub(crate) struct SessionReport {
    pub(crate) facts: SessionFacts,
    pub(crate) phase: Phase,
    pub(crate) rule: Option<String>,
    pub(crate) groups: Groups,
    pub(crate) idle: Option<Duration>,
    pub(crate) idle_source: IdleSource,
    pub(crate) idle_fallbacks: Vec<IdleSource>,
    /// The time since its last probe, if there was one.
    pub(crate) probed: Option<Duration>,
    /// How the agent of its desktop knows, where there is one.
    pub(crate) agent: Option<Source>,
    /// Which connection of the bus that is.
    pub(crate) agent_name: Option<OwnedUniqueName>,
    /// Who holds the inhibitor lock that counts for it.
    pub(crate) inhibitor: Option<String>,
    /// For how long without input an agent is to watch.
    pub(crate) watch: Option<Duration>,
    pub(crate) ends: Option<(LimitKind, Duration)>,
    /// How long the limit is that it ends by, with what was granted beyond it.
    pub(crate) length: Option<Duration>,
    pub(crate) limits: Option<Limits>,
    /// The absolute limit, which may be earlier than the one in the settings.
    pub(crate) absolute: Option<Duration>,
    /// The rule of an earlier absolute limit, for a session whose user has changed its properties;
    /// empty for `[default]`.
    pub(crate) absolute_rule: Option<String>,
    /// How often and by how much the absolute limit may be extended.
    pub(crate) extensions: Option<Extensions>,
    pub(crate) granted: Granted,
    pub(crate) locked: bool,
    /// It was to be locked, and its desktop has not said that it is.
    pub(crate) lock_missed: bool,
    /// Nobody received its last warning.
    pub(crate) unwarned: bool,
}

/// Why one session stands there.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) session: SessionReport,
    /// Every value of the policy for it, and where that was set; none where no limit holds.
    pub(crate) settings: Vec<Setting>,
    /// What comes next, and in how long.
    pub(crate) schedule: Vec<(MilestoneKind, Duration)>,
}

impl SessionReport {
    pub(crate) fn of(
        session: &View<'_>,
        now: BootTime,
        agents: &Agents,
        unwarned: &Unwarned,
    ) -> Self {
        let activity = session.activity;
        let idle_source = activity.source;
        let counts = |limits: &Limits| limits.activity.contains(&ActivityKind::Inhibitor);
        let inhibits = session.limits.is_some_and(counts);
        let known = idle_source != IdleSource::Unknown;
        Self {
            facts: session.facts.clone(),
            phase: session.phase,
            rule: session.rule.map(str::to_owned),
            groups: session.groups.clone(),
            idle: known.then(|| now.since(activity.latest())),
            idle_source,
            idle_fallbacks: activity.fallbacks.iter().copied().collect(),
            probed: activity.clocks.map(|_| now.since(activity.probed_at)),
            agent: agents.source_of(&session.facts.key),
            agent_name: agents.name_of(&session.facts.key),
            inhibitor: activity.inhibitor.clone().filter(|_| inhibits),
            watch: session.watch,
            ends: session.next_end.map(|(limit, end)| (limit, end.since(now))),
            length: session
                .next_end
                .and_then(|(limit, _)| session.length(limit)),
            limits: session.limits.cloned(),
            absolute: session
                .limits_for(LimitKind::Absolute)
                .map(|limits| limits.absolute.length),
            absolute_rule: session
                .overriding
                .map(|limit| limit.rule.unwrap_or_default().to_owned()),
            extensions: session.extensions(),
            granted: session.granted,
            locked: session.locking.locked,
            lock_missed: session.locking.unconfirmed,
            unwarned: unwarned.has(&session.facts.key),
        }
    }
}

/// Explains the session with this id under a policy that was set so; `None`: there is none.
pub(crate) fn explain(
    engine: &Engine,
    settings: Option<&Settings>,
    id: &SessionId,
    now: BootTime,
    agents: &Agents,
    unwarned: &Unwarned,
) -> Option<Explanation> {
    let session = engine.session(id)?;
    let settings = settings
        .filter(|_| session.limits.is_some())
        .and_then(|settings| settings.explain(session.rule));
    let to_come = |milestone: Milestone| (milestone.what, milestone.at.since(now));
    Some(Explanation {
        session: SessionReport::of(&session, now, agents, unwarned),
        settings: settings.unwrap_or_default(),
        schedule: engine.schedule(id).into_iter().map(to_come).collect(),
    })
}
