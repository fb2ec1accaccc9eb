//! Multicast groups that were joined on an interface, by whichever program: a UDP socket on any address gets what is sent to them.
//!
//! Read from files of `/proc`: rtnetlink tells of IPv4 groups from Linux 6.14 on only.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::Ipv4Addr;

use netflow::columns::Address;

/// The files of IPv4 and of IPv6, in the namespace of the thread that opens them.
pub(super) const FILES: [&str; 2] = ["/proc/thread-self/net/igmp", "/proc/thread-self/net/igmp6"];
/// A machine that joined more groups than this has room for has those in the front taken.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The groups that were joined on interfaces of these indices.
pub(super) fn joined(files: &mut [Option<File>; 2], indices: &BTreeSet<u32>) -> io::Result<BTreeSet<Address>> {
    let [four, six] = files;
    let mut groups = ipv4(&read(four)?, indices);
    groups.extend(ipv6(&read(six)?, indices));
    Ok(groups)
}

fn read(file: &mut Option<File>) -> io::Result<String> {
    let mut text = String::new();
    if let Some(file) = file {
        file.seek(SeekFrom::Start(0))?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    }
    Ok(text)
}

/// Lines of interfaces, and below each its groups, indented: each as the number that its bytes are on this machine
/// (`igmp_mc_seq_show` of `net/ipv4/igmp.c`).
fn ipv4(text: &str, indices: &BTreeSet<u32>) -> BTreeSet<Address> {
    let mut groups = BTreeSet::new();
    let mut is_wanted = false;
    for line in text.lines().skip(1) {
        let Some(first) = line.split_whitespace().next() else { continue };
        if !line.starts_with(char::is_whitespace) {
            is_wanted = first.parse().is_ok_and(|index| indices.contains(&index));
        } else if is_wanted && let Ok(group) = u32::from_str_radix(first, 16) {
            groups.insert(Ipv4Addr::from(group.to_ne_bytes()).to_ipv6_mapped().octets());
        }
    }
    groups
}

/// A line for each group: index, interface, address (`igmp6_mc_seq_show` of `net/ipv6/mcast.c`).
fn ipv6(text: &str, indices: &BTreeSet<u32>) -> BTreeSet<Address> {
    let group = |line: &str| {
        let mut words = line.split_whitespace();
        let index = words.next()?.parse().ok()?;
        let address = words.nth(1)?;
        let is_wanted = indices.contains(&index) && address.len() == 32;
        u128::from_str_radix(address, 16).ok().filter(|_| is_wanted).map(u128::to_be_bytes)
    };
    text.lines().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const IGMP: &str = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
                        1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
                        2\teth0      :     2      V3\n\t\t\t\t030201EF     1 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
    const IGMP6: &str = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n\
                         2    eth0            ff050000000000000000000000000017     1 00000004 0\n\
                         2    eth0            nonsense     1 00000004 0\n";

    #[test]
    fn groups_of_the_interface_are_read() {
        let four = |group: [u8; 4]| {
            let number = u32::from_ne_bytes(group);
            (format!("{number:08X}"), Ipv4Addr::from(group).to_ipv6_mapped().octets())
        };
        // The text above is that of a little-endian machine.
        assert_eq!(four([239, 1, 2, 3]).0 == "030201EF", cfg!(target_endian = "little"));
        if cfg!(target_endian = "little") {
            assert_eq!(ipv4(IGMP, &[2].into()), [four([239, 1, 2, 3]).1, four([224, 0, 0, 1]).1].into());
            assert_eq!(ipv4(IGMP, &[1].into()), [four([224, 0, 0, 1]).1].into());
        }
        assert_eq!(ipv4("", &[1].into()), BTreeSet::new());
        assert_eq!(ipv6(IGMP6, &[2].into()), [Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x17).octets()].into());
        assert_eq!(ipv6(IGMP6, &[3].into()), BTreeSet::new());
    }
}
