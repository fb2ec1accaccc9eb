//! What is wrong with an exporter, in words, and what mends it.
//!
//! Advice that is wrong is worse than none: a fault is told for as long as it lasts and no longer, and what may be as it should be is a
//! question, not a fault. Not here: how it is printed.

use super::remedies::{self, Remedy};
use super::status::{Domain, Status};

/// Loss below this is not worth a word: one datagram now and then.
const LOSS_PER_MILLE: f64 = 1.0;
/// A clock that is off by less is as good as right: export times come in whole seconds and travel.
const CLOCK_MS: i64 = 5_000;
/// Domains whose clock is named where they differ.
const CLOCKS_NAMED: usize = 4;
/// Time zones are whole quarters of an hour off UTC, and at most so many.
const QUARTER_MS: i64 = 900_000;
const ZONE_QUARTERS: i64 = 14 * 4;
/// A clock so near to a whole number of them is likely right in its own time zone.
const ZONE_MS: u64 = 60_000;
/// A template that is missing for less may be on its way.
const TEMPLATE_MS: i64 = 60_000;
/// What happened longer ago than this is over.
const RECENT_MS: i64 = 900_000;
/// An exporter that was not heard for this long is said to be silent.
const SILENT_MS: i64 = 600_000;
/// One in so many sampled packets that could not be opened is worth a line.
const UNOPENED_SHARE: u64 = 10;

/// Something to be said of an exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Whether something is wrong, or may be as it should be.
    pub weight: Weight,
    /// What it is.
    pub fault: String,
    /// What to do about it.
    pub remedies: Vec<Remedy>,
}

/// How sure it is that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Something is wrong.
    Fault,
    /// It may be as it should be; only the operator knows.
    Question,
}

/// What is to be said of an exporter; nothing where all is well.
#[must_use]
pub fn advice(status: &Status, now_ms: i64) -> Vec<Advice> {
    let mut all = Vec::new();
    let exporter = status.exporter;
    let mut say = |weight, fault: String, remedies| all.push(Advice { weight, fault, remedies });
    for missing in &status.waiting {
        let waiting_ms = now_ms - missing.since_ms;
        if waiting_ms >= TEMPLATE_MS && now_ms - missing.last_ms < RECENT_MS {
            let (version, domain, id, sets) = (&missing.version, missing.domain, missing.id, missing.sets);
            let since = duration(waiting_ms);
            let fault = format!("no template for {version} domain {domain} id {id} for {since}, {sets} data sets wait");
            say(Weight::Fault, fault, remedies::template(version == "IPFIX"));
        }
    }
    if status.flow_records > 0 && !status.sampling.is_empty() && status.sampling.iter().all(|one| one.source == "none")
    {
        let question = "tells no sampling rate: 1 is assumed, which is right if it counts every packet".to_owned();
        say(Weight::Question, question, remedies::sampling(status.agent));
    }
    let is_recent = |last_ms: Option<i64>| last_ms.is_some_and(|last_ms| now_ms - last_ms < RECENT_MS);
    let refuses = is_recent(status.last_refused_ms);
    // What the front door refuses is missing in the sequence too, and is said below for what it is.
    let is_refused = refuses && status.not_allowed + status.rate_limited > 0;
    if let Some(loss) = status.loss_per_mille.filter(|loss| *loss >= LOSS_PER_MILLE && !is_refused) {
        let fault = format!("{loss:.1} per mille of what it sent never came, by its sequence numbers");
        say(Weight::Fault, fault, remedies::loss(exporter));
    }
    if let Some(one) = status.redefined.as_ref().filter(|one| is_recent(Some(one.last_ms))) {
        let (version, domain, id, times) = (&one.version, one.domain, one.id, one.times);
        let fault = format!(
            "template {version} domain {domain} id {id} was redefined {times} times: several devices send from this address, \
             and their flows are read by each other's templates"
        );
        say(Weight::Fault, fault, remedies::redefined(exporter));
    }
    if status.implausible > 0 && is_recent(status.last_implausible_ms) {
        let fault =
            format!("{} of its flows have octets and packets that cannot be: they are in no sum", status.implausible);
        say(Weight::Fault, fault, remedies::implausible(exporter));
    }
    for fault in clocks(status) {
        say(Weight::Fault, fault, remedies::clock());
    }
    if status.not_allowed > 0 && refuses {
        let fault = format!("not allowed: {} datagrams refused", status.not_allowed);
        say(Weight::Question, fault, remedies::allow(exporter));
    }
    if status.rate_limited > 0 && refuses {
        let fault = format!("sends faster than it may: {} datagrams refused", status.rate_limited);
        say(Weight::Fault, fault, remedies::rate(exporter, status.datagrams_per_second));
    }
    if status.malformed > 0 && is_recent(status.last_malformed_ms) {
        let last = status.last_fault.as_deref().unwrap_or("unknown");
        let fault = format!("{} datagrams break their protocol, the last one by {last}", status.malformed);
        say(Weight::Fault, fault, remedies::malformed(exporter, last));
    }
    // Some ARP, LLDP and spanning tree is among every network's packets.
    if status.unopened > 0 && status.unopened.saturating_mul(UNOPENED_SHARE) >= status.flow_records {
        let (unopened, last) = (status.unopened, status.last_unopened.as_deref().unwrap_or("unknown"));
        let of = status.flow_records;
        let fault =
            format!("{unopened} of {of} sampled packets could not be opened to what they carry, last by {last}");
        say(Weight::Question, fault, remedies::unopened());
    }
    for (domain, counts) in
        status.domains.iter().filter_map(|domain| domain.sequence_counts.as_ref().map(|counts| (domain, counts)))
    {
        let fault = format!("{} domain {}: its sequence counts {counts}", domain.version, domain.domain);
        say(Weight::Question, fault, remedies::sequence());
    }
    if !status.unknown_elements.is_empty() {
        let names: Vec<String> = status.unknown_elements.iter().take(5).map(element).collect();
        let more = if status.unknown_elements.len() > 5 { ", ..." } else { "" };
        let fault = format!("sends elements that no column takes: {}{more}", names.join(", "));
        say(Weight::Question, fault, remedies::elements());
    }
    if status.agents_refused > 0 && is_recent(status.last_agents_refused_ms) {
        let fault = format!(
            "speaks for too many devices: {} times what it told to be of another was taken as its own",
            status.agents_refused
        );
        say(Weight::Fault, fault, remedies::agents());
    }
    if now_ms - status.last_seen_ms >= SILENT_MS {
        say(
            Weight::Fault,
            format!("silent for {}", duration(now_ms - status.last_seen_ms)),
            remedies::silent(exporter),
        );
    }
    all
}

