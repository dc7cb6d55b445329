//! What the world writes as levels, and what each means.

use super::Scale::{
    Coralogix, DotNet, Google, Jul, Letter, Liberty, Log4j2, Logback, Mongo, Monolog, Otel, Pino, Priority, Python,
    Redis, Slog, Syslog, Windows, Word, Zap,
};
use super::*;

/// What each text means, by scale: a number of the scale, 0 for "no level", -1 for "there, and not understood".
const TABLE: &[(Scale, &[(&str, i16)])] = &[
    (
        Word,
        &[
            // The scale's own words.
            ("trace", 1),
            ("debug", 5),
            ("info", 9),
            ("warn", 13),
            ("error", 17),
            ("fatal", 21),
            // Case, colours, brackets, colons, blanks.
            ("ERROR", 17),
            ("Error", 17),
            ("eRrOr", 17),
            (" error ", 17),
            ("[error]", 17),
            ("ERROR:", 17),
            ("(error)", 17),
            ("<error>", 17),
            ("\"error\"", 17),
            ("|ERROR|", 17),
            ("ERROR -", 17),
            ("\u{1b}[31merror\u{1b}[39m", 17),
            ("\u{1b}[1;31mERROR\u{1b}[0m:", 17),
            ("\u{1b}[mERROR\u{1b}[m", 17),
            ("[31merror[39m", 17),
            ("[\u{1b}[31mERROR\u{1b}[0m]", 17),
            ("\u{1b}[32m INFO\u{1b}[0m", 9),
            // log4j, java.util.logging, Liberty, log4j 1's deprecation logger.
            ("FINEST", 1),
            ("FINER", 5),
            ("FINE", 6),
            ("CONFIG", 8),
            ("AUDIT", 10),
            ("WARNING", 13),
            ("SEVERE", 17),
            ("DEPRECATION", 13),
            ("ALL", 0),
            ("OFF", 0),
            ("SystemOut", 0),
            ("SystemErr", 0),
            // zap, logrus, zerolog, slog, Serilog, .NET, supervisord.
            ("dpanic", 21),
            ("panic", 24),
            ("PANI", 24),
            ("PNC", 24),
            ("FATA", 21),
            ("FTL", 21),
            ("ERRO", 17),
            ("ERR", 17),
            ("WRN", 13),
            ("INF", 9),
            ("DEBU", 5),
            ("DBG", 5),
            ("TRC", 1),
            ("ERROR+2", 19),
            ("INFO-1", 8),
            ("DEBUG-4", 1),
            ("ERROR+100", 24),
            ("ERROR+999", -1),
            ("ERROR+", 17),
            ("Verbose", 1),
            ("VRB", 1),
            ("Information", 9),
            ("trce", 1),
            ("crit", 21),
            ("fail", 17),
            ("BLAT", 1),
            ("DEBG", 5),
            // Python, PHP, Ruby.
            ("CRITICAL", 21),
            ("NOTSET", 0),
            ("PHP Warning: ", 13),
            ("PHP Fatal error: ", 21),
            ("PHP Parse error: ", 17),
            ("E_NOTICE", 10),
            ("ANY", 0),
            // PostgreSQL and MySQL.
            ("LOG:  ", 9),
            ("DETAIL", 9),
            ("HINT", 9),
            ("NOTICE", 10),
            ("DEBUG1", 5),
            ("DEBUG5", 5),
            ("PANIC", 24),
            ("System", 9),
            ("Note", 10),
            // Node.js: winston and npm.
            ("silly", 1),
            ("http", 8),
            ("verb", 1),
            ("ERR!", 17),
            // Syslog, nginx, Google, Kubernetes' events, Datadog, Apple.
            ("emerg", 24),
            ("EMERGENCY", 24),
            ("alert", 22),
            ("LOG_ERR", 17),
            ("informational", 9),
            ("Normal", 9),
            ("ok", 9),
            ("Fault", 17),
            // OpenTelemetry, NLog.
            ("INFO2", 10),
            ("ERROR4", 20),
            ("fatal3", 23),
            ("ERROR5", -1),
            ("SEVERITY_NUMBER_ERROR2", 18),
            ("SEVERITY_NUMBER_UNSPECIFIED", 0),
            ("LogLevel.Warn", 13),
            // None at all.
            ("", 0),
            ("  ", 0),
            ("-", 0),
            ("DEFAULT", 0),
            ("unknown", 0),
            ("None", 0),
            ("N/A", 0),
            ("null", 0),
            ("\u{1b}[0m", 0),
            // There, and not understood. Letters and numbers say nothing by themselves.
            ("30", -1),
            ("0", -1),
            ("E", -1),
            ("Metadata", -1),
            ("errorneous", -1),
            ("terror", -1),
            ("error: connection refused", -1),
            ("???", -1),
            ("[", -1),
            ("[31", -1),
            ("\u{1b}[", -1),
            ("ошибка", -1),
            ("e_", -1),
            ("é_error", -1),
        ],
    ),
    (
        Letter,
        &[("E", 17), ("e", 17), ("I", 9), ("W", 13), ("D", 5), ("V", 1), ("T", 1), ("F", 21), ("C", 21), ("A", 21)],
    ),
    (Letter, &[("[N]", 10), ("Error", 17), ("X", -1), ("", 0)]),
    (Liberty, &[("A", 10), ("C", 8), ("E", 17), ("O", 9), ("3", 1), ("AUDIT", 10)]),
    (Mongo, &[("F", 21), ("E", 17), ("W", 13), ("I", 9), ("D1", 5), ("D2", 4), ("D5", 1), ("d", 5), ("D6", -1)]),
    (Redis, &[("#", 13), ("*", 10), ("-", 8), (".", 5), ("", 0), ("+", -1)]),
    (Pino, &[("10", 1), ("20", 5), ("30", 9), ("40", 13), ("50", 17), ("60", 21), ("35", 9), ("70", 21)]),
    (Pino, &[("50.0", 17), ("error", 17), (" 50 ", 17), ("0", -1), ("-50", -1), ("50.5", -1)]),
    (
        Python,
        &[("10", 5), ("20", 9), ("25", 10), ("30", 13), ("40", 17), ("50", 21), ("5", 1), ("0", 0), ("ERROR", 17)],
    ),
    (Syslog, &[("0", 24), ("1", 22), ("2", 21), ("3", 17), ("4", 13), ("5", 10), ("6", 9), ("7", 5), ("8", -1)]),
    (
        Syslog,
        &[("<11>", 17), ("<0>", 24), ("<191>", 5), ("<192>", -1), ("<3>", 17), ("11", -1), ("-1", -1), ("err", 17)],
    ),
    (Priority, &[("11", 17), ("<11>", 17), ("14", 9), ("165", 10), ("191", 5), ("192", -1), ("-1", -1)]),
    (Coralogix, &[("1", 5), ("2", 6), ("3", 9), ("4", 13), ("5", 17), ("6", 21), ("7", -1), ("0", -1)]),
    (Coralogix, &[("ERROR", 17), ("Verbose", 1)]),
    (Otel, &[("1", 1), ("9", 9), ("17", 17), ("18", 18), ("24", 24), ("0", 0), ("25", -1), ("-1", -1), ("17.0", 17)]),
    (Logback, &[("5000", 1), ("10000", 5), ("20000", 9), ("30000", 13), ("40000", 17), ("50000", 21)]),
    (Logback, &[("2147483647", 0), ("-2147483648", -1)]),
    (Log4j2, &[("0", 0), ("100", 21), ("200", 17), ("300", 13), ("350", 9), ("400", 9), ("500", 5), ("600", 1)]),
    (Jul, &[("300", 1), ("400", 5), ("500", 6), ("700", 8), ("800", 9), ("850", 10), ("900", 13), ("1000", 17)]),
    (Jul, &[("1100", 21), ("SEVERE", 17)]),
    (Google, &[("0", 0), ("100", 5), ("200", 9), ("300", 10), ("400", 13), ("500", 17), ("600", 21), ("700", 22)]),
    (Google, &[("800", 24), ("DEFAULT", 0), ("ERROR", 17), ("EMERGENCY", 24), ("250", 9)]),
    (Monolog, &[("100", 5), ("250", 10), ("300", 13), ("400", 17), ("500", 21), ("550", 22), ("600", 24)]),
    (Windows, &[("0", 0), ("1", 21), ("2", 17), ("3", 13), ("4", 9), ("5", 1), ("Informational", 9), ("6", -1)]),
    (DotNet, &[("0", 1), ("2", 9), ("4", 17), ("5", 21), ("6", 0), ("7", -1)]),
    (Zap, &[("-1", 5), ("0", 9), ("1", 13), ("2", 17), ("3", 21), ("5", 21), ("6", -1)]),
    (
        Slog,
        &[("-4", 5), ("0", 9), ("4", 13), ("8", 17), ("2", 11), ("12", 21), ("-9", -1), ("9223372036854775807", -1)],
    ),
];

