//! What a question can group by and filter on. Each dimension is a column of that name in the rollups that have it, and an
//! expression over the columns of `flows`.

/// What traffic can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dimension {
    Exporter,
    /// Either interface of a flow, with the direction.
    Interface,
    InInterface,
    OutInterface,
    /// Either end's address.
    Host,
    SrcAddress,
    DstAddress,
    SrcPort,
    DstPort,
    Protocol,
    /// The port of the side that serves.
    ServicePort,
    SrcAs,
    DstAs,
    SrcCountry,
    DstCountry,
    SrcNetwork,
    DstNetwork,
    SrcCustomer,
    DstCustomer,
}

impl Dimension {
    /// Its column, in rollups and in answers.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Exporter => "exporter_address",
            Self::Interface => "if_index",
            Self::InInterface => "in_if",
            Self::OutInterface => "out_if",
            Self::Host => "address",
            Self::SrcAddress => "src_addr",
            Self::DstAddress => "dst_addr",
            Self::SrcPort => "src_port",
            Self::DstPort => "dst_port",
            Self::Protocol => "protocol",
            Self::ServicePort => "port",
            Self::SrcAs => "src_as",
            Self::DstAs => "dst_as",
            Self::SrcCountry => "src_country",
            Self::DstCountry => "dst_country",
            Self::SrcNetwork => "src_network",
            Self::DstNetwork => "dst_network",
            Self::SrcCustomer => "src_customer",
            Self::DstCustomer => "dst_customer",
        }
    }

    /// The same over the columns of `flows`, whose alias is `f`.
    pub(super) fn of_flows(self) -> &'static str {
        match self {
            Self::Exporter => "f.exporter_address",
            Self::Interface => "arrayJoin([f.in_if, f.out_if])",
            Self::InInterface => "f.in_if",
            Self::OutInterface => "f.out_if",
            // A host that speaks to itself counts once.
            Self::Host => "arrayJoin(arrayDistinct([f.src_addr, f.dst_addr]))",
            Self::SrcAddress => "f.src_addr",
            Self::DstAddress => "f.dst_addr",
            Self::SrcPort => "f.src_port",
            Self::DstPort => "f.dst_port",
            Self::Protocol => "f.protocol",
            Self::ServicePort => SERVICE_PORT,
            Self::SrcAs => "if(f.src_as = 0, f.src_geo_as, f.src_as)",
            Self::DstAs => "if(f.dst_as = 0, f.dst_geo_as, f.dst_as)",
            Self::SrcCountry => "f.src_country",
            Self::DstCountry => "f.dst_country",
            Self::SrcNetwork => "f.src_network",
            Self::DstNetwork => "f.dst_network",
            Self::SrcCustomer => "f.src_customer",
            Self::DstCustomer => "f.dst_customer",
        }
    }
}

/// The lower port that is not 0, of protocols that have ports: TCP, UDP, DCCP, SCTP, UDP-Lite. The same as in `service_5m`.
const SERVICE_PORT: &str = "if(f.protocol IN (6, 17, 33, 132, 136), \
     if(least(f.src_port, f.dst_port) = 0, greatest(f.src_port, f.dst_port), least(f.src_port, f.dst_port)), 0)";
