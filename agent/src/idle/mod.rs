//! The state of idle time, for each kind of source. Pure: the time, and what the desktop reports,
//! are arguments.

mod callback_source;
mod pending_report;
mod query_source;
mod watch;

pub(crate) use callback_source::{CallbackAction, CallbackSource, Token};
pub(crate) use pending_report::PendingReport;
pub(crate) use query_source::QuerySource;
pub(crate) use watch::{Answer, Report, Watch};
