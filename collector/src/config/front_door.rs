//! From written to meant: the front door, and the limits of exporters.

use std::collections::HashSet;

use super::error::ConfigError;
use super::meant::{Config, Exporter, FrontDoor};
use super::resolve::in_range;
use super::written;
use crate::front_door::{Limit, Rules, Settings};
use crate::prefix::Prefix;

/// Prefixes in the front door's rules: half of what the XDP program has room for, so that others can take their place.
const PREFIXES_MAX: usize = (collector_ebpf::maps::PREFIXES_MAX / 2) as usize;
/// Different limits in the rules, the one of all exporters among them.
const LIMITS_MAX: usize = collector_ebpf::rule::LIMITS_PER_GENERATION as usize;

impl Config {
    /// The front door's rules.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let limits = self.exporters.iter().filter_map(|exporter| Some((exporter.prefix, exporter.limit?)));
        Rules::new(&Settings {
            allowed: self.front_door.allowed.clone(),
            limit: Some(self.front_door.limit),
            limits: limits.collect(),
        })
    }
}

pub(super) fn front_door(written: &written::FrontDoor, exporters: &[Exporter]) -> Result<FrontDoor, ConfigError> {
    let allowed =
        written.allowed.iter().map(|text| prefix("front_door.allowed", text)).collect::<Result<Vec<_>, _>>()?;
    let limit =
        limit(["front_door.datagrams_per_second", "front_door.burst"], written.datagrams_per_second, written.burst)?;
    in_range("front_door.exporters", u64::from(written.exporters), 16..=1 << 20)?;
    let prefixes = allowed.len() + exporters.iter().filter(|exporter| exporter.limit.is_some()).count();
    if prefixes > PREFIXES_MAX {
        return Err(ConfigError::meaning(
            "front_door.allowed",
            format_args!("{prefixes} prefixes, with those of exporters that have limits"),
            format!("join neighbouring ones, {PREFIXES_MAX} is the most"),
        ));
    }
    let limits: HashSet<Limit> = exporters.iter().filter_map(|exporter| exporter.limit).chain([limit]).collect();
    if limits.len() > LIMITS_MAX {
        return Err(ConfigError::meaning(
            "exporters.datagrams_per_second",
            format_args!("{} different limits", limits.len()),
            format!("give exporters of a kind the same limit, {LIMITS_MAX} is the most"),
        ));
    }
    Ok(FrontDoor { allowed, limit, exporters: written.exporters })
}

/// The limit of one `[[exporters]]` entry, if it has one.
pub(super) fn limit_of(written: &written::Exporter) -> Result<Option<Limit>, ConfigError> {
    let keys = ["exporters.datagrams_per_second", "exporters.burst"];
    if let (None, Some(burst)) = (written.datagrams_per_second, written.burst) {
        let value = format_args!("{burst} for {} without datagrams_per_second", written.address);
        return Err(ConfigError::meaning("exporters.burst", value, "give it both, or none"));
    }
    written.datagrams_per_second.map(|rate| limit(keys, rate, written.burst.unwrap_or(0))).transpose()
}

pub(super) fn prefix(key: &'static str, text: &str) -> Result<Prefix, ConfigError> {
    text.parse().map_err(|_| {
        let remedy = "write an address or a prefix: 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32";
        ConfigError::meaning(key, format_args!("\"{text}\""), remedy)
    })
}

fn limit([rate_key, burst_key]: [&'static str; 2], rate: u64, burst: u64) -> Result<Limit, ConfigError> {
    in_range(rate_key, rate, 0..=Limit::DATAGRAMS_PER_SECOND_MAX)?;
    in_range(burst_key, burst, 0..=Limit::BURST_MAX)?;
    Ok(Limit::new(rate, burst))
}
