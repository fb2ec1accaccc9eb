//! Writes a MaxMind DB of many networks in a second or two: <https://maxmind.github.io/MaxMind-DB/>.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use crate::files::Network;

/// Set in a branch that is the place of a record.
const RECORD: u32 = 1 << 31;
const SEPARATOR_BYTES: u32 = 16;

/// What a file says about a network.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    City { number: u32, country: u32, radius: u16 },
    System { number: u32 },
}

/// The tree, and the records that its branches end at.
pub(crate) struct Writer {
    /// 0 is no branch: nothing leads back to the first node.
    nodes: Vec<[u32; 2]>,
    data: Vec<u8>,
    places: HashMap<Record, u32>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![[0; 2]], data: Vec::new(), places: HashMap::new() }
    }

    /// Networks do not overlap.
    pub(crate) fn insert(&mut self, Network { first, bits }: Network, record: Record) {
        let place = *self.places.entry(record).or_insert_with(|| {
            let place = self.data.len() as u32;
            record.write(&mut self.data);
            place
        });
        let mut node = 0;
        for bit in 0..u32::from(bits) {
            let side = (first >> (127 - bit) & 1) as usize;
            if bit + 1 == u32::from(bits) {
                self.nodes[node][side] = RECORD | place;
                return;
            }
            if self.nodes[node][side] == 0 {
                self.nodes[node][side] = self.nodes.len() as u32;
                self.nodes.push([0; 2]);
            }
            node = self.nodes[node][side] as usize;
        }
    }

    pub(crate) fn write(&self, path: &Path, kind: &str) -> std::io::Result<()> {
        let count = self.nodes.len() as u32;
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for branch in self.nodes.iter().flatten() {
            let value = match branch {
                0 => count,
                branch if branch & RECORD != 0 => count + SEPARATOR_BYTES + (branch & !RECORD),
                branch => *branch,
            };
            file.write_all(&value.to_be_bytes())?;
        }
        file.write_all(&[0; SEPARATOR_BYTES as usize])?;
        file.write_all(&self.data)?;
        let mut metadata = b"\xab\xcd\xefMaxMind.com".to_vec();
        map(9, &mut metadata);
        for (name, number) in [
            ("binary_format_major_version", 2),
            ("binary_format_minor_version", 0),
            ("ip_version", 6),
            ("record_size", 32),
        ] {
            text(name, &mut metadata);
            short(number, &mut metadata);
        }
        text("build_epoch", &mut metadata);
        metadata.extend([8, 2]);
        metadata.extend(1_790_000_000_u64.to_be_bytes());
        text("node_count", &mut metadata);
        long(count, &mut metadata);
        text("database_type", &mut metadata);
        text(kind, &mut metadata);
        text("description", &mut metadata);
        map(0, &mut metadata);
        text("languages", &mut metadata);
        metadata.extend([0, 4]);
        file.write_all(&metadata)?;
        file.flush()
    }
}

impl Record {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::City { number, country, radius } => {
                map(3, out);
                text("country", out);
                map(1, out);
                text("iso_code", out);
                let code = [b'A' + (country / 16) as u8, b'A' + (country % 16) as u8].map(char::from);
                text(&code.iter().collect::<String>(), out);
                text("city", out);
                map(1, out);
                text("names", out);
                map(1, out);
                text("en", out);
                text(&format!("{} of {number}", if number % 3 == 0 { "The old town" } else { "New" }), out);
                text("location", out);
                map(1, out);
                text("accuracy_radius", out);
                short(radius, out);
            }
            Self::System { number } => {
                map(2, out);
                text("autonomous_system_number", out);
                long(number + 1, out);
                text("autonomous_system_organization", out);
                text(&format!("AS-{number} Network Services"), out);
            }
        }
    }
}

/// Of so many pairs that follow, fewer than 29.
fn map(pairs: u8, out: &mut Vec<u8>) {
    out.push(7 << 5 | pairs);
}

/// Of at most 284 bytes.
fn text(text: &str, out: &mut Vec<u8>) {
    match text.len() as u8 {
        short @ 0..=28 => out.push(2 << 5 | short),
        long => out.extend([2 << 5 | 29, long - 29]),
    }
    out.extend(text.as_bytes());
}

fn short(number: u16, out: &mut Vec<u8>) {
    out.push(5 << 5 | 2);
    out.extend(number.to_be_bytes());
}

fn long(number: u32, out: &mut Vec<u8>) {
    out.push(6 << 5 | 4);
    out.extend(number.to_be_bytes());
}
