//! Sessions for tests.

use session_timeout_policy::{
    BootTime, Keeper, Pid, SessionClass, SessionFacts, SessionKey, SessionType, Uid,
};

/// The session `c1` of alice on a terminal, from which most tests derive theirs.
pub(crate) fn session() -> SessionFacts {
    SessionFacts {
        key: SessionKey {
            id: "c1".into(),
            stamp: 1,
        },
        user: "alice".into(),
        uid: Uid::new(1000),
        class: SessionClass::User,
        session_type: SessionType::Tty,
        leader: None,
        service: None,
        remote_host: None,
        terminal: None,
        seat: None,
        started: BootTime::default(),
        keeper: Keeper::Logind,
        invocation: None,
        audit: None,
    }
}

/// A session of the user who runs the tests, with this leader. Its scope does not exist.
pub(crate) fn own_session(leader: Pid, started: BootTime) -> SessionFacts {
    let mut own = session();
    own.key.id = "none".into();
    own.uid = Uid::new(nix::unistd::geteuid().as_raw());
    own.leader = Some(leader);
    own.started = started;
    own
}
