//! The XDP program: takes the datagrams to this machine's addresses and our ports from the wire and hands each to the AF_XDP
//! socket of its slot.
//!
//! It drops what the front door refuses, exporters that are not allowed or send too fast, and nothing else: whatever it does
//! not redirect otherwise is XDP_PASS under a counted verdict, so the kernel, and with it an ordinary UDP socket on the same
//! port, sees what it would have seen without the program. What a frame is, which slot is whose, what rules and verdicts mean
//! is said in the library, which user space shares.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(
    internal_features,
    reason = "old BPF has atomic addition and no other atomics, so the standard ones leave it out"
)]
#![expect(unsafe_code, reason = "the frame and the maps are raw memory of the kernel, checked by its verifier")]

use core::arch::asm;
use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use aya_ebpf::helpers::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns, bpf_xdp_adjust_meta, bpf_xdp_get_buff_len};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, XskMap};
use aya_ebpf::programs::XdpContext;
use collector_ebpf::account::{self, ACCOUNT_WORDS, Account, DUE, OPENED, RULE, Sums};
use collector_ebpf::clock::Moment;
use collector_ebpf::limit::LimitWords;
use collector_ebpf::maps::{
    ACCOUNTS_DEFAULT, ADDRESSES_MAX, ANY_RECIPIENT, ConfigWords, ExporterKey, FoundWords, MACS_MAX, NETWORKS_MAX,
    OwnWords, PORT_WORDS, PREFIXES_MAX, REFUSED_MAX, SETTING_CLOCK, SETTING_RULES, SETTINGS_WORDS, SLOTS_DEFAULT,
    is_group, mac_word, port_bit, port_word,
};
use collector_ebpf::rule::LIMITS_PER_GENERATION;
use collector_ebpf::walk::{Datagram, address};
use collector_ebpf::{Clock, Config, DatedRule, Fate, Frame, Limit, Rule, Stamp, Verdict, walk};

/// The longest distance in a frame that is told apart from longer ones, all bits one: above every length of IP and UDP together
/// with the headers in front, and above every frame.
const DISTANCE_MAX: usize = 0x1_ffff;
/// `BPF_NOEXIST` of `linux/bpf.h`.
const ONLY_IF_NEW: u64 = 1;
/// `BPF_F_NO_PREALLOC` of `linux/bpf.h`: for maps that only user space writes, and that are nearly empty on most machines.
const ON_DEMAND: u32 = 1;

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
#[map]
static SETTINGS: Array<u64> = Array::with_max_entries(SETTINGS_WORDS, 0);
#[map]
static PREFIXES: LpmTrie<ExporterKey, u32> = LpmTrie::with_max_entries(PREFIXES_MAX, 0);
#[map]
static LIMITS: Array<LimitWords> = Array::with_max_entries(2 * LIMITS_PER_GENERATION, 0);
#[map]
static OWN: Array<OwnWords> = Array::with_max_entries(1, 0);
#[map]
static FOUND: PerCpuArray<FoundWords> = PerCpuArray::with_max_entries(1, 0);
#[map]
static ADDRESSES: HashMap<ExporterKey, u8> = HashMap::with_max_entries(ADDRESSES_MAX, ON_DEMAND);
#[map]
static NETWORKS: LpmTrie<ExporterKey, u8> = LpmTrie::with_max_entries(NETWORKS_MAX, 0);
#[map]
static MACS: HashMap<u64, u8> = HashMap::with_max_entries(MACS_MAX, ON_DEMAND);
#[map]
static KNOWN: HashMap<ExporterKey, Account> = HashMap::with_max_entries(ACCOUNTS_DEFAULT, 0);
#[map]
static NEWCOMERS: LruHashMap<ExporterKey, Account> = LruHashMap::with_max_entries(ACCOUNTS_DEFAULT, 0);
#[map]
static REFUSED: LruHashMap<ExporterKey, Account> = LruHashMap::with_max_entries(REFUSED_MAX, 0);
#[map]
static SUMS: PerCpuArray<Sums> = PerCpuArray::with_max_entries(1, 0);
#[map]
static BLANK: PerCpuArray<Account> = PerCpuArray::with_max_entries(1, 0);

/// Decides about one frame, which lies in one buffer.
#[xdp]
fn steer(context: XdpContext) -> u32 {
    run(&context, |_| false)
}

