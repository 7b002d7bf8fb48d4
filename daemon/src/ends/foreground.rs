//! Keeps the session on the screen that a seat shows while one in its background is ended.
//!
//! A display manager may show its login screen then, as GDM 48 does within half a second. The user
//! who works on the seat is shown the own session again at once, so that nothing that is typed
//! meanwhile gets into it: the screen is checked several times a second.

use std::time::Duration;

use session_timeout_policy::{SessionFacts, SessionKey};
use tokio::time::Instant;

use super::{Ends, targets};
use crate::bus::Link;
use crate::logind::{self, Displaced, Foreground};

/// Delay between two checks of the screen, which read a file of the kernel.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long the screen is checked after the exit of the leader, which a display manager waits for.
const AFTER_EXIT: Duration = Duration::from_secs(3);

/// How long it is checked if the leader does not exit: longer than any grace.
const MAX: Duration = Duration::from_secs(11 * 60);

/// Maximum number of sessions for which the screen is checked at a time.
pub(super) const MAX_CONCURRENT: usize = 8;

impl Ends {
    /// Checks the screen until some seconds after the exit of the session's leader, if the session
    /// is in the background of its seat.
    pub(super) fn keep_foreground(&self, session: &SessionFacts) {
        let Some(seat) = session.seat.clone() else {
            return;
        };
        let (Ok(turn), Some(link)) = (
            self.foregrounds.clone().try_acquire_owned(),
            self.bus.borrow().clone(),
        ) else {
            return;
        };
        let (ends, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            let _turn = turn;
            match logind::foreground(&link, &session.key, &seat).await {
                Ok(Some(foreground)) => ends.check_screen(&link, &session, &foreground).await,
                Ok(None) => {}
                Err(error) => log::info!("cannot find what is shown on {seat}: {error}"),
            }
        });
    }

    /// Whether the daemon itself has just had this session shown again.
    pub(crate) fn has_shown_again(&self, session: &SessionKey) -> bool {
        self.screens.was_shown_again(session)
    }

    async fn check_screen(&self, link: &Link, ended: &SessionFacts, foreground: &Foreground) {
        let mut until = Instant::now() + MAX;
        while Instant::now() < until {
            tokio::time::sleep(INTERVAL).await;
            let is_shown = foreground.is_shown();
            if targets::leader(ended).is_none() {
                until = until.min(Instant::now() + AFTER_EXIT);
            } else if !is_shown {
                // Before the end, so by hand.
                return;
            }
            if is_shown {
                continue;
            }
            match logind::displaced(link, foreground).await {
                Ok(Displaced::Unclear) => {}
                Ok(Displaced::ByHand) => return,
                Ok(Displaced::ByGreeter) => {
                    return self.show_again(link, &ended.key, foreground).await;
                }
                Err(error) => {
                    let shown = foreground.id();
                    return log::warn!("cannot find what displaced session {shown}: {error}");
                }
            }
        }
    }

    async fn show_again(&self, link: &Link, ended: &SessionKey, foreground: &Foreground) {
        let (shown, ended) = (foreground.id(), &ended.id);
        self.screens.note_shown_again(foreground.session());
        match logind::show_again(link, foreground).await {
            Ok(()) => log::info!(
                "session {shown} is shown again: a greeter displaced it when session {ended} ended"
            ),
            Err(error) => log::warn!("cannot show session {shown} again: {error}"),
        }
    }
}
