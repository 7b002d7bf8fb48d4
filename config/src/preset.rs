//! The presets: named limits from published standards.
//!
//! A preset sets only the limits for which its source states a number. A policy with these numbers
//! does not necessarily comply with the whole standard.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A named set of limits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    pub(crate) session_timeout: Option<Duration>,
    pub(crate) inactivity_timeout: Option<Duration>,
}

/// All presets.
pub(crate) static PRESETS: [Preset; 5] = [
    // 8.2.8: "If a user session has been idle for more than 15 minutes, the user is required to
    // re-authenticate".
    Preset {
        name: "pci-dss-4",
        source: "PCI DSS v4, 8.2.8",
        session_timeout: None,
        inactivity_timeout: minutes(15),
    },
    // The finding is about StopIdleSessionSec= of logind, which is to be 600 s.
    Preset {
        name: "stig",
        source: "DISA STIG for RHEL 9, RHEL-09-412080",
        session_timeout: None,
        inactivity_timeout: minutes(10),
    },
    // 2.2.3: overall timeout SHOULD be no more than 24 hours, inactivity no more than 1 hour.
    Preset {
        name: "nist-800-63b-aal2",
        source: "NIST SP 800-63B-4, AAL2",
        session_timeout: hours(24),
        inactivity_timeout: minutes(60),
    },
    // 2.3.3: overall timeout SHALL be no more than 12 hours, inactivity SHOULD be no more than
    // 15 minutes.
    Preset {
        name: "nist-800-63b-aal3",
        source: "NIST SP 800-63B-4, AAL3",
        session_timeout: hours(12),
        inactivity_timeout: minutes(15),
    },
    // The benchmark is about TMOUT of the shell, which is to be at most 900 s.
    Preset {
        name: "cis",
        source: "CIS Benchmark for Debian, TMOUT",
        session_timeout: None,
        inactivity_timeout: minutes(15),
    },
];

const fn minutes(number: u64) -> Option<Duration> {
    Some(Duration::from_secs(number * MINUTE))
}

const fn hours(number: u64) -> Option<Duration> {
    Some(Duration::from_secs(number * HOUR))
}
