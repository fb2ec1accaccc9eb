//! Numbered flows from four exporters: what each datagram holds can be told from its number alone, and each flow from its
//! octets.
//!
//! The exporters differ in what they ask of a collector that is killed: templates that come late under ever new ids, a template
//! that is defined anew under the same id, plain NetFlow v9, and NetFlow v5 without templates.

use std::net::{IpAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perf::classic::{self, Version};
use perf::clock::Clock;
use perf::flow::Flow;
use perf::template::{self, Field, Header, Protocol, Template, Value, iana};

/// Flow records in a datagram.
pub(crate) const RECORDS: u64 = 10;
/// Datagrams between two ids of the exporter whose templates are late.
const EPOCH: u64 = 100;
/// Of each epoch, datagrams that come before their template.
const LATE: u64 = 3;
/// Between two repetitions of a template.
const REPEAT: u64 = 20;
/// Datagrams between two definitions of the template under one id.
const REDEFINED: u64 = 150;
/// Between two rounds of one datagram from each exporter.
const PACE: Duration = Duration::from_millis(8);
const FIRST_ID: u16 = 256;

/// What an exporter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// NetFlow v9, its template now and then.
    Steady,
    /// IPFIX under ever new template ids; the first datagrams of each come before the template.
    Late,
    /// IPFIX, one template id with changing meaning.
    Redefining,
    /// NetFlow v5.
    Classic,
}

/// The exporters: addresses of the sending side, and what they do.
pub(crate) const EXPORTERS: [(&str, Habit); 4] = [
    ("192.0.2.1", Habit::Steady),
    ("192.0.2.2", Habit::Late),
    ("192.0.2.3", Habit::Redefining),
    ("192.0.2.4", Habit::Classic),
];

/// What was sent: for each exporter, when each of its datagrams was.
pub(crate) type Sent = [Vec<Instant>; EXPORTERS.len()];

/// Sends until told to stop, then every template once more, so that nothing waits for one.
pub(crate) fn send(to: IpAddr, port: u16, stop: &AtomicBool) -> Sent {
    let sockets = EXPORTERS.map(|(address, _)| {
        let address: IpAddr = address.parse().expect("an address");
        UdpSocket::bind((address, 0)).expect("the address is ours")
    });
    let mut sent = Sent::default();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        for ((socket, (_, habit)), log) in sockets.iter().zip(EXPORTERS).zip(&mut sent) {
            let payload = datagram(habit, log.len() as u64);
            log.push(Instant::now());
            // A collector that is dead answers with ICMP, which the next send reports.
            let _ = socket.send_to(&payload, (to, port));
        }
        next += PACE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    sent
}

