//! One record or sample as it came, as a JSON object: who sent it, the message it was in, and its fields by name in wire order.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::Ipv6Addr;

use netflow::neutral::{self, Names, Value};
use netflow::skew::ClockSkew;
use netflow::template::Kind;
use netflow::{Header, Record, Sample, Visit, sflow};

use crate::batch::json::write_string;

/// Writes what is in a datagram, one object a line.
pub(super) struct Lines<'a> {
    /// Number of the packet in the capture that the datagram ended with.
    pub(super) packet: u64,
    /// The same of earlier datagrams with data sets that were held.
    pub(super) held: &'a HeldPackets,
    /// Which names fields of vendors get.
    pub(super) names: Names,
    /// The lines so far.
    pub(super) out: &'a mut Vec<u8>,
}

impl Visit for Lines<'_> {
    fn record(&mut self, record: Record<'_>) {
        write_record(&record, self.packet, "", self.names, self.out);
        self.out.push(b'\n');
    }

    fn late_record(&mut self, record: Record<'_>) {
        let packet = self.held.packet_of(record.header).unwrap_or(self.packet);
        write_record(&record, packet, ",\"late\":true", self.names, self.out);
        self.out.push(b'\n');
    }

    fn sample(&mut self, sample: Sample<'_>) {
        write_sample(&sample, self.packet, self.names, self.out);
        self.out.push(b'\n');
    }
}

/// Which packets had data sets before their template, by receive time. Headers do not tell datagrams apart: devices send
/// several in a millisecond with the same sequence number. So no two get the same time, see [`HeldPackets::tell_apart`].
#[derive(Debug, Default)]
pub(super) struct HeldPackets {
    packets: HashMap<i64, u64>,
    last_ms: Option<i64>,
}

impl HeldPackets {
    /// The receive time of the next datagram, milliseconds since 1970: moved to behind that of the one before, if need be.
    pub(super) fn tell_apart(&mut self, received_ms: i64) -> i64 {
        let received_ms = self.last_ms.map_or(received_ms, |last_ms| received_ms.max(last_ms.saturating_add(1)));
        self.last_ms = Some(received_ms);
        received_ms
    }

    /// Notes the packet of a message of which sets were held.
    pub(super) fn note(&mut self, received_ms: i64, packet: u64) {
        self.packets.insert(received_ms, packet);
    }

    fn packet_of(&self, header: &Header) -> Option<u64> {
        self.packets.get(&header.received_ms).copied()
    }
}

/// `mark` stands behind the kind.
fn write_record(record: &Record<'_>, packet: u64, mark: &str, names: Names, out: &mut Vec<u8>) {
    let header = record.header;
    let exporter = Ipv6Addr::from(header.exporter).to_canonical();
    put(out, format_args!("{{\"packet\":{packet},\"exporter\":\"{exporter}\",\"version\":{}", header.version));
    match record.template_id {
        Some(id) => put(out, format_args!(",\"template_id\":{id}")),
        None => put(out, format_args!(",\"template_id\":null")),
    }
    put(out, format_args!(",\"domain\":{}", header.domain));
    match record.kind() {
        Kind::Data => put(out, format_args!(",\"kind\":\"data\"")),
        Kind::Options { scope_fields } => {
            put(out, format_args!(",\"kind\":\"options\",\"scope_fields\":{scope_fields}"));
        }
    }
    put(out, format_args!("{mark}"));
    write_header(header, out);
    put(out, format_args!(",\"fields\":"));
    write_object(neutral::fields(record, names).iter().map(|(name, value)| (&**name, value)), out);
    out.push(b'}');
}

/// The flow that its row tells comes apart from the fields, where the fields show another packet: that of a tunnel.
fn write_sample(sample: &Sample<'_>, packet: u64, names: Names, out: &mut Vec<u8>) {
    let header = sample.header;
    let exporter = Ipv6Addr::from(header.exporter).to_canonical();
    let agent = Ipv6Addr::from(header.agent).to_canonical();
    let kind = match sample.kind() {
        sflow::Kind::Flow => "flow",
        sflow::Kind::Counter => "counter",
        sflow::Kind::Drop => "drop",
    };
    put(
        out,
        format_args!(
            "{{\"packet\":{packet},\"exporter\":\"{exporter}\",\"version\":\"sflow{}\",\"template_id\":null",
            header.version
        ),
    );
    put(out, format_args!(",\"domain\":{},\"kind\":\"{kind}\",\"agent\":\"{agent}\"", header.sub_agent));
    put(out, format_args!(",\"sample_type\":\"0/{}\"", sample.format));
    put(out, format_args!(",\"header\":{{\"seq\":{},\"sysUpTime\":{}}}", header.sequence, header.uptime_ms));
    put(out, format_args!(",\"fields\":"));
    write_object(neutral::sample_fields(sample, names).iter().map(|(name, value)| (*name, value)), out);
    if let Some(flow) = neutral::sample_flow(sample) {
        put(out, format_args!(",\"flow\":"));
        write_object(flow.iter().map(|(name, value)| (*name, value)), out);
    }
    out.push(b'}');
}

