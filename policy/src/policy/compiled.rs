//! The policy prepared for evaluation, and its result for one session.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{EndAction, Exemption, Limit, Limits, Policy, Subject, Verdict};

/// The limits that apply to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EffectiveLimits {
    Exempt(Exemption),
    /// Limits apply: they come from this rule, and their leads are shorter than the limit.
    Limited {
        limits: Arc<Limits>,
        rule: Option<String>,
    },
    /// The result depends on groups that are not resolved yet. No limit applies until they are
    /// resolved or the request fails.
    Undecided,
}

/// The policy in force. All sessions share its limits, whose leads are already clamped.
#[derive(Clone, Debug)]
pub(crate) struct CompiledPolicy {
    source: Policy,
    default: Option<Arc<Limits>>,
    /// Limits by the name of their rule.
    rules: BTreeMap<String, Arc<Limits>>,
}

impl CompiledPolicy {
    pub(crate) fn new(policy: Policy) -> Self {
        let share = |limits: &Limits| Arc::new(clamped(limits));
        let rules = policy.rules.iter();
        Self {
            default: policy.default.as_ref().map(share),
            rules: rules
                .map(|rule| (rule.name.clone(), share(&rule.limits)))
                .collect(),
            source: policy,
        }
    }

    pub(crate) const fn source(&self) -> &Policy {
        &self.source
    }

    fn limits(&self, rule: Option<&str>) -> Option<&Arc<Limits>> {
        match rule {
            Some(name) => self.rules.get(name),
            None => self.default.as_ref(),
        }
    }
}

impl EffectiveLimits {
    /// Evaluates the policy.
    pub(crate) fn of(policy: &CompiledPolicy, subject: &Subject<'_>) -> Self {
        match policy.source.evaluate(subject) {
            Verdict::Exempt(why) => Self::Exempt(why),
            Verdict::Limited { limits, rule } => Self::Limited {
                limits: match policy.limits(rule) {
                    Some(shared) => Arc::clone(shared),
                    None => Arc::new(clamped(limits)),
                },
                rule: rule.map(str::to_owned),
            },
            Verdict::NeedsGroups => Self::Undecided,
        }
    }
}

/// These limits with clamped leads. With the end action `report` there are no warnings.
pub(crate) fn clamped(limits: &Limits) -> Limits {
    let fit = |limit: &Limit| match limits.end_action {
        EndAction::HangUp | EndAction::Lock | EndAction::Terminate => limit.clamped(),
        EndAction::Report => limit.without_warnings(),
    };
    Limits {
        absolute: fit(&limits.absolute),
        inactivity: limits.inactivity.as_ref().map(fit),
        ..limits.clone()
    }
}
