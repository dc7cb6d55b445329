//! Lines as loggers write them: their level and their message.

use proptest::prelude::*;

use super::*;

const DEBUG: Option<Level> = Some(Level::DEBUG);
const INFO: Option<Level> = Some(Level::INFO);
const WARN: Option<Level> = Some(Level::WARN);
const ERROR: Option<Level> = Some(Level::ERROR);
const FATAL: Option<Level> = Some(Level::FATAL);

#[test]
fn levels_are_found_where_loggers_write_them() {
    for (line, expected) in [
        // klog and glog.
        (r#"I0507 12:04:17.596973       1 x.go:202] "Pod fails the following checks" pod="a/b""#, INFO),
        ("W0507 12:04:17.596973 1 x.go:202] going on, failed before", WARN),
        ("E0507 12:04:17.596973       1 x.go:202] gone", ERROR),
        ("F0507 12:04:17.596973 1 x.go:202] gone", FATAL),
        // Pairs.
        (r#"time="2024-05-07T11:59:43Z" level=info msg="retry failed upload""#, INFO),
        (r#"ts=2024-05-07T11:59:43Z caller=x.go:1 level=error msg="no luck""#, ERROR),
        (r#"ts=2024-05-07T11:59:43Z lvl=eror msg="no luck""#, None),
        (r#"severity=WARNING msg="level=error is what it said""#, WARN),
        ("level=fatal", FATAL),
        ("it said level=error and went away", None),
        (r#"x="level=error" y=1"#, None),
        // Brackets.
        ("2024/03/05 09:19:24 [crit] 123#0: *1 connect() failed", FATAL),
        ("2024/03/05 09:19:24 [notice] 123#0: signal process failed", Level::new(10)),
        ("[Thu Jun 09 06:07:04 2005] [error] env.createBean2()", ERROR),
        ("[Thu Jun 09 06:07:04.123 2005] [core:error] [pid 12] AH001: no", ERROR),
        ("[Thu Jun 09 06:07:04 2005] [notice] LDAP: error no matter", Level::new(10)),
        ("2024-05-08 15:23:58.902 [DEBUG][606918] felix/sync_client.go 356: failed", DEBUG),
        ("[2024-03-05T09:19:24,123][WARN ][o.e.c.r.a.DiskThresholdMonitor] failed", WARN),
        ("2024-05-07T10:58:13.877Z [INFO]  expiration: failed lease", INFO),
        ("2024-03-05T09:19:24.123456Z 0 [System] [MY-010931] failed", INFO),
        ("2024-03-05T09:19:24.123456Z 0 [Note] failed", Level::new(10)),
        ("2024-03-05 09:19:24.123 | error | mod:fn:12 | x", ERROR),
        ("[09:19:24 ERR] no luck", ERROR),
        // Capitals.
        ("2015-07-29 17:41:44,747 - INFO  [main] - the call failed", INFO),
        ("2015-07-29 17:41:44,747 - ERROR  [main] - odd", ERROR),
        ("[2024-05-07 10:55:53,434] WARN [ProducerStateManager] failed", WARN),
        ("2024-03-05T09:19:24.123Z  \u{1b}[31mERROR\u{1b}[0m target: x", ERROR),
        ("E, [2024-03-05T09:19:24.123456 #1234] ERROR -- : x", ERROR),
        ("INFO:root:failed", INFO),
        (
            "- 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.675872 R02-M1-N0 RAS KERNEL INFO parity error corrected",
            INFO,
        ),
        ("9:19AM ERR no luck", ERROR),
        ("npm ERR! code E404", ERROR),
        // PostgreSQL.
        ("2024-03-05 09:19:24.123 UTC [123] LOG:  0 checkpoints failed", INFO),
        ("2024-03-05 09:19:24.123 UTC [123] FATAL:  no role", FATAL),
        ("2024-03-05 09:19:24.123 UTC [123] STATEMENT:  select error", INFO),
        ("we LOG what failed", None),
        // In front, as words.
        ("2016-09-28 04:30:30, Info                  CBS    failed once", INFO),
        ("2016-09-28 04:30:30, Error                 CBS    x", ERROR),
        ("error: cannot lock", ERROR),
        ("Warning: we failed to resolve", WARN),
        ("Jun 14 15:16:01 combo sshd[1]: error: no", ERROR),
        ("x.c:7:5: warning: unused, it failed", WARN),
        ("panic: runtime error", Level::new(24)),
        ("2024-03-05 09:19:24 error: x", ERROR),
        ("the call failed with error: 7", None),
        ("Error while trying", None),
        // A letter behind a time.
        ("03-17 16:13:38.811  1702  2395 D WindowManager: failed", DEBUG),
        ("03-17 16:13:38.811  1702  2395 E Tag: x", ERROR),
        ("2019-01-01T00:00:00.000+0000 I NETWORK  [conn1] failed", INFO),
        ("Plan E failed", None),
        // Redis.
        ("1234:M 05 Mar 2024 09:19:24.123 # failed", WARN),
        ("1234:M 05 Mar 2024 09:19:24.123 * failed", Level::new(10)),
        // None.
        ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0", None),
        ("", None),
        ("größer", None),
        // What a collector put in front is no level of the line.
        ("<11>1 2024-03-05T09:19:24Z host app 12 - - level=info msg=x", INFO),
        ("<14>May  7 12:04:17 host app[1]: no luck", None),
    ] {
        assert_eq!(level(line), expected, "{line}");
    }
    assert_eq!(stamp("<11>May  7 12:04:17 host app[1]: no luck"), ERROR);
    assert_eq!(stamp("<14>May  7 12:04:17 host app[1]: no luck"), INFO);
    assert_eq!([stamp("<999>x"), stamp("<b>x"), stamp("x")], [None; 3]);
}

#[test]
fn the_message_is_what_stands_behind_the_head() {
    for (line, what, why) in [
        (
            r#"E0507 12:04:17.596973       1 x.go:202] "Error syncing pod, \"a\" skipped" err="failed: CrashLoopBackOff" pod="a/b""#,
            r#"Error syncing pod, "a" skipped"#,
            Some("failed: CrashLoopBackOff"),
        ),
        ("E0507 12:04:17.596973 1 x.go:202] no such pod", "no such pod", None),
        (r#"ts=2024-05-07 caller=x.go:1 level=error msg="no luck" err="gone""#, "no luck", Some("gone")),
        ("level=error msg=short err=null", "short", None),
        ("<11>1 2024-03-05T09:19:24Z host app 12 ID7 [x@1 a=\"b\"] no luck", "no luck", None),
        ("<11>1 2024-03-05T09:19:24Z host app 12 - - no luck", "no luck", None),
        ("2015-07-29 17:41:44,747 - ERROR  [main] - odd 3 thing", "[main] - odd 3 thing", None),
        ("Jun 14 15:16:01 combo sshd[19939]: no", "sshd[19939]: no", None),
        ("Jun 14 15:16:01 combo syslogd: no", "syslogd: no", None),
        ("[Thu Jun 09 06:07:04 2005] [error] env.create()", "env.create()", None),
        ("2024/03/05 09:19:24 [crit] 123#0: *1 connect() failed", "connect() failed", None),
        ("2024-03-05 09:19:24.123 UTC [123] FATAL:  no role", "no role", None),
        ("2016-09-28 04:30:30, Error                 CBS    x", "CBS    x", None),
        ("03-17 16:13:38.811  1702  2395 E Tag: x", "Tag: x", None),
        ("\u{1b}[31mERROR\u{1b}[0m no luck", "no luck", None),
        ("Error while trying", "Error while trying", None),
        ("03-17 16:13:38.811  1702  2395 E Tag: x=1, msg=0, y=2", "Tag: x=1, msg=0, y=2", None),
        ("2024-05-08 10:00:00 app: msg=\"no luck\" n=1", "no luck", None),
        ("ERROR", "ERROR", None),
        ("12 files are gone", "files are gone", None),
    ] {
        let said = said(line);
        assert_eq!((said.what.as_ref(), said.why.as_deref()), (what, why), "{line}");
    }
}

proptest! {
    #[test]
    fn any_text_will_do(text in "(\\PC|[<>\\[\\]\"=\\\\ :0-9EI\u{1b}]){0,60}") {
        level(&text);
        stamp(&text);
        is_logged(&text);
        said(&text);
    }
}
