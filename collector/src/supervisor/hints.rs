//! What to do next, in the log of a start: where exporters are pointed, and how to look at what they send.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::config::Config;
use crate::config::Written;

/// Addresses that are named.
const ADDRESSES: usize = 4;

/// Logs it.
pub(super) fn log(config: &Config) {
    let ports: Vec<String> = config.capture.ports.iter().map(u16::to_string).collect();
    let addresses: Vec<String> = addresses(config).iter().take(ADDRESSES).map(IpAddr::to_string).collect();
    let at = if addresses.is_empty() { "this machine".to_owned() } else { addresses.join(" or ") };
    tracing::info!("next: point exporters at UDP port {} of {at}", ports.join(", "));
    let commands = commands(config);
    if !commands.is_empty() {
        tracing::info!("then: {}", commands.join("; "));
    }
}

/// The commands that answer here, with the flags that they need where this is not the usual place.
fn commands(config: &Config) -> Vec<String> {
    let usual = Written::default();
    let mut commands = Vec::new();
    if let Some(address) = config.metrics.listen {
        let flag =
            if address.to_string() == usual.metrics.listen { String::new() } else { format!(" --metrics {address}") };
        commands.push(format!("`collector exporters{flag}` shows who sends and what is wrong"));
    }
    if !config.clickhouse.discard {
        let url = match &config.clickhouse.url {
            Some(url) => Some(url.clone()),
            None if config.store.listen.to_string() != usual.store.listen => {
                Some(format!("http://{}", config.store.listen))
            }
            None => None,
        };
        let flag = url.map_or_else(String::new, |url| format!(" --clickhouse-url {url}"));
        commands.push(format!("`collector query top{flag}` shows the traffic"));
    }
    commands
}

/// Where exporters reach the collector: the address that it is bound to, or those of the captured or of all interfaces.
fn addresses(config: &Config) -> Vec<IpAddr> {
    let bound = config.capture.udp_address;
    if !bound.is_unspecified() {
        return vec![bound];
    }
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let named = &config.capture.interfaces;
    let mut found = Vec::new();
    for interface in interfaces {
        let is_captured = named.is_empty() || named.contains(&interface.interface_name);
        if !is_captured || interface.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            continue;
        }
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| address.ip()).filter(|ip| !ip.is_unicast_link_local());
        found.extend(v4.or(v6.map(IpAddr::V6)));
    }
    // IPv4 first: it is what most exporters are configured with.
    found.sort_by_key(|address| address.is_ipv6());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::resolve(Written::parse(text, "t").expect("valid"), None).expect("meant")
    }

    #[test]
    fn flags_are_told_where_the_place_is_not_the_usual_one() {
        assert_eq!(
            commands(&config("")),
            ["`collector exporters` shows who sends and what is wrong", "`collector query top` shows the traffic"]
        );
        let elsewhere = "[metrics]\nlisten = \"127.0.0.1:1\"\n[store]\nlisten = \"127.0.0.1:2\"\n";
        assert_eq!(
            commands(&config(elsewhere)),
            [
                "`collector exporters --metrics 127.0.0.1:1` shows who sends and what is wrong",
                "`collector query top --clickhouse-url http://127.0.0.1:2` shows the traffic"
            ]
        );
        assert!(commands(&config("[metrics]\nlisten = \"off\"\n[clickhouse]\ndiscard = true\n")).is_empty());
        assert_eq!(addresses(&config("[capture]\nudp_address = \"192.0.2.1\"")), [IpAddr::from([192, 0, 2, 1])]);
    }
}
