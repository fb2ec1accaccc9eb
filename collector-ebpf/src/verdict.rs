//! Verdicts: one name, one counter and one metric label for each thing that can happen to a frame.
//!
//! [`Verdict::Steered`] takes a frame from the kernel; [`Verdict::NotAllowed`] and [`Verdict::RateLimited`], which only datagrams to
//! this machine and ports of ours can get, drop it. All others leave it there, so a frame that the program cannot read reaches whoever would
//! have had it without the program.

/// What the XDP program decided about a frame. The number is the index of its counter in the map [`crate::maps::VERDICTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Verdict {
    /// A datagram to this machine and a port of ours, redirected to an AF_XDP socket.
    Steered = 0,
    /// UDP to a port that is not ours.
    OtherPort = 1,
    /// A datagram of ours, but its slot holds no socket bound to this queue.
    NoSocket = 2,
    /// UDP in a frame that the umem cannot take whole (segmentation offload, jumbo frames).
    Oversize = 3,
    /// Neither IPv4 nor IPv6 (ARP, LLDP, ...).
    NotIp = 4,
    /// IP, but not UDP.
    NotUdp = 5,
    /// More VLAN tags than the walk follows.
    VlanDepth = 6,
    /// A fragment of a datagram, the first one too: only the kernel puts them together.
    Fragment = 7,
    /// IPv6 extension headers in front of what the frame carries.
    ExtensionHeader = 8,
    /// The frame ends before its headers say.
    Truncated = 9,
    /// A length or version field that contradicts another.
    Malformed = 10,
    /// A datagram of ours from an exporter in none of the allowed prefixes: dropped.
    NotAllowed = 11,
    /// A datagram of ours from an exporter that sends faster than it may: dropped.
    RateLimited = 12,
    /// A datagram to a port of ours in a frame whose destination MAC is not the interface's: a switch floods it, or a mirror
    /// port copies it.
    OtherMac = 13,
    /// A datagram to a port of ours whose destination address is not this machine's: it passes through, or is meant for a
    /// multicast group that nobody here joined.
    OtherAddress = 14,
}

impl Verdict {
    /// How many verdicts there are: the size of the counter map.
    pub const COUNT: usize = Self::ALL.len();

    /// Every verdict, each at the index that is its number.
    pub const ALL: [Self; 15] = [
        Self::Steered,
        Self::OtherPort,
        Self::NoSocket,
        Self::Oversize,
        Self::NotIp,
        Self::NotUdp,
        Self::VlanDepth,
        Self::Fragment,
        Self::ExtensionHeader,
        Self::Truncated,
        Self::Malformed,
        Self::NotAllowed,
        Self::RateLimited,
        Self::OtherMac,
        Self::OtherAddress,
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Steered => "steered",
            Self::OtherPort => "other_port",
            Self::NoSocket => "no_socket",
            Self::Oversize => "oversize",
            Self::NotIp => "not_ip",
            Self::NotUdp => "not_udp",
            Self::VlanDepth => "vlan_depth",
            Self::Fragment => "fragment",
            Self::ExtensionHeader => "extension_header",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::RateLimited => "rate_limited",
            Self::OtherMac => "other_mac",
            Self::OtherAddress => "other_address",
        }
    }

    /// The index of the verdict's counter.
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_stands_at_its_own_index_and_has_its_own_label() {
        for (index, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(verdict.index() as usize, index);
            let namesakes = Verdict::ALL.iter().filter(|other| other.label() == verdict.label()).count();
            assert_eq!(namesakes, 1, "{verdict:?}");
        }
    }
}
