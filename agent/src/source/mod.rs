//! Where idle time comes from: the best source that this desktop has.

mod mutter;
mod readable;
mod wayland;
mod x11;

use std::fmt;
use std::future;
use std::time::Duration;

use session_timeout_protocol::bus::agent::source as bus_source;

use crate::idle::{Answer, Report, Watch};
use crate::session::{Session, Type};

use self::mutter::Mutter;
use self::wayland::Wayland;
use self::x11::X11;

/// How long the desktop may take for anything that it is asked. The daemon waits for two seconds
/// for an answer, for which Mutter and X11 may be asked several times, within milliseconds where
/// all is well.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What tells of idle time.
pub(crate) enum Source {
    Wayland(Box<Wayland>),
    Mutter(Box<Mutter>),
    X11(Box<X11>),
    /// This desktop has nothing that we know.
    None,
}

/// Why a source has no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The desktop has gone.
    Gone(String),
    /// It did not answer this time.
    Unanswered(String),
    /// There is nothing to ask.
    NoSource,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) | Self::Unanswered(why) => f.write_str(why),
            Self::NoSource => f.write_str("this desktop tells nobody of idle time"),
        }
    }
}

/// What comes of a question.
pub(crate) struct Told {
    pub(crate) answer: Answer,
    /// What the daemon is to be told after the answer.
    pub(crate) reports: Vec<Report>,
}

/// When to look for GNOME Shell again, each after the look before.
const SHELL_STARTS: [Duration; 6] = [
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
    /// The best there is. X11 is asked only where the session is one of X11: to the X server
    /// inside a Wayland session, time without input is time without input for its own windows.
    /// There, the X server comes before Mutter, which asks it as well and can be restarted.
    pub(crate) async fn choose(session: &Session) -> Self {
        match session.session_type {
            Type::Wayland => match within(Wayland::connect()).await {
                Ok(wayland) => Self::Wayland(Box::new(wayland)),
                Err(_) => Self::mutter().await,
            },
            Type::X11 => match within(X11::connect()).await {
                Ok(x11) => Self::X11(Box::new(x11)),
                Err(_) => Self::mutter().await,
            },
        }
    }

    /// The same, where GNOME Shell may still be on its way: on a machine that is busy after the
    /// login the agent may be there first.
    pub(crate) async fn choose_in_time(session: &Session) -> Self {
        let mut pauses = SHELL_STARTS.into_iter().filter(|_| is_gnome());
        loop {
            let source = Self::choose(session).await;
            match (&source, pauses.next()) {
                (Self::None, Some(pause)) => tokio::time::sleep(pause).await,
                _ => return source,
            }
        }
    }

    async fn mutter() -> Self {
        match within(Mutter::connect()).await {
            Ok(mutter) => Self::Mutter(Box::new(mutter)),
            Err(_) => Self::None,
        }
    }

    /// Its name, as the daemon knows it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Wayland(wayland) => wayland.name(),
            Self::Mutter(_) => bus_source::MUTTER,
            Self::X11(_) => bus_source::X11,
            Self::None => bus_source::NONE,
        }
    }

    /// Asks for the idle time, and arms the source for what the daemon is to be told later.
    ///
    /// # Errors
    /// The desktop does not answer in time, or is gone.
    pub(crate) async fn ask(&mut self, watch: Option<Watch>) -> Result<Told, Trouble> {
        within(async {
            match self {
                Self::Wayland(wayland) => wayland.ask(watch).await,
                Self::Mutter(mutter) => mutter.ask(watch).await,
                Self::X11(x11) => x11.ask(watch).await,
                Self::None => Err(Trouble::NoSource),
            }
        })
        .await
    }

    /// Waits until the desktop has something to say, which [`Source::take`] takes. Cancel safe.
    pub(crate) async fn ready(&mut self) {
        match self {
            Self::Wayland(wayland) => wayland.ready().await,
            Self::Mutter(mutter) => mutter.ready().await,
            Self::X11(x11) => x11.ready().await,
            Self::None => future::pending().await,
        }
    }

    /// What the daemon is to be told after that.
    ///
    /// # Errors
    /// The desktop does not answer in time, or is gone.
    pub(crate) async fn take(&mut self) -> Result<Vec<Report>, Trouble> {
        within(async {
            match self {
                Self::Wayland(wayland) => wayland.take(),
                Self::Mutter(mutter) => mutter.take().await,
                Self::X11(x11) => x11.take().await,
                Self::None => Ok(Vec::new()),
            }
        })
        .await
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let silence = || {
        format!(
            "the desktop has not answered for {} ms",
            PATIENCE.as_millis()
        )
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Trouble::Unanswered(silence())),
    }
}

/// Has something that waits in the calling thread wait in one of its own. A desktop that hangs
/// holds up that one.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.unwrap_or_else(|error| Err(Trouble::Unanswered(error.to_string())))
}
