//! GeoIP files of real size, made up: some five million networks, a hundred thousand cities, 75 000 autonomous systems.

use std::path::{Path, PathBuf};

use crate::database::{Record, Writer};

const CITIES: u64 = 100_000;
const COUNTRIES: u32 = 250;
const SYSTEMS: u64 = 75_000;
/// Parts of IPv6 that are handed out, /32 each.
const V6_REGIONS: u32 = 10_000;

/// First and last addresses of the city file's networks.
pub(crate) struct Networks {
    pub(crate) v4: Vec<(u128, u128)>,
    pub(crate) v6: Vec<(u128, u128)>,
}

/// A generator of numbers that look random: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// A rank below `limit`; each is as likely as its number says: half as likely as the one of half the number.
    pub(crate) fn zipf(&mut self, limit: usize) -> usize {
        let share = self.below(1 << 53) as f64 / (1_u64 << 53) as f64;
        ((limit as f64).powf(share) as usize).saturating_sub(1).min(limit - 1)
    }
}

/// The city file and the file of autonomous systems, made where they are not yet.
pub(crate) fn make(folder: &Path) -> anyhow::Result<[PathBuf; 2]> {
    let files = ["real-size-city.mmdb", "real-size-asn.mmdb"].map(|name| folder.join(name));
    if files.iter().all(|file| file.exists()) {
        return Ok(files);
    }
    let mut random = Random(3);
    let mut city = Writer::new();
    for network in nets(&city_shares(), 1) {
        let number = random.zipf(CITIES as usize) as u32;
        city.insert(
            network,
            Record::City {
                number,
                country: number.wrapping_mul(2_654_435_761) % COUNTRIES,
                radius: random.below(4) as u16,
            },
        );
    }
    city.write(&files[0], "GeoLite2-City")?;
    drop(city);
    let mut systems = Writer::new();
    for network in nets(&system_shares(), 2) {
        systems.insert(network, Record::System { number: random.zipf(SYSTEMS as usize) as u32 });
    }
    systems.write(&files[1], "GeoLite2-ASN")?;
    Ok(files)
}

/// The networks that the city file was made of.
pub(crate) fn networks() -> Networks {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for Network { first, bits } in nets(&city_shares(), 1) {
        let last = first | u128::MAX.checked_shr(bits.into()).unwrap_or(0);
        if first >> 32 == 0 { v4.push((first, last)) } else { v6.push((first, last)) }
    }
    Networks { v4, v6 }
}

/// Of a thousand prefixes of each length, those that are split in two.
struct Shares {
    v4: fn(u8) -> u64,
    v6: fn(u8) -> u64,
}

fn city_shares() -> Shares {
    Shares {
        v4: |bits| match bits {
            0..=15 => 990,
            16..=20 => 930,
            21 => 850,
            22 => 430,
            23 => 400,
            24 => 120,
            25..=31 => 380,
            _ => 0,
        },
        v6: |bits| match bits {
            0..=35 => 700,
            36..=43 => 620,
            44..=47 => 480,
            48..=63 => 250,
            _ => 0,
        },
    }
}

fn system_shares() -> Shares {
    Shares {
        v4: |bits| match bits {
            0..=15 => 950,
            16..=20 => 760,
            21..=23 => 420,
            _ => 0,
        },
        v6: |bits| match bits {
            0..=47 => 370,
            _ => 0,
        },
    }
}

/// A prefix; IPv4 is `::/96`.
pub(crate) struct Network {
    pub(crate) first: u128,
    pub(crate) bits: u8,
}

fn nets(shares: &Shares, seed: u64) -> Vec<Network> {
    let mut random = Random(seed);
    let mut found = Vec::new();
    for region in 1..224_u32 {
        split(u128::from(region << 24), 8, 32, shares.v4, &mut random, &mut |first, bits| {
            found.push(Network { first, bits: bits + 96 });
        });
    }
    for region in 0..V6_REGIONS {
        let first = (0x2400_u128 << 112) + ((u128::from(region) * 5) << 96);
        split(first, 32, 128, shares.v6, &mut random, &mut |first, bits| found.push(Network { first, bits }));
    }
    found
}

/// Splits a prefix until chance says to stop, and tells each part but one of twenty.
fn split(first: u128, bits: u8, of: u8, share: fn(u8) -> u64, random: &mut Random, tell: &mut dyn FnMut(u128, u8)) {
    if random.below(1000) < share(bits) {
        split(first, bits + 1, of, share, random, tell);
        split(first + (1 << (of - bits - 1)), bits + 1, of, share, random, tell);
    } else if random.below(20) > 0 {
        tell(first, bits);
    }
}
