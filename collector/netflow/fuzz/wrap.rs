//! How the target `sflow` makes datagrams of any bytes that reach deeper than the header.

/// Version 5 of agent 198.51.100.7, sub-agent 3, datagram 77, up 100 s; the number of samples follows.
const HEADER: [u8; 24] = [0, 0, 0, 5, 0, 0, 0, 1, 198, 51, 100, 7, 0, 0, 0, 3, 0, 0, 0, 77, 0, 1, 0x86, 0xa0];
/// Sequence, data source, rate, pool, drops, input, output and the number of records of a flow sample.
const FLOW: [u32; 8] = [1, 7, 512, 1_000_000, 0, 7, 9, 1];
/// The format of a flow sample, and of a packet's header in it.
const ONE: u32 = 1;

/// The datagram that bytes stand for: their first says how they are meant.
pub(crate) fn datagram(bytes: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = bytes.split_first() else { return Vec::new() };
    match kind {
        // As many samples as the byte says.
        0..=0x7f => [&HEADER[..], &words(&[u32::from(*kind)]), rest].concat(),
        // The records of a flow sample, as many as the lower bits say.
        0x80..=0xbf => {
            let [before @ .., _] = FLOW;
            flow(&[&words(&before)[..], &words(&[u32::from(kind & 0x3f)]), rest].concat())
        }
        // The header of a packet, of the link layer that the lower bits say.
        0xc0.. => {
            let packet = [words(&[u32::from(kind & 0x3f), 1500, 4]), opaque(rest)].concat();
            flow(&[words(&FLOW), words(&[ONE]), opaque(&packet)].concat())
        }
    }
}

fn flow(sample: &[u8]) -> Vec<u8> {
    [HEADER.to_vec(), words(&[1, ONE]), opaque(sample)].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Bytes behind their length, filled up to whole words.
fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut value = words(&[u32::try_from(bytes.len()).unwrap_or(u32::MAX)]);
    value.extend_from_slice(bytes);
    value.resize(value.len().next_multiple_of(4), 0);
    value
}
