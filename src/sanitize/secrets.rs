//! What may be shown of a text in which somebody may have written a secret: an address, a user name.
//!
//! ```text
//! https://me:hunter2@hooks.example:8443/T0/hunter2?token=hunter2     <hidden>      a user name, so nothing is sure
//! https://hooks.example:8443/T0/hunter2?token=hunter2                https://hooks.example:8443/<hidden>
//! me:hunter2                                                         me:<hidden>
//! ```
//!
//! Of an address scheme, host and port are shown, and only where it has them: of one that is wrong nobody can tell what was
//! meant to be the host. Of a user name it is what stands before a colon, behind which a password would stand.

use std::borrow::Cow;
use std::ops::Range;

/// What is shown instead.
pub const HIDDEN: &str = "<hidden>";

/// Bytes at the start of an address that may be shown: scheme, host and port, of which it may lack the first or the last. 0
/// where these are not what it begins with.
#[must_use]
pub fn open_part(address: &str) -> usize {
    let scheme = address.find("://");
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    // An `@` makes a user name and a password of all that looks like host and port.
    if scheme.is_some_and(|end| end == 0 || !address[..end].bytes().all(is_scheme)) || address.contains('@') {
        return 0;
    }
    let start = scheme.map_or(0, |end| end + "://".len());
    let rest = &address[start..];
    let host = host(rest);
    let end = match rest[host..].strip_prefix(':') {
        Some(port) => host + 1 + port.bytes().take_while(u8::is_ascii_digit).count(),
        None => host,
    };
    let is_port = match rest[host..end].strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        // A mere word may be anything.
        None => scheme.is_some(),
    };
    let is_whole = rest[end..].is_empty() || rest[end..].starts_with(['/', '?', '#']);
    if host > 0 && is_port && is_whole { start + end } else { 0 }
}

/// Bytes at the start of a text that are the name or number of a host.
fn host(text: &str) -> usize {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    match text.strip_prefix('[') {
        Some(number) => {
            let length = number.bytes().take_while(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)).count();
            if length > 0 && number[length..].starts_with(']') { length + 2 } else { 0 }
        }
        None => text.bytes().take_while(|byte| belongs(byte)).count(),
    }
}

/// An address as it may be shown. One slash behind it hides nothing.
#[must_use]
pub fn address(text: &str) -> Cow<'_, str> {
    match open_part(text) {
        0 if text.is_empty() => Cow::Borrowed(text),
        0 => Cow::Borrowed(HIDDEN),
        open if text[open..].is_empty() || &text[open..] == "/" => Cow::Borrowed(text),
        open => Cow::Owned(format!("{}/{HIDDEN}", &text[..open])),
    }
}

/// A user name as it may be shown.
#[must_use]
pub fn user_name(text: &str) -> Cow<'_, str> {
    match text.split_once(':') {
        Some((name, _)) => Cow::Owned(format!("{name}:{HIDDEN}")),
        None => Cow::Borrowed(text),
    }
}

/// What stands before the `@` of an address, where some write a user name and a password; those may have any character but
/// white space and quotes. Without `://` it must have the colon of a password: a user name may be a mail address.
#[must_use]
pub fn users(text: &str) -> Vec<Range<usize>> {
    let user = |(start, word): (usize, &str)| {
        let (first, last) = (word.find('@')?, word.rfind('@')?);
        let from = match word.find("://") {
            Some(scheme) if scheme < first => scheme + "://".len(),
            _ if word[..last].contains(':') => 0,
            _ => return None,
        };
        (from < last).then(|| start + from..start + last)
    };
    words(text, "\"'`<>=").filter_map(user).collect()
}

