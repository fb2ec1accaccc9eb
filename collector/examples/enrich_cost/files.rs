//! GeoIP files of real size, made up: some five million networks, a hundred thousand cities, 75 000 autonomous systems.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use mmdb_writer::ipnet::IpNet;
use mmdb_writer::{Value, Writer};

const CITIES: u64 = 100_000;
const COUNTRIES: u64 = 250;
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
        (u128::from(self.next()) * u128::from(limit) >> 64) as u64
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
    let mut city = Writer::new("GeoLite2-City");
    let mut random = Random(3);
    for network in nets(&city_shares(), 1) {
        let number = random.zipf(CITIES as usize) as u64;
        let country = number.wrapping_mul(2_654_435_761) % COUNTRIES;
        let code = [b'A' + (country / 16) as u8, b'A' + (country % 16) as u8].map(char::from);
        let name = format!("{} town of {number}", if number % 3 == 0 { "The old" } else { "New" });
        let place = Value::map([
            ("country", Value::map([("iso_code", Value::from(code.iter().collect::<String>().as_str()))])),
            ("city", Value::map([("names", Value::map([("en", Value::from(name.as_str()))]))])),
            ("location", Value::map([("accuracy_radius", Value::from(random.below(4) as u16))])),
        ]);
        city.insert_value(network, place)?;
    }
    std::fs::write(&files[0], city.to_bytes()?)?;
    drop(city);
    let mut systems = Writer::new("GeoLite2-ASN");
    for network in nets(&system_shares(), 2) {
        let number = random.zipf(SYSTEMS as usize) as u64;
        let name = format!("AS-{number} Network Services");
        let system = Value::map([
            ("autonomous_system_number", Value::from(number as u32 + 1)),
            ("autonomous_system_organization", Value::from(name.as_str())),
        ]);
        systems.insert_value(network, system)?;
    }
    std::fs::write(&files[1], systems.to_bytes()?)?;
    Ok(files)
}

/// The networks that the city file was made of.
pub(crate) fn networks(_folder: &Path) -> anyhow::Result<Networks> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for network in nets(&city_shares(), 1) {
        match (network.network(), network.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((u32::from(first).into(), u32::from(last).into())),
            (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((u128::from(first), u128::from(last))),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        }
    }
    Ok(Networks { v4, v6 })
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

fn nets(shares: &Shares, seed: u64) -> Vec<IpNet> {
    let mut random = Random(seed);
    let mut found = Vec::new();
    for region in 1..224_u32 {
        split(u128::from(region << 24), 8, 32, shares.v4, &mut random, &mut |first, bits| {
            found.push((IpAddr::V4(Ipv4Addr::from(first as u32)), bits));
        });
    }
    for region in 0..V6_REGIONS {
        let first = (0x2400_u128 << 112) + (u128::from(region) * 5 << 96);
        split(first, 32, 128, shares.v6, &mut random, &mut |first, bits| {
            found.push((IpAddr::V6(Ipv6Addr::from(first)), bits));
        });
    }
    // What cannot be a network is not one of these.
    found.into_iter().filter_map(|(first, bits)| IpNet::new(first, bits).ok()).collect()
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
