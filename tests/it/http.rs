//! The daemon's HTTP server as its clients meet it: who may ask what, under which name, and that probes are answered whatever
//! else holds on to a connection. No broker is needed.

use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use crate::stage::{Daemon, Stage};

const PATHS: [&str; 6] = ["/livez", "/readyz", "/metrics", "/version", "/api/v1/alerts", "/api/v1/gaps"];

/// A daemon with these settings of `[http]`, and a file `token`.
fn daemon(name: &str, http: &str) -> (Stage, Daemon) {
    let mut stage = Stage::new("127.0.0.1:1", name);
    fs::write(stage.dir.join("token"), "open sesame\n").unwrap();
    stage.config = stage.config.replace("[http]\n", &format!("[http]\n{http}\n"));
    let daemon = stage.start();
    daemon.address();
    (stage, daemon)
}

/// Status code and body.
fn ask(daemon: &Daemon, path: &str, headers: &[&str]) -> (u16, String) {
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Readiness apart, which this daemon does not reach: it was let through.
fn is_answered((code, _): (u16, String)) -> bool {
    matches!(code, 200 | 503)
}

#[test]
fn every_path_asks_for_a_name_of_this_server() {
    let (_stage, daemon) = daemon("names", "hosts = [\"tags.example\"]");
    for path in PATHS {
        for host in ["localhost", "127.0.0.1:9640", "[::1]", "tags.example:80"] {
            assert!(is_answered(ask(&daemon, path, &[&format!("host: {host}")])), "{path} as {host}");
        }
        for headers in
            [&["host: evil.example"][..], &["host: 10.1.2.3"], &[], &["host: localhost", "host: evil.example"]]
        {
            let (code, body) = ask(&daemon, path, headers);
            assert!(code == 403 && body.contains("http.hosts"), "{path} with {headers:?}: {code} {body}");
        }
    }
    assert_eq!(ask(&daemon, "/nothing", &["host: evil.example"]).0, 403);
    assert_eq!(ask(&daemon, "http://evil.example/metrics", &["host: localhost"]).0, 403);
}

#[test]
fn a_pod_is_asked_by_its_address() {
    let (_stage, daemon) = daemon("pod", "");
    assert_eq!(ask(&daemon, "/livez", &["host: 10.1.2.3:9640"]).0, 403, "which loopback has not");
    let (_stage, daemon) = daemon_on_all("pod-all");
    for path in PATHS {
        assert!(is_answered(ask(&daemon, path, &["host: 10.1.2.3:9640"])), "{path}");
        assert_eq!(ask(&daemon, path, &["host: evil.example"]).0, 403);
    }
}

fn daemon_on_all(name: &str) -> (Stage, Daemon) {
    let mut stage = Stage::new("127.0.0.1:1", name);
    stage.config = stage.config.replace("127.0.0.1:0", "0.0.0.0:0");
    assert!(stage.config.contains("0.0.0.0:0"));
    let daemon = stage.start();
    daemon.address();
    (stage, daemon)
}

#[test]
fn the_token_is_asked_for_where_it_is_wanted() {
    let settings = "token_file = \"token\"\ntoken_paths = [\"/api\", \"/metrics\"]";
    let (_stage, daemon) = daemon("tokens", settings);
    let bearer = "authorization: Bearer open sesame";
    for path in ["/metrics", "/api/v1/alerts", "/api/v1/gaps", "/api/v1/nothing"] {
        assert_eq!(ask(&daemon, path, &["host: localhost"]).0, 401, "{path}");
        assert_eq!(ask(&daemon, path, &["host: localhost", "authorization: Bearer open barley"]).0, 401, "{path}");
        assert_ne!(ask(&daemon, path, &["host: localhost", bearer]).0, 401, "{path}");
        assert_ne!(ask(&daemon, path, &["host: any.example", bearer]).0, 403, "{path}");
    }
    for path in ["/livez", "/readyz", "/version"] {
        assert!(is_answered(ask(&daemon, path, &["host: localhost"])), "{path}");
    }
    assert!(!daemon.log().contains("sesame"));
}

#[test]
fn half_open_connections_stop_no_probe() {
    let (_stage, daemon) = daemon("half-open", "");
    let half_open = || {
        let mut stream = TcpStream::connect(daemon.address()).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
        stream
    };
    let held: Vec<TcpStream> = (0..400).map(|_| half_open()).collect();
    for _ in 0..10 {
        assert_eq!(ask(&daemon, "/livez", &["host: localhost"]).0, 200);
    }
    assert_eq!(ask(&daemon, "/metrics", &["host: localhost"]).0, 503);
    assert!(daemon.log().contains("HTTP connections are taken"), "{}", daemon.log());
    drop(held);
}

#[test]
fn a_header_that_never_ends_is_given_up() {
    let (_stage, daemon) = daemon("headers", "");
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    let mut answer = Vec::new();
    // More than any header has; the connection may be gone before all of it is written.
    let written = (0..64).try_for_each(|_| stream.write_all(&[b'x'; 1024]));
    let read = stream.read_to_end(&mut answer);
    assert!(
        written.is_err() || read.is_err() || answer.starts_with(b"HTTP/1.1 4"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}
