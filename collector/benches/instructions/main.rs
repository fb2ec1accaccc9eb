//! Instructions of each case, counted under callgrind: the same on every machine, whatever else runs there, which times are not.
//!
//!     valgrind --tool=callgrind --toggle-collect='instructions::measured*' TARGET/instructions decode_v5
//!
//! One case is one process, with little in memory; `--real` takes as much as in production, which adds misses of caches and no
//! instructions. What callgrind counts is what [`measured`] does; getting ready and a round to warm up are left out.
//! Without a name it says which cases there are; `cargo xtask instructions` runs them all and compares.

#![expect(clippy::print_stdout, reason = "what was done is printed")]

#[path = "../cases/mod.rs"]
mod cases;

use cases::{CASES, Case, Named, Size};

fn main() {
    // Cargo adds options of its own.
    let Some(name) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        for case in CASES {
            // Files that it needs are written now and not under callgrind, where that takes long.
            drop((case.make)(Size::Small));
            println!("{}", case.name);
        }
        return;
    };
    let Some(Named { unit, make, .. }) = CASES.iter().find(|case| case.name == name) else {
        eprintln!("no case {name}");
        std::process::exit(2);
    };
    let size = if std::env::args().any(|argument| argument == "--real") { Size::Real } else { Size::Small };
    let mut case = make(size);
    let done = case.round();
    case.round();
    assert_eq!(measured(&mut *case), done, "every round does the same");
    println!("{done} {unit}");
}

/// The one function that is counted. Nothing else here may have a name that begins like this.
#[inline(never)]
fn measured(case: &mut dyn Case) -> usize {
    std::hint::black_box(case).round()
}
