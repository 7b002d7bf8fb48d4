//! Opens the public connection to the bus, and serves the D-Bus interface on it.

use log::Level;
use session_timeout_protocol::bus::{NAME, manager};
use tokio::sync::watch;
use zbus::Connection;

use super::{Context, Manager};
use crate::bus::{self, Backoff, with_timeout};

/// Serves the interface for ever, on a connection of its own. Enforcement does not depend on it.
pub(crate) async fn serve(bus: watch::Sender<Option<Connection>>, context: Context) {
    let mut backoff = Backoff::default();
    let mut level = Level::Warn;
    loop {
        match serve_once(&bus, &context).await {
            Ok(()) => (backoff, level) = (Backoff::default(), Level::Warn),
            Err(error) => {
                log::log!(level, "cannot offer {NAME} on the system bus: {error}");
                // Only the first failure in a row is logged at a higher level.
                level = Level::Debug;
            }
        }
        bus.send_replace(None);
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Serves the interface until the connection is lost.
///
/// # Errors
/// The connection, the object or the name on the bus failed.
async fn serve_once(
    bus: &watch::Sender<Option<Connection>>,
    context: &Context,
) -> zbus::Result<()> {
    let connection = bus::public().await?;
    bus.send_replace(Some(connection.clone()));
    with_timeout(export(&connection, context)).await?;
    connection.closed().await;
    Ok(())
}

async fn export(connection: &Connection, context: &Context) -> zbus::Result<()> {
    let interface = Manager::new(context.clone());
    connection
        .object_server()
        .at(manager::PATH, interface)
        .await?;
    connection.request_name(NAME).await
}
