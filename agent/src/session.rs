//! Finds the graphical session that the agent is for, with logind.

use std::collections::HashMap;
use std::fmt;

use zbus::wire::{OwnedObjectPath, OwnedVariant};
use zbus::{Connection, fdo};

use crate::bus::with_timeout;

pub(crate) const LOGIND: &str = "org.freedesktop.login1";
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/login1";
pub(crate) const MANAGER: &str = "org.freedesktop.login1.Manager";
pub(crate) const SESSION: &str = "org.freedesktop.login1.Session";
const USER: &str = "org.freedesktop.login1.User";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A graphical session of this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The id that logind has given it.
    pub(crate) id: String,
    pub(crate) session_type: Type,
}

/// The display protocol of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Wayland,
    X11,
}

/// Whether the environment variable `DISPLAY` is set, which names an X server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DisplayVariable {
    Set,
    Unset,
}

impl DisplayVariable {
    fn from_environment() -> Self {
        match std::env::var_os("DISPLAY") {
            Some(_) => Self::Set,
            None => Self::Unset,
        }
    }
}

/// How the session is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionSelector {
    /// By the id on the command line.
    Id(String),
    /// Automatically: the session in the environment, or else the one that logind has as the
    /// user's display. A process of the user's service manager belongs to no session.
    Auto {
        /// `XDG_SESSION_ID`.
        environment: Option<String>,
    },
}

/// Why the agent has no session.
#[derive(Debug)]
pub(crate) enum NoSession {
    /// logind does not reply.
    Logind(String),
    /// The session on the command line is not suitable.
    Unsuitable(String, Unsuitable),
    /// The user has no graphical session.
    None,
}

/// Why a session cannot have an agent of this user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsuitable {
    Unknown,
    OtherUser,
    NotGraphical,
    LoginScreen,
}

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logind(why) => write!(f, "systemd-logind does not answer: {why}"),
            Self::Unsuitable(id, Unsuitable::Unknown) => {
                write!(f, "there is no session {id:?}; loginctl lists them")
            }
            Self::Unsuitable(id, Unsuitable::OtherUser) => {
                write!(f, "session {id} is of another user")
            }
            Self::Unsuitable(id, Unsuitable::NotGraphical) => {
                write!(
                    f,
                    "session {id} is not graphical (loginctl show-session {id})"
                )
            }
            Self::Unsuitable(id, Unsuitable::LoginScreen) => {
                write!(f, "session {id} is a login screen")
            }
            Self::None => f.write_str("this user has no graphical session"),
        }
    }
}

/// Finds the session.
///
/// # Errors
/// There is none, or logind does not reply.
pub(crate) async fn find(
    connection: &Connection,
    wanted: &SessionSelector,
    uid: u32,
) -> Result<Session, NoSession> {
    let logind = |error: zbus::Error| NoSession::Logind(error.to_string());
    match wanted {
        SessionSelector::Id(id) => {
            let path = path(connection, id).await.map_err(logind)?;
            let unfit = |why| NoSession::Unsuitable(id.clone(), why);
            let path = path.ok_or_else(|| unfit(Unsuitable::Unknown))?;
            load(connection, &path, uid).await?.map_err(unfit)
        }
        SessionSelector::Auto { environment } => {
            if let Some(id) = environment
                && let Some(path) = path(connection, id).await.map_err(logind)?
                && let Ok(session) = load(connection, &path, uid).await?
            {
                return Ok(session);
            }
            let display = display(connection, uid).await.map_err(logind)?;
            let path = display.ok_or(NoSession::None)?;
            load(connection, &path, uid)
                .await?
                .map_err(|_| NoSession::None)
        }
    }
}

/// The object path of the session with this id, if it exists.
pub(crate) async fn path(
    connection: &Connection,
    id: &str,
) -> zbus::Result<Option<OwnedObjectPath>> {
    // An empty id means the caller's own session to logind.
    if id.is_empty() {
        return Ok(None);
    }
    found(call_manager(connection, "GetSession", &(id,)).await)
}

/// The property `Display` of this user: the last graphical session.
async fn display(connection: &Connection, uid: u32) -> zbus::Result<Option<OwnedObjectPath>> {
    let user: Option<OwnedObjectPath> = found(call_manager(connection, "GetUser", &(uid,)).await)?;
    let Some(user) = user else {
        return Ok(None);
    };
    let mut all = properties(connection, &user, USER).await?;
    let display = all.remove("Display");
    let display = display.and_then(|it| <(String, OwnedObjectPath)>::try_from(it).ok());
    // The id is empty if there is none.
    Ok(display
        .filter(|(id, _)| !id.is_empty())
        .map(|(_, path)| path))
}

async fn load(
    connection: &Connection,
    path: &OwnedObjectPath,
    uid: u32,
) -> Result<Result<Session, Unsuitable>, NoSession> {
    match found(properties(connection, path, SESSION).await) {
        Ok(Some(all)) => Ok(parse(all, uid, DisplayVariable::from_environment())),
        Ok(None) => Ok(Err(Unsuitable::Unknown)),
        Err(error) => Err(NoSession::Logind(error.to_string())),
    }
}

