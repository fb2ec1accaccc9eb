//! Counters at their ends, lengths and counts that lie, records of no length.

use netflow::Event;
use perf::template::{VARIABLE, iana, set, template_set};
use perf::{Protocol, Template};

use crate::memory::used;
use crate::{Decoded, PROTOCOLS, of_sets};

#[test]
fn counters_at_their_ends() {
    for protocol in PROTOCOLS {
        let elements =
            [1, 2, 85, 86, 23, 24, 152, 153, 150, 151, 154, 155, 21, 22, 158, 159, 34, 305, 306, 309, 310, 160, 161];
        for element in elements {
            let template = Template::data(256, vec![iana(element, 8), iana(8, 4)]);
            for byte in [0xff, 0x80, 0x7f, 0] {
                let record = [[byte; 8].to_vec(), vec![10, 0, 0, 1]].concat();
                let mut decoded = Decoded::default();
                decoded
                    .sets(protocol, &[template_set(protocol, std::slice::from_ref(&template), 0), set(256, &record)]);
                assert_eq!(decoded.tables.flows.len(), 1, "{protocol:?}, element {element}");
                let flows = &decoded.tables.flows;
                assert!(flows.sampling_rate[0] > 0, "{protocol:?}, element {element}: a rate of zero");
                if element == 1 {
                    assert_eq!(flows.bytes[0], u64::from_be_bytes([byte; 8]));
                }
                // The last that a DateTime64 shows: the end of 2299.
                let latest_ms = 10_413_791_999_999;
                let end_ms = flows.end_ms[0];
                assert!((0..=latest_ms).contains(&end_ms), "{protocol:?}, element {element}: {end_ms}");
            }
        }
    }
}

/// Records without a byte would be without end.
#[test]
fn records_of_no_length() {
    for protocol in PROTOCOLS {
        for fields in [vec![], vec![iana(1, 0)], vec![iana(1, 0); 100]] {
            let template = Template::data(256, fields);
            let mut decoded = Decoded::default();
            decoded.sets(protocol, &[template_set(protocol, &[template], 0), set(256, &[0; 1000])]);
            assert_eq!(decoded.report.flow_records(), 0, "{protocol:?}");
        }
        // A variable-length field takes a byte at least.
        let template = Template::data(256, vec![iana(82, VARIABLE), iana(1, 0)]);
        let mut decoded = Decoded::default();
        decoded.sets(protocol, &[template_set(protocol, &[template], 0), set(256, &[0; 1000])]);
        assert_eq!(decoded.report.flow_records(), 1000, "{protocol:?}");
    }
}

/// Sixty thousand records of a byte: no more memory than rows of a full datagram take.
#[test]
fn the_most_records_of_a_datagram() {
    for protocol in PROTOCOLS {
        let template = Template::data(256, vec![iana(4, 1)]);
        let payload = of_sets(protocol, &[template_set(protocol, &[template], 0), set(256, &[6; 65_000])]);
        let mut decoded = Decoded::default();
        let ((), most, _) = used(|| {
            decoded.feed(&payload);
        });
        assert_eq!(decoded.tables.flows.len(), 65_000, "{protocol:?}");
        assert!(most < 65_536 * 1024, "{protocol:?}: {most} bytes");
    }
}

/// Variable lengths that run past the set: the records before are kept, the rest is given up once.
#[test]
fn lengths_of_values_that_lie() {
    for protocol in PROTOCOLS {
        let template = Template::data(256, vec![iana(82, VARIABLE), iana(4, 1)]);
        for lie in [&[200, b'a', 6][..], &[255, 0xff, 0xff, 6], &[255, 0], &[255], &[3, b'a', b'b', b'c']] {
            let body = [&[1, b'x', 17][..], lie].concat();
            let mut decoded = Decoded::default();
            decoded.sets(protocol, &[template_set(protocol, std::slice::from_ref(&template), 0), set(256, &body)]);
            assert_eq!(decoded.tables.flows.protocol, [17], "{protocol:?} {lie:?}");
            assert!(decoded.report.get(Event::RecordTruncated) <= 1, "{protocol:?} {lie:?}");
        }
    }
}

/// Lengths of sets that lie, in both directions.
#[test]
fn lengths_of_sets_that_lie() {
    for protocol in PROTOCOLS {
        for length in [0_u16, 1, 3, 5, 9, 100, u16::MAX] {
            let mut body = set(256, &[6; 8]);
            body[2..4].copy_from_slice(&length.to_be_bytes());
            let template = template_set(protocol, &[Template::data(256, vec![iana(4, 1)])], 0);
            let mut decoded = Decoded::default();
            decoded.sets(protocol, &[template, body]);
            assert!(decoded.report.flow_records() <= 8, "{protocol:?}, length {length}");
            assert_eq!(decoded.report.get(Event::TemplateLearned), 1, "{protocol:?}, length {length}");
            let told = decoded.report.malformed() + decoded.report.get(Event::ZeroTail);
            assert!(told > 0 || (4..=12).contains(&length), "{protocol:?}, length {length}: nothing is counted");
        }
    }
}

