//! The order of a table's rows: places sorted by several numbers each, by their digits.
//!
//! The numbers are packed into words of as few bits as they differ in, so that a few passes over the places sort them however many
//! numbers there are.

/// Digits have at most this many bits: what is counted for each must fit the nearest cache.
const DIGIT_BITS: u32 = 11;
/// Below this many places comparing is faster than counting.
const FEW: usize = 128;

/// Rows of `N` numbers and their order. The number that varies fastest comes first.
#[derive(Debug)]
pub(super) struct Order<const N: usize> {
    rows: Vec<[u32; N]>,
    places: Vec<u32>,
    items: Vec<(u64, u32)>,
    sorted: Vec<(u64, u32)>,
}

impl<const N: usize> Default for Order<N> {
    fn default() -> Self {
        Self { rows: Vec::new(), places: Vec::new(), items: Vec::new(), sorted: Vec::new() }
    }
}

impl<const N: usize> Order<N> {
    /// Takes rows, and the places among them that are wanted.
    pub(super) fn take(&mut self, rows: impl Iterator<Item = [u32; N]>, places: impl Iterator<Item = u32>) {
        self.rows.clear();
        self.rows.extend(rows);
        self.places.clear();
        self.places.extend(places);
    }

    /// The places that are wanted, sorted once [`Order::sort`] was called.
    pub(super) fn places(&self) -> &[u32] {
        &self.places
    }

    /// The numbers at a place.
    #[inline]
    pub(super) fn row(&self, place: u32) -> &[u32; N] {
        &self.rows[place as usize]
    }

    /// Sorts the places; of equals the one that was first is first.
    pub(super) fn sort(&mut self) {
        let (mut least, mut most) = ([u32::MAX; N], [0; N]);
        for row in &self.rows {
            for column in 0..N {
                least[column] = least[column].min(row[column]);
                most[column] = most[column].max(row[column]);
            }
        }
        let width = |column: usize| u32::BITS - most[column].saturating_sub(least[column]).leading_zeros();
        let mut begin = 0;
        while begin < N {
            let (mut end, mut bits, mut shifts) = (begin, 0, [0; N]);
            while end < N && bits + width(end) <= u64::BITS {
                // A number that is always the same stands at no bit.
                shifts[end] = bits.min(u64::BITS - 1);
                bits += width(end);
                end += 1;
            }
            let word = |row: &[u32; N]| {
                (begin..end).fold(0, |word, column| word | u64::from(row[column] - least[column]) << shifts[column])
            };
            self.items.clear();
            self.items.extend(self.places.iter().map(|place| (word(&self.rows[*place as usize]), *place)));
            sort(&mut self.items, &mut self.sorted, bits);
            for (place, (_, sorted)) in self.places.iter_mut().zip(&self.items) {
                *place = *sorted;
            }
            begin = end;
        }
    }
}

/// Sorts by words of so many bits.
fn sort(items: &mut Vec<(u64, u32)>, sorted: &mut Vec<(u64, u32)>, bits: u32) {
    if items.len() <= FEW {
        return items.sort_by_key(|(word, _)| *word);
    }
    let most = DIGIT_BITS.min(items.len().ilog2());
    let passes = bits.div_ceil(most);
    sorted.resize(items.len(), (0, 0));
    for pass in 0..passes {
        let width = bits.div_ceil(passes);
        let shift = pass * width;
        let mut next = [0_u32; 1 << DIGIT_BITS];
        let digit = |word: u64| (word >> shift) as usize & ((1 << width) - 1) & ((1 << DIGIT_BITS) - 1);
        for (word, _) in items.iter() {
            next[digit(*word)] += 1;
        }
        let mut before = 0;
        for count in &mut next[..1 << width] {
            before += std::mem::replace(count, before);
        }
        for item in items.iter() {
            let place = &mut next[digit(item.0)];
            sorted[*place as usize] = *item;
            *place += 1;
        }
        std::mem::swap(items, sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_sorted_as_by_comparing() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        for rows in [0, 1, 2, 100, 129, 5000] {
            for masks in [&[0][..], &[1], &[7, 0xff, 0xfff], &[u32::MAX, u32::MAX, 3, u32::MAX], &[u32::MAX; 9]] {
                let columns: Vec<Vec<u32>> = masks
                    .iter()
                    .map(|mask| (0..rows).map(|_| (random() & mask).wrapping_add(1 << 20)).collect())
                    .collect();
                // Every third place is left out.
                let places = || (0..rows as u32).filter(|place| place % 3 != 1);
                check(&columns, places().collect());
            }
        }
    }

    #[track_caller]
    fn check(columns: &[Vec<u32>], places: Vec<u32>) {
        match columns.len() {
            1 => check_of::<1>(columns, places),
            3 => check_of::<3>(columns, places),
            4 => check_of::<4>(columns, places),
            _ => check_of::<9>(columns, places),
        }
    }

    #[track_caller]
    fn check_of<const N: usize>(columns: &[Vec<u32>], mut places: Vec<u32>) {
        let rows = (0..columns[0].len()).map(|row| std::array::from_fn(|column| columns[column][row]));
        let mut order = Order::<N>::default();
        order.take(rows, places.iter().copied());
        order.sort();
        places.sort_by_key(|place| order.row(*place).iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(order.places(), places);
    }
}
