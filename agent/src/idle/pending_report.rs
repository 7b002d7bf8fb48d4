//! What the daemon has still to be told of the watch that it asked for last.

use super::{Report, Watch};

/// Idle first, then active: the most that comes of one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Owed {
    /// Everything has been said.
    #[default]
    Nothing,
    /// That the watch is reached; then that there is input.
    Idle(Watch),
    /// That there is input after the watch was reached.
    Active(Watch),
}

/// Where the idle time stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Below,
    Reached,
}

impl Owed {
    /// What is owed for a new question.
    pub(super) const fn to(watch: Watch, standing: Standing) -> Self {
        match standing {
            Standing::Below => Self::Idle(watch),
            Standing::Reached => Self::Active(watch),
        }
    }

    /// Takes note of where the idle time stands; says what is due for it.
    pub(super) const fn settle(&mut self, standing: Standing) -> Option<Report> {
        match (*self, standing) {
            (Self::Idle(watch), Standing::Reached) => {
                *self = Self::Active(watch);
                Some(Report::BecameIdle)
            }
            (Self::Active(_), Standing::Below) => {
                *self = Self::Nothing;
                Some(Report::BecameActive)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_then_active_is_the_most_that_comes_of_one_question() {
        let watch = Watch::from_micros(1_000_000).unwrap();
        let mut owed = Owed::to(watch, Standing::Below);
        let standings = [
            Standing::Below,
            Standing::Reached,
            Standing::Reached,
            Standing::Below,
            Standing::Below,
            Standing::Reached,
            Standing::Below,
        ];
        let said: Vec<_> = standings
            .into_iter()
            .filter_map(|standing| owed.settle(standing))
            .collect();
        assert_eq!(said, [Report::BecameIdle, Report::BecameActive]);
    }

    #[test]
    fn who_is_idle_already_is_only_told_of_input() {
        let watch = Watch::from_micros(1_000_000).unwrap();
        let mut owed = Owed::to(watch, Standing::Reached);
        assert_eq!(owed.settle(Standing::Reached), None);
        assert_eq!(owed.settle(Standing::Below), Some(Report::BecameActive));
    }
}
