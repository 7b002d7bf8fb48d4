//! The random generator of a scenario. It is not from a library because its output must never
//! change: a reported seed has to give the same scenario with every version of every dependency.

use std::time::Duration;

/// xoshiro256** by Blackman and Vigna (2018), seeded with `splitmix64` as they recommend.
#[derive(Clone, Debug)]
pub(super) struct Random([u64; 4]);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| splitmix(&mut state)))
    }

    pub(super) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let out = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        out
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The bias of 2^-64 times the range does not matter here.
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with this probability in percent.
    pub(super) fn percent(&mut self, cases: u64) -> bool {
        self.below(100) < cases
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let at = usize::try_from(self.below(others.len() as u64 + 1)).unwrap_or_default();
        at.checked_sub(1)
            .and_then(|at| others.get(at).copied())
            .unwrap_or(first)
    }

    /// A span between two others, in microseconds; its logarithm is uniformly distributed, so that
    /// short spans are as likely as long ones.
    pub(super) fn span(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (micros(low).max(1), micros(high).max(1));
        let octaves = u64::from((high / low).max(1).ilog2()) + 1;
        let from = low.saturating_mul(1 << self.below(octaves));
        Duration::from_micros(self.between(from, from.saturating_mul(2)).min(high))
    }

    /// A whole number of seconds from `low` to `high`.
    pub(super) fn secs(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_secs(self.between(low, high))
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut state = 1_234_567;
        assert_eq!(splitmix(&mut state), 6_457_827_717_110_365_317);
        let mut random = Random::new(0);
        let first = [(); 3].map(|()| random.next());
        assert_eq!(
            first,
            [
                11_091_344_671_253_066_420,
                13_793_997_310_169_335_082,
                1_900_383_378_846_508_768
            ]
        );
    }

    #[test]
    fn a_span_stays_between_its_ends() {
        let mut random = Random::new(7);
        let (low, high) = (Duration::from_secs(3), Duration::from_secs(100));
        for _ in 0..1000 {
            let span = random.span(low, high);
            assert!(low <= span && span <= high, "{span:?}");
        }
    }
}
