//! Datagrams with known contents, built from the RFCs' pictures.

/// Flow records in [`v5`].
pub(crate) const V5_RECORDS: u64 = 2;
/// Flow records in [`v9_data`].
pub(crate) const V9_RECORDS: u64 = 3;

/// A NetFlow v5 datagram of two records that lived for nine seconds until a second before it was sent. 81.2.69.160 and
/// 2.125.160.216 are in MaxMind's test databases.
pub(crate) fn v5(sent_ms: i64, bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &[5, 2]);
    put32(&mut out, &[60_000, seconds(sent_ms), 0, 1]);
    out.extend([0, 0, 0, 0]);
    for host in [160, 161] {
        out.extend([81, 2, 69, host]);
        out.extend([2, 125, 160, 216]);
        out.extend([0; 4]);
        put(&mut out, &[1, 2]);
        put32(&mut out, &[5, bytes, 50_000, 59_000]);
        put(&mut out, &[40_000, 53]);
        out.extend([0, 0, 17, 0]);
        put(&mut out, &[0, 64_501]);
        out.extend([24, 24, 0, 0]);
    }
    out
}

/// NetFlow v9, template 256: source, destination, ports, protocol, octets, packets.
pub(crate) fn v9_template(sent_ms: i64) -> Vec<u8> {
    let mut set = Vec::new();
    put(&mut set, &[256, 7]);
    put(&mut set, &[8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4, 2, 4]);
    v9(sent_ms, 0, &set)
}

/// NetFlow v9, three records of template 256: 10.0.0.1..3 to 81.2.69.160:443.
pub(crate) fn v9_data(sent_ms: i64) -> Vec<u8> {
    let mut set = Vec::new();
    for host in 1..=3 {
        set.extend([10, 0, 0, host]);
        set.extend([81, 2, 69, 160]);
        put(&mut set, &[50_000, 443]);
        set.push(6);
        put32(&mut set, &[1000 * u32::from(host), 10 * u32::from(host)]);
    }
    v9(sent_ms, 256, &set)
}

fn v9(sent_ms: i64, set_id: u16, set: &[u8]) -> Vec<u8> {
    let padding = set.len().next_multiple_of(4) - set.len();
    let mut out = Vec::new();
    put(&mut out, &[9, 1]);
    put32(&mut out, &[60_000, seconds(sent_ms), 1, 7]);
    put(&mut out, &[set_id, u16::try_from(4 + set.len() + padding).expect("a small set")]);
    out.extend(set);
    out.resize(out.len() + padding, 0);
    out
}

fn seconds(ms: i64) -> u32 {
    u32::try_from(ms / 1000).expect("before 2106")
}

fn put(out: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
}

fn put32(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
}
