//! Writes sFlow datagrams from the protocol's document and apart from the decoder.

/// The rate in the samples of the tests.
pub(crate) const RATE: u32 = 512;

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Opaque bytes behind their length, filled up to whole words.
pub(crate) fn opaque(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("short");
    let fill = bytes.len().next_multiple_of(4) - bytes.len();
    [&length.to_be_bytes(), bytes, &[0; 3][..fill]].concat()
}

/// A sample or record: its format and what is in it.
pub(crate) fn structure(format: u32, body: &[u8]) -> Vec<u8> {
    [format.to_be_bytes().to_vec(), opaque(body)].concat()
}

/// A datagram of sub-agent 3.
pub(crate) fn datagram(samples: &[Vec<u8>]) -> Vec<u8> {
    counted(u32::try_from(samples.len()).expect("few"), samples)
}

/// A datagram that counts other than it has.
pub(crate) fn counted(count: u32, samples: &[Vec<u8>]) -> Vec<u8> {
    let agent = [&words(&[5, 1])[..], &[198, 51, 100, 7]].concat();
    [agent, words(&[3, 77, 100_000, count]), samples.concat()].concat()
}

fn with_records(format: u32, head: &[u32], records: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(records.len()).expect("few");
    structure(format, &[words(head), words(&[count]), records.concat()].concat())
}

/// A flow sample of interface 7, from interface 7 to 9.
pub(crate) fn flow(records: &[Vec<u8>]) -> Vec<u8> {
    flow_between(7, 9, records)
}

/// A flow sample with these words for the interfaces.
pub(crate) fn flow_between(input: u32, output: u32, records: &[Vec<u8>]) -> Vec<u8> {
    with_records(1, &[1, 7, RATE, 1_000_000, 0, input, output], records)
}

/// An expanded flow sample of interface 2^24 + 7; each interface is a format and a value.
pub(crate) fn flow_expanded(rate: u32, input: [u32; 2], output: [u32; 2], records: &[Vec<u8>]) -> Vec<u8> {
    let head = [1, 0, 0x0100_0007, rate, 1_000_000, 0, input[0], input[1], output[0], output[1]];
    with_records(3, &head, records)
}

pub(crate) fn counter(records: &[Vec<u8>]) -> Vec<u8> {
    with_records(2, &[1, 7], records)
}

pub(crate) fn counter_expanded(records: &[Vec<u8>]) -> Vec<u8> {
    with_records(4, &[1, 0, 7], records)
}

pub(crate) fn dropped(records: &[Vec<u8>]) -> Vec<u8> {
    with_records(5, &[1, 0, 7, 0, 7, 9, 258], records)
}

/// The beginning of a packet; of its frame four bytes were cut off.
pub(crate) fn header(protocol: u32, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("short");
    structure(1, &[words(&[protocol, length + 4, 4]), opaque(bytes)].concat())
}

pub(crate) fn ethernet_numbers() -> Vec<u8> {
    structure(
        2,
        &[&words(&[600])[..], &[2, 0, 0, 0, 0, 1, 0, 0], &[2, 0, 0, 0, 0, 2, 0, 0], &words(&[0x86dd])].concat(),
    )
}

pub(crate) fn ipv4_numbers() -> Vec<u8> {
    let addresses = [[203, 0, 113, 1], [203, 0, 113, 2]].concat();
    structure(3, &[words(&[500, 17]), addresses, words(&[5000, 53, 0, 0xb8])].concat())
}

pub(crate) fn ipv6_numbers() -> Vec<u8> {
    let six = |last: u8| [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[last]].concat();
    structure(4, &[words(&[1400, 6]), six(1), six(2), words(&[5000, 443, 0x18, 3])].concat())
}

pub(crate) fn switch(source: u32, destination: u32) -> Vec<u8> {
    structure(1001, &words(&[source, 0, destination, 5]))
}

pub(crate) fn router() -> Vec<u8> {
    structure(1002, &[&words(&[1])[..], &[192, 0, 2, 254], &words(&[24, 19])].concat())
}

/// A BGP route with these path segments, each a type and its numbers.
pub(crate) fn gateway(path: &[(u32, &[u32])]) -> Vec<u8> {
    let segments = u32::try_from(path.len()).expect("few");
    let segment = |(kind, numbers): &(u32, &[u32])| {
        [words(&[*kind, u32::try_from(numbers.len()).expect("few")]), words(numbers)].concat()
    };
    let next_hop = [&words(&[2])[..], &[0x20, 1, 0xd, 0xb8], &[0; 11], &[9]].concat();
    let path: Vec<u8> = path.iter().flat_map(segment).collect();
    let body = [next_hop, words(&[64_500, 64_501, 64_502, segments]), path, words(&[2, 0xfbf4_0001, 0xfbf4_0002, 100])];
    structure(1003, &body.concat())
}

/// Counters of interface 7: each of the 19 has its place in the list as its value, behind the index.
pub(crate) fn interface_counters() -> Vec<u8> {
    let low = words(&[7, 2, 0, 3, 4, 5, 0, 6, 7, 8, 9, 10, 11, 12, 0, 13, 14, 15, 16, 17, 18, 19]);
    structure(1, &low)
}
