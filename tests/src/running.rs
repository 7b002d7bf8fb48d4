//! The cases that run, and which of those that wait may join them.

use crate::load::Load;
use crate::pressure::Pressure;

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

    /// The place in `waiting` of the case that starts next, of those of one load the first. A lighter
    /// case does not overtake a heavier one that waits for its share of the capacity.
    pub(crate) fn next_of(&self, waiting: &[Load], pressure: Pressure) -> Option<usize> {
        let places = waiting.iter().enumerate();
        let allowed = places.filter(|(_, load)| self.count(**load, pressure) < load.at_once());
        let (at, load) = allowed.min_by_key(|(_, load)| **load)?;
        self.fits(*load, pressure).then_some(at)
    }

    /// How many cases run that count towards the most of this load. Under pressure a heavy case
    /// makes every other heavy one late.
    fn count(&self, load: Load, pressure: Pressure) -> usize {
        let together = |case: &&Load| {
            let both_heavy = case.is_heavy() && load.is_heavy();
            case.excludes(load) || (pressure == Pressure::High && both_heavy)
        };
        self.cases.iter().filter(together).count()
    }

    /// A case that is heavier than the whole capacity runs alone.
    fn fits(&self, load: Load, pressure: Pressure) -> bool {
        let capacity = match pressure {
            Pressure::Low => self.capacity,
            Pressure::High => self.capacity - self.capacity / 4,
        };
        let sum: usize = self.cases.iter().map(|case| case.weight()).sum();
        self.cases.is_empty() || sum + load.weight() <= capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Load::{Busy, Desktop, Gnome, Light, LoginManager, VirtualTerminals};

    /// The loads that start one after the other, until none fits.
    fn started(capacity: usize, pressure: Pressure, waiting: &[Load]) -> Vec<Load> {
        let mut running = Running::up_to(capacity);
        let mut waiting = waiting.to_vec();
        while let Some(at) = running.next_of(&waiting, pressure) {
            running.add(waiting.remove(at));
        }
        running.cases
    }

    #[test]
    fn those_of_which_few_run_at_once_start_first_and_light_ones_fill_the_rest() {
        let waiting = [Light, Light, Desktop, Gnome, Gnome, Busy, LoginManager];
        let expected = [LoginManager, Gnome, Busy, Desktop, Light, Light];
        assert_eq!(started(14, Pressure::Low, &waiting), expected);
    }

    #[test]
    fn the_sum_of_the_loads_is_bounded() {
        assert_eq!(started(4, Pressure::Low, &[Light; 9]).len(), 4);
        assert_eq!(started(4, Pressure::High, &[Light; 9]).len(), 3);
    }

    #[test]
    fn under_pressure_one_heavy_case_runs_at_a_time() {
        let waiting = [Gnome, LoginManager, Busy, Light, Desktop];
        let expected = [LoginManager, Desktop, Light];
        assert_eq!(started(14, Pressure::High, &waiting), expected);
    }

    #[test]
    fn a_light_case_does_not_overtake_a_heavy_one() {
        let mut running = Running::up_to(4);
        running.add(Light);
        running.add(Light);
        running.add(Light);
        assert_eq!(running.next_of(&[Light, Gnome], Pressure::Low), None);
        running.remove(Light);
        assert_eq!(running.next_of(&[Light, Gnome], Pressure::Low), Some(1));
        running.add(Gnome);
        running.remove(Light);
        assert_eq!(running.next_of(&[Light, Gnome], Pressure::Low), Some(0));
    }

    #[test]
    fn the_virtual_terminals_are_used_by_one_case_at_a_time() {
        let waiting = [VirtualTerminals, VirtualTerminals, LoginManager];
        assert_eq!(started(12, Pressure::Low, &waiting), [LoginManager]);
    }

    #[test]
    fn one_case_runs_on_any_host() {
        assert_eq!(started(1, Pressure::High, &[Gnome, Gnome]), [Gnome]);
    }

    #[test]
    fn the_place_of_a_case_that_ended_is_free() {
        let mut running = Running::up_to(4);
        running.add(Gnome);
        assert_eq!(running.next_of(&[Gnome], Pressure::Low), None);
        running.remove(Gnome);
        assert_eq!(running.next_of(&[Gnome], Pressure::Low), Some(0));
    }
}
