//! The XDP program: takes the datagrams to our ports from the wire and hands each to the AF_XDP socket of its slot.
//!
//! It never drops a frame. Whatever it does not redirect is XDP_PASS under a counted verdict, so the kernel, and with it an
//! ordinary UDP socket on the same port, sees what it would have seen without the program. What a frame is, which slot is whose
//! and what the verdicts mean is said in the library, which user space shares.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "the frame and the maps are raw memory of the kernel, checked by its verifier")]

use aya_ebpf::bindings::xdp_action::{XDP_PASS, XDP_REDIRECT};
use aya_ebpf::helpers::bpf_xdp_get_buff_len;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, PerCpuArray, XskMap};
use aya_ebpf::programs::XdpContext;
use collector_ebpf::maps::{ConfigWords, PORT_WORDS, SLOTS_DEFAULT, port_bit, port_word};
use collector_ebpf::{Config, Frame, Verdict, walk};

/// The farthest that a program can look into a frame, `MAX_PACKET_OFF` of `kernel/bpf/verifier.c`.
const PACKET_OFFSET_MAX: u64 = 0xffff;

#[map]
static PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, 0);
#[map]
static SOCKETS: XskMap = XskMap::with_max_entries(SLOTS_DEFAULT, 0);
#[map]
static VERDICTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Verdict::COUNT as u32, 0);
#[map]
static CONFIG: Array<ConfigWords> = Array::with_max_entries(1, 0);
#[map]
static TURN: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Decides about one frame, which lies in one buffer.
#[xdp]
fn steer(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    let target = target(&packet, context.rx_queue_index());
    act(target)
}

/// The same where the driver may hand over frames in several buffers: without this, native mode is refused to interfaces with
/// jumbo frames. Linux 5.18 and later.
#[xdp(frags)]
fn steer_frags(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    let target = match target(&packet, context.rx_queue_index()) {
        Ok(_) | Err(Verdict::Truncated) if goes_on(&packet, &context) => Err(Verdict::Oversize),
        target => target,
    };
    act(target)
}

/// Whether the frame goes on behind its first buffer, which is all that the walk sees.
#[inline(always)]
fn goes_on(packet: &Packet, context: &XdpContext) -> bool {
    // SAFETY: the context is the one that the kernel gave to this run of the program.
    let frame_bytes = unsafe { bpf_xdp_get_buff_len(context.ctx) };
    // The verifier wants the length that is added to a packet pointer to be bounded.
    !packet.holds(frame_bytes.min(PACKET_OFFSET_MAX) as usize)
}

/// Redirects to the slot, or passes the frame on; counts either.
#[inline(always)]
fn act(target: Result<u32, Verdict>) -> u32 {
    let (verdict, action) = match target {
        Ok(slot) => match SOCKETS.redirect(slot, u64::from(XDP_PASS)) {
            Ok(_) => (Verdict::Steered, XDP_REDIRECT),
            Err(_) => (Verdict::NoSocket, XDP_PASS),
        },
        Err(verdict) => (verdict, XDP_PASS),
    };
    count(verdict);
    action
}

/// The slot whose socket gets the frame, or why none does.
#[inline(always)]
fn target(frame: &Packet, queue: u32) -> Result<u32, Verdict> {
    let datagram = walk(frame)?;
    let ports = PORTS.get(port_word(datagram.destination_port)).copied().unwrap_or(0);
    if ports & port_bit(datagram.destination_port) == 0 {
        return Err(Verdict::OtherPort);
    }
    let Some(&words) = CONFIG.get(0) else { return Err(Verdict::NoSocket) };
    let config = Config::from_words(words);
    if config.frame_bytes_max != 0 && frame.holds(config.frame_bytes_max as usize + 1) {
        return Err(Verdict::Oversize);
    }
    let Some(slot) = config.slot(queue, datagram.exporter, turn) else { return Err(Verdict::NoSocket) };
    // The kernel drops what is redirected to a socket of another queue, so such a socket counts as none.
    if SOCKETS.get(slot) != Some(queue) {
        return Err(Verdict::NoSocket);
    }
    Ok(slot)
}

/// The number of this datagram among those that this CPU has spread.
#[inline(always)]
fn turn() -> u32 {
    let Some(turn) = TURN.get_ptr_mut(0) else { return 0 };
    // SAFETY: the entry exists, is aligned, and no other CPU or program writes this CPU's copy.
    let turn = unsafe { &mut *turn };
    *turn = turn.wrapping_add(1);
    *turn
}

#[inline(always)]
fn count(verdict: Verdict) {
    let Some(counter) = VERDICTS.get_ptr_mut(verdict.index()) else { return };
    // SAFETY: the entry exists, is aligned, and no other CPU or program writes this CPU's copy.
    let counter = unsafe { &mut *counter };
    *counter = counter.wrapping_add(1);
}

/// The frame, or its first buffer: the bytes from `start` up to but not including `end`.
struct Packet {
    start: *const u8,
    end: *const u8,
}

impl Packet {
    #[inline(always)]
    fn of(context: &XdpContext) -> Self {
        Self { start: context.data() as *const u8, end: context.data_end() as *const u8 }
    }
}

impl Frame for Packet {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let field = self.start.wrapping_add(offset);
        if field.wrapping_add(N) > self.end {
            return None;
        }
        // SAFETY: the bytes lie in front of the end of the frame, which the verifier proves again; arrays of bytes need no
        // alignment and have no invalid values.
        Some(unsafe { *field.cast::<[u8; N]>() })
    }

    #[inline(always)]
    fn holds(&self, length: usize) -> bool {
        self.start.wrapping_add(length) <= self.end
    }
}

/// None of the functions called is reserved to programs under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
