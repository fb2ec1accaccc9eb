//! Networks and whose they are, from a CSV file of the operator's: by prefix, the longest one wins.
//!
//! A line is `prefix,network,customer`; the customer may be left out. A field in double quotes may contain commas, and a double quote
//! written twice. Empty lines, lines that begin with `#`, and a first line `prefix,network,customer` are passed over.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use netflow::columns::Address;

use super::tree::{Builder, Full, GROUP, Start, Tree};
use crate::prefix::{Prefix, PrefixMap};

/// The longest name of a network or customer, bytes.
const NAME_BYTES: usize = 255;
/// What a first line that names the columns begins with.
const HEADING: &str = "prefix";

/// Bits of an address that the first step of a look-up takes: few, as few parts of the addresses are of these networks.
const ROOT_BITS: u32 = 16;
/// What precedes an IPv4 address in a mapped one, and the last one.
const MAPPED: (u128, u128) = (0xffff << 32, (0xffff << 32) | 0xffff_ffff);

/// The networks, ready to be looked up.
#[derive(Debug, Clone)]
pub struct Networks {
    prefixes: PrefixMap<u32>,
    /// The same for look-ups of many.
    tree: Arc<Tree>,
    /// Distinct networks by number; 0 is none.
    networks: Vec<Network>,
}

/// A network as its rows name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its name.
    pub name: Box<str>,
    /// Whose it is; empty where the file does not say.
    pub customer: Box<str>,
}

/// Why a file of networks cannot be used: what is wrong in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct BadNetworks {
    /// From 1.
    pub line: usize,
    /// With the remedy.
    pub fault: String,
}

impl Default for Networks {
    fn default() -> Self {
        Self { prefixes: PrefixMap::default(), tree: Arc::new(Tree::empty()), networks: vec![Network::default()] }
    }
}

impl PartialEq for Networks {
    fn eq(&self, other: &Self) -> bool {
        self.prefixes == other.prefixes && self.networks == other.networks
    }
}

impl Eq for Networks {}

impl Networks {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The first line that is not as it must be, or names a prefix for the second time.
    pub fn parse(text: &str) -> Result<Self, BadNetworks> {
        let mut networks = vec![Network::default()];
        let mut numbers: HashMap<Network, u32> = HashMap::from([(Network::default(), 0)]);
        let mut lines_of: HashMap<Prefix, usize> = HashMap::new();
        let mut entries = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, content) in (1..).zip(text.lines()) {
            let bad = |fault: String| BadNetworks { line, fault };
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') || (line == 1 && content.starts_with(HEADING)) {
                continue;
            }
            let (prefix, network) = entry(content).map_err(bad)?;
            if let Some(first) = lines_of.insert(prefix, line) {
                return Err(bad(format!("the prefix of line {first} a second time: keep one of them")));
            }
            let next = networks.len() as u32;
            let number = *numbers.entry(network.clone()).or_insert(next);
            if number == next {
                networks.push(network);
            }
            entries.push((prefix, number));
        }
        let prefixes: PrefixMap<u32> = entries.into_iter().collect();
        let full =
            |_: Full| BadNetworks { line: text.lines().count(), fault: "too many networks: join some".to_owned() };
        let tree = if prefixes.is_empty() { Tree::empty() } else { tree(&prefixes).map_err(full)? };
        Ok(Self { prefixes, tree: Arc::new(tree), networks })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`std::fs::read_to_string`] says, and as [`Networks::parse`] does, as [`std::io::ErrorKind::InvalidData`].
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Self::parse(&text).map_err(|bad| std::io::Error::new(std::io::ErrorKind::InvalidData, bad))
    }

    /// Whether there is none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// The number of the network of an address; 0 outside of all. Nothing holds the all-zero address, which stands for "none".
    #[must_use]
    #[inline]
    pub(super) fn number(&self, address: &Address) -> u32 {
        if self.prefixes.is_empty() || *address == [0; 16] {
            return 0;
        }
        self.prefixes.get(address).copied().unwrap_or(0)
    }

    /// [`Networks::number`] of at most [`GROUP`] addresses, at the same places of `numbers`.
    #[inline]
    pub(super) fn numbers(&self, addresses: &[Address], numbers: &mut [u32; GROUP]) {
        let start = |address: &Address| if *address == [0; 16] { Start::nothing() } else { Start::of(address) };
        self.tree.find_group(addresses, start, numbers);
    }

    /// The network of a number.
    #[must_use]
    pub(super) fn network(&self, number: u32) -> &Network {
        &self.networks[number as usize]
    }

    /// Every prefix with its network, in no order that means something.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &Network)> {
        self.prefixes.iter().map(|(prefix, number)| (prefix, self.network(*number)))
    }

    /// The network of an address; an empty one outside of all.
    #[must_use]
    pub fn get(&self, address: &Address) -> &Network {
        self.network(self.number(address))
    }

    /// Distinct networks, the empty one among them.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.networks.len()
    }

    /// Prefixes in the file.
    #[must_use]
    pub fn prefixes(&self) -> usize {
        self.prefixes.iter().count()
    }
}

