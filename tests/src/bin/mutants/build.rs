//! Builds the tests of the engine from a copy of the workspace that contains every mutant.
//!
//! The copy is kept under `target/mutants`. Only files that differ are written, so that a second
//! run compiles nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use session_timeout_tests::{Context as _, Failure, Outcome, workspace_dir};

use crate::list::Mutant;
use crate::plant::{self, Files};

/// Parts of the workspace that are copied besides its members: its manifests, and files that tests
/// of the engine read.
const PARTS: &[&str] = &["Cargo.toml", "Cargo.lock", "docs", "packaging"];

/// The test targets of the engine, as arguments of cargo.
const TESTS: &[&str] = &[
    "--package=session-timeout-policy",
    "--package=session-timeout-simulation",
    "--lib",
    "--tests",
];

/// A test program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The executable.
    pub(crate) path: PathBuf,
    /// The directory of its package, which is its working directory.
    pub(crate) directory: PathBuf,
}

/// Copies the source, plants the mutants, and builds the tests.
///
/// # Errors
/// A mutant cannot be planted, or the tests do not compile with all of them.
pub(crate) fn build(mutants: &[Mutant]) -> Outcome<Vec<Program>> {
    let directory = workspace_dir().join("target/mutants");
    let source = directory.join("source");
    let mut wanted = Files::new();
    let members = members()?;
    let parts = PARTS
        .iter()
        .copied()
        .chain(members.iter().map(String::as_str));
    for part in parts {
        read(&workspace_dir().join(part), part, &mut wanted)?;
    }
    plant_engine(&mut wanted, mutants)?;
    remove_others(&source, &source, &wanted)?;
    for (path, text) in &wanted {
        write(&source.join(path), text)?;
    }
    compile(&source, &directory.join("target"))
}

fn members() -> Outcome<Vec<String>> {
    let path = workspace_dir().join("Cargo.toml");
    let text = fs::read_to_string(path).context("read Cargo.toml")?;
    let table: toml::Table = text.parse().context("read Cargo.toml")?;
    let members = table["workspace"]["members"].as_array();
    let members = members.context("the workspace has no members")?;
    let members = members.iter().filter_map(toml::Value::as_str);
    Ok(members.map(str::to_owned).collect())
}

/// Plants the mutants in the files of the engine.
fn plant_engine(files: &mut Files, mutants: &[Mutant]) -> Outcome {
    const ENGINE: &str = "policy/src/";
    let is_source = |path: &str| path.starts_with(ENGINE) && path.ends_with(".rs");
    let mut engine = Files::new();
    for (path, text) in files.iter().filter(|(path, _)| is_source(path)) {
        engine.insert(path[ENGINE.len()..].to_owned(), text.clone());
    }
    plant::plant(&mut engine, mutants)?;
    files.extend(
        engine
            .into_iter()
            .map(|(path, text)| (ENGINE.to_owned() + &path, text)),
    );
    Ok(())
}

/// Reads a file, or all files below a directory. Files that are not text, such as pictures, are
/// skipped.
fn read(path: &Path, name: &str, files: &mut Files) -> Outcome {
    if !path.is_dir() {
        if let Ok(text) = fs::read_to_string(path) {
            files.insert(name.to_owned(), text);
        }
        return Ok(());
    }
    for entry in fs::read_dir(path).context(format!("list {}", path.display()))? {
        let entry = entry.context("list the source")?;
        let below = entry.file_name();
        let below = below.to_str().context("a file name that is not UTF-8")?;
        read(&entry.path(), &format!("{name}/{below}"), files)?;
    }
    Ok(())
}

/// Removes files of an earlier copy that are no longer part of it.
fn remove_others(source: &Path, directory: &Path, wanted: &Files) -> Outcome {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.context("list the copy")?.path();
        let name = path.strip_prefix(source).unwrap_or(&path);
        if path.is_dir() {
            remove_others(source, &path, wanted)?;
        } else if !name.to_str().is_some_and(|name| wanted.contains_key(name)) {
            fs::remove_file(&path).context(format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes a file if it differs.
fn write(path: &Path, text: &str) -> Outcome {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let parent = path.parent().context("a file without a directory")?;
    fs::create_dir_all(parent).context("make the copy")?;
    fs::write(path, text).context(format!("write {}", path.display()))
}

fn compile(source: &Path, target: &Path) -> Outcome<Vec<Program>> {
    let output = Command::new("cargo")
        .args([
            "test",
            "--quiet",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .args(TESTS)
        .current_dir(source)
        .env("CARGO_TARGET_DIR", target)
        // Mutants leave unused code behind.
        .env("RUSTFLAGS", "-Awarnings")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo test")?;
    if !output.status.success() {
        return Err(Failure::new("the tests do not compile with the mutants"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut programs: Vec<Program> = messages.filter_map(|message| program(&message)).collect();
    programs.sort_by(|a, b| a.path.cmp(&b.path));
    if programs.is_empty() {
        return Err(Failure::new("cargo has built no test"));
    }
    Ok(programs)
}

/// The test program in a message of cargo, if the message has one.
fn program(message: &Value) -> Option<Program> {
    let path = message["executable"].as_str()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    (message["profile"]["test"] == true).then(|| Program {
        path: path.into(),
        directory: manifest.parent().unwrap_or(manifest).to_owned(),
    })
}
