//! The public connection, and the interface on it.

use log::Level;
use session_timeout_protocol::bus::{NAME, manager};
use tokio::sync::watch;
use zbus::Connection;

use super::{Context, Manager};
use crate::bus::{self, Backoff, with_timeout};

/// Offers the interface for ever, on a connection of its own. Without it everything else goes on:
/// it is there to look at, not to enforce.
pub(crate) async fn serve(bus: watch::Sender<Option<Connection>>, context: Context) {
    let mut backoff = Backoff::default();
    let mut level = Level::Warn;
    loop {
        match serve_once(&bus, &context).await {
            Ok(()) => (backoff, level) = (Backoff::default(), Level::Warn),
            Err(error) => {
                log::log!(level, "cannot offer {NAME} on the system bus: {error}");
                // It is tried again and again, and told once.
                level = Level::Debug;
            }
        }
        bus.send_replace(None);
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Offers it until the connection is lost.
///
/// # Errors
/// It cannot be offered.
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
