//! Calls the daemon and other services over the system bus.
//!
//! It makes plain calls: a proxy would also subscribe to signals, which the command does not need.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_protocol::bus::{ExtendError, NAME, manager, session as keys};
use zbus::connection::Builder;
use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::{Connection, Message, OwnedVariant, Proxy, fdo};

use crate::clock;
use crate::dict::Dict;
use crate::error::Error;
use crate::explain::{About, Explanation, Holds, ScheduledEvent, Setting};
use crate::left::{Left, NextEnd};
use crate::status::{Policy, Session, Status};
use crate::text;

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A bus waits for a reply for ever by default (dbus-daemon(1), `reply_timeout`); a command at a
/// prompt needs a timeout. With 8192 sessions the daemon replies within six seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout of a call for which a password may have to be typed. The daemon waits for that for a
/// minute.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(75);

/// A connection to the bus.
pub(crate) struct Bus {
    connection: Connection,
    timeout: Duration,
}

/// Queries the status of the daemon of this machine.
pub(crate) async fn status() -> Result<Status, Error> {
    Bus::system().await?.status().await
}

/// Queries the daemon of this machine for the explanation of a session.
pub(crate) async fn explanation(session: &str) -> Result<Explanation, Error> {
    Bus::system().await?.explanation(session).await
}

/// A granted extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) by: Duration,
    pub(crate) ends_in: Duration,
    /// How many more may be granted.
    pub(crate) left: u32,
}

/// Why an extension was not granted.
#[derive(Debug)]
pub(crate) enum NotExtended {
    /// The daemon refused it.
    Refused(ExtendError),
    /// The daemon could not be asked.
    Failed(Error),
}

impl From<zbus::Error> for NotExtended {
    fn from(error: zbus::Error) -> Self {
        let name = match &error {
            zbus::Error::MethodError(name, ..) => ExtendError::by_error_name(name),
            _ => None,
        };
        name.map_or_else(|| Self::Failed(failure(error)), Self::Refused)
    }
}

impl Bus {
    /// The system bus.
    pub(crate) async fn system() -> Result<Self, Error> {
        let connecting = tokio::time::timeout(TIMEOUT, Builder::system().build());
        let connection = connecting
            .await
            .map_err(|_| Error::NoBus(format!("no answer within {} s", TIMEOUT.as_secs())))?
            .map_err(|error| Error::NoBus(error.to_string()))?;
        Ok(Self {
            connection,
            timeout: TIMEOUT,
        })
    }

    /// The status of the daemon and all its sessions.
    pub(crate) async fn status(&self) -> Result<Status, Error> {
        self.with_timeout(async {
            let properties = self
                .call(PROPERTIES, "GetAll", &(manager::INTERFACE,))
                .await?;
            let properties: RawDict = properties.body().deserialize()?;
            let sessions = self
                .call(manager::INTERFACE, manager::LIST_SESSIONS, &())
                .await?;
            let sessions: Vec<RawDict> = sessions.body().deserialize()?;
            Ok(parse_status(&Dict::new(properties), sessions))
        })
        .await
    }

    /// The explanation of the limits of this session.
    pub(crate) async fn explanation(&self, session: &str) -> Result<Explanation, Error> {
        self.with_timeout(async {
            let answer = self
                .call(manager::INTERFACE, manager::EXPLAIN, &(session,))
                .await?;
            let answer: RawDict = answer.body().deserialize()?;
            Ok(parse_explanation(&Dict::new(answer)))
        })
        .await
    }

    /// The time that this session has left.
    pub(crate) async fn left(&self, session: &str) -> Result<Left, Error> {
        self.with_timeout(async {
            let answer = self
                .call(manager::INTERFACE, manager::LEFT, &(session,))
                .await?;
            let answer: RawDict = answer.body().deserialize()?;
            Ok(parse_left(&Dict::new(answer)))
        })
        .await
    }

    /// The session of the caller according to logind: the one that the caller is in, or else the
    /// preferred one of its user (`session/auto` in org.freedesktop.login1(5)).
    pub(crate) async fn own_session(&self) -> Option<String> {
        let auto = (
            "org.freedesktop.login1",
            "/org/freedesktop/login1/session/auto",
        );
        let session = self
            .properties(auto, "org.freedesktop.login1.Session")
            .await;
        session.ok()?.text("Id").filter(|id| !id.is_empty())
    }

