//! The serialised form of a session's activity in the state file.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_timeout_policy as policy;

use super::micros;

#[derive(Serialize, Deserialize)]
pub(super) struct Activity {
    last: u64,
    output: u64,
    supposed: Option<u64>,
    sampled: u64,
    source: Source,
    fallbacks: Vec<Source>,
    logind: Option<u64>,
    terminals: BTreeMap<u64, u64>,
    outputs: BTreeMap<u64, u64>,
    clocks: Option<(u64, u64)>,
    inhibitor: Option<String>,
    work: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    Agent,
    Terminals,
    Output,
    Logind,
    Unknown,
}

impl From<policy::IdleSource> for Source {
    fn from(source: policy::IdleSource) -> Self {
        match source {
            policy::IdleSource::Agent => Self::Agent,
            policy::IdleSource::Terminals => Self::Terminals,
            policy::IdleSource::Output => Self::Output,
            policy::IdleSource::Logind => Self::Logind,
            policy::IdleSource::Unknown => Self::Unknown,
        }
    }
}

impl From<Source> for policy::IdleSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Agent => Self::Agent,
            Source::Terminals => Self::Terminals,
            Source::Output => Self::Output,
            Source::Logind => Self::Logind,
            Source::Unknown => Self::Unknown,
        }
    }
}

impl From<policy::Activity> for Activity {
    fn from(activity: policy::Activity) -> Self {
        let stamp = |source| {
            activity
                .stamps
                .get(&source)
                .map(|stamp: &policy::WallTime| stamp.as_micros())
        };
        let (mut terminals, mut outputs) = (BTreeMap::new(), BTreeMap::new());
        for (source, stamp) in &activity.stamps {
            match source {
                policy::StampSource::Terminal(device) => {
                    terminals.insert(*device, stamp.as_micros());
                }
                policy::StampSource::Output(device) => {
                    outputs.insert(*device, stamp.as_micros());
                }
                policy::StampSource::Logind => {}
            }
        }
        Self {
            last: activity.last.as_micros(),
            output: activity.output.as_micros(),
            supposed: activity.assumed.map(policy::BootTime::as_micros),
            sampled: activity.probed_at.as_micros(),
            source: activity.source.into(),
            fallbacks: activity.fallbacks.into_iter().map(Into::into).collect(),
            logind: stamp(policy::StampSource::Logind),
            terminals,
            outputs,
            clocks: activity
                .clocks
                .map(|(boot, wall)| (boot.as_micros(), wall.as_micros())),
            inhibitor: activity.inhibitor,
            work: activity
                .cpu_time
                .map(|(then, used)| (then.as_micros(), micros(used))),
        }
    }
}

impl From<Activity> for policy::Activity {
    fn from(activity: Activity) -> Self {
        let wall = policy::WallTime::from_micros;
        let boot = policy::BootTime::from_micros;
        let terminals = activity
            .terminals
            .into_iter()
            .map(|(device, stamp)| (policy::StampSource::Terminal(device), wall(stamp)));
        let outputs = activity
            .outputs
            .into_iter()
            .map(|(device, stamp)| (policy::StampSource::Output(device), wall(stamp)));
        let logind = activity
            .logind
            .map(|stamp| (policy::StampSource::Logind, wall(stamp)));
        Self {
            last: boot(activity.last),
            output: boot(activity.output),
            assumed: activity.supposed.map(boot),
            probed_at: boot(activity.sampled),
            source: activity.source.into(),
            fallbacks: activity.fallbacks.into_iter().map(Into::into).collect(),
            stamps: terminals.chain(outputs).chain(logind).collect(),
            clocks: activity.clocks.map(|(then, real)| (boot(then), wall(real))),
            inhibitor: activity.inhibitor,
            cpu_time: activity
                .work
                .map(|(then, used)| (boot(then), Duration::from_micros(used))),
        }
    }
}
