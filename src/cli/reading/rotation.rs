//! Which log a file is a part of, and how old a part, by its name alone.
//!
//! | name | log | age |
//! |---|---|---|
//! | `previous.log` | `current.log` | before the container began anew |
//! | `0.log.20240305-091924.gz`, `app.log-20240305`, `app.log.2024-03-05` | `0.log`, `app.log` | by the date |
//! | `app.log.2.gz`, `app.log.1` | `app.log` | the higher the number, the older |
//! | `app.log` | `app.log` | the latest |

use std::cmp::Reverse;

/// Endings that packing adds.
const PACKED: [&str; 5] = [".gz", ".zst", ".bz2", ".xz", ".lz4"];
/// Digits of the numbers that rotation gives.
const DIGITS_MAX: usize = 3;

/// How old a part of a log is, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Of a container that is gone.
    Previous,
    /// Put aside at this time, in digits.
    Dated(String),
    /// Put aside so many times ago; 0 for one that is only packed.
    Numbered(Reverse<u64>),
    /// Still written.
    Latest,
}

/// The name of the log, and how old this part of it is.
#[must_use]
pub fn part(name: &str) -> (String, Age) {
    let bare =
        PACKED.iter().find_map(|ending| name.strip_suffix(ending)).filter(|bare| !bare.is_empty()).unwrap_or(name);
    if let Some(rest) = bare.strip_prefix("previous").filter(|rest| rest.starts_with('.')) {
        return (format!("current{rest}"), Age::Previous);
    }
    if let Some((log, digits)) = bare.rsplit_once('.')
        && is_log(log, digits)
        && let Ok(number) = digits.parse()
    {
        return (log.to_owned(), Age::Numbered(Reverse(number)));
    }
    if let Some((log, date)) = dated(bare) {
        return (log.to_owned(), Age::Dated(date));
    }
    let age = if bare == name { Age::Latest } else { Age::Numbered(Reverse(0)) };
    (bare.to_owned(), age)
}

/// Whether a number behind a name counts how often the log was put aside: not in `10.0.0.1` or `1.2.3`, and not where the number
/// has zeros in front, as the pieces have into which `split` cuts a file.
fn is_log(name: &str, digits: &str) -> bool {
    let is_count = (1..=DIGITS_MAX).contains(&digits.len()) && (digits == "0" || !digits.starts_with('0'));
    is_count && name.chars().last().is_some_and(|last| !last.is_ascii_digit())
}

/// A name with a date, or with seconds since 1970, behind it.
fn dated(name: &str) -> Option<(&str, String)> {
    let log = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_T:".contains(c));
    let behind = &name[log.len()..];
    let log = log.strip_suffix('.').unwrap_or(log);
    // What stands between must be a dot or a dash, or it is a part of the name.
    let begins = behind.len() < name.len() - log.len() || behind.starts_with(['-', '_']);
    let digits: String = behind.chars().filter(char::is_ascii_digit).collect();
    let is_date = matches!(digits.len(), 8..=17) && (digits.starts_with("19") || digits.starts_with("20"));
    let is_seconds = digits.len() == 10 && digits.starts_with('1');
    (!log.is_empty() && begins && (is_date || is_seconds)).then_some((log, digits))
}

/// A piece of a name, so that names sort as people count: `2.log` before `10.log`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// Digits, by how many there are without zeros in front, and which.
    Number(usize, String),
    /// Anything else.
    Text(String),
}

/// A name in pieces.
#[must_use]
pub fn pieces(name: &str) -> Vec<Piece> {
    let is_digit = |c: &char| c.is_ascii_digit();
    let mut rest = name;
    let mut pieces = Vec::new();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| is_digit(&c) != is_digit(&first)).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        let value = piece.trim_start_matches('0');
        let number = || Piece::Number(value.len(), value.to_owned());
        pieces.push(if is_digit(&first) { number() } else { Piece::Text(piece.to_owned()) });
        rest = behind;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_log_come_in_the_order_of_time() {
        for ordered in [
            ["0.log.20240304-235959.gz", "0.log.20240305-091924.gz", "0.log.20240305-101924", "0.log"].as_slice(),
            &["app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log"],
            &["messages-20240303.gz", "messages-20240304", "messages"],
            &["app.log.2024-03-04", "app.log.2024-03-05.gz", "app.log.gz", "app.log"],
            &["secure-1709424000.gz", "secure-1709510400", "secure"],
            &["previous.log", "current.log"],
            &["previous.insecure.log", "current.insecure.log"],
        ] {
            let parts: Vec<_> = ordered.iter().map(|name| part(name)).collect();
            assert!(parts.is_sorted(), "{parts:?}");
            let last = ordered.last().unwrap();
            assert!(parts.iter().all(|(log, _)| log == last), "{parts:?}");
        }
    }

    #[test]
    fn what_is_a_name_of_its_own_stays_one() {
        for name in [
            "0.log",
            "10.log",
            "app-2024-03-05.log",
            "node20240305",
            "v1.2.3000",
            "10.0.0.1",
            "app-7.1",
            "x.log.001",
            "20240305",
            ".1",
            ".gz",
            "",
            "früh.log",
        ] {
            assert_eq!(part(name), (name.to_owned(), Age::Latest), "{name}");
        }
    }

    #[test]
    fn names_sort_as_people_count() {
        let mut names = ["10.log", "9.log", "a10b2", "a9b10", "a9b2", "009.log"];
        names.sort_by_key(|name| pieces(name));
        assert_eq!(names, ["9.log", "009.log", "10.log", "a9b2", "a9b10", "a10b2"]);
    }
}