/// The same where the driver may hand over frames in several buffers: without this, native mode is refused to interfaces with
/// jumbo frames. Linux 5.18 and later.
#[xdp(frags)]
fn steer_frags(context: XdpContext) -> u32 {
    run(&context, |packet| goes_on(packet, &context))
}

/// Whether the frame goes on behind its first buffer, which is all that the walk sees.
#[inline(always)]
fn goes_on(packet: &Packet, context: &XdpContext) -> bool {
    // SAFETY: the context is the one that the kernel gave to this run of the program.
    let frame_bytes = unsafe { bpf_xdp_get_buff_len(context.ctx) };
    !packet.holds(frame_bytes as usize)
}

/// Redirects, drops or passes the frame on; counts each.
#[inline(always)]
fn run(context: &XdpContext, goes_on: impl Fn(&Packet) -> bool) -> u32 {
    let packet = Packet::of(context);
    let (slot, datagram) = match target(&packet, context.rx_queue_index(), goes_on) {
        Ok(target) => target,
        Err(verdict) => return pass(verdict),
    };
    let exporter = datagram.exporter;
    let bytes = datagram.payload_length as u64;
    // The time of the last tick, 1 to 10 ms ago: the exact one costs half as much as everything else here. Linux 5.11.
    // SAFETY: takes no arguments.
    let monotonic_ns = unsafe { bpf_ktime_get_coarse_ns() };
    let moment = Clock::from_word(setting(SETTING_CLOCK)).at(monotonic_ns);
    let entry = match judge(&exporter, moment) {
        Ok(entry) => entry,
        Err((fate, entry)) => {
            entry.count(moment, fate, bytes);
            count(fate.verdict());
            return XDP_DROP;
        }
    };
    stamp(context, moment);
    if SOCKETS.redirect(slot, u64::from(XDP_PASS)).is_err() {
        return pass(Verdict::NoSocket);
    }
    entry.count(moment, Fate::Steered, bytes);
    count(Verdict::Steered);
    XDP_REDIRECT
}

#[inline(always)]
fn pass(verdict: Verdict) -> u32 {
    count(verdict);
    XDP_PASS
}

/// The datagram, and the slot whose socket gets it; or why none does.
#[inline(always)]
fn target(frame: &Packet, queue: u32, goes_on: impl Fn(&Packet) -> bool) -> Result<(u32, Datagram), Verdict> {
    let datagram = match walk(frame) {
        Err(Verdict::Truncated) if goes_on(frame) => return Err(Verdict::Oversize),
        datagram => datagram?,
    };
    let ports = PORTS.get(port_word(datagram.destination_port)).copied().unwrap_or(0);
    if ports & port_bit(datagram.destination_port) == 0 {
        return Err(Verdict::OtherPort);
    }
    ensure_ours(frame, datagram.destination)?;
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
    if goes_on(frame) {
        return Err(Verdict::Oversize);
    }
    Ok((slot, datagram))
}

/// Whether this machine's IP would take the datagram: the frame is addressed to a MAC of ours or to a group, the packet to an address
/// of ours, which those of groups that were joined and of broadcasts are.
#[inline(always)]
fn ensure_ours(frame: &Packet, destination: [u64; 2]) -> Result<(), Verdict> {
    let Some(&[ours, generation]) = OWN.get(0) else { return Err(Verdict::OtherMac) };
    if ours == ANY_RECIPIENT {
        return Ok(());
    }
    let mac = mac_word(frame.read(0).ok_or(Verdict::Truncated)?);
    if mac != ours && !is_group(mac) && MACS.get_ptr(mac).is_none() {
        return Err(Verdict::OtherMac);
    }
    let Some(last) = FOUND.get_ptr_mut(0) else { return Err(Verdict::OtherAddress) };
    // SAFETY: the entry exists, is aligned, and no other CPU or program writes this CPU's copy.
    let last = unsafe { &mut *last };
    let [first, second] = destination;
    // Word by word: comparing arrays is a call of a function here.
    if last[0] == first && last[1] == second && last[2] == generation {
        return Ok(());
    }
    let destination = address(destination);
    if ADDRESSES.get_ptr(destination).is_none() && NETWORKS.get(Key::new(128, destination)).is_none() {
        return Err(Verdict::OtherAddress);
    }
    *last = [first, second, generation];
    Ok(())
}