/// Between two neighbouring ends of prefixes, all addresses are of the network of the first.
fn tree(prefixes: &PrefixMap<u32>) -> Result<Tree, Full> {
    let mut firsts = BTreeSet::from([0, MAPPED.0, MAPPED.1 + 1]);
    for (prefix, _) in prefixes.iter() {
        let first = u128::from_be_bytes(prefix.first());
        let size = 1_u128.checked_shl(128 - u32::from(prefix.bits()));
        firsts.insert(first);
        firsts.extend(size.and_then(|size| first.checked_add(size)));
    }
    let lasts = firsts.iter().skip(1).map(|next| next - 1).chain([u128::MAX]);
    let mut ranges = Vec::with_capacity(firsts.len());
    for (first, last) in firsts.iter().zip(lasts) {
        ranges.extend(prefixes.get(&first.to_be_bytes()).map(|number| (*first, last, *number)));
    }
    let mut builder = Builder::new(ROOT_BITS);
    for (first, last, number) in ranges.iter().filter(|(first, _, _)| (MAPPED.0..=MAPPED.1).contains(first)) {
        builder.push(first << 96, (last << 96) | u128::MAX >> 32, *number)?;
    }
    builder.begin_root(1)?;
    for (first, last, number) in ranges {
        builder.push(first, last, number)?;
    }
    builder.finish()
}

fn entry(line: &str) -> Result<(Prefix, Network), String> {
    let fields = fields(line)?;
    let (prefix, name, customer) = match fields.as_slice() {
        [prefix, name] => (prefix, name, ""),
        [prefix, name, customer] => (prefix, name, customer.as_str()),
        _ => {
            let count = fields.len();
            return Err(format!("{count} fields: write prefix,network,customer, names with commas in double quotes"));
        }
    };
    let prefix = prefix.parse::<Prefix>().map_err(|bad| bad.to_string())?;
    if name.is_empty() && customer.is_empty() {
        return Err("neither network nor customer: name one of them or leave the line out".to_owned());
    }
    if let Some(long) = [name, customer].into_iter().find(|text| text.len() > NAME_BYTES) {
        return Err(format!("a name of {} bytes: use at most {NAME_BYTES}", long.len()));
    }
    Ok((prefix, Network { name: name.as_str().into(), customer: customer.into() }))
}

/// The fields of a line, as RFC 4180 section 2 has them, without the spaces around them.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let text = text.trim_start();
        let (field, after) = match text.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let (field, after) = text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after)));
                (field.trim_end().to_owned(), after)
            }
        };
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

