//! The collector on kernels that people run: `cargo xtask kernels` boots them and runs these tests there, beside others.
//!
//! What needs the machine that is booted for it is ignored elsewhere: an interface of virtio with more pairs of queues than
//! processors, and a kernel that is too old.

/// Datagrams with known contents.
#[path = "../run/datagrams.rs"]
#[expect(dead_code, reason = "the tests of the binary use all of it")]
mod datagrams;
/// Network namespaces.
#[path = "../common/netns.rs"]
mod netns;
/// The running binary.
#[path = "../run/process.rs"]
#[expect(dead_code, reason = "the tests of the binary use all of it")]
mod process;
/// Rings follow the interface.
mod queues;
/// A kernel that refuses the program says why.
mod refused;
/// The driver that virtual machines have.
mod virtio;
