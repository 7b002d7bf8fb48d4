//! The D-Bus interface of the agent, which the daemon calls
//! ([`session_timeout_protocol::bus::agent`]).

use std::time::Duration;

use session_timeout_protocol::bus::agent;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::message::Header;
use zbus::{Connection, fdo, interface};

use crate::clock::Now;
use crate::idle::{Answer, Watch};
use crate::input::Input;
use crate::notifier::Command;
use crate::source::SourceError;
use crate::wire::{self, Dictionary};

/// Timeout for the uid of a caller. The daemon waits two seconds for the whole reply.
const CALLER_TIMEOUT: Duration = Duration::from_millis(400);

/// Serves the interface on this connection.
///
/// # Errors
/// The connection has failed.
pub(crate) async fn serve(
    connection: &Connection,
    inputs: mpsc::Sender<Input>,
    commands: mpsc::Sender<Command>,
    lockers: watch::Receiver<Vec<String>>,
) -> zbus::Result<()> {
    let server = connection.object_server();
    let agent = Agent {
        inputs,
        commands,
        lockers,
    };
    server.at(agent::PATH, agent).await.map(drop)
}

struct Agent {
    inputs: mpsc::Sender<Input>,
    commands: mpsc::Sender<Command>,
    /// The names of the lockers that run and are watched.
    lockers: watch::Receiver<Vec<String>>,
}

#[interface(name = "org.sessiontimeout1.Agent")]
impl Agent {
    /// The idle time, in microseconds, or that it is less than the watch. A watch other than zero,
    /// in microseconds, is one to report on.
    async fn idle(
        &self,
        watch: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<(&'static str, u64)> {
        require_root(connection, &header).await?;
        let (reply, replied) = oneshot::channel();
        let probe = Input::Probe(Watch::from_micros(watch), reply);
        self.inputs.send(probe).await.map_err(stopping)?;
        match replied.await.map_err(stopping)? {
            Ok(Answer::Exact(idle)) => {
                let micros = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
                Ok((agent::EXACT, micros))
            }
            Ok(Answer::Active) => Ok((agent::ACTIVE, 0)),
            Err(error @ SourceError::NoSource) => Err(fdo::Error::NotSupported(error.to_string())),
            Err(error) => Err(fdo::Error::Failed(error.to_string())),
        }
    }

    /// Shows a warning.
    async fn warn(
        &self,
        warning: Dictionary,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        require_root(connection, &header).await?;
        let warning = wire::warning(Now::read(), warning)?;
        self.send(Command::Warn(warning)).await
    }

    /// Removes the warning of this limit: it does not apply any more.
    async fn withdraw(
        &self,
        limit: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        require_root(connection, &header).await?;
        self.send(Command::Withdraw(wire::limit(limit)?)).await
    }

    /// Shows that the session ends now, or that its screen is locked.
    async fn ending(
        &self,
        ending: Dictionary,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        require_root(connection, &header).await?;
        self.send(Command::End(wire::end_notice(ending)?)).await
    }

    /// How warnings are shown to the user.
    async fn notifications(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<&'static str> {
        require_root(connection, &header).await?;
        let (reply, replied) = oneshot::channel();
        self.send(Command::QueryDelivery(reply)).await?;
        let delivery = replied.await.map_err(stopping)?;
        Ok(delivery.as_str())
    }

    /// The programs whose locks of the screen the agent reports to logind.
    async fn lockers(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Vec<String>> {
        require_root(connection, &header).await?;
        Ok(self.lockers.borrow().clone())
    }
}

impl Agent {
    async fn send(&self, command: Command) -> fdo::Result<()> {
        self.commands.send(command).await.map_err(stopping)
    }
}

fn stopping<T>(_: T) -> fdo::Error {
    fdo::Error::Failed("session-timeout-agent is stopping".to_owned())
}

/// Rejects callers other than root. The policy of the bus (`org.sessiontimeout1.conf`) does so too,
/// but may be missing.
async fn require_root(connection: &Connection, header: &Header<'_>) -> fdo::Result<()> {
    let denied = || fdo::Error::AccessDenied("only root may ask".to_owned());
    let sender = header.sender().ok_or_else(denied)?;
    let bus = fdo::DBusProxy::new(connection).await?;
    let uid = bus.get_connection_unix_user(sender.clone().into());
    match tokio::time::timeout(CALLER_TIMEOUT, uid).await {
        Ok(Ok(0)) => Ok(()),
        _ => Err(denied()),
    }
}

#[cfg(test)]
mod tests {
    use zbus::object_server::Interface as _;

    use super::*;

    /// The attribute of `zbus` takes only a literal, and derives the members from the functions.
    #[test]
    fn the_interface_is_the_one_of_the_protocol() {
        let interface = Agent {
            inputs: mpsc::channel(1).0,
            commands: mpsc::channel(1).0,
            lockers: watch::channel(Vec::new()).1,
        };
        let mut xml = String::new();
        interface.introspect_to_writer(&mut xml, 0);
        let methods = xml.split("<method name=\"").skip(1);
        let methods: Vec<_> = methods.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(methods, agent::METHODS);
        assert_eq!(Agent::name().as_str(), agent::INTERFACE);
    }
}
