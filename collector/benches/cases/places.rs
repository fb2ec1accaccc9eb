//! MaxMind DB files made up in the size of real ones: some 5 M networks with country and city, some 500 000 with an AS. Written once
//! and kept in cargo's folder for such things, since that takes minutes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use collector::enrich::{Geo, Published};
use mmdb_writer::{Value, Writer};
use netflow::columns::Address;
use perf::random::Random;

use super::Size;

/// Raised when what is written changes.
const VERSION: u32 = 1;
/// All /16 of IPv4 from 1.0.0.0 to 223.255.255.255.
const V4_FIRST: u64 = 0x0100;
const V4_BLOCKS: u64 = 0xdf00;
/// Where registries give /32 of IPv6 from.
const V6_REGIONS: [u128; 6] = [0x2001_0200, 0x2400_0000, 0x2600_0000, 0x2800_0000, 0x2a00_0000, 0x2c00_0000];
const V6_BLOCKS: u64 = 60_000;
/// Of the /32 of a region one in so many is given out; the first region ends before 2002::/16, which stands for IPv4.
const V6_STEP: u64 = 4;
const COUNTRIES: u64 = 240;
const CITIES: u64 = 80_000;
const AUTONOMOUS_SYSTEMS: u64 = 75_000;

/// How a block is cut into networks: of 1000 networks of a length so many are cut in two.
struct Cut {
    per_mille: u32,
    /// From this prefix length on it is the other number.
    beyond: u32,
    beyond_per_mille: u32,
}

const CITY_V4: Cut = Cut { per_mille: 780, beyond: 24, beyond_per_mille: 250 };
const CITY_V6: Cut = Cut { per_mille: 550, beyond: 48, beyond_per_mille: 200 };
const AS_V4: Cut = Cut { per_mille: 620, beyond: 22, beyond_per_mille: 200 };
const AS_V6: Cut = Cut { per_mille: 350, beyond: 40, beyond_per_mille: 100 };

/// The tables made from the files; made once for a size.
pub(crate) fn geo(size: Size) -> Published {
    static SMALL: OnceLock<Published> = OnceLock::new();
    static REAL: OnceLock<Published> = OnceLock::new();
    let made = match size {
        Size::Small => &SMALL,
        Size::Real => &REAL,
    };
    made.get_or_init(|| Published::new(open(size))).clone()
}

fn open(size: Size) -> Geo {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let files = [("city", city as Describe, CITY_V4, CITY_V6), ("asn", autonomous_system as Describe, AS_V4, AS_V6)]
        .map(|(name, describe, v4, v6)| {
            let path = folder.join(format!("geo-{VERSION}-{name}-{size:?}.mmdb"));
            if !path.exists() {
                eprintln!("writing {}", path.display());
                write(&path, size, describe, &[(v4, 32), (v6, 128)]);
            }
            path
        });
    Geo::open(&files).expect("the files were written here")
}

/// An IPv4 address in the networks of the files.
pub(crate) fn v4_address(size: Size, number: u64) -> Address {
    let block = v4_block(number % blocks(V4_BLOCKS, size), size);
    (0xffff_0000_0000 | u128::from(block | (number >> 48) as u32)).to_be_bytes()
}

/// An IPv6 address in the networks of the files.
pub(crate) fn v6_address(size: Size, number: u64) -> Address {
    let block = v6_block(number % blocks(V6_BLOCKS, size));
    (block | u128::from(number >> 16) << 48 | 1).to_be_bytes()
}

/// Blocks that are cut: all, or as many as give the same depth.
fn blocks(all: u64, size: Size) -> u64 {
    match size {
        Size::Small => 300,
        Size::Real => all,
    }
}

fn v4_block(index: u64, size: Size) -> u32 {
    let step = V4_BLOCKS / blocks(V4_BLOCKS, size);
    ((V4_FIRST + index * step) << 16) as u32
}

/// Registries leave room between what they give out.
fn v6_block(index: u64) -> u128 {
    let regions = V6_REGIONS.len() as u64;
    let region = V6_REGIONS[(index % regions) as usize];
    (region + u128::from(index / regions * V6_STEP)) << 96
}

type Describe = fn(&mut Random, u64) -> Value;

/// Cuts every block of both families and describes the pieces.
fn write(path: &Path, size: Size, describe: Describe, cuts: &[(Cut, u32); 2]) {
    let mut random = Random::new(11);
    let mut writer = Writer::new("Made-Up");
    for (cut, width) in cuts {
        let is_six = *width == 128;
        let count = blocks(if is_six { V6_BLOCKS } else { V4_BLOCKS }, size);
        for index in 0..count {
            let (first, bits) = if is_six { (v6_block(index), 32) } else { (u128::from(v4_block(index, size)), 16) };
            // What lies beside each other is of one country or operator more often than not.
            let neighbourhood = index / 16;
            pieces(first, bits, *width, cut, &mut random, &mut |random, first, last| {
                let value = describe(random, neighbourhood);
                writer.insert_range(address(first, is_six), address(last, is_six), &value).expect("a range");
            });
        }
    }
    let temporary: PathBuf = path.with_extension(std::process::id().to_string());
    std::fs::write(&temporary, writer.to_bytes().expect("it fits a file")).expect("cargo's folder is writable");
    std::fs::rename(temporary, path).expect("cargo's folder is writable");
}

fn pieces(
    first: u128,
    bits: u32,
    width: u32,
    cut: &Cut,
    random: &mut Random,
    take: &mut impl FnMut(&mut Random, u128, u128),
) {
    let per_mille = if bits < cut.beyond { cut.per_mille } else { cut.beyond_per_mille };
    // Nobody gives out less than a /64.
    if bits == width.min(64) || !random.per_mille(per_mille) {
        return take(random, first, first | ((1 << (width - bits)) - 1));
    }
    pieces(first, bits + 1, width, cut, random, take);
    pieces(first | 1 << (width - bits - 1), bits + 1, width, cut, random, take);
}

fn address(number: u128, is_six: bool) -> IpAddr {
    if is_six { Ipv6Addr::from(number).into() } else { Ipv4Addr::from(number as u32).into() }
}

fn city(random: &mut Random, neighbourhood: u64) -> Value {
    let country = if random.per_mille(800) { neighbourhood } else { random.zipf(COUNTRIES) } % COUNTRIES;
    let letter = |number: u64| char::from(b'A' + (number % 26) as u8);
    let code = format!("{}{}", letter(country / 26), letter(country));
    let record = [("country", Value::map([("iso_code", Value::from(code))]))];
    if random.per_mille(250) {
        return Value::map(record);
    }
    let city = (country * 331 + random.zipf(CITIES)) % CITIES;
    let names = Value::map([("en", Value::from(format!("City {city}")))]);
    Value::map(record.into_iter().chain([("city", Value::map([("names", names)]))]))
}

fn autonomous_system(random: &mut Random, neighbourhood: u64) -> Value {
    let number = if random.per_mille(500) { neighbourhood * 17 } else { random.zipf(AUTONOMOUS_SYSTEMS) };
    let number = 1 + (number % AUTONOMOUS_SYSTEMS) as u32;
    Value::map([
        ("autonomous_system_number", Value::from(number)),
        ("autonomous_system_organization", Value::from(format!("Operator {number}"))),
    ])
}
