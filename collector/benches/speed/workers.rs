//! Two workers that look up templates at the same time, in a store of few exporters and in one of very many.
//!
//! Each has its own core and its own processor time; the slower of the two counts.

use std::time::Duration;

use collector::templates::Templates;
use criterion::Criterion;

use crate::cases::Case as _;
use crate::cases::templates::{LookedUp, filled};
use crate::measure::{cores, pin, time_units};

const WORKERS: usize = 2;
const LOOKUPS: usize = 65_536;
const TEMPLATES: u16 = 10;

pub(crate) fn measure(criterion: &mut Criterion) {
    if cores() < WORKERS {
        eprintln!("SKIPPED: two workers at once: this machine has one processor");
        return;
    }
    let mut group = criterion.benchmark_group("templates_2_workers");
    for exporters in [10, 10_000] {
        let mut made = None;
        group.bench_function(format!("{exporters}_exporters"), |bencher| {
            let workers = made.get_or_insert_with(|| workers(&filled(exporters, TEMPLATES), exporters));
            bencher.iter_custom(|units| together(workers, units));
        });
    }
    group.finish();
}

fn workers(store: &Templates, exporters: u32) -> Vec<LookedUp> {
    (0..WORKERS as u64).map(|seed| LookedUp::of(store, exporters, TEMPLATES, LOOKUPS, seed)).collect()
}

/// All at once, each so many look-ups.
fn together(workers: &mut [LookedUp], units: u64) -> Duration {
    std::thread::scope(|scope| {
        let work = |(index, worker): (usize, &mut LookedUp)| {
            pin(index);
            time_units(units, || worker.round())
        };
        let threads: Vec<_> = workers.iter_mut().enumerate().map(|worker| scope.spawn(move || work(worker))).collect();
        let times = threads.into_iter().map(|thread| thread.join().expect("a worker panicked"));
        times.max().unwrap_or_default()
    })
}
