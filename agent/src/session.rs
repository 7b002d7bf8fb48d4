//! Which session this is, by logind's word.

use std::collections::HashMap;
use std::fmt;

use zbus::wire::{OwnedObjectPath, OwnedVariant};
use zbus::{Connection, fdo};

use crate::bus::timely;

pub(crate) const LOGIND: &str = "org.freedesktop.login1";
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/login1";
pub(crate) const MANAGER: &str = "org.freedesktop.login1.Manager";
pub(crate) const SESSION: &str = "org.freedesktop.login1.Session";
const USER: &str = "org.freedesktop.login1.User";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A graphical session of this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// logind's name of it.
    pub(crate) id: String,
    pub(crate) session_type: Type,
}

/// What the session's programs draw on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Wayland,
    X11,
}

/// Whether an X server is named in the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    Named,
    Unnamed,
}

impl Display {
    fn of_environment() -> Self {
        match std::env::var_os("DISPLAY") {
            Some(_) => Self::Named,
            None => Self::Unnamed,
        }
    }
}

/// Who says which session it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The command line.
    This(String),
    /// Nobody. The environment may name one; what runs under the user's service manager has no
    /// session of its own, and then it is the one that logind calls the user's display.
    Any {
        /// `XDG_SESSION_ID`.
        environment: Option<String>,
    },
}

/// Why there is no session to be an agent of.
#[derive(Debug)]
pub(crate) enum NoSession {
    /// logind does not answer.
    Logind(String),
    /// The command line names one that is not.
    NotThis(String, Unfit),
    /// The user has no graphical session.
    NotAny,
}

/// Why a session is none to be an agent of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Unknown,
    OfSomebodyElse,
    NotGraphical,
    /// A login screen.
    OfNobody,
}

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logind(why) => write!(f, "systemd-logind does not answer: {why}"),
            Self::NotThis(id, Unfit::Unknown) => {
                write!(f, "there is no session {id:?}; loginctl lists them")
            }
            Self::NotThis(id, Unfit::OfSomebodyElse) => {
                write!(f, "session {id} is of another user")
            }
            Self::NotThis(id, Unfit::NotGraphical) => {
                write!(
                    f,
                    "session {id} is not graphical (loginctl show-session {id})"
                )
            }
            Self::NotThis(id, Unfit::OfNobody) => write!(f, "session {id} is a login screen"),
            Self::NotAny => f.write_str("this user has no graphical session"),
        }
    }
}

/// Asks logind which session this is.
///
/// # Errors
/// There is none.
pub(crate) async fn find(
    connection: &Connection,
    wanted: &Wanted,
    uid: u32,
) -> Result<Session, NoSession> {
    let logind = |error: zbus::Error| NoSession::Logind(error.to_string());
    match wanted {
        Wanted::This(id) => {
            let path = path(connection, id).await.map_err(logind)?;
            let unfit = |why| NoSession::NotThis(id.clone(), why);
            let path = path.ok_or_else(|| unfit(Unfit::Unknown))?;
            look(connection, &path, uid).await?.map_err(unfit)
        }
        Wanted::Any { environment } => {
            if let Some(id) = environment
                && let Some(path) = path(connection, id).await.map_err(logind)?
                && let Ok(session) = look(connection, &path, uid).await?
            {
                return Ok(session);
            }
            let display = display(connection, uid).await.map_err(logind)?;
            let path = display.ok_or(NoSession::NotAny)?;
            look(connection, &path, uid)
                .await?
                .map_err(|_| NoSession::NotAny)
        }
    }
}

/// The object of the session of this id, if there is one.
pub(crate) async fn path(
    connection: &Connection,
    id: &str,
) -> zbus::Result<Option<OwnedObjectPath>> {
    // logind takes the empty id for the caller's own session.
    if id.is_empty() {
        return Ok(None);
    }
    existing(manage(connection, "GetSession", &(id,)).await)
}

