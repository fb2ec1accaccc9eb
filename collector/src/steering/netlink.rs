//! Asks the kernel, by rtnetlink, which XDP program an interface has, the only way that also shows programs without a link, and how many
//! receive queues it can have.
//!
//! One request, one answer, read only. Not here: attaching, which goes by a BPF link.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// `include/uapi/linux/rtnetlink.h`, `netlink.h` and `if_link.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLA_TYPE_MASK: u16 = 0x3fff;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_PROG_ID: u16 = 4;
const MESSAGE_HEADER_BYTES: usize = 16;
const LINK_HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// An interface with many virtual functions answers with some kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The kernel's number of the program on the interface with this index, as `bpftool prog show id` takes it. An unreadable
/// answer counts as none.
pub(super) fn program_id(interface_index: u32) -> Option<u32> {
    program_in(&ask(interface_index)?)
}

/// How many receive queues the interface with this index was made for: no more can be put in use.
pub(super) fn queues_most(interface_index: u32) -> Option<u32> {
    u32_at(find(attributes(&ask(interface_index)?)?, IFLA_NUM_RX_QUEUES)?, 0)
}

fn ask(interface_index: u32) -> Option<Vec<u8>> {
    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute).ok()?;
    send(netlink.as_raw_fd(), &request(interface_index), MsgFlags::empty()).ok()?;
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// `struct nlmsghdr` and `struct ifinfomsg`, in the byte order of the machine.
fn request(interface_index: u32) -> Vec<u8> {
    let length = (MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES) as u32;
    let mut request = Vec::with_capacity(MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES);
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    request.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    // Sequence number and port: one request on a socket of its own needs neither.
    request.extend_from_slice(&[0; 8]);
    // Address family and hardware type: any.
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(&interface_index.to_ne_bytes());
    // Interface flags and which of them to change: none.
    request.extend_from_slice(&[0; 8]);
    request
}

fn program_in(answer: &[u8]) -> Option<u32> {
    let program_id = u32_at(find(find(attributes(answer)?, IFLA_XDP)?, IFLA_XDP_PROG_ID)?, 0)?;
    (program_id != 0).then_some(program_id)
}

/// What an answer says of the interface.
fn attributes(answer: &[u8]) -> Option<&[u8]> {
    if u16_at(answer, 4)? != RTM_NEWLINK {
        return None;
    }
    let length = usize::try_from(u32_at(answer, 0)?).ok()?;
    answer.get(MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES..length)
}

/// The value of the first attribute of this kind.
pub(super) fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let kind = u16_at(attributes, 2)? & NLA_TYPE_MASK;
        let value = attributes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).expect("short");
        let mut attribute = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        attribute.extend_from_slice(value);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    fn answer(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut answer = vec![0; MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES];
        answer.extend(attributes.concat());
        let length = u32::try_from(answer.len()).expect("short");
        answer[..4].copy_from_slice(&length.to_ne_bytes());
        answer[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
        answer
    }

    #[test]
    fn the_program_is_found_behind_other_attributes() {
        let xdp = [attribute(2, &[1]), attribute(IFLA_XDP_PROG_ID, &77_u32.to_ne_bytes())].concat();
        let nested = IFLA_XDP | 0x8000;
        let whole = answer(&[attribute(3, b"eth0\0"), attribute(nested, &xdp)]);
        assert_eq!(program_in(&whole), Some(77));
        assert_eq!(program_in(&answer(&[attribute(3, b"eth0\0"), attribute(IFLA_XDP, &attribute(2, &[0]))])), None);
    }

    #[test]
    fn a_broken_answer_is_no_program() {
        let xdp = attribute(IFLA_XDP_PROG_ID, &77_u32.to_ne_bytes());
        let whole = answer(&[attribute(3, b"eth0\0"), attribute(IFLA_XDP, &xdp)]);
        for end in 0..whole.len() {
            assert_eq!(program_in(&whole[..end]), None, "{end}");
        }
        let mut endless = answer(&[attribute(3, b"")]);
        endless[32..34].copy_from_slice(&[0, 0]);
        assert_eq!(program_in(&endless), None);
    }

    #[test]
    fn the_kernel_answers_for_loopback() {
        assert_eq!(program_id(1), None);
        assert!(queues_most(1).is_some_and(|queues| queues >= 1));
        assert_eq!(request(1).len(), MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES);
    }
}
