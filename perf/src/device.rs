//! What named devices send: protocol version and templates, as their vendors document them.

use crate::template::{Field, Protocol, Template, VARIABLE, iana, private};

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// NetFlow v1.
    NetFlow1,
    /// NetFlow v5.
    NetFlow5,
    /// NetFlow v7.
    NetFlow7,
    /// VyOS, whose flow accounting is pmacctd's nfprobe: NetFlow v9, 22 fields.
    Vyos,
    /// Cisco IOS XE with a Flexible NetFlow record: NetFlow v9.
    CiscoFnf,
    /// Cisco IOS XR: NetFlow v9, with VRFs and a sampler table.
    IosXr,
    /// Juniper MX with inline IPFIX.
    Juniper,
    /// Cisco ASA: NetFlow v9 security event logging, flow updates.
    AsaNsel,
    /// A probe that sends all it knows: IPFIX, 60 fields, some of them of variable length or a vendor's.
    SixtyFields,
    /// A switch with sFlow.
    Sflow,
}

/// Every device, with its name on command lines.
pub const DEVICES: [(&str, Device); 10] = [
    ("v1", Device::NetFlow1),
    ("v5", Device::NetFlow5),
    ("v7", Device::NetFlow7),
    ("vyos", Device::Vyos),
    ("cisco-fnf", Device::CiscoFnf),
    ("ios-xr", Device::IosXr),
    ("juniper", Device::Juniper),
    ("asa", Device::AsaNsel),
    ("sixty", Device::SixtyFields),
    ("sflow", Device::Sflow),
];

impl Device {
    /// The device of a name; `v9` and `ipfix` stand for the commonest ones.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "v9" => Some(Self::Vyos),
            "ipfix" => Some(Self::Juniper),
            _ => DEVICES.iter().find(|(known, _)| *known == name).map(|(_, device)| *device),
        }
    }

    /// The protocol, if it has templates.
    #[must_use]
    pub fn protocol(self) -> Option<Protocol> {
        match self {
            Self::NetFlow1 | Self::NetFlow5 | Self::NetFlow7 | Self::Sflow => None,
            Self::Vyos | Self::CiscoFnf | Self::IosXr | Self::AsaNsel => Some(Protocol::V9),
            Self::Juniper | Self::SixtyFields => Some(Protocol::Ipfix),
        }
    }

    /// Whether it can tell of IPv6 flows.
    #[must_use]
    pub fn has_ipv6(self) -> bool {
        !matches!(self, Self::NetFlow1 | Self::NetFlow5 | Self::NetFlow7)
    }

    /// Its templates, for IPv4 and for IPv6 flows; none if the protocol has none.
    #[must_use]
    pub fn templates(self) -> Vec<Template> {
        self.so_many_templates(2)
    }

    /// So many templates of its kind, for IPv4 and for IPv6 flows by turns, with ids one after the other; none if the protocol
    /// has none.
    #[must_use]
    pub fn so_many_templates(self, count: usize) -> Vec<Template> {
        let (first_id, fields) = match self {
            Self::NetFlow1 | Self::NetFlow5 | Self::NetFlow7 | Self::Sflow => return Vec::new(),
            Self::Vyos => (1024, of_iana(&VYOS)),
            Self::CiscoFnf => (256, of_iana(&CISCO_FNF)),
            Self::IosXr => (260, of_iana(&IOS_XR)),
            Self::Juniper => (256, of_iana(&JUNIPER)),
            Self::AsaNsel => (263, of_iana(&ASA_NSEL)),
            Self::SixtyFields => (300, sixty()),
        };
        let six: Vec<Field> = fields.iter().map(as_ipv6).collect();
        (first_id..)
            .zip([fields, six].iter().cycle())
            .take(count)
            .map(|(id, of)| Template::data(id, of.clone()))
            .collect()
    }
}

const VYOS: [(u16, u16); 22] = [
    (21, 4),
    (22, 4),
    (1, 8),
    (2, 8),
    (60, 1),
    (10, 4),
    (14, 4),
    (61, 1),
    (8, 4),
    (12, 4),
    (15, 4),
    (9, 1),
    (13, 1),
    (7, 2),
    (11, 2),
    (5, 1),
    (6, 1),
    (4, 1),
    (56, 6),
    (80, 6),
    (58, 2),
    (34, 4),
];

