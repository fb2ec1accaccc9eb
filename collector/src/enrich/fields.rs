//! What enrichment takes from a record of a MaxMind DB, found by path; everything else is decoded and dropped.
//!
//! The paths: `country.iso_code`, `city.names.en`, `autonomous_system_number` and `autonomous_system_organization`, these two
//! also below `traits` (Enterprise). Not `registered_country`: that is where the addresses were handed out, which for anycast and
//! satellite networks is not where they are used; "unknown" is the better answer.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::interner::Interners;
use super::mmdb::Record;

/// The fields of one record.
#[derive(Debug, Default)]
pub(super) struct Fields {
    country: String,
    city: String,
    asn: u32,
    as_name: String,
}

impl Fields {
    pub(super) fn record(&self, names: &mut Interners) -> Record {
        Record {
            country: names.country.number(&self.country),
            city: names.city.number(&self.city),
            asn: self.asn,
            as_name: names.as_name.number(&self.as_name),
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Self::default();
        Walk { at: At::Record, fields: &mut fields }.deserialize(deserializer)?;
        Ok(fields)
    }
}

/// Where in a record the walk is.
#[derive(Debug, Clone, Copy)]
enum At {
    Record,
    Country,
    CountryCode,
    City,
    CityNames,
    CityName,
    Traits,
    Asn,
    AsName,
    Elsewhere,
}

impl At {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Record, "country") => Self::Country,
            (Self::Country, "iso_code") => Self::CountryCode,
            (Self::Record, "city") => Self::City,
            (Self::City, "names") => Self::CityNames,
            (Self::CityNames, "en") => Self::CityName,
            (Self::Record, "traits") => Self::Traits,
            (Self::Record | Self::Traits, "autonomous_system_number") => Self::Asn,
            (Self::Record | Self::Traits, "autonomous_system_organization") => Self::AsName,
            (_, _) => Self::Elsewhere,
        }
    }
}

struct Walk<'a> {
    at: At,
    fields: &'a mut Fields,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value of a MaxMind DB")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(at) = map.next_key_seed(Key(self.at))? {
            map.next_value_seed(Walk { at, fields: &mut *self.fields })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Walk { at: At::Elsewhere, fields: &mut *self.fields })?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let field = match self.at {
            At::CountryCode => &mut self.fields.country,
            At::CityName => &mut self.fields.city,
            At::AsName => &mut self.fields.as_name,
            At::Record | At::Country | At::City | At::CityNames | At::Traits | At::Asn | At::Elsewhere => return Ok(()),
        };
        text.clone_into(field);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        if let (At::Asn, Ok(asn)) = (self.at, u32::try_from(number)) {
            self.fields.asn = asn;
        }
        Ok(())
    }

    fn visit_u16<E: serde::de::Error>(self, number: u16) -> Result<(), E> {
        self.visit_u64(number.into())
    }

    fn visit_u32<E: serde::de::Error>(self, number: u32) -> Result<(), E> {
        self.visit_u64(number.into())
    }

    fn visit_i32<E>(self, _: i32) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_f32<E>(self, _: f32) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }
}

/// A key of a map, as the place that its value is at.
struct Key(At);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = At;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<At, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = At;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map's key")
    }

    fn visit_str<E>(self, key: &str) -> Result<At, E> {
        Ok(self.0.below(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_paths_are_taken_and_all_else_is_passed_over() {
        let cases = [
            ("{}", ("", "", 0, "")),
            (r#"{"country": {"iso_code": "NL", "names": {"en": "No"}}}"#, ("NL", "", 0, "")),
            (r#"{"city": {"names": {"de": "Den Haag", "en": "The Hague"}}}"#, ("", "The Hague", 0, "")),
            (r#"{"city": {"names": {"de": "Den Haag"}}, "registered_country": {"iso_code": "NL"}}"#, ("", "", 0, "")),
            (r#"{"autonomous_system_number": 64512, "autonomous_system_organization": "Us"}"#, ("", "", 64_512, "Us")),
            (r#"{"traits": {"autonomous_system_number": 4294967295, "isp": "No"}}"#, ("", "", u32::MAX, "")),
            // Other makers' records: texts for maps, numbers for texts, numbers too large.
            (r#"{"country": "NL", "city": 7, "autonomous_system_number": "AS1"}"#, ("", "", 0, "")),
            (r#"{"country": {"iso_code": ["NL"]}, "autonomous_system_number": 4294967296}"#, ("", "", 0, "")),
            (r#"{"location": {"latitude": 52.1, "list": [1, -2, true, {"city": "No"}]}}"#, ("", "", 0, "")),
            ("[7]", ("", "", 0, "")),
        ];
        for (record, expected) in cases {
            let fields: Fields = serde_json::from_str(record).unwrap();
            let found = (fields.country.as_str(), fields.city.as_str(), fields.asn, fields.as_name.as_str());
            assert_eq!(found, expected, "{record}");
        }
    }
}
