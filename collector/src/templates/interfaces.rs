//! Names of interfaces that exporters announced.

use std::net::{IpAddr, Ipv6Addr};

use super::Templates;

impl Templates {
    /// Every name that is in force, with the exporter and the ifIndex. Of several observation domains of one exporter each has its own,
    /// and an ifIndex may come several times.
    #[must_use]
    pub fn interface_names(&self) -> Vec<(IpAddr, u32, String)> {
        let mut names = Vec::new();
        for (key, announced) in &self.0.options.pin() {
            let exporter = IpAddr::V6(Ipv6Addr::from(key.exporter)).to_canonical();
            let each = announced.options.interface_names.iter();
            names.extend(each.map(|(if_index, name)| (exporter, *if_index, name.to_string())));
        }
        names.sort_unstable();
        names
    }
}
