//! The program's accounts: who has one that lasts, and the minutes that are over, each handed out once.
//!
//! Counts in the maps only grow, so what is handed out is a difference to what was read last. Newcomers and refused exporters
//! may be evicted by others, and their counts with them; the program's sums tell how many that were, and these come under
//! the unspecified address. So for each minute the datagrams handed out are exactly those that the program counted.

use std::collections::HashMap;

use aya::maps::{self, MapData, MapError, PerCpuArray};
use collector_ebpf::account::{self, Account, DUE, Fate, MINUTES_KEPT, OPENED, Sums};
use collector_ebpf::maps::{ExporterKey, KNOWN, NEWCOMERS, REFUSED, REFUSED_MAX, SUMS};
use netflow::columns::Address;

use super::Error;
use super::minutes::{Count, Counts, ExporterMinute, Minutes, NOBODY};

/// A known exporter that sent nothing for so many minutes makes room for another one.
const IDLE_MINUTES: u64 = 60;
/// `BPF_NOEXIST` of `linux/bpf.h`.
const ONLY_IF_NEW: u64 = 1;

type AccountMap = maps::HashMap<MapData, ExporterKey, Account>;

/// The maps with accounts, and what was read of them.
pub(super) struct Accounts {
    known: Ledger,
    newcomers: Ledger,
    refused: Ledger,
    sums: PerCpuArray<MapData, Sums>,
    sums_read: Vec<Sums>,
    /// Accounts of newcomers as they were when they got a lasting one: they may be evicted before they are read.
    promoted: HashMap<ExporterKey, Account>,
}

/// One map of accounts, and what was read last.
struct Ledger {
    name: &'static str,
    map: AccountMap,
    accounts_max: usize,
    read: HashMap<ExporterKey, Account>,
}

/// Which minutes are over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    /// Those up to this one, and those after the present one: from before the clock was set back.
    UpTo {
        /// The last one wanted.
        minute: u64,
        /// The one in force, which is not over.
        present: u64,
    },
    /// All: the program has ended.
    All,
}

impl Over {
    fn holds(self, minute: u64) -> bool {
        match self {
            Self::UpTo { minute: last, present } => minute != present && (minute <= last || minute > present),
            Self::All => true,
        }
    }
}

impl Accounts {
    /// Takes over the maps; those of known exporters and of newcomers have room for `exporters_max` each.
    pub(super) fn new(
        [known, newcomers, refused]: [AccountMap; 3],
        sums: PerCpuArray<MapData, Sums>,
        exporters_max: usize,
    ) -> Self {
        let ledger = |name, map, accounts_max| Ledger { name, map, accounts_max, read: HashMap::new() };
        Self {
            known: ledger(KNOWN, known, exporters_max),
            newcomers: ledger(NEWCOMERS, newcomers, exporters_max),
            refused: ledger(REFUSED, refused, REFUSED_MAX as usize),
            sums,
            sums_read: Vec::new(),
            promoted: HashMap::new(),
        }
    }

    /// Gives lasting accounts to `exporters`; returns how many did not get one because there are too many.
    pub(super) fn admit(&mut self, exporters: &[Address], now_ns: u64, minute: u64) -> Result<usize, Error> {
        let mut left_out = 0;
        // If one finds no idle exporter, neither does the next: looking for them is a walk through all.
        let mut may_be_idle = true;
        for exporter in exporters {
            if self.known.read.contains_key(exporter) {
                continue;
            }
            if self.known.read.len() >= self.known.accounts_max {
                may_be_idle = may_be_idle && self.forget_an_idle_one(minute)?;
                if !may_be_idle {
                    left_out += 1;
                    continue;
                }
            }
            let mut opened: Account = [0; account::ACCOUNT_WORDS];
            opened[OPENED] = now_ns;
            // As if it had been heard now, so that it does not count as idle from the start.
            opened[account::minute(0)] = minute;
            opened[DUE] = self.newcomers.get(exporter)?.map_or(0, |newcomer| newcomer[DUE]);
            self.known.map.insert(exporter, opened, ONLY_IF_NEW).map_err(|error| Error::map(KNOWN, error))?;
            self.known.read.insert(*exporter, opened);
            if let Some(newcomer) = self.newcomers.get(exporter)? {
                self.promoted.insert(*exporter, newcomer);
            }
        }
        Ok(left_out)
    }

    /// The minutes that are over and were not handed out yet.
    pub(super) fn minutes(&mut self, over: Over) -> Result<Vec<ExporterMinute>, Error> {
        let mut minutes = Minutes::default();
        self.known.read_all(over, |exporter, minute, counts| minutes.add(exporter, minute, counts))?;
        let mut unclaimed = self.read_sums(over)?;
        let mut claim = |exporter, minute, counts: Counts| {
            let due = unclaimed.entry(minute).or_default();
            // An account that was missed is found later, when its counts were handed out without its name.
            let claimed: Counts = std::array::from_fn(|fate| counts[fate].least(due[fate]));
            *due = std::array::from_fn(|fate| due[fate].less(claimed[fate]));
            minutes.add(exporter, minute, claimed);
        };
        self.newcomers.read_all(over, &mut claim)?;
        self.newcomers.read_gone(over, &mut self.promoted, &mut claim);
        self.refused.read_all(over, &mut claim)?;
        for (minute, counts) in unclaimed {
            minutes.add(NOBODY, minute, counts);
        }
        Ok(minutes.finish())
    }

