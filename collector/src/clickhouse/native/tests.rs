//! The bytes of columns, what is left out, and what is refused.

use super::*;
use crate::batch::Block;

fn flows(block: &Block) -> Part<'_> {
    block.parts().next().unwrap()
}

/// Rows of nothing but defaults.
pub(in crate::clickhouse) fn block(rows: usize) -> Block {
    let mut block = Block::default();
    block.decoded.flows.resize(rows);
    block.exporter_name.resize(rows);
    for origin in [&mut block.src, &mut block.dst] {
        origin.country.resize(rows);
        origin.city.resize(rows);
        origin.asn.resize(rows);
        origin.as_name.resize(rows);
        origin.network.resize(rows);
        origin.customer.resize(rows);
    }
    block
}

fn encoded(name: &str, block: &Block) -> Vec<u8> {
    let (column, cells) = flows(block).columns().find(|(column, _)| column.name == name).unwrap();
    let mut out = BytesMut::new();
    write_column(column, cells, &mut out);
    let head = 2 + column.name.len() + column.kind.len();
    assert_eq!(usize::from(out[0]), column.name.len());
    assert_eq!(&out[1..=column.name.len()], column.name.as_bytes());
    assert_eq!(usize::from(out[1 + column.name.len()]), column.kind.len());
    assert_eq!(&out[2 + column.name.len()..head], column.kind.as_bytes());
    out[head..].to_vec()
}

