//! Sequence numbers: what an exporter sent and what of it never came, told apart from reordering, duplicates and restarts.
//!
//! One [`Stream`] follows one counter: of an observation domain, an sFlow sub-agent, or an sFlow data source. v5 and v7 count
//! flow records, IPFIX data records of all kinds (RFC 7011 section 3.1), v9 datagrams (RFC 3954 section 5.1), sFlow datagrams
//! and samples. All arithmetic is serial, over 2^32. Not here: whose streams these are, and where the changes are booked.

use super::away::{Away, Missed};
use super::gaps::Gaps;
use super::kept::KeptSequence;
use super::unit::{Unit, Votes};

/// How far back in time the exporter's start may seem to move without a restart: whole seconds in headers, slow networks.
const BOOT_JITTER_MS: i32 = 5_000;
/// Datagrams in a row behind all that came, each following the last: not duplicates, but a counter that began anew.
const RUN_RESTART: usize = 4;
/// Datagrams in a row from before a restart; more of them mean that the clock was set and the exporter goes on.
const STRAGGLERS_MAX: u8 = 4;
/// How long after the first datagram of a stream earlier ones may come: they waited in a UDP socket when the rings were opened.
const START_MS: i64 = 5_000;
/// How far ahead another sender's number may be to go on.
const NEARLY: i32 = 4_096;
/// Changes that can be taken back if the sequence turns out to count something else.
const PROBATION_MAX: usize = 64;

/// What a sequence number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Units that did not come; negative when they come after all.
    Missing(Unit),
    /// Units that were sent while the collector was not running; negative when they come after all.
    Down(Unit),
    /// A datagram that came after a later one.
    Reordered,
    /// A datagram that came before.
    Duplicate,
    /// The counter began anew.
    Restart,
}

/// Where something is counted, so that it can be taken back there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The minute of the receipt of what told it, since 1970.
    pub minute: u32,
    /// Which of several senders sent that, by a number of the caller's.
    pub by: u8,
}

/// Takes a change: where it belongs to, what, and how many; fewer than none where it is taken back.
pub type Note<'a> = &'a mut dyn FnMut(Place, Change, i64);

/// How a number stands to those that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the next, or one that was missing.
    Exact,
    /// Others before it are missing.
    Ahead,
    /// It is behind those that came.
    Behind,
    /// The counter begins anew, or it is another one.
    Breaks,
}

/// How another sender's number goes on in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoesOn {
    /// It is the next, or one that is missing.
    Exactly,
    /// A little ahead.
    Nearly,
}

/// What a datagram or sample says about its stream.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Its sequence number.
    pub sequence: u32,
    /// Data records in it, of all kinds.
    pub records: u32,
    /// Flow records among them.
    pub flow_records: u32,
    /// Whether these are all that it has.
    pub is_complete: bool,
    /// When it left the exporter, milliseconds since 1970.
    pub export_ms: Option<i64>,
    /// Milliseconds since the exporter started, wrapping.
    pub uptime_ms: Option<u32>,
    /// When it was received, milliseconds since 1970.
    pub received_ms: i64,
}

impl Heard {
    /// A sample of a data source.
    #[must_use]
    pub fn of_sample(sequence: u32, received_ms: i64) -> Self {
        Self { sequence, records: 1, flow_records: 1, is_complete: true, export_ms: None, uptime_ms: None, received_ms }
    }
}

/// How the numbers of a sequence stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// What they count, by its place in [`Unit::SAVED`].
    pub unit: u8,
    /// The number that comes next.
    pub next: u32,
    /// Whether it is the least that may come.
    pub is_loose: bool,
    /// The latest time at which a datagram left the exporter, milliseconds since 1970.
    pub newest_export_ms: i64,
    /// When the exporter started, milliseconds modulo 2^32, if it tells.
    pub boot_ms: Option<u32>,
}

