//! The source of idle time: the best one that the desktop has.

mod mutter;
mod probe;
mod readable;
mod wayland;
mod x11;
mod x_connection;

use std::future;
use std::time::Duration;

use session_timeout_protocol::bus::agent::source as bus_source;

use crate::idle::{Report, Watch};
use crate::session::{Session, Type};

pub(crate) use self::probe::SourceError;
pub(crate) use self::readable::Peer;
pub(crate) use self::x_connection::XConnection;

use self::mutter::Mutter;
use self::probe::ProbeResult;
use self::wayland::Wayland;
use self::x11::X11;

/// Timeout for a probe or for processing events. The daemon waits two seconds for the reply. A
/// probe may query Mutter or X11 several times, each of which normally takes milliseconds.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// A source of idle time.
pub(crate) enum Source {
    Wayland(Box<Wayland>),
    Mutter(Box<Mutter>),
    X11(Box<X11>),
    /// The desktop has no known source.
    None,
}

/// Delays before each retry to find GNOME Shell.
const SHELL_RETRIES: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

fn is_gnome() -> bool {
    let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
    desktop.split(':').any(|name| name == "GNOME")
}

impl Source {
    /// The best available source. X11 is used only if the session is one of X11: the idle time of
    /// the X server inside a Wayland session is that of its own windows. In an X11 session the X
    /// server is preferred to Mutter, which queries it as well and can be restarted.
    pub(crate) async fn choose(session: &Session) -> Self {
        match session.session_type {
            Type::Wayland => match with_timeout(Wayland::connect()).await {
                Ok(wayland) => Self::Wayland(Box::new(wayland)),
                Err(_) => Self::mutter().await,
            },
            Type::X11 => match with_timeout(X11::connect()).await {
                Ok(x11) => Self::X11(Box::new(x11)),
                Err(_) => Self::mutter().await,
            },
        }
    }

    /// The same, with retries on GNOME: on a busy machine the agent may start before GNOME Shell.
    pub(crate) async fn choose_with_retries(session: &Session) -> Self {
        let mut retries = SHELL_RETRIES.into_iter().filter(|_| is_gnome());
        loop {
            let source = Self::choose(session).await;
            match (&source, retries.next()) {
                (Self::None, Some(delay)) => tokio::time::sleep(delay).await,
                _ => return source,
            }
        }
    }

    async fn mutter() -> Self {
        match with_timeout(Mutter::connect()).await {
            Ok(mutter) => Self::Mutter(Box::new(mutter)),
            Err(_) => Self::None,
        }
    }

    /// Its name in [`agent::source`](session_timeout_protocol::bus::agent::source).
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Wayland(wayland) => wayland.name(),
            Self::Mutter(_) => bus_source::MUTTER,
            Self::X11(_) => bus_source::X11,
            Self::None => bus_source::NONE,
        }
    }

    /// Probes the idle time, and has the source call back for the watch.
    ///
    /// # Errors
    /// The desktop does not reply in time, or the connection has ended.
    pub(crate) async fn probe(&mut self, watch: Option<Watch>) -> Result<ProbeResult, SourceError> {
        with_timeout(async {
            match self {
                Self::Wayland(wayland) => wayland.probe(watch).await,
                Self::Mutter(mutter) => mutter.probe(watch).await,
                Self::X11(x11) => x11.probe(watch).await,
                Self::None => Err(SourceError::NoSource),
            }
        })
        .await
    }

    /// Waits until the desktop has sent events for [`Source::process_events`]. Cancel safe.
    pub(crate) async fn ready(&mut self) {
        match self {
            Self::Wayland(wayland) => wayland.ready().await,
            Self::Mutter(mutter) => mutter.ready().await,
            Self::X11(x11) => x11.ready().await,
            Self::None => future::pending().await,
        }
    }

    /// Processes the events of the desktop; the result is what to report to the daemon.
    ///
    /// # Errors
    /// The desktop does not reply in time, or the connection has ended.
    pub(crate) async fn process_events(&mut self) -> Result<Vec<Report>, SourceError> {
        with_timeout(async {
            match self {
                Self::Wayland(wayland) => wayland.process_events(),
                Self::Mutter(mutter) => mutter.process_events().await,
                Self::X11(x11) => x11.process_events().await,
                Self::None => Ok(Vec::new()),
            }
        })
        .await
    }
}

async fn with_timeout<T>(
    call: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    let no_answer = || {
        format!(
            "the desktop has not answered for {} ms",
            TIMEOUT.as_millis()
        )
    };
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(result) => result,
        Err(_elapsed) => Err(SourceError::NoAnswer(no_answer())),
    }
}