#[test]
fn columns_are_their_bytes() {
    let mut block = block(2);
    block.decoded.flows.received_ms = vec![0x0102_0304_0506, -1].into();
    block.decoded.flows.src_addr = vec![[0; 16], std::array::from_fn(|byte| byte as u8)].into();
    block.decoded.flows.src_port = vec![0x1234, 1].into();
    block.decoded.flows.in_if = vec![0x1234_5678, 1].into();
    block.decoded.flows.src_mac = vec![0x0011_2233_4455, 1].into();
    block.decoded.flows.direction = vec![2, 3].into();
    block.decoded.flows.mpls_labels = Labels { ends: vec![0, 2].into(), values: vec![7, 0x000f_ffff] };
    let key = block.exporter_name.key("é");
    block.exporter_name.keys_mut()[1] = key;

    let raw = &mut block.decoded.flows.raw;
    let key = raw.names.key("n");
    raw.names.push(key);
    (raw.values, raw.ends) = (vec!["v".into()], vec![0, 1].into());

    let cases: [(&str, &[u8]); 9] = [
        ("time_received", &[6, 5, 4, 3, 2, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        (
            "src_addr",
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        ),
        ("src_port", &[0x34, 0x12, 1, 0]),
        ("in_if", &[0x78, 0x56, 0x34, 0x12, 1, 0, 0, 0]),
        ("src_mac", &[0x55, 0x44, 0x33, 0x22, 0x11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("direction", &[2, 0]),
        ("mpls_labels", &[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 255, 255, 15, 0]),
        (
            "raw",
            &[
                1, 0, 0, 0, 0, 0, 0, 0, // keys version
                0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, // ends
                0, 6, 0, 0, 0, 0, 0, 0, // u8 indexes, own dictionary
                2, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'n', // "", "n"
                1, 0, 0, 0, 0, 0, 0, 0, 1, // entries
                1, b'v', // values
            ],
        ),
        (
            "exporter_name",
            &[
                1, 0, 0, 0, 0, 0, 0, 0, // keys version
                0, 6, 0, 0, 0, 0, 0, 0, // u8 indexes, own dictionary
                2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0xc3, 0xa9, // "", "é"
                2, 0, 0, 0, 0, 0, 0, 0, 0, 1, // rows
            ],
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(encoded(name, &block), expected, "{name}");
    }
}

#[test]
fn columns_of_nothing_but_defaults_are_left_out() {
    type Fill = fn(&mut Block);
    let cases: [(Fill, &[&str]); 8] = [
        (|_| {}, &[]),
        (|block| block.decoded.flows.src_port[1] = 1, &["src_port"]),
        (|block| block.decoded.flows.post_nat_dst_addr[1][15] = 1, &["post_nat_dst_addr"]),
        (|block| block.decoded.flows.bytes[0] = 1 << 63, &["bytes"]),
        (|block| block.decoded.flows.direction[1] = 1, &["direction"]),
        (
            |block| block.decoded.flows.mpls_labels = Labels { ends: vec![0, 1].into(), values: vec![0] },
            &["mpls_labels"],
        ),
        (|block| block.src.city.keys_mut()[1] = 0, &[]),
        (
            |block| {
                let key = block.dst.city.key("Halle");
                block.dst.city.keys_mut()[1] = key;
            },
            &["dst_city"],
        ),
    ];
    for (fill, expected) in cases {
        let mut block = block(2);
        fill(&mut block);
        let names: Vec<&str> = columns(flows(&block)).iter().map(|(_, column, _)| column.name).collect();
        assert_eq!((names[0], &names[1..]), ("time_received", expected));
        let mut out = BytesMut::new();
        encode(flows(&block), &mut out).unwrap();
        assert_eq!(out[..2], [names.len() as u8, 2]);
    }
    let mut last_of_many = vec![0; 100_000];
    assert!(is_zero(&last_of_many));
    last_of_many[99_999] = 1;
    assert!(!is_zero(&last_of_many));
}

#[test]
fn indexes_are_as_wide_as_the_dictionary_needs() {
    for (values, index_type, width) in [(0x100, 0, 1), (0x101, 1, 2), (0x1_0000, 1, 2), (0x1_0001, 2, 4)] {
        let mut block = block(1);
        for value in 1..values {
            let key = block.exporter_name.key(&value.to_string());
            block.exporter_name.keys_mut()[0] = key;
        }
        assert_eq!(check(flows(&block)), Ok(()));
        let bytes = encoded("exporter_name", &block);
        assert_eq!(bytes[8..10], [index_type, 6], "{values}");
        assert_eq!(bytes[bytes.len() - width..], (values - 1_u32).to_le_bytes()[..width], "{values}");
    }
}

#[test]
fn varuints() {
    for (value, expected) in
        [(0, &[0][..]), (127, &[127]), (128, &[0x80, 1]), (u64::from(u32::MAX), &[255, 255, 255, 255, 15])]
    {
        let mut out = BytesMut::new();
        write_varuint(value, &mut out);
        assert_eq!(&out[..], expected);
    }
}

#[test]
fn a_block_at_fault_is_refused() {
    type Break = fn(&mut Block);
    let cases: [(Break, EncodeError); 9] = [
        (Block::clear, EncodeError::Empty),
        (|block| block.decoded.flows.src_port.resize(1), EncodeError::Ragged("src_port")),
        (|block| block.src.country.resize(3), EncodeError::Ragged("src_country")),
        (|block| block.dst.city.keys_mut()[1] = 1, EncodeError::Dangling("dst_city")),
        (|block| block.decoded.flows.mpls_labels.values.push(1), EncodeError::Dangling("mpls_labels")),
        (|block| block.decoded.flows.mpls_labels.ends = vec![1, 0].into(), EncodeError::Dangling("mpls_labels")),
        (|block| block.decoded.flows.raw.values.push("value without a name".into()), EncodeError::Dangling("raw")),
        (|block| block.decoded.flows.raw.names.push(0), EncodeError::Dangling("raw")),
        (|block| block.decoded.flows.raw.ends[1] = 1, EncodeError::Dangling("raw")),
    ];
    for (fault, expected) in cases {
        let mut block = block(2);
        assert_eq!(check(flows(&block)), Ok(()));
        fault(&mut block);
        let mut out = BytesMut::new();
        assert_eq!(encode(flows(&block), &mut out), Err(expected));
        assert!(out.is_empty());
    }
}
