//! What an operator does about each fault: lines for the usual platforms, and blocks of the collector's own configuration.
//!
//! A block is complete and valid TOML, with the exporter's own address in it. The platform is not told by any protocol, so the lines of
//! the usual ones are given.

use std::net::IpAddr;

/// One way to mend something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A line to type, or what to look at, on the platform that is named.
    Line(&'static str, String),
    /// A block of the collector's configuration, and when it is the right one.
    Configuration(&'static str, String),
}

use Remedy::{Configuration, Line};

fn lines(lines: &[(&'static str, &str)]) -> Vec<Remedy> {
    lines.iter().map(|(platform, line)| Line(platform, (*line).to_owned())).collect()
}

/// An entry of the list of exporters with more keys.
fn entry(exporter: IpAddr, keys: &str) -> String {
    format!("[[exporters]]\naddress = \"{exporter}\"\n{keys}")
}

pub(super) fn template(is_ipfix: bool) -> Vec<Remedy> {
    let juniper = if is_ipfix { "version-ipfix" } else { "version9" };
    let mut all = lines(&[
        ("VyOS", "up to 1.4 its templates come every 18 datagrams: wait, or `restart flow-accounting`"),
        ("Cisco IOS", "flow exporter NAME: template data timeout 60"),
        ("Cisco IOS-XR", "flow exporter-map NAME, version v9: template timeout 60"),
        ("Cisco NX-OS", "flow exporter NAME, version 9: template data timeout 60"),
    ]);
    all.push(Line(
        "Juniper",
        format!("set services flow-monitoring {juniper} template NAME template-refresh-rate seconds 60"),
    ));
    all.extend(lines(&[
        ("MikroTik", "/ip traffic-flow target set 0 v9-template-timeout=1m v9-template-refresh=20"),
        ("FortiGate", "config system netflow: set template-tx-counter 20"),
        ("softflowd", "its templates come every 16 datagrams: wait, or `softflowctl expire-all`"),
    ]));
    all
}

pub(super) fn redefined(exporter: IpAddr) -> Vec<Remedy> {
    let mut all = lines(&[
        (
            "network",
            "NAT, a gateway of containers, or a replay gives several devices one address: let each send from its own, past the NAT",
        ),
        (
            "exporter",
            "or give each device an observation domain (source id) of its own: templates are kept apart by it",
        ),
        ("replay", "of a capture of several devices send those of one at a time"),
    ]);
    all.push(Line(
        "collector",
        format!("`tcpdump -nn udp and src host {exporter}` shows the source ports: one for each device"),
    ));
    all
}

pub(super) fn implausible(exporter: IpAddr) -> Vec<Remedy> {
    vec![
        Line("collector", "SELECT * FROM flows WHERE bitAnd(flags, 128) != 0 ORDER BY time_received DESC LIMIT 20 shows them".into()),
        Line(
            "network",
            "two devices that send from one address (NAT, a gateway of containers, a replay) overwrite each other's templates: give \
             each an address or an observation domain of its own"
                .into(),
        ),
        Line(
            "collector",
            format!("`tcpdump -w CAPTURE udp and host {exporter}`, then `collector decode CAPTURE --fields`, shows what it sends"),
        ),
        Configuration(
            "if its packets are larger or its links faster than is believed, say so",
            "[decode]\nlargest_packet_bytes = 524288\nfastest_link_gbps = 1600".into(),
        ),
    ]
}

pub(super) fn sampling(exporter: IpAddr) -> Vec<Remedy> {
    let mut all = vec![
        Configuration("if it counts every packet nothing is wrong; say so", entry(exporter, "sampling_rate = 1")),
        Configuration("if it samples, say here one packet in how many", entry(exporter, "sampling_rate = 1000")),
    ];
    all.extend(lines(&[
        ("collector", "what was stored with the wrong rate: collector repair, after the configuration"),
        ("Cisco IOS", "if it samples, it tells the rate with: flow exporter NAME: option sampler-table timeout 60"),
        ("Cisco IOS-XR", "if it samples: flow exporter-map NAME, version v9: options sampler-table timeout 60"),
        (
            "Juniper",
            "if it samples: set services flow-monitoring version-ipfix template NAME option-refresh-rate seconds 60",
        ),
    ]));
    all
}

pub(super) fn loss(exporter: IpAddr) -> Vec<Remedy> {
    let mut all = vec![Line(
        "collector",
        format!(
            "if these are zero it was lost before: SELECT minute, sum(ring_full + fill_ring_empty), sum(socket_overflow) FROM \
             collector.ledger WHERE exporter_address IN (toIPv6('{exporter}'), toIPv6('::')) GROUP BY minute ORDER BY minute"
        ),
    )];
    all.extend(lines(&[
        ("network", "drops of the interfaces on the way, and policers for UDP or of the exporter's control plane"),
        ("Cisco IOS", "show flow exporter statistics; flow monitor NAME: cache timeout active 60 sends smaller bursts"),
        ("Juniper", "show services accounting errors inline-jflow"),
    ]));
    all
}

pub(super) fn clock() -> Vec<Remedy> {
    lines(&[
        ("VyOS", "set service ntp server SERVER; up to 1.3: set system ntp server SERVER"),
        ("Cisco IOS", "ntp server SERVER"),
        ("Juniper", "set system ntp server SERVER"),
        ("MikroTik", "/system ntp client set enabled=yes servers=SERVER"),
        ("Linux", "timedatectl set-ntp true"),
    ])
}

pub(super) fn elements() -> Vec<Remedy> {
    let keep = "[decode]\nkeep_unknown = true".to_owned();
    vec![Configuration("if they are wanted, this keeps them in the column raw; takes a restart", keep)]
}

pub(super) fn rate(exporter: IpAddr, accepted_per_second: f64) -> Vec<Remedy> {
    // Twice what gets through now, in round numbers: how much it sends is not known while some of it is refused in the kernel.
    let twice = (accepted_per_second * 2.0).max(100.0);
    let digit = 10_f64.powf(twice.log10().floor());
    let limit = (twice / digit).ceil() * digit;
    vec![
        Configuration(
            "if it may send so much, raise its limit until no more is refused",
            entry(exporter, &format!("datagrams_per_second = {limit:.0}\nburst = {limit:.0}")),
        ),
        Line("exporter", "fewer flow records: sample, or a longer active timeout".to_owned()),
    ]
}

pub(super) fn allow(exporter: IpAddr) -> Vec<Remedy> {
    let allowed = format!("[front_door]\nallowed = [\"{exporter}\"]  # beside those that are in the list already");
    vec![Configuration("if it is an exporter of yours, let it in", allowed)]
}

pub(super) fn agents() -> Vec<Remedy> {
    lines(&[(
        "exporter",
        "a relay of very many devices: let them send from addresses of their own, or over several relays; of none: its datagrams are forged",
    )])
}

pub(super) fn sequence() -> Vec<Remedy> {
    lines(&[("exporter", "a quirk of its firmware, and nothing to do: loss is measured in the unit that it counts")])
}

pub(super) fn unopened() -> Vec<Remedy> {
    lines(&[
        ("exporter", "if unopened_cut leads, sample more bytes of each packet: 128 reach into most tunnels"),
        (
            "collector",
            "the kinds and their numbers: collector_unopened_total of /metrics; ARP, encryption and the like are as they are",
        ),
    ])
}

pub(super) fn malformed(exporter: IpAddr, fault: &str) -> Vec<Remedy> {
    let mut all = Vec::new();
    if fault == "version_unknown" {
        let known = "set it to NetFlow v5 or v9, IPFIX or sFlow: what it sends there is none of them";
        all.push(Line("exporter", known.to_owned()));
    }
    all.push(Line(
        "collector",
        format!(
            "what it sent: collector export --from '-15m' --exporter {exporter} --output sent.pcapng && collector decode --fields sent.pcapng"
        ),
    ));
    all
}

pub(super) fn silent(exporter: IpAddr) -> Vec<Remedy> {
    vec![Line(
        "network",
        format!(
            "tcpdump -ni any udp and host {exporter} on this machine: nothing there means that nothing arrives; if something does, \
             compare its port with capture.ports"
        ),
    )]
}
