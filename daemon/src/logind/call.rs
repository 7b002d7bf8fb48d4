//! Calls the methods of logind's manager object, and classifies its errors.

use zbus::DBusError as _;

use super::MANAGER;
use crate::bus::Link;

pub(super) async fn manage<B>(link: &Link, method: &str, body: &B) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::wire::DynamicType,
{
    link.call(MANAGER, method, body).await.map(drop)
}

pub(super) fn is_unknown(error: &zbus::Error) -> bool {
    name_of(error).is_some_and(|name| {
        name == "org.freedesktop.login1.NoSuchSession"
            || name == "org.freedesktop.DBus.Error.UnknownObject"
    })
}

/// Whether logind itself returned the error, and not the bus: the error has a name of logind's own,
/// or is a denied access.
pub(crate) fn answered(error: &zbus::Error) -> bool {
    name_of(error).is_some_and(|name| {
        name.starts_with("org.freedesktop.login1.")
            || name.starts_with("org.freedesktop.systemd1.")
            || name.ends_with(".AccessDenied")
    })
}

/// The D-Bus name of the error. zbus has a separate type for the names that D-Bus itself defines.
fn name_of(error: &zbus::Error) -> Option<String> {
    match error {
        zbus::Error::MethodError(name, ..) => Some(name.to_string()),
        zbus::Error::FDO(error) => Some(error.name().to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use zbus::Message;

    use super::*;

    /// The error as zbus returns it.
    fn refused(name: &'static str) -> zbus::Error {
        let call = Message::method_call("/org/freedesktop/login1", "GetSession");
        let call = call.build(&()).unwrap();
        let reply = Message::error(&call.header(), name);
        reply.build(&("no",)).unwrap().into()
    }

    #[test]
    fn what_logind_does_not_have_is_distinguished_from_what_it_refuses() {
        let unknown = |name| is_unknown(&refused(name));
        assert!(unknown("org.freedesktop.login1.NoSuchSession"));
        assert!(unknown("org.freedesktop.DBus.Error.UnknownObject"));
        assert!(!unknown("org.freedesktop.DBus.Error.NoReply"));
        assert!(!is_unknown(&zbus::Error::Failure("no".to_owned())));
    }

    #[test]
    fn a_refusal_is_distinguished_from_a_bus_that_does_not_answer() {
        let answered = |name| answered(&refused(name));
        assert!(answered("org.freedesktop.login1.NotSupported"));
        assert!(answered("org.freedesktop.systemd1.NoSuchUnit"));
        assert!(answered("org.freedesktop.DBus.Error.AccessDenied"));
        assert!(!answered("org.freedesktop.DBus.Error.ServiceUnknown"));
        assert!(!answered("org.freedesktop.DBus.Error.NoReply"));
    }
}
