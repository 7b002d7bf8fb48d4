//! The warnings of a session that are in force (`Engine::warnings`). A restarted agent shows these.

use std::time::Duration;

use session_timeout_policy::{
    Action, BootTime, EndAction, Engine, Event, Extended, Extensions, Hint, Leads, Limit,
    LimitKind, Limits, Output, Phase, Policy, Reading, Refusal, SessionClass, SessionFacts,
    SessionId, SessionKey, SessionType, Uid, WallTime, Warning,
};

const ABSOLUTE: LimitKind = LimitKind::Absolute;
const INACTIVITY: LimitKind = LimitKind::Inactivity;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn at(secs: u64) -> BootTime {
    BootTime::from_micros(secs * 1_000_000)
}

fn limit(length: u64, leads: &[u64]) -> Limit {
    Limit {
        length: secs(length),
        leads: Leads::new(leads.iter().copied().map(secs)),
    }
}

/// Limits that are both close at 840 s without input.
fn limits() -> Limits {
    Limits {
        absolute: limit(1000, &[200, 60]),
        inactivity: Some(limit(900, &[120, 30])),
        extensions: Extensions {
            times: 1,
            by: secs(1800),
        },
        ..Limits::default()
    }
}

fn policy(limits: Limits) -> Policy {
    Policy {
        default: Some(limits),
        ..Policy::default()
    }
}

fn warning(limit: LimitKind, length: u64, lead: u64, ends_at: u64) -> Warning {
    Warning {
        limit,
        length: secs(length),
        lead: secs(lead),
        ends_at: at(ends_at),
    }
}

fn facts() -> SessionFacts {
    SessionFacts {
        key: SessionKey {
            id: SessionId::new("c1"),
            stamp: 1,
        },
        user: "alice".to_owned(),
        uid: Uid::new(1000),
        class: SessionClass::User,
        session_type: SessionType::Wayland,
        leader: None,
        service: None,
        remote_host: None,
        terminal: None,
        seat: Some("seat0".to_owned()),
        started: BootTime::default(),
        keeper: session_timeout_policy::Keeper::Logind,
        invocation: None,
        audit: None,
    }
}

/// A desktop session from its login on, with an agent that knows the time of the last input.
struct Desktop {
    engine: Engine,
    input: BootTime,
}

impl Desktop {
    fn under(limits: Limits) -> Self {
        let engine = Engine::new(at(0), policy(limits));
        let mut desktop = Self {
            engine,
            input: at(0),
        };
        desktop.handle(at(0), Event::SessionSeen(facts()));
        desktop
    }

    /// The outputs after an event, including those after its probe.
    fn handle(&mut self, now: BootTime, event: Event) -> Vec<Output> {
        let outputs = self.engine.handle(now, event);
        self.probe(now, outputs)
    }

    /// The result of a request for an extension, and the outputs including those after its probe.
    fn extend(&mut self, now: BootTime) -> (Result<Extended, Refusal>, Vec<Output>) {
        let (result, outputs) = self.engine.extend(now, &facts().key);
        (result, self.probe(now, outputs))
    }

    /// The outputs until this time.
    fn wait_until(&mut self, end: BootTime) -> Vec<Output> {
        let mut all = Vec::new();
        while let Some(deadline) = self.engine.next_deadline()
            && deadline.at <= end
        {
            let outputs = self.engine.handle_timeout(deadline.at);
            all.extend(self.probe(deadline.at, outputs));
        }
        all
    }

    fn probe(&mut self, now: BootTime, mut outputs: Vec<Output>) -> Vec<Output> {
        if outputs.contains(&Action::Probe(facts().key).into()) {
            let reading = Reading {
                wall: WallTime::from_micros(1_800_000_000_000_000 + now.as_micros()),
                agent: Some(Hint::IdleSince(self.input)),
                ..Reading::default()
            };
            let came = self.engine.handle(now, Event::Probed(facts().key, reading));
            outputs.extend(came);
        }
        outputs
    }

    fn touch(&mut self, now: BootTime) -> Vec<Output> {
        self.input = now;
        self.handle(now, Event::ActivitySeen(facts().key))
    }

