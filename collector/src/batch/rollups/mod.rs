//! The rollup tables: sums of flows for one question each, as a block carries them beside the flows they were made of.
//!
//! All have the same sums ([`SumColumns`]): bytes and packets with the sampling rate applied, both as counted, and flows. They are
//! numbers modulo 2^64, as ClickHouse's own products and sums are. Not here: how they are computed (see [`crate::rollup`]).

/// Autonomous systems per 5 minutes.
pub mod as_5m;
/// Countries per 5 minutes.
pub mod country_5m;
/// Hosts per hour.
pub mod hosts_1h;
/// Interfaces per minute.
pub mod interface_1m;
/// Networks and customers per 5 minutes.
pub mod network_5m;
/// Services per 5 minutes.
pub mod service_5m;

use netflow::Text;
use netflow::columns::Address;

use super::{Block, Cells, Table};

/// Lends one column of a block.
type Lend = for<'a> fn(&'a Block) -> Cells<'a>;

/// The rollup tables, in the order of their numbers behind the tables of decoded rows.
pub static TABLES: [&Table; 6] =
    [&interface_1m::TABLE, &as_5m::TABLE, &country_5m::TABLE, &service_5m::TABLE, &network_5m::TABLE, &hosts_1h::TABLE];

/// Where a block keeps each rollup's columns, in the order of [`TABLES`].
pub(super) static CELLS: [&[Lend]; 6] =
    [interface_1m::CELLS, as_5m::CELLS, country_5m::CELLS, service_5m::CELLS, network_5m::CELLS, hosts_1h::CELLS];

/// The rows of all rollups of one block, each in the order of its table.
#[derive(Debug, Clone, Default)]
pub struct Rollups {
    /// Traffic of interfaces per minute.
    pub interface_1m: InterfaceColumns,
    /// Traffic between autonomous systems per 5 minutes.
    pub as_5m: AsColumns,
    /// Traffic between countries per 5 minutes.
    pub country_5m: CountryColumns,
    /// Traffic of services per 5 minutes.
    pub service_5m: ServiceColumns,
    /// Traffic between networks per 5 minutes.
    pub network_5m: NetworkColumns,
    /// Traffic of hosts per hour.
    pub hosts_1h: HostColumns,
}

/// What every rollup has: when, whose, how much.
#[derive(Debug, Clone, Default)]
pub struct SumColumns {
    /// Start of the bucket, seconds since 1970.
    pub time: Vec<u32>,
    /// Exporter address.
    pub exporter: Vec<Address>,
    /// Octets, multiplied by the sampling rate.
    pub bytes: Vec<u64>,
    /// Packets, multiplied by the sampling rate.
    pub packets: Vec<u64>,
    /// Octets as counted by the exporter.
    pub raw_bytes: Vec<u64>,
    /// Packets as counted by the exporter.
    pub raw_packets: Vec<u64>,
    /// Flows that began in the bucket.
    pub flows: Vec<u64>,
}

macro_rules! rollup_columns {
    ($(#[$doc:meta])* $name:ident { $($(#[$column_doc:meta])* $column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            /// When, whose, how much.
            pub sums: SumColumns,
            $($(#[$column_doc])* pub $column: $type,)*
        }

        impl $name {
            /// Forgets the rows, keeps the memory.
            pub fn clear(&mut self) {
                self.sums.clear();
                $(self.$column.clear();)*
            }
        }
    };
}

rollup_columns! {
    /// Rows of `interface_1m`.
    InterfaceColumns {
        /// ifIndex.
        if_index: Vec<u32>,
        /// Its name, as the exporter says.
        if_name: Text,
        /// 0 in, 1 out.
        direction: Vec<u8>,
    }
}

rollup_columns! {
    /// Rows of `as_5m`.
    AsColumns {
        /// Source AS.
        src: Vec<u32>,
        /// Destination AS.
        dst: Vec<u32>,
    }
}

rollup_columns! {
    /// Rows of `country_5m`.
    CountryColumns {
        /// Source country.
        src: Text,
        /// Destination country.
        dst: Text,
    }
}

rollup_columns! {
    /// Rows of `service_5m`.
    ServiceColumns {
        /// IP protocol.
        protocol: Vec<u8>,
        /// The service's port.
        port: Vec<u16>,
    }
}

rollup_columns! {
    /// Rows of `network_5m`.
    NetworkColumns {
        /// Customer of the source network.
        src_customer: Text,
        /// Source network.
        src_network: Text,
        /// Customer of the destination network.
        dst_customer: Text,
        /// Destination network.
        dst_network: Text,
    }
}

rollup_columns! {
    /// Rows of `hosts_1h`.
    HostColumns {
        /// The host.
        address: Vec<Address>,
        /// 0 sent, 1 received.
        direction: Vec<u8>,
    }
}

impl Rollups {
    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.interface_1m.clear();
        self.as_5m.clear();
        self.country_5m.clear();
        self.service_5m.clear();
        self.network_5m.clear();
        self.hosts_1h.clear();
    }

    /// The sums of a rollup, by its place in [`TABLES`].
    pub(super) fn sums(&self, rollup: usize) -> &SumColumns {
        match rollup {
            0 => &self.interface_1m.sums,
            1 => &self.as_5m.sums,
            2 => &self.country_5m.sums,
            3 => &self.service_5m.sums,
            4 => &self.network_5m.sums,
            _ => &self.hosts_1h.sums,
        }
    }
}

impl SumColumns {
    fn clear(&mut self) {
        self.time.clear();
        self.exporter.clear();
        for sums in [&mut self.bytes, &mut self.packets, &mut self.raw_bytes, &mut self.raw_packets, &mut self.flows] {
            sums.clear();
        }
    }
}
