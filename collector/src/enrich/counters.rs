//! What happened to the GeoIP files, and what is in force.

use std::time::{SystemTime, UNIX_EPOCH};

use super::published::Published;
use crate::metrics::{Counter, Exposition};

/// Totals since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Times that replaced files were taken up.
    pub taken_up: Counter,
    /// Times that replaced files were refused, the tables made before staying in force.
    pub refused: Counter,
}

impl Counters {
    /// Writes the counters and what is known about the tables in force.
    pub fn write(&self, published: &Published, out: &mut Exposition) {
        for (result, counter) in [("taken_up", &self.taken_up), ("refused", &self.refused)] {
            let help = "Replaced GeoIP files by what became of them.";
            out.counter("collector_geoip_reloads_total", help, &[("result", result)], counter.get());
        }
        let geo = published.load();
        out.gauge("collector_geoip_networks", "Ranges of addresses in the GeoIP tables.", &[], geo.networks());
        out.gauge("collector_geoip_bytes", "Memory that the GeoIP tables take.", &[], geo.bytes());
        let seconds = geo.build_time().as_secs_f64();
        out.gauge("collector_geoip_build_seconds", "Time it took to load the GeoIP files.", &[], seconds);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for file in geo.files() {
            let path = file.path.display().to_string();
            let labels = [("file", path.as_str()), ("kind", file.kind.as_str())];
            let help = "Time since the maker of a GeoIP file built it.";
            out.gauge("collector_geoip_file_age_seconds", help, &labels, now.saturating_sub(file.built_at));
        }
    }
}
