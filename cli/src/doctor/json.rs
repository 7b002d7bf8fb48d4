//! Renders the diagnosis for `doctor --json`. Scripts rely on its keys.
//!
//! Keys and names of checks are only added, never changed. What does not apply is `null`.

use std::io;

use serde::Serialize;

use crate::doctor::Diagnosis;
use crate::doctor::checks::Group;
use crate::doctor::finding::{Finding, Fix, Level};

/// Writes one document and a newline.
pub(crate) fn write(diagnosis: &Diagnosis, out: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document::from(diagnosis))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    level: Level,
    findings: Vec<FindingObject<'a>>,
}

#[derive(Serialize)]
struct FindingObject<'a> {
    id: &'static str,
    group: Group,
    level: Level,
    what: &'a str,
    fix: Option<&'a str>,
    command: Option<&'a str>,
    session: Option<&'a str>,
}

impl<'a> From<&'a Diagnosis> for Document<'a> {
    fn from(diagnosis: &'a Diagnosis) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            level: diagnosis.worst(),
            findings: diagnosis.findings.iter().map(FindingObject::from).collect(),
        }
    }
}

impl<'a> From<&'a Finding> for FindingObject<'a> {
    fn from(finding: &'a Finding) -> Self {
        let fix = finding.fix.as_ref();
        Self {
            id: finding.check.id(),
            group: finding.check.group(),
            level: finding.level,
            what: &finding.what,
            fix: fix.map(Fix::text),
            command: fix.and_then(Fix::command),
            session: finding.session.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::sample;

    #[test]
    fn the_shape_stays_as_it_is() {
        let mut out = Vec::new();
        write(&sample(), &mut out).unwrap();
        let expected = concat!(
            r#"{"version":"0.1.0","level":"error","findings":["#,
            r#"{"id":"pam.module","group":"login","level":"ok","#,
            r#""what":"the PAM module is installed","fix":null,"command":null,"session":null},"#,
            r#"{"id":"pam.stack","group":"login","level":"error","#,
            r#""what":"pam_session_timeout.so is missing","#,
            r#""fix":"pam-auth-update --enable session-timeout","#,
            r#""command":"pam-auth-update --enable session-timeout","session":null},"#,
            r#"{"id":"daemon.running","group":"daemon","level":"ok","what":"it runs","#,
            r#""fix":null,"command":null,"session":null},"#,
            r#"{"id":"session.inactivity","group":"sessions","level":"warning","#,
            r#""what":"session c1: nobody can tell","fix":null,"command":null,"session":"c1"},"#,
            r#"{"id":"logind.idle-action","group":"others","level":"note","#,
            r#""what":"logind acts","fix":null,"command":null,"session":null},"#,
            r#"{"id":"system.clock","group":"system","level":"ok","what":"it goes","#,
            r#""fix":null,"command":null,"session":null}]}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
