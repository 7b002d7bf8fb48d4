//! The backstop: PID 1 ends the session after some time, without the daemon.
//!
//! `pam_systemd` sets `RuntimeMaxSec=` of the session's scope from PAM data that an earlier module
//! has set (pam_systemd(8)). The time counts on CLOCK_MONOTONIC from the login, cannot be changed
//! afterwards, and gives no warning. So it is a last resort, in case the daemon does not run.

use std::ffi::{CStr, CString};
use std::time::Duration;

use nix::unistd::{Uid, User};

use crate::options::Options;
use crate::pam::{Item, NotLeft, Pam, Priority};

/// The PAM data name that `pam_systemd` reads; pam_systemd(8).
const RUNTIME_MAX: &CStr = c"systemd.runtime_max_sec";

/// The first uid of regular accounts on Debian (`UID_MIN` of login.defs(5), which is not read here
/// because the module opens no files). root and system accounts have no backstop, as they have no
/// limits by default.
const FIRST_REGULAR: Uid = Uid::from_raw(1000);

/// Sets the session's backstop to `time` after the login, if the account is a regular one.
///
/// `uid_of` is [`uid_of`]. After a failure the login continues without a backstop.
pub(crate) fn open_session(
    pam: &mut impl Pam,
    options: &Options,
    time: Option<Duration>,
    uid_of: impl FnOnce(&str) -> Option<Uid>,
) {
    // An invalid time has been logged when it was parsed.
    let Some(time) = time else { return };
    let user = pam.item(Item::User).map(CStr::to_str);
    let Some(uid) = user.and_then(Result::ok).and_then(uid_of) else {
        pam.log(Priority::Warning, "unknown user, no backstop for it");
        return;
    };
    if uid.as_raw() < FIRST_REGULAR.as_raw() {
        return;
    }
    // Another module has set a limit, which may be shorter.
    if pam.has_data(RUNTIME_MAX) {
        report(pam, options, "another module limits the session already");
        return;
    }
    let text = format!("{}s", time.as_secs());
    let left = CString::new(text).map_err(|_| NotLeft);
    match left.and_then(|text| pam.leave(RUNTIME_MAX, text)) {
        Ok(()) => report(pam, options, "backstop set"),
        Err(NotLeft) => pam.log(Priority::Warning, "no backstop, libpam did not take it"),
    }
}

/// The uid of an account from the name service, which `pam_systemd` queries next as well.
pub(crate) fn uid_of(name: &str) -> Option<Uid> {
    User::from_name(name).ok().flatten().map(|user| user.uid)
}

fn report(pam: &impl Pam, options: &Options, what: &str) {
    if options.debug {
        pam.log(Priority::Debug, what);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A fake PAM stack, with the PAM data in it.
    struct Stack {
        user: Option<CString>,
        full: bool,
        data: Option<CString>,
        logged: RefCell<Vec<Priority>>,
    }

    impl Stack {
        fn of(user: &CStr) -> Self {
            Self {
                user: Some(user.into()),
                full: false,
                data: None,
                logged: RefCell::default(),
            }
        }

        fn open(&mut self, arguments: &[&CStr], time: Option<Duration>) -> Option<&CStr> {
            let options = Options::parse(arguments, |complaint| panic!("{complaint}"));
            open_session(self, &options, time, |name| match name {
                "root" => Some(Uid::from_raw(0)),
                "backup" => Some(Uid::from_raw(999)),
                "alice" => Some(Uid::from_raw(1000)),
                _ => None,
            });
            self.data.as_deref()
        }
    }

    impl Pam for Stack {
        fn item(&self, item: Item) -> Option<&CStr> {
            assert_eq!(item, Item::User);
            self.user.as_deref()
        }

        fn environment(&self, name: &CStr) -> Option<&CStr> {
            panic!("{name:?} was read")
        }

        fn has_data(&self, name: &CStr) -> bool {
            assert_eq!(name, c"systemd.runtime_max_sec");
            self.data.is_some()
        }

        fn leave(&mut self, name: &CStr, text: CString) -> Result<(), NotLeft> {
            assert_eq!(name, c"systemd.runtime_max_sec");
            if self.full {
                return Err(NotLeft);
            }
            self.data = Some(text);
            Ok(())
        }

        fn show(&mut self, line: &CStr) {
            panic!("{line:?} was shown")
        }

        fn log(&self, priority: Priority, _: &str) {
            self.logged.borrow_mut().push(priority);
        }
    }

    #[test]
    fn a_person_gets_it_in_seconds_and_in_silence() {
        let mut stack = Stack::of(c"alice");
        assert_eq!(stack.open(&[], Some(DAY)), Some(c"86400s"));
        assert!(stack.logged.borrow().is_empty());
        stack.data = None;
        stack.open(&[c"debug"], Some(DAY));
        assert_eq!(stack.logged.take(), [Priority::Debug]);
    }

    #[test]
    fn root_and_system_accounts_get_none() {
        for name in [c"root", c"backup"] {
            let mut stack = Stack::of(name);
            assert_eq!(stack.open(&[], Some(DAY)), None, "{name:?}");
            assert!(stack.logged.borrow().is_empty(), "{name:?}");
        }
    }

    #[test]
    fn where_nobody_knows_who_it_is_there_is_none() {
        for user in [
            None,
            Some(c"".into()),
            Some(c"zoe".into()),
            Some(c"\xff".into()),
        ] {
            let mut stack = Stack {
                user,
                ..Stack::of(c"")
            };
            assert_eq!(stack.open(&[], Some(DAY)), None);
            assert_eq!(stack.logged.take(), [Priority::Warning]);
        }
    }

    #[test]
    fn a_time_that_could_not_be_taken_is_none() {
        assert_eq!(Stack::of(c"alice").open(&[], None), None);
    }

    #[test]
    fn what_another_module_has_left_stays() {
        let mut stack = Stack {
            data: Some(c"3600".into()),
            ..Stack::of(c"alice")
        };
        assert_eq!(stack.open(&[], Some(DAY)), Some(c"3600"));
    }

    #[test]
    fn where_libpam_does_not_take_it_the_log_says_so() {
        let mut stack = Stack {
            full: true,
            ..Stack::of(c"alice")
        };
        assert_eq!(stack.open(&[], Some(DAY)), None);
        assert_eq!(stack.logged.take(), [Priority::Warning]);
    }

    #[test]
    fn the_name_service_knows_accounts() {
        assert_eq!(uid_of("root"), Some(Uid::from_raw(0)));
        assert_eq!(uid_of("session-timeout-nobody-has-this-name"), None);
    }
}
