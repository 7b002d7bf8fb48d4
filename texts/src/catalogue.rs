//! The message catalogues, which are compiled into the program. Each is parsed at its first use.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

use crate::Language;

type Bundle = FluentBundle<FluentResource>;

/// The text of this message. A missing message gives its id; a test checks that none is missing.
pub(crate) fn say(language: Language, id: &str, args: &FluentArgs<'_>) -> String {
    let bundle = bundle(language);
    let pattern = bundle.get_message(id).and_then(|message| message.value());
    let Some(pattern) = pattern else {
        return id.to_owned();
    };
    let mut errors = Vec::new();
    let said = bundle.format_pattern(pattern, Some(args), &mut errors);
    debug_assert!(errors.is_empty(), "{id}: {errors:?}");
    said.into_owned()
}

/// The text of a catalogue.
pub(crate) const fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("../locales/en.ftl"),
        Language::German => include_str!("../locales/de.ftl"),
    }
}

fn bundle(language: Language) -> &'static Bundle {
    static ENGLISH: OnceLock<Bundle> = OnceLock::new();
    static GERMAN: OnceLock<Bundle> = OnceLock::new();
    let kept = match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    };
    kept.get_or_init(|| read(language))
}

fn read(language: Language) -> Bundle {
    let identifier: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![identifier]);
    // Both languages are written from left to right, and text from outside is sanitized of
    // characters that change the direction. The isolation marks would be shown as boxes on a
    // console.
    bundle.set_use_isolating(false);
    // If a message is invalid, the others still work; a test checks that none is.
    let resource = FluentResource::try_new(source(language).to_owned());
    let resource = resource.unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}
