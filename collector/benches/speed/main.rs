//! Times of each case, and of others that have no instructions to count: the XDP program, receiving, two threads at once, another
//! decoder on the same datagrams.
//!
//!     cargo bench --package collector --bench speed -- decode_v9
//!
//! One iteration, by criterion's word, is one flow, address, datagram or frame. What is measured is the processor time of the
//! thread, so that a machine with other work disturbs it less than it does the clock; waiting is not in it. `cargo xtask bench`
//! runs all and keeps the result.

#[path = "../cases/mod.rs"]
mod cases;
/// Processor time.
mod measure;
#[path = "../../tests/common/netns.rs"]
mod netns;
/// Another decoder.
mod peer;
/// AF_XDP beside plain sockets.
mod receive;
/// The XDP program on frames in memory.
mod steer;
/// Two workers at once.
mod workers;

use criterion::Criterion;

use cases::{CASES, Size};
use measure::{pin, time_units};

fn main() {
    pin(0);
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2))
        .configure_from_args();
    // Without it this is a test, for which a little of everything is enough.
    let size = if std::env::args().any(|argument| argument == "--bench") { Size::Real } else { Size::Small };
    for named in CASES {
        eprintln!("{}: an iteration is one {}", named.name, named.unit);
        let mut case = None;
        criterion.bench_function(named.name, |bencher| {
            let case = case.get_or_insert_with(|| (named.make)(size));
            bencher.iter_custom(|units| time_units(units, || case.round()));
        });
        drop(case);
        peer::measure(&mut criterion, named.name);
    }
    workers::measure(&mut criterion);
    steer::measure(&mut criterion);
    receive::measure(&mut criterion);
    criterion.final_summary();
}
