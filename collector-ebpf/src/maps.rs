//! The maps of the program: their names and sizes, what an entry means, and the arithmetic that finds it.
//!
//! User space writes these maps while the program runs; nothing here needs the program to be loaded again.

/// Name of the program for frames that lie in one buffer.
pub const PROGRAM: &str = "steer";
/// Name of the program that also meets frames in several buffers, which are left to the kernel. Linux 5.18 and later.
pub const PROGRAM_FRAGS: &str = "steer_frags";
/// Array of [`PORT_WORDS`] words: the set of destination ports that are ours, see [`port_word`] and [`port_bit`].
pub const PORTS: &str = "PORTS";
/// XSKMAP from slot to AF_XDP socket. User space sets its size when it loads the program.
pub const SOCKETS: &str = "SOCKETS";
/// Per-CPU array of `u64`: how often each [`crate::Verdict`] was reached.
pub const VERDICTS: &str = "VERDICTS";
/// Array with one entry, the words of [`Config`].
pub const CONFIG: &str = "CONFIG";
/// Per-CPU array with one entry: how many datagrams this CPU has spread.
pub const TURN: &str = "TURN";
/// Array of [`SETTINGS_WORDS`] words that change while the program runs, each whole in itself: see [`SETTING_CLOCK`] and
/// [`SETTING_RULES`].
pub const SETTINGS: &str = "SETTINGS";
/// LPM trie from prefixes of an [`ExporterKey`] to the number of a [`crate::Rule`]. What no prefix holds has the rule of [`SETTING_RULES`].
pub const PREFIXES: &str = "PREFIXES";
/// Array of [`crate::limit::LimitWords`], by the number of the rule.
pub const LIMITS: &str = "LIMITS";
/// Hash from exporter to [`crate::account::Account`], filled by user space alone: exporters whose datagrams made sense.
pub const KNOWN: &str = "KNOWN";
/// The same for exporters that are not in [`KNOWN`], opened by the program. The least recently used ones are evicted, which costs
/// their counts, but not those in [`SUMS`].
pub const NEWCOMERS: &str = "NEWCOMERS";
/// The same for exporters that are not allowed.
pub const REFUSED: &str = "REFUSED";
/// Per-CPU array with one entry, [`crate::account::Sums`]: what became of all datagrams that were not counted in [`KNOWN`].
pub const SUMS: &str = "SUMS";
/// Per-CPU array with one entry, an account in the making: its minutes are never written.
pub const BLANK: &str = "BLANK";

/// Array with one entry, [`OwnWords`].
pub const OWN: &str = "OWN";
/// Per-CPU array with one entry, [`FoundWords`]: nearly all datagrams go to one address of the machine, which is looked up once then.
pub const FOUND: &str = "FOUND";
/// Hash whose keys are the addresses that are this machine's, as in [`ExporterKey`]; the values mean nothing.
pub const ADDRESSES: &str = "ADDRESSES";
/// LPM trie whose keys are the networks of which every address is this machine's; the values mean nothing.
pub const NETWORKS: &str = "NETWORKS";
/// Hash whose keys are the MACs, as [`mac_word`] has them, that are as good as that of [`OWN`]; the values mean nothing.
pub const MACS: &str = "MACS";

/// Words of the map [`SETTINGS`].
pub const SETTINGS_WORDS: u32 = 2;
/// Word of the map [`SETTINGS`]: a [`crate::Clock`].
pub const SETTING_CLOCK: u32 = 0;
/// Word of the map [`SETTINGS`]: a [`crate::DatedRule`], the generation in force and the rule of whom no prefix holds.
pub const SETTING_RULES: u32 = 1;

/// The interface's MAC, as [`mac_word`] has it, or [`ANY_RECIPIENT`]; and the generation of [`ADDRESSES`] and [`NETWORKS`], which grows from 1
/// whenever something in them was changed.
pub type OwnWords = [u64; 2];
/// An address that was found to be this machine's, in two halves, and the generation in which it was; no generation is 0.
pub type FoundWords = [u64; 3];
/// In the place of a MAC: whoever a datagram is addressed to, it is taken, as from a mirror port.
pub const ANY_RECIPIENT: u64 = u64::MAX;

/// Addresses that the map [`ADDRESSES`] can hold.
pub const ADDRESSES_MAX: u32 = 1 << 14;
/// Networks that the map [`NETWORKS`] can hold.
pub const NETWORKS_MAX: u32 = 1 << 10;
/// MACs that the map [`MACS`] can hold.
pub const MACS_MAX: u32 = 1 << 10;

/// Prefixes that the map [`PREFIXES`] can hold.
pub const PREFIXES_MAX: u32 = 1 << 16;
/// Accounts in the maps [`KNOWN`] and [`NEWCOMERS`] of the object, before user space sets their sizes.
pub const ACCOUNTS_DEFAULT: u32 = 1 << 14;
/// Accounts in the map [`REFUSED`].
pub const REFUSED_MAX: u32 = 1 << 12;

/// An exporter, as the maps hold it: its address in network byte order, IPv4 mapped into `::ffff:0:0/96`.
pub type ExporterKey = [u8; 16];

/// Words of 64 bits, one bit for each of the 65,536 ports: an array that the kernel's compiler reads without a call.
pub const PORT_WORDS: u32 = 1024;

/// Slots of the XSKMAP in the object, before user space sets its size.
pub const SLOTS_DEFAULT: u32 = 64;

/// The word of the map [`PORTS`] that holds `port`.
#[inline(always)]
#[must_use]
pub const fn port_word(port: u16) -> u32 {
    (port / 64) as u32
}

/// The bit of `port` in its word.
#[inline(always)]
#[must_use]
pub const fn port_bit(port: u16) -> u64 {
    1 << (port % 64)
}

