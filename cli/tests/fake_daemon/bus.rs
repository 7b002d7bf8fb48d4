//! A fake bus with at most one daemon on it. The test answers `Hello`, the only call of the bus
//! that a client makes here.

use std::convert::Infallible;
use std::path::PathBuf;

use tokio::net::UnixListener;
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use crate::daemon::{Daemon, Manager};
use crate::services::{
    CLOSING_SESSION, LOGIND_SESSION, Logind, LogindSession, SILENT_SESSION, SilentSession, Systemd,
};

/// A fake bus at a socket in a temporary directory.
pub(crate) struct Bus {
    directory: tempfile::TempDir,
    daemon: Option<(UnixListener, Daemon)>,
}

impl Bus {
    pub(crate) fn with(daemon: Daemon) -> Self {
        let mut bus = Self::absent();
        // The socket must exist before the command starts.
        bus.daemon = Some((UnixListener::bind(bus.socket()).unwrap(), daemon));
        bus
    }

    pub(crate) fn absent() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            daemon: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("bus")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    pub(crate) async fn serve(&self) -> Infallible {
        if let Some((listener, daemon)) = &self.daemon {
            let (stream, _) = listener.accept().await.unwrap();
            let _connection = connect(stream.into_std().unwrap(), *daemon).await;
            return std::future::pending().await;
        }
        std::future::pending().await
    }
}

async fn connect(stream: std::os::unix::net::UnixStream, daemon: Daemon) -> Connection {
    Builder::unix_stream(stream)
        .server(Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/DBus", Hello)
        .serve_at("/org/sessiontimeout1", Manager(daemon))
        .serve_at("/org/freedesktop/login1", Logind(daemon))
        .serve_at(LOGIND_SESSION, LogindSession("active"))
        .serve_at(CLOSING_SESSION, LogindSession("closing"))
        .serve_at(SILENT_SESSION, SilentSession)
        .serve_at(
            "/org/freedesktop/login1/session/auto",
            LogindSession("active"),
        )
        .serve_at("/org/freedesktop/systemd1", Systemd)
        .build()
        .await
        .unwrap()
}

struct Hello;

#[zbus::interface(name = "org.freedesktop.DBus")]
impl Hello {
    fn hello(&self) -> &str {
        ":1.1"
    }
}