    /// Restarts the daemon under this policy.
    fn restart(&mut self, now: BootTime, limits: Limits) -> Vec<Output> {
        let records = self.engine.records().collect();
        self.engine = Engine::restore(now, policy(limits), records);
        self.handle(now, Event::SessionsListed(vec![facts()]))
    }

    fn in_force(&self) -> Vec<Warning> {
        self.engine.warnings(&facts().key.id)
    }
}

fn warned(outputs: &[Output]) -> Vec<Warning> {
    let warned = outputs.iter().filter_map(|output| match output {
        Output::Action(Action::Warn(_, warning)) => Some(*warning),
        _ => None,
    });
    warned.collect()
}

fn withdrawn(outputs: &[Output]) -> Vec<LimitKind> {
    let withdrawn = outputs.iter().filter_map(|output| match output {
        Output::Action(Action::Withdraw(_, limit)) => Some(*limit),
        _ => None,
    });
    withdrawn.collect()
}

#[test]
fn the_last_warning_of_each_limit_is_in_force() {
    let mut desktop = Desktop::under(limits());
    assert_eq!(desktop.in_force(), []);
    let said = desktop.wait_until(at(779));
    assert_eq!((warned(&said), desktop.in_force()), (vec![], vec![]));

    let first = warning(INACTIVITY, 900, 120, 900);
    let said = desktop.wait_until(at(780));
    assert_eq!(
        (warned(&said), desktop.in_force()),
        (vec![first], vec![first])
    );

    // The absolute limit is listed first, also if its warning is later.
    let absolute = warning(ABSOLUTE, 1000, 200, 1000);
    let said = desktop.wait_until(at(800));
    assert_eq!(warned(&said), [absolute]);
    assert_eq!(desktop.in_force(), [absolute, first]);

    let second = warning(INACTIVITY, 900, 30, 900);
    let said = desktop.wait_until(at(870));
    assert_eq!(warned(&said), [second]);
    assert_eq!(desktop.in_force(), [absolute, second]);
}

#[test]
fn an_unknown_session_has_no_warnings_in_force() {
    let mut desktop = Desktop::under(limits());
    desktop.wait_until(at(800));
    assert_eq!(desktop.engine.warnings(&SessionId::new("c2")), []);
    desktop.handle(at(801), Event::SessionGone(facts().key.id));
    assert_eq!(desktop.in_force(), []);
}

#[test]
fn input_withdraws_the_warning_of_inactivity_only() {
    let mut desktop = Desktop::under(limits());
    desktop.wait_until(at(800));
    let came = desktop.touch(at(801));
    assert_eq!(withdrawn(&came), [INACTIVITY]);
    assert_eq!(desktop.in_force(), [warning(ABSOLUTE, 1000, 200, 1000)]);
}

#[test]
fn an_extension_withdraws_the_warning_of_the_absolute_limit() {
    let mut desktop = Desktop::under(limits());
    desktop.wait_until(at(800));
    let (result, came) = desktop.extend(at(801));
    assert_eq!(result.map(|extended| extended.left), Ok(0));
    assert_eq!(withdrawn(&came), [ABSOLUTE]);
    assert_eq!(desktop.in_force(), [warning(INACTIVITY, 900, 120, 900)]);

    desktop.touch(at(802));
    desktop.wait_until(at(1500));
    desktop.touch(at(1500));
    desktop.wait_until(at(2399));
    desktop.touch(at(2399));
    assert_eq!(desktop.in_force(), []);
    // The limit, plus the extension.
    desktop.wait_until(at(2600));
    assert_eq!(desktop.in_force(), [warning(ABSOLUTE, 2800, 200, 2800)]);
}

#[test]
fn a_refused_extension_withdraws_no_warning() {
    let mut never = limits();
    never.extensions.times = 0;
    let mut desktop = Desktop::under(never);
    desktop.wait_until(at(800));
    let before = desktop.in_force();
    let (result, came) = desktop.extend(at(801));
    assert_eq!(result, Err(Refusal::NotAllowed));
    assert_eq!(withdrawn(&came), []);
    assert_eq!((before.len(), desktop.in_force()), (2, before));
}

