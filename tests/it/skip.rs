//! A test that cannot run says so: on its output, and in the file that the closing summary of `make test` reads.

use std::fs::OpenOptions;
use std::io::Write;

/// Tells why a test is skipped, as `name: reason`.
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("FINGERPOST_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{why}").unwrap();
    }
}