#[test]
fn levels_are_read_as_the_world_writes_them() {
    let none = Extra::default();
    let wrong: Vec<String> = TABLE
        .iter()
        .flat_map(|(scale, texts)| texts.iter().map(move |(text, expected)| (*scale, *text, *expected)))
        .map(|(scale, text, expected)| (scale, text, expected, read(text, scale, &none)))
        .filter(|(_, _, expected, reading)| *expected != number(*reading))
        .map(|(scale, text, expected, reading)| format!("{text:?} of {scale:?} is {reading:?}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn number(reading: Reading) -> i16 {
    match reading {
        Reading::Level(level) => i16::from(level.number()),
        Reading::NoLevel => 0,
        Reading::Unknown => -1,
    }
}

#[test]
fn a_number_of_syslog_means_what_its_word_does() {
    let words = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let none = Extra::default();
    for (number, word) in words.iter().enumerate() {
        assert_eq!(read(&number.to_string(), Syslog, &none), read(word, Word, &none), "{word}");
    }
}

#[test]
fn words_of_a_level_mean_it_and_what_is_worse() {
    assert!(Level::ERROR.at_least(Level::ERROR) && Level::FATAL.at_least(Level::ERROR));
    assert!(!Level::WARN.at_least(Level::ERROR) && Level::WARN.at_least(Level::INFO));
    let word = |number| Level::new(number).map(Level::word);
    assert_eq!(
        [word(0), word(1), word(4), word(5), word(16), word(17), word(20), word(21), word(24), word(25)],
        [
            None,
            Some("trace"),
            Some("trace"),
            Some("debug"),
            Some("warn"),
            Some("error"),
            Some("error"),
            Some("fatal"),
            Some("fatal"),
            None
        ]
    );
    for (word, level) in Level::WORDS {
        assert_eq!((Level::named(word), level.to_string().as_str()), (Some(level), word));
    }
    assert_eq!(Level::named("severe"), None);
}

#[test]
fn a_houses_own_words_come_first() {
    let mut extra = Extra::default();
    for (name, meaning) in [("Störung", "error"), ("3", "fatal"), ("E", "debug"), ("notice", "warn"), ("[x]", "none")]
    {
        assert_eq!(extra.add(name, meaning), Ok(()), "{name}");
    }
    assert_eq!(extra.add("bad", "terrible"), Err(NoSuchLevel));
    for (text, scale, expected) in [
        ("STÖRUNG:", Word, 17),
        ("\u{1b}[31mstörung\u{1b}[0m", Pino, 17),
        ("3", Syslog, 21),
        ("4", Syslog, 13),
        ("e", Letter, 5),
        ("NOTICE", Word, 13),
        ("X", Word, 0),
        ("bad", Word, -1),
    ] {
        assert_eq!(number(read(text, scale, &extra)), expected, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC*|[\u{1b}\\[\\];m0-9<>+.a-z-]{0,20}") {
        let mut extra = Extra::default();
        let _ = extra.add(&text, "error");
        for (scale, _) in TABLE {
            let _ = read(&text, *scale, &Extra::default());
            let _ = read(&text, *scale, &extra);
        }
    }
}
