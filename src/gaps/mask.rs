//! A word with its numbers, ids, addresses and paths taken out. What is numbered differently from line to line is then
//! the same: `blk_38865049064139660` is `blk_<n>`; `10.0.3.4:443`, `db.example.com:5432`, a time, a UUID and `33.6ms` are
//! `<n>` each, and `/var/log/pods/x` is `<path>`. Codes that say what happened (`ORA-00942`, `0x80070005`) stay.

use super::events;
use super::template::{NUMBER, PARTS, PATH};

/// Words with digits in them that are names.
#[rustfmt::skip]
const NAMES: [&str; 16] = [
    "x509", "ipv4", "ipv6", "http2", "sha1", "sha256", "sha512", "utf8", "base64", "oauth2", "k8s", "s3", "e2e",
    "p2p", "ed25519", "l2tp",
];
/// Units that stand right behind their number. Which one a program chooses depends on the number.
#[rustfmt::skip]
const UNITS: [&str; 31] = [
    "ns", "us", "ms", "s", "sec", "secs", "m", "min", "mins", "h", "hr", "hrs", "d", "b", "kb", "mb", "gb", "tb",
    "kib", "mib", "gib", "tib", "ki", "mi", "gi", "k", "g", "t", "hz", "mhz", "ghz",
];
/// Signs that make one number of two.
const JOINS: &[u8] = b".:-,/_+Tx";
/// How files of source code end: `main.go:10` is no host and its port.
#[rustfmt::skip]
const SOURCES: [&str; 24] = [
    "go", "rs", "py", "java", "kt", "scala", "c", "cc", "cpp", "cxx", "h", "hpp", "m", "mm", "js", "mjs", "ts", "jsx",
    "tsx", "rb", "php", "cs", "pl", "lua",
];
/// How names of hosts end, besides countries.
#[rustfmt::skip]
const TOP_LEVEL: [&str; 20] = [
    "com", "net", "org", "edu", "gov", "mil", "int", "io", "dev", "app", "cloud", "biz", "info", "local", "internal",
    "lan", "corp", "localdomain", "arpa", "svc",
];
/// Countries' ends of names, but for those that are words.
#[rustfmt::skip]
const COUNTRIES: [&str; 34] = [
    "ar", "au", "br", "ca", "ch", "cl", "cn", "cz", "de", "dk", "es", "eu", "fi", "fr", "gr", "hk", "hu", "ie", "il",
    "jp", "kr", "mx", "nl", "nz", "pt", "ro", "ru", "se", "sg", "th", "tr", "tw", "ua", "uk",
];

/// Appends the word.
pub(super) fn mask(word: &str, to: &mut String) {
    if !word.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'/' | b'\\' | b'@' | b'.' | b'-')) {
        to.push_str(word);
        return;
    }
    if is_parts(word) {
        to.push_str(PARTS);
        return;
    }
    Mask { start: to.len(), to }.word(word);
}

struct Mask<'t> {
    /// Where the word begins.
    start: usize,
    to: &'t mut String,
}

