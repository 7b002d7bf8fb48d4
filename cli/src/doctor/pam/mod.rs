//! Checks of the PAM stacks through which people log in.

pub(crate) mod backstop;
mod control;
mod skips;
pub(crate) mod stack;

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::pam::stack::{Stack, StackLine};
use crate::doctor::root::Root;
use crate::text::listed;

pub(crate) const OURS: &str = "pam_session_timeout.so";
pub(crate) const SYSTEMD: &str = "pam_systemd.so";
/// The file that Debian's interactive services include, and that of the others
/// (pam-auth-update(8)).
const COMMON: &str = "/etc/pam.d/common-session";
const NONINTERACTIVE: &str = "common-session-noninteractive";
/// The path of the module on Debian.
const MODULES: &str = "/usr/lib/*/security/pam_session_timeout.so";

/// The services through which people log in. A greeter is not a person's login.
const LOGINS: [&str; 11] = [
    "sshd",
    "login",
    "gdm-*",
    "lightdm",
    "lightdm-autologin",
    "sddm",
    "sddm-autologin",
    "greetd",
    "xrdp-sesman",
    "tigervnc",
    "cockpit",
];
const GREETERS: [&str; 1] = ["gdm-launch-environment"];

/// The PAM configuration of this machine.
#[derive(Debug, Default)]
pub(crate) struct PamConfig {
    /// Whether the module is installed.
    module: Presence,
    /// The existing services of logins, with their session stacks.
    services: Vec<(String, Stack)>,
    noninteractive: Stack,
    management: Management,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Presence {
    #[default]
    Missing,
    There,
}

/// What maintains common-session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Management {
    /// pam-auth-update(8), which leaves its name in it.
    #[default]
    Tool,
    ByHand,
}

impl PamConfig {
    pub(crate) fn gather(root: &Root) -> Self {
        let module = if root.matching(MODULES).is_empty() {
            Presence::Missing
        } else {
            Presence::There
        };
        let management = if root.read(COMMON).or_empty().contains("pam-auth-update") {
            Management::Tool
        } else {
            Management::ByHand
        };
        let mut services = Vec::new();
        for name in services_of(root) {
            services.extend(Stack::of(root, &name).map(|stack| (name, stack)));
        }
        Self {
            module,
            services,
            noninteractive: Stack::of(root, NONINTERACTIVE).unwrap_or_default(),
            management,
        }
    }

    /// The stacks of the services of logins.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Stack> {
        self.services.iter().map(|(_, stack)| stack)
    }
}

/// The names of the services of logins on this machine.
fn services_of(root: &Root) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for pattern in LOGINS {
        // Packages may have theirs in /usr (pam.d(5)).
        for dir in ["/etc/pam.d", "/usr/lib/pam.d"] {
            let paths = root.matching(&format!("{dir}/{pattern}"));
            let found = paths.iter().filter_map(|path| path.rsplit('/').next());
            names.extend(found.map(str::to_owned));
        }
    }
    names.retain(|name| !GREETERS.contains(&name.as_str()));
    names.sort();
    names.dedup();
    names
}

/// All findings about PAM.
pub(crate) fn examine(facts: &PamConfig) -> Vec<Finding> {
    let mut findings = vec![module(facts), systemd(facts), stack(facts)];
    findings.extend(order(facts));
    findings.extend(alone(facts));
    findings.extend(skips::examine(&facts.services, [SYSTEMD, OURS]));
    findings.push(noninteractive(facts));
    let mut hidden: Vec<&String> = facts.stacks().flat_map(Stack::hidden).collect();
    hidden.sort();
    hidden.dedup();
    let unseen = hidden.into_iter();
    findings.extend(unseen.map(|path| Finding::unseen(Check::PamStack, path)));
    findings
}

fn module(facts: &PamConfig) -> Finding {
    match facts.module {
        Presence::There => Finding::ok(Check::PamModule, "the PAM module is installed"),
        Presence::Missing => Finding::error(
            Check::PamModule,
            "the PAM module pam_session_timeout.so is not installed, so no login is recorded",
        )
        .run_this("apt-get install --reinstall session-timeout"),
    }
}

