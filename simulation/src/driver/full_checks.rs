//! Detailed checks of the engine: a comparison with a second instance, and of the records after
//! each call. Only a few scenarios use them, because they are slow.

use session_timeout_policy::{Engine, SessionRecord};

use super::Driver;
use crate::input::Reply;
use crate::invariant::{Invariant, Violation};

/// The extent of the checks in one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckLevel {
    /// The outputs of the engine are checked.
    Usual,
    /// The same, and also a second instance that gets the same events, and the records after each
    /// call.
    Close,
}

/// The records after the last call, and their revision.
pub(super) type Recorded = Option<(u64, Vec<SessionRecord>)>;

impl Driver<'_> {
    /// Calls the engine, with the extent of checks that the scenario has.
    pub(super) fn call(
        &mut self,
        mut call: impl FnMut(&mut Engine) -> Reply,
    ) -> Result<Reply, Violation> {
        let Some(engine) = &mut self.engine else {
            return Ok(Reply::default());
        };
        if self.check_level == CheckLevel::Usual {
            return Ok(call(engine));
        }
        let mut twin = engine.clone();
        let (said, again) = (call(engine), call(&mut twin));
        let records: Vec<SessionRecord> = engine.records().collect();
        let revision = engine.revision();
        let same = engine.next_deadline() == twin.next_deadline()
            && revision == twin.revision()
            && twin.records().eq(records.iter().cloned());
        if said != again || !same {
            let seen = format!("{said:?}, and another time {again:?}");
            return Err(self.broken(Invariant::Deterministic, seen));
        }
        let stale =
            |(before, known): &(u64, Vec<SessionRecord>)| *before == revision && *known != records;
        if self.recorded.as_ref().is_some_and(stale) {
            let seen = format!("revision {revision} is of other records, too");
            return Err(self.broken(Invariant::Revision, seen));
        }
        self.recorded = Some((revision, records));
        self.report.checks += 2;
        Ok(said)
    }

    pub(super) fn broken(&self, invariant: Invariant, seen: String) -> Violation {
        Violation {
            invariant,
            at: self.now,
            seen,
        }
    }
}