impl Mask<'_> {
    fn word(&mut self, word: &str) {
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            let chunk = chunk(rest);
            // Blanks that are not ASCII do not divide words, and end paths.
            if chunk.is_empty() || first.is_whitespace() {
                self.to.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            if is_path(chunk) {
                let path = &rest[..path_end(rest)];
                let bare = path.trim_end_matches(['.', ':']);
                let path = if bare.is_empty() { path } else { bare };
                self.to.push_str(PATH);
                rest = &rest[path.len()..];
                continue;
            }
            self.chunk(chunk);
            rest = &rest[chunk.len()..];
        }
    }

    /// What no quote, bracket or the like divides.
    fn chunk(&mut self, chunk: &str) {
        let bare = chunk.trim_matches(['.', ':', '-', '+', '~', '#', '$', '%']);
        let at = bare.as_ptr() as usize - chunk.as_ptr() as usize;
        let (before, behind) = (&chunk[..at], &chunk[at + bare.len()..]);
        if events::is_code(bare) {
            self.to.push_str(chunk);
        } else if is_address(bare) {
            self.to.push_str(before);
            self.number();
            self.to.push_str(behind);
        } else if bare.bytes().any(|byte| byte.is_ascii_digit()) || is_pod(bare) {
            self.runs(chunk);
        } else {
            self.to.push_str(chunk);
        }
    }

    /// Runs of letters and digits, and the signs between them.
    fn runs(&mut self, chunk: &str) {
        let bytes = chunk.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            if end == at {
                let sign = chunk[at..].chars().next().unwrap_or_default();
                self.sign(sign);
                at += sign.len_utf8();
                continue;
            }
            let beside_hyphen = (at > 0 && bytes[at - 1] == b'-') || bytes.get(end) == Some(&b'-');
            let run = &chunk[at..end];
            if is_id(run, beside_hyphen) || (beside_hyphen && is_suffix_of_pod(run, at > 0)) {
                self.number();
            } else {
                self.run(run);
            }
            at = end;
        }
    }

    fn sign(&mut self, sign: char) {
        if sign != '%' || !self.to.ends_with(NUMBER) {
            self.to.push(sign);
        }
    }

    /// A run with its numerals taken out, unless it is a name.
    fn run(&mut self, run: &str) {
        if NAMES.iter().any(|name| name.eq_ignore_ascii_case(run)) {
            self.to.push_str(run);
            return;
        }
        // In `a7x9k2` nothing is fixed; in `node12` the word is.
        let changes =
            run.as_bytes().windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit()).count();
        if changes > 2 {
            self.number();
            return;
        }
        let parts = run.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
        for part in parts {
            if part[0].is_ascii_digit() {
                self.number();
            } else {
                self.letters(std::str::from_utf8(part).unwrap_or_default());
            }
        }
    }

    fn letters(&mut self, letters: &str) {
        let written = &self.to[self.start..];
        let micro = written.strip_suffix('µ').filter(|_| letters == "s");
        if let Some(before) = micro.filter(|before| before.ends_with(NUMBER)) {
            let length = self.start + before.len();
            self.to.truncate(length);
        } else if !(written.ends_with(NUMBER) && UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(letters))) {
            self.to.push_str(letters);
        }
    }

    /// Numbers that only signs join are one: addresses, times, versions, UUIDs.
    fn number(&mut self) {
        let written = &self.to[self.start..];
        if written.ends_with(NUMBER) {
            return;
        }
        let joined = written.as_bytes().split_last().filter(|(sign, _)| JOINS.contains(sign)).map(|(_, before)| before);
        if joined.is_some_and(|before| before.ends_with(NUMBER.as_bytes())) {
            self.to.pop();
            return;
        }
        // A number below zero is a number, and so is one that is only known to be less.
        let (before, sign) = written.split_at(written.floor_char_boundary(written.len().saturating_sub(1)));
        if sign == "-" && (before.is_empty() || before.ends_with(['_', '=', ':', '(']))
            || before.is_empty() && matches!(sign, "<" | ">" | "~")
        {
            self.to.pop();
        }
        self.to.push_str(NUMBER);
    }
}

/// What stands in front of the next quote, bracket or the like.
fn chunk(text: &str) -> &str {
    let bytes = text.as_bytes();
    let inside = |(at, byte): (usize, &u8)| match byte {
        b',' => at > 0 && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit),
        b'.' | b'_' | b'-' | b':' | b'/' | b'\\' | b'@' | b'+' | b'%' | b'~' | b'#' | b'$' => true,
        byte => byte.is_ascii_alphanumeric() || !byte.is_ascii(),
    };
    let end = bytes.iter().enumerate().position(|at| !inside(at)).unwrap_or(bytes.len());
    &text[..end]
}

/// A path may hold what divides other words.
fn path_end(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "\"'`()[]<>|,;".contains(c)).unwrap_or(text.len())
}

