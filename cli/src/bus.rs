//! Asks the daemon over the system bus.
//!
//! Two calls and no proxy: a proxy would also subscribe to changes, and the command ends before
//! any could come. Keys that are missing or of another type than expected count as absent and
//! unknown ones are skipped, so that command and daemon of two versions understand each other.

use std::collections::HashMap;
use std::time::Duration;

use zbus::connection::Builder;
use zbus::{Connection, Message, OwnedVariant, fdo};

use crate::error::Error;
use crate::status::{Policy, Session, Status};
use crate::text;

const NAME: &str = "org.sessiontimeout1";
const PATH: &str = "/org/sessiontimeout1";
const MANAGER: &str = "org.sessiontimeout1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A bus waits for a reply for ever by default (dbus-daemon(1), `reply_timeout`); a command at a
/// prompt does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the daemon on the system bus of this machine.
pub(crate) async fn ask_system_bus() -> Result<Status, Error> {
    let connecting = tokio::time::timeout(PATIENCE, Builder::system().build());
    let connection = connecting
        .await
        .map_err(|_| Error::NoBus(format!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| Error::NoBus(error.to_string()))?;
    ask(&connection, PATIENCE).await
}

/// Asks the daemon at the other end of `connection`.
async fn ask(connection: &Connection, patience: Duration) -> Result<Status, Error> {
    tokio::time::timeout(patience, both_calls(connection))
        .await
        .map_err(|_| Error::NoAnswer(patience))?
        .map_err(explain)
}

async fn both_calls(connection: &Connection) -> zbus::Result<Status> {
    let properties = call(connection, PROPERTIES, "GetAll", &(MANAGER,)).await?;
    let properties: HashMap<String, OwnedVariant> = properties.body().deserialize()?;
    let sessions = call(connection, MANAGER, "ListSessions", &()).await?;
    let sessions: Vec<HashMap<String, OwnedVariant>> = sessions.body().deserialize()?;
    Ok(status(&Keys(properties), sessions))
}

async fn call<B>(
    connection: &Connection,
    interface: &str,
    method: &str,
    body: &B,
) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::wire::DynamicType,
{
    connection
        .call_method(Some(NAME), PATH, Some(interface), method, body)
        .await
}

fn explain(error: zbus::Error) -> Error {
    match error {
        zbus::Error::FDO(error) => match *error {
            // dbus-daemon and dbus-broker differ in which of the first two they say.
            fdo::Error::ServiceUnknown(_)
            | fdo::Error::NameHasNoOwner(_)
            // The daemon went away while it was asked.
            | fdo::Error::NoReply(_) => Error::NotRunning,
            fdo::Error::AccessDenied(why) => Error::AccessDenied(why),
            other => Error::BadAnswer(other.to_string()),
        },
        zbus::Error::InputOutput(why) => Error::NoBus(why.to_string()),
        other => Error::BadAnswer(other.to_string()),
    }
}

fn status(keys: &Keys, sessions: Vec<HashMap<String, OwnedVariant>>) -> Status {
    Status {
        version: keys.word("Version"),
        policy: Policy {
            path: keys.word("PolicyPath"),
            state: keys.word("PolicyState"),
            error: keys
                .raw_text("PolicyError")
                .map(text::lines)
                .filter(|error| !error.is_empty()),
        },
        short_limits: keys.flag("ShortLimits"),
        logind: keys.word("LogindState"),
        rejected_frames: keys.number("RejectedFrames").unwrap_or(0),
        sessions: sessions
            .into_iter()
            .map(|keys| session(&Keys(keys)))
            .collect(),
    }
}

fn session(keys: &Keys) -> Session {
    Session {
        id: keys.word("Id"),
        user: keys.word("User"),
        uid: keys.uid("Uid"),
        session_type: keys.word("Type"),
        class: keys.word("Class"),
        service: keys.text("Service"),
        from: keys.text("From"),
        terminal: keys.text("Terminal"),
        phase: keys.word("Phase"),
        exemption: keys.text("Exemption"),
        idle: keys.micros("IdleUSec"),
        idle_source: keys.word("IdleSource"),
        ends_by: keys.text("EndsBy"),
        left: keys.micros("LeftUSec"),
        absolute: keys.micros("AbsoluteUSec"),
        inactivity: keys.micros("InactivityUSec"),
        end_action: keys.word("EndAction"),
    }
}

/// An `a{sv}`, read key by key. Every text that comes out of it is safe to print.
struct Keys(HashMap<String, OwnedVariant>);

impl Keys {
    fn raw_text(&self, key: &str) -> Option<&str> {
        self.get(key)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.raw_text(key).map(text::one_line)
    }

    /// A text that is always there; empty from a daemon that leaves it out.
    fn word(&self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).unwrap_or(false)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.get(key)
    }

    fn uid(&self, key: &str) -> Option<u32> {
        self.get(key)
    }

    fn micros(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_micros)
    }

    fn get<'a, T>(&'a self, key: &str) -> Option<T>
    where
        T: TryFrom<&'a OwnedVariant>,
    {
        self.0.get(key).and_then(|value| T::try_from(value).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use zbus::{Guid, Variant};

    use super::*;

    fn keys<'a>(pairs: impl IntoIterator<Item = (&'a str, Variant<'a>)>) -> Keys {
        let owned =
            |(key, value): (&str, Variant<'a>)| (key.to_owned(), value.try_into_owned().unwrap());
        Keys(pairs.into_iter().map(owned).collect())
    }

    #[test]
    fn missing_unknown_and_mistyped_keys_are_tolerated() {
        let session = session(&keys([
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
    }

    #[test]
    fn an_empty_policy_error_is_none() {
        let status = status(&keys([("PolicyError", Variant::from(""))]), Vec::new());
        assert_eq!(status.policy.error, None);
    }

    #[test]
    fn control_characters_do_not_get_past_the_bus() {
        let session = session(&keys([("From", Variant::from("\u{1b}[2Jevil"))]));
        assert_eq!(session.from.as_deref(), Some("�[2Jevil"));
        let error = Variant::from("line 1\n\u{1b}[2J");
        let status = status(&keys([("PolicyError", error)]), Vec::new());
        assert_eq!(status.policy.error.as_deref(), Some("line 1\n�[2J"));
    }

    #[tokio::test]
    async fn a_daemon_that_never_answers_is_given_up() {
        struct Hung;
        #[zbus::interface(name = "org.sessiontimeout1.Manager")]
        impl Hung {
            async fn list_sessions(&self) -> Vec<HashMap<String, OwnedVariant>> {
                std::future::pending().await
            }
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let guid = Guid::generate();
        let server = Builder::unix_stream(theirs).server(guid).p2p();
        let server = server.serve_at(PATH, Hung).build();
        let client = Builder::unix_stream(ours).p2p().build();
        let (_server, client) = tokio::try_join!(server, client).unwrap();
        let answer = ask(&client, Duration::from_millis(50)).await;
        assert!(matches!(answer, Err(Error::NoAnswer(_))), "{answer:?}");
    }
}
