//! Serves `ExtendSession`: checks the caller's authorization, and asks the engine.
//!
//! The engine decides on the number and the length of extensions. polkit authorizes every caller
//! except root: users authenticate again for their own sessions, and an administrator authenticates
//! for those of others.

use session_timeout_policy::{Extended, Refusal, SessionFacts, SessionId, Uid};
use session_timeout_protocol::bus::ExtendError;
use session_timeout_texts::sanitize;
use tokio::sync::oneshot;
use zbus::message::{Flags, Header};
use zbus::names::UniqueName;
use zbus::{Connection, fdo};

use super::error::{stopping, unknown_caller};
use super::polkit::{self, Interaction, PolkitAction};
use super::refusal::NotExtended;
use super::{Manager, micros};
use crate::agents;
use crate::input::{ExtendRequest, Input};
use crate::report::SessionReport;
use crate::sys::clock::boot_now;

/// The reply: the length of the extension and the time until the session ends, in microseconds, and
/// the number of extensions that remain.
pub(super) type Granted = (u64, u64, u32);

impl Manager {
    /// Extends the absolute limit of the session with this id, if the caller is authorized.
    pub(super) async fn extend(
        &self,
        connection: &Connection,
        header: &Header<'_>,
        by: Uid,
        id: &SessionId,
    ) -> Result<Granted, NotExtended> {
        if by == Uid::ROOT {
            let found = self.person_at(id).await?;
            let found = found.ok_or_else(|| self.unknown(id, by))?;
            return self.granted(found.facts, by).await;
        }
        let sender = header.sender().ok_or_else(unknown_caller)?;
        let turn = self.extend_limiter.begin(by).await.ok_or_else(|| {
            let one = "your last wish for more time is not decided yet";
            NotExtended::new(ExtendError::Busy, one)
        })?;
        let found = self.person_at(id).await?;
        let own = found.as_ref().filter(|session| is_of(session, by));
        // A refusal that is certain comes before the password dialog.
        if let Some(session) = own
            && let Some(refusal) = certain_refusal(session)
        {
            self.refused(&session.facts, by, &refusal);
            return Err((&refusal).into());
        }
        let request = polkit::AuthorizationRequest {
            subject: sender,
            action: match own {
                Some(_) => PolkitAction::ExtendOwn,
                // The same check as for a session that does not exist, so that the replies are equal.
                None => PolkitAction::ExtendAny,
            },
            session: id.as_str(),
            interaction: interaction(header),
        };
        let private = self.context.private.borrow().clone();
        let asked = polkit::check(private, request, gone(connection, sender)).await;
        if let Err(denial) = asked {
            let facts = found.map(|session| session.facts);
            let journal = &self.context.journal;
            journal.extension_refused(id, facts.as_ref(), by, &denial);
            return Err((&denial).into());
        }
        let found = found.ok_or_else(|| self.unknown(id, by))?;
        let answer = self.granted(found.facts, by).await?;
        turn.granted();
        Ok(answer)
    }

    /// Extends this session by its key: logind may have reused the id during the password dialog.
    /// The driver logs the result.
    async fn granted(&self, facts: SessionFacts, by: Uid) -> Result<Granted, NotExtended> {
        let (answer, answered) = oneshot::channel();
        let id = facts.key.id.clone();
        let request = ExtendRequest {
            session: facts.key,
            by,
        };
        let asked = self.context.inputs.send(Input::Extend(request, answer));
        asked.await.map_err(|_| stopping())?;
        match answered.await.map_err(|_| stopping())? {
            Ok(Extended { by, until, left }) => {
                Ok((micros(by), micros(until.since(boot_now())), left))
            }
            Err(Refusal::NoSession) => Err(self.unknown(&id, by)),
            Err(refusal) => Err((&refusal).into()),
        }
    }

    /// The session with this id, if it is a user's login session.
    async fn person_at(&self, id: &SessionId) -> fdo::Result<Option<SessionReport>> {
        let found = self.session(id).await?;
        Ok(found.filter(|session| session.facts.class.is_login_of_a_person()))
    }

    fn refused(&self, facts: &SessionFacts, by: Uid, why: &Refusal) {
        let journal = &self.context.journal;
        journal.extension_refused(&facts.key.id, Some(facts), by, why);
    }

    fn unknown(&self, id: &SessionId, by: Uid) -> NotExtended {
        const WHY: &str = "there is no such session";
        let journal = &self.context.journal;
        journal.extension_refused(id, None, by, &WHY);
        let which = sanitize(id.as_str());
        NotExtended::new(
            ExtendError::NoSession,
            format_args!("there is no session {which}"),
        )
    }
}

fn is_of(session: &SessionReport, uid: Uid) -> bool {
    session.facts.uid == uid
}

/// The reason why the engine would refuse, as far as the report shows it.
fn certain_refusal(session: &SessionReport) -> Option<Refusal> {
    let Some(limits) = &session.limits else {
        return Some(Refusal::NoLimit);
    };
    match limits.extensions.times {
        0 => Some(Refusal::NotAllowed),
        times if session.granted.times >= times => Some(Refusal::UsedUp { times }),
        _ => None,
    }
}

fn interaction(header: &Header<'_>) -> Interaction {
    let flags = header.primary().flags();
    if flags.contains(Flags::ALLOW_INTERACTIVE_AUTH) {
        Interaction::Allowed
    } else {
        Interaction::Unwanted
    }
}

/// Waits until this caller has left the bus; for ever if that cannot be detected.
async fn gone(connection: &Connection, caller: &UniqueName<'_>) {
    let name = caller.to_owned().into();
    if let Err(error) = agents::wait_until_gone(connection, &name).await {
        log::debug!("cannot watch the caller that asks for more time: {error}");
        std::future::pending::<()>().await;
    }
}