fn is_path(chunk: &str) -> bool {
    let slashes = chunk.bytes().filter(|byte| *byte == b'/').count();
    let backslashes = chunk.bytes().filter(|byte| *byte == b'\\').count();
    if slashes == 0 && backslashes == 0 {
        return false;
    }
    let begins = |prefix: &str| {
        chunk.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
    };
    let drive = chunk.len() > 3 && chunk.as_bytes()[0].is_ascii_alphabetic() && &chunk.as_bytes()[1..3] == b":\\";
    let is_file = |chunk: &str| {
        let file = chunk.rsplit('/').next().unwrap_or_default();
        file.rsplit_once('.')
            .is_some_and(|(name, end)| !name.is_empty() && end.starts_with(|c: char| c.is_ascii_alphabetic()))
    };
    chunk.contains("://")
        || begins("/")
        || begins("./")
        || begins("../")
        || begins("~/")
        || drive
        || backslashes > 1
        || slashes > 1 && chunk.bytes().filter(u8::is_ascii_alphabetic).count() > chunk.len() / 3
        || slashes == 1 && is_file(chunk) && !chunk.starts_with('/')
}

/// The name of a host, with or without a port, or of a person there; or a host's name and its number.
fn is_address(bare: &str) -> bool {
    if is_hexadecimal_address(bare) {
        return true;
    }
    if let Some((name, host)) = bare.split_once('@') {
        return !name.is_empty() && host.contains('.');
    }
    if let Some((name, number)) = bare.split_once('/') {
        return name.contains(['.', '-']) && is_host(name, true) && is_numeric(number);
    }
    match bare.rsplit_once(':') {
        Some((host, port)) => port.len() <= 5 && is_digits(port) && is_host(host, true),
        None => is_host(bare, false),
    }
}

/// `0/7`.
fn is_parts(word: &str) -> bool {
    word.split_once('/').is_some_and(|(part, whole)| is_digits(part) && is_digits(whole))
}

/// Of a network card, or of IPv6.
fn is_hexadecimal_address(bare: &str) -> bool {
    let colons = bare.bytes().filter(|byte| *byte == b':').count();
    let is_short = colons < 3 && !bare.contains("::");
    !is_short
        && bare.bytes().any(|byte| byte.is_ascii_digit())
        && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_numeric(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':'))
}

/// Labels with dots between them, of which the last is one that hosts have; any will do with a port behind it.
fn is_host(text: &str, has_port: bool) -> bool {
    let labels = text.split('.').count();
    let Some((_, last)) = text.rsplit_once('.') else { return false };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_country = labels > 2 && COUNTRIES.contains(&last);
    let ends = has_port || is_country || TOP_LEVEL.contains(&last);
    ends && last.bytes().all(|byte| byte.is_ascii_lowercase())
        && last.len() > 1
        && !SOURCES.contains(&last)
        && text.split('.').all(is_label)
        // `com.apple.x.dev` is a name that is written from its end.
        && !text.split('.').next().is_some_and(|first| TOP_LEVEL.contains(&first))
}

/// Hexadecimal of six digits and more with a numeral in it, or a part of a UUID; or letters and digits in no order.
fn is_id(run: &str, beside_hyphen: bool) -> bool {
    let numeral = run.bytes().any(|byte| byte.is_ascii_digit());
    let digits = run.strip_prefix("0x").or_else(|| run.strip_prefix("0X"));
    if digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return true;
    }
    if run.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return numeral && run.len() >= 6 || beside_hyphen && matches!(run.len(), 4 | 8 | 12);
    }
    let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let changes = || run.as_bytes().windows(2).filter(|two| class(two[0]) != class(two[1])).count();
    numeral && run.len() >= 10 && 2 * changes() >= run.len()
}

/// A name that ends so, without a digit in it.
fn is_pod(bare: &str) -> bool {
    bare.rsplit_once('-').is_some_and(|(_, end)| is_suffix_of_pod(end, true) && end != "https")
}

