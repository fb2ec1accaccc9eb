//! Writes datagrams for tests, from the RFCs and apart from the decoder.

use netflow::Datagram;
use netflow::columns::Address;

/// When the tests' messages are exported, seconds since 1970.
pub(crate) const EXPORT_S: u32 = 1_700_000_000;
/// When the tests' datagrams are received, milliseconds since 1970.
pub(crate) const RECEIVED_MS: i64 = 1_700_000_001_250;
/// Uptime in the headers of NetFlow v5 and v9, milliseconds.
pub(crate) const UPTIME_MS: u32 = 100_000;
/// The exporter of the tests: 192.0.2.1.
pub(crate) const EXPORTER: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
/// The observation domain of the tests.
pub(crate) const DOMAIN: u32 = 7;

/// A field of a template: element and length.
pub(crate) type FieldOf = (u16, u16);

/// One set: an id and what comes after the header.
pub(crate) fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).expect("a set fits a datagram");
    [&id.to_be_bytes(), &length.to_be_bytes(), body].concat()
}

/// The body of a template set.
pub(crate) fn template(id: u16, fields: &[FieldOf]) -> Vec<u8> {
    let count = u16::try_from(fields.len()).expect("few fields");
    let fields = fields.iter().flat_map(|(element, length)| [element.to_be_bytes(), length.to_be_bytes()].concat());
    [id.to_be_bytes(), count.to_be_bytes()].concat().into_iter().chain(fields).collect()
}

/// A NetFlow v9 datagram.
pub(crate) fn v9(sets: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(sets.len()).expect("few sets");
    let header = [&9_u16.to_be_bytes()[..], &count.to_be_bytes(), &UPTIME_MS.to_be_bytes(), &EXPORT_S.to_be_bytes()];
    [header.concat(), 1_u32.to_be_bytes().to_vec(), DOMAIN.to_be_bytes().to_vec(), sets.concat()].concat()
}

/// An IPFIX message.
pub(crate) fn ipfix(sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let length = u16::try_from(sets.len() + 16).expect("sets fit a datagram");
    let header = [&10_u16.to_be_bytes()[..], &length.to_be_bytes(), &EXPORT_S.to_be_bytes(), &1_u32.to_be_bytes()];
    [header.concat(), DOMAIN.to_be_bytes().to_vec(), sets].concat()
}

/// A NetFlow v1 datagram with these records of 48 bytes.
pub(crate) fn v1(records: &[[u8; 48]]) -> Vec<u8> {
    [classic_header(1, records.len()), records.concat()].concat()
}

/// A NetFlow v7 datagram with these records of 52 bytes.
pub(crate) fn v7(records: &[[u8; 52]]) -> Vec<u8> {
    [classic_header(7, records.len()), 1_u32.to_be_bytes().to_vec(), vec![0; 4], records.concat()].concat()
}

/// What the headers of NetFlow v1, v5 and v7 begin with; exported half a second past [`EXPORT_S`].
fn classic_header(version: u16, records: usize) -> Vec<u8> {
    let count = u16::try_from(records).expect("few records");
    let header = [&version.to_be_bytes()[..], &count.to_be_bytes(), &UPTIME_MS.to_be_bytes(), &EXPORT_S.to_be_bytes()];
    [header.concat(), 500_000_000_u32.to_be_bytes().to_vec()].concat()
}

/// A NetFlow v5 datagram with these records of 48 bytes; `sampling` is the last field of the header.
pub(crate) fn v5(sampling: u16, records: &[[u8; 48]]) -> Vec<u8> {
    let rest = [&1_u32.to_be_bytes()[..], &[1, 2], &sampling.to_be_bytes()];
    [classic_header(5, records.len()), rest.concat(), records.concat()].concat()
}

/// A datagram of the tests' exporter.
pub(crate) fn datagram(payload: &[u8]) -> Datagram<'_> {
    Datagram { payload, exporter: EXPORTER, received_ms: RECEIVED_MS }
}
