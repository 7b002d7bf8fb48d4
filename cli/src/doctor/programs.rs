//! Checks for other programs that end idle sessions.

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::root::Root;

/// A Debian package, and a file that shows that it is installed.
const KNOWN: [(&str, &str); 4] = [
    ("timekpr-next", "/usr/bin/timekprd"),
    ("autolog", "/usr/sbin/autolog"),
    ("timeoutd", "/usr/sbin/timeoutd"),
    (
        "libpam-session-timelimit",
        "/usr/lib/*/security/pam_session_timelimit.so",
    ),
];

/// The packages of them that are installed.
pub(crate) fn gather(root: &Root) -> Vec<&'static str> {
    let installed = KNOWN
        .iter()
        .filter(|(_, file)| !root.matching(file).is_empty());
    installed.map(|(package, _)| *package).collect()
}

/// The finding about them.
pub(crate) fn examine(installed: &[&str]) -> Vec<Finding> {
    let check = Check::OtherPrograms;
    if installed.is_empty() {
        return vec![Finding::ok(
            check,
            "no other program that ends sessions is installed",
        )];
    }
    let complain = |package: &&str| {
        let what = format!("{package} is installed, and ends sessions by rules of its own");
        Finding::warning(check, &what).do_this(&format!(
            "have one of the two do it: apt-get remove {package}"
        ))
    };
    installed.iter().map(complain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;
    use crate::doctor::root::fake;

    #[test]
    fn each_is_found_where_debian_puts_it() {
        let (_dir, root) = fake::root(&[
            ("/usr/sbin/autolog", ""),
            (
                "/usr/lib/x86_64-linux-gnu/security/pam_session_timelimit.so",
                "",
            ),
        ]);
        let installed = gather(&root);
        assert_eq!(installed, ["autolog", "libpam-session-timelimit"]);
        let findings = examine(&installed);
        assert!(
            findings
                .iter()
                .all(|finding| finding.level == Level::Warning)
        );
        let (_dir, root) = fake::root(&[]);
        assert_eq!(examine(&gather(&root))[0].level, Level::Ok);
    }
}
