//! What happened while decoding, counted by name: nothing is given up without one of these.
//!
//! Plain numbers; whoever calls merges and publishes them.

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $label:literal $class:ident;)*) => {
        /// One thing that is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            /// Every event, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name for metrics and logs.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// Whether it is ordinary, a remark, a loss, or a sign of a broken datagram.
            #[must_use]
            pub fn class(self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)*
                }
            }
        }
    };
}

/// What an [`Event`] means for who looks after the exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Work done.
    Ordinary,
    /// Something decoded that was not as it should be.
    Noted,
    /// Well-formed bytes that could not be used.
    Unused,
    /// A sampled packet whose row is of less than what it carries.
    Unopened,
    /// Bytes that break the protocol; given up.
    Malformed,
}

events! {
    /// A NetFlow v1 datagram.
    DatagramV1 "datagram_v1" Ordinary;
    /// A NetFlow v5 datagram.
    DatagramV5 "datagram_v5" Ordinary;
    /// A NetFlow v7 datagram.
    DatagramV7 "datagram_v7" Ordinary;
    /// A NetFlow v9 datagram.
    DatagramV9 "datagram_v9" Ordinary;
    /// An IPFIX message.
    DatagramIpfix "datagram_ipfix" Ordinary;
    /// An sFlow datagram.
    DatagramSflow "datagram_sflow" Ordinary;
    /// A flow record decoded; an sFlow flow sample is one.
    FlowRecord "flow_record" Ordinary;
    /// An options data record decoded.
    OptionsRecord "options_record" Ordinary;
    /// An sFlow flow sample; a flow record too.
    FlowSample "flow_sample" Ordinary;
    /// An sFlow counter sample.
    CounterSample "counter_sample" Ordinary;
    /// An sFlow notification of a discarded packet.
    DropSample "drop_sample" Ordinary;
    /// A row of flows for the other direction of a record that tells of both: one more than flow records.
    ReverseRow "reverse_row" Ordinary;
    /// A flow record that tells of address translation alone: it has a row among the NAT events and none among the flows.
    NatEvent "nat_event" Ordinary;
    /// A row of NAT events of a flow record that has its row among the flows too.
    Translation "translation" Ordinary;
    /// A record of an sFlow flow sample in a format that is known and that no column takes.
    SampleRecordUnused "sample_record_unused" Ordinary;
    /// A row of interface counters.
    InterfaceCounters "interface_counters" Ordinary;
    /// A template that was not known.
    TemplateLearned "template_learned" Ordinary;
    /// A template that differs from the one of the same id before.
    TemplateReplaced "template_replaced" Ordinary;
    /// A template sent once more, unchanged.
    TemplateRepeated "template_repeated" Ordinary;
    /// A template withdrawn by the exporter (RFC 7011 section 8.1).
    TemplateWithdrawn "template_withdrawn" Ordinary;
    /// An option value taken up: new or changed.
    OptionLearned "option_learned" Ordinary;
    /// A sampling rate announced that differs from the one announced for the same thing before.
    SamplingRateChanged "sampling_rate_changed" Ordinary;
    /// A data set whose template is not known, kept until it comes.
    SetHeld "set_held" Ordinary;
    /// A data set that was held, decoded when its template came.
    SetDecodedLate "set_decoded_late" Ordinary;
    /// Zeros where the next set would begin; they end the datagram.
    ZeroTail "zero_tail" Ordinary;
    /// A well-formed template that the keeper has no room for.
    TemplateRefused "template_refused" Unused;
    /// A data set whose template is not known, and that was not held either.
    SetWithoutTemplate "set_without_template" Unused;
    /// A set with an id that the protocol version reserves.
    SetReserved "set_reserved" Unused;
    /// An option value for which there is no room.
    OptionRefused "option_refused" Unused;
    /// A sampling rate of zero, announced or in an sFlow sample.
    SamplingRateZero "sampling_rate_zero" Noted;
    /// A sampling rate of zero in a flow record.
    RecordRateZero "record_sampling_rate_zero" Noted;
    /// A row whose start or end cannot be; it was moved, and the row says so in its flags.
    TimeClamped "time_clamped" Noted;
    /// A flow record without a sampling rate whose exporter announced rates, none of which is surely its own: those of line cards,
    /// say, of which it does not name one.
    SamplingRateUnplaced "sampling_rate_unplaced" Noted;
    /// A record whose counts are totals of a flow of which it is not known what it reported before; it counts whole, and its row says so
    /// in its flags.
    TotalUnknown "total_unknown" Noted;
    /// A row whose octets and packets cannot be; the row says so in its flags, and is in no sum.
    Implausible "implausible" Noted;
    /// A list in a data record (RFC 6313) whose lengths do not fit each other, or nested too deep; the record was decoded.
    ListBroken "list_broken" Noted;
    /// A withdrawal of a template that is not known.
    WithdrawalUnknown "withdrawal_unknown" Noted;
    /// An sFlow sample of a format that is not known; passed over by its length.
    SampleUnknown "sample_unknown" Unused;
    /// A record of an sFlow flow sample in a format that is not known; passed over by its length.
    SampleRecordUnknown "sample_record_unknown" Unused;
    /// A datagram of sFlow version 2 or 4 of which samples were given up: they are behind something not known, which has no length.
    SamplesUnreachable "samples_unreachable" Unused;
    /// A sampled packet that could not be opened, or not further: it holds ARP or reverse ARP.
    UnopenedArp "unopened_arp" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds LLDP.
    UnopenedLldp "unopened_lldp" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds the spanning tree protocol.
    UnopenedSpanningTree "unopened_spanning_tree" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds LACP or another slow protocol.
    UnopenedSlowProtocols "unopened_slow_protocols" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds CDP, VTP, PVST or another of Cisco's control protocols.
    UnopenedCisco "unopened_cisco_control" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds IS-IS or another OSI protocol.
    UnopenedOsi "unopened_osi" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds EAP over LAN.
    UnopenedEapol "unopened_eapol" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds the precision time protocol over Ethernet.
    UnopenedPtp "unopened_ptp" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds connectivity fault management (IEEE 802.1ag).
    UnopenedCfm "unopened_cfm" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds Fibre Channel over Ethernet.
    UnopenedFcoe "unopened_fcoe" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds InfiniBand, or RoCE of its first version.
    UnopenedInfiniband "unopened_infiniband" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds the discovery of PPP over Ethernet.
    UnopenedPppoeDiscovery "unopened_pppoe_discovery" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds a control protocol of PPP.
    UnopenedPppControl "unopened_ppp_control" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds PPP, compressed or encrypted.
    UnopenedPppCompressed "unopened_ppp_compressed" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds PPP with compressed headers of IP.
    UnopenedHeaderCompressed "unopened_header_compressed" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds another protocol of PPP.
    UnopenedPpp "unopened_ppp_other" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds a management or control frame of IEEE 802.11.
    UnopenedWireless "unopened_wireless_management" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds an encrypted frame of IEEE 802.11 or channel of CAPWAP.
    UnopenedEncrypted "unopened_wireless_encrypted" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds MACsec, encrypted.
    UnopenedMacsec "unopened_macsec" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds an operation and maintenance channel of MPLS.
    UnopenedMplsChannel "unopened_mpls_channel" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds a pseudowire of MPLS that is not Ethernet.
    UnopenedPseudowire "unopened_pseudowire" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds a session of L2TP version 3 that is neither Ethernet, PPP nor IP.
    UnopenedL2tp "unopened_l2tpv3" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds GRE of a version or protocol that is not read.
    UnopenedGre "unopened_gre_other" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds IPsec ESP.
    UnopenedEsp "unopened_esp" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds IP payload compression.
    UnopenedIpcomp "unopened_ipcomp" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds another protocol of LLC or SNAP.
    UnopenedLlc "unopened_llc_other" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds another Ethernet type.
    UnopenedEtherType "unopened_ether_type_other" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds a link layer that is not read: X.25, SMDS, token bus or an unknown one.
    UnopenedLink "unopened_link_other" Unopened;
    /// A sampled packet that could not be opened, or not further: it holds a fragment of multilink PPP or CAPWAP.
    UnopenedFragment "unopened_fragment" Unopened;
    /// A sampled packet that could not be opened, or not further: it has more headers than are read.
    UnopenedDeep "unopened_deep" Unopened;
    /// A sampled packet that could not be opened, or not further, as its sample ends before the packet inside begins.
    UnopenedCut "unopened_cut" Unopened;
    /// A sampled packet that could not be opened, or not further: it has a header that cannot be.
    UnopenedBroken "unopened_broken" Unopened;
    /// Bytes after the samples of an sFlow datagram, after the records of a NetFlow v1, v5 or v7 datagram or after the length in an IPFIX header.
    TrailingBytes "trailing_bytes" Noted;
    /// A datagram shorter than the header of its version.
    HeaderTruncated "header_truncated" Malformed;
    /// A version that is not known.
    VersionUnknown "version_unknown" Malformed;
    /// A NetFlow v1, v5 or v7 datagram that has fewer records than its header counts; those that are there were decoded.
    RecordsMissing "records_missing" Malformed;
    /// An IPFIX message longer, by its header, than the datagram; the sets that are there were decoded.
    MessageTruncated "message_truncated" Malformed;
    /// A set that says it is shorter than its own header; the rest of the datagram is given up.
    SetTooShort "set_too_short" Malformed;
    /// A set that runs past the end of the datagram.
    SetTruncated "set_truncated" Malformed;
    /// A template that runs past the end of its set.
    TemplateTruncated "template_truncated" Malformed;
    /// A template with an id below 256; the rest of its set is given up.
    TemplateIdReserved "template_id_reserved" Malformed;
    /// A template whose records would be empty.
    TemplateEmpty "template_empty" Malformed;
    /// A template with more fields than [`crate::template::MAX_FIELDS`], or more of length zero than
    /// [`crate::template::MAX_EMPTY_FIELDS`].
    TemplateFields "template_fields" Malformed;
    /// A template whose shortest record does not fit a datagram.
    TemplateLength "template_length" Malformed;
    /// An options template with more scope fields than fields.
    TemplateScope "template_scope" Malformed;
    /// An sFlow datagram whose agent has an address of no known type.
    AgentAddressUnknown "agent_address_unknown" Malformed;
    /// An sFlow datagram that has fewer samples than its header counts; those that are there were decoded.
    SamplesMissing "samples_missing" Malformed;
    /// An sFlow sample that runs past the end of the datagram.
    SampleTruncated "sample_truncated" Malformed;
    /// An sFlow sample shorter than its format.
    SampleTooShort "sample_too_short" Malformed;
    /// An sFlow sample with fewer whole records than it counts; those that are there were decoded.
    SampleRecordTruncated "sample_record_truncated" Malformed;
    /// A record of an sFlow flow sample shorter than its format, or than the packet header in it.
    SampleRecordTooShort "sample_record_too_short" Malformed;
    /// Generic interface counters of sFlow shorter than their format.
    CountersTooShort "counters_too_short" Malformed;
    /// A data record whose variable-length fields run past the end of its set; the rest of the set is given up.
    RecordTruncated "record_truncated" Malformed;
}

