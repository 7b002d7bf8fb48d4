//! The notifications about the end of the session. Pure: the time, the daemon's warnings and the
//! events of the notification server are arguments.

mod content;
mod model;
mod notices;
mod remaining;
mod slot;

pub(crate) use content::{Actions, Button, Capabilities, Content, Expiry};
pub(crate) use model::{
    End, EndNotice, Extension, ExtensionOffer, LastEnding, Limit, SanitizedText, Urgency, Warning,
};
pub(crate) use notices::{NotExtended, Notices};
pub(crate) use slot::{CloseReason, Id, NoticeAction, RequestId};
