//! The seeds of the fuzz targets are what the encoder writes. `BLESS=1` writes them anew.

use std::path::Path;

use crate::encoder::{
    RATE, counter, counter_expanded, datagram, dropped, ethernet_numbers, flow, flow_expanded, gateway, header,
    interface_counters, ipv4_numbers, ipv6_numbers, opaque, router, structure, switch, words,
};
use crate::frames::{BRIDGED, IPV4, IPV6, MPLS, ethernet, gre, ipv4, ipv6, mpls, tagged, tcp, udp, vxlan};
use crate::{carriers, older};

#[track_caller]
fn check(name: &str, payload: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/datagram").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, payload).expect("the folder can be written");
    }
    let found = std::fs::read(&path).expect("the seed is there");
    assert!(found == payload, "{} differs from what the encoder writes: run with BLESS=1", path.display());
}

#[test]
fn seeds_are_what_the_encoder_writes() {
    let inner = ipv4([3, 4], 6, &tcp(443));
    let tags = tagged(&[(0x88a8, 100), (0x8100, 200)], IPV4, &inner);
    check("sflow_switched", &datagram(&[flow(&[header(1, &tags), switch(100, 200), router()])]));
    let path: [(u32, &[u32]); 2] = [(2, &[64_502, 64_510]), (1, &[64_520])];
    check(
        "sflow_routed",
        &datagram(&[
            flow_expanded(
                RATE,
                [0, 7],
                [0, 9],
                &[header(1, &ethernet(IPV6, &ipv6([1, 2], 17, &udp(53, b"?")))), gateway(&path)],
            ),
            flow(&[ipv4_numbers()]),
            flow(&[ipv6_numbers(), ethernet_numbers()]),
        ]),
    );
    let bridged = ethernet(IPV4, &inner);
    let tunnels = [
        ethernet(IPV4, &ipv4([1, 2], 17, &udp(4789, &vxlan(&bridged)))),
        ethernet(IPV4, &ipv4([1, 2], 47, &gre(0xb000, 12, BRIDGED, &bridged))),
        ethernet(IPV6, &ipv6([1, 2], 4, &inner)),
        ethernet(MPLS, &mpls(&[16, 17], &inner)),
    ];
    check("sflow_tunnels", &datagram(&tunnels.map(|frame| flow(&[header(1, &frame)]))));
    for (name, carriers) in [
        ("sflow_links", carriers::links()),
        ("sflow_labels", carriers::labels()),
        ("sflow_carried", carriers::tunnels()),
    ] {
        let samples: Vec<Vec<u8>> =
            carriers.iter().map(|carrier| flow(&[header(carrier.protocol, &carrier.frame)])).collect();
        check(name, &datagram(&samples));
    }
    for version in [2, 4] {
        check(&format!("sflow_version_{version}"), &older::datagram(version, &older::all(version)));
    }
    let counters =
        [counter(&[interface_counters()]), counter_expanded(&[interface_counters(), structure(2, &[0; 52])])];
    check("sflow_counters", &datagram(&counters));
    let acl = [words(&[5]), opaque(b"block"), words(&[1])].concat();
    check(
        "sflow_drops",
        &datagram(&[dropped(&[header(1, &bridged), structure(1037, &acl), structure(1036, &[0; 4])])]),
    );
}