const EVENTS: usize = Event::ALL.len();

/// What happens only while columns are made.
const OF_ROWS: [Event; 10] = [
    Event::ReverseRow,
    Event::NatEvent,
    Event::Translation,
    Event::InterfaceCounters,
    Event::RecordRateZero,
    Event::TimeClamped,
    Event::TotalUnknown,
    Event::SamplingRateUnplaced,
    Event::Implausible,
    Event::CountersTooShort,
];

/// Counts of every [`Event`].
#[derive(Debug, Clone, Copy)]
pub struct Report {
    counts: [u64; EVENTS],
    /// The first malformed thing since the last [`Report::forget_fault`].
    fault: Option<Event>,
    /// How many sampled packets could not be opened since then, and what the last one was.
    unopened: (u32, Option<Event>),
}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts
    }
}

impl Eq for Report {}

impl Default for Report {
    fn default() -> Self {
        Self { counts: [0; EVENTS], fault: None, unopened: (0, None) }
    }
}

impl Report {
    /// Counts one.
    pub fn count(&mut self, event: Event) {
        self.add(event, 1);
    }

    /// Counts many.
    pub fn add(&mut self, event: Event, number: u64) {
        if let Some(count) = self.counts.get_mut(usize::from(event as u8)) {
            *count = count.wrapping_add(number);
        }
        if self.fault.is_none() && event.class() == Class::Malformed {
            self.fault = Some(event);
        }
    }

