//! What enrichment takes from a record of a MaxMind DB, found by the key paths of several makers; everything else is decoded and dropped.
//!
//! | of | country | city | AS number | AS name |
//! | --- | --- | --- | --- | --- |
//! | MaxMind, DB-IP, IP2Location | `country.iso_code` | `city.names.en` | `autonomous_system_number` | `autonomous_system_organization` |
//! | MaxMind Enterprise | | | the same below `traits` | the same below `traits` |
//! | ip-location-db | `country_code` | `city` | `autonomous_system_number` | `autonomous_system_organization` |
//! | IPinfo (Lite, Core, Plus) | `country_code` | `city` | `asn`, a text `AS64500` | `as_name` |
//! | IPinfo, older ones | `country`, of two letters | `city` | `asn` | `as_name` or `name` |
//! | IPLocate | `country_code` | | `asn`, a number | `org` or `name` |
//! | Geo Open | `country.iso_code` | | `country.AutonomousSystemNumber`, a text | `country.AutonomousSystemOrganization` |
//!
//! Not `registered_country`: that is where the addresses were handed out, which for anycast and satellite networks is not where they
//! are used; "unknown" is the better answer. For the same reason not the country of a record that describes an AS rather than
//! addresses, which is one that calls the AS's holder `name` or `org`.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::interner::Interners;
use super::mmdb::Record;

/// The fields of one record.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// From a key that holds nothing else.
    country_code: String,
    /// The text `country`, which some makers give a name and others a code.
    country: String,
    city: String,
    asn: u32,
    as_name: String,
    /// Whose the record is, in words that mean the AS only where there is one.
    holder: String,
    organization: String,
}

impl Fields {
    pub(super) fn record(&self, names: &mut Interners) -> Record {
        Record {
            country: names.country.number(&self.country()),
            city: names.city.number(&self.city),
            asn: self.asn,
            as_name: names.as_name.number(self.as_name()),
        }
    }

    fn country(&self) -> String {
        if self.is_of_an_as() {
            return String::new();
        }
        let code = [&self.country_code, &self.country].into_iter().find(|text| is_country_code(text));
        code.map(|code| code.to_ascii_uppercase()).unwrap_or_default()
    }

    fn as_name(&self) -> &str {
        match (self.is_of_an_as(), self.organization.is_empty()) {
            (false, _) => &self.as_name,
            (true, false) => &self.organization,
            (true, true) => &self.holder,
        }
    }

    fn is_of_an_as(&self) -> bool {
        self.asn != 0 && self.as_name.is_empty() && !(self.holder.is_empty() && self.organization.is_empty())
    }

    /// Takes an AS as a text: `64500`, `AS64500`, or `AS64500 Example Net`.
    fn take_as(&mut self, text: &str) {
        let text = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
        let (number, name) = text.split_once(' ').unwrap_or((text, ""));
        let Ok(asn) = number.parse() else { return };
        self.asn = asn;
        if !name.is_empty() {
            name.clone_into(&mut self.as_name);
        }
    }
}

/// Whether a text is a code of ISO 3166-1 alpha-2, or one like MaxMind's `T1`. `ZZ` is what some makers write for "unknown".
fn is_country_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1].is_ascii_alphanumeric()
        && !text.eq_ignore_ascii_case("zz")
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
    Holder,
    Organization,
    Elsewhere,
}

