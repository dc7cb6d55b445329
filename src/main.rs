//! Parses the command line, does what it says, and ends with an exit code (`fingerpost::cli::Exit`).

use std::process::ExitCode;

use clap::Parser;
use fingerpost::cli::{Cli, Exit, output, refuse};
use fingerpost::telemetry;

/// Also librdkafka's: its threads take the memory of records, and ours give it back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator reads when it starts; the environment's `MALLOC_CONF` counts over it. What was given back goes to the
/// system within a third of a second and not ten, also where no thread comes by any more, as after loading rules; and four
/// places to take memory from are enough for threads that mostly wait. A quarter less memory for the same processor time.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the name is jemalloc's for a string that ends with a zero byte, and nobody else's")]
#[unsafe(export_name = "malloc_conf")]
pub static MALLOC_CONF: &[u8; 52] = b"background_thread:true,dirty_decay_ms:300,narenas:4\0";

fn main() -> ExitCode {
    telemetry::guard_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(error),
    };
    anstream::ColorChoice::from(cli.color).write_global();
    let failure = cli.failure();
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::complain(&format!("{error:#}"));
            Exit::of(&error, failure).into()
        }
    }
}
