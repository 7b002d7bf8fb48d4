//! The bugs that are planted.

use std::fs;

use session_timeout_tests::{Context as _, Failure, Outcome, workspace_dir};
use toml::{Table, Value};

/// One bug.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// What it is, in words.
    pub(crate) bug: String,
    /// The file below `policy/src`.
    pub(crate) file: String,
    /// What stands there.
    pub(crate) find: String,
    /// What is put in its place.
    pub(crate) put: String,
}

/// Reads the list, and makes sure that each bug can be planted in the source as it is.
///
/// # Errors
/// Where the list cannot be read, or a bug has no place or several.
pub(crate) fn read() -> Outcome<Vec<Mutant>> {
    let path = workspace_dir().join("policy/mutants.toml");
    let text = fs::read_to_string(&path).context(format!("read {}", path.display()))?;
    let table: Table = text.parse().context("read the list of bugs")?;
    let rows = table.get("mutant").and_then(Value::as_array);
    let mutants = rows.into_iter().flatten().map(mutant);
    let mutants: Vec<Mutant> = mutants.collect::<Outcome<_>>()?;
    for mutant in &mutants {
        mutant.fits()?;
    }
    Ok(mutants)
}

fn mutant(row: &Value) -> Outcome<Mutant> {
    let text = |key: &str| {
        let value = row.get(key).and_then(Value::as_str);
        value
            .map(str::to_owned)
            .context(format!("`{key}` of a bug"))
    };
    Ok(Mutant {
        bug: text("bug")?,
        file: text("file")?,
        find: text("find")?,
        put: text("put")?,
    })
}

impl Mutant {
    fn fits(&self) -> Outcome {
        let path = workspace_dir().join("policy/src").join(&self.file);
        let text = fs::read_to_string(&path).context(format!("read {}", path.display()))?;
        match text.matches(&self.find).count() {
            1 => Ok(()),
            count => Err(Failure::new(format!(
                "`{}` stands {count} times in {}, not once; the bug \"{}\" needs another place",
                self.find, self.file, self.bug
            ))),
        }
    }
}