/// Options templates whose scope is longer than they are, or no whole fields.
#[test]
fn scopes_that_lie() {
    let fields = [0, 1, 0, 4, 0, 34, 0, 4];
    for (protocol, counts, event) in [
        (Protocol::Ipfix, [0_u16, 2, 3], Event::TemplateScope),
        (Protocol::Ipfix, [0, 2, u16::MAX], Event::TemplateScope),
        (Protocol::Ipfix, [0, u16::MAX, 1], Event::TemplateTruncated),
        (Protocol::V9, [0, u16::MAX, 4], Event::TemplateTruncated),
        (Protocol::V9, [0, 4, u16::MAX], Event::TemplateTruncated),
        (Protocol::V9, [0, 65_532, 65_532], Event::TemplateTruncated),
    ] {
        let [_, second, third] = counts;
        let body = [&300_u16.to_be_bytes()[..], &second.to_be_bytes(), &third.to_be_bytes(), &fields].concat();
        let mut decoded = Decoded::default();
        decoded.sets(protocol, &[set(protocol.template_sets()[1], &body), set(300, &[0; 64])]);
        assert_eq!(decoded.report.get(event), 1, "{protocol:?} {counts:?}: {:?}", decoded.report);
        assert_eq!(decoded.store.templates().count(), 0, "{protocol:?} {counts:?}");
    }
}

/// A count in a v9 header that lies is of no consequence, and neither is one in v5 beyond what is there.
#[test]
fn counts_that_lie() {
    let template = template_set(Protocol::V9, &[Template::data(256, vec![iana(4, 1)])], 0);
    for count in [0_u16, 1, u16::MAX] {
        let mut payload = of_sets(Protocol::V9, &[template.clone(), set(256, &[6; 8])]);
        payload[2..4].copy_from_slice(&count.to_be_bytes());
        let mut decoded = Decoded::default();
        assert_eq!(decoded.feed(&payload).tables.flows.len(), 8, "{count}");
    }
    for (version, record) in [(1_u8, 48), (5, 48), (7, 52)] {
        let header = if version == 1 { 16 } else { 24 };
        let mut payload = vec![0; header + 2 * record + 10];
        payload[..4].copy_from_slice(&[0, version, 0xff, 0xff]);
        let mut decoded = Decoded::default();
        decoded.feed(&payload);
        assert_eq!(decoded.tables.flows.len(), 2, "v{version}");
        assert_eq!(decoded.report.get(Event::RecordsMissing), 1, "v{version}");
    }
}

/// sFlow that counts to four billion, at every level.
#[test]
fn sflow_counts_that_lie() {
    let words = |words: &[u32]| perf::wire::words(words);
    let header = |samples: u32| [words(&[5, 1]), vec![192, 0, 2, 1], words(&[0, 1, 2, samples])].concat();
    let gateway = perf::sflow::structure(1003, &[words(&[1, 7, 1, 2, 3, u32::MAX, 2, u32::MAX]), words(&[1])].concat());
    let sample = |records: u32, body: &[u8]| {
        perf::sflow::structure(1, &[words(&[1, 7, 512, 0, 0, 7, 9, records]), body.to_vec()].concat())
    };
    let cases: [(&str, Vec<u8>, u64); 5] = [
        ("samples", [header(u32::MAX), sample(0, &[])].concat(), 1),
        ("records", [header(1), sample(u32::MAX, &[])].concat(), 1),
        ("segments of a path", [header(1), sample(1, &gateway)].concat(), 1),
        ("the length of a sample", [header(1), words(&[1, u32::MAX]), vec![0; 40]].concat(), 0),
        ("the length of a record", [header(1), sample(1, &words(&[1, u32::MAX - 2]))].concat(), 1),
    ];
    for (name, payload, rows) in cases {
        let mut decoded = Decoded::default();
        let ((), most, _) = used(|| {
            decoded.feed(&payload);
        });
        assert_eq!(decoded.tables.flows.len() as u64, rows, "{name}");
        assert!(decoded.report.malformed() > 0, "{name} is counted: {:?}", decoded.report);
        assert!(most < 1 << 20, "{name}: {most} bytes");
    }
}
