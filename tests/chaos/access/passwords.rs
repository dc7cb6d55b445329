//! Fault 23: a wrong password, and one that is changed while the daemon runs.

use super::*;

#[test]
fn fault_23_a_wrong_password_is_told_as_such() {
    let Some(secure) = secure() else { return };
    let user = secure.signed_in("wrong", "wrong");
    let (code, text) = check(&user.stage);
    assert_eq!(code, Some(69), "{text}");
    assert!(line(&text, "cluster").contains("refuses the user name or the password"), "{text}");
    let (code, log) = user.stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("uthentication failed"), "{log}");
}

#[test]
fn fault_23_a_password_that_changes_is_taken_up_by_a_running_daemon_at_least_once() {
    is_taken_up(Mode::AtLeastOnce);
}

#[test]
fn fault_23_a_password_that_changes_is_taken_up_by_a_running_daemon_exactly_once() {
    is_taken_up(Mode::ExactlyOnce);
}

/// The password changes on the brokers and in its file; those who have signed in already are asked to do so again after some
/// seconds, and nobody starts anything anew.
fn is_taken_up(mode: Mode) {
    let Some(secure) = secure() else { return };
    let mut user = secure.signed_in("rotated", PASSWORD);
    if mode == Mode::ExactlyOnce {
        user = user.exactly_once();
    }
    user.may_all();
    let mut daemon = user.stage.start();
    daemon.wait_ready();
    send_and_wait(&user.stage, 1);
    admin::set_password(&secure.open(), &user.name, "changed");
    write_secret(&user.file, "changed\n");
    eventually("the new password", Duration::from_secs(30), || {
        daemon.log().contains("the password has changed").then_some(())
    });
    // All connections have to sign in again meanwhile.
    std::thread::sleep(2 * SIGNED_IN_FOR);
    send_and_wait(&user.stage, 2);
    let starts = daemon.log().matches("listening for probes").count();
    assert_eq!(starts, 1, "{}", daemon.log());
    daemon.stop();
    assert_eq!(user.stage.read(&user.stage.output()).concat().len(), 2, "{}", daemon.log());
}