/// The exporter's account if the front door lets its datagram through; else what becomes of it, and where that is counted.
#[inline(always)]
fn judge(exporter: &ExporterKey, moment: Moment) -> Result<Entry, (Fate, Entry)> {
    let elsewhere = DatedRule::from_word(setting(SETTING_RULES));
    let mut entry = Entry::of(exporter);
    let rule = entry.rule(exporter, elsewhere);
    if rule.is_refused() {
        return Err((Fate::NotAllowed, Entry::of_refused(exporter, moment)));
    }
    if entry.account.is_none() {
        entry = Entry::open(exporter, moment);
    }
    let limit = LIMITS.get(rule.number()).copied().map_or(Limit::NONE, Limit::from_words);
    if limit.is_none() || entry.take_token(limit, moment.monotonic_ns) {
        return Ok(entry);
    }
    Err((Fate::RateLimited, entry))
}

/// The rule of the longest prefix that holds the exporter.
#[inline(always)]
fn rule_of(exporter: &ExporterKey, elsewhere: Rule) -> Rule {
    PREFIXES.get(Key::new(128, *exporter)).map_or(elsewhere, |number| Rule::from_number(*number))
}

/// An exporter's account in one of the maps, or none where no map has room for it.
#[derive(Clone, Copy)]
struct Entry {
    account: Option<*mut Account>,
    /// Whether it is in the map of known exporters, so that nobody can evict it.
    lasts: bool,
}

impl Entry {
    /// The account that the exporter has.
    #[inline(always)]
    fn of(exporter: &ExporterKey) -> Self {
        if let Some(account) = KNOWN.get_ptr_mut(exporter) {
            return Self { account: Some(account), lasts: true };
        }
        Self { account: NEWCOMERS.get_ptr_mut(exporter), lasts: false }
    }

    /// A new account among the newcomers.
    #[inline(always)]
    fn open(exporter: &ExporterKey, moment: Moment) -> Self {
        if let Some(blank) = blank(moment) {
            // Another CPU may have been faster; its account is as good.
            let _ = NEWCOMERS.insert(exporter, blank, ONLY_IF_NEW);
        }
        Self { account: NEWCOMERS.get_ptr_mut(exporter), lasts: false }
    }

    /// The account among the refused, opened where there is none.
    #[inline(always)]
    fn of_refused(exporter: &ExporterKey, moment: Moment) -> Self {
        if let Some(account) = REFUSED.get_ptr_mut(exporter) {
            return Self { account: Some(account), lasts: false };
        }
        if let Some(blank) = blank(moment) {
            let _ = REFUSED.insert(exporter, blank, ONLY_IF_NEW);
        }
        Self { account: REFUSED.get_ptr_mut(exporter), lasts: false }
    }

    /// The rule that the account remembers, if it is one of the generation in force; else the one looked up, remembered.
    #[inline(always)]
    fn rule(self, exporter: &ExporterKey, elsewhere: DatedRule) -> Rule {
        let Some(word) = self.word(RULE) else { return rule_of(exporter, elsewhere.rule) };
        let remembered = DatedRule::from_word(word.get());
        if remembered.generation == elsewhere.generation {
            return remembered.rule;
        }
        let rule = rule_of(exporter, elsewhere.rule);
        word.set(DatedRule { rule, ..elsewhere }.to_word());
        rule
    }

    /// Whether the exporter's bucket has a token, which is then gone. The exact time is asked for only where that of the last
    /// tick is too early.
    ///
    /// Where datagrams of one exporter reach two CPUs in the same nanoseconds, both may take the same token: the last to write
    /// wins. An exporter's datagrams reach one queue, unless it sends from several ports, and so one CPU.
    #[inline(always)]
    fn take_token(self, limit: Limit, monotonic_ns: u64) -> bool {
        let Some(due) = self.word(DUE) else { return true };
        let due_ns = due.get();
        // SAFETY: takes no arguments.
        let exactly = || limit.admit(due_ns, unsafe { bpf_ktime_get_ns() });
        let Some(next_ns) = limit.admit(due_ns, monotonic_ns).or_else(exactly) else { return false };
        due.set(next_ns);
        true
    }

