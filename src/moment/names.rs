//! Names of months and days, in English, as loggers write them whatever the machine's language is.

use super::scan::Scan;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// 1 to 12: a month's name, whole or its first three letters, also `Sept`.
pub(super) fn month(scan: &mut Scan<'_>) -> Option<i8> {
    let number = place(scan, &MONTHS)?;
    i8::try_from(number + 1).ok()
}

/// A day of the week and the comma behind it.
pub(super) fn weekday(scan: &mut Scan<'_>) -> Option<()> {
    place(scan, &DAYS)?;
    let _ = scan.one_of(b",");
    (scan.blanks() > 0).then_some(())
}

fn place(scan: &mut Scan<'_>, names: &[&str]) -> Option<usize> {
    let written = scan.letters()?;
    let is = |name: &&str| {
        let front = name.get(..written.len()).is_some_and(|front| front.eq_ignore_ascii_case(written));
        front && matches!(written.len(), length if length == 3 || length == name.len() || length == 4 && name.len() > 7)
    };
    names.iter().position(is)
}