fn write_object<'a>(fields: impl Iterator<Item = (&'a str, &'a Value<'a>)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in fields.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

/// The header's facts under the words of its protocol; times in seconds since 1970 and milliseconds of uptime.
fn write_header(header: &Header, out: &mut Vec<u8>) {
    put(out, format_args!(",\"header\":{{\"exportTime\":{}", header.export_ms / 1000));
    match header.skew {
        ClockSkew::Small => {}
        ClockSkew::Steady(seconds) => put(out, format_args!(",\"clockSkew\":{seconds}")),
        ClockSkew::Unsteady => put(out, format_args!(",\"clockSkew\":null")),
    }
    // NetFlow v1 has no sequence number.
    if header.version != 1 {
        put(out, format_args!(",\"seq\":{}", header.sequence));
    }
    if let Some(uptime_ms) = header.uptime_ms {
        put(out, format_args!(",\"sysUpTime\":{uptime_ms}"));
    }
    if let Some(count) = header.count {
        put(out, format_args!(",\"count\":{count}"));
    }
    if let Some(sampling) = header.sampling {
        let (mode, interval) = (sampling >> 14, sampling & 0x3fff);
        let (engine_type, engine_id) = (header.domain >> 8, header.domain & 0xff);
        put(out, format_args!(",\"engineType\":{engine_type},\"engineId\":{engine_id}"));
        put(out, format_args!(",\"samplingMode\":{mode},\"samplingInterval\":{interval}"));
    }
    out.push(b'}');
}

fn write_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Unsigned(number) => put(out, format_args!("{number}")),
        Value::Signed(number) => put(out, format_args!("{number}")),
        // JSON has no infinities and no NaN.
        Value::Float(number) if !number.is_finite() => out.extend_from_slice(b"null"),
        Value::Float(number) => put(out, format_args!("{number:?}")),
        Value::Boolean(truth) => put(out, format_args!("{truth}")),
        Value::Text(text) => write_string(text, out),
        Value::Ipv4(address) => put(out, format_args!("\"{address}\"")),
        Value::Ipv6(address) => put(out, format_args!("\"{address}\"")),
        Value::Mac([a, b, c, d, e, f]) => {
            put(out, format_args!("\"{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}\""));
        }
        Value::Bytes(bytes) => {
            out.push(b'"');
            bytes.iter().for_each(|byte| put(out, format_args!("{byte:02x}")));
            out.push(b'"');
        }
        Value::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(value, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => write_object(fields.iter().map(|(name, value)| (*name, value)), out),
        Value::Structured(fields) => write_object(fields.iter().map(|(name, value)| (&**name, value)), out),
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[track_caller]
    fn check(value: &Value<'_>, expected: &str) {
        let mut out = Vec::new();
        write_value(value, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{value:?}");
        serde_json::from_slice::<serde_json::Value>(&out).expect("it is JSON");
    }

    #[test]
    fn values_are_json() {
        check(&Value::Null, "null");
        check(&Value::Unsigned(u64::MAX), "18446744073709551615");
        check(&Value::Signed(i64::MIN), "-9223372036854775808");
        check(&Value::Float(0.5), "0.5");
        check(&Value::Float(1e300), "1e300");
        check(&Value::Float(f64::NAN), "null");
        check(&Value::Boolean(true), "true");
        check(&Value::Text(Cow::Borrowed("a\"\u{1}\u{fffd}")), "\"a\\\"\\u0001\u{fffd}\"");
        check(&Value::Mac([0, 1, 2, 0xab, 0xcd, 0xef]), "\"00:01:02:ab:cd:ef\"");
        check(&Value::Bytes(&[0, 0xff]), "\"00ff\"");
        check(&Value::List(vec![Value::Unsigned(1), Value::Null]), "[1,null]");
        check(&Value::List(Vec::new()), "[]");
        let structured =
            vec![(Cow::Borrowed("a"), Value::List(vec![Value::Null])), (Cow::Borrowed("9/1"), Value::Null)];
        check(&Value::Structured(structured), "{\"a\":[null],\"9/1\":null}");
        check(&Value::Object(vec![("a", Value::Unsigned(1)), ("b", Value::Null)]), "{\"a\":1,\"b\":null}");
    }
}
