//! The policy files: text in, policy out, and for everything that is wrong with them a diagnostic
//! that shows the place.
//!
//! A text becomes a policy in steps: a *document* is one text as it is typed, each value checked
//! by itself; *merged* documents are one, in which a later file has replaced what it says again;
//! *resolved*, each table has every value, its own or an inherited one, and the values are checked
//! against each other; the *settings* are that and where each value is from. All errors of all
//! files come in one go, because an administrator who corrects one should not meet the next only
//! afterwards. [`load()`] reads the files, and is the only part that touches the disk.
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
pub use origin::{BUILT_IN_MESSAGE, Origin, Place, Setting};
pub use parse::document::MAX_FILE_BYTES;
pub use settings::{Effective, RuleSettings, Settings, parse};
