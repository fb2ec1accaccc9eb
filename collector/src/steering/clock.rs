//! Keeps the program's wall clock in step with the system's.
//!
//! The two clocks of the kernel run at the same speed, also while the time is being adjusted, so their difference changes only
//! when the time is set; the word in the map is left alone otherwise.

use std::time::{SystemTime, UNIX_EPOCH};

use aya::maps::{Array, MapData};
use collector_ebpf::Clock;
use collector_ebpf::maps::{SETTING_CLOCK, SETTINGS};

use super::Error;
use crate::front_door::now_ns as monotonic_ns;

/// A difference below this is the time that reading two clocks takes, in nanoseconds.
const NOISE_NS: u64 = 1_000_000;
/// Both clocks are read so often; the reading that took least is the best one.
const READINGS: usize = 5;
/// How long a minute, or a setting of the clock, must be over before the program is sure to have finished with it.
const SETTLED_NS: u64 = 1_000_000_000;

/// The clock that the program has.
#[derive(Debug)]
pub(super) struct Clockwork {
    clock: Clock,
    /// When it was set to something else, on the monotonic clock.
    set_ns: u64,
}

/// What the clock says about minutes that are over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    /// The minute in force.
    pub(super) minute: u64,
    /// Whether no program counts in the minute before any more, nor in the one in force before the clock was set.
    pub(super) is_settled: bool,
}

impl Clockwork {
    /// Gives the program its clock.
    pub(super) fn start(settings: &mut Array<MapData, u64>) -> Result<Self, Error> {
        let clock = Clock::new(offset_ns());
        write(settings, clock)?;
        Ok(Self { clock, set_ns: 0 })
    }

    /// Follows the system's clock if that was set; true if it was.
    pub(super) fn keep(&mut self, settings: &mut Array<MapData, u64>) -> Result<bool, Error> {
        let offset_ns = offset_ns();
        let difference_ns = offset_ns.wrapping_sub(self.clock.offset_ns()).cast_signed().unsigned_abs();
        if difference_ns < NOISE_NS {
            return Ok(false);
        }
        self.set(settings, offset_ns)?;
        Ok(true)
    }

    /// Sets the program's clock so that it now says `wall_ns`.
    pub(super) fn set_to(&mut self, settings: &mut Array<MapData, u64>, wall_ns: u64) -> Result<(), Error> {
        self.set(settings, wall_ns.wrapping_sub(monotonic_ns()))
    }

    fn set(&mut self, settings: &mut Array<MapData, u64>, offset_ns: u64) -> Result<(), Error> {
        let now_ns = monotonic_ns();
        let clock = self.clock.set(offset_ns, now_ns);
        write(settings, clock)?;
        self.clock = clock;
        self.set_ns = now_ns;
        Ok(())
    }

    /// Which minute it is for the program.
    pub(super) fn present(&self) -> Present {
        let now_ns = monotonic_ns();
        let moment = self.clock.at(now_ns);
        let settled = self.clock.at(now_ns.saturating_sub(SETTLED_NS));
        let is_settled = settled.minute == moment.minute && now_ns.saturating_sub(self.set_ns) >= SETTLED_NS;
        Present { minute: moment.minute, is_settled }
    }
}

fn write(settings: &mut Array<MapData, u64>, clock: Clock) -> Result<(), Error> {
    settings.set(SETTING_CLOCK, clock.to_word(), 0).map_err(|error| Error::map(SETTINGS, error))
}

/// Wall clock less monotonic clock, in nanoseconds modulo 2^64.
fn offset_ns() -> u64 {
    let readings = (0..READINGS).map(|_| {
        let before_ns = monotonic_ns();
        let wall_ns = wall_ns();
        let took_ns = monotonic_ns().wrapping_sub(before_ns);
        (took_ns, wall_ns.wrapping_sub(before_ns.wrapping_add(took_ns / 2)))
    });
    readings.min().map_or(0, |(_, offset_ns)| offset_ns)
}

fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
