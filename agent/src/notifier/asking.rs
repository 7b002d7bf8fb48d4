//! What the user's buttons ask for, and of whom.

use std::time::Duration;

use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::{Connection, DBusError as _, Proxy, fdo};

use crate::bus::timely;
use crate::clock::Now;
use crate::daemon;
use crate::notice::{Granted, NotExtended};
use crate::session::{LOGIND, MANAGER, MANAGER_PATH};
use crate::text;

/// Tells the daemon that the user of this session is there.
///
/// # Errors
/// It does not hear it; a sentence about why.
pub(super) async fn stay(bus: &Connection, session: &str) -> Result<(), String> {
    let (name, path, interface) = (daemon::NAME, daemon::PATH, daemon::MANAGER);
    let call = bus.call_method(Some(name), path, Some(interface), "Stay", &session);
    let told = timely(call).await;
    told.map(drop)
        .map_err(|error| text::unheard(&reason(&error)))
}

/// Asks the daemon for more time. The user may have to authenticate for it, which takes as long as
/// it takes.
///
/// # Errors
/// There is none.
pub(super) async fn extend(bus: &Connection, session: &str) -> Result<Granted, NotExtended> {
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
        Err(error) => Err(refusal(&error)),
    }
}

/// Has logind end this session.
///
/// # Errors
/// It does not; a sentence about why.
pub(super) async fn sign_out(bus: &Connection, session: &str) -> Result<(), String> {
    let method = "TerminateSession";
    let call = bus.call_method(Some(LOGIND), MANAGER_PATH, Some(MANAGER), method, &session);
    let told = timely(call).await;
    told.map(drop)
        .map_err(|error| text::not_signed_out(&reason(&error)))
}

fn refusal(error: &zbus::Error) -> NotExtended {
    match error {
        // What the policy says against it holds the next time as well.
        zbus::Error::FDO(told) if matches!(**told, fdo::Error::InvalidArgs(_)) => {
            NotExtended::Never(reason(error))
        }
        _ => NotExtended::ThisTime(reason(error)),
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
    use super::*;

    fn said(error: fdo::Error) -> NotExtended {
        refusal(&zbus::Error::FDO(Box::new(error)))
    }

    #[test]
    fn what_the_policy_refuses_is_final_and_a_missing_authorization_is_not() {
        let used_up = fdo::Error::InvalidArgs("all 2 extensions are used up".to_owned());
        let never = NotExtended::Never("all 2 extensions are used up".to_owned());
        assert_eq!(said(used_up), never);
        let dismissed = fdo::Error::AccessDenied("the authentication was dismissed".to_owned());
        let this_time = NotExtended::ThisTime("the authentication was dismissed".to_owned());
        assert_eq!(said(dismissed), this_time);
    }
}
