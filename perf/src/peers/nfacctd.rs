//! pmacct's collector with its print plugin, and the file that it writes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use serde_json::json;

use super::account::Account;
use super::contender::{Amount, Place, Running, Stored};
use super::floor::Listener;
use super::load::Sent;
use crate::rig::{Child, Pair, Scratch};

const PORT: u16 = 9996;
/// Bytes of the queue between its two processes, and of what is put in at a time: "a ratio between 1:100 and 1:1000 is considered
/// good practice".
const QUEUE_BYTES: u64 = 67_108_864;
const PIECE_BYTES: u64 = 131_072;
/// Buckets of the table of sums, a prime number: enough for the half million that a load of 20 000 different datagrams may make, by the
/// proportion that its documents advise (259991 for two millions). More would cost it memory that it has to touch.
const BUCKETS: u64 = 65_537;
/// What flows with the same values of become one line.
const AGGREGATE: &str = "peer_src_ip, src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, out_iface, src_as, \
    dst_as, src_mask, dst_mask, flows";

pub(super) const STORES: &str = "Sums, not flows: bytes, packets and flows by exporter, addresses, ports, protocol, TOS, flags, \
    interfaces, AS numbers and prefix lengths (print plugin), a CSV file on tmpfs at the end. No times, next hop, VLANs, MAC \
    addresses. nfacctd_pipe_size as large as the others' buffers, plugin_pipe_size 64 MiB, plugin_buffer_size 128 KiB, \
    print_cache_entries 65537, in proportion to what is advised for two million lines. Its sum of flows is what counts as stored.";

struct Started<'p> {
    listener: Listener<'p>,
    directory: Scratch,
}

/// What its file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    lines: u64,
    flows: u64,
}

pub(super) fn start<'p>(place: &'p Place, account: &'p Account) -> Result<Box<dyn Running + 'p>> {
    let directory = Scratch::new(Some(&place.directory))?;
    let file = directory.path().join("nfacctd.conf");
    let text = configuration(&directory.path().join("flows.csv"), place.buffer_bytes);
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = account.command(&place.pair.receiver, "nfacctd");
    command.arg("-f").arg(&file);
    let child = Child::spawn("nfacctd", command, Some(place.core))?;
    let listener = Listener::new(child, PORT, place, account)?;
    Ok(Box::new(Started { listener, directory }))
}

fn configuration(output: &Path, buffer_bytes: u64) -> String {
    let output = output.display().to_string();
    let plugin: [(&str, &dyn std::fmt::Display); 7] = [
        ("aggregate", &AGGREGATE),
        ("print_output", &"csv"),
        ("print_output_file", &output),
        // Past the end of any run: it writes when it is told to end.
        ("print_refresh_time", &86_400),
        ("print_cache_entries", &BUCKETS),
        ("plugin_pipe_size", &QUEUE_BYTES),
        ("plugin_buffer_size", &PIECE_BYTES),
    ];
    let mut text = format!(
        "daemonize: false\nnfacctd_ip: {}\nnfacctd_port: {PORT}\nnfacctd_pipe_size: {buffer_bytes}\nplugins: print[flows]\n",
        Pair::RECEIVER
    );
    for (key, value) in plugin {
        let _ = writeln!(text, "{key}[flows]: {value}");
    }
    text
}

impl Running for Started<'_> {
    fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    fn settle(&mut self, _sent: Sent) -> Result<()> {
        self.listener.settle()
    }

    fn stop(self: Box<Self>) -> Result<Stored> {
        let socket_drops = self.listener.drops()?;
        let log = self.listener.end(Signal::SIGINT)?;
        let path = self.directory.path().join("flows.csv");
        let file = File::open(&path).with_context(|| format!("nfacctd wrote no {}: {log}", path.display()))?;
        let bytes = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?.len();
        let sums = sum_up(BufReader::new(file))?;
        let missing = log.lines().filter(|line| line.contains("missing data detected")).count();
        let counters = json!({
            "lines": sums.lines, "flows": sums.flows, "file_bytes": bytes, "missing_data_detected": missing,
        });
        Ok(Stored { what: Amount::Flows(sums.flows), socket_drops, counters })
    }
}

/// Sums up the column of flows of its file, whose first line has the names.
fn sum_up(file: impl BufRead) -> Result<Sums> {
    let mut lines = file.lines();
    let names = lines.next().context("nfacctd wrote an empty file")?.context("cannot read what nfacctd wrote")?;
    let column = names.split(',').position(|name| name == "FLOWS").context("nfacctd wrote no FLOWS")?;
    let mut sums = Sums::default();
    for line in lines {
        let line = line.context("cannot read what nfacctd wrote")?;
        let flows = line.split(',').nth(column).and_then(|field| field.parse::<u64>().ok());
        sums.flows += flows.with_context(|| format!("nfacctd wrote a line without flows: {line}"))?;
        sums.lines += 1;
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_summed_up() {
        let check = |text: &str, expected: Option<(u64, u64)>| {
            let found = sum_up(text.as_bytes()).ok().map(|sums| (sums.lines, sums.flows));
            assert_eq!(found, expected, "{text}");
        };
        let names = "SRC_AS,DST_AS,PEER_SRC_IP,IN_IFACE,OUT_IFACE,SRC_IP,DST_IP,SRC_MASK,DST_MASK,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,\
            TOS,PACKETS,FLOWS,BYTES";
        let one = "0,0,127.0.0.1,15,25,10.0.0.13,10.0.0.7,16,14,443,41606,20,tcp,0,1,1,109";
        let two = "0,0,127.0.0.1,38,28,10.0.0.1,198.18.0.1,23,23,63480,443,0,udp,0,9,4,216";
        check(&format!("{names}\n{one}\n{two}\n"), Some((2, 5)));
        check(&format!("{names}\n"), Some((0, 0)));
        check(&format!("{names}\n{one}\n0,0,127.0\n"), None);
        check("PACKETS,BYTES\n1,2\n", None);
        check("", None);
    }

    #[test]
    fn the_configuration_has_its_buffers() {
        let text = configuration(Path::new("/dev/shm/x/flows.csv"), 1000);
        for line in [
            "nfacctd_pipe_size: 1000\n",
            "plugins: print[flows]\n",
            "print_output_file[flows]: /dev/shm/x/flows.csv\n",
            "plugin_buffer_size[flows]: 131072\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let queue_per_piece = QUEUE_BYTES / PIECE_BYTES;
        assert!((100..=1000).contains(&queue_per_piece), "{queue_per_piece}");
    }
}
