//! Finds inactivity limits that are longer than the absolute limit: an error if one table sets
//! both, a warning if one of them is inherited.

use std::ops::Range;

use session_timeout_texts::exactly;

use crate::diagnostic::Problem;
use crate::keys::Resolved;
use crate::resolve::policy::ResolvedPolicy;
use crate::source_map::SourceMap;

/// Reports the errors in `[default]`, which is one table even if several files set it, and in every
/// rule.
pub(crate) fn check(policy: &ResolvedPolicy, source_map: &mut SourceMap) {
    for (table, values) in policy.all() {
        // Only written values are compared: no allowed value is longer than the built-in absolute
        // limit.
        let (absolute, inactivity) = (&values.session_timeout, &values.inactivity_timeout);
        if absolute.by.is_of(table) && inactivity.by.is_of(table) {
            inactivity_exceeds_absolute(values, Problem::error, source_map);
        }
    }
}

/// Reports it at the more specific of the two limits.
pub(crate) fn inactivity_exceeds_absolute(
    values: &Resolved,
    problem: impl Fn(Range<usize>, String) -> Problem,
    source_map: &mut SourceMap,
) {
    let (absolute, inactivity) = (&values.session_timeout, &values.inactivity_timeout);
    let Some(length) = inactivity.value else {
        return;
    };
    if length <= absolute.value {
        return;
    }
    let (long, short) = (exactly(length), exactly(absolute.value));
    let (by, other, message, label) = if absolute.by.rank() > inactivity.by.rank() {
        (
            &absolute.by,
            &inactivity.by,
            "`session-timeout` is shorter than the inactivity limit",
            format!(
                "{}, and `inactivity-timeout` is {long}",
                absolute.by.sets(&short)
            ),
        )
    } else {
        (
            &inactivity.by,
            &absolute.by,
            "`inactivity-timeout` is longer than the absolute limit",
            format!(
                "{}, and `session-timeout` is {short}",
                inactivity.by.sets(&long)
            ),
        )
    };
    if let Some((_, at)) = by.at() {
        let label = label + &source_map.seen_from(at, other);
        let problem = problem(at.span.clone(), message.to_owned()).label(label);
        source_map.report(at.text, [problem]);
    }
}
