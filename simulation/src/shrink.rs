//! Shortens a scenario while it still violates the same invariant.

use super::invariant::{Invariant, Violation};
use super::plan::{Op, Plan};

/// The maximal number of runs.
const ATTEMPTS: u32 = 4000;

struct Shrink<'t> {
    invariant: Invariant,
    run: &'t mut dyn FnMut(&Plan) -> Option<Violation>,
    left: u32,
}

/// The shortest scenario found that violates this invariant, and its violation.
pub(super) fn shrink(
    plan: Plan,
    violation: Violation,
    run: &mut dyn FnMut(&Plan) -> Option<Violation>,
) -> (Plan, Violation) {
    let mut shrink = Shrink {
        invariant: violation.invariant,
        run,
        left: ATTEMPTS,
    };
    let mut best = (plan, violation);
    loop {
        let before = best.0.ops.len();
        shrink.cut(&mut best);
        shrink.drop_ops(&mut best);
        shrink.drop_rules(&mut best);
        if best.0.ops.len() >= before || shrink.left == 0 {
            return best;
        }
    }
}

impl Shrink<'_> {
    fn tries(&mut self, plan: Plan, best: &mut (Plan, Violation)) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        match (self.run)(&plan) {
            Some(violation) if violation.invariant == self.invariant => {
                *best = (plan, violation);
                true
            }
            _ => false,
        }
    }

    /// Removes everything after the violation.
    fn cut(&mut self, best: &mut (Plan, Violation)) {
        let mut plan = best.0.clone();
        let end = best.1.at.saturating_add(std::time::Duration::from_secs(5));
        plan.until = plan.until.min(end);
        plan.ops.retain(|op| op.at <= end);
        self.tries(plan, best);
    }

    /// Removes halves first, then quarters, and single events last.
    fn drop_ops(&mut self, best: &mut (Plan, Violation)) {
        let mut size = best.0.ops.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < best.0.ops.len() {
                let mut plan = best.0.clone();
                let to = (from + size).min(plan.ops.len());
                let _: Vec<Op> = plan.ops.drain(from..to).collect();
                if !self.tries(plan, best) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn drop_rules(&mut self, best: &mut (Plan, Violation)) {
        for policy in 0..best.0.policies.len() {
            let mut rule = 0;
            while best
                .0
                .policies
                .get(policy)
                .is_some_and(|p| rule < p.rules.len())
            {
                let mut plan = best.0.clone();
                if let Some(policy) = plan.policies.get_mut(policy) {
                    policy.rules.remove(rule);
                }
                if !self.tries(plan, best) {
                    rule += 1;
                }
            }
        }
        while best.0.policies.len() > 1 {
            let mut plan = best.0.clone();
            plan.policies.pop();
            if !self.tries(plan, best) {
                return;
            }
        }
    }
}