    /// Counts a datagram in the account, and in the sums where the account may be evicted.
    #[inline(always)]
    fn count(self, moment: Moment, fate: Fate, bytes: u64) {
        if let Some(number) = self.word(account::minute(moment.place)) {
            if number.get() != moment.minute {
                number.set(moment.minute);
            }
        }
        let index = account::count(moment.place, fate);
        if let (Some(datagrams), Some(sum_bytes)) = (self.word(index), self.word(index + 1)) {
            datagrams.add(1);
            sum_bytes.add(bytes);
        }
        if !self.lasts {
            sum(moment, fate, bytes);
        }
    }

    #[inline(always)]
    fn word(self, index: usize) -> Option<Word> {
        let account = self.account?;
        (index < ACCOUNT_WORDS).then(|| Word(account.cast::<u64>().wrapping_add(index)))
    }
}

/// A word of an account, which other CPUs may use at the same time. Reads and writes are volatile: BPF has no other way to say
/// that they are one access each.
struct Word(*mut u64);

impl Word {
    #[inline(always)]
    fn get(&self) -> u64 {
        // SAFETY: the map gave the account, the word lies in it and is aligned as the kernel aligns all map values.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn set(&self, value: u64) {
        // SAFETY: as for reading.
        unsafe { self.0.write_volatile(value) };
    }

    #[inline(always)]
    fn add(&self, number: u64) {
        // SAFETY: as for reading.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(self.0, number) };
    }
}

/// An account that is opened now.
#[inline(always)]
fn blank(moment: Moment) -> Option<&'static Account> {
    let blank = BLANK.get_ptr_mut(0)?;
    // SAFETY: the entry exists, is aligned, and no other CPU or program writes this CPU's copy.
    let blank = unsafe { &mut *blank };
    blank[OPENED] = moment.monotonic_ns;
    Some(blank)
}

/// Counts a datagram in the sums.
#[inline(always)]
fn sum(moment: Moment, fate: Fate, bytes: u64) {
    let Some(sums) = SUMS.get_ptr_mut(0) else { return };
    // SAFETY: the entry exists, is aligned, and no other CPU or program writes this CPU's copy.
    let sums = unsafe { &mut *sums };
    sums[account::sum_minute(moment.place)] = moment.minute;
    let index = account::sum_count(moment.place, fate);
    sums[index] = sums[index].wrapping_add(1);
    sums[index + 1] = sums[index + 1].wrapping_add(bytes);
}

/// Puts the receive time in front of the frame. A driver without room for it leaves the frame as it is, which the worker sees.
#[inline(always)]
fn stamp(context: &XdpContext, moment: Moment) {
    // What is there already, from the driver or from another program, is written over.
    let in_front = context.data().wrapping_sub(context.metadata()) as i32;
    // SAFETY: the context is the one that the kernel gave to this run of the program.
    if unsafe { bpf_xdp_adjust_meta(context.ctx, in_front - Stamp::BYTES as i32) } != 0 {
        return;
    }
    let (start, end) = (context.metadata() as *mut [u64; 2], context.data() as *mut [u64; 2]);
    if start.wrapping_add(1) > end {
        return;
    }
    let words = Stamp { time_ns: moment.wall_ns }.to_words();
    // SAFETY: the bytes lie in front of the frame, which the verifier proves again; BPF lets them be unaligned.
    unsafe { start.write_unaligned(words) };
}

/// A word of the settings.
#[inline(always)]
fn setting(index: u32) -> u64 {
    SETTINGS.get(index).copied().unwrap_or(0)
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
        self.start.wrapping_add(bounded(length)) <= self.end
    }
}

/// `distance`, or [`DISTANCE_MAX`] where it is longer, with a bound that every verifier sees.
///
/// A verifier lets nothing be added to a packet pointer whose bounds it does not know, and those before Linux 6.13 know none of
/// a number that was turned from network byte order. LLVM knows that such a number has 16 bits and would leave out a bound
/// that it can see through, so this one is an instruction that it cannot.
#[inline(always)]
fn bounded(distance: usize) -> usize {
    let mut distance = distance.min(DISTANCE_MAX);
    // SAFETY: changes this register alone, and leaves every number as it is that the line above lets through.
    unsafe {
        asm!("{0} &= {1}", inout(reg) distance, const DISTANCE_MAX, options(pure, nomem, nostack, preserves_flags));
    }
    distance
}

/// None of the functions called is reserved to programs under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 11] = *b"Apache-2.0\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
