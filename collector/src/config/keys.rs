//! Which keys a section has, and which known key an unknown one resembles.
//!
//! The list of keys is asked of serde itself (the field names that `Deserialize` announces), so it cannot fall behind.

use serde::de::value::Error as Stop;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::written;

/// A section of the file and the keys in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// Name in brackets.
    pub(super) name: &'static str,
    /// Its keys.
    pub(super) keys: &'static [&'static str],
}

/// Keys that stand above the first section, sections included.
pub(super) fn top() -> &'static [&'static str] {
    of::<written::Written>()
}

/// Every section.
pub(super) fn sections() -> [Section; 14] {
    [
        Section { name: "capture", keys: of::<written::Capture>() },
        Section { name: "front_door", keys: of::<written::FrontDoor>() },
        Section { name: "journal", keys: of::<written::Journal>() },
        Section { name: "templates", keys: of::<written::Templates>() },
        Section { name: "decode", keys: of::<written::Decode>() },
        Section { name: "geoip", keys: of::<written::GeoIp>() },
        Section { name: "names", keys: of::<written::Names>() },
        Section { name: "clickhouse", keys: of::<written::ClickHouse>() },
        Section { name: "store", keys: of::<written::Store>() },
        Section { name: "rollups", keys: of::<written::Rollups>() },
        Section { name: "retention", keys: of::<written::Retention>() },
        Section { name: "metrics", keys: of::<written::Metrics>() },
        Section { name: "log", keys: of::<written::Log>() },
        Section { name: "exporters", keys: of::<written::Exporter>() },
    ]
}

/// Sections that are lists.
const LISTS: [&str; 2] = ["exporters", "clickhouse.shards"];

/// Fails with the first key of the document that does not exist, or the first section of the wrong kind.
pub(super) fn check(document: &DeTable<'_>, text: &str, origin: &str) -> Result<(), ConfigError> {
    check_table(document, "", top(), text, origin)?;
    for section in sections() {
        let Some((key, value)) = document.get_key_value(section.name) else { continue };
        let is_list = LISTS.contains(&section.name);
        let wrong = || ConfigError::Brackets {
            origin: origin.to_owned(),
            line: line_of(text, key.span().start),
            name: section.name,
            is_list,
        };
        let is_single = value.get_ref().is_table();
        let is_several =
            matches!(value.get_ref(), DeValue::Array(all) if all.iter().any(|one| one.get_ref().is_table()));
        if is_single && is_list || is_several && !is_list {
            return Err(wrong());
        }
        if let DeValue::Table(table) = value.get_ref() {
            check_table(table, &format!(" in [{}]", section.name), section.keys, text, origin)?;
        }
        let DeValue::Array(elements) = value.get_ref() else { continue };
        for element in elements.iter() {
            if let DeValue::Table(table) = element.get_ref() {
                check_table(table, &format!(" in [[{}]]", section.name), section.keys, text, origin)?;
            }
        }
    }
    Ok(())
}

/// The error for a list that is written with single brackets at `offset`. A second such section is a fault to TOML itself, and the
/// first inside of another section one of type.
pub(super) fn single_brackets(text: &str, offset: usize, origin: &str) -> Option<ConfigError> {
    let line = line_of(text, offset);
    let written = text.lines().nth(line - 1)?.split('#').next()?.trim();
    let inside = written.strip_prefix('[')?.strip_suffix(']')?.trim();
    let name = LISTS.into_iter().find(|name| *name == inside)?;
    Some(ConfigError::Brackets { origin: origin.to_owned(), line, name, is_list: true })
}

/// Line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn check_table(
    table: &DeTable<'_>,
    section: &str,
    known: &[&str],
    text: &str,
    origin: &str,
) -> Result<(), ConfigError> {
    let unknown =
        table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).min_by_key(|key| key.span().start);
    let Some(unknown) = unknown else { return Ok(()) };
    Err(ConfigError::UnknownKey {
        origin: origin.to_owned(),
        line: line_of(text, unknown.span().start),
        key: unknown.get_ref().to_string(),
        section: section.to_owned(),
        nearest: nearest(unknown.get_ref(), known),
    })
}

/// The key of this section that resembles `key` most; one of another section, as `section.key`, where it resembles more.
fn nearest(key: &str, here: &[&str]) -> String {
    let elsewhere = sections()
        .into_iter()
        .flat_map(|section| section.keys.iter().map(move |key| (*key, format!("{}.{key}", section.name))));
    // Ties go to the key that comes first, so the ones of this section stand in front and the search runs backwards.
    let mut candidates: Vec<(&str, String)> = here.iter().map(|known| (*known, (*known).to_owned())).collect();
    candidates.extend(elsewhere);
    candidates.reverse();
    candidates
        .into_iter()
        .max_by(|(a, _), (b, _)| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)))
        .map(|(_, name)| name)
        .unwrap_or_default()
}

/// The field names that `T` announces to serde; empty if it is not a struct.
fn of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // The probe stops every deserialisation with an error after noting the field names.
    let _ = T::deserialize(Probe(&mut fields));
    fields
}

/// A deserializer without data: notes which fields are asked for, then stops.
struct Probe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Stop> {
        *self.0 = fields;
        Err(Stop::custom("only the field names are wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("not a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
