//! Datagrams with known contents, built from the RFCs' pictures.

/// Flow records in [`v5`].
pub(crate) const V5_RECORDS: u64 = 2;
/// Flow records in [`v9_data`].
pub(crate) const V9_RECORDS: u64 = 3;

/// A NetFlow v5 datagram of two records that ended a second before it was sent.
pub(crate) fn v5() -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, &[5u16, 2]);
    put32(&mut bytes, &[60_000, 1_700_000_000, 0, 1]);
    bytes.extend([0, 0, 0, 0]);
    for host in [1, 2] {
        bytes.extend([192, 0, 2, host]);
        bytes.extend([198, 51, 100, 1]);
        bytes.extend([0; 4]);
        put(&mut bytes, &[1u16, 2]);
        put32(&mut bytes, &[5, 500, 50_000, 59_000]);
        put(&mut bytes, &[40_000u16, 53]);
        bytes.extend([0, 0, 17, 0]);
        put(&mut bytes, &[64_500u16, 64_501]);
        bytes.extend([24, 24, 0, 0]);
    }
    bytes
}

/// NetFlow v9, template 256: source, destination, ports, protocol, octets, packets.
pub(crate) fn v9_template() -> Vec<u8> {
    let fields: [u16; 14] = [8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4, 2, 4];
    let mut set = Vec::new();
    put(&mut set, &[256u16, 7]);
    put(&mut set, &fields);
    v9(0, &set)
}

/// NetFlow v9, three records of template 256: 10.0.0.1..3 to 10.9.9.9:443, 1000, 2000, 3000 octets.
pub(crate) fn v9_data() -> Vec<u8> {
    let mut set = Vec::new();
    for host in 1..=3u8 {
        set.extend([10, 0, 0, host]);
        set.extend([10, 9, 9, 9]);
        put(&mut set, &[50_000u16, 443]);
        set.push(6);
        put32(&mut set, &[1000 * u32::from(host), 10 * u32::from(host)]);
    }
    v9(256, &set)
}

fn v9(set_id: u16, set: &[u8]) -> Vec<u8> {
    let padding = set.len().next_multiple_of(4) - set.len();
    let length = u16::try_from(4 + set.len() + padding).expect("a small set");
    let mut bytes = Vec::new();
    put(&mut bytes, &[9u16, 1]);
    put32(&mut bytes, &[60_000, 1_700_000_000, 1, 7]);
    put(&mut bytes, &[set_id, length]);
    bytes.extend(set);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

fn put(bytes: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
}

fn put32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
}
