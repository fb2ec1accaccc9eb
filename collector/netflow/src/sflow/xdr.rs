//! Reading XDR (RFC 4506): big-endian words, and opaque bytes filled up to whole words. No sFlow knowledge but addresses.

use crate::columns::Address;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// An unsigned int; `None`, and nothing read, past the end.
    pub(crate) fn word(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// An unsigned hyper.
    pub(crate) fn double_word(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// Fixed-length opaque bytes of whole words.
    pub(crate) fn chunk<const W: usize>(&mut self) -> Option<[u8; W]> {
        let (chunk, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*chunk)
    }

    /// `length` bytes and what fills up the last word; the fill may be missing at the end.
    pub(crate) fn opaque(&mut self, length: u32) -> Option<&'a [u8]> {
        let length = usize::try_from(length).ok()?;
        let value = self.bytes.get(..length)?;
        let filled = length.checked_next_multiple_of(4)?;
        self.bytes = self.bytes.get(filled..).unwrap_or(&[]);
        Some(value)
    }

    /// An array of unsigned ints behind their number: its bytes.
    pub(crate) fn words(&mut self) -> Option<&'a [u8]> {
        let count = self.word()?;
        self.opaque(count.checked_mul(4)?)
    }

    /// A MAC address, which takes two words.
    pub(crate) fn mac(&mut self) -> Option<[u8; 6]> {
        let [a, b, c, d, e, f, _, _] = self.chunk()?;
        Some([a, b, c, d, e, f])
    }

    /// An address behind its type: 1 IPv4, 2 IPv6, 0 unknown and empty. `None` for any other type.
    pub(crate) fn address(&mut self) -> Option<Address> {
        match self.word()? {
            0 => Some(Address::default()),
            1 => self.ipv4(),
            2 => self.chunk(),
            _ => None,
        }
    }

    /// An IPv4 address, mapped.
    pub(crate) fn ipv4(&mut self) -> Option<Address> {
        self.chunk::<4>().map(|address| std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets())
    }
}

/// The numbers of an array that [`Reader::words`] gave.
pub(crate) fn numbers(words: &[u8]) -> impl Iterator<Item = u32> {
    words.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word))
}
