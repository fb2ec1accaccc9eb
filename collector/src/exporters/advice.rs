//! What is wrong with an exporter, in words, and the configuration line that mends it on its platform.
//!
//! The platform is not told by any protocol, so the lines of the usual ones are given. Not here: how they are printed.

use super::status::Status;

/// Loss below this is not worth a word: one datagram now and then.
const LOSS_PER_MILLE: f64 = 1.0;
/// A clock that is off by less is as good as right: export times come in whole seconds and travel.
const CLOCK_MS: i64 = 5_000;
/// A template that is missing for less may be on its way.
const TEMPLATE_MS: i64 = 60_000;
/// What was refused longer ago than this is over.
const REFUSED_MS: i64 = 900_000;
/// An exporter that was not heard for this long is said to be silent.
const SILENT_MS: i64 = 600_000;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What is wrong.
    pub fault: String,
    /// What mends it: the platform, and its configuration line or what to do.
    pub remedies: &'static [(&'static str, &'static str)],
}

const TEMPLATE_LINES: &[(&str, &str)] = &[
    (
        "VyOS",
        "set system flow-accounting netflow timeout expiry-interval 60; restart flow-accounting sends templates at once",
    ),
    ("Cisco IOS", "flow exporter NAME: template data timeout 60"),
    ("Cisco NX-OS", "flow exporter NAME, version 9: template data timeout 60"),
    ("Juniper", "set services flow-monitoring version-ipfix template NAME template-refresh-rate seconds 60"),
    ("MikroTik", "/ip traffic-flow target set 0 v9-template-timeout=1m v9-template-refresh=20"),
    (
        "softflowd",
        "it sends templates every 16 datagrams: softflowctl expire-all brings one; check that UDP is not filtered",
    ),
];
const SAMPLING_LINES: &[(&str, &str)] = &[
    ("collector", "[[exporters]] address = \"ADDRESS\", sampling_rate = N, then SIGHUP"),
    ("VyOS", "set system flow-accounting netflow sampling-rate N"),
    ("Cisco IOS", "flow exporter NAME: option sampler-table timeout 60"),
    ("Juniper", "set services flow-monitoring version-ipfix template NAME option-refresh-rate seconds 60"),
    ("MikroTik", "/ip traffic-flow set packet-sampling=yes sampling-interval=1 sampling-space=N-1"),
    ("softflowd", "softflowd -s N"),
];
const LOSS_LINES: &[(&str, &str)] = &[
    (
        "collector",
        "SELECT minute, sum(ring_full), sum(socket_overflow) FROM ledger GROUP BY minute: zero means lost before it",
    ),
    ("network", "look at the drops on the way, and at policers for UDP; send from a loopback over a wired path"),
    ("Cisco IOS", "flow monitor NAME: cache timeout active 60 sends smaller bursts; show flow exporter statistics"),
    ("Juniper", "set services flow-monitoring ... flow-export-rate lower; show services accounting errors"),
];
const CLOCK_LINES: &[(&str, &str)] = &[
    ("VyOS", "set service ntp server SERVER"),
    ("Cisco IOS", "ntp server SERVER"),
    ("Juniper", "set system ntp server SERVER"),
    ("MikroTik", "/system ntp client set enabled=yes servers=SERVER"),
    ("Linux", "timedatectl set-ntp true"),
];
const ELEMENT_LINES: &[(&str, &str)] = &[("collector", "[decode] keep_unknown = true keeps them in the column raw")];
const RATE_LINES: &[(&str, &str)] = &[
    ("collector", "[[exporters]] address = \"ADDRESS\", datagrams_per_second = N, burst = N, then SIGHUP"),
    ("exporter", "sample one packet in more, or lengthen the active timeout: fewer flow records"),
];
const ALLOW_LINES: &[(&str, &str)] =
    &[("collector", "[front_door] add its prefix to allowed, then send the collector SIGHUP")];
const SEQUENCE_LINES: &[(&str, &str)] =
    &[("exporter", "a fault of its firmware; loss is measured in the unit that it counts")];
const MALFORMED_LINES: &[(&str, &str)] =
    &[("collector", "collector decode CAPTURE --fields shows what it sends: tcpdump -w CAPTURE udp and host ADDRESS")];
const SILENT_LINES: &[(&str, &str)] =
    &[("network", "tcpdump -ni INTERFACE udp and host ADDRESS on this machine shows whether its datagrams arrive")];

