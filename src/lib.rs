//! Fingerpost finds the error phrases of runbooks in log lines on Kafka and puts the runbook section on each line.
//!
//! (story follows)

pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod flow;
pub mod http;
pub mod pack;
pub mod telemetry;

/// The one name: binary, crate, added member, header prefix, metric prefix and environment prefix come from here.
pub const NAME: &str = env!("CARGO_PKG_NAME");