#[test]
fn a_session_that_is_being_ended_has_no_warnings_in_force() {
    for end_action in [EndAction::Terminate, EndAction::HangUp] {
        let mut desktop = Desktop::under(Limits {
            end_action,
            ..limits()
        });
        desktop.wait_until(at(900));
        let phase = desktop.engine.session(&facts().key.id).unwrap().phase;
        assert_eq!(phase, Phase::Ending(INACTIVITY));
        assert_eq!(desktop.in_force(), []);
    }
}

#[test]
fn a_session_that_is_locked_for_a_limit_has_no_warnings_until_a_limit_is_near_after_the_unlock() {
    let mut desktop = Desktop::under(Limits {
        end_action: EndAction::Lock,
        ..limits()
    });
    desktop.wait_until(at(900));
    assert_eq!(desktop.in_force(), [], "while it is being locked");
    let came = desktop.handle(at(901), Event::Locked(facts().key));
    assert_eq!(withdrawn(&came), [ABSOLUTE]);
    desktop.wait_until(at(1500));
    assert_eq!(desktop.in_force(), [], "while it is locked");

    desktop.input = at(1500);
    desktop.handle(at(1500), Event::Unlocked(facts().key));
    assert_eq!(desktop.in_force(), [], "after the unlock");
    desktop.wait_until(at(2280));
    assert_eq!(desktop.in_force(), [warning(INACTIVITY, 900, 120, 2400)]);
}

#[test]
fn a_lock_before_the_end_withdraws_no_warning() {
    let mut desktop = Desktop::under(Limits {
        lock_after: Some(secs(790)),
        ..limits()
    });
    desktop.wait_until(at(790));
    let before = desktop.in_force();
    assert_eq!(before, [warning(INACTIVITY, 900, 120, 900)]);
    desktop.handle(at(791), Event::Locked(facts().key));
    assert_eq!(desktop.in_force(), before);
}

#[test]
fn a_report_has_no_warning() {
    let mut desktop = Desktop::under(Limits {
        end_action: EndAction::Report,
        ..limits()
    });
    desktop.wait_until(at(999));
    assert_eq!(desktop.in_force(), []);
}

#[test]
fn after_a_restart_the_same_warnings_are_in_force_and_none_is_repeated() {
    let mut desktop = Desktop::under(limits());
    desktop.wait_until(at(870));
    let before = desktop.in_force();
    assert_eq!(before.len(), 2);
    let said = desktop.restart(at(875), limits());
    assert_eq!((warned(&said), withdrawn(&said)), (vec![], vec![]));
    assert_eq!(desktop.in_force(), before);
    // Input withdraws it as without a restart.
    let came = desktop.touch(at(876));
    assert_eq!(withdrawn(&came), [INACTIVITY]);
    assert_eq!(desktop.in_force(), [warning(ABSOLUTE, 1000, 200, 1000)]);
}

#[test]
fn a_restart_under_a_longer_limit_withdraws_its_warning() {
    let mut desktop = Desktop::under(limits());
    desktop.wait_until(at(800));
    let longer = Limits {
        inactivity: Some(limit(3600, &[120, 30])),
        absolute: limit(5000, &[200, 60]),
        ..limits()
    };
    let said = desktop.restart(at(805), longer);
    let mut taken_back = withdrawn(&said);
    taken_back.sort_unstable();
    assert_eq!(taken_back, [ABSOLUTE, INACTIVITY]);
    assert_eq!(desktop.in_force(), []);
}

#[test]
fn a_late_warning_is_in_force_with_the_end_that_it_named() {
    let mut desktop = Desktop::under(Limits {
        inactivity: None,
        ..limits()
    });
    let late = desktop.engine.handle_timeout(at(1500));
    assert_eq!(warned(&late), [warning(ABSOLUTE, 1000, 60, 1560)]);
    assert_eq!(desktop.in_force(), warned(&late));
}
