//! The notification of one limit: what it is about, and what the server shows of it.
//!
//! A server that is slow has at most one open call for each limit. What changes meanwhile is shown
//! when it has replied.

use session_timeout_texts::Language;

use super::content::{Button, Capabilities, Content};
use super::model::{EndNotice, Extension, LastEnding, Limit, Warning};
use super::remaining::Remaining;
use crate::clock::{BootTime, Now};

/// The server's id of a notification; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u32);

/// Identifies a request to the server, so that its reply can be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(super) limit: Limit,
    /// The server that the request is for: a reply of an earlier one is ignored.
    pub(super) generation: u64,
}

/// What the notifier has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoticeAction {
    /// Show this; it replaces the notification with this id, if any.
    Show(RequestId, Option<Id>, Content),
    Close(Id),
    /// Show once how the last session ended; report if that fails.
    ShowLastEnding(LastEnding, Content),
    /// Start a server, since there is something to show.
    StartServer,
    /// Do what this button is for, which the user has pressed.
    Press(Button),
}

/// Why the server has closed a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The user has dismissed it.
    Dismissed,
    /// It has expired, or any other reason.
    Other,
}

/// The notification of one limit.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) subject: Option<Subject>,
    /// The notification that the server shows.
    pub(super) id: Option<Id>,
    call: ServerCall,
}

/// The state of the last call to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ServerCall {
    /// It has replied.
    #[default]
    None,
    /// It has not replied yet.
    Pending,
    /// It has not replied yet, and the content has changed since.
    Outdated,
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Warning(ShownWarning),
    Extension(Extension),
    End(EndNotice),
}

/// A warning, and what is shown with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownWarning {
    pub(super) warning: Warning,
    /// The result of the last button.
    pub(super) note: Option<String>,
    /// When to update the notification; `None` if it does not change, or the user has dismissed it.
    pub(super) next: Option<BootTime>,
}

impl Slot {
    /// The warning, if the notification is about one.
    pub(super) const fn warning(&self) -> Option<&ShownWarning> {
        match &self.subject {
            Some(Subject::Warning(warning)) => Some(warning),
            _ => None,
        }
    }

    /// There is another server, which shows nothing yet.
    pub(super) const fn server_changed(&mut self) {
        self.id = None;
        self.call = ServerCall::None;
    }

    /// Shows the subject; after the reply if a call is pending.
    pub(super) fn show(
        &mut self,
        now: Now,
        request: RequestId,
        language: Language,
        capabilities: Capabilities,
    ) -> Option<NoticeAction> {
        let content = match self.subject.as_mut()? {
            Subject::Warning(shown) => shown.content(language, now, capabilities),
            Subject::Extension(extension) => {
                Content::extended(language, now, *extension, capabilities)
            }
            Subject::End(notice) => Content::end(language, notice, capabilities),
        };
        if self.call != ServerCall::None {
            self.call = ServerCall::Outdated;
            return None;
        }
        self.call = ServerCall::Pending;
        Some(NoticeAction::Show(request, self.id, content))
    }

    /// The server has replied: with the id of the notification, or with an error.
    pub(super) fn replied(&mut self, id: Option<Id>) -> (Vec<NoticeAction>, Reshow) {
        let outdated = self.call == ServerCall::Outdated;
        self.call = ServerCall::None;
        let mut actions = Vec::new();
        if let Some(id) = id {
            // A server that cannot replace a notification shows a second one.
            let before = self.id.replace(id).filter(|before| *before != id);
            actions.extend(before.map(NoticeAction::Close));
        }
        if self.subject.is_none() {
            actions.extend(self.id.take().map(NoticeAction::Close));
            return (actions, Reshow::No);
        }
        (actions, if outdated { Reshow::Yes } else { Reshow::No })
    }

    /// The server has closed the notification.
    pub(super) fn closed(&mut self, why: CloseReason) {
        self.id = None;
        match &mut self.subject {
            Some(Subject::Warning(shown)) if why == CloseReason::Dismissed => shown.next = None,
            Some(Subject::Warning(_)) | None => {}
            Some(Subject::Extension(_) | Subject::End(_)) => self.subject = None,
        }
    }

    /// Removes the notification. One that is being shown is closed after the reply.
    pub(super) fn remove(&mut self) -> Option<NoticeAction> {
        self.subject = None;
        let replied = self.call == ServerCall::None;
        self.id.take_if(|_| replied).map(NoticeAction::Close)
    }
}

/// Whether to show a notification again, since its content has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reshow {
    Yes,
    No,
}

impl ShownWarning {
    pub(super) const fn new(warning: Warning) -> Self {
        Self {
            warning,
            note: None,
            next: None,
        }
    }

    /// The content now; also sets when it changes.
    fn content(&mut self, language: Language, now: Now, capabilities: Capabilities) -> Content {
        let ends = self.warning.ends;
        self.next = Remaining::until(now, ends).next(ends);
        Content::warning(
            language,
            now,
            &self.warning,
            self.note.as_deref(),
            capabilities,
        )
    }
}
