//! Several texts to one: what is typed later is added to what is typed earlier, or replaces it.

use crate::parse::document::{Document, MAX_RULES, too_many};
use crate::parse::fragment::Fragment;
use crate::parse::rule::RuleTyped;
use crate::source_map::Texts;

/// What all texts say together.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) default: Fragment,
    pub(crate) rules: Vec<RuleTyped>,
}

/// Takes the documents in their order. A key of `[default]` replaces the same key of an earlier
/// text; a rule takes the place of an earlier one of its name, or comes after all others.
pub(crate) fn merge(documents: Vec<Document>, texts: &mut Texts) -> Merged {
    let mut merged = Merged::default();
    for document in documents {
        merged.default.replace_by(document.default);
        for rule in document.rules {
            let count = merged.rules.len();
            let mut others = merged.rules.iter_mut();
            match others.find(|other| other.name.value == rule.name.value) {
                Some(other) => *other = rule,
                None if count < MAX_RULES => merged.rules.push(rule),
                None => {
                    let at = rule.name.at;
                    texts.found(at.text, [too_many(at.span)]);
                    return merged;
                }
            }
        }
    }
    merged
}

impl Fragment {
    /// Every key that the later table has.
    fn replace_by(&mut self, later: Self) {
        let Self {
            session_timeout,
            session_warnings,
            inactivity_timeout,
            inactivity_warnings,
            lock_after,
            action,
            activity,
            unknown_idle,
            grace,
            extend_times,
            extend_by,
            message,
            bell,
            mesg,
            preset,
        } = self;
        replace(session_timeout, later.session_timeout);
        replace(session_warnings, later.session_warnings);
        replace(inactivity_timeout, later.inactivity_timeout);
        replace(inactivity_warnings, later.inactivity_warnings);
        replace(lock_after, later.lock_after);
        replace(action, later.action);
        replace(activity, later.activity);
        replace(unknown_idle, later.unknown_idle);
        replace(grace, later.grace);
        replace(extend_times, later.extend_times);
        replace(extend_by, later.extend_by);
        replace(message, later.message);
        replace(bell, later.bell);
        replace(mesg, later.mesg);
        replace(preset, later.preset);
    }
}

fn replace<T>(earlier: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *earlier = later;
    }
}