/// One counter of an exporter.
#[derive(Debug, Clone)]
pub struct Stream {
    standard: Unit,
    unit: Unit,
    /// The number that comes next.
    next: u32,
    /// Whether `next` is the least that may come: the last datagram held records that could not be counted.
    is_loose: bool,
    is_started: bool,
    /// The number of the first datagram and when it was received, until a restart.
    first: Option<(u32, i64)>,
    gaps: Gaps,
    newest_export_ms: i64,
    boot_ms: Option<u32>,
    /// Datagrams behind all that came: where the next of them would go on, and where they were counted.
    run_next: u32,
    run: Vec<Place>,
    stragglers: u8,
    last: Option<(u32, [u32; Unit::COUNT])>,
    votes: Votes,
    probation: Vec<(Place, Change, i64)>,
    /// Until the first datagram that was received by this process: since when nothing is known.
    away: Option<Box<Away>>,
    missed: Option<Box<Missed>>,
}

impl Stream {
    /// A stream that counts what its protocol says.
    #[must_use]
    pub fn new(standard: Unit) -> Self {
        Self {
            standard,
            unit: standard,
            next: 0,
            is_loose: false,
            is_started: false,
            first: None,
            gaps: Gaps::default(),
            newest_export_ms: i64::MIN,
            boot_ms: None,
            run_next: 0,
            run: Vec::new(),
            stragglers: 0,
            last: None,
            votes: Votes::default(),
            probation: Vec::new(),
            away: None,
            missed: None,
        }
    }

    /// How it stands; nothing before its first datagram.
    #[must_use]
    pub fn stand(&self) -> Option<Stand> {
        let unit = Unit::SAVED.iter().position(|unit| *unit == self.unit)?;
        self.is_started.then_some(Stand {
            unit: unit as u8,
            next: self.next,
            is_loose: self.is_loose,
            newest_export_ms: self.newest_export_ms,
            boot_ms: self.boot_ms,
        })
    }

    /// A stream that goes on where one of the last run stood.
    pub(super) fn resumed(kept: &KeptSequence, since_ms: i64) -> Self {
        let mut stream = Self::new(Unit::of_version(kept.version).unwrap_or(Unit::Datagrams));
        stream.resume(kept, since_ms);
        stream
    }

    /// Goes on where a sequence of the last run stood.
    pub(super) fn resume(&mut self, kept: &KeptSequence, since_ms: i64) {
        let Stand { unit, next, is_loose, newest_export_ms, boot_ms } = kept.stand;
        self.unit = Unit::SAVED.get(usize::from(unit)).copied().unwrap_or(self.standard);
        (self.next, self.is_loose, self.newest_export_ms, self.boot_ms) = (next, is_loose, newest_export_ms, boot_ms);
        self.is_started = true;
        self.pause(Away { from_ms: kept.last_ms, until_ms: since_ms, per_second: kept.per_second });
    }

    /// Nothing is known of it for some time from now on.
    pub(super) fn pause(&mut self, away: Away) {
        let per_second = self.away.as_ref().map_or(0.0, |before| before.per_second);
        let away = Away { per_second: away.per_second.max(per_second), ..away };
        match &mut self.away {
            Some(before) => **before = away,
            None => self.away = Some(Box::new(away)),
        }
    }

    /// What was sent while nothing was received, once all of it that came late has come; told once.
    pub(super) fn take_missed(&mut self, now_ms: i64) -> Option<(Missed, Unit)> {
        let missed = self.missed.take_if(|missed| now_ms - missed.to_ms >= START_MS)?;
        (missed.units > 0).then_some((*missed, self.unit))
    }

    /// What the sequence counts, and whether that is what its protocol says.
    #[must_use]
    pub fn unit(&self) -> (Unit, bool) {
        (self.unit, self.unit == self.standard)
    }

    /// Follows one datagram, which is counted at `place`. Returns how many units it brought.
    pub fn take(&mut self, heard: &Heard, place: Place, note: Note<'_>) -> u32 {
        self.recognise(heard, note);
        let units = self.unit.of(heard);
        if self.unit == Unit::Nothing {
            return units;
        }
        let mut kept = Vec::new();
        self.follow(heard, units, place, &mut |place, change, count| {
            kept.push((place, change, count));
            note(place, change, count);
        });
        if !self.votes.is_settled() && self.probation.len() < PROBATION_MAX {
            self.probation.append(&mut kept);
        }
        units
    }

