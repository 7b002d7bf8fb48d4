//! What the user's buttons ask for, and of whom.

use std::time::Duration;

use session_timeout_texts::{Language, Refused, Sentence};
use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::{Connection, DBusError as _, Proxy};

use crate::bus::timely;
use crate::clock::Now;
use crate::daemon;
use crate::notice::{Granted, NotExtended};
use crate::session::{LOGIND, MANAGER, MANAGER_PATH};

/// Tells the daemon that the user of this session is there.
///
/// # Errors
/// It does not hear it; a sentence about why.
pub(super) async fn stay(
    language: Language,
    bus: &Connection,
    session: &str,
) -> Result<(), String> {
    let (name, path, interface) = (daemon::NAME, daemon::PATH, daemon::MANAGER);
    let call = bus.call_method(Some(name), path, Some(interface), "Stay", &session);
    let told = timely(call).await;
    told.map(drop).map_err(|error| {
        let why = &reason(&error);
        language.say(Sentence::NotHeard { why })
    })
}

/// Asks the daemon for more time. The user may have to authenticate for it, which takes as long as
/// it takes.
///
/// # Errors
/// There is none.
pub(super) async fn extend(
    language: Language,
    bus: &Connection,
    session: &str,
) -> Result<Granted, NotExtended> {
    let asked = async {
        let proxy = zbus::proxy::Builder::<Proxy<'_>>::new(bus)
            .destination(daemon::NAME)
            .path(daemon::PATH)
            .interface(daemon::MANAGER)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let (flags, body) = (MethodFlags::ALLOW_INTERACTIVE_AUTH, (session,));
        let reply = proxy.call_with_flags("ExtendSession", flags, &body);
        reply.await?.ok_or(zbus::Error::InvalidReply)
    };
    let told: zbus::Result<(u64, u64, u32)> = asked.await;
    match told {
        Ok((by, ends_in, left)) => Ok(Granted {
            by: Duration::from_micros(by),
            ends: Now::read().after(Duration::from_micros(ends_in)),
            left,
        }),
        Err(error) => Err(refusal(language, &error)),
    }
}

/// Has logind end this session.
///
/// # Errors
/// It does not; a sentence about why.
pub(super) async fn sign_out(
    language: Language,
    bus: &Connection,
    session: &str,
) -> Result<(), String> {
    let method = "TerminateSession";
    let call = bus.call_method(Some(LOGIND), MANAGER_PATH, Some(MANAGER), method, &session);
    let told = timely(call).await;
    told.map(drop).map_err(|error| {
        let why = &reason(&error);
        language.say(Sentence::NotSignedOut { why })
    })
}

/// Tells the daemon that its user has been told of the last session.
pub(super) async fn ending_told(bus: &Connection, session: &str) {
    let (name, path, interface) = (daemon::NAME, daemon::PATH, daemon::MANAGER);
    let call = bus.call_method(Some(name), path, Some(interface), "EndingTold", &session);
    // Then it is told again.
    let _ = timely(call).await;
}

fn refusal(language: Language, error: &zbus::Error) -> NotExtended {
    let known = match error {
        zbus::Error::MethodError(name, ..) => Refused::by_error_name(name),
        _ => None,
    };
    match known {
        // What the policy says against it holds the next time as well.
        Some(why) if why.is_final() => NotExtended::Never(language.say(Sentence::Refused(why))),
        Some(why) => NotExtended::ThisTime(language.say(Sentence::Refused(why))),
        None => NotExtended::ThisTime(reason(error)),
    }
}

/// What an error says to people: the daemon's and logind's words are meant for them.
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
    use zbus::Message;

    use super::*;

    fn said(name: &'static str) -> NotExtended {
        let call = Message::method_call("/org/sessiontimeout1", "ExtendSession");
        let call = call.build(&("c1",)).unwrap();
        let error = Message::error(&call.header(), name);
        refusal(Language::German, &error.build(&("why",)).unwrap().into())
    }

    #[test]
    fn what_the_policy_refuses_is_final_and_a_missing_authorization_is_not() {
        let never = "alle erlaubten Verlängerungen sind verbraucht";
        assert_eq!(
            said("org.sessiontimeout1.Error.UsedUp"),
            NotExtended::Never(never.to_owned())
        );
        let this_time = "die Authentifizierung wurde abgebrochen";
        assert_eq!(
            said("org.sessiontimeout1.Error.Dismissed"),
            NotExtended::ThisTime(this_time.to_owned())
        );
    }

    #[test]
    fn an_error_of_another_daemon_is_told_in_its_own_words() {
        assert_eq!(
            said("org.sessiontimeout1.Error.Rain"),
            NotExtended::ThisTime("why".to_owned())
        );
    }
}
