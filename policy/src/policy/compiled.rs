//! The result of the policy for one session.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{EndAction, Exemption, Limit, Limits, Policy, Subject, Verdict};

/// The result of the policy for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Exempt(Exemption),
    /// Its limits, with leads that fit, and the rule that they are from.
    Limited {
        limits: Arc<Limits>,
        rule: Option<String>,
    },
    /// It depends on groups that are not known yet. Nothing is done until they are, or time out.
    Undecided,
}

/// The policy in force, and its limits with leads that fit, shared by all sessions.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    policy: Policy,
    default: Option<Arc<Limits>>,
    /// By the name of their rule.
    rules: BTreeMap<String, Arc<Limits>>,
}

impl Terms {
    pub(crate) fn new(policy: Policy) -> Self {
        let share = |limits: &Limits| Arc::new(fitted(limits));
        let rules = policy.rules.iter();
        Self {
            default: policy.default.as_ref().map(share),
            rules: rules
                .map(|rule| (rule.name.clone(), share(&rule.limits)))
                .collect(),
            policy,
        }
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    fn limits(&self, rule: Option<&str>) -> Option<&Arc<Limits>> {
        match rule {
            Some(name) => self.rules.get(name),
            None => self.default.as_ref(),
        }
    }
}

impl Standing {
    /// Evaluates the policy.
    pub(crate) fn of(terms: &Terms, subject: &Subject<'_>) -> Self {
        match terms.policy.judge(subject) {
            Verdict::Exempt(why) => Self::Exempt(why),
            Verdict::Limited { limits, rule } => Self::Limited {
                limits: match terms.limits(rule) {
                    Some(shared) => Arc::clone(shared),
                    None => Arc::new(fitted(limits)),
                },
                rule: rule.map(str::to_owned),
            },
            Verdict::NeedsGroups => Self::Undecided,
        }
    }
}

/// Limits with leads that fit. A report has no warnings.
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