fn systemd(facts: &PamConfig) -> Finding {
    let check = Check::PamSystemd;
    match without(facts, SYSTEMD).as_slice() {
        [] => Finding::ok(check, "logins get a session from pam_systemd.so"),
        services => {
            let what = format!(
                "logins through {} get no session from pam_systemd.so, so logind does not know \
                 them, and session-timeoutd keeps those alone that it is told of",
                listed(services, "and")
            );
            let finding = Finding::error(check, &what);
            common_or_service(facts, finding, services, "systemd", SYSTEMD)
        }
    }
}

fn stack(facts: &PamConfig) -> Finding {
    let check = Check::PamStack;
    match without(facts, OURS).as_slice() {
        [] => Finding::ok(
            check,
            "every service of logins calls pam_session_timeout.so",
        ),
        services => {
            let what = format!(
                "logins through {} do not call pam_session_timeout.so: they are not recorded, and \
                 their users are not told of their limits",
                listed(services, "and")
            );
            let finding = Finding::error(check, &what);
            common_or_service(facts, finding, services, "session-timeout", OURS)
        }
    }
}

/// The fix for a missing line: if no service has it, it is missing in the file that they share.
fn common_or_service(
    facts: &PamConfig,
    finding: Finding,
    services: &[&str],
    profile: &str,
    module: &str,
) -> Finding {
    let by_hand = format!("session optional {module}");
    if services.len() < facts.services.len() {
        let files: Vec<String> = services
            .iter()
            .map(|name| format!("/etc/pam.d/{name}"))
            .collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let files = listed(&files, "and");
        return finding.do_this(&format!(
            "add the line `@include common-session` to {files}"
        ));
    }
    match facts.management {
        Management::Tool => finding.run_this(&format!("pam-auth-update --enable {profile}")),
        Management::ByHand => finding.do_this(&format!("add the line `{by_hand}` to {COMMON}")),
    }
}

/// The services whose session stack lacks this module, as far as it can be read.
fn without<'a>(facts: &'a PamConfig, module: &str) -> Vec<&'a str> {
    let lacking = |(_, stack): &&(String, Stack)| stack.find(module).is_none() && stack.is_whole();
    let services = facts.services.iter().filter(lacking);
    services.map(|(name, _)| name.as_str()).collect()
}

fn order(facts: &PamConfig) -> Vec<Finding> {
    let check = Check::PamOrder;
    let mut wrong: Vec<(&StackLine, &StackLine)> = Vec::new();
    for (_, stack) in &facts.services {
        if let (Some(ours), Some(systemd)) = (stack.find(OURS), stack.find(SYSTEMD))
            && stack.comes_before(ours, systemd)
            && !wrong
                .iter()
                .any(|(known, _)| known.location == ours.location)
        {
            wrong.push((ours, systemd));
        }
    }
    let complain = |(ours, systemd): &(&StackLine, &StackLine)| {
        let (ours, systemd) = (&ours.location, &systemd.location);
        let what = format!(
            "pam_session_timeout.so ({ours}) comes before pam_systemd.so ({systemd}), which makes \
             the session: logins are recorded without it"
        );
        Finding::error(check, &what)
            .do_this(&format!("move the line {ours} below the line {systemd}"))
    };
    match wrong.as_slice() {
        [] => vec![Finding::ok(
            check,
            "pam_session_timeout.so comes after pam_systemd.so",
        )],
        wrong => wrong.iter().map(complain).collect(),
    }
}

fn alone(facts: &PamConfig) -> Vec<Finding> {
    let check = Check::PamAlone;
    let only_ours = |(_, stack): &&(String, Stack)| stack.is_only(OURS) && stack.is_whole();
    let complain = |(name, _): &(String, Stack)| {
        let what = format!(
            "pam_session_timeout.so is the only session module of {name}: where it has nothing \
             to say, PAM refuses the login"
        );
        let fix = format!("add the line `session required pam_unix.so` to /etc/pam.d/{name}");
        Finding::error(check, &what).do_this(&fix)
    };
    let found: Vec<Finding> = facts
        .services
        .iter()
        .filter(only_ours)
        .map(complain)
        .collect();
    if found.is_empty() {
        let what = "no stack depends on pam_session_timeout.so alone";
        return vec![Finding::ok(check, what)];
    }
    found
}

