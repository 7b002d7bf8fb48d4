//! The client of polkit: asks whether a caller is authorized, with a password dialog if one is
//! needed.
//!
//! The subject is the caller's unique name on the bus, which cannot be forged or inherited. A
//! process id may be reused before polkit checks it (CVE-2013-4288). Every reply other than a clear
//! yes is a refusal.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session_timeout_protocol::bus::polkit as actions;
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use zbus::names::UniqueName;
use zbus::wire::Variant;
use zbus::{Message, fdo};

use crate::bus::Link;

const POLKIT: &str = "org.freedesktop.PolicyKit1";
const PATH: &str = "/org/freedesktop/PolicyKit1/Authority";
const AUTHORITY: &str = "org.freedesktop.PolicyKit1.Authority";
/// `AllowUserInteraction` of `CheckAuthorizationFlags`.
const ALLOW_INTERACTION: u32 = 1;

/// Timeout of a check with a password dialog.
const INTERACTIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeout of a check without one; polkit may have to be started for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of pending checks: far below the number of pending replies that the bus allows a
/// peer (`max_replies_per_connection`, 128), since calls that end sessions use the same connection.
static PERMITS: Semaphore = Semaphore::const_new(32);

/// Each check has a cancellation id of its own.
static CANCELLATION_IDS: AtomicU64 = AtomicU64::new(0);

/// An action of `org.sessiontimeout1.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolkitAction {
    /// Extend the absolute limit of the caller's own session.
    ExtendOwn,
    /// Extend the absolute limit of any session.
    ExtendAny,
}

impl PolkitAction {
    const fn id(self) -> &'static str {
        match self {
            Self::ExtendOwn => actions::EXTEND_OWN,
            Self::ExtendAny => actions::EXTEND_ANY,
        }
    }
}

/// Whether polkit may show the subject a password dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Allowed,
    Unwanted,
}

/// The parameters of a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) subject: &'a UniqueName<'a>,
    pub(crate) action: PolkitAction,
    /// The session id as the subject gave it: the dialog shows it to the subject.
    pub(crate) session: &'a str,
    pub(crate) interaction: Interaction,
}

/// Why the subject is not authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The subject has left the bus.
    Abandoned,
    /// The user closed the password dialog.
    Dismissed,
    /// A password is needed, and the subject has not allowed a dialog.
    Interactive,
    /// There was no reply within this time.
    Late(Duration),
    /// A password is needed, and the subject has no polkit agent that can ask for it.
    NoAgent,
    /// The action is not allowed to the subject, or the password was wrong.
    NotAuthorized,
    /// polkit cannot be reached, or has failed.
    Unavailable(String),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned => f.write_str("the caller has gone away"),
            Self::Dismissed => f.write_str("the authentication was dismissed"),
            Self::Interactive => f.write_str("authentication is needed for that"),
            Self::Late(bound) => write!(f, "not authenticated within {} s", bound.as_secs()),
            Self::NoAgent => f.write_str(
                "authentication is needed for that, and no authentication agent of polkit's is \
                 there to ask for it",
            ),
            Self::NotAuthorized => f.write_str("not authorized by polkit"),
            Self::Unavailable(why) => write!(
                f,
                "polkit, which would have to agree, does not answer (is polkitd installed?): {why}"
            ),
        }
    }
}

/// Checks the authorization through polkit, with a password dialog if that is needed and allowed.
/// Stops when `abandoned` completes.
///
/// # Errors
/// The subject is not authorized.
pub(crate) async fn check(
    link: Option<Link>,
    request: AuthorizationRequest<'_>,
    abandoned: impl Future<Output = ()>,
) -> Result<(), Denial> {
    let unavailable = |why: &str| Denial::Unavailable(why.to_owned());
    let link = link.ok_or_else(|| unavailable("there is no system bus"))?;
    let permit = PERMITS.try_acquire();
    let permit = permit.map_err(|_| unavailable("too many others are asking"))?;
    let number = CANCELLATION_IDS.fetch_add(1, Ordering::Relaxed);
    let name = format!("session-timeoutd-{number}");
    let (flags, bound) = match request.interaction {
        Interaction::Allowed => (ALLOW_INTERACTION, INTERACTIVE_TIMEOUT),
        Interaction::Unwanted => (0, TIMEOUT),
    };
    let subject = request.subject.to_string();
    let body = (
        (
            "system-bus-name",
            HashMap::from([("name", Variant::from(subject))]),
        ),
        request.action.id(),
        HashMap::from([("session", request.session.to_owned())]),
        flags,
        name.clone(),
    );
    // Even after a cancellation the bus counts the pending reply, so the permit is held until it
    // arrives.
    let asking = link.clone();
    let asked = tokio::spawn(async move {
        let reply = call(&asking, "CheckAuthorization", &body).await;
        drop(permit);
        reply
    });
    let given_up = tokio::select! {
        reply = asked => {
            let failed = |error: JoinError| zbus::Error::Failure(error.to_string());
            let reply = reply.map_err(failed).flatten();
            return answered(reply, request.interaction);
        }
        () = abandoned => Denial::Abandoned,
        () = tokio::time::sleep(bound) => Denial::Late(bound),
    };
    // Closes the password dialog, whose answer is not used any more.
    let body = (name.as_str(),);
    let cancelled = call(&link, "CancelCheckAuthorization", &body);
    if let Ok(Err(error)) = tokio::time::timeout(TIMEOUT, cancelled).await {
        log::debug!("cannot cancel a request to polkit: {error}");
    }
    Err(given_up)
}

