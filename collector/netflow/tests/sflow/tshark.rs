//! The innermost packet as another program finds it: what `tshark` shows last of a frame's addresses and ports is what its row has.
//! Says so when it is not installed.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::carriers::{CONTROLLED, Carrier, PLAIN, labels, links, tunnels};
use crate::columns;
use crate::encoder::{datagram, flow, header};

const FIELDS: [&str; 6] = ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport"];

/// A capture file that is removed again.
struct Capture(PathBuf);

impl Capture {
    fn of(link: u32, frames: &[&[u8]]) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("netflow-tshark-{}-{number}.pcap", std::process::id()));
        let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0], [0; 4], [0; 4], [0, 0, 4, 0]].concat();
        file.extend(link.to_le_bytes());
        for frame in frames {
            let length = u32::try_from(frame.len()).expect("short").to_le_bytes();
            file.extend([[0; 4], [0; 4], length, length].concat());
            file.extend(*frame);
        }
        std::fs::write(&path, file).expect("the folder can be written");
        Self(path)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The last value of each field of each frame; `None` without tshark.
pub(crate) fn tshark(link: u32, frames: &[&[u8]]) -> Option<Vec<Vec<String>>> {
    let capture = Capture::of(link, frames);
    let mut command = Command::new("tshark");
    // A label tells tshark nothing either, which asks its user what is under it.
    command.args(["-d", &format!("mpls.label=={PLAIN},pwethnocw"), "-d", &format!("mpls.label=={CONTROLLED},pwethcw")]);
    command.arg("-r").arg(&capture.0).args(["-T", "fields", "-E", "occurrence=l", "-E", "separator=/t"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("SKIPPED: tshark is not installed");
            return None;
        }
        Err(error) => panic!("tshark does not run: {error}"),
    };
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn carriers() -> impl Iterator<Item = Carrier> {
    links().into_iter().chain(labels()).chain(tunnels())
}

/// Source, destination and ports of the row, as text.
fn row(carrier: &Carrier) -> [String; 4] {
    let (columns, report) = columns(&datagram(&[flow(&[header(carrier.protocol, &carrier.frame)])]));
    assert_eq!((columns.len(), report.malformed()), (1, 0), "{}: {report:?}", carrier.name);
    let ip = |address| Ipv6Addr::from(address).to_canonical().to_string();
    let (source, destination) = (ip(columns.src_addr[0]), ip(columns.dst_addr[0]));
    [source, destination, columns.src_port[0].to_string(), columns.dst_port[0].to_string()]
}

#[test]
fn every_carrier_is_opened() {
    for carrier in carriers() {
        let [source, destination, source_port, destination_port] = row(&carrier);
        let name = carrier.name;
        assert!(matches!(source.as_str(), "10.0.0.3" | "fd00::3"), "{name}: from {source}");
        assert!(matches!(destination.as_str(), "10.0.0.4" | "fd00::4"), "{name}: to {destination}");
        assert_eq!((source_port.as_str(), destination_port.as_str()), ("40000", "443"), "{name}");
    }
}

#[test]
fn tshark_finds_the_same_packets() {
    let mut of_link = BTreeMap::<u32, Vec<Carrier>>::new();
    for carrier in carriers() {
        if carrier.is_for_tshark {
            of_link.entry(carrier.link).or_default().push(carrier);
        }
    }
    let (mut compared, mut wrong) = (0, Vec::new());
    for (link, carriers) in of_link {
        let frames: Vec<&[u8]> = carriers.iter().map(|carrier| carrier.frame.as_slice()).collect();
        let Some(found) = tshark(link, &frames) else { return };
        assert_eq!(found.len(), carriers.len(), "link type {link}");
        for (carrier, found) in carriers.iter().zip(found) {
            compared += 1;
            let [four_source, four_destination, six_source, six_destination, source_port, destination_port] =
                found.try_into().unwrap_or_else(|found| panic!("{}: {found:?}", carrier.name));
            let [source, destination, ports @ ..] = row(carrier);
            let is_four = source.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4());
            let theirs = if is_four { [four_source, four_destination] } else { [six_source, six_destination] };
            if theirs != [source.clone(), destination.clone()]
                || ports != [source_port.clone(), destination_port.clone()]
            {
                wrong.push(format!(
                    "{}: ours {source} {destination} {ports:?}, tshark's {theirs:?} {source_port} {destination_port}",
                    carrier.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 70, "only {compared}");
}
