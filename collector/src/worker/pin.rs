//! Which core a worker runs on.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The cores this process may run on: the machine's, less what a cpuset or container takes away.
///
/// # Errors
/// When the kernel does not tell.
pub fn allowed_cores() -> Result<Vec<usize>, Errno> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
}

/// The core for worker `index`: from the last allowed core down, since interrupts and everything else gather on the first.
#[must_use]
pub fn core_for(allowed: &[usize], index: usize) -> Option<usize> {
    let from_last = index.checked_rem(allowed.len())?;
    allowed.iter().rev().nth(from_last).copied()
}

/// Keeps the calling thread on `core`.
///
/// # Errors
/// When the core is not one that this process may use.
pub fn pin_to_core(core: usize) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_the_last_cores_first_and_wrap_around() {
        let allowed = [0, 2, 5];
        let cores: Vec<_> = (0..4).map(|index| core_for(&allowed, index)).collect();
        assert_eq!(cores, [Some(5), Some(2), Some(0), Some(5)]);
        assert_eq!(core_for(&[], 0), None);
    }

    #[test]
    fn a_pinned_thread_runs_on_its_core_alone() {
        let core = core_for(&allowed_cores().expect("affinity"), 0).expect("a core");
        std::thread::spawn(move || {
            pin_to_core(core).expect("pin");
            assert_eq!(allowed_cores().expect("affinity"), [core]);
        })
        .join()
        .expect("the thread's assertions hold");
    }
}
