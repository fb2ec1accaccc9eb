//! How the store's process stands behind the collector that started it, where both want the same processor.

use std::io;

/// Behind threads of the ordinary 0, and well before those of 19, which get what is left over.
const NICE: i32 = 5;

/// Lets others go first. Rows that come later are only later, datagrams that nobody receives are lost. For the calling thread and
/// those that it starts from now on; a process's only thread stands for the process.
///
/// # Errors
/// When the kernel refuses, which a seccomp filter may make it do.
pub(super) fn yield_to_others() -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, NICE)?)
}