/// What is wrong with an exporter; nothing where all is well.
#[must_use]
pub fn advice(status: &Status, now_ms: i64) -> Vec<Advice> {
    let mut all = Vec::new();
    let mut say = |fault: String, remedies| all.push(Advice { fault, remedies });
    for missing in &status.waiting {
        let waiting_ms = now_ms - missing.since_ms;
        if waiting_ms >= TEMPLATE_MS {
            let (version, domain, id, sets) = (&missing.version, missing.domain, missing.id, missing.sets);
            let since = duration(waiting_ms);
            say(
                format!("no template for {version} domain {domain} id {id} for {since}, {sets} data sets"),
                TEMPLATE_LINES,
            );
        }
    }
    if status.flow_records > 0 && !status.sampling.is_empty() && status.sampling.iter().all(|one| one.source == "none")
    {
        say("says no sampling rate: taken as 1 in 1, which is wrong if it samples".into(), SAMPLING_LINES);
    }
    let is_recent = status.last_refused_ms.is_some_and(|last_ms| now_ms - last_ms < REFUSED_MS);
    // What the front door refuses is missing in the sequence too, and is said below for what it is.
    let is_refused = is_recent && status.not_allowed + status.rate_limited > 0;
    if let Some(loss) = status.loss_per_mille.filter(|loss| *loss >= LOSS_PER_MILLE && !is_refused) {
        say(format!("{loss:.1} per mille of what it sent never came, by its sequence numbers"), LOSS_LINES);
    }
    if let Some(skew_ms) = status.clock_skew_ms.filter(|skew_ms| skew_ms.abs() >= CLOCK_MS) {
        let side = if skew_ms > 0 { "ahead" } else { "behind" };
        say(format!("its clock is {} {side}", duration(skew_ms.abs())), CLOCK_LINES);
    }
    if status.not_allowed > 0 && is_recent {
        say(format!("not allowed: {} datagrams refused", status.not_allowed), ALLOW_LINES);
    }
    if status.rate_limited > 0 && is_recent {
        say(format!("sends faster than it may: {} datagrams refused", status.rate_limited), RATE_LINES);
    }
    if status.malformed > 0 {
        let fault = status.last_fault.as_deref().unwrap_or("unknown");
        say(format!("{} datagrams break their protocol, the last one by {fault}", status.malformed), MALFORMED_LINES);
    }
    for (domain, counts) in
        status.domains.iter().filter_map(|domain| domain.sequence_counts.as_ref().map(|counts| (domain, counts)))
    {
        say(format!("{} domain {}: its sequence counts {counts}", domain.version, domain.domain), SEQUENCE_LINES);
    }
    if !status.unknown_elements.is_empty() {
        let names: Vec<String> = status.unknown_elements.iter().take(5).map(element).collect();
        let more = if status.unknown_elements.len() > 5 { ", ..." } else { "" };
        say(format!("sends elements that no column takes: {}{more}", names.join(", ")), ELEMENT_LINES);
    }
    if now_ms - status.last_seen_ms >= SILENT_MS {
        say(format!("silent for {}", duration(now_ms - status.last_seen_ms)), SILENT_LINES);
    }
    all
}

fn element(element: &super::status::Element) -> String {
    match element.enterprise {
        0 => element.element.to_string(),
        enterprise => format!("{enterprise}/{}", element.element),
    }
}

/// A time in the largest unit that leaves a whole number of at least two, or one.
#[must_use]
pub fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{Domain, Element, MissingTemplate, Sampling};
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn healthy() -> Status {
        Status {
            exporter: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
            name: String::new(),
            first_seen_ms: NOW - 1_000_000,
            last_seen_ms: NOW,
            datagrams: 100,
            bytes: 100_000,
            flow_records: 1000,
            datagrams_per_second: 1.0,
            flows_per_second: 10.0,
            domains: vec![Domain { version: "IPFIX".into(), domain: 5, last_seen_ms: NOW, sequence_counts: None }],
            templates: 2,
            sampling: vec![Sampling { rate: 1000, source: "option".into() }],
            sampling_changes: 0,
            loss_per_mille: Some(0.0),
            restarts: 0,
            clock_skew_ms: Some(-400),
            uptime_ms: None,
            waiting: Vec::new(),
            unknown_elements: Vec::new(),
            not_allowed: 0,
            rate_limited: 0,
            last_refused_ms: None,
            malformed: 0,
            last_fault: None,
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_else() {
        assert_eq!(advice(&healthy(), NOW), []);
        let missing = |minutes: i64| MissingTemplate {
            version: "NetFlow v9".into(),
            domain: 5,
            id: 256,
            since_ms: NOW - minutes * 60_000,
            sets: 7,
        };
        type Spoil = Box<dyn Fn(&mut Status)>;
        let cases: [(Spoil, &str); 10] = [
            (
                Box::new(move |status| status.waiting = vec![missing(0), missing(4)]),
                "no template for NetFlow v9 domain 5 id 256 for 4 min, 7",
            ),
            (Box::new(|status| status.sampling[0].source = "none".into()), "says no sampling rate"),
            (Box::new(|status| status.loss_per_mille = Some(12.34)), "12.3 per mille"),
            (Box::new(|status| status.clock_skew_ms = Some(-7_300_000)), "its clock is 2 h behind"),
            (Box::new(|status| (status.not_allowed, status.last_refused_ms) = (3, Some(NOW))), "not allowed: 3"),
            (
                Box::new(|status| {
                    // Loss by its sequence numbers follows from that.
                    (status.rate_limited, status.last_refused_ms, status.loss_per_mille) = (4, Some(NOW), Some(500.0));
                }),
                "faster than it may: 4",
            ),
            (
                Box::new(|status| (status.malformed, status.last_fault) = (1, Some("set_truncated".into()))),
                "set_truncated",
            ),
            (
                Box::new(|status| status.domains[0].sequence_counts = Some("datagrams".into())),
                "its sequence counts datagrams",
            ),
            (
                Box::new(|status| status.unknown_elements = vec![Element { enterprise: 9, element: 1, records: 5 }]),
                "9/1",
            ),
            (Box::new(|status| status.last_seen_ms = NOW - 900_000), "silent for 15 min"),
        ];
        for (spoil, expected) in cases {
            let mut status = healthy();
            spoil(&mut status);
            let found = advice(&status, NOW);
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].fault.contains(expected) && !found[0].remedies.is_empty(), "{expected}: {found:?}");
        }
    }
}
