//! `extend`: extends the absolute limit of a session.

use std::io;

use session_timeout_protocol::bus::ExtendError;
use session_timeout_texts::{Language, Sentence};
use tokio::signal::unix::{SignalKind, signal};

use crate::bus::{Bus, Extension, NotExtended};
use crate::current_session;
use crate::error::Error;
use crate::tty_agent::PasswordAgent;

/// Has the daemon extend the absolute limit of this session, or of the caller's session. Returns
/// the text to print.
pub(crate) async fn extend(session: Option<&str>) -> Result<String, Error> {
    let language = Language::of_environment();
    let bus = Bus::system().await?;
    let session = match session {
        Some(session) => session.to_owned(),
        None => current_session::session(&bus, None).await?.session,
    };
    let agent = PasswordAgent::start().await;
    // Otherwise the agent would outlive the command, and continue to ask.
    let extension = tokio::select! {
        extension = bus.extend(&session) => extension,
        signal = termination_signal() => {
            let why = signal.map_or_else(Error::Runtime, |()| Error::Interrupted);
            Err(NotExtended::Failed(why))
        }
    };
    let extension = extension.map_err(|why| match why {
        NotExtended::Refused(why) => Error::Refused(refusal(language, why, &agent)),
        NotExtended::Failed(error) => error,
    });
    // First, so that the daemon cancels the authentication.
    drop(bus);
    agent.stop().await;
    Ok(granted_text(language, &session, extension?))
}

/// Waits for a signal to terminate.
async fn termination_signal() -> io::Result<()> {
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

fn granted_text(language: Language, session: &str, extension: Extension) -> String {
    let said = language.say(Sentence::Extended {
        session,
        by: extension.by,
        left: extension.ends_in,
        count: extension.left,
    });
    format!("{said}\n")
}

/// Why there is no extension, and what to do if nobody could be asked for a password.
fn refusal(language: Language, why: ExtendError, agent: &PasswordAgent) -> String {
    let said = language.say(Sentence::Refused(why));
    if !matches!(why, ExtendError::Interactive | ExtendError::NoAgent) {
        return said;
    }
    let why = said.as_str();
    match agent {
        PasswordAgent::Agent(_) | PasswordAgent::Nobody => said,
        PasswordAgent::NotInstalled => language.say(Sentence::NoTerminalAgent { why }),
        PasswordAgent::NoTerminal => language.say(Sentence::AskedOnTerminals { why }),
    }
}
