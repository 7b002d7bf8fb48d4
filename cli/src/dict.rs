//! Reads dictionaries (`a{sv}`) from D-Bus, key by key.
//!
//! Keys that are missing or of another type than expected count as absent and unknown ones are
//! skipped, so that a command and a daemon of different versions work together.

use std::collections::HashMap;
use std::time::Duration;

use zbus::OwnedVariant;

use crate::text;

/// A dictionary. All texts that it returns are sanitized, except those of [`Self::list`].
pub(crate) struct Dict(HashMap<String, OwnedVariant>);

impl Dict {
    pub(crate) fn new(keys: HashMap<String, OwnedVariant>) -> Self {
        Self(keys)
    }

    /// A text of one line.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get::<&str>(key).map(text::one_line)
    }

    /// A text of several lines, if it is not empty.
    pub(crate) fn lines(&self, key: &str) -> Option<String> {
        let text = self.get::<&str>(key).map(text::lines);
        text.filter(|text| !text.is_empty())
    }

    /// A text of one line; empty if the key is missing.
    pub(crate) fn word(&self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)
    }

    /// A number of 32 bits: a user id, a count.
    pub(crate) fn short(&self, key: &str) -> Option<u32> {
        self.get(key)
    }

    pub(crate) fn micros(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_micros)
    }

    /// A list of texts of one line.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let texts: Vec<String> = self.list(key)?;
        Some(texts.iter().map(|text| text::one_line(text)).collect())
    }

    /// A list of anything. Texts in it are not sanitized.
    pub(crate) fn list<T>(&self, key: &str) -> Option<Vec<T>>
    where
        Vec<T>: TryFrom<OwnedVariant>,
    {
        let value = self.0.get(key)?.try_clone().ok()?;
        Vec::try_from(value).ok()
    }

    fn get<'a, T>(&'a self, key: &str) -> Option<T>
    where
        T: TryFrom<&'a OwnedVariant>,
    {
        self.0.get(key).and_then(|value| T::try_from(value).ok())
    }
}
