//! Joins the networks of several files: every address with the records of all files that know it, in one ascending pass.

use super::error::Error;
use super::gives::Gives;
use super::interner::Interners;
use super::mmdb::{Database, Family, Networks, Range, Record};

/// The ranges of one family in all files.
pub(super) struct Merge<'a> {
    /// In the order in which the operator named the files.
    streams: Vec<Stream<'a>>,
    /// Everything before this key is done; `None` when everything is.
    next: Option<u128>,
}

struct Stream<'a> {
    networks: Networks<'a>,
    /// The first range that does not end before [`Merge::next`].
    head: Option<Range>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(databases: &'a [Database], family: Family, names: &mut Interners) -> Result<Self, Error> {
        let mut streams = Vec::with_capacity(databases.len());
        for database in databases {
            let mut networks = database.networks(family)?;
            let head = networks.next(names)?;
            streams.push(Stream { networks, head });
        }
        Ok(Self { streams, next: Some(0) })
    }

    /// What each file gives, as far as it was read.
    pub(super) fn gives(&self) -> impl Iterator<Item = Gives> {
        self.streams.iter().map(|stream| stream.networks.gives())
    }

    /// The next range with the joined record of all files, or `None` after the last.
    pub(super) fn next(&mut self, names: &mut Interners) -> Result<Option<Range>, Error> {
        let Some(position) = self.next else { return Ok(None) };
        let heads = || self.streams.iter().filter_map(|stream| stream.head);
        let Some(first) = heads().map(|head| head.first.max(position)).min() else { return Ok(None) };
        let mut record = Record::default();
        let mut last = u128::MAX;
        for head in heads() {
            if head.first > first {
                last = last.min(head.first - 1);
                continue;
            }
            last = last.min(head.last);
            record = record.or(head.record);
        }
        for stream in &mut self.streams {
            if stream.head.is_some_and(|head| head.last == last) {
                stream.head = stream.networks.next(names)?;
            }
        }
        self.next = last.checked_add(1);
        Ok(Some(Range { first, last, record }))
    }
}

impl Record {
    /// What this record says, and what the other says about the rest. The name of an AS is not taken from a file that gives
    /// the address to another AS.
    fn or(self, other: Self) -> Self {
        let first = |own: u32, others: u32| if own == 0 { others } else { own };
        let same_as = self.asn == 0 || self.asn == other.asn;
        Self {
            country: first(self.country, other.country),
            city: first(self.city, other.city),
            asn: first(self.asn, other.asn),
            as_name: if same_as { first(self.as_name, other.as_name) } else { self.as_name },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_has_an_attribute_holds() {
        let record = |country, city, asn, as_name| Record { country, city, asn, as_name };
        let cases = [
            (record(0, 0, 0, 0), record(1, 2, 3, 4), record(1, 2, 3, 4)),
            (record(5, 0, 0, 0), record(1, 2, 3, 4), record(5, 2, 3, 4)),
            (record(5, 6, 7, 8), record(1, 2, 3, 4), record(5, 6, 7, 8)),
            (record(0, 0, 3, 0), record(1, 2, 3, 4), record(1, 2, 3, 4)),
            (record(0, 0, 7, 0), record(1, 2, 3, 4), record(1, 2, 7, 0)),
        ];
        for (first, second, expected) in cases {
            assert_eq!(first.or(second), expected, "{first:?} or {second:?}");
        }
    }
}