    /// Extends the absolute limit of this session; polkit may ask for a password.
    pub(crate) async fn extend(&self, session: &str) -> Result<Extension, NotExtended> {
        let asked = async {
            let manager: Proxy<'_> = zbus::proxy::Builder::new(&self.connection)
                .destination(NAME)
                .path(manager::PATH)
                .interface(manager::INTERFACE)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            let flags = MethodFlags::ALLOW_INTERACTIVE_AUTH;
            let body = (session,);
            let answer = manager.call_with_flags(manager::EXTEND_SESSION, flags, &body);
            let answer: Option<(u64, u64, u32)> = answer.await?;
            answer.ok_or(zbus::Error::InvalidReply)
        };
        let bound = self.timeout.max(AUTHENTICATION_TIMEOUT);
        let answer = tokio::time::timeout(bound, asked).await;
        let answer = answer.map_err(|_| NotExtended::Failed(Error::NoAnswer(bound)))?;
        let (by, ends_in, left) = answer.map_err(NotExtended::from)?;
        Ok(Extension {
            by: Duration::from_micros(by),
            ends_in: Duration::from_micros(ends_in),
            left,
        })
    }

    /// The connection, for match rules.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// All properties of an interface of any service.
    pub(crate) async fn properties(
        &self,
        (name, path): (&str, &str),
        interface: &str,
    ) -> Result<Dict, Error> {
        self.with_timeout(async {
            let body = &(interface,);
            let call =
                self.connection
                    .call_method(Some(name), path, Some(PROPERTIES), "GetAll", body);
            let properties: RawDict = call.await?.body().deserialize()?;
            Ok(Dict::new(properties))
        })
        .await
    }

    /// Calls a method of any service with one text as its argument.
    pub(crate) async fn ask<T>(
        &self,
        (name, path): (&str, &str),
        interface: &str,
        method: &str,
        about: &str,
    ) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned + zbus::wire::Type,
    {
        self.with_timeout(async {
            let body = &(about,);
            let call = self
                .connection
                .call_method(Some(name), path, Some(interface), method, body);
            call.await?.body().deserialize()
        })
        .await
    }

    /// Waits for the reply, with the timeout.
    pub(crate) async fn with_timeout<T>(
        &self,
        call: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(self.timeout, call)
            .await
            .map_err(|_| Error::NoAnswer(self.timeout))?
            .map_err(failure)
    }

    async fn call<B>(&self, interface: &str, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.connection
            .call_method(Some(NAME), manager::PATH, Some(interface), method, body)
            .await
    }
}

type RawDict = HashMap<String, OwnedVariant>;

fn failure(error: zbus::Error) -> Error {
    match error {
        zbus::Error::FDO(error) => match *error {
            // dbus-daemon and dbus-broker differ in which of the first two they return.
            fdo::Error::ServiceUnknown(_)
            | fdo::Error::NameHasNoOwner(_)
            // The daemon exited during the call.
            | fdo::Error::NoReply(_) => Error::NotRunning,
            fdo::Error::AccessDenied(why) => Error::AccessDenied(why),
            fdo::Error::InvalidArgs(why) | fdo::Error::LimitsExceeded(why) => Error::Refused(why),
            fdo::Error::UnknownMethod(_) => Error::OldDaemon,
            other => Error::BadAnswer(other.to_string()),
        },
        zbus::Error::InputOutput(why) => Error::NoBus(why.to_string()),
        other => Error::BadAnswer(other.to_string()),
    }
}

fn parse_status(keys: &Dict, sessions: Vec<RawDict>) -> Status {
    Status {
        version: keys.word(manager::VERSION),
        policy: Policy {
            path: keys.word(manager::POLICY_PATH),
            state: keys.word(manager::POLICY_STATE),
            error: keys.lines(manager::POLICY_ERROR),
        },
        short_limits: keys.flag(manager::SHORT_LIMITS).unwrap_or(false),
        logind: keys.word(manager::LOGIND_STATE),
        rejected_frames: keys.number(manager::REJECTED_FRAMES).unwrap_or(0),
        sessions: sessions
            .into_iter()
            .map(|keys| parse_session(&Dict::new(keys)))
            .collect(),
    }
}

