//! Rows as JSON objects, one object a row, the columns under their names in table order.
//!
//! Addresses, MAC addresses and times are text, enumerations are their names, label stacks are arrays, maps are objects, 64-bit
//! numbers are JSON integers. A row of another table than `flows` begins with the key `table`. Not here: where the text goes.

use std::io::Write as _;
use std::net::Ipv6Addr;

use netflow::raw::Raw;

use super::cells::{Cells, enum_name};
use super::{Part, flows};
use crate::utc::Utc;

/// Appends all rows of a table to `out`, one JSON object a line.
pub fn write_rows(part: Part<'_>, out: &mut Vec<u8>) {
    for row in 0..part.len() {
        write_row(part, row, out);
        out.push(b'\n');
    }
}

/// Appends row `row` to `out` as one JSON object without a line end. A cell that a column lacks is `null`.
pub fn write_row(part: Part<'_>, row: usize, out: &mut Vec<u8>) {
    let mut separator = b'{';
    if part.table().name != flows::TABLE.name {
        out.extend_from_slice(b"{\"table\":");
        write_string(part.table().name, out);
        separator = b',';
    }
    for (column, cells) in part.columns() {
        out.push(separator);
        separator = b',';
        write_string(column.name, out);
        out.push(b':');
        if row < cells.len() {
            write_cell(cells, row, out);
        } else {
            out.extend_from_slice(b"null");
        }
    }
    out.push(b'}');
}

/// Appends `value` to `out` as a JSON string, RFC 8259 section 7.
pub fn write_string(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in value.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 | 0x7f => write(out, format_args!("\\u{byte:04x}")),
            other => out.push(other),
        }
    }
    out.push(b'"');
}

fn write_cell(cells: Cells<'_>, row: usize, out: &mut Vec<u8>) {
    match cells {
        Cells::U8(values) => write(out, format_args!("{}", values[row])),
        Cells::Bool(values) => write(out, format_args!("{}", values[row] != 0)),
        Cells::Enum(values, names) => write_string(enum_name(names, values[row]), out),
        Cells::U16(values) => write(out, format_args!("{}", values[row])),
        Cells::U32(values) => write(out, format_args!("{}", values[row])),
        Cells::U64(values) => write(out, format_args!("{}", values[row])),
        Cells::I64(values) => write(out, format_args!("{}", values[row])),
        Cells::Mac(values) => write_mac(values[row], out),
        Cells::Seconds(values) => write_time(1000 * i64::from(values[row]), out),
        Cells::Millis(values) => write_time(values[row], out),
        Cells::Addr(values) => write_address(Ipv6Addr::from(values[row]), out),
        Cells::Text(text) => write_string(text.get(row), out),
        Cells::Labels(labels) => write_labels(labels.get(row), out),
        Cells::Map(raw) => write_map(raw, row, out),
    }
}

fn write_address(address: Ipv6Addr, out: &mut Vec<u8>) {
    match address.to_ipv4_mapped() {
        Some(v4) => write(out, format_args!("\"{v4}\"")),
        None => write(out, format_args!("\"{address}\"")),
    }
}

fn write_mac(address: u64, out: &mut Vec<u8>) {
    let [_, _, a, b, c, d, e, f] = address.to_be_bytes();
    write(out, format_args!("\"{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}\""));
}

fn write_labels(labels: &[u32], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, label) in labels.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        write(out, format_args!("{separator}{label}"));
    }
    out.push(b']');
}

fn write_map(raw: &Raw, row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in raw.get(row).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_string(value, out);
    }
    out.push(b'}');
}