/// What is wrong with its clocks; once where all domains have the same.
fn clocks(status: &Status) -> Vec<String> {
    let is_off = |domain: &&Domain| domain.clock_skew_ms.is_some_and(|skew_ms| skew_ms.abs() >= CLOCK_MS);
    let off: Vec<(&Domain, String)> =
        status.domains.iter().filter(is_off).map(|domain| (domain, clock(domain))).collect();
    let is_one = off.len() == status.domains.len() && off.windows(2).all(|pair| pair[0].1 == pair[1].1);
    if is_one {
        return off.first().map(|(_, fault)| format!("its clock is {fault}")).into_iter().collect();
    }
    let of_domain = |(domain, fault): &(&Domain, String)| {
        format!("the clock of its {} domain {} is {fault}", domain.version, domain.domain)
    };
    off.iter().take(CLOCKS_NAMED).map(of_domain).collect()
}

/// How far a domain's clock is off, and what is done about it.
fn clock(domain: &Domain) -> String {
    let skew_ms = domain.clock_skew_ms.unwrap_or(0);
    let side = if skew_ms > 0 { "ahead" } else { "behind" };
    let off = format!("{} {side}", duration(skew_ms.abs()));
    let quarters = skew_ms.abs().saturating_add(QUARTER_MS / 2) / QUARTER_MS;
    let is_zone = (1..=ZONE_QUARTERS).contains(&quarters) && skew_ms.abs().abs_diff(quarters * QUARTER_MS) < ZONE_MS;
    let zone = if is_zone { ", which looks like local time sent as UTC" } else { "" };
    match domain.clock.as_str() {
        "corrected" => format!("{off}{zone}: the times of its flows are corrected by that"),
        "unsteady" => format!(
            "{off}{zone}, and not steady so far: times stay as told, and its flows count when they are received"
        ),
        _ => off,
    }
}

fn element(element: &super::status::Element) -> String {
    match element.enterprise {
        0 => element.element.to_string(),
        enterprise => format!("{enterprise}/{}", element.element),
    }
}

