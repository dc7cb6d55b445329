//! The tellers against small HTTP servers that answer as they are told to.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::json;

use super::notice::Notice;
use super::*;

/// Nothing here takes as long, unless it is broken.
const LONGEST: Duration = Duration::from_secs(20);

/// One request.
#[derive(Debug)]
struct Request {
    head: String,
    alerts: Vec<Json>,
}

impl Request {
    fn names(&self) -> Vec<&str> {
        self.alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap()).collect()
    }
}

/// Answers each request with what `answer` says of it, a status, and hands it on.
fn serve(listener: TcpListener, answer: impl Fn(&Request) -> u16 + Send + 'static) -> Receiver<Request> {
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            while let Some(request) = read(&mut stream) {
                let status = answer(&request);
                // A test that has seen enough listens no more.
                if sender.send(request).is_err() {
                    return;
                }
                write!(stream.get_mut(), "HTTP/1.1 {status} Said\r\ncontent-length: 5\r\n\r\nwords").unwrap();
            }
        }
    });
    requests
}

fn read(stream: &mut impl std::io::BufRead) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    Some(Request { head, alerts: serde_json::from_slice(&body).unwrap() })
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

fn settings(addresses: &[&String]) -> Settings {
    Settings {
        alertmanagers: addresses.iter().map(|address| Address::new(address.as_str())).collect(),
        sign_in: None,
        authorities: None,
        repeat_interval: Duration::from_secs(3600),
        found_late: Duration::from_secs(600),
        max_firing: 1000,
    }
}

fn notice(name: &str, ends_ms: Option<i64>) -> Notice {
    let alert = json!({ "labels": { "alertname": name }, "startsAt": time(1_000) });
    let Json::Object(alert) = alert else { unreachable!() };
    let (key, kind, fires_for) = (name.to_owned(), name.to_owned(), Duration::ZERO);
    Notice { key, kind, partition: 0, alert, starts_ms: 1_000, ends_ms, fires_for }
}