fn write_time(millis: i64, out: &mut Vec<u8>) {
    write(out, format_args!("\"{}\"", Utc(millis)));
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Block;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MAX, "292278994-08-17T07:12:55.807Z"),
        ] {
            assert_eq!(text(|out| write_time(millis, out)), format!("\"{expected}\""));
        }
    }

    #[test]
    fn strings_are_escaped() {
        for (value, expected) in [
            ("", r#""""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t\u{0}\u{1f}\u{7f}", r#""\n\r\t\u0000\u001f\u007f""#),
            ("Zürich 東京", "\"Zürich 東京\""),
        ] {
            assert_eq!(text(|out| write_string(value, out)), expected);
            assert_eq!(serde_json::from_str::<String>(expected).unwrap(), value);
        }
    }

    fn row_of(block: &Block, table: &str, row: usize) -> serde_json::Value {
        let part = block.parts().find(|part| part.table().name == table).unwrap();
        let text = text(|out| write_row(part, row, out));
        let columns = part.table().columns.len() + usize::from(table != "flows");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().unwrap().len(), columns, "{text}");
        value
    }

    #[test]
    fn rows_of_other_tables_say_which_table_it_is() {
        let mut block = Block::default();
        block.decoded.nat_events.resize(1);
        block.decoded.nat_events.event[0] = 16;
        block.nat_exporter_name.resize(1);
        block.decoded.interface_counters.resize(2);
        block.decoded.interface_counters.if_oper_up[1] = 1;
        let event = row_of(&block, "nat_events", 0);
        assert_eq!((&event["table"], &event["event"]), (&"nat_events".into(), &16.into()));
        assert_eq!((&event["event_name"], &event["exporter_name"]), (&"port block allocation".into(), &"".into()));
        let counters = row_of(&block, "interface_counters", 1);
        assert_eq!((&counters["table"], &counters["exporter_name"]), (&"interface_counters".into(), &().into()));
        assert_eq!((&counters["if_oper_up"], &counters["if_admin_up"]), (&true.into(), &false.into()));
        let lines = text(|out| block.parts().for_each(|part| write_rows(part, out)));
        assert_eq!(lines.lines().count(), 3);
    }

    #[test]
    fn every_column_is_there_under_its_name() {
        let mut block = Block::default();
        block.decoded.flows.resize(2);
        block.decoded.flows.received_ms[1] = 1_767_323_045_678;
        block.decoded.flows.src_addr[1] = "::ffff:192.0.2.7".parse::<Ipv6Addr>().unwrap().octets();
        block.decoded.flows.dst_addr[1] = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        block.decoded.flows.src_mac[1] = 0x0011_2233_44ff;
        block.decoded.flows.direction[0] = 77;
        block.decoded.flows.direction[1] = 2;
        block.decoded.flows.bytes[1] = u64::MAX;
        block.decoded.flows.mpls_labels.values.extend([16, 1_048_575]);
        block.decoded.flows.mpls_labels.ends[1] = 2;
        for text in [&mut block.exporter_name, &mut block.src.country, &mut block.src.city, &mut block.src.as_name] {
            let key = text.key("a \"name\"");
            text.resize(1);
            text.push(key);
        }
        block.src.asn.fill_to(2, u32::MAX);

        let raw = &mut block.decoded.flows.raw;
        for (name, value) in [("9/1", "x"), ("someElement", "\"y\"")] {
            let key = raw.names.key(name);
            raw.names.push(key);
            raw.values.push(value.into());
        }
        raw.ends[1] = 2;

        let row = row_of(&block, "flows", 1);
        for (name, expected) in [
            ("time_received", serde_json::json!("2026-01-02T03:04:05.678Z")),
            ("src_addr", serde_json::json!("192.0.2.7")),
            ("dst_addr", serde_json::json!("2001:db8::1")),
            ("next_hop", serde_json::json!("::")),
            ("src_mac", serde_json::json!("00:11:22:33:44:ff")),
            ("direction", serde_json::json!("egress")),
            ("sampling_source", serde_json::json!("none")),
            ("bytes", serde_json::json!(u64::MAX)),
            ("mpls_labels", serde_json::json!([16, 1_048_575])),
            ("exporter_name", serde_json::json!("a \"name\"")),
            ("src_geo_as", serde_json::json!(u32::MAX)),
            ("dst_country", serde_json::Value::Null),
            ("raw", serde_json::json!({ "9/1": "x", "someElement": "\"y\"" })),
        ] {
            assert_eq!(row[name], expected, "{name}");
        }
        let first = row_of(&block, "flows", 0);
        assert_eq!(first["raw"], serde_json::json!({}));
        assert_eq!((&first["direction"], &first["mpls_labels"]), (&"unknown".into(), &serde_json::json!([])));
    }
}
