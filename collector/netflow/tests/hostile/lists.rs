//! Structured data (RFC 6313) nested as deep as a datagram is long: the record around it survives, and the stack does too.

use perf::Protocol;
use perf::Template;
use perf::template::{VARIABLE, data_set, iana, template_set};

use crate::memory::used;
use crate::{Decoded, LARGEST_PAYLOAD, of_sets};

const BASIC_LIST: u16 = 291;
const SUB_TEMPLATE_LIST: u16 = 292;
const SUB_TEMPLATE_MULTI_LIST: u16 = 293;

/// A value in a variable-length field of three bytes of length.
fn long(value: &[u8]) -> Vec<u8> {
    [&[255][..], &perf::wire::short(value.len()), value].concat()
}

/// Lists inside each other, outermost first, until `most` bytes are used; the innermost is empty.
fn nested(kind: u16, most: usize) -> (Vec<u8>, usize) {
    let (mut bytes, mut depth) = (Vec::new(), 0);
    loop {
        let outer = match kind {
            // Semantic "all of", the element of what is inside, and that it is of variable length.
            BASIC_LIST => [&[3][..], &BASIC_LIST.to_be_bytes(), &VARIABLE.to_be_bytes(), &inside(&bytes)].concat(),
            // Semantic, and the template, whose one field is such a list.
            SUB_TEMPLATE_LIST => [&[3][..], &256_u16.to_be_bytes(), &inside(&bytes)].concat(),
            // Semantic, the template and the length of its records with these four bytes.
            _ => {
                let records = inside(&bytes);
                [&[3][..], &256_u16.to_be_bytes(), &perf::wire::short(records.len() + 4), &records].concat()
            }
        };
        if outer.len() > most {
            return (bytes, depth);
        }
        (bytes, depth) = (outer, depth + 1);
    }
}

fn inside(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() { Vec::new() } else { long(bytes) }
}

#[test]
fn lists_as_deep_as_a_datagram_is_long() {
    for kind in [BASIC_LIST, SUB_TEMPLATE_LIST, SUB_TEMPLATE_MULTI_LIST] {
        let template = Template::data(256, vec![iana(4, 1), iana(kind, VARIABLE), iana(11, 2)]);
        let template_bytes = template_set(Protocol::Ipfix, std::slice::from_ref(&template), 0);
        let (list, depth) = nested(kind, LARGEST_PAYLOAD - 16 - template_bytes.len() - 4 - 6);
        assert!(depth > 6000, "{kind}: {depth} levels");
        let record = vec![vec![6].into(), perf::Value { bytes: list, is_long: true }, vec![1, 187].into()];
        let payload = of_sets(Protocol::Ipfix, &[template_bytes, data_set(&template, &[record], 0)]);
        // Less stack than any thread of the collector has.
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
            let mut decoded = Decoded::default();
            let ((), most, _) = used(|| {
                decoded.feed(&payload);
            });
            let flows = &decoded.tables.flows;
            assert_eq!((flows.protocol.as_slice(), flows.dst_port.as_slice()), (&[6][..], &[443][..]), "{kind}");
            assert!(most < 16 << 20, "{kind}: {most} bytes");
        });
        thread.expect("a thread starts").join().expect("the list is survived");
    }
}

#[test]
fn lists_cut_anywhere() {
    for kind in [BASIC_LIST, SUB_TEMPLATE_LIST, SUB_TEMPLATE_MULTI_LIST] {
        let template = Template::data(256, vec![iana(4, 1), iana(kind, VARIABLE), iana(11, 2)]);
        let (list, _) = nested(kind, 120);
        for length in 0..=list.len() {
            let cut = perf::Value { bytes: list[..length].to_vec(), is_long: false };
            let record = vec![vec![6].into(), cut, vec![1, 187].into()];
            let sets =
                [template_set(Protocol::Ipfix, std::slice::from_ref(&template), 0), data_set(&template, &[record], 0)];
            let mut decoded = Decoded::default();
            decoded.sets(Protocol::Ipfix, &sets);
            assert_eq!(decoded.tables.flows.dst_port, [443], "{kind}, {length} of {} bytes", list.len());
        }
    }
}
