//! What is meant by `[[exporters]]`: a name, the sampling and the limit for each address or prefix.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use super::error::ConfigError;
use super::front_door::{limit_of, prefix};
use super::meant::Exporter;
use super::written;
use crate::dictionaries::Interface;
use crate::enrich::Sampling;
use crate::prefix::Prefix;

/// Validates every entry.
pub(super) fn exporters(written: Vec<written::Exporter>) -> Result<Vec<Exporter>, ConfigError> {
    let mut exporters: Vec<Exporter> = Vec::with_capacity(written.len());
    for exporter in written {
        let (sampling, limit) = (sampling(&exporter)?, limit_of(&exporter)?);
        let prefix = prefix("exporters.address", &exporter.address)?;
        let interfaces = interfaces(&exporter, prefix)?;
        let written::Exporter { address, name, site, .. } = exporter;
        if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            let remedy = "give it a name, or leave the key out";
            return Err(ConfigError::meaning("exporters.name", format_args!("empty for {address}"), remedy));
        }
        if exporters.iter().any(|known| known.prefix == prefix) {
            return Err(ConfigError::meaning(
                "exporters.address",
                format_args!("\"{address}\" a second time"),
                "keep one entry for each address",
            ));
        }
        exporters.push(Exporter { prefix, name, site: site.unwrap_or_default(), interfaces, sampling, limit });
    }
    Ok(exporters)
}

/// Names and speeds of interfaces, by ifIndex; they are those of one exporter.
fn interfaces(written: &written::Exporter, prefix: Prefix) -> Result<Vec<Interface>, ConfigError> {
    let written::Exporter { address, interfaces: names, interface_mbps: speeds, .. } = written;
    let is_any = !names.is_empty() || !speeds.is_empty();
    if is_any && prefix.bits() < 128 {
        return Err(ConfigError::meaning(
            "exporters.interfaces",
            format_args!("given for the prefix {address}"),
            "name interfaces in an entry for a single address",
        ));
    }
    let mut interfaces: BTreeMap<u32, Interface> = BTreeMap::new();
    for interface in names.keys().chain(speeds.keys()) {
        let if_index = interface.parse().map_err(|_| {
            let value = format!("\"{interface}\" for {address}");
            ConfigError::meaning(
                "exporters.interfaces",
                value,
                "name interfaces by ifIndex, such as { \"3\" = \"uplink\" }",
            )
        })?;
        let name = names.get(interface).cloned().unwrap_or_default();
        let speed_bps = speeds.get(interface).copied().unwrap_or(0).saturating_mul(1_000_000);
        interfaces.insert(if_index, Interface { if_index, name, speed_bps });
    }
    Ok(interfaces.into_values().collect())
}

fn sampling(written: &written::Exporter) -> Result<Option<Sampling>, ConfigError> {
    let written::Exporter { address, sampling_rate, interface_sampling, sampling_override, .. } = written;
    let rate = sampling_rate.map(|rate| {
        let value = format_args!("{rate} for {address}").to_string();
        nonzero("exporters.sampling_rate", &value, rate)
    });
    let rate = rate.transpose()?;
    let mut interfaces = HashMap::new();
    for (interface, rate) in interface_sampling {
        const KEY: &str = "exporters.interface_sampling";
        let if_index = interface.parse::<u32>().map_err(|_| {
            let value = format!("\"{interface}\" = {rate} for {address}");
            ConfigError::meaning(KEY, value, "name interfaces by ifIndex, such as { \"3\" = 1000 }")
        })?;
        let value = format!("\"{interface}\" = {rate} for {address}");
        interfaces.insert(if_index, nonzero(KEY, &value, *rate)?);
    }
    if rate.is_some() || !interfaces.is_empty() {
        return Ok(Some(Sampling { rate, interfaces, overrides: *sampling_override }));
    }
    if *sampling_override {
        return Err(ConfigError::meaning(
            "exporters.sampling_override",
            format_args!("true for {address} without a rate"),
            "give sampling_rate or interface_sampling too",
        ));
    }
    Ok(None)
}

fn nonzero(key: &'static str, value: &str, rate: u64) -> Result<NonZeroU64, ConfigError> {
    NonZeroU64::new(rate).ok_or_else(|| {
        ConfigError::meaning(key, value, "use 1 for no sampling, or one packet in how many is looked at")
    })
}
