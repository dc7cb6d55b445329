//! The program under test, started in an environment in which nothing is set for it by who runs the tests.

use std::path::Path;
use std::process::Command;

/// Variables that tests read; the program would take them for settings that it does not know.
const VARIABLES: [&str; 3] = ["FINGERPOST_BENIGN_LOGS", "FINGERPOST_RUNBOOKS", "FINGERPOST_OTHER_RUNBOOKS"];

/// The program.
pub(crate) fn fingerpost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
    unset(&mut command);
    command
}

/// Takes out of a command's environment what is set for Fingerpost.
pub(crate) fn unset(command: &mut Command) -> &mut Command {
    VARIABLES.iter().chain(["FINGERPOST_CONFIG"].iter()).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Its exit code and its stdout, where there must be nothing on stderr. A terminal would have 100 columns.
pub(crate) fn quiet(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = fingerpost().args(arguments).current_dir(directory).env("COLUMNS", "100").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}
