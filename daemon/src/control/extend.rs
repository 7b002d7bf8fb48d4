//! Extensions, for users who may have them.
//!
//! How often and by how much is the engine's to say, for everybody. Who may ask is polkit's, but
//! for root: a user authenticates again for an own session, and an administrator for those of
//! others.

use session_timeout_policy::{Refusal, SessionFacts, Uid};
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
use crate::report::{ExtendResult, SessionReport};

/// What is answered: by how much, in how long the session ends, and how often that may be done
/// again.
pub(super) type Granted = (u64, u64, u32);

impl Manager {
    /// Puts off the absolute limit of the session with this id, if the caller may.
    pub(super) async fn extend(
        &self,
        connection: &Connection,
        header: &Header<'_>,
        by: Uid,
        id: &str,
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
        // Nobody types a password in vain.
        if let Some(session) = own
            && let Some(refusal) = in_vain(session)
        {
            self.refused(&session.facts, by, &refusal);
            return Err((&refusal).into());
        }
        let question = polkit::AuthorizationRequest {
            subject: sender,
            action: match own {
                Some(_) => PolkitAction::ExtendOwn,
                // Nobody learns from the answer whether there is such a session.
                None => PolkitAction::ExtendAny,
            },
            session: id,
            interaction: interaction(header),
        };
        let private = self.context.private.borrow().clone();
        let asked = polkit::check(private, question, gone(connection, sender)).await;
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

    /// Asks the engine, for this very session: a password takes its time, and logind hands out ids
    /// again. What comes of it is told by the driver.
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
            ExtendResult::Granted { by, ends_in, left } => Ok((micros(by), micros(ends_in), left)),
            ExtendResult::Refused(why) => Err((&why).into()),
            ExtendResult::NoSession => Err(self.unknown(&id, by)),
        }
    }

    /// The session with this id, if a person logged in to it.
    async fn person_at(&self, id: &str) -> fdo::Result<Option<SessionReport>> {
        let found = self.session(id).await?;
        Ok(found.filter(|session| session.facts.class.is_login_of_a_person()))
    }

    fn refused(&self, facts: &SessionFacts, by: Uid, why: &Refusal) {
        let journal = &self.context.journal;
        journal.extension_refused(&facts.key.id, Some(facts), by, why);
    }

    fn unknown(&self, id: &str, by: Uid) -> NotExtended {
        const WHY: &str = "there is no such session";
        let journal = &self.context.journal;
        journal.extension_refused(id, None, by, &WHY);
        let which = sanitize(id);
        NotExtended::new(
            ExtendError::NoSession,
            format_args!("there is no session {which}"),
        )
    }
}

fn is_of(session: &SessionReport, uid: Uid) -> bool {
    session.facts.uid == uid
}

/// Why no password would help, as far as that can be seen.
fn in_vain(session: &SessionReport) -> Option<Refusal> {
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

/// Waits until this caller is gone; for ever, where nobody can tell.
async fn gone(connection: &Connection, caller: &UniqueName<'_>) {
    let name = caller.to_owned().into();
    if let Err(error) = agents::wait_until_gone(connection, &name).await {
        log::debug!("cannot watch the caller that asks for more time: {error}");
        std::future::pending::<()>().await;
    }
}
