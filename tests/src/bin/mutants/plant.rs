//! Rewrites source so that it contains every mutant behind a switch.
//!
//! The body of a function with mutants becomes a choice between copies, of which each has one bug
//! and the last has none: `{ if crate::mutants::is(3) { .. } else { .. } }`. Two bodies cannot
//! share the value of a function that returns an `impl` type; there the closure around the bug
//! becomes the choice. A choice is made at run time, so neither such functions nor their callers
//! can be `const`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use session_timeout_tests::{Context as _, Failure, Outcome};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::list::Mutant;

/// The module that reads the switch: an environment variable has the number of the mutant.
const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(missing_docs)]
pub mod mutants {
    pub fn is(number: usize) -> bool {
        static PLANTED: std::sync::LazyLock<Option<usize>> =
            std::sync::LazyLock::new(|| std::env::var("MUTANT").ok()?.parse().ok());
        *PLANTED == Some(number)
    }
}
"#;

/// The files of the source, by their paths below `src`.
pub(crate) type Files = BTreeMap<String, String>;

/// Plants all mutants in `files`, and the switch in its `lib.rs`. The number of a mutant is its
/// index in the list.
///
/// # Errors
/// A file is not valid Rust, or the text of a mutant does not occur exactly once.
pub(crate) fn plant(files: &mut Files, mutants: &[Mutant]) -> Outcome {
    let mut choices = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (file, text) in &*files {
        let here = mutants.iter().enumerate();
        let here = here.filter(|(_, mutant)| mutant.file == *file);
        choices.insert(file.clone(), choices_of(text, here, &mut names)?);
    }
    for mutant in mutants {
        let file = &mutant.file;
        let Some(text) = files.get(file) else {
            return Err(Failure::new(format!("policy/src/{file} does not exist")));
        };
        if text.matches(&mutant.find).count() != 1 {
            return Err(misplaced(mutant, text.matches(&mutant.find).count()));
        }
    }
    let not_const = callers(files, names)?;
    for (file, text) in &mut *files {
        let mut edits = choices.remove(file).unwrap_or_default();
        let functions = Functions::of(text)?;
        let with_const = functions.list.into_iter().filter_map(|function| {
            let constness = function.constness.clone()?;
            not_const
                .contains(&function.name)
                .then(|| (constness, String::new()))
        });
        edits.extend(with_const);
        *text = edited(text, edits)?;
    }
    let lib = files.get_mut("lib.rs").context("no lib.rs")?;
    lib.push_str(SWITCH);
    Ok(())
}

type Edit = (Range<usize>, String);

/// The choices in one file; adds the functions that contain them to `names`.
fn choices_of<'a>(
    text: &str,
    mutants: impl Iterator<Item = (usize, &'a Mutant)>,
    names: &mut BTreeSet<String>,
) -> Outcome<Vec<Edit>> {
    let mut choices: BTreeMap<(usize, usize), Vec<(usize, String)>> = BTreeMap::new();
    let functions = Functions::of(text)?;
    for (number, mutant) in mutants {
        let mut places = text.match_indices(&mutant.find);
        let (Some((at, _)), None) = (places.next(), places.next()) else {
            return Err(misplaced(mutant, text.matches(&mutant.find).count()));
        };
        let find = at..at + mutant.find.len();
        let Some((function, body)) = functions.around(&find) else {
            return Err(Failure::new(format!(
                "`{}` in {} is not in one function that can have two bodies; the mutant \"{}\" \
                 needs another place",
                mutant.find, mutant.file, mutant.bug
            )));
        };
        names.insert(function.name.clone());
        let copy = [
            &text[body.start..find.start],
            &mutant.put,
            &text[find.end..body.end],
        ];
        let copies = choices.entry((body.start, body.end)).or_default();
        copies.push((number, copy.concat()));
    }
    let choice = |((start, end), copies): ((usize, usize), Vec<(usize, String)>)| {
        let branch = |(number, copy): &(usize, String)| {
            format!("if crate::mutants::is({number}) {{ {copy} }} else ")
        };
        let branches: String = copies.iter().map(branch).collect();
        (
            start..end,
            format!("{{ {branches}{{ {} }} }}", &text[start..end]),
        )
    };
    Ok(choices.into_iter().map(choice).collect())
}

fn misplaced(mutant: &Mutant, count: usize) -> Failure {
    Failure::new(format!(
        "`{}` stands {count} times in {}, not once; the mutant \"{}\" needs another place",
        mutant.find, mutant.file, mutant.bug
    ))
}

