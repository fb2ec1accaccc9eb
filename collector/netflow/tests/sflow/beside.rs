//! Records beside the packet: translated addresses, users, labels and tags that were taken off, tunnels that begin or end in the exporter.

use netflow::neutral::{Names, Value, sample_fields, sample_flow};
use netflow::{Event, FlowColumns};

use crate::carriers::inner;
use crate::encoder::{counter, datagram, flow, header, opaque, router, structure, switch, words};
use crate::frames::{IPV4, MPLS, checked, ethernet, mpls, tagged, udp, vxlan};
use crate::{address, columns, samples};

fn of(records: &[Vec<u8>]) -> FlowColumns {
    let (columns, report) = columns(&datagram(&[flow(records)]));
    assert_eq!((columns.len(), report.malformed(), report.get(Event::SampleRecordUnknown)), (1, 0, 0), "{report:?}");
    columns
}

fn packet() -> Vec<u8> {
    header(1, &ethernet(IPV4, &inner()))
}

fn ipv4(last: u8) -> Vec<u8> {
    [&words(&[1])[..], &[203, 0, 113, last]].concat()
}

fn user(source: &[u8], destination: &[u8]) -> Vec<u8> {
    structure(1004, &[words(&[106]), opaque(source), words(&[106]), opaque(destination)].concat())
}

fn stack(incoming: &[u32], outgoing: &[u32]) -> Vec<u8> {
    let stack = |entries: &[u32]| [words(&[u32::try_from(entries.len()).expect("few")]), words(entries)].concat();
    structure(1006, &[ipv4(9), stack(incoming), stack(outgoing)].concat())
}

#[test]
fn translation() {
    let columns =
        of(&[packet(), structure(1007, &[ipv4(3), ipv4(4)].concat()), structure(1020, &words(&[50_000, 8443]))]);
    assert_eq!((columns.src_addr[0], columns.dst_port[0]), (address("10.0.0.3"), 443), "the packet's own stay");
    assert_eq!(columns.post_nat_src_addr, [address("203.0.113.3")]);
    assert_eq!(columns.post_nat_dst_addr, [address("203.0.113.4")]);
    assert_eq!((columns.post_nat_src_port[0], columns.post_nat_dst_port[0]), (50_000, 8443));
    let six = [&words(&[2])[..], &[0x20, 1, 0xd, 0xb8], &[0; 11], &[7]].concat();
    let columns = of(&[packet(), structure(1007, &[words(&[0]), six].concat())]);
    assert_eq!((columns.post_nat_src_addr[0], columns.post_nat_dst_addr[0]), ([0; 16], address("2001:db8::7")));
}

#[test]
fn users() {
    let (columns, _) = columns(&datagram(&[
        flow(&[packet()]),
        flow(&[packet(), user(b"alice", b"bob")]),
        flow(&[packet(), user(b"", b"bob")]),
        flow(&[packet(), user(b"", b"")]),
    ]));
    assert_eq!([0, 1, 2, 3].map(|row| columns.user_name.get(row)), ["", "alice", "bob", ""]);
}

#[test]
fn labels() {
    let entries = [100 << 12 | 64, 200 << 12 | 0x100 | 64];
    let found = of(&[packet(), stack(&entries, &[300 << 12 | 0x140])]);
    assert_eq!((found.mpls_labels.get(0), found.next_hop[0]), (&[100, 200][..], address("203.0.113.9")));
    assert_eq!(of(&[packet(), stack(&[], &[300 << 12 | 0x140])]).mpls_labels.get(0), [300]);
    assert_eq!(
        of(&[packet(), stack(&entries, &[]), router()]).next_hop,
        [address("192.0.2.254")],
        "a router counts first"
    );
    let labelled = header(1, &ethernet(MPLS, &mpls(&[16], &inner())));
    assert_eq!(of(&[labelled, stack(&entries, &[])]).mpls_labels.get(0), [16], "the packet's own count first");
    let deep: Vec<u32> = (0..1000).map(|label| label << 12).collect();
    assert_eq!(of(&[packet(), stack(&deep, &[])]).mpls_labels.get(0).len(), 10);
    let three = columns(&datagram(&[flow(&[packet()]), flow(&[packet(), stack(&entries, &[])]), flow(&[packet()])])).0;
    assert_eq!([0, 1, 2].map(|row| three.mpls_labels.get(row).len()), [0, 2, 0]);
}

#[test]
fn tags() {
    let tags =
        |tags: &[u32]| structure(1012, &[words(&[u32::try_from(tags.len()).expect("few")]), words(tags)].concat());
    let inside = header(1, &tagged(&[(0x8100, 7)], IPV4, &inner()));
    assert_eq!(
        of(&[inside.clone(), tags(&[0x88a8_e064, 0x8100_0005])]).src_vlan,
        [100],
        "the outermost, without priority"
    );
    assert_eq!(of(&[inside.clone(), tags(&[])]).src_vlan, [7]);
    assert_eq!(of(&[inside, tags(&[0x88a8_0064]), switch(300, 400)]).src_vlan, [300]);
}

