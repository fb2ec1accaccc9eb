//! Names of exporters, from the configuration: by address or by prefix, the longest prefix wins.

use netflow::columns::Address;

pub use crate::prefix::Prefix;
use crate::prefix::PrefixMap;

/// The names, ready to be looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(PrefixMap<Box<str>>);

impl Names {
    /// Takes the names over; the later of two for the same prefix holds.
    #[must_use]
    pub fn new(named: impl IntoIterator<Item = (Prefix, String)>) -> Self {
        Self(named.into_iter().map(|(prefix, name)| (prefix, name.into_boxed_str())).collect())
    }

    /// Whether no exporter has a name.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of an exporter; empty where none is configured.
    #[must_use]
    pub fn get(&self, exporter: &Address) -> &str {
        self.0.get(exporter).map_or("", |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exporters_without_a_name_have_an_empty_one() {
        let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
        let names = Names::new([(prefix("192.0.2.0/24"), "lab".to_owned()), (prefix("192.0.2.9"), "edge".to_owned())]);
        for (exporter, name) in [("192.0.2.9", "edge"), ("192.0.2.8", "lab"), ("192.0.3.8", ""), ("::1", "")] {
            assert_eq!(names.get(&prefix(exporter).first()), name, "{exporter}");
        }
        assert_eq!(Names::default().get(&[0; 16]), "");
    }
}
