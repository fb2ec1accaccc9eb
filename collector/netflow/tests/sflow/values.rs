//! Samples as names and values, beyond what captures have.

use netflow::neutral::{Names, Value, sample_fields, sample_flow};

use crate::encoder::{
    counter, datagram, dropped, ethernet_numbers, flow, gateway, header, interface_counters, ipv4_numbers,
    ipv6_numbers, opaque, structure, words,
};
use crate::frames::{IPV4, IPV6, MPLS, ethernet, ipv4, ipv6, mpls, tagged, tcp, udp, vxlan};
use crate::samples;

/// The first record of one sample, as text.
#[track_caller]
fn check_record(name: &str, sample: Vec<u8>, expected: &str) {
    let mut found = None;
    samples(&datagram(&[sample]), |sample| {
        let fields = sample_fields(&sample, Names::Numbers);
        let Some(("records", Value::List(records))) = fields.last() else { panic!("{name}: no records") };
        found = records.first().map(ToString::to_string);
    });
    assert_eq!(found.as_deref(), Some(expected), "{name}");
}

#[test]
fn records() {
    check_record(
        "a packet",
        flow(&[header(1, &tagged(&[(0x88a8, 0x2064), (0x8100, 200)], IPV4, &ipv4([1, 2], 6, &tcp(443))))]),
        "type=0/1,length=80,headerProtocol=1,frameLength=66,stripped=4,headerLength=62,dstMac=02:00:00:00:00:02,\
         srcMac=02:00:00:00:00:01,etherType=2048,vlans=100,200,srcIp=10.0.0.1,dstIp=10.0.0.2,proto=6,tos=184,ttl=63,ipLen=40,\
         srcPort=40000,dstPort=443,tcpFlags=274",
    );
    check_record(
        "an IPv4 packet in numbers",
        flow(&[ipv4_numbers()]),
        "type=0/3,length=32,ipLen=500,proto=17,srcIp=203.0.113.1,dstIp=203.0.113.2,srcPort=5000,dstPort=53,tcpFlags=0,tos=184",
    );
    check_record(
        "an IPv6 packet in numbers",
        flow(&[ipv6_numbers()]),
        "type=0/4,length=56,ipLen=1400,proto=6,srcIp=2001:db8::1,dstIp=2001:db8::2,srcPort=5000,dstPort=443,tcpFlags=24,priority=3",
    );
    check_record(
        "an Ethernet frame in numbers",
        flow(&[ethernet_numbers()]),
        "type=0/2,length=24,frameLength=600,srcMac=02:00:00:00:00:01,dstMac=02:00:00:00:00:02,etherType=34525",
    );
    check_record(
        "a BGP route",
        flow(&[gateway(&[(2, &[64_502, 64_510]), (1, &[64_520])])]),
        "type=0/1003,length=80,nextHop=2001:db8::9,as=64500,srcAs=64501,srcPeerAs=64502,\
         dstAsPath=type=2,as=64502,64510,type=1,as=64520,communities=4227072001,4227072002,localPref=100",
    );
    check_record(
        "counters",
        counter(&[interface_counters()]),
        "type=0/1,length=88,ifIndex=7,ifType=2,ifSpeed=3,ifDirection=4,ifStatus=5,ifInOctets=6,ifInUcastPkts=7,\
         ifInMulticastPkts=8,ifInBroadcastPkts=9,ifInDiscards=10,ifInErrors=11,ifInUnknownProtos=12,ifOutOctets=13,\
         ifOutUcastPkts=14,ifOutMulticastPkts=15,ifOutBroadcastPkts=16,ifOutDiscards=17,ifOutErrors=18,ifPromiscuousMode=19",
    );
    check_record("counters cut short", counter(&[structure(1, &words(&[7]))]), "type=0/1,length=4,hex=00000007");
    check_record("another structure", flow(&[structure(9 << 12 | 8, &words(&[1]))]), "type=9/8,length=4,hex=00000001");
    let acl = [words(&[5]), opaque(b"block"), words(&[1])].concat();
    check_record(
        "an access list",
        dropped(&[structure(1037, &acl)]),
        "type=0/1037,length=20,number=5,name=block,direction=1",
    );
    check_record(
        "a function",
        dropped(&[structure(1038, &opaque(b"drop_it"))]),
        "type=0/1038,length=12,symbol=drop_it",
    );
}

#[track_caller]
fn check_flow(name: &str, frame: &[u8], expected: Option<&str>) {
    let mut found = None;
    samples(&datagram(&[flow(&[header(1, frame)])]), |sample| {
        found = sample_flow(&sample).map(|flow| Value::Object(flow).to_string());
    });
    assert_eq!(found.as_deref(), expected, "{name}");
}

#[test]
fn the_flow_is_told_where_the_fields_show_another() {
    let inner = ipv4([3, 4], 6, &tcp(443));
    let inside = "srcIp=10.0.0.3,dstIp=10.0.0.4,tos=184,ttl=63,ipLen=40,proto=6,srcPort=40000,dstPort=443,tcpFlags=274";
    check_flow("nothing inside", &ethernet(IPV4, &inner), None);
    check_flow("no packet", &ethernet(0x0806, &inner), None);
    let tunnel = ipv4([1, 2], 17, &udp(4789, &vxlan(&ethernet(IPV4, &inner))));
    check_flow("VXLAN", &ethernet(IPV4, &tunnel), Some(inside));
    check_flow("MPLS", &ethernet(MPLS, &mpls(&[16, 17], &inner)), Some(&format!("mplsLabels=16,17,{inside}")));
    let ping = [&[58, 0, 0, 0, 0, 0, 0, 0][..], &[128, 0, 0, 0]].concat();
    check_flow(
        "behind extension headers",
        &ethernet(IPV6, &ipv6([1, 2], 0, &ping)),
        Some("srcIp=fd00::1,dstIp=fd00::2,ttl=63,ipLen=52,proto=58,icmpType=128,icmpCode=0"),
    );
}
