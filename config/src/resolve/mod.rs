//! Which value of each key holds, and who set it.
//!
//! A rule's own key comes first, then the rule's preset, then a key of `[default]`, then the
//! preset of `[default]`, and what nobody set is built in.

pub(crate) mod merge;
pub(crate) mod tables;

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{
    ActivityKind, Bell, EndAction, Extensions, Leads, Limit, Limits, Mesg, UnknownIdle,
};
use toml::Spanned;

use crate::origin::{By, Placed, Table};
use crate::parse::fragment::{Fragment, LeadsTyped};
use crate::preset::Preset;

/// A value that holds.
#[derive(Clone, Debug)]
pub(crate) struct Chosen<T> {
    pub(crate) value: T,
    pub(crate) by: By,
}

/// Every value that holds for a rule, or for whom no rule matches.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) session_timeout: Chosen<Duration>,
    pub(crate) session_warnings: Chosen<LeadsTyped>,
    pub(crate) inactivity_timeout: Chosen<Option<Duration>>,
    pub(crate) inactivity_warnings: Chosen<LeadsTyped>,
    pub(crate) lock_after: Chosen<Option<Duration>>,
    pub(crate) action: Chosen<EndAction>,
    pub(crate) activity: Chosen<BTreeSet<ActivityKind>>,
    pub(crate) unknown_idle: Chosen<UnknownIdle>,
    pub(crate) grace: Chosen<Duration>,
    pub(crate) extend_times: Chosen<u32>,
    pub(crate) extend_by: Chosen<Duration>,
    pub(crate) message: Chosen<Option<String>>,
    pub(crate) bell: Chosen<Bell>,
    pub(crate) mesg: Chosen<Mesg>,
}

/// The tables that a value may be in; the first that has it wins.
struct Layers<'a> {
    rule: Option<&'a Fragment>,
    default: &'a Fragment,
}

impl Resolved {
    /// What holds under a rule with this fragment, or under none.
    pub(crate) fn of(rule: Option<&Fragment>, default: &Fragment) -> Self {
        let layers = Layers { rule, default };
        let built_in = Limits::default();
        let session_leads = built_in.absolute.leads;
        Self {
            session_timeout: layers.choose_limit(
                |table| table.session_timeout.clone(),
                |preset| preset.session_timeout,
                built_in.absolute.length,
            ),
            session_warnings: layers.choose(
                |table| table.session_warnings.clone(),
                session_leads
                    .iter()
                    .map(|lead| Spanned::new(0..0, lead))
                    .collect(),
            ),
            inactivity_timeout: layers.choose_limit(
                |table| table.inactivity_timeout.clone(),
                |preset| preset.inactivity_timeout.map(Some),
                built_in.inactivity.map(|limit| limit.length),
            ),
            inactivity_warnings: layers.choose(
                |table| table.inactivity_warnings.clone(),
                INACTIVITY_LEADS.map(|lead| Spanned::new(0..0, lead)).into(),
            ),
            lock_after: layers.choose(|table| table.lock_after.clone(), built_in.lock_after),
            action: layers.choose(|table| table.action.clone(), built_in.end_action),
            activity: layers.choose(|table| table.activity.clone(), built_in.activity),
            unknown_idle: layers.choose(|table| table.unknown_idle.clone(), built_in.unknown_idle),
            grace: layers.choose(|table| table.grace.clone(), built_in.grace),
            extend_times: layers.choose(
                |table| table.extend_times.clone(),
                built_in.extensions.times,
            ),
            extend_by: layers.choose(|table| table.extend_by.clone(), built_in.extensions.by),
            message: layers.choose(
                |table| table.message.clone().map(|text| text.map(Some)),
                built_in.message,
            ),
            bell: layers.choose(|table| table.bell.clone(), built_in.bell),
            mesg: layers.choose(|table| table.mesg.clone(), built_in.mesg),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            absolute: Limit {
                length: self.session_timeout.value,
                leads: leads(&self.session_warnings.value),
            },
            inactivity: self.inactivity_timeout.value.map(|length| Limit {
                length,
                leads: leads(&self.inactivity_warnings.value),
            }),
            lock_after: self.lock_after.value,
            end_action: self.action.value,
            activity: self.activity.value.clone(),
            unknown_idle: self.unknown_idle.value,
            grace: self.grace.value,
            extensions: Extensions {
                times: self.extend_times.value,
                by: self.extend_by.value,
            },
            message: self.message.value.clone(),
            bell: self.bell.value,
            mesg: self.mesg.value,
        }
    }
}

/// How many keys there are.
pub(crate) const VALUES: usize = 14;

impl Resolved {
    /// Every key, in the order of the manual, and who set it.
    pub(crate) const fn by_key(&self) -> [(&'static str, &By); VALUES] {
        [
            ("session-timeout", &self.session_timeout.by),
            ("session-warnings", &self.session_warnings.by),
            ("inactivity-timeout", &self.inactivity_timeout.by),
            ("inactivity-warnings", &self.inactivity_warnings.by),
            ("lock-after", &self.lock_after.by),
            ("action", &self.action.by),
            ("activity", &self.activity.by),
            ("unknown-idle", &self.unknown_idle.by),
            ("grace", &self.grace.by),
            ("extend.times", &self.extend_times.by),
            ("extend.by", &self.extend_by.by),
            ("message", &self.message.by),
            ("bell", &self.bell.by),
            ("mesg", &self.mesg.by),
        ]
    }
}

/// `inactivity-warnings` where nobody set them. They are not in [`Limits::default`], because
/// there the limit is off.
const INACTIVITY_LEADS: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(30)];

pub(crate) fn leads(typed: &LeadsTyped) -> Leads {
    Leads::new(typed.iter().map(|lead| *lead.get_ref()))
}

impl<'a> Layers<'a> {
    /// The value of a key that no preset sets.
    fn choose<T>(&self, own: impl Fn(&Fragment) -> Option<Placed<T>>, built_in: T) -> Chosen<T> {
        self.choose_limit(own, |_| None, built_in)
    }

    fn choose_limit<T>(
        &self,
        own: impl Fn(&Fragment) -> Option<Placed<T>>,
        preset: impl Fn(&Preset) -> Option<T>,
        built_in: T,
    ) -> Chosen<T> {
        let mut layers = self.tables().map(|(table, fragment)| {
            let of_key = own(fragment).map(|found| Chosen {
                value: found.value,
                by: By::Key(table, found.at),
            });
            of_key.or_else(|| {
                let named = fragment.preset.as_ref()?;
                let value = preset(named.value)?;
                let by = By::Preset(table, named.value, named.at.clone());
                Some(Chosen { value, by })
            })
        });
        layers.find_map(|found| found).unwrap_or(Chosen {
            value: built_in,
            by: By::Nobody,
        })
    }

    fn tables(&self) -> impl Iterator<Item = (Table, &'a Fragment)> {
        let rule = self.rule.map(|fragment| (Table::Rule, fragment));
        rule.into_iter().chain([(Table::Default, self.default)])
    }
}

impl<T> Placed<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Placed<U> {
        Placed {
            value: f(self.value),
            at: self.at,
        }
    }
}
