//! The policy file: text in, limits out, and for everything that is wrong with it a diagnostic
//! that shows the place.
//!
//! [`parse`] takes a text in three steps: a *fragment* is one table as it is typed, each value
//! checked by itself; the *limits* are the fragment over the built-in defaults, with the values
//! checked against each other; the *settings* are the limits and what there is to say about them.
//! All errors of a file come in one go, because an administrator who corrects one should not meet
//! the next only afterwards. [`load()`] does the same with a file, and is the only part that touches
//! the disk.
//!
//! ```
//! use session_timeout_config::{Minima, Style, parse};
//!
//! let text = "[default]\nsession-timeout = \"12h\"\n";
//! let settings = parse("policy.toml", text, Minima::Enforced).unwrap();
//! assert_eq!(settings.limits.absolute.length.as_secs(), 12 * 60 * 60);
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
mod fragment;
mod load;
mod message;
mod range;
mod settings;
mod syntax;
mod value;

pub use diagnostic::{Diagnostic, Severity, Style};
pub use load::{LoadError, Loaded, MAX_FILE_BYTES, load};
pub use range::Minima;
pub use settings::{Settings, parse};
