//! The module's work when a PAM session is opened and closed.

use std::ffi::CStr;
use std::path::Path;
use std::time::Duration;

use session_timeout_protocol::{Closed, Opened, Reply, Request};

use crate::backstop;
use crate::client::Failure;
use crate::options::{Options, Task};
use crate::pam::{Flags, Item, Pam, PamCode, Priority};
use crate::text::{for_the_daemon, for_the_user};

/// The variable of the PAM environment with the id of the session that `pam_systemd` has
/// registered; pam_systemd(8).
const SESSION_ID: &CStr = c"XDG_SESSION_ID";

/// Records a login with the daemon, and shows the daemon's message; or, on a backstop line, sets
/// the time after which PID 1 ends the session.
///
/// `exchange` is [`crate::client::exchange`].
pub(crate) fn open_session(
    pam: &mut impl Pam,
    flags: Flags,
    arguments: &[&CStr],
    exchange: impl FnOnce(&Path, Duration, &Request) -> Result<Reply, Failure>,
) -> PamCode {
    let options = Options::parse(arguments, |complaint| pam.log(Priority::Warning, complaint));
    if let Task::Backstop(time) = options.task {
        backstop::open_session(pam, &options, time, backstop::uid_of);
        return PamCode::Ignore;
    }
    let Some(user) = text(pam, Item::User) else {
        pam.log(Priority::Warning, "no user name, login not recorded");
        return PamCode::Ignore;
    };
    let request = Request::Opened(Opened {
        user,
        service: text(pam, Item::Service).unwrap_or_default(),
        tty: text(pam, Item::Tty),
        remote_host: text(pam, Item::RemoteHost),
        session_id: session_id(pam),
    });
    match exchange(&options.socket, options.timeout, &request) {
        Ok(Reply::Recorded { announcement }) => {
            report_recorded(pam, &options, &request);
            if !options.quiet && !flags.are_silent() {
                announce(pam, announcement.as_deref());
            }
            PamCode::Success
        }
        Err(failure) if options.require => {
            let line = format!("session-timeoutd does not answer ({failure}), session refused");
            pam.log(Priority::Warning, &line);
            PamCode::SessionErr
        }
        Err(failure) => {
            report_unanswered(pam, failure);
            PamCode::Ignore
        }
    }
}

/// Reports a logout to the daemon. The report may be missing (sshd that is killed sends none), and
/// logind reports the end of every session to the daemon. So a failure has no effect.
pub(crate) fn close_session(
    pam: &mut impl Pam,
    arguments: &[&CStr],
    exchange: impl FnOnce(&Path, Duration, &Request) -> Result<Reply, Failure>,
) -> PamCode {
    // Invalid options were logged when the session was opened.
    let options = Options::parse(arguments, |_| ());
    if matches!(options.task, Task::Backstop(_)) {
        return PamCode::Ignore;
    }
    let Some(user) = text(pam, Item::User) else {
        return PamCode::Ignore;
    };
    let request = Request::Closed(Closed {
        user,
        service: text(pam, Item::Service).unwrap_or_default(),
        session_id: session_id(pam),
    });
    match exchange(&options.socket, options.timeout, &request) {
        Ok(Reply::Recorded { .. }) => {
            report_recorded(pam, &options, &request);
            PamCode::Success
        }
        // The daemon did not run at the login either, or was stopped since.
        Err(Failure::Absent(_)) if !options.debug => PamCode::Ignore,
        Err(failure) => {
            report_unanswered(pam, failure);
            PamCode::Ignore
        }
    }
}

/// An item to send; `None` if it is empty. Applications set an empty item if there is no value,
/// such as `PAM_RHOST` of a local login.
fn text(pam: &impl Pam, item: Item) -> Option<String> {
    pam.item(item)
        .map(for_the_daemon)
        .filter(|text| !text.is_empty())
}

