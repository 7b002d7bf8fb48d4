//! The public connection, and the interface on it.

use log::Level;
use tokio::sync::watch;
use zbus::Connection;

use super::{BUS_NAME, Manager, PATH, Questions};
use crate::bus::{self, Pauses, timely};

/// Offers the interface for ever, on a connection of its own. Without it everything else goes on:
/// it is there to look at, not to enforce.
pub(crate) async fn offer(bus: watch::Sender<Option<Connection>>, questions: Questions) {
    let mut pauses = Pauses::default();
    let mut level = Level::Warn;
    loop {
        match offer_once(&bus, &questions).await {
            Ok(()) => (pauses, level) = (Pauses::default(), Level::Warn),
            Err(error) => {
                log::log!(level, "cannot offer {BUS_NAME} on the system bus: {error}");
                // It is tried again and again, and told once.
                level = Level::Debug;
            }
        }
        bus.send_replace(None);
        tokio::time::sleep(pauses.next()).await;
    }
}

/// Offers it until the connection is lost.
///
/// # Errors
/// It cannot be offered.
async fn offer_once(
    bus: &watch::Sender<Option<Connection>>,
    questions: &Questions,
) -> zbus::Result<()> {
    let connection = bus::public().await?;
    bus.send_replace(Some(connection.clone()));
    timely(serve(&connection, questions)).await?;
    connection.closed().await;
    Ok(())
}

async fn serve(connection: &Connection, questions: &Questions) -> zbus::Result<()> {
    let manager = Manager::new(questions.clone());
    connection.object_server().at(PATH, manager).await?;
    connection.request_name(BUS_NAME).await
}