const CISCO_FNF: [(u16, u16); 19] = [
    (8, 4),
    (12, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (5, 1),
    (6, 1),
    (10, 4),
    (14, 4),
    (61, 1),
    (48, 1),
    (95, 4),
    (1, 8),
    (2, 8),
    (22, 4),
    (21, 4),
    (16, 4),
    (17, 4),
    (89, 1),
];

const IOS_XR: [(u16, u16); 23] = [
    (8, 4),
    (12, 4),
    (1, 4),
    (2, 4),
    (10, 4),
    (14, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (16, 4),
    (17, 4),
    (18, 4),
    (9, 1),
    (13, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (89, 1),
    (48, 2),
    (234, 4),
    (235, 4),
    (61, 1),
];

const JUNIPER: [(u16, u16); 25] = [
    (8, 4),
    (12, 4),
    (5, 1),
    (4, 1),
    (7, 2),
    (11, 2),
    (32, 2),
    (10, 4),
    (58, 2),
    (9, 1),
    (13, 1),
    (16, 4),
    (17, 4),
    (15, 4),
    (6, 1),
    (14, 4),
    (1, 8),
    (2, 8),
    (52, 1),
    (53, 1),
    (152, 8),
    (153, 8),
    (136, 1),
    (243, 2),
    (61, 1),
];

/// Without the event itself (233): who has it is told of as an event, not as a flow.
const ASA_NSEL: [(u16, u16); 17] = [
    (148, 4),
    (8, 4),
    (7, 2),
    (10, 2),
    (12, 4),
    (11, 2),
    (14, 2),
    (4, 1),
    (176, 1),
    (177, 1),
    (225, 4),
    (226, 4),
    (227, 2),
    (228, 2),
    (152, 8),
    (153, 8),
    (85, 4),
];

const SIXTY: [(u16, u16); 45] = [
    (8, 4),
    (12, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (5, 1),
    (6, 2),
    (10, 4),
    (14, 4),
    (1, 8),
    (2, 8),
    (85, 8),
    (86, 8),
    (152, 8),
    (153, 8),
    (16, 4),
    (17, 4),
    (15, 4),
    (18, 4),
    (9, 1),
    (13, 1),
    (58, 2),
    (59, 2),
    (56, 6),
    (80, 6),
    (61, 1),
    (89, 1),
    (136, 1),
    (176, 1),
    (177, 1),
    (70, 3),
    (71, 3),
    (72, 3),
    (234, 4),
    (235, 4),
    (95, 4),
    (96, VARIABLE),
    (225, 4),
    (226, 4),
    (227, 2),
    (228, 2),
    (34, 4),
    (52, 1),
    (53, 1),
    (25, 2),
];

fn of_iana(fields: &[(u16, u16)]) -> Vec<Field> {
    fields.iter().map(|(element, length)| iana(*element, *length)).collect()
}

/// The fields of [`SIXTY`], and 15 that no column takes: of variable length, of vendors, reversed.
fn sixty() -> Vec<Field> {
    let mut fields = of_iana(&SIXTY);
    for element in 0..5 {
        fields.push(private(35_632, 100 + element, VARIABLE));
        fields.push(private(9, 12_232 + element, 4));
        fields.push(iana(20_000 + element, 2));
    }
    fields
}

/// A field of an IPv4 template as the IPv6 one has it.
fn as_ipv6(field: &Field) -> Field {
    let six = |element, length| Field { element, length, ..*field };
    match field.element {
        8 => six(27, 16),
        12 => six(28, 16),
        15 => six(62, 16),
        18 => six(63, 16),
        9 => six(29, 1),
        13 => six(30, 1),
        32 => six(139, 2),
        176 => six(178, 1),
        177 => six(179, 1),
        225 => six(281, 16),
        226 => six(282, 16),
        _ => *field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_as_many_fields_as_they_say() {
        let fields =
            |device: Device| device.templates().iter().map(|template| template.fields.len()).collect::<Vec<_>>();
        assert_eq!(fields(Device::Vyos), [22, 22]);
        assert_eq!(fields(Device::SixtyFields), [60, 60]);
        for (name, device) in DEVICES {
            assert_eq!(Device::named(name), Some(device));
            assert_eq!(device.protocol().is_some(), !device.templates().is_empty(), "{name}");
        }
    }
}
