//! The public connection, and the interface on it.

use tokio::sync::watch;
use zbus::Connection;

use super::{BUS_NAME, Manager, PATH, Questions};
use crate::bus::{self, Pauses, timely};

/// Offers the interface for ever, on a connection of its own. Without it everything else goes on:
/// it is there to look at, not to enforce.
pub(crate) async fn offer(bus: watch::Sender<Option<Connection>>, questions: Questions) {
    let mut pauses = Pauses::default();
    loop {
        match bus::public().await {
            Ok(connection) => {
                bus.send_replace(Some(connection.clone()));
                match timely(serve(&connection, &questions)).await {
                    Ok(()) => pauses = Pauses::default(),
                    Err(error) => log::warn!("cannot offer {BUS_NAME} on the system bus: {error}"),
                }
                connection.closed().await;
                bus.send_replace(None);
            }
            Err(error) => log::debug!("cannot offer {BUS_NAME}: {error}"),
        }
        tokio::time::sleep(pauses.next()).await;
    }
}

async fn serve(connection: &Connection, questions: &Questions) -> zbus::Result<()> {
    let manager = Manager::new(questions.clone());
    connection.object_server().at(PATH, manager).await?;
    connection.request_name(BUS_NAME).await
}
