//! `check`: prints the errors and warnings of a policy, as text or as JSON.

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use session_timeout_config::{CheckStatus, Checked, Diagnostic, Settings, Sources, Style};

use crate::cli::CheckOptions;
use crate::text::one_line;

/// Checks the policy that the command line names, or that of the machine: the result, and whether
/// it could be written.
pub(crate) fn run(options: &CheckOptions) -> (CheckStatus, io::Result<()>) {
    let checked = Checked::of(&sources(options.path.as_deref()), options.minima());
    (checked.status(), write(&checked, options))
}

fn write(checked: &Checked, options: &CheckOptions) -> io::Result<()> {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let style = style(options.color.into());
    if options.json {
        write_json(checked, &mut out)?;
    } else if options.print {
        checked.print_diagnostics(style, &mut err)?;
        let settings = checked.settings();
        let printed = settings.map(Settings::print).unwrap_or_default();
        out.write_all(printed.as_bytes())?;
    } else {
        checked.print(style, &mut out, &mut err)?;
    }
    out.flush()
}

/// The policy at this path, or that of the machine.
pub(crate) fn sources(path: Option<&Path>) -> Sources {
    path.map_or_else(Sources::system, Sources::at)
}

/// The style of diagnostics on standard error.
pub(crate) fn style(choice: anstream::ColorChoice) -> Style {
    let choice = match choice {
        anstream::ColorChoice::Auto => anstream::AutoStream::choice(&io::stderr()),
        chosen => chosen,
    };
    match choice {
        anstream::ColorChoice::Never => Style::Plain,
        _ => Style::Coloured,
    }
}

fn write_json(checked: &Checked, out: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document::from(checked))?;
    out.write_all(b"\n")
}

/// Keys are only added, never changed. What is unknown or does not apply is `null`.
#[derive(Serialize)]
struct Document {
    status: &'static str,
    files: Option<Vec<String>>,
    rules: Option<Vec<String>>,
    errors: Vec<PolicyProblem>,
    warnings: Vec<PolicyProblem>,
}

#[derive(Serialize)]
struct PolicyProblem {
    severity: String,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    label: Option<String>,
    help: Option<String>,
}

impl From<&Checked> for Document {
    fn from(checked: &Checked) -> Self {
        let files = checked.files().map(|files| {
            let names = files.iter().map(|path| one_line(&path.to_string_lossy()));
            names.collect()
        });
        let rules = checked.settings().map(|settings| {
            let names = settings.rules.iter().map(|rule| one_line(&rule.name));
            names.collect()
        });
        let errors = checked.errors().iter().map(PolicyProblem::from);
        let unreadable = checked.unreadable();
        let unreadable = unreadable.as_deref().map(PolicyProblem::without_location);
        Self {
            status: match checked.status() {
                CheckStatus::Good => "good",
                CheckStatus::Invalid => "invalid",
                CheckStatus::Unreadable => "unreadable",
            },
            files,
            rules,
            errors: errors.chain(unreadable).collect(),
            warnings: checked.warnings().iter().map(PolicyProblem::from).collect(),
        }
    }
}

impl From<&Diagnostic> for PolicyProblem {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity().to_string(),
            file: Some(one_line(diagnostic.file())),
            line: Some(diagnostic.line()),
            column: Some(diagnostic.column()),
            message: one_line(diagnostic.message()),
            label: diagnostic.label().map(one_line),
            help: diagnostic.help().map(one_line),
        }
    }
}

impl PolicyProblem {
    /// The reason why nothing was read, which has no location in a text.
    fn without_location(reason: &str) -> Self {
        Self {
            severity: "error".to_owned(),
            file: None,
            line: None,
            column: None,
            message: one_line(reason),
            label: None,
            help: None,
        }
    }
}
