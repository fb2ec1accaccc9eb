//! Numbered flows: each sender is an exporter with an address of its own on loopback, and counts its datagrams in each round. A flow
//! says in its fields in which round and in which datagram it was sent.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};

use crate::server::Server;

/// Flow records in each datagram.
pub(crate) const RECORDS: u32 = 10;

/// One exporter. It sends NetFlow v9.
pub(crate) struct Sender {
    address: Ipv4Addr,
    socket: UdpSocket,
    port: u16,
    sequence: u32,
}

impl Sender {
    /// The exporter 127.0.0.`host`, which sends to `port`.
    pub(crate) fn new(host: u8, port: u16) -> Self {
        let address = Ipv4Addr::new(127, 0, 0, host);
        Self { address, socket: UdpSocket::bind((address, 0)).expect("loopback has it"), port, sequence: 0 }
    }

    /// Announces its template: source address, destination port, octets, packets.
    pub(crate) fn send_template(&mut self) {
        let template: [u16; 10] = [300, 4, 8, 4, 11, 2, 1, 4, 2, 4];
        let set: Vec<u8> = template.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.send(0, &set);
    }

    /// Sends the datagram `number` of `round`. Octets are the datagram's number, the destination port is the round, packets number
    /// the records.
    pub(crate) fn send_data(&mut self, round: u16, number: u32) {
        let mut set = Vec::new();
        for record in 1..=RECORDS {
            set.extend([10, 0, 0, 1]);
            set.extend(round.to_be_bytes());
            set.extend(number.to_be_bytes());
            set.extend(record.to_be_bytes());
        }
        self.send(300, &set);
    }

    fn send(&mut self, set_id: u16, set: &[u8]) {
        let padding = set.len().next_multiple_of(4) - set.len();
        let length = u16::try_from(4 + set.len() + padding).expect("a small set");
        let mut bytes = [9u16.to_be_bytes(), 1u16.to_be_bytes()].concat();
        for field in [60_000, 1_700_000_000, self.sequence, 7] {
            bytes.extend(field.to_be_bytes());
        }
        self.sequence += 1;
        bytes.extend(set_id.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(set);
        bytes.resize(bytes.len() + padding, 0);
        self.socket.send_to(&bytes, (Ipv4Addr::LOCALHOST, self.port)).expect("send over loopback");
    }

    /// Its address as the tables have it.
    pub(crate) fn stored_address(&self) -> String {
        format!("::ffff:{}", self.address)
    }
}

/// What is stored of each sender's rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Datagrams of which there are rows.
    pub(crate) datagrams: u32,
    /// Number of the first and of the last of them.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Rows.
    pub(crate) rows: u32,
    /// Rows that differ from all others.
    pub(crate) different: u32,
}

/// Reads what is stored, by exporter and round.
pub(crate) fn stored(server: &Server) -> BTreeMap<(String, u16), Stored> {
    let text = server.sql(
        "SELECT toString(exporter_address), dst_port, uniqExact(bytes), min(bytes), max(bytes), count(), uniqExact(bytes, packets)
         FROM collector.flows GROUP BY exporter_address, dst_port FORMAT TSV",
    );
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |index: usize| fields[index].parse::<u32>().unwrap_or_else(|_| panic!("{line}"));
        let round = u16::try_from(number(1)).expect("a round");
        let stored =
            Stored { datagrams: number(2), first: number(3), last: number(4), rows: number(5), different: number(6) };
        ((fields[0].to_owned(), round), stored)
    };
    text.lines().map(row).collect()
}

impl Stored {
    /// Checks that each datagram from the first that was sent to the last that was stored is there, whole and once.
    #[track_caller]
    pub(crate) fn check(&self, name: &str) {
        let whole = Self {
            datagrams: self.last,
            first: 1,
            last: self.last,
            rows: self.last * RECORDS,
            different: self.last * RECORDS,
        };
        assert_eq!(*self, whole, "{name}");
    }
}