/// Kubernetes ends names of pods with five characters, none of which can make a word.
fn is_suffix_of_pod(run: &str, is_behind: bool) -> bool {
    is_behind
        && matches!(run.len(), 5 | 8..=10)
        && run.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(word: &str) -> String {
        let mut text = String::new();
        mask(word, &mut text);
        text
    }

    #[test]
    fn numbers_and_ids_are_taken_out_of_words() {
        for (word, expected) in [
            ("10.0.3.4:443:", "<n>:"),
            ("blk_38865049064139660", "blk_<n>"),
            ("0b7e6c1a-9d2f-4c3b-8e5a-abcdefabcdef,", "<n>,"),
            ("2015-07-29T17:41:44.747Z", "<n>Z"),
            ("crn=cafe12", "crn=<n>"),
            ("x509:", "x509:"),
            ("blk_-17", "blk_<n>"),
            ("-1", "<n>"),
            ("<1", "<n>"),
            ("0/7", "<n>/<n>"),
            ("node12", "node<n>"),
            ("kp-events-7f9c4d", "kp-events-<n>"),
            ("pod=\"shop/cart-6b5f6db455-zjjts\"", "pod=\"shop/cart-<n>\""),
            ("sshd(pam_unix)[19939]:", "sshd(pam_unix)[<n>]:"),
            ("face-to-face", "face-to-face"),
            ("größe=3", "größe=<n>"),
            ("33.598849ms,", "<n>,"),
            ("432.924µs", "<n>"),
            ("1h30m20.5s", "<n>"),
            ("97%", "<n>"),
            ("0xfffffffe", "<n>"),
            ("00:11:43:e3:ba:c3", "<n>"),
            ("(fe80::c6b3:1ff)", "(<n>)"),
            ("q62wCcIkEOueqFKF", "<n>"),
            ("IO80211AWDLPeerManager", "IO<n>AWDLPeerManager"),
        ] {
            assert_eq!(masked(word), expected, "{word}");
        }
    }

    #[test]
    fn addresses_and_paths_are_taken_out_and_names_of_files_and_classes_are_not() {
        for (word, expected) in [
            ("db.example.com:5432:", "<n>:"),
            ("proxy.cse.cuhk.edu.hk", "<n>"),
            ("kms.svc.cluster.local", "<n>"),
            ("somebody@example.com", "<n>"),
            ("host-1.example.com/10.0.0.1:80", "<n>"),
            ("main.go:169]", "main.go:<n>]"),
            ("org.apache.Foo", "org.apache.Foo"),
            ("com.apple.x.dev", "com.apple.x.dev"),
            ("mapred.job.id", "mapred.job.id"),
            ("/var/log/pods/x_y-1/0.log:", "<path>:"),
            ("\"/v2/54fadb/servers?all=1\"", "\"<path>\""),
            ("path=/a", "path=<path>"),
            ("https://example.com/x?y=1,", "<path>,"),
            ("C:\\Windows\\x.dll", "<path>"),
            ("./run.sh", "<path>"),
            ("felix/table.go", "<path>"),
            ("a/b/c", "<path>"),
            ("and/or", "and/or"),
            ("shop/cart-zjjts:", "shop/cart-<n>:"),
            ("non-https", "non-https"),
            ("HTTP/1.1\"", "HTTP/<n>\""),
            ("/10.10.34.11:3888", "/<n>"),
            ("/", "/"),
            ("\u{a0}/a/b", "\u{a0}<path>"),
            ("\u{2003}.:/x/y", "\u{2003}.:/x/y"),
        ] {
            assert_eq!(masked(word), expected, "{word}");
        }
    }

    #[test]
    fn codes_of_errors_stay() {
        for word in ["ORA-00942:", "(0x80070005)", "CWWKS1100A:", "SQL0911N"] {
            assert_eq!(masked(word), word);
        }
    }

    proptest! {
        #[test]
        fn no_digit_of_a_number_is_left(before in "[a-z=(:_]{0,3}", number in "[0-9]{1,30}", behind in "[),;]{0,2}") {
            let masked = masked(&format!("{before}{number}{behind}"));
            prop_assert!(!masked.bytes().any(|byte| byte.is_ascii_digit()), "{masked}");
        }

        #[test]
        fn blanks_and_paths_come_to_an_end(word in "[\u{a0}\u{2028}/\\\\.:a1C]{0,12}") {
            masked(&word);
        }

        #[test]
        fn any_word_will_do(word in "\\PC{0,40}") {
            masked(&word);
        }
    }
}