/// Sends all templates of the exporter whose templates come late.
pub(crate) fn send_templates(to: IpAddr, port: u16, sent: &Sent) {
    for ((address, habit), log) in EXPORTERS.into_iter().zip(sent).filter(|((_, habit), _)| *habit == Habit::Late) {
        let address: IpAddr = address.parse().expect("an address");
        let socket = UdpSocket::bind((address, 0)).expect("the address is ours");
        for epoch in 0..=log.len() as u64 / EPOCH {
            let set = template::template_set(Protocol::Ipfix, &[template_of(habit, epoch * EPOCH)], 0);
            let payload = template::message(Protocol::Ipfix, &header(u32::MAX.into()), 1, &[set]);
            let _ = socket.send_to(&payload, (to, port));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The number of the datagram, from its header; nothing for what [`send_templates`] sends.
pub(crate) fn number_of(payload: &[u8]) -> Option<u64> {
    let offset = match payload.get(1)? {
        5 => 16,
        9 => 12,
        _ => 8,
    };
    let number = u32::from_be_bytes(*payload.get(offset..)?.first_chunk()?);
    (number != u32::MAX).then_some(number.into())
}

/// Whether a datagram brings a template.
pub(crate) fn has_template(habit: Habit, number: u64) -> bool {
    match habit {
        Habit::Steady => number.is_multiple_of(REPEAT),
        Habit::Late => number % EPOCH == LATE || (number % EPOCH > LATE && number.is_multiple_of(REPEAT)),
        Habit::Redefining => true,
        Habit::Classic => false,
    }
}

/// The packets that a flow counts.
pub(crate) fn packets(flow: u64) -> u64 {
    1 + flow % 7
}

fn datagram(habit: Habit, number: u64) -> Vec<u8> {
    let flows = number * RECORDS..(number + 1) * RECORDS;
    if habit == Habit::Classic {
        let header = classic::Header { clock: clock(), sequence: number as u32, engine: [0; 2], sampling: 0 };
        let flows: Vec<Flow> = flows.map(classic_flow).collect();
        return classic::datagram(Version::V5, &header, &flows);
    }
    let protocol = if habit == Habit::Steady { Protocol::V9 } else { Protocol::Ipfix };
    let template = template_of(habit, number);
    let records: Vec<Vec<Value>> =
        flows.map(|flow| template.fields.iter().map(|field| value(*field, flow)).collect()).collect();
    let mut sets = Vec::new();
    if has_template(habit, number) {
        sets.push(template::template_set(protocol, std::slice::from_ref(&template), 0));
    }
    sets.push(template::data_set(&template, &records, 0));
    template::message(protocol, &header(number), records.len() + sets.len() - 1, &sets)
}

fn header(number: u64) -> Header {
    Header { clock: clock(), sequence: number as u32, domain: 1 }
}

fn clock() -> Clock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    Clock { export_ms: now.as_millis() as i64, uptime_ms: 3_600_000 }
}

/// The template of the datagram with this number.
fn template_of(habit: Habit, number: u64) -> Template {
    let mut fields = vec![
        iana(8, 4),
        iana(12, 4),
        iana(7, 2),
        iana(11, 2),
        iana(4, 1),
        iana(10, 2),
        iana(14, 2),
        iana(1, 8),
        iana(2, 4),
        iana(16, 4),
        iana(17, 4),
        iana(21, 4),
        iana(22, 4),
    ];
    let id = match habit {
        Habit::Late => FIRST_ID + (number / EPOCH) as u16,
        Habit::Redefining => {
            let turn = (number / REDEFINED) as usize % fields.len();
            fields.rotate_left(turn);
            FIRST_ID
        }
        Habit::Steady | Habit::Classic => FIRST_ID,
    };
    Template::data(id, fields)
}

fn value(field: Field, flow: u64) -> Value {
    let flow32 = flow as u32;
    let number: u64 = match field.element {
        8 => u64::from(0x0a00_0000 + flow32 % 5_000),
        12 => u64::from(0xc633_6400 + flow32 % 97),
        7 => 1024 + flow % 60_000,
        11 => [80, 443, 53, 22][flow as usize % 4],
        4 => [6, 17][flow as usize % 2],
        10 => 1 + flow % 4,
        14 => 5 + flow % 3,
        // Flow 0 would have no octets.
        1 => flow + 1,
        2 => packets(flow),
        16 => 64_496 + flow % 5,
        17 => 64_500 + flow % 7,
        // The uptime at the end and the start: some flows are minutes long.
        21 => 3_600_000,
        _ => 3_600_000 - (flow % 11) * 37_000,
    };
    let bytes = number.to_be_bytes();
    Value::from(bytes[8 - usize::from(field.length)..].to_vec())
}

fn classic_flow(flow: u64) -> Flow {
    let now_ms = clock().export_ms;
    let octets = |element, length| value(iana(element, length), flow).bytes;
    let address = |element| octets(element, 4).first_chunk::<4>().map(|bytes| IpAddr::from(*bytes));
    let port = |element| octets(element, 2).first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
    Flow {
        start_ms: Some(now_ms - (flow % 11) as i64 * 37_000),
        end_ms: Some(now_ms),
        source: address(8),
        destination: address(12),
        source_port: port(7),
        destination_port: port(11),
        protocol: octets(4, 1)[0],
        input: port(10).into(),
        output: port(14).into(),
        octets: flow + 1,
        packets: packets(flow),
        ..Flow::default()
    }
}