/// A field whose opening quote is passed, and what follows the comma behind it.
fn quoted_field(text: &str) -> Result<(String, Option<&str>), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err("a double quote that is not closed: close it on the same line".to_owned());
        };
        field.push_str(part);
        let Some(after) = after.strip_prefix('"') else {
            let after = after.trim_start();
            return match after.strip_prefix(',') {
                None if !after.is_empty() => Err(format!("{after:?} behind a closing quote: put a comma between")),
                next => Ok((field, next)),
            };
        };
        field.push('"');
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "prefix,network,customer\n\
        # The data centre.\n\
        10.0.0.0/8,backbone\n\
        \n\
        10.1.0.0/16, \"Halle, \"\"Ost\"\"\" , Stadtwerke\r\n\
        2001:db8::/32,lab,\n\
        192.0.2.1,,someone\n\
        10.2.0.0/16,backbone,\n";

    #[test]
    fn the_longest_prefix_names_network_and_customer() {
        let networks = Networks::parse(FILE).unwrap();
        assert_eq!((networks.prefixes(), networks.count()), (5, 5));
        for (address, name, customer) in [
            ("10.1.2.3", "Halle, \"Ost\"", "Stadtwerke"),
            ("10.3.2.1", "backbone", ""),
            ("10.2.2.1", "backbone", ""),
            ("2001:db8::7", "lab", ""),
            ("192.0.2.1", "", "someone"),
            ("192.0.2.2", "", ""),
            ("::", "", ""),
        ] {
            let bytes = address.parse::<Prefix>().unwrap().first();
            let found = networks.get(&bytes);
            let mut numbers = [7; GROUP];
            networks.numbers(&[bytes, bytes], &mut numbers);
            assert_eq!(numbers[..2], [networks.number(&bytes); 2], "{address}");
            assert_eq!((&*found.name, &*found.customer), (name, customer), "{address}");
        }
        assert_eq!(Networks::parse(&format!("\u{feff}{FILE}")).unwrap(), networks);
        assert_eq!(Networks::default().get(&[1; 16]), &Network::default());
    }

    #[test]
    fn a_prefix_of_ipv6_that_holds_ipv4_names_that_too() {
        let text =
            "::/0,all\n10.0.0.0/8,ten\n10.255.255.255,last\n255.255.255.255,end\n2001:db8::/32,lab\nffff::/16,top";
        let networks = Networks::parse(text).unwrap();
        let texts = ["9.255.255.255", "10.0.0.0", "10.255.255.254", "10.255.255.255", "11.0.0.0", "255.255.255.255"];
        let texts =
            texts.into_iter().chain(["::1", "::1:0:0:0", "2001:db8::", "2001:db9::", "fffe:ffff::", "ffff:ffff::"]);
        let addresses: Vec<Address> = texts.map(|text| text.parse::<Prefix>().unwrap().first()).collect();
        let mut numbers = [7; GROUP];
        networks.numbers(&addresses, &mut numbers);
        for (address, number) in addresses.iter().zip(numbers) {
            assert_eq!(number, networks.number(address), "{address:x?}");
        }
        let names: Vec<&str> = numbers[..12].iter().map(|number| &*networks.network(*number).name).collect();
        assert_eq!(names, ["all", "ten", "ten", "last", "all", "end", "all", "all", "lab", "all", "all", "top"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, fault) in [
            ("10.0.0.0/8,a\n10.0.0/8,b", 2, "\"10.0.0/8\" is no address and no prefix"),
            ("10.0.0.0/8,a\n\n10.1.2.3/8,b", 3, "the prefix of line 1 a second time"),
            ("10.0.0.0/8", 1, "1 fields: write prefix,network,customer"),
            ("10.0.0.0/8,a,b,c", 1, "4 fields"),
            ("10.0.0.0/8,,", 1, "neither network nor customer"),
            ("10.0.0.0/8,\"a,b", 1, "not closed"),
            ("10.0.0.0/8,\"a\"b,c", 1, "\"b,c\" behind a closing quote"),
            (&format!("10.0.0.0/8,{}", "n".repeat(256)), 1, "256 bytes: use at most 255"),
        ] {
            let bad = Networks::parse(text).unwrap_err();
            assert_eq!(bad.line, line, "{bad}");
            assert!(bad.fault.contains(fault), "{bad}");
        }
    }
}
