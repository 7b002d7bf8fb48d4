//! The calls to the daemon and to logind for the buttons of a notification.

use std::time::Duration;

use session_timeout_protocol::bus::{self as names, ExtendError, manager};
use session_timeout_texts::{Language, Sentence};
use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::{Connection, DBusError as _, Message, Proxy};

use crate::bus::with_timeout;
use crate::clock::Now;
use crate::notice::{Extension, NotExtended};
use crate::session::{LOGIND, MANAGER, MANAGER_PATH};

/// Tells the daemon that the user stays, which counts as input.
///
/// # Errors
/// The call failed; a sentence for the user.
pub(super) async fn stay(
    language: Language,
    bus: &Connection,
    session: &str,
) -> Result<(), String> {
    let reply = call_daemon(bus, manager::STAY, session).await;
    reply.map(drop).map_err(|error| {
        let why = &reason(&error);
        language.say(Sentence::NotHeard { why })
    })
}

/// Requests an extension. No timeout: the user may have to authenticate.
///
/// # Errors
/// The session was not extended.
pub(super) async fn extend(
    language: Language,
    bus: &Connection,
    session: &str,
) -> Result<Extension, NotExtended> {
    let call = async {
        let proxy = zbus::proxy::Builder::<Proxy<'_>>::new(bus)
            .destination(names::NAME)
            .path(manager::PATH)
            .interface(manager::INTERFACE)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let (flags, body) = (MethodFlags::ALLOW_INTERACTIVE_AUTH, (session,));
        let reply = proxy.call_with_flags(manager::EXTEND_SESSION, flags, &body);
        reply.await?.ok_or(zbus::Error::InvalidReply)
    };
    let reply: zbus::Result<(u64, u64, u32)> = call.await;
    match reply {
        Ok((by, ends_in, left)) => Ok(Extension {
            by: Duration::from_micros(by),
            ends: Now::read().after(Duration::from_micros(ends_in)),
            left,
        }),
        Err(error) => Err(refusal(language, &error)),
    }
}

/// Has logind terminate this session.
///
/// # Errors
/// The call failed; a sentence for the user.
pub(super) async fn sign_out(
    language: Language,
    bus: &Connection,
    session: &str,
) -> Result<(), String> {
    let method = "TerminateSession";
    let call = bus.call_method(Some(LOGIND), MANAGER_PATH, Some(MANAGER), method, &session);
    let reply = with_timeout(call).await;
    reply.map(drop).map_err(|error| {
        let why = &reason(&error);
        language.say(Sentence::NotSignedOut { why })
    })
}

/// Reports to the daemon that the end of the last session was shown.
pub(super) async fn report_last_ending_shown(bus: &Connection, session: &str) {
    // After a failure it is shown again.
    let _ = call_daemon(bus, manager::ENDING_TOLD, session).await;
}

async fn call_daemon(bus: &Connection, method: &str, session: &str) -> zbus::Result<Message> {
    let (path, interface) = (manager::PATH, manager::INTERFACE);
    let call = bus.call_method(Some(names::NAME), path, Some(interface), method, &session);
    with_timeout(call).await
}

fn refusal(language: Language, error: &zbus::Error) -> NotExtended {
    let known = match error {
        zbus::Error::MethodError(name, ..) => ExtendError::by_error_name(name),
        _ => None,
    };
    match known {
        // The policy would refuse later requests as well.
        Some(why) if why.is_final() => NotExtended::Permanent(language.say(Sentence::Refused(why))),
        Some(why) => NotExtended::Temporary(language.say(Sentence::Refused(why))),
        None => NotExtended::Temporary(reason(error)),
    }
}

/// The text of an error: the errors of the daemon and of logind are written for users.
fn reason(error: &zbus::Error) -> String {
    let said = match error {
        zbus::Error::FDO(error) => error.description().map(str::to_owned),
        zbus::Error::MethodError(_, said, _) => said.clone(),
        _ => None,
    };
    said.unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &'static str) -> NotExtended {
        let call = Message::method_call(manager::PATH, manager::EXTEND_SESSION);
        let call = call.build(&("c1",)).unwrap();
        let error = Message::error(&call.header(), name);
        refusal(Language::German, &error.build(&("why",)).unwrap().into())
    }

    #[test]
    fn a_refusal_of_the_policy_is_permanent_and_a_missing_authorization_is_not() {
        let never = "alle erlaubten Verlängerungen sind verbraucht";
        assert_eq!(
            said(ExtendError::UsedUp.error_name()),
            NotExtended::Permanent(never.to_owned())
        );
        let this_time = "die Authentifizierung wurde abgebrochen";
        assert_eq!(
            said(ExtendError::Dismissed.error_name()),
            NotExtended::Temporary(this_time.to_owned())
        );
    }

    #[test]
    fn an_unknown_error_is_shown_with_its_own_text() {
        assert_eq!(
            said("org.freedesktop.DBus.Error.Failed"),
            NotExtended::Temporary("why".to_owned())
        );
    }
}
