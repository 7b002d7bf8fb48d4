//! `extend`: more time for a session.

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
    let extension = bus.extend(&session).await;
    let extension = extension.map_err(|error| match error {
        Error::Authentication(why) => Error::Authentication(format!("{why}{}", asker.hint())),
        other => other,
    });
    asker.stop().await;
    Ok(said(&session, extension?))
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