/// What stands behind the hosts of addresses with a scheme; of one without a host, all behind the scheme.
#[must_use]
pub fn tails(text: &str) -> Vec<Range<usize>> {
    let tail = |(start, word): (usize, &str)| {
        // The sentence goes on behind it.
        let word = word.trim_end_matches([',', '.', ';', ':', ')', ']', '}', '…']);
        let at = word.find("://")?;
        let scheme = word[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |before| before + 1);
        // White space and signs may have more than one byte.
        let scheme = word.ceil_char_boundary(scheme);
        let open = match open_part(&word[scheme..]) {
            0 => at + "://".len(),
            open => scheme + open,
        };
        let rest = &word[open..];
        (!rest.is_empty() && rest != "/").then(|| start + open..start + word.len())
    };
    words(text, "\"'`<>").filter_map(tail).collect()
}

/// The parts of a text between white space and these signs, with their places.
fn words<'t>(text: &'t str, signs: &str) -> impl Iterator<Item = (usize, &'t str)> {
    let is_end = move |c: char| c.is_whitespace() || signs.contains(c);
    text.split(is_end).map(|word| (word.as_ptr().addr() - text.as_ptr().addr(), word))
}

/// A text with some spans of it hidden, which are in order.
#[must_use]
pub fn hide(text: &str, spans: &[Range<usize>]) -> String {
    let mut shown = text.to_owned();
    for span in spans.iter().rev() {
        shown.replace_range(span.clone(), HIDDEN);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_scheme_host_and_port_are_shown() {
        for (text, shown) in [
            ("http://am:9093", "http://am:9093"),
            ("http://am:9093/", "http://am:9093/"),
            ("https://[2001:db8::1]:9093/S", "https://[2001:db8::1]:9093/<hidden>"),
            ("https://hooks.example/T/S?token=S#S", "https://hooks.example/<hidden>"),
            ("https://hooks.example?S", "https://hooks.example/<hidden>"),
            ("https://hooks.example#S", "https://hooks.example/<hidden>"),
            ("am:9093/S", "am:9093/<hidden>"),
            ("broker.example:9092", "broker.example:9092"),
            ("http://me:S@am", HIDDEN),
            ("http://me:12/S@am", HIDDEN),
            ("http://me:S", HIDDEN),
            ("http://:9093/S", HIDDEN),
            ("http:///S", HIDDEN),
            ("https://?token=S", HIDDEN),
            ("http:/S", HIDDEN),
            ("S%20://am", HIDDEN),
            ("/S", HIDDEN),
            ("am:99999", HIDDEN),
            ("S", HIDDEN),
            ("a.b/S", HIDDEN),
            ("", ""),
        ] {
            assert_eq!(address(text), shown, "{text}");
        }
    }

    #[test]
    fn of_a_user_name_nothing_behind_a_colon_is_shown() {
        for (text, shown) in [("me", "me"), ("me:S:S", "me:<hidden>"), (":S", ":<hidden>")] {
            assert_eq!(user_name(text), shown);
        }
    }

    #[test]
    fn no_password_of_an_address_is_shown() {
        for (text, shown) in [
            ("http://me:hunter2@a:1", "http://<hidden>@a:1"),
            ("`https://hunter2@a`, `http://b`", "`https://<hidden>@a`, `http://b`"),
            ("me:hunter2@a:1", "<hidden>@a:1"),
            ("http://me:hun/ter#2?x@y@a", "http://<hidden>@a"),
            ("me@example.com", "me@example.com"),
            ("[\"a:1\", \"http://@b\"]", "[\"a:1\", \"http://@b\"]"),
        ] {
            assert_eq!(hide(text, &users(text)), shown);
        }
    }

    #[test]
    fn nothing_behind_a_host_is_shown_within_a_sentence() {
        for (text, shown) in [
            ("`https://a/S?b=S`, `http://b`", "`https://a<hidden>`, `http://b`"),
            ("see http://b/, or (https://c:1).", "see http://b/, or (https://c:1)."),
            ("has `http:///S`: no host", "has `http://<hidden>`: no host"),
            ("at=https://a/S=S.", "at=https://a<hidden>."),
            ("://S x ://", "://<hidden> x ://"),
            ("http://a,http://b/S", "http://<hidden>"),
            ("鍵http://a/S", "鍵http://a<hidden>"),
        ] {
            assert_eq!(hide(text, &tails(text)), shown);
        }
    }
}
