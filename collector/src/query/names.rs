//! Names of what tables know by number: out of ClickHouse's dictionaries, or, where the server cannot load them, out of the tables
//! that they are made from.
//!
//! A dictionary reads its table as the user `default` without a password, whoever asks; servers that have no such user fail there.

/// Where names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The dictionaries.
    Dictionaries,
    /// The tables that these are made from.
    Tables,
    /// Nowhere: the schema has neither yet.
    Nowhere,
}

impl Names {
    /// Answers when every dictionary can be read.
    pub(super) const DICTIONARIES_WORK: &str = "SELECT dictGet('as_names_dictionary', 'name', toUInt64(0)), \
         dictGet('protocols_dictionary', 'name', toUInt64(0)), dictGet('services_dictionary', 'name', (toUInt8(0), toUInt16(0))), \
         dictGet('exporters_dictionary', 'name', toIPv6('::')), \
         dictGet('interfaces_dictionary', 'name', (toIPv6('::'), toUInt32(0)))";
    /// Answers when every table can be read.
    pub(super) const TABLES_WORK: &str = "SELECT (SELECT count() FROM as_names), (SELECT count() FROM protocols), \
         (SELECT count() FROM services), (SELECT count() FROM exporters), (SELECT count() FROM interfaces)";

    /// The name of an AS.
    pub(super) fn autonomous_system(self, number: &str) -> String {
        match self {
            Self::Dictionaries => format!("dictGet('as_names_dictionary', 'name', toUInt64({number}))"),
            Self::Tables => {
                format!("(SELECT mapFromArrays(groupArray(asn), groupArray(name)) FROM as_names)[{number}]")
            }
            Self::Nowhere => NONE.to_owned(),
        }
    }

    /// The name of an IP protocol.
    pub(super) fn protocol(self, number: &str) -> String {
        match self {
            Self::Dictionaries => format!("dictGet('protocols_dictionary', 'name', toUInt64({number}))"),
            Self::Tables => {
                format!("(SELECT mapFromArrays(groupArray(number), groupArray(name)) FROM protocols)[{number}]")
            }
            Self::Nowhere => NONE.to_owned(),
        }
    }

    /// The name of a port of a protocol.
    pub(super) fn service(self, protocol: &str, port: &str) -> String {
        match self {
            Self::Dictionaries => format!("dictGet('services_dictionary', 'name', ({protocol}, {port}))"),
            Self::Tables => format!(
                "(SELECT mapFromArrays(groupArray(protocol * 65536 + port), groupArray(name)) FROM services)[{protocol} * 65536 + {port}]"
            ),
            Self::Nowhere => NONE.to_owned(),
        }
    }

    /// The name of an exporter: that of the longest prefix that holds its address.
    pub(super) fn exporter(self, address: &str) -> String {
        match self {
            Self::Dictionaries => format!("dictGet('exporters_dictionary', 'name', {address})"),
            Self::Tables => format!(
                "arrayFirst(named -> isIPAddressInRange(IPv6NumToString({address}), named.1), \
                 (SELECT arraySort(named -> -toUInt8(splitByChar('/', named.1)[2]), groupArray((prefix, name))) FROM exporters)).2"
            ),
            Self::Nowhere => NONE.to_owned(),
        }
    }

    /// The name of an interface.
    pub(super) fn interface(self, exporter: &str, if_index: &str) -> String {
        match self {
            Self::Dictionaries => format!("dictGet('interfaces_dictionary', 'name', ({exporter}, {if_index}))"),
            Self::Tables => format!(
                "(SELECT mapFromArrays(groupArray(concat(IPv6NumToString(exporter_address), ' ', toString(if_index))), groupArray(name)) \
                 FROM interfaces)[concat(IPv6NumToString({exporter}), ' ', toString({if_index}))]"
            ),
            Self::Nowhere => NONE.to_owned(),
        }
    }
}

const NONE: &str = "''";
