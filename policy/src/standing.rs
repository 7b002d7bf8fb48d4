//! What the policy says of one session, as it stands.

use crate::{
    EndAction, Exemption, Groups, Limit, LimitKind, Limits, Policy, SessionFacts, Verdict,
};

/// What the policy says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Exempt(Exemption),
    /// Its limits, with leads that fit, and the rule that they are from.
    Limited {
        limits: Box<Limits>,
        rule: Option<String>,
    },
    /// It depends on groups that were never told. Nothing is done until they are, or cannot be.
    Undecided,
}

impl Standing {
    /// What this policy says.
    pub(crate) fn of(policy: &Policy, facts: &SessionFacts, groups: &Groups) -> Self {
        match policy.judge(&facts.subject(groups)) {
            Verdict::Exempt(why) => Self::Exempt(why),
            Verdict::Limited { limits, rule } => Self::Limited {
                limits: Box::new(fitted(limits)),
                rule: rule.map(str::to_owned),
            },
            Verdict::NeedsGroups => Self::Undecided,
        }
    }

    /// What a countdown of this kind runs under: other terms start it afresh.
    pub(crate) fn terms(&self, kind: LimitKind) -> Option<(&Limit, EndAction)> {
        match self {
            Self::Limited { limits, .. } => {
                limits.get(kind).map(|limit| (limit, limits.end_action))
            }
            Self::Exempt(_) | Self::Undecided => None,
        }
    }
}

/// Limits with leads that fit into them. A report is no threat, so nobody is warned of one.
pub(crate) fn fitted(limits: &Limits) -> Limits {
    let fit = |limit: &Limit| match limits.end_action {
        EndAction::HangUp | EndAction::Lock | EndAction::Terminate => limit.fitted(),
        EndAction::Report => limit.silent(),
    };
    Limits {
        absolute: fit(&limits.absolute),
        inactivity: limits.inactivity.as_ref().map(fit),
        ..limits.clone()
    }
}
