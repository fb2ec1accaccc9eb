//! Interfaces, XDP programs, rings and sockets: which worker gets its datagrams from where.
//!
//! A queue's rings go to different workers; with fewer queues than workers several sockets share a queue. Every worker also
//! gets a UDP socket on each port: they take what the XDP program passes up, and everything where XDP cannot run.

use std::os::fd::AsFd as _;

use crate::config::{self, CaptureMode};
use crate::front_door::Rules;
use crate::steering;
use crate::worker::{Sources, layout, pin};
use crate::{udp, xsk};

use super::handover::{self, Handover};
use super::interface::Interface;

/// What takes datagrams off the wire.
pub(super) struct Captured {
    /// An attached program for each interface; empty with plain UDP. Dropping them detaches.
    pub(super) interfaces: Vec<Interface>,
    /// Interfaces on which XDP cannot run although it is wanted there.
    pub(super) refused: Vec<Refused>,
    /// A set for each worker.
    pub(super) sources: Vec<Sources>,
}

/// An interface that plain UDP sockets serve because XDP cannot run on it.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// Its name.
    pub(super) interface: String,
    /// Why, as a metric's label.
    pub(super) reason: &'static str,
}

/// What the programs are told of the front door.
pub(super) struct DoorSettings {
    /// Who may send, and how fast.
    pub(super) rules: Rules,
    /// Exporters that are kept apart.
    pub(super) exporters: u32,
}

/// Why nothing can be received.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The XDP program.
    #[error(transparent)]
    Steering(#[from] steering::Error),
    /// An AF_XDP socket.
    #[error(transparent)]
    Xsk(#[from] xsk::Error),
    /// A UDP socket.
    #[error(transparent)]
    Udp(#[from] udp::Error),
}

impl Error {
    /// The reason as a metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Steering(error) => error.label(),
            Self::Xsk(_) => "socket",
            Self::Udp(_) => "udp",
        }
    }
}

/// Opens everything. With `auto`, an interface on which XDP cannot run is served by the UDP sockets, and the log says why.
///
/// # Errors
/// When a UDP port cannot be bound, or with `--capture xdp` when XDP cannot run on an interface.
pub(super) fn open(
    settings: &config::Capture,
    door: &DoorSettings,
    mut handed_over: Handover,
) -> Result<Captured, Error> {
    let workers = worker_count(settings);
    let mut captured = Captured {
        interfaces: Vec::new(),
        refused: Vec::new(),
        sources: (0..workers).map(|_| Sources::default()).collect(),
    };
    // The sockets come first: from the moment on when the program runs, what it passes up has somewhere to go.
    for socket in udp_settings(settings) {
        open_sockets(&socket, &mut handed_over, &mut captured.sources)?;
    }
    handed_over.give_up_rest();
    if settings.mode == CaptureMode::Udp {
        return Ok(captured);
    }
    if settings.interfaces.is_empty() {
        tracing::warn!("no interface was named: plain UDP sockets receive; name one with --interface to use XDP");
    }
    for (program, name) in (0..).zip(&settings.interfaces) {
        match Interface::open(settings, door, name, workers, program) {
            Ok((interface, rings)) => {
                rings.into_iter().for_each(|(worker, ring)| captured.sources[worker].rings.push(ring));
                captured.interfaces.push(interface);
            }
            Err(error) if settings.mode == CaptureMode::Auto => {
                tracing::error!(
                    interface = name,
                    reason = error.label(),
                    %error,
                    "XDP cannot run here: plain UDP sockets receive instead, which takes more CPU for each datagram and loses more in a burst"
                );
                captured.refused.push(Refused { interface: name.clone(), reason: error.label() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(captured)
}

/// Gives every worker a socket at a port: those of the last run first, all of them, for what nobody reads is lost; then new ones.
fn open_sockets(settings: &udp::Settings, handed_over: &mut Handover, sources: &mut [Sources]) -> Result<(), Error> {
    let adopted = handed_over.of_port(settings.port).into_iter().filter_map(|fd| {
        let adopted = udp::Socket::adopt(fd, settings);
        adopted.inspect_err(|error| tracing::warn!(%error, "a socket of the last run is of no use")).ok()
    });
    let adopted: Vec<udp::Socket> = adopted.collect();
    if !adopted.is_empty() {
        tracing::info!(port = settings.port, sockets = adopted.len(), "took over the sockets of the last run");
    }
    let (workers, count) = (sources.len(), adopted.len());
    for (index, socket) in adopted.into_iter().enumerate() {
        sources[index % workers].sockets.push(socket);
    }
    for sources in sources.iter_mut().skip(count) {
        let socket = udp::Socket::bind(settings)?;
        handover::keep(settings.port, socket.as_fd());
        sources.sockets.push(socket);
    }
    Ok(())
}

/// Says early, before anything was started for them, that another program listens on one of the ports, or that an
/// interface is not there: that is a mistake in its name, which plain UDP sockets must not hide.
pub(super) fn ensure_usable(settings: &config::Capture, handed_over: &Handover) -> Result<(), Error> {
    let mut new = udp_settings(settings).filter(|socket| !handed_over.has(socket.port));
    new.try_for_each(|socket| udp::ensure_unused(&socket))?;
    for name in settings.interfaces.iter().filter(|_| settings.mode != CaptureMode::Udp) {
        if let Err(missing @ steering::Error::NoInterface { .. }) = steering::queues(name) {
            return Err(missing.into());
        }
    }
    Ok(())
}

fn udp_settings(settings: &config::Capture) -> impl Iterator<Item = udp::Settings> {
    settings.ports.iter().map(|port| udp::Settings {
        address: settings.udp_address,
        port: *port,
        receive_buffer_bytes: settings.udp_receive_buffer_bytes,
    })
}

fn worker_count(settings: &config::Capture) -> usize {
    let most_queues = settings.interfaces.iter().filter_map(|name| steering::queues(name).ok()).max();
    layout::workers(settings.workers, most_queues, pin::allowed_cores().map_or(1, |cores| cores.len()))
}

impl Captured {
    /// The mode in force, for a person.
    pub(super) fn describe(&self) -> String {
        describe(&self.interfaces)
    }
}

/// The mode in force on all interfaces, for a person.
pub(super) fn describe(interfaces: &[Interface]) -> String {
    if interfaces.is_empty() {
        return "plain UDP sockets".to_owned();
    }
    let interfaces: Vec<String> =
        interfaces.iter().map(|interface| format!("{}: {}", interface.name, interface.mode())).collect();
    interfaces.join("; ")
}