#[test]
fn every_replica_is_told_what_fires_and_what_is_over() {
    let servers = [listener(), listener()];
    let notifier = Notifier::start(&settings(&[&servers[0].1, &servers[1].1]), "one").unwrap();
    let heard = servers.map(|(listener, _)| serve(listener, |_| 200));
    notifier.board().put(notice("disk", None));
    for requests in &heard {
        let request = requests.recv_timeout(LONGEST).unwrap();
        assert!(request.head.starts_with("POST /api/v2/alerts HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.names(), ["disk"]);
        assert_eq!(request.alerts[0]["startsAt"], "1970-01-01T00:00:01.000Z");
        let ends: jiff::Timestamp = request.alerts[0]["endsAt"].as_str().unwrap().parse().unwrap();
        assert!(ends.as_millisecond() > now_ms() + 60_000, "what fires is to be believed for a while");
    }
    notifier.board().put(notice("disk", Some(61_000)));
    for requests in &heard {
        assert_eq!(requests.recv_timeout(LONGEST).unwrap().alerts[0]["endsAt"], "1970-01-01T00:01:01.000Z");
    }
}

#[test]
fn what_was_not_taken_is_told_until_it_is() {
    let (listener, address) = listener();
    let notifier = Notifier::start(&settings(&[&address]), "one").unwrap();
    // The port answers nobody yet.
    let began = Instant::now();
    (0..1000).for_each(|n| notifier.board().put(notice(&format!("{n}"), None)));
    assert!(began.elapsed() < Duration::from_secs(2), "putting waits for nobody");
    let attempts = std::sync::atomic::AtomicUsize::new(0);
    let heard = serve(listener, move |_| {
        let n = attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *[500, 503, 429, 401, 200].get(n).unwrap_or(&200)
    });
    let mut taken = std::collections::BTreeSet::new();
    for n in 0.. {
        let request = heard.recv_timeout(LONGEST).unwrap();
        assert!(request.alerts.len() <= BATCH);
        if n >= 4 {
            taken.extend(request.names().into_iter().map(str::to_owned));
        }
        if taken.len() == 1000 {
            break;
        }
    }
}

#[test]
fn one_that_is_refused_keeps_no_other_back() {
    let (listener, address) = listener();
    let notifier = Notifier::start(&settings(&[&address]), "one").unwrap();
    for name in ["a", "bad", "c"] {
        notifier.board().put(notice(name, None));
    }
    let heard = serve(listener, |request| if request.names().contains(&"bad") { 400 } else { 200 });
    let mut alone = Vec::new();
    while alone.len() < 3 {
        let request = heard.recv_timeout(LONGEST).unwrap();
        if let [name] = request.names()[..] {
            alone.push(name.to_owned());
        }
    }
    alone.sort();
    assert_eq!(alone, ["a", "bad", "c"]);
    // And is not sent again before it changes.
    notifier.board().put(notice("d", None));
    assert_eq!(heard.recv_timeout(LONGEST).unwrap().names(), ["d"]);
    notifier.board().put(notice("bad", Some(2_000)));
    assert_eq!(heard.recv_timeout(LONGEST).unwrap().names(), ["bad"]);
}

#[test]
fn what_fires_is_told_again_at_each_interval() {
    let (listener, address) = listener();
    let settings = Settings { repeat_interval: Duration::from_millis(50), ..settings(&[&address]) };
    let notifier = Notifier::start(&settings, "one").unwrap();
    let heard = serve(listener, |_| 200);
    notifier.board().put(notice("disk", None));
    for _ in 0..3 {
        assert_eq!(heard.recv_timeout(LONGEST).unwrap().names(), ["disk"]);
    }
}

#[test]
fn secrets_are_read_anew_each_time() {
    let file = std::env::temp_dir().join(format!("fingerpost-token-{}", std::process::id()));
    let (listener, address) = listener();
    let heard = serve(listener, |_| 200);
    let settings = |sign_in| Settings { sign_in: Some(sign_in), ..settings(&[&address]) };
    let authorization = || {
        let head = heard.recv_timeout(LONGEST).unwrap().head;
        let line = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        line.unwrap_or_default().to_owned()
    };
    std::fs::write(&file, "one\n").unwrap();
    let bearer = Notifier::start(&settings(SignIn::Bearer { file: file.clone() }), "one").unwrap();
    bearer.board().put(notice("a", None));
    assert_eq!(authorization(), "Bearer one");
    std::fs::write(&file, "two\n").unwrap();
    bearer.board().put(notice("b", None));
    assert_eq!(authorization(), "Bearer two");
    bearer.stop(Instant::now() + LONGEST);
    let basic = Notifier::start(&settings(SignIn::Password { name: "me".into(), file: file.clone() }), "one").unwrap();
    basic.board().put(notice("c", None));
    assert_eq!(authorization(), "Basic bWU6dHdv");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn at_the_end_what_is_new_is_told_and_nobody_is_waited_for() {
    let (answers, address) = listener();
    let (_silent, deaf) = listener();
    let notifier = Notifier::start(&settings(&[&address, &deaf]), "one").unwrap();
    let heard = serve(answers, |_| 200);
    notifier.board().put(notice("last", None));
    let began = Instant::now();
    notifier.stop(began + Duration::from_millis(300));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(heard.recv_timeout(LONGEST).unwrap().names(), ["last"]);
}

#[test]
fn https_is_trusted_by_the_authorities_that_are_named() {
    let directory = std::env::temp_dir().join(format!("fingerpost-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let make = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(&directory)
        .output();
    let Some(true) = make.ok().map(|output| output.status.success()) else {
        println!("openssl is not installed: not run");
        return;
    };
    let read_pem = |name: &str| std::fs::read(directory.join(name)).unwrap();
    let (certificate, key) = (read_pem("cert.pem"), read_pem("key.pem"));
    std::fs::remove_dir_all(&directory).unwrap();
    let identity = native_tls::Identity::from_pkcs8(&certificate, &key).unwrap();
    let acceptor = native_tls::TlsAcceptor::new(identity).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever does not trust us hangs up here.
            let Ok(stream) = acceptor.accept(stream.unwrap()) else { continue };
            let mut stream = BufReader::new(stream);
            if let Some(request) = read(&mut stream) {
                write!(stream.get_mut(), "HTTP/1.1 200 Yes\r\ncontent-length: 0\r\n\r\n").unwrap();
                sender.send(request).unwrap();
            }
        }
    });
    assert!(check_authorities(&certificate).is_ok() && check_authorities(b"no certificate").is_err());
    let strangers = Poster::new(&Address::new(&*address), String::new(), &settings(&[&address]));
    assert!(matches!(strangers.post(&[json!({})]), Posted::Failed(_)), "nobody vouches for it");
    let friends = Poster::new(
        &Address::new(&*address),
        String::new(),
        &Settings { authorities: Some(certificate), ..settings(&[&address]) },
    );
    assert_eq!(friends.post(&[json!({})]), Posted::Taken);
    assert_eq!(heard.recv_timeout(LONGEST).unwrap().alerts.len(), 1);
}

/// A server that answers with what it was asked, as many do with what they do not find.
fn echo(listener: TcpListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            while let Some(Request { head, .. }) = read(&mut stream) {
                let length = head.len();
                write!(stream.get_mut(), "HTTP/1.1 404 Not found\r\ncontent-length: {length}\r\n\r\n{head}").unwrap();
            }
        }
    });
}

#[test]
fn nothing_that_may_be_a_secret_is_told_of_an_answer() {
    let (listener, address) = listener();
    echo(listener);
    let directory = std::env::temp_dir().join(format!("fingerpost-echo-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    let bearer = SignIn::Bearer { file: file.clone() };
    let password = SignIn::Password { name: "me".into(), file };
    for (path, sign_in, is_told) in [
        ("", None, true),
        ("/", None, true),
        ("/T0/hunter2", None, false),
        ("", Some(bearer), false),
        ("", Some(password), false),
    ] {
        let settings = Settings { sign_in, ..settings(&[&address]) };
        let address = Address::new(format!("{address}{path}"));
        let Posted::Failed(why) = Poster::new(&address, address.to_string(), &settings).post(&[]) else { panic!() };
        assert!(!why.contains("hunter2") && !why.contains("Basic"), "{why}");
        assert_eq!(why.contains("POST /"), is_told, "{path}: {why}");
        assert!(!format!("{address}{address:?}{settings:?}").contains("hunter2"));
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn alertmanagers_that_look_the_same_have_different_names() {
    let told = names(&["http://a", "http://a/S", "http://b", "http://a/T"].map(Address::new));
    assert_eq!(told, ["http://a", "http://a/<hidden>", "http://b", "http://a/<hidden> (2)"]);
}
