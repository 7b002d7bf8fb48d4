//! The macro that turns the list of keys into types and code.
//!
//! For each entry `FIELD: TYPE { key, kind, built_in }` it generates
//! - a field `FIELD: Option<Placed<TYPE>>` of `Values`, what one table says, which is read by
//!   `Values::read` and merged by `Values::replace_with`;
//! - a field `FIELD: Chosen<TYPE>` of `Resolved`, what holds in the end, which is found by
//!   `Resolved::of`, and shown by `Resolved::by_key` and `Resolved::print`.
//!
//! `kind` is a [`Kind`](super::kind::Kind) of `TYPE`, and `built_in` takes the value from the
//! engine's default [`Limits`](session_timeout_policy::Limits). An entry without one of the three
//! does not compile.

macro_rules! policy_keys {
    ($(
        $field:ident: $Type:ty {
            key: $key:literal,
            kind: $kind:expr,
            built_in: $built_in:expr,
        }
    )+) => {
        /// Every key of a table of limits, in the order in which `explain` shows them: `grace`,
        /// `extend.times`.
        pub const KEYS: &[&str] = &[$($key),+];

        /// The values that one table or preset sets. Each is valid by itself; a key that is not
        /// written is `None`.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Values {
            $(pub(crate) $field: Option<Placed<$Type>>,)+
        }

        impl Values {
            /// Reads the value of this key, which is at `at`. An invalid one is left out and
            /// becomes a problem.
            pub(crate) fn read(
                &mut self,
                entry: Entry<'_>,
                at: TextSpan,
                minima: Minima,
                problems: &mut Vec<Problem>,
            ) -> Known {
                match entry.key {
                    $($key => {
                        let mut input = Input { entry, minima, problems };
                        let value = $kind.read(&mut input);
                        self.$field = value.map(|value| Placed { value, at });
                    })+
                    _ => return Known::No,
                }
                Known::Yes
            }

            /// Takes every value that a later table sets.
            pub(crate) fn replace_with(&mut self, later: Self) {
                $(if later.$field.is_some() {
                    self.$field = later.$field;
                })+
            }
        }

        /// Every value that holds under a rule, or where no rule matches.
        #[derive(Clone, Debug)]
        pub(crate) struct Resolved {
            $(pub(crate) $field: Chosen<$Type>,)+
        }

        impl Resolved {
            /// For each key the value of the first layer that sets it, or the built-in one.
            pub(crate) fn of(layers: &[Layer<'_>]) -> Self {
                let default = Limits::default();
                Self {
                    $($field: {
                        let built_in: fn(&Limits) -> $Type = $built_in;
                        first(layers, |values| values.$field.as_ref(), built_in(&default))
                    },)+
                }
            }

            /// Every key, and what set it.
            pub(crate) fn by_key(&self) -> Vec<(&'static str, &SetBy)> {
                vec![$(($key, &self.$field.by)),+]
            }

            /// Every key, its value as TOML, and what set it.
            pub(crate) fn print(&self) -> Vec<(&'static str, String, &SetBy)> {
                vec![$(($key, $kind.print(&self.$field.value), &self.$field.by)),+]
            }
        }
    };
}

pub(crate) use policy_keys;
