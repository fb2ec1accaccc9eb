//! What is written into captures, as a reader sees it that nobody here wrote: `tshark`. Says so when it is not installed.

use std::process::Command;

use serde_json::Value;

const TO_PORT: &str = "2055";

/// A file that goes when dropped.
struct Capture(String);

impl Capture {
    fn new(name: &str) -> Self {
        let name = format!("perf-tshark-{}-{name}.pcap", std::process::id());
        Self(std::env::temp_dir().join(name).display().to_string())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The fields of each packet; `None` without tshark.
fn dissected(file: &str, protocol: &str, fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let decode = format!("udp.port=={TO_PORT},{protocol}");
    let mut command = Command::new("tshark");
    command.args(["-r", file, "-d", &decode, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]);
    command.args(["-T", "fields"]).args(fields.iter().flat_map(|field| ["-e", field]));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: tshark is not installed");
            return None;
        }
        Err(error) => panic!("tshark does not run: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn write(capture: &Capture, line: &str) -> Value {
    let ends = if line.contains("--six") {
        ["[2001:db8::ff]:2055", "2001:db8::1/64"]
    } else {
        ["192.0.2.200:2055", "192.0.2.1/24"]
    };
    let output = Command::new(env!("CARGO_BIN_EXE_perf"))
        .args(["send", "--to", ends[0], "--from", ends[1], "--no-send", "--write", &capture.0])
        .args(line.replace("--six", "").split_whitespace())
        .output()
        .expect("perf runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// Values of a field that a packet may have several of.
fn count(field: &str) -> u64 {
    field.split(',').filter(|value| !value.is_empty()).count() as u64
}

#[test]
fn flows_are_dissected() {
    // The sixty fields have random bytes in elements of vendors, which tshark takes for texts and numbers of its own.
    let versions = [("v5", 5), ("vyos", 9), ("cisco-fnf", 9), ("ios-xr", 9), ("asa", 9), ("ipfix", 10)];
    let ways =
        ["", "--preload 12 --templates-first", "--preload 12 --templates 5 --six", "--payload 1000 --records 30"];
    let fields = ["ip.checksum.status", "udp.checksum.status", "cflow.version", "cflow.sequence", "cflow.srcaddr"];
    let fields = [&fields[..], &["cflow.srcaddrv6", "_ws.malformed", "udp.srcport"]].concat();
    for (version, number) in versions {
        for way in ways {
            let capture = Capture::new(version);
            let case =
                format!("--version {version} --exporters 3 --records 6 --datagrams 40 --rate 100 --udp-checksum {way}");
            let case = if way.contains("--records") { case.replace("--records 6", "") } else { case };
            let told = write(&capture, &case);
            let Some(packets) = dissected(&capture.0, "cflow", &fields) else { return };
            let datagrams = [&told["sent"], &told["templates_first"]].map(|of| of["datagrams"].as_u64().unwrap_or(0));
            assert_eq!(packets.len() as u64, datagrams.iter().sum::<u64>(), "{case}");
            let mut flows = 0;
            let mut next = std::collections::HashMap::new();
            for packet in &packets {
                let [ip, udp, found, sequence, four, six, malformed, exporter] = &packet[..] else {
                    panic!("{packet:?}")
                };
                assert_eq!((udp.as_str(), malformed.as_str()), ("1", ""), "{case}: {packet:?}");
                assert_eq!(ip, if way.contains("--six") { "" } else { "1" }, "{case}");
                assert_eq!(found, &number.to_string(), "{case}");
                let records = count(four) + count(six);
                flows += records;
                let sequence: u64 = sequence.parse().expect("a number");
                assert_eq!(next.get(exporter).copied().unwrap_or(0), sequence, "{case}: {packet:?}");
                next.insert(exporter.clone(), sequence + if number == 9 { 1 } else { records });
            }
            assert_eq!(told["sent"]["flows"], flows, "{case}");
        }
    }
}

#[test]
fn samples_are_dissected() {
    for way in ["", "--preload 12", "--six"] {
        let capture = Capture::new("sflow");
        let case = format!("--version sflow --exporters 2 --records 4 --datagrams 30 --udp-checksum {way}");
        let told = write(&capture, &case);
        let fields = ["udp.srcport", "sflow_245.sequence_number", "sflow.flow_sample.sequence_number", "_ws.malformed"];
        let Some(packets) = dissected(&capture.0, "sflow", &fields) else { return };
        assert_eq!(told["sent"]["datagrams"], packets.len(), "{case}");
        let mut next = std::collections::HashMap::new();
        for packet in &packets {
            let [exporter, sequence, samples, malformed] = &packet[..] else { panic!("{packet:?}") };
            assert_eq!(malformed, "", "{case}");
            // Behind it are the ports of the sampled packets.
            let exporter = exporter.split(',').next().expect("a port").to_owned();
            let (datagrams, sampled) = next.entry(exporter).or_insert((0_u64, 0_u64));
            assert_eq!(sequence, &datagrams.to_string(), "{case}");
            for sample in samples.split(',') {
                *sampled += 1;
                assert_eq!(sample, sampled.to_string(), "{case}");
            }
            *datagrams += 1;
        }
    }
}