    fn follow(&mut self, heard: &Heard, units: u32, place: Place, note: Note<'_>) {
        if !self.is_started {
            self.first.get_or_insert((heard.sequence, heard.received_ms));
            return self.begin(heard, units);
        }
        let ahead = heard.sequence.wrapping_sub(self.next).cast_signed();
        let away = self.away.take_if(|away| heard.received_ms >= away.until_ms);
        if ahead == 0 {
            return self.advance(heard, units);
        }
        if let Some(away) = away.filter(|_| ahead > 0) {
            return self.come_back(&away, heard, units, place, note);
        }
        let boot = self.boot_moved(heard);
        if boot < -BOOT_JITTER_MS && self.stragglers < STRAGGLERS_MAX {
            self.stragglers += 1;
            return note(place, Change::Reordered, 1);
        }
        let (back_max, ahead_max) = self.unit.jumps();
        if boot > BOOT_JITTER_MS || ahead < -back_max || ahead > ahead_max {
            return self.restart(heard, units, place, note);
        }
        if ahead > 0 {
            if !self.is_loose {
                self.gaps.push(self.next, ahead.cast_unsigned(), place);
                note(place, Change::Missing(self.unit), i64::from(ahead));
            }
            return self.advance(heard, units);
        }
        if units == 0 && heard.is_complete {
            return;
        }
        let is_exact = heard.is_complete || self.unit == Unit::Datagrams;
        if let Some((counted_in, filled, is_down)) = self.gaps.fill(heard.sequence, is_exact.then_some(units)) {
            if let Some(missed) = self.missed.as_mut().filter(|_| is_down) {
                missed.units -= i64::from(filled);
            }
            let change = if is_down { Change::Down(self.unit) } else { Change::Missing(self.unit) };
            note(counted_in, change, -i64::from(filled));
            return note(place, Change::Reordered, 1);
        }
        self.fall_behind(heard, units, place, note);
    }

    /// The first datagram after a time of which nothing is known, and not the one that came next then.
    fn come_back(&mut self, away: &Away, heard: &Heard, units: u32, place: Place, note: Note<'_>) {
        let ahead = heard.sequence.wrapping_sub(self.next);
        if self.boot_moved(heard) > BOOT_JITTER_MS || !away.is_plausible(ahead, heard.received_ms) {
            return self.restart(heard, units, place, note);
        }
        if !self.is_loose {
            let missed = Missed { from_ms: away.from_ms, to_ms: heard.received_ms, units: i64::from(ahead) };
            self.missed = Some(Box::new(missed));
            let mut start = self.next;
            for (minute, units) in away.spread(ahead, heard.received_ms) {
                let place = Place { minute, ..place };
                self.gaps.push_down(start, units, place);
                note(place, Change::Down(self.unit), i64::from(units));
                start = start.wrapping_add(units);
            }
        }
        self.advance(heard, units);
    }

    /// A number that came before: once more, or from a counter that began anew.
    fn fall_behind(&mut self, heard: &Heard, units: u32, place: Place, note: Note<'_>) {
        let is_later = heard.export_ms.is_some_and(|export_ms| export_ms > self.newest_export_ms);
        if !is_later && self.is_before_first(heard) {
            return note(place, Change::Reordered, 1);
        }
        if heard.sequence != self.run_next {
            self.run.clear();
        }
        self.run_next = heard.sequence.wrapping_add(units);
        if !is_later && self.run.len() + 1 < RUN_RESTART {
            self.run.push(place);
            return note(place, Change::Duplicate, 1);
        }
        self.take_back_run(note);
        self.restart(heard, units, place, note);
    }

    /// What looked like datagrams that came twice was not.
    pub fn take_back_run(&mut self, note: Note<'_>) {
        for counted_at in std::mem::take(&mut self.run) {
            note(counted_at, Change::Duplicate, -1);
        }
    }