/// A time in words, rounded to less than a hundredth of it: seconds, minutes, hours with minutes, or days with hours.
#[must_use]
pub fn duration(ms: i64) -> String {
    let rounded = |unit_s: i64| ms.saturating_add(unit_s * 500) / (unit_s * 1000);
    let both = |number: i64, of: i64, large: &str, small: &str| match (number / of, number % of) {
        (whole, 0) => format!("{whole} {large}"),
        (whole, rest) => format!("{whole} {large} {rest} {small}"),
    };
    match rounded(1) {
        seconds @ ..120 => format!("{seconds} s"),
        120..7_170 => format!("{} min", rounded(60)),
        7_170..172_800 => both(rounded(60), 60, "h", "min"),
        _ => both(rounded(3_600), 24, "d", "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{Domain, Element, MissingTemplate, RedefinedTemplate, Sampling};
    use super::*;
    use crate::config::{Config, Written};

    const NOW: i64 = 1_700_000_000_000;

    fn healthy() -> Status {
        Status {
            exporter: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
            agent: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
            agents_refused: 0,
            last_agents_refused_ms: None,
            name: String::new(),
            first_seen_ms: NOW - 1_000_000,
            last_seen_ms: NOW,
            datagrams: 100,
            bytes: 100_000,
            flow_records: 1000,
            datagrams_per_second: 1.0,
            flows_per_second: 10.0,
            domains: vec![Domain {
                version: "IPFIX".into(),
                domain: 5,
                last_seen_ms: NOW,
                clock_skew_ms: Some(-400),
                clock: "left".into(),
                sequence_counts: None,
            }],
            templates: 2,
            sampling: vec![Sampling { rate: 1000, source: "option".into() }],
            sampling_changes: 0,
            loss_per_mille: Some(0.0),
            restarts: 0,
            clock_skew_ms: Some(-400),
            redefined: None,
            implausible: 0,
            last_implausible_ms: None,
            uptime_ms: None,
            waiting: Vec::new(),
            unknown_elements: Vec::new(),
            not_allowed: 0,
            rate_limited: 0,
            last_refused_ms: None,
            malformed: 0,
            last_malformed_ms: None,
            last_fault: None,
            unopened: 0,
            last_unopened: None,
        }
    }

    type Spoil = Box<dyn Fn(&mut Status)>;

    /// Every fault alone, and what is said of it.
    fn spoiled() -> Vec<(Spoil, &'static str)> {
        let missing = |minutes: i64| MissingTemplate {
            version: "NetFlow v9".into(),
            domain: 5,
            id: 256,
            since_ms: NOW - minutes * 60_000,
            last_ms: NOW,
            sets: 7,
        };
        let clock = |skew_ms: i64, clock: &'static str| -> Spoil {
            Box::new(move |status: &mut Status| {
                (status.domains[0].clock_skew_ms, status.domains[0].clock) = (Some(skew_ms), clock.into());
            })
        };
        vec![
            (
                Box::new(move |status| status.waiting = vec![missing(0), missing(4)]),
                "no template for NetFlow v9 domain 5 id 256 for 4 min, 7",
            ),
            (Box::new(|status| status.sampling[0].source = "none".into()), "tells no sampling rate: 1 is assumed"),
            (Box::new(|status| status.loss_per_mille = Some(12.34)), "12.3 per mille"),
            (
                Box::new(|status| {
                    let version = "IPFIX".to_owned();
                    status.redefined =
                        Some(RedefinedTemplate { version, domain: 5, id: 256, times: 14_510, last_ms: NOW });
                }),
                "template IPFIX domain 5 id 256 was redefined 14510 times: several devices",
            ),
            (
                Box::new(|status| (status.implausible, status.last_implausible_ms) = (7, Some(NOW))),
                "7 of its flows have octets and packets that cannot be",
            ),
            (clock(-7_500_000, "unsteady"), "its clock is 2 h 5 min behind, and not steady so far"),
            (
                clock(32_399_600, "corrected"),
                "its clock is 9 h ahead, which looks like local time sent as UTC: the times",
            ),
            (clock(-20_699_500, "corrected"), "its clock is 5 h 45 min behind, which looks like"),
            (clock(30_000, "left"), "its clock is 30 s ahead"),
            (
                Box::new(|status| {
                    let other = Domain { domain: 6, clock_skew_ms: Some(3_700_000), ..status.domains[0].clone() };
                    status.domains.push(Domain { clock: "corrected".into(), ..other });
                }),
                "the clock of its IPFIX domain 6 is 62 min ahead: the times of its flows are corrected",
            ),
            (Box::new(|status| (status.not_allowed, status.last_refused_ms) = (3, Some(NOW))), "not allowed: 3"),
            (
                Box::new(|status| {
                    // Loss by its sequence numbers follows from that.
                    (status.rate_limited, status.last_refused_ms, status.loss_per_mille) = (4, Some(NOW), Some(500.0));
                }),
                "faster than it may: 4",
            ),
            (
                Box::new(|status| {
                    (status.malformed, status.last_malformed_ms) = (1, Some(NOW - 60_000));
                    status.last_fault = Some("version_unknown".into());
                }),
                "version_unknown",
            ),
            (
                Box::new(|status| {
                    (status.unopened, status.last_unopened) = (200, Some("unopened_cut".into()));
                }),
                "200 of 1000 sampled packets could not be opened to what they carry, last by unopened_cut",
            ),
            (
                Box::new(|status| status.domains[0].sequence_counts = Some("datagrams".into())),
                "its sequence counts datagrams",
            ),
            (
                Box::new(|status| status.unknown_elements = vec![Element { enterprise: 9, element: 1, records: 5 }]),
                "9/1",
            ),
            (
                Box::new(|status| (status.agents_refused, status.last_agents_refused_ms) = (8, Some(NOW))),
                "too many devices: 8 times",
            ),
            (Box::new(|status| status.last_seen_ms = NOW - 900_000), "silent for 15 min"),
        ]
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_else() {
        assert_eq!(advice(&healthy(), NOW), []);
        for (spoil, expected) in spoiled() {
            let mut status = healthy();
            spoil(&mut status);
            let found = advice(&status, NOW);
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].fault.contains(expected) && !found[0].remedies.is_empty(), "{expected}: {found:?}");
        }
    }

    #[test]
    fn what_is_over_is_said_no_more() {
        for (spoil, _) in spoiled().into_iter().filter(|(_, said)| !said.starts_with("silent")) {
            let mut status = healthy();
            spoil(&mut status);
            // The exporter goes on, and is right since half an hour: what it does all the while stays.
            (status.last_seen_ms, status.loss_per_mille) = (NOW + 1_800_000, status.loss_per_mille.map(|_| 0.0));
            let stays = advice(&status, NOW + 1_800_000);
            let is_lasting = |found: &Advice| {
                ["sampling", "clock", "could not be opened", "sequence counts", "elements"]
                    .iter()
                    .any(|part| found.fault.contains(part))
            };
            assert!(stays.iter().all(is_lasting), "{stays:?}");
        }
    }

    #[test]
    fn blocks_of_configuration_are_valid_and_of_this_exporter() {
        let mut blocks = 0;
        for address in ["192.0.2.1", "2001:db8::7"] {
            for (spoil, expected) in spoiled() {
                let mut status = healthy();
                (status.exporter, status.agent) = (address.parse().unwrap(), address.parse().unwrap());
                spoil(&mut status);
                for remedy in advice(&status, NOW).into_iter().flat_map(|found| found.remedies) {
                    let Remedy::Configuration(_, text) = remedy else { continue };
                    let written = Written::parse(&text, "advice").unwrap_or_else(|error| panic!("{expected}: {error}"));
                    Config::resolve(written, None).unwrap_or_else(|error| panic!("{expected}: {error}"));
                    // All but the one that is about all exporters.
                    assert!(text.contains(&format!("\"{address}\"")) || text.contains("[decode]"), "{text}");
                    blocks += 1;
                }
            }
        }
        assert_eq!(blocks, 2 * 6);
    }

    #[test]
    fn nobody_is_told_to_begin_sampling() {
        let mut status = healthy();
        status.sampling[0].source = "none".into();
        let found = &advice(&status, NOW)[0];
        assert_eq!(found.weight, Weight::Question);
        assert!(matches!(&found.remedies[0], Remedy::Configuration(when, text)
            if when.contains("counts every packet") && text.ends_with("sampling_rate = 1")));
        for remedy in &found.remedies {
            let Remedy::Line(platform, line) = remedy else { continue };
            assert!(*platform == "collector" || line.starts_with("if it samples"), "{platform}: {line}");
        }
    }

    #[test]
    fn times_are_rounded_and_never_cut_off() {
        for (ms, expected) in [
            (0, "0 s"),
            (499, "0 s"),
            (119_400, "119 s"),
            (119_500, "2 min"),
            (1_800_000, "30 min"),
            (7_169_000, "119 min"),
            (7_199_000, "2 h"),
            (20_699_999, "5 h 45 min"),
            (32_340_000, "8 h 59 min"),
            (32_399_000, "9 h"),
            (32_400_000, "9 h"),
            (172_799_000, "48 h"),
            (172_800_000, "2 d"),
            (262_800_000, "3 d 1 h"),
        ] {
            assert_eq!(duration(ms), expected, "{ms}");
        }
    }
}
