//! Finds lines of a PAM stack that can skip the modules after them.

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::pam::stack::{Stack, StackLine};
use crate::text::listed;
use session_timeout_config::Location;

/// A line that can skip modules, and which ones.
struct Skip<'a> {
    line: &'a StackLine,
    modules: Vec<&'a str>,
    services: Vec<&'a str>,
}

/// Whether these modules are called in every login through these services.
pub(crate) fn examine(services: &[(String, Stack)], modules: [&str; 2]) -> Vec<Finding> {
    let skips = skips(services, modules);
    if skips.is_empty() {
        let what = format!("nothing before them skips {}", listed(&modules, "and"));
        return vec![Finding::ok(Check::PamControl, &what)];
    }
    skips.iter().map(complaint).collect()
}

/// Each line is reported once, though several services may include it.
fn skips<'a>(services: &'a [(String, Stack)], modules: [&'a str; 2]) -> Vec<Skip<'a>> {
    let mut skips: Vec<Skip<'_>> = Vec::new();
    for (service, stack) in services {
        for module in modules {
            let Some(line) = stack.skipping(module) else {
                continue;
            };
            let at = |location: &Location| {
                skips
                    .iter()
                    .position(|skip| skip.line.location == *location)
            };
            let index = at(&line.location).unwrap_or_else(|| {
                skips.push(Skip {
                    line,
                    modules: Vec::new(),
                    services: Vec::new(),
                });
                skips.len() - 1
            });
            if let Some(skip) = skips.get_mut(index) {
                add(&mut skip.modules, module);
                add(&mut skip.services, service);
            }
        }
    }
    skips
}

fn add<'a>(names: &mut Vec<&'a str>, name: &'a str) {
    if !names.contains(&name) {
        names.push(name);
    }
}

fn complaint(skip: &Skip<'_>) -> Finding {
    let (line, location) = (skip.line, &skip.line.location);
    let (module, control) = (line.module(), &line.control);
    let what = format!(
        "the control `{control}` of {module} ({location}) can keep {} from being called in logins \
         through {}",
        listed(&skip.modules, "and"),
        listed(&skip.services, "and"),
    );
    let fix = format!(
        "write `optional` or `required` instead of `{control}` in {location}, or move the line below \
         {}",
        skip.modules.last().copied().unwrap_or_default()
    );
    Finding::warning(Check::PamControl, &what).do_this(&fix)
}
