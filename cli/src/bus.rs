//! Calls the daemon and other services over the system bus.
//!
//! It makes plain calls: a proxy would also subscribe to signals, which the command does not need.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_texts::Refused;
use zbus::connection::Builder;
use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::{Connection, Message, OwnedVariant, Proxy, fdo};

use crate::dict::Dict;
use crate::error::Error;
use crate::explain::{About, Explanation, Holds, ScheduledEvent, Setting};
use crate::left::{self, Left, NextEnd};
use crate::status::{Policy, Session, Status};
use crate::text;

pub(crate) const NAME: &str = "org.sessiontimeout1";
pub(crate) const PATH: &str = "/org/sessiontimeout1";
pub(crate) const MANAGER: &str = "org.sessiontimeout1.Manager";
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
    Refused(Refused),
    /// The daemon could not be asked.
    Failed(Error),
}

impl From<zbus::Error> for NotExtended {
    fn from(error: zbus::Error) -> Self {
        let name = match &error {
            zbus::Error::MethodError(name, ..) => Refused::by_error_name(name),
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
            let properties = self.call(PROPERTIES, "GetAll", &(MANAGER,)).await?;
            let properties: RawDict = properties.body().deserialize()?;
            let sessions = self.call(MANAGER, "ListSessions", &()).await?;
            let sessions: Vec<RawDict> = sessions.body().deserialize()?;
            Ok(parse_status(&Dict::new(properties), sessions))
        })
        .await
    }

    /// The explanation of the limits of this session.
    pub(crate) async fn explanation(&self, session: &str) -> Result<Explanation, Error> {
        self.with_timeout(async {
            let answer = self.call(MANAGER, "Explain", &(session,)).await?;
            let answer: RawDict = answer.body().deserialize()?;
            Ok(parse_explanation(&Dict::new(answer)))
        })
        .await
    }

    /// The time that this session has left.
    pub(crate) async fn left(&self, session: &str) -> Result<Left, Error> {
        self.with_timeout(async {
            let answer = self.call(MANAGER, "Left", &(session,)).await?;
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
                .path(PATH)
                .interface(MANAGER)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            let flags = MethodFlags::ALLOW_INTERACTIVE_AUTH;
            let body = (session,);
            let answer = manager.call_with_flags("ExtendSession", flags, &body);
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
        question: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(self.timeout, question)
            .await
            .map_err(|_| Error::NoAnswer(self.timeout))?
            .map_err(failure)
    }

    async fn call<B>(&self, interface: &str, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.connection
            .call_method(Some(NAME), PATH, Some(interface), method, body)
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
        version: keys.word("Version"),
        policy: Policy {
            path: keys.word("PolicyPath"),
            state: keys.word("PolicyState"),
            error: keys.lines("PolicyError"),
        },
        short_limits: keys.flag("ShortLimits").unwrap_or(false),
        logind: keys.word("LogindState"),
        rejected_frames: keys.number("RejectedFrames").unwrap_or(0),
        sessions: sessions
            .into_iter()
            .map(|keys| parse_session(&Dict::new(keys)))
            .collect(),
    }
}

fn parse_session(keys: &Dict) -> Session {
    Session {
        id: keys.word("Id"),
        user: keys.word("User"),
        uid: keys.short("Uid"),
        session_type: keys.word("Type"),
        class: keys.word("Class"),
        service: keys.text("Service"),
        from: keys.text("From"),
        terminal: keys.text("Terminal"),
        leader: keys.short("Leader"),
        keeper: keys.text("Keeper"),
        no_session: keys.text("NoSession"),
        phase: keys.word("Phase"),
        exemption: keys.text("Exemption"),
        rule: keys.text("Rule"),
        groups_state: keys.text("GroupsState"),
        idle: keys.micros("IdleUSec"),
        idle_source: keys.word("IdleSource"),
        agent_source: keys.text("AgentSource"),
        agent: keys.text("Agent"),
        idle_fallbacks: keys.texts("IdleFallbacks"),
        idle_age: keys.micros("IdleAgeUSec"),
        inhibited_by: keys.text("InhibitedBy").filter(|holder| !holder.is_empty()),
        ends_by: keys.text("EndsBy"),
        left: keys.micros("LeftUSec"),
        absolute: keys.micros("AbsoluteUSec"),
        absolute_rule: keys.text("AbsoluteRule"),
        inactivity: keys.micros("InactivityUSec"),
        lock_after: keys.micros("LockAfterUSec"),
        end_action: keys.text("EndAction"),
        extensions_used: keys.short("ExtensionsUsed"),
        extensions_allowed: keys.short("ExtensionsAllowed"),
        locked: keys.flag("Locked"),
        lock_missed: keys.flag("LockMissed"),
        unwarned: keys.flag("Unwarned"),
    }
}

fn parse_left(keys: &Dict) -> Left {
    let end = match (keys.text("EndsBy"), keys.micros("LeftUSec")) {
        (Some(limit), Some(left)) => Some(NextEnd {
            limit,
            at: left::now().saturating_add(left),
            length: keys.micros("LimitUSec"),
        }),
        _ => None,
    };
    let count = |key| keys.short(key).unwrap_or_default();
    Left {
        session: keys.word("Id"),
        phase: keys.word("Phase"),
        end,
        end_action: keys.text("EndAction"),
        extensions: count("ExtensionsAllowed").saturating_sub(count("ExtensionsUsed")),
    }
}

fn parse_explanation(keys: &Dict) -> Explanation {
    let phase = keys.word("Phase");
    let holds = match (keys.text("Exemption"), keys.text("Rule")) {
        (Some(why), _) => Holds::Nothing(why),
        (None, Some(rule)) => Holds::Rule(rule),
        (None, None) if phase == "undecided" => Holds::Undecided,
        (None, None) => Holds::Default,
    };
    let settings: Vec<(String, String, String)> = keys.list("Settings").unwrap_or_default();
    let settings = settings.iter().map(|(key, value, origin)| Setting {
        key: text::one_line(key),
        value: text::one_line(value),
        origin: text::one_line(origin),
    });
    let schedule: Vec<(String, String, u64)> = keys.list("Schedule").unwrap_or_default();
    let schedule = schedule.iter().map(|(what, limit, left)| ScheduledEvent {
        what: text::one_line(what),
        limit: text::one_line(limit),
        after: Duration::from_micros(*left),
    });
    Explanation {
        about: About::Session {
            id: keys.word("Id"),
            phase,
            no_session: keys.text("NoSession"),
            unwarned: keys.flag("Unwarned"),
            absolute_rule: keys.text("AbsoluteRule"),
        },
        user: keys.word("User"),
        groups: keys.texts("Groups"),
        groups_state: keys.text("GroupsState"),
        holds,
        end_action: keys.text("EndAction"),
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
            ("Id", Variant::from("c1")),
            ("Uid", Variant::from("not a number")),
            ("IdleUSec", Variant::from(12_000_000_u64)),
            ("LeftUSec", Variant::from(5_u32)),
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
            ("Settings", Variant::from(vec!["not a structure"])),
            ("Schedule", Variant::from(7_u32)),
        ]));
        assert_eq!(explanation.settings, []);
        assert_eq!(explanation.schedule, []);
    }

    #[test]
    fn what_an_older_daemon_leaves_out_is_unknown_and_not_empty() {
        let old = parse_session(&keys([("IdleSource", Variant::from("terminals"))]));
        assert_eq!((old.agent_source, old.idle_fallbacks), (None, None));
        assert_eq!((old.idle_age, old.inhibited_by), (None, None));
        let new = parse_session(&keys([
            ("AgentSource", Variant::from("x11")),
            ("IdleFallbacks", Variant::from(Vec::<String>::new())),
            ("IdleAgeUSec", Variant::from(1_500_000_u64)),
            ("InhibitedBy", Variant::from("")),
        ]));
        assert_eq!(new.agent_source.as_deref(), Some("x11"));
        assert_eq!(new.idle_fallbacks, Some(Vec::new()));
        assert_eq!(new.idle_age, Some(Duration::from_millis(1500)));
        assert_eq!(new.inhibited_by, None);
    }

    #[test]
    fn an_empty_policy_error_is_none() {
        let status = parse_status(&keys([("PolicyError", Variant::from(""))]), Vec::new());
        assert_eq!(status.policy.error, None);
    }

    #[test]
    fn control_characters_do_not_get_past_the_bus() {
        const EVIL: &str = "\u{1b}[2Jevil";
        const TAMED: &str = "\u{fffd}[2Jevil";
        let session = parse_session(&keys([("From", EVIL.into()), ("Rule", EVIL.into())]));
        assert_eq!(session.from.as_deref(), Some(TAMED));
        assert_eq!(session.rule.as_deref(), Some(TAMED));
        let error = Variant::from("line 1\n\u{1b}[2J");
        let status = parse_status(&keys([("PolicyError", error)]), Vec::new());
        assert_eq!(status.policy.error.as_deref(), Some("line 1\n\u{fffd}[2J"));

        let explanation = parse_explanation(&keys([
            ("Id", EVIL.into()),
            ("User", EVIL.into()),
            ("Phase", EVIL.into()),
            ("Rule", EVIL.into()),
            ("Groups", vec![EVIL].into()),
            ("GroupsState", EVIL.into()),
            ("NoSession", EVIL.into()),
            ("EndAction", EVIL.into()),
            ("Settings", vec![(EVIL, EVIL, EVIL)].into()),
            ("Schedule", vec![(EVIL, EVIL, 1_u64)].into()),
        ]));
        let all = format!("{explanation:?}");
        assert_eq!(all.matches(TAMED).count(), 13, "{all}");
        assert!(!all.contains("\\u{1b}"), "{all}");
    }

    #[test]
    fn what_holds_is_told_by_what_is_there() {
        let holds = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(key, value)| (*key, (*value).into()));
            parse_explanation(&keys(pairs)).holds
        };
        assert_eq!(holds(&[("Phase", "running")]), Holds::Default);
        assert_eq!(holds(&[("Phase", "undecided")]), Holds::Undecided);
        assert_eq!(holds(&[("Rule", "ssh")]), Holds::Rule("ssh".into()));
        assert_eq!(
            holds(&[("Exemption", "root")]),
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
        let server = server.serve_at(PATH, Hung).build();
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
