//! Draws faults. Each story has a few kinds of fault, so that all pairs occur and no kind hides the
//! others.

use std::time::Duration;

use session_timeout_policy::BootTime;

use super::{DAY, HOUR, MINUTE, Mood, Story};
use crate::plan::{Mail, Memory, Step, Trouble, What, Who};
use crate::random::Random;
use crate::text::STRAYS;

const SECOND: Duration = Duration::from_secs(1);

/// How many kinds there are.
const KINDS: u64 = 14;

pub(super) fn all(random: &mut Random, story: &mut Story, mood: Mood, logins: u64) {
    let (kinds, times) = match mood {
        Mood::Calm => return,
        Mood::Mild => (random.between(1, 2), 3),
        Mood::Hell => (random.between(3, 8), 8),
    };
    for _ in 0..kinds {
        let kind = random.below(KINDS);
        for _ in 0..random.between(1, times) {
            let at = story.some_time(random);
            one(random, story, kind, at, logins);
        }
    }
}

fn one(random: &mut Random, story: &mut Story, kind: u64, at: BootTime, logins: u64) {
    let lasts = random.span(SECOND, HOUR * 2);
    let what = match kind {
        0 => What::Busy(random.span(Duration::from_millis(10), MINUTE * 10)),
        1 => What::Crashes(down(random), Memory::Fresh),
        2 => {
            let before = at.saturating_sub(random.span(SECOND, DAY));
            story.add(before, What::Keeps);
            What::Crashes(down(random), Memory::Kept)
        }
        3 => What::Crashes(down(random), Memory::Lost),
        4 => What::EndsFail(lasts),
        5 => What::Groups(trouble(random), lasts * 4),
        6 => What::Logind(random.span(Duration::from_millis(100), MINUTE * 10)),
        7 => What::Probes(trouble(random), lasts),
        8 => What::Signals(mail(random), lasts),
        9 => What::Steps(step(random)),
        10 => {
            let who = Who(u16::try_from(random.below(logins)).unwrap_or_default());
            What::Strays(who, random.pick(STRAYS[0], &STRAYS[1..]))
        }
        13 => What::Verifies(trouble(random), lasts),
        11 => What::Suspends(random.span(SECOND, HOUR * 12)),
        _ => What::Unwatched(lasts * 8),
    };
    story.add(at, what);
}

fn down(random: &mut Random) -> Duration {
    if random.percent(40) {
        return Duration::from_millis(1);
    }
    random.span(Duration::from_millis(10), MINUTE * 40)
}

fn trouble(random: &mut Random) -> Trouble {
    let late = Trouble::Late(random.span(Duration::from_millis(100), MINUTE));
    random.pick(Trouble::Fails, &[Trouble::Hangs, late])
}

fn mail(random: &mut Random) -> Mail {
    let late = Mail::Late(random.span(Duration::from_millis(10), MINUTE));
    random.pick(Mail::Doubled, &[late, Mail::Lost])
}

/// A step of less than two seconds is not one: clocks drift that far.
fn step(random: &mut Random) -> Step {
    let by = random.span(SECOND * 3, DAY);
    random.pick(Step::Forward(by), &[Step::Back(by)])
}
