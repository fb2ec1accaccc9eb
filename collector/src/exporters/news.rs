//! What the log says of exporters: one that sends for the first time, and trouble once for each exporter, kind and hour.
//!
//! Bounded, whoever sends: what is beyond so many lines a minute is counted and told in one line. Addresses that sent nothing that
//! decodes have a bound of their own, so that a flood of forged ones hides no exporter's trouble. Not here: what mends it
//! (see [`super::advice`]).

use std::net::{IpAddr, Ipv6Addr};

use super::away::Missed;
use super::directory::Directory;
use super::exporter::Exporter;
use super::identity::Identity;
use super::status::version_name;
use super::unit::Unit;

/// Trouble of one kind is said again after this.
const AGAIN_MS: i64 = 3_600_000;
/// A template that is missing for less may be on its way.
const TEMPLATE_MS: i64 = 60_000;
/// Lines a minute about exporters, and about addresses that sent nothing that decodes.
const LINES: [u32; 2] = [60, 6];
const MINUTE_MS: i64 = 60_000;

/// What was said of an exporter already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    is_known: bool,
    /// When each kind of trouble was said last, and how much of it there was then.
    malformed: (i64, u64),
    refused: (i64, u64),
    waiting_ms: i64,
    redefined_ms: i64,
    implausible: (i64, u64),
}

