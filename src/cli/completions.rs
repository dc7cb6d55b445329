//! `fingerpost completions SHELL`: what a shell needs to complete verbs, flags and their values.

use anyhow::Result;
use clap::CommandFactory;

use super::arguments::CompletionsArguments;
use super::{Cli, Exit, print_exactly};

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &CompletionsArguments) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), crate::NAME, &mut script);
    print_exactly(&String::from_utf8(script)?)?;
    Ok(Exit::Fine)
}