/// The session that logind calls the display of this user: the last graphical one.
async fn display(connection: &Connection, uid: u32) -> zbus::Result<Option<OwnedObjectPath>> {
    let user: Option<OwnedObjectPath> = existing(manage(connection, "GetUser", &(uid,)).await)?;
    let Some(user) = user else {
        return Ok(None);
    };
    let mut all = properties(connection, &user, USER).await?;
    let display = all.remove("Display");
    let display = display.and_then(|it| <(String, OwnedObjectPath)>::try_from(it).ok());
    // Without one its id is empty.
    Ok(display
        .filter(|(id, _)| !id.is_empty())
        .map(|(_, path)| path))
}

async fn look(
    connection: &Connection,
    path: &OwnedObjectPath,
    uid: u32,
) -> Result<Result<Session, Unfit>, NoSession> {
    match existing(properties(connection, path, SESSION).await) {
        Ok(Some(all)) => Ok(read(all, uid, Display::of_environment())),
        Ok(None) => Ok(Err(Unfit::Unknown)),
        Err(error) => Err(NoSession::Logind(error.to_string())),
    }
}

fn read(
    mut all: HashMap<String, OwnedVariant>,
    uid: u32,
    display: Display,
) -> Result<Session, Unfit> {
    let seat = all.remove("Seat");
    let seat = seat.and_then(|seat| <(String, OwnedObjectPath)>::try_from(seat).ok());
    let on_seat = seat.is_some_and(|(name, _)| !name.is_empty());
    let user = all.remove("User");
    let user = user.and_then(|user| <(u32, OwnedObjectPath)>::try_from(user).ok());
    if user.is_none_or(|(owner, _)| owner != uid) {
        return Err(Unfit::OfSomebodyElse);
    }
    let mut text = |name: &str| {
        let text = all
            .remove(name)
            .and_then(|text| String::try_from(text).ok());
        text.unwrap_or_default()
    };
    if matches!(text("Class").as_str(), "greeter" | "lock-screen") {
        return Err(Unfit::OfNobody);
    }
    Ok(Session {
        id: text("Id"),
        session_type: match text("Type").as_str() {
            "wayland" => Type::Wayland,
            "x11" => Type::X11,
            // startx(1) leaves the session the console login that it was.
            "tty" if on_seat && display == Display::Named => Type::X11,
            _ => return Err(Unfit::NotGraphical),
        },
    })
}

async fn properties(
    connection: &Connection,
    path: &OwnedObjectPath,
    interface: &str,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let call = connection.call_method(Some(LOGIND), path, Some(PROPERTIES), "GetAll", &interface);
    timely(call).await?.body().deserialize()
}

async fn manage<B>(connection: &Connection, method: &str, body: &B) -> zbus::Result<OwnedObjectPath>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let call = connection.call_method(Some(LOGIND), MANAGER_PATH, Some(MANAGER), method, body);
    timely(call).await?.body().deserialize()
}

/// What logind does not know is no failure of logind's.
fn existing<T>(answer: zbus::Result<T>) -> zbus::Result<Option<T>> {
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
        assert_eq!(read(all, 1000, Display::Unnamed), Ok(found));
    }

    #[test]
    fn a_console_where_an_x_server_was_started_is_graphical_too() {
        let found = |seat, display| read(session("user", "tty", seat), 1000, display);
        let found = |seat, display| found(seat, display).map(|found| found.session_type);
        assert_eq!(found("seat0", Display::Named), Ok(Type::X11));
        assert_eq!(found("seat0", Display::Unnamed), Err(Unfit::NotGraphical));
        assert_eq!(found("", Display::Named), Err(Unfit::NotGraphical));
    }

    #[test]
    fn no_other_session_is() {
        let unfit = |class, session_type, uid| {
            let all = session(class, session_type, "seat0");
            read(all, uid, Display::Unnamed).unwrap_err()
        };
        assert_eq!(unfit("user", "wayland", 1001), Unfit::OfSomebodyElse);
        assert_eq!(unfit("user", "tty", 1000), Unfit::NotGraphical);
        assert_eq!(unfit("greeter", "wayland", 1000), Unfit::OfNobody);
        let nothing = read(HashMap::new(), 0, Display::Unnamed);
        assert_eq!(nothing, Err(Unfit::OfSomebodyElse));
    }
}