/// A MAC as a number: its first byte is the lowest.
#[inline(always)]
#[must_use]
pub const fn mac_word([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// Whether a MAC, as [`mac_word`] has it, is that of a group: broadcast or multicast.
#[inline(always)]
#[must_use]
pub const fn is_group(mac: u64) -> bool {
    mac & 1 != 0
}

/// How datagrams are shared out among the sockets of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Spread {
    /// All datagrams of an exporter to one socket: its templates and sequence numbers meet on one core.
    ByExporter = 0,
    /// Each datagram to the next socket, for an exporter that is too heavy for one core.
    RoundRobin = 1,
}

/// What user space tells the program, beside the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Sockets that share one queue. Zero leaves every datagram to the kernel.
    pub sockets_per_queue: u32,
    /// Which of them gets a datagram.
    pub spread: Spread,
    /// The longest frame in bytes that the umem can take; longer ones are left to the kernel. Zero sets no bound.
    pub frame_bytes_max: u32,
}

/// A [`Config`] as the map holds it, in the byte order of the machine.
pub type ConfigWords = [u32; 4];

impl Config {
    /// The map entry. The last word is spare.
    #[must_use]
    pub const fn to_words(self) -> ConfigWords {
        [self.sockets_per_queue, self.spread as u32, self.frame_bytes_max, 0]
    }

    /// The configuration in a map entry.
    #[inline(always)]
    #[must_use]
    pub const fn from_words(words: ConfigWords) -> Self {
        let [sockets_per_queue, spread, frame_bytes_max, _] = words;
        let spread = if spread == Spread::RoundRobin as u32 { Spread::RoundRobin } else { Spread::ByExporter };
        Self { sockets_per_queue, spread, frame_bytes_max }
    }

    /// The slot for a datagram of `exporter` on `queue`, or nothing if queues have no sockets. `turn` counts the datagrams;
    /// it is asked only where sockets take turns.
    #[inline(always)]
    #[must_use]
    pub fn slot(self, queue: u32, exporter: [u8; 16], turn: impl FnOnce() -> u32) -> Option<u32> {
        let number = match self.spread {
            Spread::ByExporter => hash(exporter),
            Spread::RoundRobin => turn(),
        };
        Some(slot(queue, self.sockets_per_queue, number.checked_rem(self.sockets_per_queue)?))
    }
}

/// The slot of the socket `number` (below `sockets_per_queue`) of `queue`.
#[inline(always)]
#[must_use]
pub const fn slot(queue: u32, sockets_per_queue: u32, number: u32) -> u32 {
    queue.wrapping_mul(sockets_per_queue).wrapping_add(number)
}

/// Spreads addresses that differ in any bit over the whole range: the finalizer of SplitMix64 on both halves of the address.
#[inline(always)]
fn hash(exporter: [u8; 16]) -> u32 {
    let address = u128::from_be_bytes(exporter);
    let mut mixed = ((address >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (address as u64);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_has_a_bit_of_its_own_inside_the_map() {
        for port in 0..=u16::MAX {
            assert!(port_word(port) < PORT_WORDS);
            assert_eq!(port_word(port) * 64 + port_bit(port).trailing_zeros(), u32::from(port));
        }
    }

    #[test]
    fn groups_are_told_by_their_mac() {
        for (mac, group) in [
            ([0x02, 0, 0, 0, 0, 1], false),
            ([0; 6], false),
            ([0xff; 6], true),
            ([0x01, 0, 0x5e, 1, 2, 3], true),
            ([0x33, 0x33, 0, 0, 0, 1], true),
        ] {
            assert_eq!(is_group(mac_word(mac)), group, "{mac:x?}");
            assert!(mac_word(mac) < 1 << 48 && mac_word(mac) != ANY_RECIPIENT);
        }
    }

    #[test]
    fn configuration_survives_the_map() {
        for spread in [Spread::ByExporter, Spread::RoundRobin] {
            let config = Config { sockets_per_queue: 3, spread, frame_bytes_max: 1792 };
            assert_eq!(Config::from_words(config.to_words()), config);
        }
    }

    #[test]
    fn slots_of_a_queue_are_its_own() {
        for queue in 0..4_u32 {
            for spread in [Spread::ByExporter, Spread::RoundRobin] {
                let config = Config { sockets_per_queue: 3, spread, frame_bytes_max: 0 };
                for number in 0..=u8::MAX {
                    let slot = config.slot(queue, [number; 16], || u32::from(number)).expect("queues have sockets");
                    assert!((queue * 3..queue * 3 + 3).contains(&slot), "{spread:?} {queue} {number}: {slot}");
                }
            }
        }
        let none = Config { sockets_per_queue: 0, spread: Spread::ByExporter, frame_bytes_max: 0 };
        assert_eq!(none.slot(0, [1; 16], || 0), None);
    }

    #[test]
    fn neighbouring_exporters_meet_different_sockets() {
        let config = Config { sockets_per_queue: 4, spread: Spread::ByExporter, frame_bytes_max: 0 };
        let mut seen = [0_u32; 4];
        for host in 0..=u8::MAX {
            let exporter = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, host];
            seen[config.slot(0, exporter, || 0).expect("queues have sockets") as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (40..=90).contains(&count)), "{seen:?}");
    }

    #[test]
    fn round_robin_takes_turns() {
        let config = Config { sockets_per_queue: 3, spread: Spread::RoundRobin, frame_bytes_max: 0 };
        let slots = [0, 1, 2, 3, u32::MAX].map(|turn| config.slot(1, [0; 16], || turn));
        assert_eq!(slots, [Some(3), Some(4), Some(5), Some(3), Some(3)]);
    }
}
