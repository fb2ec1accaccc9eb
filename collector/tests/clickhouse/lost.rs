//! Acknowledgements that are lost on the way: the engine has stored the rows, and the collector does not know. Sent again, they
//! are stored once.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use collector::batch::TABLES;
use collector::clickhouse::{Client, Settings, schema};

use crate::engine::{Engine, block_on};
use crate::rows::{Numbers, block};
use crate::sink::{batch_of, one_inserter, start, wait_for};

/// Hands connections on to a server and breaks them in the answers to inserts.
struct Cutter {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

/// Bytes of an answer that are let through before the connection breaks: none, in the status line, in the headers.
const CUTS: [usize; 6] = [0, 5, 12, 40, 90, 0];

impl Cutter {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let cutter = Self { address, ended: Arc::clone(&ended), cuts: Arc::clone(&cuts) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                let up = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || copy(up.0, up.1));
                let cuts = Arc::clone(&cuts);
                std::thread::spawn(move || cut(server, client, &cuts));
            }
        });
        cutter
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}

/// Answers pass, but of those that come while there are cuts left only the beginning.
fn cut(mut server: TcpStream, mut client: TcpStream, cuts: &AtomicUsize) {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = server.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            drop(client.shutdown(Shutdown::Both));
            return;
        }
        // The server has answered, so the rows are stored.
        let number = cuts.fetch_add(1, Ordering::Relaxed);
        let passed = CUTS.get(number).map_or(read, |bytes| read.min(*bytes));
        if client.write_all(&buffer[..passed]).is_err() || passed < read {
            drop(client.shutdown(Shutdown::Both));
            drop(server.shutdown(Shutdown::Both));
            return;
        }
    }
}

#[test]
fn a_lost_acknowledgement_stores_nothing_twice() {
    let Some(engine) = Engine::start() else { return };
    let direct = engine.settings("lost");
    let client: Client = engine.client(&direct);
    block_on(schema::apply(&client)).unwrap();
    let cutter = Cutter::start(engine.address());
    let settings = Settings { url: format!("http://{}", cutter.address), ..direct };
    let running = start(&settings, &one_inserter());
    let sender = running.sink.sender();
    // Rows of two days: an insert makes a part for each.
    for number in 0..4 {
        sender.send(batch_of(block(1000 * number, 1000, 10, &mut Numbers(number)), number));
    }
    wait_for("the inserts", || running.counters.rows_inserted.get() == 4 * 1150);
    assert!(cutter.cuts.load(Ordering::Relaxed) > CUTS.len());
    for (table, rows) in TABLES.iter().zip([4000, 400, 200]) {
        let count = block_on(client.query(&format!("SELECT count() FROM {}", table.name), "TSV")).unwrap();
        assert_eq!(count, format!("{rows}\n"), "{}", table.name);
    }
    let failures: u64 = collector::clickhouse::Class::ALL.map(|class| running.counters.errors(class)).iter().sum();
    assert_eq!(failures, CUTS.len() as u64);
}
