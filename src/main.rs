//! A stand-in: `run -c FILE` only.
use std::process::ExitCode;
use std::sync::Arc;
fn main() -> anyhow::Result<ExitCode> {
    let path = std::env::args().nth(3).unwrap_or_default();
    let config = fingerpost::config::read(&path)?;
    fingerpost::telemetry::log(&config.log).map_err(anyhow::Error::msg)?;
    fingerpost::cli::run::run(Arc::new(fingerpost::engine::Engine::default()), &config.flow, config.http)
}
