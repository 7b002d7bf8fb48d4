//! Reads policy files into settings, with a diagnostic that shows the location of each error.
//!
//! A policy is read in steps. `parse/` makes a *document* of each text and checks each value by
//! itself. `resolve/` *merges* the documents, so that later files replace values of earlier ones,
//! and *resolves* the value of each key for each rule. `lint/` checks the values against each
//! other. The *settings* are the result, with the origin of each value. All errors of all files are
//! reported at once. `load/` reads the files, and is the only part that uses the file system.
//! `keys/` has the list of keys.
//!
//! ```
//! use session_timeout_config::{Minima, Style, parse};
//!
//! let text = "[default]\nsession-timeout = \"12h\"\n";
//! let settings = parse("policy.toml", text, Minima::Enforced).unwrap();
//! assert_eq!(settings.default.limits.absolute.length.as_secs(), 12 * 60 * 60);
//!
//! let errors = parse("policy.toml", "[default]\ngrace = \"1h\"\n", Minima::Enforced).unwrap_err();
//! assert_eq!(
//!     errors[0].to_string(),
//!     "policy.toml:2:9: error: `grace` is out of range; \
//!      1 h is more than the maximum; allowed: 1s to 10min"
//! );
//! println!("{}", errors[0].render(Style::Plain));
//! ```

#![forbid(unsafe_code)]

mod diagnostic;
pub mod duration;
mod keys;
mod lint;
mod load;
pub mod login_defs;
mod origin;
mod parse;
mod preset;
mod print;
mod resolve;
mod settings;
mod source_map;

pub use diagnostic::{Diagnostic, Severity, Style};
pub use keys::KEYS;
pub use keys::range::Minima;
pub use load::check::{CheckStatus, Checked, check};
pub use load::last_good;
pub use load::parents::{Distrusted, distrusted};
pub use load::sources::Sources;
pub use load::{LoadError, Loaded, MAX_DROP_INS, load};
pub use origin::{BUILT_IN_MESSAGE, Location, Origin, Setting};
pub use parse::document::MAX_FILE_BYTES;
pub use settings::{Effective, RuleSettings, Settings, parse};
