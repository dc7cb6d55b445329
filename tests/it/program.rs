//! The program under test, started in an environment in which nothing is set for it by who runs the tests.

use std::path::Path;
use std::process::Command;

/// The program.
pub(crate) fn fingerpost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
    unset(&mut command);
    command
}

/// Takes out of a command's environment whatever is set for Fingerpost or for its tests: the program would take that for
/// settings.
pub(crate) fn unset(command: &mut Command) -> &mut Command {
    let ours =
        std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("FINGERPOST_"));
    ours.for_each(|name| _ = command.env_remove(name));
    command
}

/// Its exit code and its stdout, where there must be nothing on stderr. A terminal would have 100 columns.
pub(crate) fn quiet(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = fingerpost().args(arguments).current_dir(directory).env("COLUMNS", "100").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}
