//! A test that cannot run says so: on its output, and in the file that the closing summary of `make test` reads.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

/// Tells why a test is skipped, as `name: reason`.
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("FINGERPOST_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{why}").unwrap();
    }
}

/// Variables that tests read; the program would take them for settings that it does not know.
const VARIABLES: [&str; 3] = ["FINGERPOST_BENIGN_LOGS", "FINGERPOST_RUNBOOKS", "FINGERPOST_OTHER_RUNBOOKS"];

/// The same command, in whose environment nothing is set for Fingerpost by who runs the tests.
pub(crate) fn unset(command: &mut Command) -> &mut Command {
    VARIABLES.iter().chain(["FINGERPOST_CONFIG"].iter()).for_each(|name| {
        command.env_remove(name);
    });
    command
}
