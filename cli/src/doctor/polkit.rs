//! Checks that users can authenticate for the extensions that the policy grants.

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::policy_limits::{Extensions, PolicyLimits};

/// Whether polkit is on the system bus, or can be started there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polkit {
    There,
    Missing,
    /// The bus did not reply.
    Unknown,
}

/// The finding, if the policy grants extensions.
pub(crate) fn examine(polkit: Polkit, policy_limits: &PolicyLimits) -> Option<Finding> {
    let check = Check::SystemPolkit;
    match (policy_limits.extensions, polkit) {
        (Extensions::Nobody, _) | (_, Polkit::Unknown) => None,
        (Extensions::Some, Polkit::There) => Some(Finding::ok(
            check,
            "polkit is there, so that users can authenticate for more time",
        )),
        (Extensions::Some, Polkit::Missing) => {
            let what = "the policy lets users have more time (extend), and there is no polkit that \
                        they could authenticate to: only root can give it to them";
            Some(Finding::warning(check, what).run_this("apt install polkitd"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Fix, Level};

    fn found(extensions: Extensions, polkit: Polkit) -> Option<Level> {
        let policy_limits = PolicyLimits {
            extensions,
            ..PolicyLimits::default()
        };
        examine(polkit, &policy_limits).map(|finding| finding.level)
    }

    #[test]
    fn polkit_is_missed_only_where_somebody_may_have_more_time() {
        assert_eq!(found(Extensions::Nobody, Polkit::Missing), None);
        assert_eq!(
            found(Extensions::Some, Polkit::Missing),
            Some(Level::Warning)
        );
        assert_eq!(found(Extensions::Some, Polkit::There), Some(Level::Ok));
        assert_eq!(found(Extensions::Some, Polkit::Unknown), None);
    }

    #[test]
    fn the_fix_is_debians_package() {
        let policy_limits = PolicyLimits {
            extensions: Extensions::Some,
            ..PolicyLimits::default()
        };
        let finding = examine(Polkit::Missing, &policy_limits).unwrap();
        assert_eq!(finding.fix, Some(Fix::Run("apt install polkitd".into())));
    }
}
