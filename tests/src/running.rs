//! The cases that run, and which of those that wait may join them.

use crate::load::Load;

/// How many cases of each load run.
#[derive(Debug)]
pub(crate) struct Running {
    /// The sum of loads that may run at once.
    capacity: usize,
    cases: Vec<Load>,
}

impl Running {
    pub(crate) const fn up_to(capacity: usize) -> Self {
        Self {
            capacity,
            cases: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, load: Load) {
        self.cases.push(load);
    }

    pub(crate) fn remove(&mut self, load: Load) {
        if let Some(at) = self.cases.iter().position(|case| *case == load) {
            self.cases.swap_remove(at);
        }
    }

    /// The place in `waiting` of the case that starts next, of those of one load the first.
    pub(crate) fn next_of(&self, waiting: &[Load], capacity: Capacity) -> Option<usize> {
        let places = waiting.iter().enumerate();
        let fitting = places.filter(|(_, load)| self.fits(**load, capacity));
        fitting.min_by_key(|(_, load)| **load).map(|(at, _)| at)
    }

    /// A case that is heavier than the whole capacity runs alone.
    fn fits(&self, load: Load, capacity: Capacity) -> bool {
        let capacity = match capacity {
            Capacity::Whole => self.capacity,
            Capacity::Half => self.capacity / 2,
        };
        let others = self.cases.iter().filter(|case| case.excludes(load)).count();
        let sum: usize = self.cases.iter().map(|case| case.weight()).sum();
        self.cases.is_empty() || (others < load.at_once() && sum + load.weight() <= capacity)
    }
}

/// How much of its capacity the host has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// All.
    Whole,
    /// Half, since processes wait for a processor.
    Half,
}

#[cfg(test)]
mod tests {
    use super::*;

    use Load::{Busy, Desktop, Gnome, Light, LoginManager, VirtualTerminals};

    /// The loads that start one after the other, until none fits.
    fn started(capacity: usize, of: Capacity, waiting: &[Load]) -> Vec<Load> {
        let mut running = Running::up_to(capacity);
        let mut waiting = waiting.to_vec();
        while let Some(at) = running.next_of(&waiting, of) {
            running.add(waiting.remove(at));
        }
        running.cases
    }

    #[test]
    fn those_of_which_few_run_at_once_start_first_and_light_ones_fill_the_rest() {
        let waiting = [
            Light,
            Light,
            Desktop,
            Desktop,
            Desktop,
            Gnome,
            Gnome,
            Busy,
            LoginManager,
        ];
        let expected = [LoginManager, Gnome, Busy, Desktop, Desktop, Light, Light];
        assert_eq!(started(14, Capacity::Whole, &waiting), expected);
    }

    #[test]
    fn the_sum_of_the_loads_is_bounded() {
        assert_eq!(started(4, Capacity::Whole, &[Light; 9]).len(), 4);
        assert_eq!(started(4, Capacity::Half, &[Light; 9]).len(), 2);
    }

    #[test]
    fn the_virtual_terminals_are_used_by_one_case_at_a_time() {
        let waiting = [VirtualTerminals, VirtualTerminals, LoginManager];
        assert_eq!(started(12, Capacity::Whole, &waiting), [LoginManager]);
    }

    #[test]
    fn one_case_runs_on_any_host() {
        assert_eq!(started(1, Capacity::Half, &[Gnome, Gnome]), [Gnome]);
    }

    #[test]
    fn the_place_of_a_case_that_ended_is_free() {
        let mut running = Running::up_to(4);
        running.add(Gnome);
        assert_eq!(running.next_of(&[Gnome], Capacity::Whole), None);
        running.remove(Gnome);
        assert_eq!(running.next_of(&[Gnome], Capacity::Whole), Some(0));
    }
}