/// `names`, and the names of all `const` functions that call one of them, directly or indirectly.
fn callers(files: &Files, mut names: BTreeSet<String>) -> Outcome<BTreeSet<String>> {
    let mut bodies = Vec::new();
    for text in files.values() {
        for function in Functions::of(text)?.list {
            if function.constness.is_some() {
                let body = text[function.body.clone()].to_owned();
                bodies.push((function.name, body));
            }
        }
    }
    loop {
        let before = names.len();
        for (name, body) in &bodies {
            if words(body).any(|word| names.contains(word)) {
                names.insert(name.clone());
            }
        }
        if names.len() == before {
            return Ok(names);
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c != '_' && !c.is_alphanumeric())
}

/// `text` with all edits, which must not overlap.
fn edited(text: &str, mut edits: Vec<Edit>) -> Outcome<String> {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut out, mut done) = (String::new(), 0);
    for (range, new) in edits {
        let kept = text.get(done..range.start);
        out.push_str(kept.context("two mutants are in functions inside of one another")?);
        out.push_str(&new);
        done = range.end;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

/// A function with a body.
struct Function {
    name: String,
    /// The place of the keyword `const`, if the function has it.
    constness: Option<Range<usize>>,
    body: Range<usize>,
    returns_impl: bool,
}

/// The functions and closures of one file.
#[derive(Default)]
struct Functions {
    list: Vec<Function>,
    closures: Vec<Range<usize>>,
}

impl Functions {
    fn of(text: &str) -> Outcome<Self> {
        let file = syn::parse_file(text).context("parse the source")?;
        let mut functions = Self::default();
        functions.visit_file(&file);
        Ok(functions)
    }

    /// The function around `place`, and the part of it that becomes a choice.
    fn around(&self, place: &Range<usize>) -> Option<(&Function, Range<usize>)> {
        let holds = |outer: &Range<usize>| outer.start <= place.start && place.end <= outer.end;
        let functions = self.list.iter().filter(|function| holds(&function.body));
        let function = functions.min_by_key(|function| function.body.len())?;
        if !function.returns_impl {
            return Some((function, function.body.clone()));
        }
        let closures = self.closures.iter().filter(|closure| holds(closure));
        let closure = closures.min_by_key(|closure| closure.len())?;
        Some((function, closure.clone()))
    }

    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        self.list.push(Function {
            name: signature.ident.to_string(),
            constness: signature.constness.map(|token| token.span.byte_range()),
            body: block.span().byte_range(),
            returns_impl: ReturnsImpl::is(&signature.output),
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.closures.push(closure.body.span().byte_range());
        visit::visit_expr_closure(self, closure);
    }
}

/// Finds an `impl` type.
struct ReturnsImpl(bool);

impl ReturnsImpl {
    fn is(output: &syn::ReturnType) -> bool {
        let mut found = Self(false);
        found.visit_return_type(output);
        found.0
    }
}

impl<'ast> Visit<'ast> for ReturnsImpl {
    fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
        self.0 = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(find: &str, put: &str) -> Mutant {
        Mutant {
            bug: "a bug".to_owned(),
            file: "lib.rs".to_owned(),
            find: find.to_owned(),
            put: put.to_owned(),
        }
    }

    fn planted(text: &str, mutants: &[Mutant]) -> Outcome<String> {
        let mut files = Files::from([("lib.rs".to_owned(), text.to_owned())]);
        plant(&mut files, mutants)?;
        let text = files.remove("lib.rs").unwrap_or_default();
        Ok(text.replace(SWITCH, ""))
    }

    #[test]
    fn a_function_chooses_between_bodies_with_one_bug_each() {
        let text = "fn f(a: u8) -> bool { a < 2 }\nfn g() {}\n";
        let mutants = [mutant("a < 2", "a <= 2"), mutant("< 2", "< 3")];
        assert_eq!(
            planted(text, &mutants).unwrap(),
            "fn f(a: u8) -> bool { if crate::mutants::is(0) { { a <= 2 } } \
             else if crate::mutants::is(1) { { a < 3 } } else { { a < 2 } } }\nfn g() {}\n"
        );
    }

    #[test]
    fn a_function_that_returns_an_impl_type_chooses_in_the_closure() {
        let text = "fn f() -> impl Iterator<Item = u8> { (0..9).filter(|n| *n < 2) }";
        assert_eq!(
            planted(text, &[mutant("*n < 2", "true")]).unwrap(),
            "fn f() -> impl Iterator<Item = u8> { (0..9).filter(|n| \
             { if crate::mutants::is(0) { true } else { *n < 2 } }) }"
        );
        assert!(planted(text, &[mutant("0..9", "0..8")]).is_err());
    }

    #[test]
    fn functions_that_choose_and_their_callers_are_not_const() {
        let text = "const fn f() -> u8 { 1 }\nconst fn g() -> u8 { f() }\nconst fn h() {}\n";
        let planted = planted(text, &[mutant("{ 1", "{ 2")]).unwrap();
        assert!(planted.starts_with(" fn f() -> u8 { if"), "{planted}");
        assert!(
            planted.ends_with("\n fn g() -> u8 { f() }\nconst fn h() {}\n"),
            "{planted}"
        );
    }

    #[test]
    fn a_text_that_does_not_occur_once_in_one_function_is_an_error() {
        let text = "const A: u8 = 1;\nfn f() { A + A; }\n";
        for find in ["B", "A", "const A"] {
            assert!(planted(text, &[mutant(find, "")]).is_err(), "{find}");
        }
    }
}