async fn call<B>(link: &Link, method: &str, body: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::wire::DynamicType,
{
    link.connection()
        .call_method(Some(POLKIT), PATH, Some(AUTHORITY), method, body)
        .await
}

fn answered(reply: zbus::Result<Message>, interaction: Interaction) -> Result<(), Denial> {
    type Result3 = (bool, bool, HashMap<String, String>);
    let said = reply.and_then(|reply| reply.body().deserialize::<Result3>());
    match said {
        Ok((authorized, challenge, details)) => {
            understood(authorized, challenge, &details, interaction)
        }
        Err(zbus::Error::FDO(error)) => Err(Denial::Unavailable(match *error {
            fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => {
                "it is not on the system bus".to_owned()
            }
            other => other.to_string(),
        })),
        Err(error) => Err(Denial::Unavailable(error.to_string())),
    }
}

/// The meaning of an `AuthorizationResult`.
fn understood(
    authorized: bool,
    challenge: bool,
    details: &HashMap<String, String>,
    interaction: Interaction,
) -> Result<(), Denial> {
    match (authorized, challenge, interaction) {
        (true, _, _) => Ok(()),
        (false, true, Interaction::Unwanted) => Err(Denial::Interactive),
        (false, true, Interaction::Allowed) => Err(Denial::NoAgent),
        (false, false, _) if details.contains_key("polkit.dismissed") => Err(Denial::Dismissed),
        (false, false, _) => Err(Denial::NotAuthorized),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(key: &str) -> HashMap<String, String> {
        HashMap::from([(key.to_owned(), "true".to_owned())])
    }

    #[test]
    fn nothing_but_a_yes_is_a_yes() {
        use Interaction::{Allowed, Unwanted};
        let none = HashMap::new();
        assert_eq!(understood(true, false, &none, Allowed), Ok(()));
        for (challenge, details, interaction, why) in [
            (false, &none, Allowed, Denial::NotAuthorized),
            (false, &none, Unwanted, Denial::NotAuthorized),
            (true, &none, Unwanted, Denial::Interactive),
            (true, &none, Allowed, Denial::NoAgent),
            (
                false,
                &details("polkit.dismissed"),
                Allowed,
                Denial::Dismissed,
            ),
            (
                false,
                &details("polkit.retains_authorization_after_challenge"),
                Allowed,
                Denial::NotAuthorized,
            ),
        ] {
            let answer = understood(false, challenge, details, interaction);
            assert_eq!(answer, Err(why));
        }
    }

    #[test]
    fn a_polkit_that_does_not_work_is_a_no_that_says_so() {
        let gone = fdo::Error::ServiceUnknown("no such name".to_owned());
        let gone = Err(zbus::Error::FDO(Box::new(gone)));
        let Err(why) = answered(gone, Interaction::Allowed) else {
            panic!("that was no yes");
        };
        assert!(why.to_string().contains("is polkitd installed?"), "{why}");
        for refused in [
            fdo::Error::NoReply("no".to_owned()),
            fdo::Error::AccessDenied("no".to_owned()),
            fdo::Error::Failed("no".to_owned()),
        ] {
            let broken = Err(zbus::Error::FDO(Box::new(refused)));
            assert!(answered(broken, Interaction::Unwanted).is_err());
        }
        let broken = Err(zbus::Error::Failure("no".to_owned()));
        assert!(answered(broken, Interaction::Unwanted).is_err());
        let call = Message::method_call("/", "CheckAuthorization");
        let call = call.build(&()).unwrap();
        // A reply of another type.
        let reply = Message::method_return(&call.header())
            .build(&(true,))
            .unwrap();
        assert!(answered(Ok(reply), Interaction::Allowed).is_err());
    }
}