/// Something to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    First { version: &'static str },
    Down { missed: Missed, unit: Unit },
    Malformed { datagrams: u64, fault: &'static str },
    Waiting { version: &'static str, domain: u32, template: u16, sets: u64 },
    Refused { datagrams: u64, reason: &'static str },
    Redefined { version: &'static str, domain: u32, template: u16, times: u64 },
    Implausible { rows: u64 },
}

/// What is said, and how much was said in the minute at hand.
#[derive(Debug, Default)]
pub struct News {
    minute: i64,
    said: [u32; 2],
    left_out: u64,
}

impl News {
    /// Logs what is new; `name_of` an exporter is empty where it has none.
    pub fn tick(&mut self, directory: &Directory, name_of: &dyn Fn(&Identity) -> String, now_ms: i64) {
        if let Some(left_out) = self.turn(now_ms) {
            tracing::warn!(
                left_out,
                "more was to be said of exporters than is logged: `collector exporters` shows all"
            );
        }
        for (of, said) in self.gather(directory, now_ms) {
            let exporter: IpAddr = Ipv6Addr::from(of.sender).to_canonical();
            // Where it is another than the sender.
            let agent =
                (of.agent != of.sender).then(|| tracing::field::display(Ipv6Addr::from(of.agent).to_canonical()));
            let name = Some(name_of(&of)).filter(|name| !name.is_empty());
            match said {
                Said::First { version } => {
                    tracing::info!(%exporter, agent, name, version, "an exporter sends for the first time since the start");
                }
                Said::Down { missed: Missed { from_ms, to_ms, units }, unit } => tracing::warn!(
                    %exporter, agent, name,
                    missing = units,
                    of = unit.label(),
                    seconds = (to_ms - from_ms) / 1000,
                    "what an exporter sent while the collector was not running is lost"
                ),
                Said::Malformed { datagrams, fault } => {
                    tracing::warn!(%exporter, agent, name, datagrams, fault, "an exporter's datagrams break their protocol");
                }
                Said::Waiting { version, domain, template, sets } => tracing::warn!(
                    %exporter, agent, name, version, domain, template, sets,
                    "an exporter's data sets wait for a template that does not come"
                ),
                Said::Redefined { version, domain, template, times } => tracing::warn!(
                    %exporter, agent, name, version, domain, template, times,
                    "an exporter's template is redefined again and again: several devices send from one address"
                ),
                Said::Implausible { rows } => {
                    tracing::warn!(%exporter, agent, name, rows, "an exporter's flows have octets and packets that cannot be: they are in no sum");
                }
                Said::Refused { datagrams, reason } => {
                    tracing::warn!(%exporter, agent, name, datagrams, reason, "an exporter's datagrams are refused");
                }
            }
        }
    }

    /// Begins another minute; how much was left out in the last one, if anything.
    fn turn(&mut self, now_ms: i64) -> Option<u64> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute == self.minute {
            return None;
        }
        (self.minute, self.said) = (minute, [0; 2]);
        Some(std::mem::take(&mut self.left_out)).filter(|left_out| *left_out > 0)
    }

    fn gather(&mut self, directory: &Directory, now_ms: i64) -> Vec<(Identity, Said)> {
        let mut all = Vec::new();
        for (of, entry) in directory.all() {
            let class = usize::from(!entry.is_established());
            let mut locked = entry.lock();
            for said in news_of(&mut locked, class == 0, now_ms) {
                if self.said[class] < LINES[class] {
                    self.said[class] += 1;
                    all.push((of, said));
                } else {
                    self.left_out += 1;
                }
            }
        }
        all
    }
}

fn news_of(exporter: &mut Exporter, is_established: bool, now_ms: i64) -> Vec<Said> {
    let mut all = Vec::new();
    let mut told = exporter.told;
    let is_due = |last_ms: i64| last_ms == 0 || now_ms - last_ms >= AGAIN_MS;
    if is_established && exporter.first_ms > 0 && !told.is_known {
        told.is_known = true;
        all.push(Said::First { version: exporter.streams.first().map_or("unknown", |one| version_name(one.version)) });
    }
    all.extend(exporter.take_missed(now_ms).into_iter().map(|(missed, unit)| Said::Down { missed, unit }));
    let (last_ms, before) = told.malformed;
    if exporter.malformed > before && is_due(last_ms) {
        let fault = exporter.last_fault.map_or("unknown", netflow::Event::label);
        all.push(Said::Malformed { datagrams: exporter.malformed - before, fault });
        told.malformed = (now_ms, exporter.malformed);
    }
    let refused = exporter.not_allowed + exporter.rate_limited;
    let (last_ms, before) = told.refused;
    if refused > before && is_due(last_ms) {
        let reason = if exporter.rate_limited > 0 { "rate_limited" } else { "not_allowed" };
        all.push(Said::Refused { datagrams: refused - before, reason });
        told.refused = (now_ms, refused);
    }
    let late =
        exporter.waiting.iter().find(|one| now_ms - one.since_ms >= TEMPLATE_MS && now_ms - one.last_ms < AGAIN_MS);
    if let Some(waiting) = late.filter(|_| is_due(told.waiting_ms)) {
        let (domain, template) = (waiting.key.domain, waiting.key.id);
        let version = version_name(domain.version);
        all.push(Said::Waiting { version, domain: domain.domain, template, sets: waiting.sets });
        told.waiting_ms = now_ms;
    }
    let redefined = exporter.redefined.worst(now_ms, AGAIN_MS).filter(|_| is_due(told.redefined_ms));
    if let Some(one) = redefined.filter(|one| one.fault_ms.is_some_and(|fault_ms| fault_ms > told.redefined_ms)) {
        let (domain, template, times) = (one.key.domain, one.key.id, one.times);
        let version = version_name(domain.version);
        all.push(Said::Redefined { version, domain: domain.domain, template, times });
        told.redefined_ms = now_ms;
    }
    let (last_ms, before) = told.implausible;
    if exporter.implausible > before && is_due(last_ms) {
        all.push(Said::Implausible { rows: exporter.implausible - before });
        told.implausible = (now_ms, exporter.implausible);
    }
    exporter.told = told;
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn address(number: u32) -> Identity {
        let mut address = [0; 16];
        address[12..].copy_from_slice(&number.to_be_bytes());
        Identity::of_sender(address)
    }

    #[test]
    fn each_exporter_is_named_once_and_its_trouble_once_an_hour() {
        let (directory, mut news) = (Directory::default(), News::default());
        let entry = directory.entry(&address(1));
        directory.establish(&address(1), NOW);
        // One that is known of the last run, and has sent nothing yet.
        assert_eq!(news.gather(&directory, NOW), []);
        entry.lock().first_ms = NOW;
        assert!(matches!(news.gather(&directory, NOW)[..], [(_, Said::First { .. })]));
        assert_eq!(news.gather(&directory, NOW + 1), []);
        for (after_ms, malformed, said) in [
            (10, 3, Some(3)),
            (1_000, 9, None),
            (AGAIN_MS + 9, 9, None),
            (AGAIN_MS + 10, 12, Some(9)),
            (2 * AGAIN_MS + 10, 12, None),
        ] {
            entry.lock().malformed = malformed;
            let found = news.gather(&directory, NOW + after_ms);
            let expected: Vec<_> = said
                .map(|datagrams| (address(1), Said::Malformed { datagrams, fault: "unknown" }))
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{after_ms}");
        }
    }

    #[test]
    fn templates_redefined_again_and_again_and_rows_that_cannot_be_are_said_once_an_hour() {
        let (directory, mut news) = (Directory::default(), News::default());
        let of = address(1);
        let entry = directory.entry(&of);
        directory.establish(&of, NOW);
        news.gather(&directory, NOW);
        let domain = netflow::store::DomainKey { exporter: of.sender, version: 10, domain: 5 };
        let key = netflow::store::TemplateKey { domain, id: 256 };
        let mut found = Vec::new();
        for second in 0..5000 {
            let now_ms = NOW + second * 1000;
            entry.lock().redefined.take(key, now_ms);
            entry.lock().implausible(3, now_ms);
            found.extend(news.gather(&directory, now_ms).into_iter().map(|(_, said)| (second, said)));
        }
        let redefined = |times| Said::Redefined { version: "IPFIX", domain: 5, template: 256, times };
        let expected = [
            (0, Said::Implausible { rows: 3 }),
            (5, redefined(6)),
            (3600, Said::Implausible { rows: 10_800 }),
            (3605, redefined(3606)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_flood_of_forged_addresses_hides_no_exporter() {
        let (directory, mut news) = (Directory::default(), News::default());
        for number in 1_000..2_000 {
            directory.entry(&address(number)).lock().malformed = 1;
        }
        let entry = directory.entry(&address(7));
        entry.lock().malformed = 1;
        entry.lock().first_ms = NOW;
        directory.establish(&address(7), NOW);
        news.turn(NOW);
        let said = news.gather(&directory, NOW);
        assert!(said.iter().any(|(of, said)| *of == address(7) && matches!(said, Said::Malformed { .. })));
        assert_eq!(said.len(), 2 + LINES[1] as usize, "the exporter's two lines, and the bound of all others");
        assert_eq!(news.gather(&directory, NOW + 1), []);
        assert_eq!(news.turn(NOW + MINUTE_MS), Some(1_000 - u64::from(LINES[1])));
        assert_eq!(news.turn(NOW + 2 * MINUTE_MS), None);
    }
}
