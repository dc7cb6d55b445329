//! Parses the command line, does what it says, and ends with an exit code (`fingerpost::cli::Exit`).

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Parser;
use fingerpost::cli::Cli;

/// Also librdkafka's: its threads take the memory of records, and ours give it back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    anstream::ColorChoice::from(cli.color).write_global();
    let failure = cli.failure();
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            let red: Style = AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{red}error{red:#}: {error:#}");
            failure.into()
        }
    }
}
