//! The daemon on the fake bus, with its sessions.

use std::collections::HashMap;

use zbus::{OwnedVariant, Variant, fdo};

type Keys = HashMap<String, OwnedVariant>;

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.sessiontimeout1.Error")]
enum NotExtended {
    #[zbus(error)]
    Bus(zbus::Error),
    Interactive(String),
    UsedUp(String),
}

/// The behavior of the fake daemon.
#[derive(Clone, Copy)]
pub(crate) enum Daemon {
    Healthy,
    /// It has a session that survived its end, and a login without a logind session.
    Troubled,
    NotRunning,
    Forbidden,
    /// A version without `explain`.
    Old,
}

pub(crate) struct Manager(pub(crate) Daemon);

#[zbus::interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    fn list_sessions(&self) -> fdo::Result<Vec<Keys>> {
        match self.0 {
            Daemon::Healthy | Daemon::Old => Ok(vec![session()]),
            Daemon::Troubled => Ok(vec![survived(), kept()]),
            Daemon::NotRunning => Err(fdo::Error::ServiceUnknown("no such name".into())),
            Daemon::Forbidden => Err(fdo::Error::AccessDenied("by policy".into())),
        }
    }

    fn explain(&self, session: &str) -> fdo::Result<Keys> {
        match (self.0, session) {
            (Daemon::Healthy, "c1") => Ok(explanation()),
            (Daemon::Troubled, "login-4711") => {
                let mut keys = explanation();
                keys.extend(kept());
                Ok(keys)
            }
            (Daemon::Old, _) => Err(fdo::Error::UnknownMethod("no such method".into())),
            _ => Err(fdo::Error::InvalidArgs(format!(
                "there is no session {session} that you may see\u{1b}"
            ))),
        }
    }

    fn left(&self, session: &str) -> fdo::Result<Keys> {
        match (self.0, session) {
            (Daemon::Healthy, "c1") => Ok(left()),
            (Daemon::NotRunning, _) => Err(fdo::Error::ServiceUnknown("no such name".into())),
            _ => Err(fdo::Error::InvalidArgs("there is no such session".into())),
        }
    }

    fn extend_session(&self, session: &str) -> Result<(u64, u64, u32), NotExtended> {
        match session {
            "c1" => Ok((1_800_000_000, 5_400_000_000, 1)),
            "c3" => Err(NotExtended::Interactive("no".into())),
            _ => Err(NotExtended::UsedUp("no".into())),
        }
    }

    #[zbus(property)]
    fn version(&self) -> &str {
        "9.9.9"
    }

    #[zbus(property)]
    fn policy_path(&self) -> &str {
        "/etc/session-timeout/policy.toml"
    }

    #[zbus(property)]
    fn policy_state(&self) -> &str {
        "in-force"
    }

    #[zbus(property)]
    fn policy_error(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn short_limits(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn logind_state(&self) -> &str {
        "connected"
    }

    #[zbus(property)]
    fn rejected_frames(&self) -> u64 {
        1
    }
}

pub(crate) const SECOND: u64 = 1_000_000;

fn session() -> Keys {
    keys([
        ("Id", "c1".into()),
        ("User", "alice".into()),
        ("Uid", 1000_u32.into()),
        ("Type", "tty".into()),
        ("Class", "user".into()),
        ("Service", "sshd".into()),
        ("From", "127.0.0.1".into()),
        ("Phase", "running".into()),
        ("Rule", "card data".into()),
        ("IdleUSec", (12 * SECOND).into()),
        ("IdleSource", "terminals".into()),
        ("EndsBy", "inactivity".into()),
        ("LeftUSec", (288 * SECOND).into()),
        ("AbsoluteUSec", (86_400 * SECOND).into()),
        ("LockAfterUSec", (60 * SECOND).into()),
        ("ExtensionsUsed", 1_u32.into()),
        ("ExtensionsAllowed", 2_u32.into()),
        ("Locked", false.into()),
        ("EndAction", "terminate".into()),
    ])
}

fn survived() -> Keys {
    let mut keys_of = session();
    keys_of.extend(keys([
        ("Phase", "survived".into()),
        ("Keeper", "logind".into()),
    ]));
    keys_of
}

fn kept() -> Keys {
    let mut keys_of = session();
    keys_of.extend(keys([
        ("Id", "login-4711".into()),
        ("Leader", 4711_u32.into()),
        ("Keeper", "daemon".into()),
        ("NoSession", "logind-full".into()),
        ("Unwarned", true.into()),
    ]));
    keys_of
}

fn left() -> Keys {
    keys([
        ("Id", "c1".into()),
        ("User", "alice".into()),
        ("Phase", "warned".into()),
        ("EndsBy", "absolute".into()),
        ("LeftUSec", (4350 * SECOND).into()),
        ("LimitUSec", (7200 * SECOND).into()),
        ("ExtensionsUsed", 1_u32.into()),
        ("ExtensionsAllowed", 2_u32.into()),
        ("EndAction", "terminate".into()),
    ])
}

fn explanation() -> Keys {
    let settings = vec![
        ("session-timeout", "\"24h\"", "built-in"),
        ("action", "\"lock\"", "/etc/session-timeout/policy.toml:12"),
    ];
    let schedule = vec![
        ("warning", "inactivity", 258 * SECOND),
        ("end", "inactivity", 288 * SECOND),
        ("warning", "absolute", 85_200 * SECOND),
        ("end", "absolute", 86_400 * SECOND),
    ];
    keys([
        ("Id", "c1".into()),
        ("User", "alice".into()),
        ("Phase", "running".into()),
        ("Rule", "card data".into()),
        ("Groups", vec!["alice", "pci"].into()),
        ("EndAction", "lock".into()),
        ("Settings", settings.into()),
        ("Schedule", schedule.into()),
    ])
}

fn keys<const N: usize>(pairs: [(&str, Variant<'_>); N]) -> Keys {
    let owned =
        |(key, value): (&str, Variant<'_>)| (key.to_owned(), value.try_into_owned().unwrap());
    pairs.into_iter().map(owned).collect()
}
