//! Exactly once, as a user sees it: the binary under numbered load, ended by SIGKILL at any moment, its ClickHouse killed, away and
//! back. Every flow that was received is stored once, whatever happened.
//!
//! Needs the engine's library (COLLECTOR_LIBCHDB or the usual places); without it the tests say so and are skipped.

/// What becomes of datagrams that cannot be stored in time.
mod away;
/// Ends at any moment.
mod kill;
/// Network namespaces.
#[path = "../common/netns.rs"]
mod netns;
/// The running binary.
#[path = "../run/process.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod process;
/// The ClickHouse that rows go to, apart from the collector.
mod server;
/// Numbered flows.
mod traffic;
