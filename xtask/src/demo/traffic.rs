//! Real traffic for the exporters to watch: TCP, UDP and ping of several clients with several servers, IPv4 and IPv6.
//!
//! Client and server are threads that live in two network namespaces. Addresses are those kept for documentation
//! (RFC 5737, RFC 3849), so nothing here can be mistaken for anybody's network.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};

use super::netns::{Namespace, Process};

/// Clients, and servers, in each address family.
const HOSTS: u8 = 8;
const TCP_PORTS: [u16; 5] = [443, 80, 8443, 993, 22];
const UDP_PORTS: [u16; 3] = [53, 443, 123];
/// Between two rounds of one TCP and two UDP conversations.
const PAUSE: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(2);

/// The addresses of the clients' end, with prefix length.
pub fn client_addresses() -> Vec<String> {
    addresses(client)
}

/// The addresses of the servers' end, with prefix length.
pub fn server_addresses() -> Vec<String> {
    addresses(server)
}

fn addresses(of: fn(u8, bool) -> IpAddr) -> Vec<String> {
    let both = (1..=HOSTS).flat_map(|host| [of(host, false), of(host, true)]);
    both.map(|address| if address.is_ipv6() { format!("{address}/64") } else { format!("{address}/24") }).collect()
}

/// Clients are .1 to .8 of the documentation network that both ends share.
fn client(host: u8, six: bool) -> IpAddr {
    if six { v6(u16::from(host)) } else { Ipv4Addr::new(198, 51, 100, host).into() }
}

/// Servers are .101 to .108.
fn server(host: u8, six: bool) -> IpAddr {
    if six { v6(0x100 + u16::from(host)) } else { Ipv4Addr::new(198, 51, 100, 100 + host).into() }
}

fn v6(host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, host).into()
}

/// Traffic that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
    pings: Vec<Process>,
}

impl Traffic {
    /// Starts servers and clients, each in their namespace.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started or a server cannot listen.
    pub fn start(clients: &Namespace, servers: &Namespace) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut traffic = Self { stop: Arc::clone(&stop), threads: Vec::new(), pings: Vec::new() };
        let bound = servers.enter(Listeners::bind)?.join();
        let listeners = bound.map_err(|_| anyhow::anyhow!("the servers' thread panicked"))???;
        let served = Arc::clone(&stop);
        traffic.threads.push(thread::spawn(move || {
            listeners.serve(&served);
            Ok(())
        }));
        traffic.threads.push(clients.enter(move || converse(&stop))?);
        for six in [false, true] {
            let mut ping = clients.command("ping");
            ping.args(["-q", "-i", "1", &server(1, six).to_string()]).stdout(Stdio::null());
            traffic.pings.push(Process::start("ping", &mut ping)?);
        }
        Ok(traffic)
    }

    /// Ends all conversations.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.pings.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A socket keeps the namespace it was made in, so these serve from any thread.
struct Listeners {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Listeners {
    fn bind() -> Result<Self> {
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let tcp: Vec<TcpListener> = TCP_PORTS
            .iter()
            .map(|port| TcpListener::bind((any, *port)))
            .collect::<io::Result<_>>()
            .context("cannot listen for the demo's TCP traffic")?;
        let mut udp = Vec::new();
        for address in (1..=HOSTS).flat_map(|host| [server(host, false), server(host, true)]) {
            for port in UDP_PORTS {
                // One socket for each address, so that an answer comes from the address that was asked.
                let socket = UdpSocket::bind((address, port)).context("cannot listen for the demo's UDP traffic")?;
                socket.set_nonblocking(true)?;
                udp.push(socket);
            }
        }
        for listener in &tcp {
            listener.set_nonblocking(true)?;
        }
        Ok(Self { tcp, udp })
    }

    fn serve(self, stop: &AtomicBool) {
        let mut body = vec![0; 65_536];
        while !stop.load(Ordering::Relaxed) {
            let mut idle = true;
            for listener in &self.tcp {
                while let Ok((stream, _)) = listener.accept() {
                    idle = false;
                    // A client that went away is no concern of the demo.
                    let _ = answer(stream, &body);
                }
            }
            for socket in &self.udp {
                while let Ok((length, from)) = socket.recv_from(&mut body) {
                    idle = false;
                    let _ = socket.send_to(&[0; 1200][..(length * 8).min(1200)], from);
                }
            }
            if idle {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Serves as many bytes as the client's four-byte request asks for.
fn answer(mut stream: TcpStream, body: &[u8]) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    let mut left = u32::from_be_bytes(request) as usize;
    while left > 0 {
        let part = left.min(body.len());
        stream.write_all(body.get(..part).unwrap_or(body))?;
        left -= part;
    }
    Ok(())
}

fn converse(stop: &AtomicBool) {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut body = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let six = dice.below(3) == 0;
        // A conversation that fails is traffic that did not happen; the exporters count what did.
        let _ = download(&mut dice, six, &mut body);
        let _ = ask(&mut dice, six);
        let _ = ask(&mut dice, !six);
        thread::sleep(PAUSE);
    }
}

fn download(dice: &mut Dice, six: bool, body: &mut [u8]) -> io::Result<()> {
    let from = SocketAddr::new(client(dice.host(), six), 0);
    let to = SocketAddr::new(server(dice.host(), six), TCP_PORTS[dice.below(TCP_PORTS.len())]);
    let family = if six { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = 1_500_u32 << dice.below(9);
    stream.write_all(&length.to_be_bytes())?;
    while stream.read(body)? > 0 {}
    Ok(())
}

fn ask(dice: &mut Dice, six: bool) -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddr::new(client(dice.host(), six), 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    socket.send_to(&[0; 60], (server(dice.host(), six), UDP_PORTS[dice.below(UDP_PORTS.len())]))?;
    socket.recv(&mut [0; 1500]).map(drop)
}

/// A xorshift generator: the same traffic each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    /// The lower the number, the more talkative the host.
    fn host(&mut self) -> u8 {
        let hosts = usize::from(HOSTS);
        let host = self.below(hosts).min(self.below(hosts)).min(self.below(hosts));
        u8::try_from(host + 1).unwrap_or(HOSTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_in_range_and_some_talk_more() {
        let mut dice = Dice(1);
        let mut talks = [0; HOSTS as usize + 1];
        for _ in 0..10_000 {
            talks[usize::from(dice.host())] += 1;
        }
        assert_eq!(talks[0], 0);
        assert!(talks.windows(2).skip(1).all(|pair| pair[0] > pair[1]), "{talks:?}");
    }

    #[test]
    fn the_two_ends_share_a_network_and_no_address() {
        let (clients, servers) = (client_addresses(), server_addresses());
        assert_eq!(clients.len(), usize::from(HOSTS) * 2);
        assert!(clients.iter().all(|address| !servers.contains(address)));
    }
}