fn parse_session(keys: &Dict) -> Session {
    Session {
        id: keys.word(keys::ID),
        user: keys.word(keys::USER),
        uid: keys.short(keys::UID),
        session_type: keys.word(keys::TYPE),
        class: keys.word(keys::CLASS),
        service: keys.text(keys::SERVICE),
        from: keys.text(keys::FROM),
        terminal: keys.text(keys::TERMINAL),
        leader: keys.short(keys::LEADER),
        keeper: keys.text(keys::KEEPER),
        no_session: keys.text(keys::NO_SESSION),
        phase: keys.word(keys::PHASE),
        exemption: keys.text(keys::EXEMPTION),
        rule: keys.text(keys::RULE),
        groups_state: keys.text(keys::GROUPS_STATE),
        idle: keys.micros(keys::IDLE_USEC),
        idle_source: keys.word(keys::IDLE_SOURCE),
        agent_source: keys.text(keys::AGENT_SOURCE),
        agent: keys.text(keys::AGENT),
        idle_fallbacks: keys.texts(keys::IDLE_FALLBACKS),
        idle_age: keys.micros(keys::IDLE_AGE_USEC),
        inhibited_by: keys
            .text(keys::INHIBITED_BY)
            .filter(|holder| !holder.is_empty()),
        ends_by: keys.text(keys::ENDS_BY),
        left: keys.micros(keys::LEFT_USEC),
        absolute: keys.micros(keys::ABSOLUTE_USEC),
        absolute_rule: keys.text(keys::ABSOLUTE_RULE),
        inactivity: keys.micros(keys::INACTIVITY_USEC),
        lock_after: keys.micros(keys::LOCK_AFTER_USEC),
        end_action: keys.text(keys::END_ACTION),
        extensions_used: keys.short(keys::EXTENSIONS_USED),
        extensions_allowed: keys.short(keys::EXTENSIONS_ALLOWED),
        locked: keys.flag(keys::LOCKED),
        lock_missed: keys.flag(keys::LOCK_MISSED),
        unwarned: keys.flag(keys::UNWARNED),
    }
}

fn parse_left(keys: &Dict) -> Left {
    let end = match (keys.text(keys::ENDS_BY), keys.micros(keys::LEFT_USEC)) {
        (Some(limit), Some(left)) => Some(NextEnd {
            limit,
            at: clock::now().saturating_add(left),
            length: keys.micros(keys::LIMIT_USEC),
        }),
        _ => None,
    };
    let count = |key| keys.short(key).unwrap_or_default();
    Left {
        session: keys.word(keys::ID),
        phase: keys.word(keys::PHASE),
        end,
        end_action: keys.text(keys::END_ACTION),
        extensions: count(keys::EXTENSIONS_ALLOWED).saturating_sub(count(keys::EXTENSIONS_USED)),
    }
}