#[test]
fn tunnels_that_end_here() {
    // Port 9999 is no tunnel's, but the exporter knows that it is one.
    let outer = |port| ethernet(IPV4, &checked([1, 2], 17, &udp(port, &vxlan(&ethernet(IPV4, &inner())))));
    let inside = |format, offset: u32| structure(format, &words(&[offset]));
    for format in [1027, 1028] {
        assert_eq!(
            of(&[header(1, &outer(9999)), inside(format, 50)]).src_addr,
            [address("10.0.0.3")],
            "{format}: a frame"
        );
        assert_eq!(
            of(&[inside(format, 64), header(1, &outer(9999))]).src_addr,
            [address("10.0.0.3")],
            "{format}: a packet"
        );
    }
    assert_eq!(
        of(&[header(1, &outer(4789)), inside(1027, 50)]).src_addr,
        [address("10.0.0.3")],
        "known by its port too"
    );
    for offset in [0, 1, 30, 51, 1000, u32::MAX] {
        assert_eq!(of(&[header(1, &outer(9999)), inside(1027, offset)]).src_addr, [address("10.0.0.1")], "{offset}");
    }
    let mut shown = None;
    samples(&datagram(&[flow(&[header(1, &outer(9999)), inside(1027, 50)])]), |sample| {
        shown = sample_flow(&sample).map(|flow| Value::Object(flow).to_string());
    });
    assert!(shown.as_deref().is_some_and(|flow| flow.starts_with("srcIp=10.0.0.3,dstIp=10.0.0.4")), "{shown:?}");
    let put_on =
        structure(1023, &[words(&[200, 17]), vec![192, 0, 2, 1, 192, 0, 2, 2], words(&[1, 4789, 0, 0])].concat());
    let columns = of(&[packet(), put_on, structure(1029, &words(&[7]))]);
    assert_eq!(
        (columns.src_addr[0], columns.bytes[0]),
        (address("10.0.0.3"), 58),
        "what is put on is not in the packet"
    );
}

#[test]
fn of_several_the_first_counts() {
    let columns = of(&[
        packet(),
        user(b"alice", b""),
        user(b"carol", b""),
        structure(1020, &words(&[1, 2])),
        structure(1020, &words(&[3, 4])),
    ]);
    assert_eq!((columns.user_name.get(0), columns.post_nat_src_port[0]), ("alice", 1));
}

/// The first record with the names of structures, as text.
#[track_caller]
fn check(sample: Vec<u8>, expected: &str) {
    let mut found = None;
    samples(&datagram(&[sample]), |sample| {
        let fields = sample_fields(&sample, Names::Vendors);
        let Some(("records", Value::List(records))) = fields.last() else { panic!("no records") };
        found = records.first().map(ToString::to_string);
    });
    assert_eq!(found.as_deref(), Some(expected));
}

#[test]
fn structures_have_names() {
    check(flow(&[user(b"alice", b"")]), "type=0/1004,length=24,structure=extended_user,srcUser=alice,dstUser=");
    check(
        flow(&[structure(1005, &[words(&[1]), opaque(b"/a"), opaque(b"example.net")].concat())]),
        "type=0/1005,length=28,structure=extended_url,direction=1,url=/a,host=example.net",
    );
    check(
        flow(&[stack(&[100 << 12], &[])]),
        "type=0/1006,length=20,structure=extended_mpls,nextHop=203.0.113.9,inLabels=100,outLabels=",
    );
    check(
        flow(&[structure(1008, &[opaque(b"lsp"), words(&[5, 6])].concat())]),
        "type=0/1008,length=16,structure=extended_mpls_tunnel,tunnelLspName=lsp,tunnelId=5,tunnelCos=6",
    );
    check(
        flow(&[structure(1009, &[opaque(b"vc"), words(&[5, 6])].concat())]),
        "type=0/1009,length=16,structure=extended_mpls_vc,vcInstanceName=vc,vllVcId=5,vcLabelCos=6",
    );
    check(
        flow(&[structure(1010, &[opaque(b"fec"), words(&[5])].concat())]),
        "type=0/1010,length=12,structure=extended_mpls_FTN,mplsFTNDescr=fec,mplsFTNMask=5",
    );
    check(
        flow(&[structure(1011, &words(&[24]))]),
        "type=0/1011,length=4,structure=extended_mpls_LDP_FEC,mplsFecAddrPrefixLength=24",
    );
    check(
        flow(&[structure(1012, &words(&[1, 0x88a8_e064]))]),
        "type=0/1012,length=8,structure=extended_vlantunnel,tpids=34984,vlans=100",
    );
    check(flow(&[structure(1030, &words(&[7]))]), "type=0/1030,length=4,structure=extended_vni_ingress,vni=7");
    check(flow(&[structure(2209, &words(&[1]))]), "type=0/2209,length=4,structure=extended_tcp_info,hex=00000001");
    check(counter(&[structure(2003, &words(&[1]))]), "type=0/2003,length=4,structure=host_cpu,hex=00000001");
    check(
        counter(&[structure(5703 << 12 | 1, &words(&[1]))]),
        "type=5703/1,length=4,structure=nvidia_gpu,hex=00000001",
    );
    check(counter(&[structure(9 << 12 | 1, &words(&[1]))]), "type=9/1,length=4,hex=00000001");
}