fn parse(
    mut all: HashMap<String, OwnedVariant>,
    uid: u32,
    display: DisplayVariable,
) -> Result<Session, Unsuitable> {
    let seat = all.remove("Seat");
    let seat = seat.and_then(|seat| <(String, OwnedObjectPath)>::try_from(seat).ok());
    let on_seat = seat.is_some_and(|(name, _)| !name.is_empty());
    let user = all.remove("User");
    let user = user.and_then(|user| <(u32, OwnedObjectPath)>::try_from(user).ok());
    if user.is_none_or(|(owner, _)| owner != uid) {
        return Err(Unsuitable::OtherUser);
    }
    let mut text = |name: &str| {
        let text = all
            .remove(name)
            .and_then(|text| String::try_from(text).ok());
        text.unwrap_or_default()
    };
    if matches!(text("Class").as_str(), "greeter" | "lock-screen") {
        return Err(Unsuitable::LoginScreen);
    }
    Ok(Session {
        id: text("Id"),
        session_type: match text("Type").as_str() {
            "wayland" => Type::Wayland,
            "x11" => Type::X11,
            // After startx(1) the session still has the type of the console login.
            "tty" if on_seat && display == DisplayVariable::Set => Type::X11,
            _ => return Err(Unsuitable::NotGraphical),
        },
    })
}

async fn properties(
    connection: &Connection,
    path: &OwnedObjectPath,
    interface: &str,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let call = connection.call_method(Some(LOGIND), path, Some(PROPERTIES), "GetAll", &interface);
    with_timeout(call).await?.body().deserialize()
}

async fn call_manager<B>(
    connection: &Connection,
    method: &str,
    body: &B,
) -> zbus::Result<OwnedObjectPath>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let call = connection.call_method(Some(LOGIND), MANAGER_PATH, Some(MANAGER), method, body);
    with_timeout(call).await?.body().deserialize()
}

/// `None` for the errors that mean that logind does not know the object.
fn found<T>(answer: zbus::Result<T>) -> zbus::Result<Option<T>> {
    match answer {
        Err(zbus::Error::MethodError(name, ..))
            if name.ends_with(".NoSuchSession") || name.ends_with(".NoSuchUser") =>
        {
            Ok(None)
        }
        Err(zbus::Error::FDO(error)) if matches!(*error, fdo::Error::UnknownObject(_)) => Ok(None),
        answer => answer.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    fn session(class: &str, session_type: &str, seat: &str) -> HashMap<String, OwnedVariant> {
        let path = OwnedObjectPath::try_from("/org/freedesktop/login1/user/_1000").unwrap();
        let text = |text: &str| Variant::from(text.to_owned());
        let all = [
            ("Id", text("c1")),
            ("Class", text(class)),
            ("Type", text(session_type)),
            ("Seat", Variant::from((seat.to_owned(), path.clone()))),
            ("User", Variant::from((1000_u32, path))),
        ];
        let owned = |(name, value): (&str, Variant<'_>)| {
            (name.to_owned(), OwnedVariant::try_from(value).unwrap())
        };
        all.into_iter().map(owned).collect()
    }

    #[test]
    fn a_graphical_session_of_this_user_is_taken() {
        let found = Session {
            id: "c1".to_owned(),
            session_type: Type::Wayland,
        };
        let all = session("user", "wayland", "seat0");
        assert_eq!(parse(all, 1000, DisplayVariable::Unset), Ok(found));
    }

    #[test]
    fn a_console_where_an_x_server_was_started_is_graphical_too() {
        let found = |seat, display| parse(session("user", "tty", seat), 1000, display);
        let found = |seat, display| found(seat, display).map(|found| found.session_type);
        assert_eq!(found("seat0", DisplayVariable::Set), Ok(Type::X11));
        assert_eq!(
            found("seat0", DisplayVariable::Unset),
            Err(Unsuitable::NotGraphical)
        );
        assert_eq!(
            found("", DisplayVariable::Set),
            Err(Unsuitable::NotGraphical)
        );
    }

    #[test]
    fn no_other_session_is_taken() {
        let unfit = |class, session_type, uid| {
            let all = session(class, session_type, "seat0");
            parse(all, uid, DisplayVariable::Unset).unwrap_err()
        };
        assert_eq!(unfit("user", "wayland", 1001), Unsuitable::OtherUser);
        assert_eq!(unfit("user", "tty", 1000), Unsuitable::NotGraphical);
        assert_eq!(unfit("greeter", "wayland", 1000), Unsuitable::LoginScreen);
        let nothing = parse(HashMap::new(), 0, DisplayVariable::Unset);
        assert_eq!(nothing, Err(Unsuitable::OtherUser));
    }
}