fn parse_explanation(keys: &Dict) -> Explanation {
    let phase = keys.word(keys::PHASE);
    let holds = match (keys.text(keys::EXEMPTION), keys.text(keys::RULE)) {
        (Some(why), _) => Holds::Nothing(why),
        (None, Some(rule)) => Holds::Rule(rule),
        (None, None) if phase == "undecided" => Holds::Undecided,
        (None, None) => Holds::Default,
    };
    let settings: Vec<(String, String, String)> = keys.list(keys::SETTINGS).unwrap_or_default();
    let settings = settings.iter().map(|(key, value, origin)| Setting {
        key: text::one_line(key),
        value: text::one_line(value),
        origin: text::one_line(origin),
    });
    let schedule: Vec<(String, String, u64)> = keys.list(keys::SCHEDULE).unwrap_or_default();
    let schedule = schedule.iter().map(|(what, limit, left)| ScheduledEvent {
        what: text::one_line(what),
        limit: text::one_line(limit),
        after: Duration::from_micros(*left),
    });
    Explanation {
        about: About::Session {
            id: keys.word(keys::ID),
            phase,
            no_session: keys.text(keys::NO_SESSION),
            unwarned: keys.flag(keys::UNWARNED),
            absolute_rule: keys.text(keys::ABSOLUTE_RULE),
        },
        user: keys.word(keys::USER),
        groups: keys.texts(keys::GROUPS),
        groups_state: keys.text(keys::GROUPS_STATE),
        holds,
        end_action: keys.text(keys::END_ACTION),
        settings: settings.collect(),
        schedule: schedule.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use zbus::{Guid, Variant};

    use super::*;

    fn keys<'a>(pairs: impl IntoIterator<Item = (&'a str, Variant<'a>)>) -> Dict {
        let owned =
            |(key, value): (&str, Variant<'a>)| (key.to_owned(), value.try_into_owned().unwrap());
        Dict::new(pairs.into_iter().map(owned).collect())
    }

    #[test]
    fn missing_unknown_and_mistyped_keys_are_tolerated() {
        let session = parse_session(&keys([
            (keys::ID, Variant::from("c1")),
            (keys::UID, Variant::from("not a number")),
            (keys::IDLE_USEC, Variant::from(12_000_000_u64)),
            (keys::LEFT_USEC, Variant::from(5_u32)),
            ("Colour", Variant::from("green")),
        ]));
        assert_eq!(
            session,
            Session {
                id: "c1".into(),
                idle: Some(Duration::from_secs(12)),
                ..Session::default()
            }
        );
        let explanation = parse_explanation(&keys([
            (keys::SETTINGS, Variant::from(vec!["not a structure"])),
            (keys::SCHEDULE, Variant::from(7_u32)),
        ]));
        assert_eq!(explanation.settings, []);
        assert_eq!(explanation.schedule, []);
    }

    #[test]
    fn what_an_older_daemon_leaves_out_is_unknown_and_not_empty() {
        let old = parse_session(&keys([(keys::IDLE_SOURCE, Variant::from("terminals"))]));
        assert_eq!((old.agent_source, old.idle_fallbacks), (None, None));
        assert_eq!((old.idle_age, old.inhibited_by), (None, None));
        let new = parse_session(&keys([
            (keys::AGENT_SOURCE, Variant::from("x11")),
            (keys::IDLE_FALLBACKS, Variant::from(Vec::<String>::new())),
            (keys::IDLE_AGE_USEC, Variant::from(1_500_000_u64)),
            (keys::INHIBITED_BY, Variant::from("")),
        ]));
        assert_eq!(new.agent_source.as_deref(), Some("x11"));
        assert_eq!(new.idle_fallbacks, Some(Vec::new()));
        assert_eq!(new.idle_age, Some(Duration::from_millis(1500)));
        assert_eq!(new.inhibited_by, None);
    }

    #[test]
    fn an_empty_policy_error_is_none() {
        let status = parse_status(
            &keys([(manager::POLICY_ERROR, Variant::from(""))]),
            Vec::new(),
        );
        assert_eq!(status.policy.error, None);
    }

    #[test]
    fn control_characters_do_not_get_past_the_bus() {
        const EVIL: &str = "\u{1b}[2Jevil";
        const TAMED: &str = "\u{fffd}[2Jevil";
        let session = parse_session(&keys([
            (keys::FROM, EVIL.into()),
            (keys::RULE, EVIL.into()),
        ]));
        assert_eq!(session.from.as_deref(), Some(TAMED));
        assert_eq!(session.rule.as_deref(), Some(TAMED));
        let error = Variant::from("line 1\n\u{1b}[2J");
        let status = parse_status(&keys([(manager::POLICY_ERROR, error)]), Vec::new());
        assert_eq!(status.policy.error.as_deref(), Some("line 1\n\u{fffd}[2J"));

        let explanation = parse_explanation(&keys([
            (keys::ID, EVIL.into()),
            (keys::USER, EVIL.into()),
            (keys::PHASE, EVIL.into()),
            (keys::RULE, EVIL.into()),
            (keys::GROUPS, vec![EVIL].into()),
            (keys::GROUPS_STATE, EVIL.into()),
            (keys::NO_SESSION, EVIL.into()),
            (keys::END_ACTION, EVIL.into()),
            (keys::SETTINGS, vec![(EVIL, EVIL, EVIL)].into()),
            (keys::SCHEDULE, vec![(EVIL, EVIL, 1_u64)].into()),
        ]));
        let all = format!("{explanation:?}");
        assert_eq!(all.matches(TAMED).count(), 13, "{all}");
        assert!(!all.contains("\\u{1b}"), "{all}");
    }

    #[test]
    fn the_keys_of_the_reply_decide_what_holds() {
        let holds = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(key, value)| (*key, (*value).into()));
            parse_explanation(&keys(pairs)).holds
        };
        assert_eq!(holds(&[(keys::PHASE, "running")]), Holds::Default);
        assert_eq!(holds(&[(keys::PHASE, "undecided")]), Holds::Undecided);
        assert_eq!(holds(&[(keys::RULE, "ssh")]), Holds::Rule("ssh".into()));
        assert_eq!(
            holds(&[(keys::EXEMPTION, "root")]),
            Holds::Nothing("root".into())
        );
    }

    #[tokio::test]
    async fn a_daemon_that_never_answers_is_given_up() {
        struct Hung;
        #[zbus::interface(name = "org.sessiontimeout1.Manager")]
        impl Hung {
            async fn list_sessions(&self) -> Vec<HashMap<String, OwnedVariant>> {
                std::future::pending().await
            }
            async fn explain(&self, _session: &str) -> HashMap<String, OwnedVariant> {
                std::future::pending().await
            }
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let guid = Guid::generate();
        let server = Builder::unix_stream(theirs).server(guid).p2p();
        let server = server.serve_at(manager::PATH, Hung).build();
        let client = Builder::unix_stream(ours).p2p().build();
        let (_server, connection) = tokio::try_join!(server, client).unwrap();
        let daemon = Bus {
            connection,
            timeout: Duration::from_millis(50),
        };
        let answer = daemon.status().await;
        assert!(matches!(answer, Err(Error::NoAnswer(_))), "{answer:?}");
        let answer = daemon.explanation("c1").await;
        assert!(matches!(answer, Err(Error::NoAnswer(_))), "{answer:?}");
    }
}
