//! The steering table: every kind of frame, the verdict it must get, and that kernel and user space agree about it.
//!
//! The program runs in the kernel on frames in memory (BPF_PROG_TEST_RUN), the walk runs here on the same bytes. Not here:
//! frames that travel, which are the veth tests of the AF_XDP layer.

mod accounts;
mod attaching;
mod door;
mod frames;
mod privileged;
mod recipients;
mod table;
mod walking;
