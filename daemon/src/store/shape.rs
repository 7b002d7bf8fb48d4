//! The format of the state file, separate from the engine's types, which may change without it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use session_timeout_policy as policy;

use super::activity::Activity;
use super::micros;

#[derive(Deserialize)]
pub(super) struct State {
    pub(super) version: u32,
    pub(super) boot_id: String,
    pub(super) sessions: Vec<Session>,
}

/// A [`State`] for writing, whose records are serialised one at a time.
#[derive(Serialize)]
#[serde(bound = "")]
pub(super) struct Written<'a, I: Iterator<Item = Session>> {
    pub(super) version: u32,
    pub(super) boot_id: &'a str,
    pub(super) sessions: OneByOne<I>,
}

/// A sequence whose elements are created while they are serialised, once.
pub(super) struct OneByOne<I>(pub(super) Cell<Option<I>>);

impl<I: Iterator<Item = Session>> Serialize for OneByOne<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.take().into_iter().flatten())
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Session {
    id: String,
    stamp: u64,
    user: String,
    uid: u32,
    class: String,
    r#type: String,
    leader: Option<u32>,
    service: Option<String>,
    remote_host: Option<String>,
    terminal: Option<String>,
    seat: Option<String>,
    started: u64,
    /// Why logind has no session for the login, if the daemon keeps it.
    #[serde(default)]
    no_session: Option<String>,
    /// The `InvocationID` in hexadecimal digits.
    #[serde(default)]
    invocation: Option<String>,
    #[serde(default)]
    audit: Option<u32>,
    recorded: bool,
    login: Login,
    groups: Groups,
    /// The properties of the session before its user changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    past: Option<Past>,
    activity: Activity,
    unknown_reported: bool,
    absolute: Limit,
    inactivity: Limit,
    stage: Limit,
    extensions: u32,
    extended: u64,
    locked: bool,
    hold: Option<Hold>,
    renewed: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Login {
    Open,
    HungUp(Kind),
    LoggedOut,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Absolute,
    Inactivity,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Groups {
    #[serde(rename = "untold")]
    Unknown,
    Unavailable,
    Known(BTreeSet<String>),
}

#[derive(Serialize, Deserialize)]
struct Past {
    since: u64,
    variants: Vec<Variant>,
    /// The source of the absolute limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Source>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    Default,
    Rule(String),
}

#[derive(Serialize, Deserialize)]
struct Variant {
    class: String,
    r#type: String,
    terminal: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Hold {
    limit: Kind,
    since: u64,
    doubted: bool,
}

#[derive(Serialize, Deserialize)]
struct Limit {
    length: Option<u64>,
    heard: Option<u64>,
    not_before: Option<u64>,
    reported: bool,
}

impl From<policy::SessionRecord> for Session {
    fn from(record: policy::SessionRecord) -> Self {
        let facts = record.facts;
        Self {
            id: facts.key.id.to_string(),
            stamp: facts.key.stamp,
            user: facts.user,
            uid: facts.uid.as_raw(),
            class: facts.class.as_str().to_owned(),
            r#type: facts.session_type.as_str().to_owned(),
            leader: facts.leader.map(policy::Pid::as_raw),
            service: facts.service,
            remote_host: facts.remote_host,
            terminal: facts.terminal,
            seat: facts.seat,
            started: facts.started.as_micros(),
            no_session: match facts.keeper {
                policy::Keeper::Logind => None,
                policy::Keeper::Daemon(why) => Some(why.as_str().to_owned()),
            },
            invocation: facts.invocation.map(|id| id.to_string()),
            audit: facts.audit.map(policy::AuditSession::as_raw),
            recorded: record.recorded,
            login: record.login.into(),
            groups: record.groups.into(),
            past: record.earlier.map(Into::into),
            activity: record.activity.into(),
            unknown_reported: record.unknown_reported,
            absolute: record.absolute.into(),
            inactivity: record.inactivity.into(),
            stage: record.lock_after.into(),
            extensions: record.granted.times,
            extended: micros(record.granted.total),
            locked: record.locking.locked,
            hold: record.locking.hold.map(Into::into),
            renewed: record.locking.unlocked_at.map(policy::BootTime::as_micros),
        }
    }
}

impl From<Session> for policy::SessionRecord {
    fn from(session: Session) -> Self {
        Self {
            facts: policy::SessionFacts {
                key: policy::SessionKey {
                    id: policy::SessionId::new(session.id),
                    stamp: session.stamp,
                },
                user: session.user,
                uid: policy::Uid::new(session.uid),
                class: policy::SessionClass::parse(&session.class),
                session_type: policy::SessionType::parse(&session.r#type),
                leader: session.leader.map(policy::Pid::new),
                service: session.service,
                remote_host: session.remote_host,
                terminal: session.terminal,
                seat: session.seat,
                started: policy::BootTime::from_micros(session.started),
                keeper: match session.no_session {
                    None => policy::Keeper::Logind,
                    Some(why) => policy::Keeper::Daemon(policy::NoSession::parse(&why)),
                },
                invocation: session
                    .invocation
                    .and_then(|id| policy::InvocationId::parse(&id)),
                audit: session.audit.and_then(policy::AuditSession::new),
            },
            recorded: session.recorded,
            login: session.login.into(),
            groups: session.groups.into(),
            earlier: session.past.map(Into::into),
            activity: session.activity.into(),
            unknown_reported: session.unknown_reported,
            absolute: session.absolute.into(),
            inactivity: session.inactivity.into(),
            lock_after: session.stage.into(),
            granted: policy::Granted {
                times: session.extensions,
                total: Duration::from_micros(session.extended),
            },
            locking: policy::Locking {
                locked: session.locked,
                hold: session.hold.map(Into::into),
                unlocked_at: session.renewed.map(policy::BootTime::from_micros),
                requested_at: None,
                unconfirmed: false,
            },
        }
    }
}

impl From<policy::LoginState> for Login {
    fn from(login: policy::LoginState) -> Self {
        match login {
            policy::LoginState::Open => Self::Open,
            policy::LoginState::HungUp(limit) => Self::HungUp(limit.into()),
            policy::LoginState::LoggedOut => Self::LoggedOut,
        }
    }
}

impl From<Login> for policy::LoginState {
    fn from(login: Login) -> Self {
        match login {
            Login::Open => Self::Open,
            Login::HungUp(limit) => Self::HungUp(limit.into()),
            Login::LoggedOut => Self::LoggedOut,
        }
    }
}

impl From<policy::LimitKind> for Kind {
    fn from(kind: policy::LimitKind) -> Self {
        match kind {
            policy::LimitKind::Absolute => Self::Absolute,
            policy::LimitKind::Inactivity => Self::Inactivity,
        }
    }
}

impl From<Kind> for policy::LimitKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Absolute => Self::Absolute,
            Kind::Inactivity => Self::Inactivity,
        }
    }
}

impl From<policy::Groups> for Groups {
    fn from(groups: policy::Groups) -> Self {
        match groups {
            policy::Groups::Unknown => Self::Unknown,
            policy::Groups::Unavailable => Self::Unavailable,
            policy::Groups::Known(names) => Self::Known(names),
        }
    }
}

impl From<Groups> for policy::Groups {
    fn from(groups: Groups) -> Self {
        match groups {
            Groups::Unknown => Self::Unknown,
            Groups::Unavailable => Self::Unavailable,
            Groups::Known(names) => Self::Known(names),
        }
    }
}

impl From<policy::EarlierProperties> for Past {
    fn from(past: policy::EarlierProperties) -> Self {
        let variants = past.properties.into_iter().map(|variant| Variant {
            class: variant.class.as_str().to_owned(),
            r#type: variant.session_type.as_str().to_owned(),
            terminal: variant.terminal,
        });
        Self {
            since: past.counts_from.as_micros(),
            held: past.previous_source.map(|held| match held {
                policy::LimitsSource::Default => Source::Default,
                policy::LimitsSource::Rule(name) => Source::Rule(name),
            }),
            variants: variants.collect(),
        }
    }
}

impl From<Past> for policy::EarlierProperties {
    fn from(past: Past) -> Self {
        let variants = past
            .variants
            .into_iter()
            .map(|variant| policy::ChangeableProperties {
                class: policy::SessionClass::parse(&variant.class),
                session_type: policy::SessionType::parse(&variant.r#type),
                terminal: variant.terminal,
            });
        Self {
            counts_from: policy::BootTime::from_micros(past.since),
            previous_source: past.held.map(|held| match held {
                Source::Default => policy::LimitsSource::Default,
                Source::Rule(name) => policy::LimitsSource::Rule(name),
            }),
            properties: variants.collect(),
        }
    }
}

impl From<policy::Hold> for Hold {
    fn from(hold: policy::Hold) -> Self {
        Self {
            limit: hold.limit.into(),
            since: hold.since.as_micros(),
            doubted: hold.in_doubt,
        }
    }
}

impl From<Hold> for policy::Hold {
    fn from(hold: Hold) -> Self {
        Self {
            limit: hold.limit.into(),
            since: policy::BootTime::from_micros(hold.since),
            in_doubt: hold.doubted,
        }
    }
}

impl From<policy::LimitRecord> for Limit {
    fn from(record: policy::LimitRecord) -> Self {
        Self {
            length: record.length.map(micros),
            heard: record.countdown.last_lead.map(micros),
            not_before: record.countdown.not_before.map(policy::BootTime::as_micros),
            reported: record.countdown.reported,
        }
    }
}

impl From<Limit> for policy::LimitRecord {
    fn from(limit: Limit) -> Self {
        Self {
            length: limit.length.map(Duration::from_micros),
            countdown: policy::Countdown {
                last_lead: limit.heard.map(Duration::from_micros),
                not_before: limit.not_before.map(policy::BootTime::from_micros),
                reported: limit.reported,
            },
        }
    }
}
