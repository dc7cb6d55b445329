//! The one integration binary: every test here sees the library and the program as a user does.
//!
//! Behaviour is data: cases stand under `tests/cases/`. `SNAPSHOTS=overwrite cargo test` rewrites what they expect; the
//! diff is the review.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says no; the lint spares only what is marked #[test]")]

mod agreement;
mod alerts;
mod backtest;
mod bench;
mod benign;
mod broker;
mod classify;
mod config;
mod delivery;
mod drift;
mod envelopes;
mod explain;
mod extract;
mod flow;
mod fmt;
mod gaps;
mod hostile;
mod http;
mod laws;
mod limits;
mod lines;
mod lints;
mod oracle;
mod packs;
mod program;
mod reading;
mod readme;
#[allow(dead_code, reason = "the chaos runs use all of it")]
mod records;
mod reload;
mod scan;
mod schema;
mod skip;
#[allow(dead_code, reason = "the chaos runs use all of it")]
mod stage;
mod tidy;
mod verify;
mod windows;
