//! Names of exporters, from the configuration: by address or by prefix, the longest prefix wins. It may hold the device's own address
//! or that which its datagrams come from; of two as long, the device's counts.

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

    /// The name of the exporter that sends from `sender` and calls itself `agent`; empty where none is configured.
    #[must_use]
    pub fn of_exporter(&self, sender: &Address, agent: &Address) -> &str {
        self.0.get_of_either(agent, sender).map_or("", |name| name)
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
            let exporter = prefix(exporter).first();
            assert_eq!(names.of_exporter(&exporter, &exporter), name, "{exporter:?}");
        }
        assert_eq!(Names::default().of_exporter(&[0; 16], &[1; 16]), "");
    }

    #[test]
    fn the_longer_prefix_of_sender_and_device_counts() {
        let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
        let names = [("0.0.0.0/0", "any"), ("203.0.113.9", "gateway"), ("10.1.0.0/16", "site"), ("10.1.0.7", "switch")];
        let names = Names::new(names.map(|(address, name)| (prefix(address), name.to_owned())));
        for (sender, agent, name) in [
            ("203.0.113.9", "10.1.0.7", "switch"),
            ("203.0.113.9", "10.1.0.8", "gateway"),
            ("203.0.113.8", "10.1.0.8", "site"),
            ("203.0.113.8", "198.51.100.1", "any"),
        ] {
            assert_eq!(names.of_exporter(&prefix(sender).first(), &prefix(agent).first()), name, "{sender} {agent}");
        }
    }
}