fn session_id(pam: &impl Pam) -> Option<String> {
    pam.environment(SESSION_ID)
        .map(for_the_daemon)
        .filter(|id| !id.is_empty())
}

fn announce(pam: &mut impl Pam, announcement: Option<&str>) {
    if let Some(line) = announcement.and_then(for_the_user) {
        pam.show(&line);
    }
}

fn report_recorded(pam: &impl Pam, options: &Options, request: &Request) {
    if options.debug {
        // The derived `Debug` escapes control characters in the names.
        pam.log(Priority::Debug, &format!("recorded: {request:?}"));
    }
}

fn report_unanswered(pam: &impl Pam, failure: Failure) {
    let priority = match failure {
        // The daemon is stopped or not installed, which is no failure.
        Failure::Absent(_) => Priority::Info,
        Failure::Busy
        | Failure::Stranger(_)
        | Failure::Late
        | Failure::Closed
        | Failure::System(_)
        | Failure::Frame(_) => Priority::Warning,
    };
    let line = format!("session-timeoutd does not answer ({failure}), going on without it");
    pam.log(priority, &line);
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::ffi::CString;

    use nix::errno::Errno;

    use super::*;
    use crate::pam::NotLeft;

    /// A scripted login, and what the module did.
    #[derive(Default)]
    struct Script {
        user: Option<CString>,
        service: Option<CString>,
        tty: Option<CString>,
        remote_host: Option<CString>,
        session_id: Option<CString>,
        shown: Vec<String>,
        logged: RefCell<Vec<(Priority, String)>>,
    }

    impl Pam for Script {
        fn item(&self, item: Item) -> Option<&CStr> {
            match item {
                Item::User => self.user.as_deref(),
                Item::Service => self.service.as_deref(),
                Item::Tty => self.tty.as_deref(),
                Item::RemoteHost => self.remote_host.as_deref(),
            }
        }

        fn environment(&self, name: &CStr) -> Option<&CStr> {
            assert_eq!(name, c"XDG_SESSION_ID");
            self.session_id.as_deref()
        }

        fn has_data(&self, _: &CStr) -> bool {
            false
        }

        fn leave(&mut self, _: &CStr, _: CString) -> Result<(), NotLeft> {
            panic!("left")
        }

        fn show(&mut self, line: &CStr) {
            self.shown.push(line.to_str().unwrap().to_owned());
        }

        fn log(&self, priority: Priority, line: &str) {
            self.logged.borrow_mut().push((priority, line.to_owned()));
        }
    }

    impl Script {
        /// A login of alice over SSH with a logind session.
        fn of_a_login() -> Self {
            Self {
                user: Some(c"alice".into()),
                service: Some(c"sshd".into()),
                tty: Some(c"ssh".into()),
                remote_host: Some(c"192.0.2.7".into()),
                session_id: Some(c"c1".into()),
                ..Self::default()
            }
        }

        fn open(&mut self, arguments: &[&CStr], reply: Result<Reply, Failure>) -> PamCode {
            open_session(self, Flags::default(), arguments, |_, _, _| reply)
        }

        fn close(&mut self, arguments: &[&CStr], reply: Result<Reply, Failure>) -> PamCode {
            close_session(self, arguments, |_, _, _| reply)
        }

        fn priorities(&self) -> Vec<Priority> {
            self.logged.borrow().iter().map(|line| line.0).collect()
        }

        /// The request at the opening.
        fn opened(&mut self) -> Opened {
            let mut sent = None;
            open_session(self, Flags::default(), &[], |_, _, request| {
                sent = Some(request.clone());
                request.encode()?;
                recorded(None)
            });
            match sent {
                Some(Request::Opened(opened)) => opened,
                other => panic!("{other:?}"),
            }
        }
    }

    fn recorded(announcement: Option<&str>) -> Result<Reply, Failure> {
        Ok(Reply::Recorded {
            announcement: announcement.map(str::to_owned),
        })
    }

    const ABSENT: Failure = Failure::Absent(Errno::ENOENT);

    /// One failure of each kind.
    const FAILURES: [Failure; 7] = [
        ABSENT,
        Failure::Busy,
        Failure::Stranger(nix::unistd::Uid::from_raw(1000)),
        Failure::Late,
        Failure::Closed,
        Failure::System(Errno::EACCES),
        Failure::Frame(session_timeout_protocol::FrameError::Version(9)),
    ];

    #[test]
    fn a_login_is_sent_in_the_words_of_the_transaction() {
        let expected = Opened {
            user: "alice".into(),
            service: "sshd".into(),
            tty: Some("ssh".into()),
            remote_host: Some("192.0.2.7".into()),
            session_id: Some("c1".into()),
        };
        assert_eq!(Script::of_a_login().opened(), expected);
    }

    #[test]
    fn what_is_not_set_and_what_is_empty_are_both_absent() {
        let bare = Opened {
            user: "alice".into(),
            ..Opened::default()
        };
        let mut unset = Script {
            user: Some(c"alice".into()),
            ..Script::default()
        };
        assert_eq!(unset.opened(), bare);
        let mut empty = Script {
            user: Some(c"alice".into()),
            service: Some(c"".into()),
            tty: Some(c"".into()),
            remote_host: Some(c"".into()),
            session_id: Some(c"".into()),
            ..Script::default()
        };
        assert_eq!(empty.opened(), bare);
    }

    #[test]
    fn a_logout_is_sent_with_the_same_names() {
        let mut sent = None;
        let code = close_session(&mut Script::of_a_login(), &[], |_, _, request| {
            sent = Some(request.clone());
            recorded(None)
        });
        let expected = Request::Closed(Closed {
            user: "alice".into(),
            service: "sshd".into(),
            session_id: Some("c1".into()),
        });
        assert_eq!((code, sent), (PamCode::Success, Some(expected)));
    }

    #[test]
    fn the_options_reach_the_exchange() {
        let arguments = [c"socket=/run/other", c"timeout=7"];
        let mut script = Script::of_a_login();
        let check = |path: &Path, timeout: Duration, _: &Request| {
            assert_eq!(path, Path::new("/run/other"));
            assert_eq!(timeout, Duration::from_millis(7));
            recorded(None)
        };
        open_session(&mut script, Flags::default(), &arguments, check);
        close_session(&mut script, &arguments, check);
    }

    #[test]
    fn five_monstrous_names_are_still_recorded() {
        let monster = CString::new(vec![0xff; 10_000]).unwrap();
        let mut script = Script {
            user: Some(monster.clone()),
            service: Some(monster.clone()),
            tty: Some(monster.clone()),
            remote_host: Some(monster.clone()),
            session_id: Some(monster),
            ..Script::default()
        };
        assert!(script.opened().user.len() > 256);
        assert!(script.logged.borrow().is_empty());
    }

    #[test]
    fn without_a_user_nothing_is_sent_and_nothing_refused() {
        for user in [None, Some(c"".into())] {
            let mut script = Script {
                user,
                ..Script::of_a_login()
            };
            let never = |_: &Path, _: Duration, _: &Request| panic!("sent");
            let open = open_session(&mut script, Flags::default(), &[c"require"], never);
            let close = close_session(&mut script, &[c"require"], never);
            assert_eq!([open, close], [PamCode::Ignore; 2]);
            assert_eq!(script.priorities(), [Priority::Warning]);
        }
    }

    #[test]
    fn the_announcement_is_shown_once_and_clean() {
        let mut script = Script::of_a_login();
        let reply = recorded(Some("This session\n ends\x1b[1m after 24 h."));
        assert_eq!(script.open(&[], reply), PamCode::Success);
        assert_eq!(script.shown, ["This session ends[1m after 24 h."]);
        assert!(script.logged.borrow().is_empty());
    }

    #[test]
    fn nothing_is_shown_where_it_is_not_wanted() {
        let mut script = Script::of_a_login();
        let reply = || recorded(Some("This session ends after 24 h."));
        assert_eq!(script.open(&[c"quiet"], reply()), PamCode::Success);
        let silent = Flags::new(0x8000);
        let code = open_session(&mut script, silent, &[], |_, _, _| reply());
        assert_eq!(code, PamCode::Success);
        assert_eq!(script.close(&[], reply()), PamCode::Success);
        for nothing in [None, Some(""), Some("\r\n")] {
            assert_eq!(script.open(&[], recorded(nothing)), PamCode::Success);
        }
        assert!(script.shown.is_empty());
        let other = Flags::new(!0x8000);
        open_session(&mut script, other, &[], |_, _, _| reply());
        assert_eq!(script.shown.len(), 1);
    }

    #[test]
    fn no_failure_refuses_a_login_unless_that_was_asked_for() {
        for failure in FAILURES {
            let mut script = Script::of_a_login();
            assert_eq!(script.open(&[], Err(failure)), PamCode::Ignore, "{failure}");
            assert_eq!(
                script.open(&[c"require"], Err(failure)),
                PamCode::SessionErr,
                "{failure}"
            );
            assert_eq!(script.logged.borrow().len(), 2, "one line each: {failure}");
            assert!(script.shown.is_empty(), "{failure}");
        }
    }

    #[test]
    fn no_failure_is_an_error_of_a_logout() {
        for failure in FAILURES {
            let mut script = Script::of_a_login();
            assert_eq!(
                script.close(&[c"require"], Err(failure)),
                PamCode::Ignore,
                "{failure}"
            );
            let lines = usize::from(failure != ABSENT);
            assert_eq!(script.logged.borrow().len(), lines, "{failure}");
        }
    }

    #[test]
    fn an_absent_daemon_is_news_and_a_broken_one_a_warning() {
        let mut script = Script::of_a_login();
        script.open(&[], Err(ABSENT));
        script.open(&[], Err(Failure::Late));
        assert_eq!(
            script.logged.take(),
            [
                (
                    Priority::Info,
                    "session-timeoutd does not answer (No such file or directory), \
                     going on without it"
                        .to_owned()
                ),
                (
                    Priority::Warning,
                    "session-timeoutd does not answer (no reply in time), going on without it"
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_success_is_logged_only_for_debugging_and_escaped() {
        let mut script = Script::of_a_login();
        script.open(&[c"debug"], recorded(None));
        script.close(&[c"debug"], recorded(None));
        assert_eq!(script.priorities(), [Priority::Debug; 2]);
        script.user = Some(c"a\nb\x1b".into());
        script.open(&[c"debug"], recorded(None));
        let logged = script.logged.borrow();
        assert!(logged.iter().all(|line| !line.1.contains(['\n', '\x1b'])));
    }

    #[test]
    fn a_wrong_option_is_reported_once_and_stops_nothing() {
        let mut script = Script::of_a_login();
        assert_eq!(
            script.open(&[c"required"], recorded(None)),
            PamCode::Success
        );
        assert_eq!(
            script.close(&[c"required"], recorded(None)),
            PamCode::Success
        );
        assert_eq!(script.priorities(), [Priority::Warning]);
    }

    #[test]
    fn a_line_for_the_backstop_sends_nothing_whatever_else_is_on_it() {
        let never = |_: &Path, _: Duration, _: &Request| panic!("sent");
        for (time, complaints) in [(c"backstop=25h", 0), (c"backstop=never", 1)] {
            let mut script = Script {
                user: Some(c"root".into()),
                ..Script::of_a_login()
            };
            let line = [c"require", time];
            let open = open_session(&mut script, Flags::default(), &line, never);
            let close = close_session(&mut script, &line, never);
            assert_eq!([open, close], [PamCode::Ignore; 2], "{time:?}");
            assert_eq!(script.logged.borrow().len(), complaints, "{time:?}");
        }
    }
}