    /// How a number stands to those that came, which [`Stream::take`] takes as what this says.
    #[must_use]
    pub fn standing(&self, heard: &Heard) -> Standing {
        let ahead = heard.sequence.wrapping_sub(self.next).cast_signed();
        if !self.is_started || self.unit == Unit::Nothing || ahead == 0 {
            return Standing::Exact;
        }
        let boot = self.boot_moved(heard);
        let (back_max, ahead_max) = self.unit.jumps();
        match ahead {
            _ if boot < -BOOT_JITTER_MS && self.stragglers < STRAGGLERS_MAX => Standing::Behind,
            _ if boot > BOOT_JITTER_MS || ahead < -back_max || ahead > ahead_max => Standing::Breaks,
            1.. => Standing::Ahead,
            _ if self.gaps.holds(heard.sequence) => Standing::Exact,
            _ if heard.sequence == self.run_next && self.run.len() + 1 >= RUN_RESTART => Standing::Breaks,
            _ => Standing::Behind,
        }
    }

    /// Whether a number of another sender goes on here: of the same start of the exporter, and where numbers are awaited.
    #[must_use]
    pub fn goes_on(&self, heard: &Heard) -> Option<GoesOn> {
        let ahead = heard.sequence.wrapping_sub(self.next).cast_signed();
        let is_same_start = self.boot_moved(heard).abs() <= BOOT_JITTER_MS;
        if !self.is_started || !is_same_start || ahead > NEARLY {
            return None;
        }
        let is_exact = ahead == 0 || ahead < 0 && self.gaps.holds(heard.sequence);
        if is_exact { Some(GoesOn::Exactly) } else { (ahead > 0).then_some(GoesOn::Nearly) }
    }

    /// Whether the stream began a moment ago, with a datagram that is later than this one.
    fn is_before_first(&self, heard: &Heard) -> bool {
        self.first.is_some_and(|(sequence, received_ms)| {
            heard.sequence.wrapping_sub(sequence).cast_signed() < 0 && heard.received_ms - received_ms < START_MS
        })
    }

    fn restart(&mut self, heard: &Heard, units: u32, place: Place, note: Note<'_>) {
        note(place, Change::Restart, 1);
        self.first = None;
        self.begin(heard, units);
    }

    fn begin(&mut self, heard: &Heard, units: u32) {
        self.gaps.clear();
        self.is_started = true;
        self.newest_export_ms = i64::MIN;
        self.advance(heard, units);
    }

    fn advance(&mut self, heard: &Heard, units: u32) {
        self.next = heard.sequence.wrapping_add(units);
        self.is_loose = !heard.is_complete && self.unit.is_of_records();
        self.newest_export_ms = self.newest_export_ms.max(heard.export_ms.unwrap_or(i64::MIN));
        self.boot_ms = boot_ms(heard);
        self.run.clear();
        self.stragglers = 0;
    }

    /// By how many milliseconds the exporter's start is later than it was; 0 where the exporter does not tell.
    fn boot_moved(&self, heard: &Heard) -> i32 {
        let (Some(before), Some(now)) = (self.boot_ms, boot_ms(heard)) else { return 0 };
        now.wrapping_sub(before).cast_signed()
    }

    /// Finds out what the sequence counts, by what each possible unit would have foretold.
    fn recognise(&mut self, heard: &Heard, note: Note<'_>) {
        if self.standard == Unit::Samples {
            return;
        }
        let foretold = self.last.map(|(sequence, units)| units.map(|units| sequence.wrapping_add(units)));
        let units = Unit::ALL.map(|unit| unit.of(heard));
        // What could not be counted foretells nothing.
        self.last = heard.is_complete.then_some((heard.sequence, units));
        let Some(foretold) = foretold else { return };
        let Some(unit) = self.votes.vote(heard.sequence, &foretold, self.unit) else {
            if self.votes.is_settled() {
                self.probation = Vec::new();
            }
            return;
        };
        for (place, change, count) in self.probation.drain(..) {
            note(place, change, -count);
        }
        self.unit = unit;
        self.is_started = false;
        self.gaps.clear();
        self.run.clear();
    }
}

/// When the exporter started, milliseconds modulo 2^32: by its own clock, or by the collector's where it tells no time.
fn boot_ms(heard: &Heard) -> Option<u32> {
    let now_ms = heard.export_ms.unwrap_or(heard.received_ms) as u32;
    heard.uptime_ms.map(|uptime_ms| now_ms.wrapping_sub(uptime_ms))
}
