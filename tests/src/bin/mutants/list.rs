//! Reads the list of mutants, `policy/mutants.toml`.

use std::fs;

use session_timeout_tests::{Context as _, Outcome, workspace_dir};
use toml::{Table, Value};

/// One bug: a change of one place of the source.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// A description of the bug.
    pub(crate) bug: String,
    /// The file below `policy/src`.
    pub(crate) file: String,
    /// The text to replace; it occurs once in that file.
    pub(crate) find: String,
    /// The replacement.
    pub(crate) put: String,
}

/// Reads the list.
///
/// # Errors
/// The list cannot be read or parsed.
pub(crate) fn read() -> Outcome<Vec<Mutant>> {
    let path = workspace_dir().join("policy/mutants.toml");
    let text = fs::read_to_string(&path).context(format!("read {}", path.display()))?;
    let table: Table = text.parse().context("read the list of mutants")?;
    let rows = table.get("mutant").and_then(Value::as_array);
    rows.into_iter().flatten().map(mutant).collect()
}

fn mutant(row: &Value) -> Outcome<Mutant> {
    let text = |key: &str| {
        let value = row.get(key).and_then(Value::as_str);
        value
            .map(str::to_owned)
            .context(format!("`{key}` of a mutant"))
    };
    Ok(Mutant {
        bug: text("bug")?,
        file: text("file")?,
        find: text("find")?,
        put: text("put")?,
    })
}
