//! The callers of the D-Bus interface: which user each is, and the limits for its calls.

use session_timeout_policy::{SessionId, Uid};
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::{Connection, fdo};

use super::Manager;
use super::error::{full, not_the_agent, unknown_caller};
use super::limits::{CallSlot, UserSlot};
use crate::input::Viewer;

/// Maximum length of a session id in a call, in bytes; logind's ids are far shorter.
const ID_MAX_BYTES: usize = 64;

/// The user of a call. The call counts against the limits until this is dropped.
pub(super) struct Caller {
    pub(super) viewer: Viewer,
    _user_slot: Option<UserSlot>,
    _call_slot: CallSlot,
}

impl Manager {
    /// Counts the call, and waits until its user's call may be served.
    pub(super) async fn admit(
        &self,
        connection: &Connection,
        header: &Header<'_>,
    ) -> fdo::Result<Caller> {
        let (call, _) = self.take_slot(header)?;
        let asked = || caller(connection, header);
        let user = *call.user.get_or_try_init(asked).await?;
        let turn = self.limiter.turn(user).await.map_err(full)?;
        Ok(Caller {
            viewer: Viewer(user),
            _user_slot: turn,
            _call_slot: call,
        })
    }

    /// Counts a call for which the user does not matter.
    pub(super) fn take_slot<'h>(
        &self,
        header: &'h Header<'_>,
    ) -> fdo::Result<(CallSlot, &'h UniqueName<'h>)> {
        let sender = header.sender().ok_or_else(unknown_caller)?;
        Ok((self.limiter.call(sender).map_err(full)?, sender))
    }

    /// Counts a call of an agent, and returns its user.
    pub(super) fn agents_user(
        &self,
        session: String,
        header: &Header<'_>,
    ) -> fdo::Result<(CallSlot, Uid)> {
        let (call, sender) = self.take_slot(header)?;
        let user = self.context.agents.user_of(&parse_id(session)?, sender);
        Ok((call, user.ok_or_else(not_the_agent)?))
    }
}

/// The uid of the caller, as the bus reports it.
async fn caller(connection: &Connection, header: &Header<'_>) -> fdo::Result<Uid> {
    let sender = header.sender().ok_or_else(unknown_caller)?;
    let bus = fdo::DBusProxy::new(connection).await?;
    bus.get_connection_unix_user(sender.clone().into())
        .await
        .map(Uid::new)
        .map_err(|_| unknown_caller())
}

/// The session id in a call; an error if it is longer than any id.
pub(super) fn parse_id(id: String) -> fdo::Result<SessionId> {
    if id.len() <= ID_MAX_BYTES {
        return Ok(SessionId::new(id));
    }
    let long = format!("no session's id is longer than {ID_MAX_BYTES} bytes");
    Err(fdo::Error::InvalidArgs(long))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_accepted_up_to_the_length_of_ids() {
        assert!(parse_id("c1".to_owned()).is_ok());
        assert!(parse_id("a".repeat(ID_MAX_BYTES)).is_ok());
        assert!(parse_id("ä".repeat(ID_MAX_BYTES)).is_err());
    }
}
