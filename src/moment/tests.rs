//! Times and lines as the world writes them, and what each tells.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

/// 2024-03-05T09:19:24Z.
const AT: i64 = 1_709_630_364_000;

/// Texts that are times, and what they tell: calendar and clock, the zone, how exactly.
const TIMES: &[(&str, &str)] = &[
    // RFC 3339 and ISO 8601.
    ("2024-03-05T09:19:24Z", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05T09:19:24.123Z", "2024-03-05T09:19:24.123 UTC"),
    ("2024-03-05t09:19:24z", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05 09:19:24Z", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05T09:19:24.123456789Z", "2024-03-05T09:19:24.123456789 UTC"),
    ("2024-03-05T09:19:24.1234567891234Z", "2024-03-05T09:19:24.123456789 UTC"),
    ("2024-03-05T09:19:24.5Z", "2024-03-05T09:19:24.5 UTC"),
    ("2024-03-05T09:19:24,123Z", "2024-03-05T09:19:24.123 UTC"),
    ("2024-03-05T09:19:24", "2024-03-05T09:19:24 -"),
    ("2024-03-05T09:19Z", "2024-03-05T09:19 UTC"),
    ("2024-03-05 09:19", "2024-03-05T09:19 -"),
    ("2024-03-05", "2024-03-05 -"),
    ("2024-03-05T10:19:24+01:00", "2024-03-05T10:19:24 +3600"),
    ("2024-03-05T10:19:24+0100", "2024-03-05T10:19:24 +3600"),
    ("2024-03-05T10:19:24+01", "2024-03-05T10:19:24 +3600"),
    ("2024-03-05T03:49:24-05:30", "2024-03-05T03:49:24 -19800"),
    ("2024-03-05T10:19:24+00:53:28", "2024-03-05T10:19:24 +3208"),
    ("2024-03-05T09:19:24-00:00", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05T09:19:24.123+05:45", "2024-03-05T09:19:24.123 +20700"),
    ("2024-03-05T09:19:24.123-0800", "2024-03-05T09:19:24.123 -28800"),
    ("2024-03-05 09:19:24 +0200", "2024-03-05T09:19:24 +7200"),
    ("2024-03-05 09:19:24 +02:00", "2024-03-05T09:19:24 +7200"),
    ("2024-03-05 09:19:24 -03", "2024-03-05T09:19:24 -10800"),
    ("2024-03-05T10:19:24+01:00[Europe/Berlin]", "2024-03-05T10:19:24 +3600"),
    ("2024-03-05T09:19:24Z[UTC]", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05T09:19:24[Europe/Berlin]", "2024-03-05T09:19:24 Europe/Berlin"),
    ("2024-03-05 09:19:24 Europe/Berlin", "2024-03-05T09:19:24 Europe/Berlin"),
    ("20240305T091924Z", "2024-03-05T09:19:24 UTC"),
    ("20240305T091924.123Z", "2024-03-05T09:19:24.123 UTC"),
    ("20240305T091924+0100", "2024-03-05T09:19:24 +3600"),
    ("20240305T0919Z", "2024-03-05T09:19 UTC"),
    ("20240305 09:19:24.123", "2024-03-05T09:19:24.123 -"),
    ("20240305-091924", "2024-03-05T09:19:24 -"),
    ("20240305091924", "2024-03-05T09:19:24 -"),
    ("20240305091924Z", "2024-03-05T09:19:24 UTC"),
    ("20240305091924.123456Z", "2024-03-05T09:19:24.123456 UTC"),
    ("20240305091924123", "2024-03-05T09:19:24.123 -"),
    // A leap second, and what a calendar allows.
    ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59 UTC"),
    ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00 UTC"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00 UTC"),
    ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999 UTC"),
    // log4j, logback, Python, PostgreSQL, nginx, Go, .NET, Oracle.
    ("2024-03-05 09:19:24,123", "2024-03-05T09:19:24.123 -"),
    ("2024-03-05 09:19:24.123", "2024-03-05T09:19:24.123 -"),
    ("2024-03-05 09:19:24.123 UTC", "2024-03-05T09:19:24.123 UTC"),
    ("2024-03-05 09:19:24.123 CET", "2024-03-05T09:19:24.123 +3600"),
    ("2024-03-05 09:19:24 GMT", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05 09:19:24 utc", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05 09:19:24UTC", "2024-03-05T09:19:24 UTC"),
    ("2024-03-05 09:19:24 EST", "2024-03-05T09:19:24 -18000"),
    ("2024-03-05 09:19:24 NST", "2024-03-05T09:19:24 -12600"),
    ("2024-03-05 09:19:24 IST", "2024-03-05T09:19:24 IST"),
    ("2024-03-05 09:19:24 XYZ", "2024-03-05T09:19:24 XYZ"),
    ("2024-03-05 09:19:24 UTC+2", "2024-03-05T09:19:24 +7200"),
    ("2024-03-05 09:19:24.123456789 +0000 UTC", "2024-03-05T09:19:24.123456789 UTC"),
    ("2024-03-05 10:19:24.123456789 +0100 CET m=+0.000012345", "2024-03-05T10:19:24.123456789 +3600"),
    ("2024/03/05 09:19:24", "2024-03-05T09:19:24 -"),
    ("2024/03/05 09:19:24.123456", "2024-03-05T09:19:24.123456 -"),
    ("2024/3/5 9:19:24", "2024-03-05T09:19:24 -"),
    ("2024.03.05 09:19:24", "2024-03-05T09:19:24 -"),
    ("2024-03-05_09:19:24", "2024-03-05T09:19:24 -"),
    ("2024-03-05, 09:19:24", "2024-03-05T09:19:24 -"),
    ("2024-Mar-05 09:19:24", "2024-03-05T09:19:24 -"),
    ("2024 Mar  5 09:19:24.123 UTC", "2024-03-05T09:19:24.123 UTC"),
    ("05-Mar-2024 09:19:24.123", "2024-03-05T09:19:24.123 -"),
    ("05-Mar-24 09.19.24.123456 AM", "2024-03-05T09:19:24.123456 -"),
    ("05.03.2024 09:19:24", "2024-03-05T09:19:24 -"),
    ("3/5/2024 9:19:24 AM", "2024-03-05T09:19:24 -"),
    ("3/5/2024 9:19:24 PM", "2024-03-05T21:19:24 -"),
    ("3/5/2024 12:19:24 AM", "2024-03-05T00:19:24 -"),
    ("3/5/2024 12:19:24 p.m.", "2024-03-05T12:19:24 -"),
    ("3/25/2024 09:19:24", "2024-03-25T09:19:24 -"),
    ("25/3/2024 09:19:24", "2024-03-25T09:19:24 -"),
    ("3/5/24, 9:19:24:123 UTC", "2024-03-05T09:19:24.123 UTC"),
    ("[3/5/24 9:19:24:123 CET]", "2024-03-05T09:19:24.123 +3600"),
    // Web servers.
    ("05/Mar/2024:09:19:24 +0000", "2024-03-05T09:19:24 UTC"),
    ("05/Mar/2024:10:19:24.123 +0100", "2024-03-05T10:19:24.123 +3600"),
    ("[05/Mar/2024:09:19:24 -0500]", "2024-03-05T09:19:24 -18000"),
    ("Sun Dec 04 04:47:44 2005", "2005-12-04T04:47:44 -"),
    ("Tue Mar 05 09:19:24.123456 2024", "2024-03-05T09:19:24.123456 -"),
    ("Tue, 05 Mar 2024 09:19:24 GMT", "2024-03-05T09:19:24 UTC"),
    ("Tuesday, 05-Mar-24 09:19:24 GMT", "2024-03-05T09:19:24 UTC"),
    ("Tue,  5 Mar 2024 10:19:24 +0100 (CET)", "2024-03-05T10:19:24 +3600"),
    ("5 Mar 2024 09:19:24 EST", "2024-03-05T09:19:24 -18000"),
    ("05 Mar 24 09:19:24 +0000", "2024-03-05T09:19:24 UTC"),
    // Dates of the C library, Java, Ruby, JavaScript, systemd.
    ("Tue Mar  5 09:19:24 2024", "2024-03-05T09:19:24 -"),
    ("Tue Mar  5 09:19:24 UTC 2024", "2024-03-05T09:19:24 UTC"),
    ("Tue Mar 05 10:19:24 CET 2024", "2024-03-05T10:19:24 +3600"),
    ("Tue Mar 05 09:19:24 XYZ 2024", "2024-03-05T09:19:24 XYZ"),
    ("Tue Mar 05 10:19:24 +0100 2024", "2024-03-05T10:19:24 +3600"),
    ("Tue Mar 05 2024 10:19:24 GMT+0100 (Central European Standard Time)", "2024-03-05T10:19:24 +3600"),
    ("Tue 2024-03-05 09:19:24 UTC", "2024-03-05T09:19:24 UTC"),
    ("Mar 05, 2024 9:19:24 AM", "2024-03-05T09:19:24 -"),
    ("Mar 05, 2024 9:19:24\u{202f}PM", "2024-03-05T21:19:24 -"),
    ("Mar 5, 2024, 9:19:24 AM CET", "2024-03-05T09:19:24 +3600"),
    ("March 5, 2024 at 9:19:24 AM UTC", "2024-03-05T09:19:24 UTC"),
    ("Mar  5 2024 09:19:24", "2024-03-05T09:19:24 -"),
    ("Sept 5 2024 09:19:24", "2024-09-05T09:19:24 -"),
    // Syslog, Redis, klog, glog, logcat, Proxifier: without a year.
    ("Mar  5 09:19:24", "----03-05T09:19:24 -"),
    ("Mar 05 09:19:24.123", "----03-05T09:19:24.123 -"),
    ("Nov 9 12:01:01", "----11-09T12:01:01 -"),
    ("Mar  5 09:19:24.123 UTC", "----03-05T09:19:24.123 UTC"),
    ("Feb 29 09:19:24", "----02-29T09:19:24 -"),
    ("05 Mar 09:19:24.123", "----03-05T09:19:24.123 -"),
    ("05 Mar 2024 09:19:24.123", "2024-03-05T09:19:24.123 -"),
    ("I0305 09:19:24.123456", "----03-05T09:19:24.123456 -"),
    ("E20240305 09:19:24.123456", "2024-03-05T09:19:24.123456 -"),
    ("03-17 16:13:38.811", "----03-17T16:13:38.811 -"),
    ("10.30 16:49:06", "----10-30T16:49:06 -"),
    // HDFS, Spark, MySQL, BGL, HealthApp.
    ("081109 203615", "2008-11-09T20:36:15 -"),
    ("17/06/09 20:10:40", "2017-06-09T20:10:40 -"),
    ("990609  2:10:40", "1999-06-09T02:10:40 -"),
    ("2005-06-03-15.42.50.675872", "2005-06-03T15:42:50.675872 -"),
    ("20171223-22:15:29:606", "2017-12-23T22:15:29.606 -"),
    ("20171224-1:2:35:12", "2017-12-24T01:02:35.012 -"),
    // Numbers.
    ("1709630364", "2024-03-05T09:19:24 UTC"),
    ("1709630364.12", "2024-03-05T09:19:24.12 UTC"),
    ("1709630364.123456789", "2024-03-05T09:19:24.123456789 UTC"),
    ("1709630364123", "2024-03-05T09:19:24.123 UTC"),
    ("1709630364123.5", "2024-03-05T09:19:24.1235 UTC"),
    ("1709630364123456", "2024-03-05T09:19:24.123456 UTC"),
    ("1709630364123456789", "2024-03-05T09:19:24.123456789 UTC"),
    ("1.709630364123e9", "2024-03-05T09:19:24.123000 UTC"),
    ("1.709630364123E+12", "2024-03-05T09:19:24.123000 UTC"),
    ("0", "1970-01-01T00:00:00 UTC"),
    ("-5", "1969-12-31T23:59:55 UTC"),
    ("-0.5", "1969-12-31T23:59:59.5 UTC"),
    ("99999999999", "5138-11-16T09:46:39 UTC"),
    ("100000000000", "1973-03-03T09:46:40.000 UTC"),
    ("/Date(1709630364123)/", "2024-03-05T09:19:24.123 UTC"),
    ("/Date(1709630364123+0100)/", "2024-03-05T09:19:24.123 UTC"),
    (" \"2024-03-05T09:19:24Z\" ", "2024-03-05T09:19:24 UTC"),
];

#[test]
fn times_are_read_as_the_world_writes_them() {
    let wrong: Vec<String> = TIMES
        .iter()
        .map(|(text, expected)| (text, expected, read(text).as_ref().map(told)))
        .filter(|(_, expected, found)| found.as_deref() != Some(**expected))
        .map(|(text, expected, found)| format!("{text:?} is {found:?}, not {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a moment tells, as the tables have it.
fn told(moment: &Moment<'_>) -> String {
    let civil = match moment.precision {
        Precision::Day => moment.civil.date().to_string(),
        Precision::Minute => moment.civil.strftime("%FT%H:%M").to_string(),
        Precision::Second => moment.civil.strftime("%FT%T").to_string(),
        Precision::Fraction(digits) => {
            let nanoseconds = format!("{:09}", moment.civil.subsec_nanosecond());
            let fraction = &nanoseconds[..usize::from(digits).min(9)];
            format!("{}.{fraction}", moment.civil.strftime("%FT%T"))
        }
    };
    let civil = if moment.has_year { civil } else { civil.replace("2000-", "----") };
    let zone = match moment.zone {
        Zone::None => "-".to_owned(),
        Zone::Utc => "UTC".to_owned(),
        Zone::Offset(seconds) => format!("{seconds:+}"),
        Zone::Named(name) => name.to_owned(),
    };
    format!("{civil} {zone}")
}

#[test]
fn what_is_no_time_is_none() {
    for text in [
        "",
        " ",
        "yesterday",
        ".",
        "-",
        "+5",
        "1.2.3",
        "12:30",
        "09:19:24",
        "5.",
        ".5",
        "1e",
        "1e400",
        "e9",
        "2024-13-05T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2024-03-05T24:00:00Z",
        "2024-03-05T09:60:24Z",
        "2024-03-05T09:19:61Z",
        "2024-03-05T09:19:24Zebra",
        "2024-03-05T09:19:24+99:00",
        "2024-03-05T",
        "2024-03",
        "2024-03-05 09",
        // March or May.
        "05/03/2024 09:19:24",
        "03-05-2024 09:19:24",
        "Mar 5",
        "Mars  5 09:19:24",
        "May",
        "X0305 09:19:24.123456",
        "I0305 09:19:24",
        "٣",
        "99999999999999999999",
        "[[2024-03-05T09:19:24Z]]",
    ] {
        assert_eq!(read(text).as_ref().map(told), None, "{text:?}");
    }
}

/// Beginnings of lines: what they tell, and what of the line follows.
const LINES: &[(&str, &str, &str)] = &[
    // The sixteen systems of a public collection of logs.
    (
        "03-17 16:13:38.811  1702  2395 D WindowManager: x",
        "----03-17T16:13:38.811 -",
        "  1702  2395 D WindowManager: x",
    ),
    (
        "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok",
        "2005-12-04T04:47:44 -",
        " [notice] workerEnv.init() ok",
    ),
    (
        "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R",
        "2005-06-03T22:42:50 UTC",
        " 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R",
    ),
    ("KERNDTLB 1118536327 2005.06.11 R30-M0", "2005-06-12T00:32:07 UTC", " 2005.06.11 R30-M0"),
    ("081109 203615 148 INFO dfs.DataNode: x", "2008-11-09T20:36:15 -", " 148 INFO dfs.DataNode: x"),
    ("134681 node-246 unix.hw state_change.unavailable 1077804742 1 x", "2004-02-26T14:12:22 UTC", " 1 x"),
    ("160960 node-3 action start 1077875823 1 boot", "2004-02-27T09:57:03 UTC", " 1 boot"),
    ("2015-10-18 18:01:47,978 INFO [main] x", "2015-10-18T18:01:47.978 -", " INFO [main] x"),
    ("20171223-22:15:29:606|Step_LSC|30002312|x", "2017-12-23T22:15:29.606 -", "|Step_LSC|30002312|x"),
    ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: x", "----06-14T15:16:01 -", " combo sshd(pam_unix)[19939]: x"),
    ("Jul  1 09:00:55 calvisitor-10 kernel[0]: x", "----07-01T09:00:55 -", " calvisitor-10 kernel[0]: x"),
    ("Dec 10 06:55:46 LabSZ sshd[24200]: x", "----12-10T06:55:46 -", " LabSZ sshd[24200]: x"),
    (
        "nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO x",
        "2017-05-16T00:00:00.008 -",
        " 25746 INFO x",
    ),
    ("[10.30 16:49:06] chrome.exe - x", "----10-30T16:49:06 -", " chrome.exe - x"),
    ("17/06/09 20:10:40 INFO executor: x", "2017-06-09T20:10:40 -", " INFO executor: x"),
    ("- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 x", "2005-11-09T20:01:01 UTC", " 2005.11.09 dn228 Nov 9 12:01:01 x"),
    (
        "2016-09-28 04:30:30, Info                  CBS    x",
        "2016-09-28T04:30:30 -",
        ", Info                  CBS    x",
    ),
    ("2015-07-29 17:41:44,747 - INFO  [x@774] - y", "2015-07-29T17:41:44.747 -", " - INFO  [x@774] - y"),
    // Containers, Kubernetes, syslog, journald.
    ("2024-03-05T09:19:24.123456789Z stdout F x", "2024-03-05T09:19:24.123456789 UTC", " stdout F x"),
    (
        "E0305 09:19:24.123456       1 reflector.go:150] x",
        "----03-05T09:19:24.123456 -",
        "       1 reflector.go:150] x",
    ),
    ("I20240305 09:19:24.123456  7 a.cc:1] x", "2024-03-05T09:19:24.123456 -", "  7 a.cc:1] x"),
    ("<11>Mar  5 09:19:24 host app[1]: x", "----03-05T09:19:24 -", " host app[1]: x"),
    ("<165>1 2024-03-05T09:19:24.003Z host app 1 ID47 - x", "2024-03-05T09:19:24.003 UTC", " host app 1 ID47 - x"),
    ("Mar  5 09:19:24 EST-server x", "----03-05T09:19:24 -", " EST-server x"),
    ("Mar  5 09:19:24 2001:db8::1 x", "----03-05T09:19:24 -", " 2001:db8::1 x"),
    ("2024-03-05T09:19:24+0100 host unit[1]: x", "2024-03-05T09:19:24 +3600", " host unit[1]: x"),
    ("*Mar  5 09:19:24.123 UTC: %SYS-5-CONFIG_I: x", "----03-05T09:19:24.123 UTC", ": %SYS-5-CONFIG_I: x"),
    ("type=SYSCALL msg=audit(1709630364.123:456): x", "2024-03-05T09:19:24.123 UTC", ":456): x"),
    ("[1709630364] SERVICE ALERT: x", "2024-03-05T09:19:24 UTC", " SERVICE ALERT: x"),
    // Servers.
    ("2024/03/05 09:19:24 [crit] 1#1: x", "2024-03-05T09:19:24 -", " [crit] 1#1: x"),
    ("2024/03/05 09:19:24 http: panic serving x", "2024-03-05T09:19:24 -", " http: panic serving x"),
    ("2024/03/05 09:19:24.123456 main.go:1: x", "2024-03-05T09:19:24.123456 -", " main.go:1: x"),
    ("10.0.0.1 - bob [05/Mar/2024:09:19:24 +0000] \"GET /", "2024-03-05T09:19:24 UTC", " \"GET /"),
    ("a.example:443 ::1 - - [05/Mar/2024:09:19:24 +0000] \"", "2024-03-05T09:19:24 UTC", " \""),
    ("1234:M 05 Mar 2024 09:19:24.123 * Ready", "2024-03-05T09:19:24.123 -", " * Ready"),
    ("[1234] 05 Mar 09:19:24.123 # x", "----03-05T09:19:24.123 -", " # x"),
    ("2024-03-05 09:19:24.123 UTC [1] LOG:  x", "2024-03-05T09:19:24.123 UTC", " [1] LOG:  x"),
    ("2024-03-05 09:19:24.123 -03 [1] LOG:  x", "2024-03-05T09:19:24.123 -10800", " [1] LOG:  x"),
    ("2024-03-05 09:19:24 ERROR x", "2024-03-05T09:19:24 -", " ERROR x"),
    ("2024-03-05 09:19:24 - 12 left", "2024-03-05T09:19:24 -", " - 12 left"),
    ("2024-03-05 09:19:24 -12.5 left", "2024-03-05T09:19:24 -", " -12.5 left"),
    ("2024-03-05T09:19:24.123456Z 0 [Note] x", "2024-03-05T09:19:24.123456 UTC", " 0 [Note] x"),
    ("1709630364.123     45 10.0.0.1 TCP_MISS/200 x", "2024-03-05T09:19:24.123 UTC", "     45 10.0.0.1 TCP_MISS/200 x"),
    ("[3/5/24, 9:19:24:123 UTC] 0000002a x", "2024-03-05T09:19:24.123 UTC", " 0000002a x"),
    ("####<Mar 5, 2024 9:19:24 AM CET> <Error> x", "2024-03-05T09:19:24 +3600", " <Error> x"),
    ("Mar 05, 2024 9:19:24 AM org.a.B run", "2024-03-05T09:19:24 -", " org.a.B run"),
    ("05-Mar-2024 09:19:24.123 SEVERE [main] x", "2024-03-05T09:19:24.123 -", " SEVERE [main] x"),
    ("[2024-03-05T09:19:24,123][ERROR][o.e.x] y", "2024-03-05T09:19:24.123 -", "[ERROR][o.e.x] y"),
    ("[2024-03-05 09:19:24,123: ERROR/MainProcess] x", "2024-03-05T09:19:24.123 -", ": ERROR/MainProcess] x"),
    ("[2024-03-05 09:19:24.123][1][warning][main] x", "2024-03-05T09:19:24.123 -", "[1][warning][main] x"),
    // Behind something.
    ("ERROR [2024-03-05 09:19:24,123] org.a.B: x", "2024-03-05T09:19:24.123 -", " org.a.B: x"),
    ("INFO 2024-03-05 09:19:24,123 module 1 x", "2024-03-05T09:19:24.123 -", " module 1 x"),
    ("time=\"2024-03-05T09:19:24Z\" level=error msg=x", "2024-03-05T09:19:24 UTC", " level=error msg=x"),
    ("level=error ts=2024-03-05T09:19:24.123Z caller=x", "2024-03-05T09:19:24.123 UTC", " caller=x"),
    ("level=error ts=1709630364.123 msg=x", "2024-03-05T09:19:24.123 UTC", " msg=x"),
    ("\u{1b}[2m2024-03-05T09:19:24Z\u{1b}[0m \u{1b}[31mERROR x", "2024-03-05T09:19:24 UTC", " \u{1b}[31mERROR x"),
    ("\u{feff}  2024-03-05T09:19:24Z x", "2024-03-05T09:19:24 UTC", " x"),
    ("2024-03-05T09:19:24Z", "2024-03-05T09:19:24 UTC", ""),
];

#[test]
fn lines_begin_with_their_time() {
    let wrong: Vec<String> = LINES
        .iter()
        .map(|(line, expected, rest)| (line, (*expected, *rest), head(line)))
        .map(|(line, expected, head)| (line, expected, head.map(|head| (told(&head.moment), &line[head.end..]))))
        .filter(|(_, expected, found)| found.as_ref().map(|(told, rest)| (told.as_str(), *rest)) != Some(*expected))
        .map(|(line, expected, found)| format!("{line:?}: {found:?}, not {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_time_that_a_line_speaks_of_is_not_its_own() {
    for line in [
        "",
        "certificate expired 2023-01-01T00:00:00Z",
        "Certificate expires: 2026-01-01T00:00:00Z",
        "order 1709630364 failed",
        "retry at Mar  5 09:19:24",
        "level=info msg=x expires=2026-01-01T00:00:00Z",
        "[ 1234.567890] usb 1-1: new device",
        "0123456789 is no account",
        "12 monkeys 09:19:24",
        "2024-03-05 is the day",
        "2024-03-05 123456 requests",
        "May the force be with you",
        "Error 0305 09:19:24.123456",
        "{\"time\":\"2024-03-05T09:19:24Z\"}",
        "2024-03-05T09:19:24abc",
        "a1 b2 c3 d4 e5 f6 g7 2024-03-05T09:19:24Z",
    ] {
        assert_eq!(head(line).map(|head| told(&head.moment)), None, "{line:?}");
    }
}

#[test]
fn where_a_time_begins_is_told() {
    let starts = |line| head(line).map(|head| (head.start, head.end));
    assert_eq!(starts("ERROR [2024-03-05 09:19:24,123] x"), Some((6, 31)));
    assert_eq!(starts("level=info time=\"2024-03-05T09:19:24Z\" x"), Some((11, 38)));
    assert_eq!(starts("<11>Mar  5 09:19:24 x"), Some((4, 19)));
}

fn resolved(text: &str, by: Resolve<'_>) -> Resolved {
    read(text).unwrap_or_else(|| panic!("{text:?} is a time")).resolve(by)
}

fn near(reference_ms: i64) -> Resolve<'static> {
    Resolve { zone: None, reference_ms: Some(reference_ms) }
}

#[test]
fn a_time_without_a_year_is_in_the_nearest() {
    const DAY: i64 = 86_400_000;
    let of_day = |text, reference| resolved(text, near(reference));
    assert_eq!(of_day("Mar  5 09:19:24", AT + 1000), Resolved::At(AT));
    assert_eq!(of_day("Mar  5 09:19:24", AT + 100 * DAY), Resolved::At(AT));
    // New year's eve, on either side of it.
    let eve = 1_704_067_199_000;
    assert_eq!(of_day("Dec 31 23:59:59", eve + 2000), Resolved::At(eve));
    assert_eq!(of_day("Jan  1 00:00:01", eve - 60_000), Resolved::At(eve + 2000));
    // 29 February 2024, seen in 2023 and in 2025.
    let leap = 1_709_197_200_000;
    assert_eq!(of_day("Feb 29 09:00:00", leap - 300 * DAY), Resolved::At(leap));
    assert_eq!(of_day("Feb 29 09:00:00", leap + 400 * DAY), Resolved::At(leap));
    assert_eq!(resolved("Mar  5 09:19:24", Resolve::default()), Resolved::NoYear);
}

#[test]
fn a_time_without_a_zone_is_utc_unless_it_is_zones_away_from_its_record() {
    const MINUTE: i64 = 60_000;
    let off = |ms: i64| resolved("2024-03-05 09:19:24", near(AT - ms));
    for ms in [0, 999, -999, 2 * MINUTE, -12 * MINUTE, 7 * MINUTE, -52 * MINUTE, 57 * MINUTE, 62 * MINUTE + 1] {
        assert_eq!(off(ms), Resolved::At(AT), "{ms}");
    }
    for minutes in [15, -15, 60, -60, 330, 345, -210, 840, -840] {
        for ms in [-2 * MINUTE, -1, 0, 1, 2 * MINUTE] {
            let ms = minutes * MINUTE + ms;
            if ms.abs() <= 842 * MINUTE {
                assert_eq!(off(ms), Resolved::UnknownZone, "{ms}");
            }
        }
    }
    // Days late is late.
    assert_eq!(off(-24 * 60 * MINUTE), Resolved::At(AT));
    assert_eq!(off(-15 * 60 * MINUTE), Resolved::At(AT));
    // What is said is not doubted, and neither is a day.
    let hour_later = near(AT + 60 * MINUTE);
    assert_eq!(resolved("2024-03-05T09:19:24Z", hour_later), Resolved::At(AT));
    assert_eq!(resolved("1709630364", hour_later), Resolved::At(AT));
    assert_eq!(resolved("2024-03-05", near(AT - 79_164_000 / 4)), resolved("2024-03-05", Resolve::default()));
    let undoubted = read("2024-03-05 09:19:24").expect("a time").as_utc_where_nobody_says(hour_later);
    assert_eq!(undoubted, Resolved::At(AT));
}

#[test]
fn zones_are_those_that_are_written_or_else_the_one_that_is_said() {
    const HOUR: i64 = 3_600_000;
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
    let kolkata = TimeZone::get("Asia/Kolkata").expect("a zone");
    let said = |zone, reference_ms| Resolve { zone: Some(zone), reference_ms };
    assert_eq!(resolved("2024-03-05T10:19:24+01:00", near(AT)), Resolved::At(AT));
    assert_eq!(resolved("2024-03-05 10:19:24", said(&berlin, Some(AT))), Resolved::At(AT));
    assert_eq!(resolved("2024-03-05 09:19:24 UTC", said(&berlin, None)), Resolved::At(AT));
    assert_eq!(resolved("2024-07-05 11:19:24", said(&berlin, None)), resolved("2024-07-05T09:19:24Z", near(AT)));
    // A name of several zones is the one that is said, if that is called so then.
    assert_eq!(resolved("2024-03-05 14:49:24 IST", said(&kolkata, None)), Resolved::At(AT));
    assert_eq!(resolved("2024-03-05 14:49:24 IST", said(&berlin, None)), Resolved::UnknownZone);
    assert_eq!(resolved("2024-03-05 14:49:24 IST", near(AT)), Resolved::UnknownZone);
    assert_eq!(resolved("2024-03-05T10:19:24[Europe/Berlin]", near(AT)), Resolved::At(AT));
    assert_eq!(resolved("2024-03-05T10:19:24[Europe/Atlantis]", near(AT)), Resolved::UnknownZone);
    // The hour that autumn has twice is the one nearer to the reference; the one that spring lacks is as if it had it.
    let first = 1_729_988_999_000;
    let twice = |reference| resolved("2024-10-27 02:29:59", said(&berlin, reference));
    assert_eq!(
        [twice(None), twice(Some(first)), twice(Some(first + HOUR))],
        [first, first, first + HOUR].map(Resolved::At)
    );
    assert_eq!(resolved("2024-03-31 02:30:00", said(&berlin, None)), resolved("2024-03-31T01:30:00Z", near(AT)));
}

#[test]
fn instants_are_whole_milliseconds_below() {
    assert_eq!(resolved("2024-03-05T09:19:24.1239999Z", near(AT)), Resolved::At(AT + 123));
    assert_eq!(resolved("-0.0001", near(AT)), Resolved::At(-1));
    assert_eq!(resolved("9999-12-31T23:59:59.999-18:00", near(AT)), Resolved::At(253_402_300_799_999 + 18 * 3_600_000));
    assert_eq!(resolved("0001-01-01T00:00:00", near(i64::MAX)), Resolved::At(-62_135_596_800_000));
}

/// Any, and those at the ends.
fn reference() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![any::<Option<i64>>(), Just(Some(i64::MIN)), Just(Some(i64::MAX)), Just(Some(AT))]
}

/// Times and lines of the tables, with something changed, put in or cut off.
fn mutated() -> impl Strategy<Value = String> {
    let real = TIMES.iter().map(|(text, _)| *text).chain(LINES.iter().map(|(line, ..)| *line)).collect::<Vec<_>>();
    let change = (
        any::<prop::sample::Index>(),
        prop_oneof![any::<char>(), "[-0-9:. ,TZ+/\\[\\]()e]".prop_map(|text| text.chars().next().unwrap_or('0'))],
        0..3,
    );
    (prop::sample::select(real), prop::collection::vec(change, 0..4)).prop_map(|(text, changes)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, c, kind) in changes {
            let at = place.index(chars.len() + 1);
            match kind {
                0 => chars.insert(at, c),
                1 if at < chars.len() => chars[at] = c,
                _ => chars.truncate(at),
            }
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in prop_oneof![mutated(), "\\PC{0,60}", "[-0-9:. ,TZAPM+/\\[\\]()e]{0,40}"], reference in reference(), has_zone in any::<bool>()) {
        let zone = TimeZone::get("America/St_Johns").expect("a zone");
        let by = Resolve { zone: has_zone.then_some(&zone), reference_ms: reference };
        if let Some(moment) = read(&text) {
            let _ = (moment.resolve(by), told(&moment));
        }
        if let Some(Head { moment, start, end }) = head(&text) {
            prop_assert!(start < end && text.is_char_boundary(start) && text.is_char_boundary(end));
            let _ = moment.resolve(by);
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (read(&text), head(&text));
    }

    #[test]
    fn what_was_written_of_an_instant_is_that_instant(ms in 0_i64..4_102_444_800_000, offset in -56_i32..=56) {
        let at = jiff::Timestamp::from_millisecond(ms).expect("within the calendar");
        let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(offset * 900).expect("an offset"));
        let written = at.to_zoned(zone);
        for format in ["%FT%T%.3f%:z", "%F %T,%3f %z", "%d/%b/%Y:%T.%3f %z", "%a, %d %b %Y %T.%3f %z", "%Y%m%dT%H%M%S.%3f%z"] {
            let text = written.strftime(format).to_string();
            prop_assert_eq!(resolved(&text, near(0)), Resolved::At(ms), "{}", text);
            let line = format!("{text} and more");
            prop_assert_eq!(head(&line).map(|head| head.end), Some(text.len()), "{}", line);
        }
    }
}