fn noninteractive(facts: &PamConfig) -> Finding {
    let check = Check::PamNoninteractive;
    match facts.noninteractive.find(OURS) {
        None => Finding::ok(
            check,
            "jobs of cron and calls of sudo are not taken for logins",
        ),
        Some(line) => {
            let location = &line.location;
            let what = format!(
                "pam_session_timeout.so is called for what is no login ({location}): cron, at, sudo"
            );
            Finding::warning(check, &what).do_this(&format!("take the line {location} out"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Fix, Level};
    use crate::doctor::root::fake;

    const MODULE: (&str, &str) = (
        "/usr/lib/x86_64-linux-gnu/security/pam_session_timeout.so",
        "",
    );
    const SSHD: (&str, &str) = (
        "/etc/pam.d/sshd",
        "auth required x.so\n@include common-session\n",
    );
    const GOOD: &str = "\
# managed by pam-auth-update
session [default=1] pam_permit.so
session required pam_unix.so
session optional pam_systemd.so
session optional pam_session_timeout.so
";

    /// The findings that are not ok.
    fn problems(files: &[(&str, &str)]) -> Vec<Finding> {
        let (_dir, root) = fake::root(files);
        let mut findings = examine(&PamConfig::gather(&root));
        findings.retain(|finding| finding.level > Level::Ok);
        findings
    }

    fn with_common(common: &str) -> Vec<Finding> {
        problems(&[MODULE, SSHD, ("/etc/pam.d/common-session", common)])
    }

    #[test]
    fn what_pam_auth_update_makes_is_well() {
        assert_eq!(with_common(GOOD), []);
        let (_dir, root) = fake::root(&[MODULE, SSHD, (COMMON, GOOD)]);
        assert_eq!(examine(&PamConfig::gather(&root)).len(), 7);
    }

    #[test]
    fn a_line_that_is_missing_is_put_back_by_the_owner_of_the_file() {
        let without = GOOD.replace("session optional pam_session_timeout.so\n", "");
        let found = with_common(&without);
        let [finding] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (finding.check, finding.level),
            (Check::PamStack, Level::Error)
        );
        let command = "pam-auth-update --enable session-timeout";
        assert_eq!(finding.fix, Some(Fix::Run(command.into())));
        let by_hand = with_common(&without.replace("pam-auth-update", "me"));
        let fix = by_hand[0].fix.clone().unwrap();
        assert_eq!(
            fix.text(),
            "add the line `session optional pam_session_timeout.so` to /etc/pam.d/common-session"
        );
        assert_eq!(fix.command(), None);
    }

    #[test]
    fn a_login_without_logind_is_an_error() {
        let found = with_common(&GOOD.replace("session optional pam_systemd.so\n", ""));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].check, found[0].level),
            (Check::PamSystemd, Level::Error)
        );
        let command = "pam-auth-update --enable systemd";
        assert_eq!(found[0].fix, Some(Fix::Run(command.into())));
    }

    #[test]
    fn before_pam_systemd_is_too_early() {
        let swapped = "\
session optional pam_session_timeout.so
-session optional pam_systemd.so
";
        let found = problems(&[
            MODULE,
            SSHD,
            ("/etc/pam.d/login", "@include common-session\n"),
            (COMMON, swapped),
        ]);
        assert_eq!(found.len(), 1, "once for both: {found:?}");
        assert_eq!(
            (found[0].check, found[0].level),
            (Check::PamOrder, Level::Error)
        );
        assert_eq!(
            found[0].fix.as_ref().map(Fix::text),
            Some(
                "move the line /etc/pam.d/common-session:1 below the line \
                 /etc/pam.d/common-session:2"
            )
        );
    }

    #[test]
    fn a_line_that_skips_ours_is_named_once_for_all_services() {
        let skipping = GOOD.replace(
            "session required pam_unix.so",
            "session sufficient pam_mkhomedir.so",
        );
        let found = problems(&[
            MODULE,
            SSHD,
            ("/etc/pam.d/login", "@include common-session\n"),
            (COMMON, &skipping),
        ]);
        let [finding] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (finding.check, finding.level),
            (Check::PamControl, Level::Warning)
        );
        assert_eq!(
            finding.what,
            "the control `sufficient` of pam_mkhomedir.so (/etc/pam.d/common-session:3) can keep \
             pam_systemd.so and pam_session_timeout.so from being called in logins through login \
             and sshd"
        );
        let far = GOOD.replace("[default=1]", "[default=4]");
        assert_eq!(with_common(&far)[0].check, Check::PamControl);
        let systemd = GOOD.replace("optional pam_systemd.so", "sufficient pam_systemd.so");
        let found = with_common(&systemd);
        assert!(
            found[0]
                .what
                .contains("can keep pam_session_timeout.so from"),
            "{found:?}"
        );
    }

    #[test]
    fn a_line_of_the_backstop_records_nothing_and_stands_before_pam_systemd() {
        let line = "session [default=ignore] pam_session_timeout.so backstop=25h\n";
        let with_it = format!("# managed by pam-auth-update\n{line}{GOOD}");
        assert_eq!(with_common(&with_it), []);
        let alone = with_it.replace("session optional pam_session_timeout.so\n", "");
        let found = with_common(&alone);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].check, found[0].level),
            (Check::PamStack, Level::Error)
        );
    }

    #[test]
    fn the_only_line_of_a_stack_locks_people_out() {
        let found = problems(&[
            MODULE,
            SSHD,
            (COMMON, GOOD),
            (
                "/etc/pam.d/lightdm",
                "session optional pam_session_timeout.so\n",
            ),
        ]);
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.check, found.level))
            .collect();
        assert_eq!(
            found,
            [
                (Check::PamSystemd, Level::Error),
                (Check::PamAlone, Level::Error)
            ]
        );
    }

    #[test]
    fn one_service_that_goes_its_own_way_is_named() {
        let found = problems(&[
            MODULE,
            SSHD,
            (COMMON, GOOD),
            (
                "/etc/pam.d/gdm-password",
                "session optional pam_systemd.so\n",
            ),
            (
                "/etc/pam.d/gdm-launch-environment",
                "session required pam_permit.so\n",
            ),
            ("/usr/lib/pam.d/sddm", "session include common-session\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].what.contains("through gdm-password do not"),
            "{found:?}"
        );
        let fix = "add the line `@include common-session` to /etc/pam.d/gdm-password";
        assert_eq!(found[0].fix.as_ref().map(Fix::text), Some(fix));
    }

    #[test]
    fn remote_desktops_and_web_consoles_are_logins_too() {
        for service in ["xrdp-sesman", "tigervnc", "cockpit"] {
            let path = format!("/etc/pam.d/{service}");
            let found = problems(&[
                MODULE,
                SSHD,
                (COMMON, GOOD),
                (&path, "@include common-session"),
            ]);
            assert_eq!(found, [], "{service}");
            let own = "session required pam_unix.so\nsession optional pam_systemd.so\n";
            let found = problems(&[MODULE, SSHD, (COMMON, GOOD), (&path, own)]);
            let [finding] = found.as_slice() else {
                panic!("{service}: {found:?}");
            };
            assert_eq!(finding.check, Check::PamStack);
            let fix = format!("add the line `@include common-session` to {path}");
            assert_eq!(finding.fix.as_ref().map(Fix::text), Some(fix.as_str()));
        }
    }

    #[test]
    fn what_is_no_login_is_not_to_be_recorded() {
        let found = problems(&[
            MODULE,
            SSHD,
            (COMMON, GOOD),
            ("/etc/pam.d/common-session-noninteractive", GOOD),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].check, found[0].level),
            (Check::PamNoninteractive, Level::Warning)
        );
        assert!(found[0].what.contains("common-session-noninteractive:5"));
    }

    #[test]
    fn a_module_that_is_gone_is_missed() {
        let found = problems(&[SSHD, (COMMON, GOOD)]);
        assert_eq!(
            (found[0].check, found[0].level),
            (Check::PamModule, Level::Error)
        );
    }
}
