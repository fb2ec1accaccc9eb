//! What a GeoIP file gives of what is read.

use std::fmt;

use super::mmdb::Record;

/// What the records of a file say, any of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gives {
    /// Countries.
    pub country: bool,
    /// Cities.
    pub city: bool,
    /// Numbers of autonomous systems.
    pub autonomous_system: bool,
}

impl Gives {
    pub(super) fn take(&mut self, record: &Record) {
        self.country |= record.country != 0;
        self.city |= record.city != 0;
        self.autonomous_system |= record.asn != 0;
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            country: self.country || other.country,
            city: self.city || other.city,
            autonomous_system: self.autonomous_system || other.autonomous_system,
        }
    }

    /// Whether there is none of it.
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// `country, city and AS`, or as much of it as there is.
impl fmt::Display for Gives {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.country, "country"), (self.city, "city"), (self.autonomous_system, "AS")];
        let given: Vec<&str> = all.into_iter().filter(|(is_given, _)| *is_given).map(|(_, name)| name).collect();
        match given.as_slice() {
            [] => formatter.write_str("nothing"),
            [one] => formatter.write_str(one),
            [first @ .., last] => write!(formatter, "{} and {last}", first.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_told_as_people_say_it() {
        let record = |country, city, asn| Record { country, city, asn, as_name: 0 };
        for (records, expected) in [
            (&[record(0, 0, 0)][..], "nothing"),
            (&[record(0, 0, 7), record(0, 0, 0)], "AS"),
            (&[record(3, 0, 0), record(0, 0, 7)], "country and AS"),
            (&[record(3, 4, 7)], "country, city and AS"),
        ] {
            let mut gives = Gives::default();
            records.iter().for_each(|record| gives.take(record));
            assert_eq!(gives.to_string(), expected);
            assert_eq!(gives.is_nothing(), expected == "nothing");
        }
    }
}
