//! `extend`: more time for a session.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::bus::{Bus, Extension};
use crate::duration;
use crate::error::Error;
use crate::own;
use crate::text;
use crate::tty_agent::Asker;

/// Has the daemon put off the absolute limit of this session, or of the caller's own; what to say
/// of it.
pub(crate) async fn extend(session: Option<&str>) -> Result<String, Error> {
    let bus = Bus::system().await?;
    let session = match session {
        Some(session) => session.to_owned(),
        None => own::session(&bus, None).await?.session,
    };
    let asker = Asker::start().await;
    // The agent would outlive us otherwise, and go on to ask.
    let extension = tokio::select! {
        extension = bus.extend(&session) => extension,
        signal = told_to_end() => Err(signal.map_or_else(Error::Runtime, |()| Error::Interrupted)),
    };
    let extension = extension.map_err(|error| match error {
        Error::Authentication(why) => Error::Authentication(format!("{why}{}", asker.hint())),
        other => other,
    });
    // First, so that the daemon takes back what is still asked.
    drop(bus);
    asker.stop().await;
    Ok(said(&session, extension?))
}

/// Waits for a signal that asks us to end.
async fn told_to_end() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

fn said(session: &str, extension: Extension) -> String {
    let left = match extension.left {
        0 => "that was the last extension".to_owned(),
        1 => "one extension is left".to_owned(),
        more => format!("{more} extensions are left"),
    };
    let by = duration::for_people(extension.by);
    let ends_in = duration::for_people(extension.ends_in);
    let session = text::one_line(session);
    format!("Session {session} may last {by} longer: it ends in {ends_in}; {left}.\n")
}
