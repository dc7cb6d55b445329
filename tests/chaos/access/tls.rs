//! Fault 24: certificates that do not hold, and ports that speak something else.

use super::*;

/// The lines of `[kafka]` for TLS.
fn tls(authority: &Authority) -> String {
    format!("security_protocol = \"ssl\"\nssl_ca_file = \"{}\"", authority.file().display())
}

fn with_certificate(lines: &str, pair: &Pair) -> String {
    format!(
        "{lines}\nssl_certificate_file = \"{}\"\nssl_key_file = \"{}\"",
        pair.certificate.display(),
        pair.key.display()
    )
}

fn own_certificate(pair: &Pair) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// What the check says of a listener whose daemons have these lines.
fn checked(test: &str, listener: &str, lines: &str) -> Option<(Option<i32>, String)> {
    let secure = secure()?;
    Some(check(&secure.stage(test, listener, lines)))
}

#[test]
fn fault_24_a_check_tells_certificates_that_do_not_hold_apart() {
    let Some(secure) = secure() else { return };
    let (ours, foreign) = (tls(&secure.authority), tls(&secure.foreign));
    for (listener, lines, says, fix) in [
        ("EXPIRED", &ours, "the broker's certificate expired on ", "have it renewed"),
        ("FUTURE", &ours, "the broker's certificate is not valid before ", "clock of this machine"),
        ("NAMED", &ours, "not 127.0.0.1, but kafka.example.com", "advertised.listeners"),
        (
            "FOREIGN",
            &ours,
            "nobody whom we trust vouches for the broker's certificate: CN=Somebody Else signed it",
            "put the authority",
        ),
        ("GOOD", &foreign, "CN=Ours signed it", "put the authority"),
        ("MUTUAL", &ours, "the broker wants a certificate of ours", "kafka.ssl_certificate_file"),
        ("PLAIN", &ours, "we speak TLS, and the port does not", "\"plaintext\""),
    ] {
        let (code, text) = checked("tls", listener, lines).unwrap();
        let address = secure.at(listener);
        assert_eq!(code, Some(69), "{listener}: {text}");
        assert!(line(&text, &format!("broker {address}")).contains(says), "{listener}: {text}");
        assert!(line(&text, "→").contains(fix), "{listener}: {text}");
        assert_eq!(text.matches('✗').count(), 1, "one cause, one line; {listener}: {text}");
    }
    let (code, text) = checked("tls-good", "GOOD", &ours).unwrap();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("its certificate holds"), "{text}");
}

#[test]
fn fault_24_a_check_tells_tls_from_plain_text() {
    let Some(secure) = secure() else { return };
    let (code, text) = checked("tls-at-plain", "GOOD", "").unwrap();
    assert_eq!(code, Some(69), "{text}");
    assert!(line(&text, &secure.at("GOOD")).contains("the port speaks TLS, and we do not"), "{text}");
    assert!(line(&text, "→").contains("\"ssl\""), "{text}");
}

#[test]
fn fault_24_a_check_judges_our_own_certificate() {
    let Some(secure) = secure() else { return };
    let lines = tls(&secure.authority);
    let pairs = [
        (secure.authority.sign("client-good", "client", "client", NOW), None),
        (secure.authority.sign("client-old", "client", "client", PAST), Some("our certificate expired on ")),
        (
            secure.foreign.sign("client-foreign", "client", "client", NOW),
            Some("the broker does not take our certificate"),
        ),
    ];
    for (pair, says) in &pairs {
        own_certificate(pair);
        let (code, text) = checked("tls-own", "MUTUAL", &with_certificate(&lines, pair)).unwrap();
        let address = secure.at("MUTUAL");
        match says {
            None => assert!(line(&text, &format!("broker {address}")).contains("holds"), "{text}"),
            Some(says) => assert!(code == Some(69) && text.contains(says), "{text}"),
        }
    }
    let mixed = Pair { certificate: pairs[0].0.certificate.clone(), key: pairs[1].0.key.clone(), both: PathBuf::new() };
    let (code, text) = checked("tls-mixed", "MUTUAL", &with_certificate(&lines, &mixed)).unwrap();
    assert!(code == Some(69) && text.contains("kafka.ssl_key_file"), "{text}");
}

/// The daemon says which broker it is, and does not end: whoever renews the certificate need not start it again. At its
/// start it gives up, as whoever starts it looks at it then.
#[test]
fn fault_24_a_daemon_before_a_certificate_that_does_not_hold_ends_at_its_start() {
    let Some(secure) = secure() else { return };
    let stage = secure.stage("tls-run", "EXPIRED", &tls(&secure.authority));
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("certificate has expired") || log.contains("certificate verify failed"), "{log}");
}

/// A certificate that is renewed is taken up: the flow drains and begins anew in the same process. One that cannot be used
/// is told, and changes nothing.
#[test]
fn fault_24_certificates_that_change_are_taken_up_by_a_running_daemon() {
    let Some(secure) = secure() else { return };
    let pair = secure.authority.sign("client-renewed", "client", "client", NOW);
    own_certificate(&pair);
    let stage = secure.stage("tls-renewed", "MUTUAL", &with_certificate(&tls(&secure.authority), &pair));
    // Whoever is `client` needs rights, being somebody.
    for (on, name) in [(On::Topic, format!("{}*", stage.name)), (On::Group, stage.name.clone())] {
        admin::allow(&secure.open(), "CN=client", on, &name, &[May::Read, May::Write, May::Describe]);
    }
    let mut daemon = stage.start();
    daemon.wait_ready();
    send_and_wait(&stage, 1);
    let other = secure.authority.sign("client-other", "client", "client", NOW);
    write_secret(&pair.key, &fs::read_to_string(&other.key).unwrap());
    eventually("a complaint", Duration::from_secs(30), || {
        daemon.log().contains("cannot be used, going on with the old ones").then_some(())
    });
    send_and_wait(&stage, 2);
    write_secret(&pair.certificate, &fs::read_to_string(&other.certificate).unwrap());
    eventually("a new start", Duration::from_secs(30), || {
        daemon.log().contains("draining, and starting anew").then_some(())
    });
    daemon.wait_ready();
    send_and_wait(&stage, 3);
    assert!(daemon.metric("fingerpost_lines_total").unwrap() >= 3.0, "counters go on");
    daemon.stop();
    assert_eq!(stage.read(&stage.output()).concat().len(), 3, "{}", daemon.log());
}
