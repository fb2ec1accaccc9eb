//! The question that `nat_events` is made for: who had this outside address and port at this time.

use bytes::BytesMut;
use collector::batch::Block;
use collector::clickhouse::schema;

use crate::engine::{Engine, block_on};
use crate::rows::BEGIN_MS;

/// Outside addresses, each with a port block that goes from hand to hand and with sessions.
const ADDRESSES: u32 = 100;
/// Events of one address: a minute apart.
const EVENTS: u32 = 1000;
const ALLOCATION: u8 = 16;
const SESSION: u8 = 4;

/// The inside address of an event's holder.
fn inside(address: u32, minute: u32) -> [u8; 16] {
    std::net::Ipv4Addr::from_bits(0x0a00_0000 + (address << 12) + minute).to_ipv6_mapped().octets()
}

fn outside(address: u32) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from_bits(0xcb00_7100 + address)
}

/// A minute with an even number allocates the block of ports 2000 to 2999, an odd one maps the port 5000.
fn events() -> Block {
    let mut block = Block::default();
    let events = &mut block.decoded.nat_events;
    events.resize((ADDRESSES * EVENTS) as usize);
    for row in 0..events.len() {
        // In the order of time, as they arrive.
        let (minute, address) = (row as u32 / ADDRESSES, row as u32 % ADDRESSES);
        let is_block = minute.is_multiple_of(2);
        events.event_ms[row] = BEGIN_MS + i64::from(minute) * 60_000;
        events.received_ms[row] = events.event_ms[row] + 500;
        events.event[row] = if is_block { ALLOCATION } else { SESSION };
        events.src_addr[row] = inside(address, minute);
        events.post_nat_src_addr[row] = outside(address).to_ipv6_mapped().octets();
        let ports = if is_block { (2000, 2999) } else { (5000, 5000) };
        (events.port_block_start[row], events.port_block_end[row]) = ports;
    }
    block.nat_exporter_name.resize((ADDRESSES * EVENTS) as usize);
    block
}

#[test]
fn who_had_an_address_and_port_at_a_time_is_one_range() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("nat"));
    let ask = async |sql: &str| client.query(sql, "TSV").await.unwrap();
    block_on(async {
        schema::apply(&client).await.unwrap();
        let block = events();
        let part = block.parts().find(|part| part.table().name == "nat_events").unwrap();
        client.insert(part, "nat", &mut BytesMut::new()).await.unwrap();
        for (address, port, minute, event, holder) in [
            (7, 2500, 600, "port block allocation", 600),
            (7, 2999, 601, "port block allocation", 600),
            (7, 5000, 601, "NAT44 session create", 601),
            (99, 5000, 602, "NAT44 session create", 601),
        ] {
            let (outside, at_ms) = (outside(address), BEGIN_MS + i64::from(minute) * 60_000);
            let condition = format!(
                "post_nat_src_addr = toIPv6('{outside}') AND {port} BETWEEN port_block_start AND port_block_end \
                 AND time_event BETWEEN fromUnixTimestamp64Milli({at_ms}) - INTERVAL 1 HOUR AND fromUnixTimestamp64Milli({at_ms})"
            );
            let newest = "ORDER BY time_event DESC LIMIT 1";
            let sql = format!("SELECT src_addr, event_name FROM nat_events WHERE {condition} {newest}");
            let inside = std::net::Ipv6Addr::from(inside(address, holder));
            assert_eq!(ask(&sql).await, format!("{inside}\t{event}\n"), "{outside} {port} {minute}");
            // database, table, parts, rows, marks: no more than the two granules that a range can touch, per part.
            let estimate = ask(&format!("EXPLAIN ESTIMATE SELECT src_addr FROM nat_events WHERE {condition}")).await;
            let numbers: Vec<u64> = estimate.split_whitespace().skip(2).map(|field| field.parse().unwrap()).collect();
            assert!(numbers[2] <= 2 * numbers[0], "{estimate}");
            assert_eq!(ask("SELECT count() FROM nat_events").await, format!("{}\n", ADDRESSES * EVENTS));
        }
    });
}