impl At {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Record, "country") => Self::Country,
            (Self::Record, "country_code") | (Self::Country, "iso_code") => Self::CountryCode,
            (Self::Record, "city") => Self::City,
            (Self::City, "names") => Self::CityNames,
            (Self::CityNames, "en") => Self::CityName,
            (Self::Record, "traits") => Self::Traits,
            (Self::Record | Self::Traits, "autonomous_system_number")
            | (Self::Record, "asn")
            | (Self::Country, "AutonomousSystemNumber") => Self::Asn,
            (Self::Record | Self::Traits, "autonomous_system_organization")
            | (Self::Record, "as_name")
            | (Self::Country, "AutonomousSystemOrganization") => Self::AsName,
            (Self::Record, "name") => Self::Holder,
            (Self::Record, "org") => Self::Organization,
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
        // IP2Location's dash stands for what it does not know.
        if text == "-" {
            return Ok(());
        }
        let field = match self.at {
            At::Country => &mut self.fields.country,
            At::CountryCode => &mut self.fields.country_code,
            At::City | At::CityName => &mut self.fields.city,
            At::AsName => &mut self.fields.as_name,
            At::Holder => &mut self.fields.holder,
            At::Organization => &mut self.fields.organization,
            At::Asn => {
                self.fields.take_as(text);
                return Ok(());
            }
            At::Record | At::CityNames | At::Traits | At::Elsewhere => return Ok(()),
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

    fn visit_i32<E: serde::de::Error>(self, number: i32) -> Result<(), E> {
        self.visit_i64(number.into())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        u64::try_from(number).map_or(Ok(()), |number| self.visit_u64(number))
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

    /// Country, city, AS number and AS name.
    type Found = (&'static str, &'static str, u32, &'static str);

    fn check(cases: &[(&str, Found)]) {
        for (record, expected) in cases {
            let fields: Fields = serde_json::from_str(record).unwrap();
            let country = fields.country();
            let found = (country.as_str(), fields.city.as_str(), fields.asn, fields.as_name());
            assert_eq!(found, *expected, "{record}");
        }
    }

    #[test]
    fn known_paths_are_taken_and_all_else_is_passed_over() {
        check(&[
            ("{}", ("", "", 0, "")),
            (r#"{"country": {"iso_code": "NL", "names": {"en": "No"}}}"#, ("NL", "", 0, "")),
            (r#"{"city": {"names": {"de": "Den Haag", "en": "The Hague"}}}"#, ("", "The Hague", 0, "")),
            (r#"{"city": {"names": {"de": "Den Haag"}}, "registered_country": {"iso_code": "NL"}}"#, ("", "", 0, "")),
            (r#"{"autonomous_system_number": 64512, "autonomous_system_organization": "Us"}"#, ("", "", 64_512, "Us")),
            (r#"{"traits": {"autonomous_system_number": 4294967295, "isp": "No"}}"#, ("", "", u32::MAX, "")),
            // Numbers for texts, lists for texts, numbers too large or below zero.
            (r#"{"country": 7, "city": 7, "autonomous_system_number": -1}"#, ("", "", 0, "")),
            (r#"{"country": {"iso_code": ["NL"]}, "autonomous_system_number": 4294967296}"#, ("", "", 0, "")),
            (r#"{"location": {"latitude": 52.1, "list": [1, -2, true, {"city": "No"}]}}"#, ("", "", 0, "")),
            ("[7]", ("", "", 0, "")),
        ]);
    }

    #[test]
    fn other_makers_say_it_in_their_own_words() {
        check(&[
            // ip-location-db.
            (r#"{"city": "Kiel", "country_code": "DE", "state1": "No", "latitude": 54.3}"#, ("DE", "Kiel", 0, "")),
            (r#"{"country_code": "ZZ"}"#, ("", "", 0, "")),
            // IPinfo Lite and Plus: the country by name, its code beside it, in either order.
            (
                r#"{"as_domain": "example.net", "as_name": "Net", "asn": "AS64500", "country": "Oman", "country_code": "OM"}"#,
                ("OM", "", 64_500, "Net"),
            ),
            (r#"{"country_code": "OM", "country": "Oman", "city": "Sohar", "asn": ""}"#, ("OM", "Sohar", 0, "")),
            // IPinfo's country_asn and standard_location: the code is called country.
            (r#"{"country": "OM", "country_name": "Oman", "asn": "AS1", "as_name": "Net"}"#, ("OM", "", 1, "Net")),
            (r#"{"city": "Sohar", "country": "om", "region": "No"}"#, ("OM", "Sohar", 0, "")),
            // IPinfo's and IPLocate's records of AS: their country is the AS's, not the address's.
            (r#"{"asn": "AS7", "name": "Net", "domain": "No", "country": "US"}"#, ("", "", 7, "Net")),
            (r#"{"org": "Net Ltd", "asn": 7, "name": "NET-AS", "country_code": "AU"}"#, ("", "", 7, "Net Ltd")),
            // A company that an address belongs to is not its AS.
            (r#"{"name": "No", "asn": "AS7", "as_name": "Net", "country": "US"}"#, ("US", "", 7, "Net")),
            (r#"{"name": "No", "country": "US"}"#, ("US", "", 0, "")),
            // Geo Open.
            (
                r#"{"country": {"iso_code": "BE", "AutonomousSystemNumber": "7", "AutonomousSystemOrganization": "Net"}}"#,
                ("BE", "", 7, "Net"),
            ),
            (r#"{"asn": "AS15169 Example Net"}"#, ("", "", 15_169, "Example Net")),
            (r#"{"asn": "ASN1", "city": "-", "country": "Oman"}"#, ("", "", 0, "")),
        ]);
    }
}