    /// What the sums of all CPUs grew by in minutes that are over.
    fn read_sums(&mut self, over: Over) -> Result<HashMap<u64, Counts>, Error> {
        let sums = self.sums.get(&0, 0).map_err(|error| Error::map(SUMS, error))?;
        self.sums_read.resize(sums.len(), [0; account::SUM_WORDS]);
        let mut grown: HashMap<u64, Counts> = HashMap::new();
        for (now, read) in sums.iter().zip(&mut self.sums_read) {
            for place in 0..MINUTES_KEPT as usize {
                let minute = now[account::sum_minute(place)];
                if !over.holds(minute) {
                    continue;
                }
                let counts = grown.entry(minute).or_default();
                for (fate, count) in Fate::ALL.into_iter().zip(counts) {
                    let word = account::sum_count(place, fate);
                    *count = count.plus(Count::grown([now[word], now[word + 1]], [read[word], read[word + 1]]));
                    read[word..word + 2].copy_from_slice(&now[word..word + 2]);
                }
            }
        }
        Ok(grown)
    }

    /// Takes the account of the known exporter that sent nothing for longest, if that is long enough.
    fn forget_an_idle_one(&mut self, minute: u64) -> Result<bool, Error> {
        let last_heard =
            |account: &Account| (0..MINUTES_KEPT as usize).map(|place| account[account::minute(place)]).max();
        let idlest = self.known.read.iter().min_by_key(|(_, account)| last_heard(account));
        let Some((&exporter, read)) = idlest else { return Ok(false) };
        // Nothing in the account may be left unread.
        let is_unread =
            self.known.get(&exporter)?.is_some_and(|now| now[account::minute(0)..] != read[account::minute(0)..]);
        if is_unread || last_heard(read).is_some_and(|heard| heard + IDLE_MINUTES > minute) {
            return Ok(false);
        }
        self.known.map.remove(&exporter).map_err(|error| Error::map(KNOWN, error))?;
        self.known.read.remove(&exporter);
        Ok(true)
    }
}

impl Ledger {
    fn get(&self, exporter: &ExporterKey) -> Result<Option<Account>, Error> {
        match self.map.get(exporter, 0) {
            Ok(account) => Ok(Some(account)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(Error::map(self.name, error)),
        }
    }

    /// Shows what each account grew by in each of its minutes that are over.
    fn read_all(&mut self, over: Over, mut show: impl FnMut(ExporterKey, u64, Counts)) -> Result<(), Error> {
        let mut read = HashMap::with_capacity(self.read.len());
        // While accounts are evicted the walk may start again from the front, but not for ever.
        for exporter in self.map.keys().take(2 * self.accounts_max) {
            let exporter = exporter.map_err(|error| Error::map(self.name, error))?;
            let Some(account) = self.get(&exporter)? else { continue };
            let before = read.get(&exporter).or_else(|| self.read.get(&exporter));
            let now_read = show_growth(exporter, &account, before, over, &mut show);
            read.insert(exporter, now_read);
        }
        self.read = read;
        Ok(())
    }

    /// The same for accounts that were in the map once, as they were then, unless they are still there. Those whose minutes are
    /// all over are not needed any more.
    fn read_gone(
        &mut self,
        over: Over,
        gone: &mut HashMap<ExporterKey, Account>,
        mut show: impl FnMut(ExporterKey, u64, Counts),
    ) {
        gone.retain(|exporter, account| {
            if !self.read.contains_key(exporter) {
                show_growth(*exporter, account, None, over, &mut show);
                return false;
            }
            (0..MINUTES_KEPT as usize).any(|place| !over.holds(account[account::minute(place)]))
        });
    }
}

/// Shows what an account grew by in each of its minutes that are over since `before`; returns it as far as it was shown.
fn show_growth(
    exporter: ExporterKey,
    account: &Account,
    before: Option<&Account>,
    over: Over,
    show: &mut impl FnMut(ExporterKey, u64, Counts),
) -> Account {
    // One that was evicted and opened again starts from nothing.
    let same = before.filter(|before| before[OPENED] == account[OPENED]);
    let mut read = same.copied().unwrap_or([0; account::ACCOUNT_WORDS]);
    read[OPENED] = account[OPENED];
    for place in 0..MINUTES_KEPT as usize {
        let minute = account::minute(place);
        if !over.holds(account[minute]) {
            continue;
        }
        let counts: Counts = Fate::ALL.map(|fate| {
            let word = account::count(place, fate);
            Count::grown([account[word], account[word + 1]], [read[word], read[word + 1]])
        });
        show(exporter, account[minute], counts);
        let words = minute..account::count(place, Fate::RateLimited) + 2;
        read[words.clone()].copy_from_slice(&account[words]);
    }
    read
}
