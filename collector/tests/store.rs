//! `collector store` with the real engine: ClickHouse's HTTP interface as curl, the `clickhouse` crate and clickhouse-go
//! use it, inserts of every kind, and what survives a crash.
//!
//! Without libchdb these tests are skipped, loudly; with `COLLECTOR_REQUIRE_PRIVILEGED=1` they fail instead.

/// What queries cannot reach, and who cannot take the store's place.
#[path = "store/cage.rs"]
mod cage;
/// The `clickhouse` crate and clickhouse-go.
#[path = "store/clients.rs"]
mod clients;
/// The store by itself, as its configuration file says.
#[path = "store/configured.rs"]
mod configured;
/// Kill, restart, supervision, errors at start.
#[path = "store/durability.rs"]
mod durability;
/// Queries, formats, errors, compression.
#[path = "store/http.rs"]
mod http;
/// Inserts: formats, sizes, broken bodies.
#[path = "store/inserts.rs"]
mod inserts;
/// The store started as the collector does.
#[path = "common/lifeline.rs"]
mod lifeline;
/// The store under test and a small HTTP client.
#[path = "store/support.rs"]
mod support;
