//! What the daemon may ask of the agent over D-Bus: `org.sessiontimeout1.Agent`.

use std::time::Duration;

use session_timeout_protocol::bus::agent;
use tokio::sync::{mpsc, oneshot};
use zbus::message::Header;
use zbus::{Connection, fdo, interface};

use crate::clock::Now;
use crate::idle::{Answer, Watch};
use crate::input::Input;
use crate::notifier::News;
use crate::source::Trouble;
use crate::wire::{Dictionary, limit, parting, warning};

/// How long the bus may take to say who calls. The daemon waits for two seconds in all.
const PATIENCE: Duration = Duration::from_millis(400);

/// Offers the interface on this connection.
///
/// # Errors
/// The connection has failed.
pub(crate) async fn serve(
    connection: &Connection,
    inputs: mpsc::Sender<Input>,
    news: mpsc::Sender<News>,
) -> zbus::Result<()> {
    let server = connection.object_server();
    server
        .at(agent::PATH, Agent { inputs, news })
        .await
        .map(drop)
}

struct Agent {
    inputs: mpsc::Sender<Input>,
    news: mpsc::Sender<News>,
}

#[interface(name = "org.sessiontimeout1.Agent")]
impl Agent {
    /// How long nobody has touched anything: `exact` and microseconds, or `active` and zero where
    /// that is less than the watch and nobody knows. A watch that is not zero, in microseconds,
    /// is one to report on.
    async fn idle(
        &self,
        watch: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<(&'static str, u64)> {
        only_root(connection, &header).await?;
        let (answer, answered) = oneshot::channel();
        let question = Input::Question(Watch::from_micros(watch), answer);
        self.inputs.send(question).await.map_err(stopping)?;
        match answered.await.map_err(stopping)? {
            Ok(Answer::Exact(idle)) => {
                let micros = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
                Ok((agent::EXACT, micros))
            }
            Ok(Answer::Active) => Ok((agent::ACTIVE, 0)),
            Err(trouble @ Trouble::NoSource) => Err(fdo::Error::NotSupported(trouble.to_string())),
            Err(trouble) => Err(fdo::Error::Failed(trouble.to_string())),
        }
    }

    /// The session is going to end.
    async fn warn(
        &self,
        warned: Dictionary,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        only_root(connection, &header).await?;
        let warned = warning(Now::read(), warned)?;
        self.tell(News::Warned(warned)).await
    }

    /// What was warned of for this limit will not happen.
    async fn withdraw(
        &self,
        limit_word: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        only_root(connection, &header).await?;
        self.tell(News::Withdrawn(limit(limit_word)?)).await
    }

    /// The session ends now, or is locked.
    async fn ending(
        &self,
        ends: Dictionary,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        only_root(connection, &header).await?;
        self.tell(News::Ends(parting(ends)?)).await
    }

    /// How warnings reach the user: `ok`, `no-actions` where there are no buttons, or `none`.
    async fn notifications(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<&'static str> {
        only_root(connection, &header).await?;
        let (answer, answered) = oneshot::channel();
        self.tell(News::Reach(answer)).await?;
        let reach = answered.await.map_err(stopping)?;
        Ok(reach.as_str())
    }
}

impl Agent {
    async fn tell(&self, news: News) -> fdo::Result<()> {
        self.news.send(news).await.map_err(stopping)
    }
}

fn stopping<T>(_: T) -> fdo::Error {
    fdo::Error::Failed("session-timeout-agent is stopping".to_owned())
}

/// The bus lets nobody else call either (`org.sessiontimeout1.conf`), as long as its policy is
/// there.
async fn only_root(connection: &Connection, header: &Header<'_>) -> fdo::Result<()> {
    let denied = || fdo::Error::AccessDenied("only root may ask".to_owned());
    let sender = header.sender().ok_or_else(denied)?;
    let bus = fdo::DBusProxy::new(connection).await?;
    let uid = bus.get_connection_unix_user(sender.clone().into());
    match tokio::time::timeout(PATIENCE, uid).await {
        Ok(Ok(0)) => Ok(()),
        _ => Err(denied()),
    }
}

#[cfg(test)]
mod tests {
    use zbus::object_server::Interface as _;

    use super::*;

    /// The attribute of `zbus` takes a literal, and names the members after the functions.
    #[test]
    fn the_interface_is_the_one_of_the_protocol() {
        let interface = Agent {
            inputs: mpsc::channel(1).0,
            news: mpsc::channel(1).0,
        };
        let mut xml = String::new();
        interface.introspect_to_writer(&mut xml, 0);
        let methods = xml.split("<method name=\"").skip(1);
        let methods: Vec<_> = methods.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(methods, agent::METHODS);
        assert_eq!(Agent::name().as_str(), agent::INTERFACE);
    }
}
