//! Fingerpost.

pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod flow;
pub mod http;
pub mod telemetry;

/// Binary, added key, header prefix, metric prefix and environment prefix.
pub const NAME: &str = "fingerpost";