    /// Counts a sampled packet that could not be opened.
    pub(crate) fn count_unopened(&mut self, event: Event) {
        self.count(event);
        self.unopened = (self.unopened.0.saturating_add(1), Some(event));
    }

    /// How many sampled packets could not be opened since the last [`Report::forget_fault`], and what the last one was.
    pub(crate) fn unopened(&self) -> (u32, Option<Event>) {
        self.unopened
    }

    pub(crate) fn forget_fault(&mut self) {
        self.fault = None;
        self.unopened = (0, None);
    }

    pub(crate) fn set_fault(&mut self, fault: Option<Event>) {
        self.fault = fault;
    }

    pub(crate) fn fault(&self) -> Option<Event> {
        self.fault
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self, event: Event) -> u64 {
        self.counts.get(usize::from(event as u8)).copied().unwrap_or(0)
    }

    /// Adds the counts of another report.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.wrapping_add(more);
        }
    }

    /// Every event with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Event, u64)> {
        Event::ALL.iter().copied().zip(self.counts)
    }

    /// Flow records decoded.
    #[must_use]
    pub fn flow_records(&self) -> u64 {
        self.get(Event::FlowRecord)
    }

    /// Rows of flows: one for each flow record but those of NAT events, and one for each other direction.
    #[must_use]
    pub fn flow_rows(&self) -> u64 {
        let rows = self.flow_records().wrapping_add(self.get(Event::ReverseRow));
        rows.wrapping_sub(self.get(Event::NatEvent))
    }

    /// The counts that are the same whether a datagram is decoded into columns or shown record by record.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        let mut report = *self;
        // Sections of packets in records are opened for columns alone.
        let unopened = Event::ALL.iter().copied().filter(|event| event.class() == Class::Unopened);
        for event in OF_ROWS.into_iter().chain(unopened) {
            if let Some(count) = report.counts.get_mut(usize::from(event as u8)) {
                *count = 0;
            }
        }
        report
    }

    /// Options data records decoded.
    #[must_use]
    pub fn options_records(&self) -> u64 {
        self.get(Event::OptionsRecord)
    }

    /// Events of [`Class::Malformed`].
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.iter()
            .filter(|(event, _)| event.class() == Class::Malformed)
            .fold(0, |sum, (_, count)| sum.wrapping_add(count))
    }
}
