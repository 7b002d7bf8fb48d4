//! What stands on the screen about the end of the session. Pure: told the time, what the daemon
//! says, and what the notification server does.

mod content;
mod model;
mod notices;
mod remaining;

pub(crate) use content::{Abilities, Actions, Button, Content, Stays};
pub(crate) use model::{
    End, Extensions, Granted, LastEnding, Limit, Parting, Plain, Urgency, Warning,
};
pub(crate) use notices::{Closed, Id, NotExtended, Notices, Step, Ticket};
