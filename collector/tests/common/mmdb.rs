//! MaxMind DB files made in a test.

use mmdb_writer::ipnet::IpNet;
use mmdb_writer::{Value, Writer};

/// The bytes of a file that calls itself `kind`, with one record for each network, each record the JSON that `mmdblookup` would show.
pub(crate) fn file(kind: &str, records: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(kind);
    for (network, record) in records {
        let network: IpNet = network.parse().expect("a network");
        let record: serde_json::Value = serde_json::from_str(record).expect("JSON");
        writer.insert_value(network, value(&record)).expect("the network is not reserved");
    }
    writer.to_bytes().expect("it fits a file")
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Object(map) => Value::map(map.iter().map(|(key, inner)| (key.as_str(), value(inner)))),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match number.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64().expect("a number")),
        },
        serde_json::Value::Array(_) | serde_json::Value::Null => panic!("not needed here: {json}"),
    }
}
