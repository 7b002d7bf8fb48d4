//! Looks up users and their groups in the name services of this machine (nsswitch.conf(5)).

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt::Display;
use std::io;

use nix::unistd::{Group, User, getgrouplist};
use session_timeout_policy::Uid;

use crate::error::Error;

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    /// The name in passwd(5), which a session would have.
    pub(crate) name: String,
    pub(crate) uid: Uid,
    /// The names of its groups, as a login would have them. Groups without a name are left out,
    /// since no rule can match them.
    pub(crate) groups: BTreeSet<String>,
}

impl Account {
    /// The account of this name.
    pub(crate) fn of(name: &str) -> Result<Self, Error> {
        let user = user(name)?;
        let groups = groups(&user).map_err(|why| unavailable(name, &why))?;
        Ok(Self::with(user, groups))
    }

    /// The account of this name, as if it were in these groups.
    pub(crate) fn in_groups(name: &str, groups: BTreeSet<String>) -> Result<Self, Error> {
        Ok(Self::with(user(name)?, groups))
    }

    /// An account that need not exist on this machine; it is not looked up.
    pub(crate) fn imagined(name: &str, uid: u32, groups: BTreeSet<String>) -> Self {
        Self {
            name: name.to_owned(),
            uid: Uid::new(uid),
            groups,
        }
    }

    fn with(user: User, groups: BTreeSet<String>) -> Self {
        Self {
            uid: Uid::new(user.uid.as_raw()),
            name: user.name,
            groups,
        }
    }
}

fn user(name: &str) -> Result<User, Error> {
    let found = User::from_name(name).map_err(|why| unavailable(name, &why))?;
    found.ok_or_else(|| Error::NoSuchUser(name.to_owned()))
}

fn groups(user: &User) -> io::Result<BTreeSet<String>> {
    let name = CString::new(user.name.as_str())?;
    let mut names = BTreeSet::new();
    for gid in getgrouplist(&name, user.gid)? {
        names.extend(Group::from_gid(gid)?.map(|group| group.name));
    }
    Ok(names)
}

fn unavailable(user: &str, why: &dyn Display) -> Error {
    Error::Accounts {
        user: user.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_everywhere() {
        let root = Account::of("root").unwrap();
        assert_eq!((root.name.as_str(), root.uid), ("root", Uid::ROOT));
        assert!(root.groups.contains("root"), "{root:?}");
    }

    #[test]
    fn groups_that_are_given_replace_those_of_the_account() {
        let given = BTreeSet::from(["pci".to_owned()]);
        let root = Account::in_groups("root", given.clone()).unwrap();
        assert_eq!((root.uid, root.groups), (Uid::ROOT, given));
    }

    #[test]
    fn a_user_whom_nobody_knows_is_said_so() {
        for name in ["nobody-has-this-name", "a\0b"] {
            let error = Account::of(name).unwrap_err();
            assert!(matches!(error, Error::NoSuchUser(_)), "{error}");
        }
    }
}
