//! Which limits hold for whom.

use std::fmt;

use crate::{Limits, SessionClass, SessionType, Uid};

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What holds for every session that is judged; `None` where no policy could be had at all, and
    /// nothing is enforced.
    pub default: Option<Limits>,
    /// `UID_MIN` of login.defs(5): accounts below it are the system's, not people's.
    pub first_regular_uid: Uid,
}

impl Policy {
    /// What this policy says about a session of this subject.
    ///
    /// Only logins of people are judged: greeters, lock screens, user managers and background
    /// sessions never are, and neither are root and the system's accounts.
    #[must_use]
    pub fn judge(&self, subject: &Subject) -> Verdict<'_> {
        if !subject.class.is_login_of_a_person() {
            return Verdict::Exempt(Exemption::Class);
        }
        if subject.uid == Uid::ROOT {
            return Verdict::Exempt(Exemption::Root);
        }
        if subject.uid < self.first_regular_uid {
            return Verdict::Exempt(Exemption::SystemAccount);
        }
        self.default
            .as_ref()
            .map_or(Verdict::Exempt(Exemption::NoPolicy), Verdict::Limited)
    }
}

impl Default for Policy {
    /// The shipped limits, and the `UID_MIN` of Debian's login.defs.
    fn default() -> Self {
        Self {
            default: Some(Limits::default()),
            first_regular_uid: Uid::new(1000),
        }
    }
}

/// Whom a policy is asked about: the facts of a session that can pick a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user's id.
    pub uid: Uid,
    /// logind's class of the session.
    pub class: SessionClass,
    /// logind's type of the session.
    pub session_type: SessionType,
}

/// The answer of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// These limits hold.
    Limited(&'a Limits),
    /// No limit holds.
    Exempt(Exemption),
}

/// Why no limit holds for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// Not the login of a person, by its logind class.
    Class,
    /// The user logged out; what was left running is `KillUserProcesses=`'s concern.
    LoggedOut,
    /// There is no policy to judge by.
    NoPolicy,
    /// root.
    Root,
    /// An account of the system: its uid is below `UID_MIN`.
    SystemAccount,
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Class => "not a login of a person",
            Self::LoggedOut => "logged out",
            Self::NoPolicy => "no policy",
            Self::Root => "root",
            Self::SystemAccount => "system account",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(uid: u32, class: SessionClass) -> Option<Exemption> {
        let subject = Subject {
            uid: Uid::new(uid),
            class,
            session_type: SessionType::Tty,
        };
        match Policy::default().judge(&subject) {
            Verdict::Limited(_) => None,
            Verdict::Exempt(why) => Some(why),
        }
    }

    #[test]
    fn without_a_policy_nothing_is_enforced() {
        let policy = Policy {
            default: None,
            ..Policy::default()
        };
        let subject = Subject {
            uid: Uid::new(1000),
            class: SessionClass::User,
            session_type: SessionType::Tty,
        };
        assert_eq!(policy.judge(&subject), Verdict::Exempt(Exemption::NoPolicy));
    }

    #[test]
    fn people_are_judged_and_nobody_else() {
        assert_eq!(verdict(1000, SessionClass::User), None);
        assert_eq!(verdict(1000, SessionClass::UserEarly), None);
        assert_eq!(verdict(0, SessionClass::User), Some(Exemption::Root));
        assert_eq!(
            verdict(999, SessionClass::User),
            Some(Exemption::SystemAccount)
        );
        assert_eq!(verdict(1000, SessionClass::Manager), Some(Exemption::Class));
        assert_eq!(
            verdict(1000, SessionClass::parse("new-in-2030")),
            Some(Exemption::Class)
        );
    }
}
