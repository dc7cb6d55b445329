//! Rules swapped while the daemon runs: everything that can happen to a pack directory, and to who asks for a reload.
//!
//! What reloads does so as soon as the daemon listens, so most of these need no broker: the program runs against the
//! Kafka client's own mock cluster. Lines under load are the real broker's.

use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use fingerpost::cli::packs;
use fingerpost::flow::PacksFrom;
use fingerpost::pack;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, Producer};
use serde_json::Value;

use crate::broker::broker;
use crate::records::Record;
use crate::stage::{Daemon, PATIENCE, Stage, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Only a look that somebody asked for, or that the watch brought about, can be the reason for what happens.
const WATCHED: &str = "poll_interval = \"1h\"";
const POLLED: &str = "watch = false\npoll_interval = \"1s\"";
const ASKED: &str = "watch = false\npoll_interval = \"1h\"";

/// A pack of one rule.
fn pack(id: &str, severity: &str) -> String {
    format!(
        "[pack]\nlink = \"/swap.html\"\n[sections]\nswap = \"Swap\"\n[[rule]]\nid = \"{id}\"\ntitle = \"Of {id}\"\n\
         any = [\"the swapped phrase\"]\nseverity = \"{severity}\"\nsection = \"swap\"\n\
         match = ['{{\"msg\":\"the swapped phrase\"}}']\nno_match = ['{{\"msg\":\"another phrase\"}}']\n"
    )
}

/// A running daemon and its pack directory.
struct House {
    _mock: MockCluster<'static, DefaultProducerContext>,
    stage: Stage,
    packs: PathBuf,
    daemon: Daemon,
}

impl House {
    /// With one pack `a.toml`, and these settings of `[packs]`.
    fn new(name: &str, settings: &str) -> Self {
        Self::arranged(name, settings, "", |packs| {
            fs::create_dir(packs).unwrap();
            fs::write(packs.join("a.toml"), pack("swap.first", "error")).unwrap();
        })
    }

    fn arranged(name: &str, settings: &str, http: &str, arrange: impl FnOnce(&Path)) -> Self {
        let mock = MockCluster::new(1).unwrap();
        let mut stage = Stage::new(&mock.bootstrap_servers(), name);
        mock.create_topic(&stage.name, 1, 1).unwrap();
        mock.create_topic(&stage.output(), 1, 1).unwrap();
        let packs = stage.dir.join("packs");
        arrange(&packs);
        stage.config = stage.config.replace("[http]\n", &format!("[http]\n{http}"));
        stage.config += &format!("[packs]\ndir = \"packs\"\n{settings}\n");
        let daemon = stage.start();
        daemon.address();
        let house = Self { _mock: mock, stage, packs, daemon };
        assert_eq!(house.digest(), house.on_disk());
        house
    }

    fn version(&self) -> Value {
        serde_json::from_str(&self.daemon.get("/version").1).unwrap()
    }

    fn digest(&self) -> String {
        self.version()["packs"].as_str().unwrap().to_owned()
    }

    /// The digest of what is in the directory now.
    fn on_disk(&self) -> String {
        pack::digest(&packs::sources(&PacksFrom::Directory(self.packs.clone())).unwrap())
    }

    /// The directory's packs come into use.
    fn follows(&self) {
        let digest = self.on_disk();
        eventually("the packs of the directory in use", SOON, || (self.digest() == digest).then_some(()));
        // It is told a moment later.
        let is_told = || self.daemon.log().contains("other rules are in use from now on").then_some(());
        eventually("word of it", SOON, is_told);
        assert_eq!(self.daemon.metric("fingerpost_pack_stale"), Some(0.0));
        let info = format!("fingerpost_pack_info{{digest=\"{digest}\"}} 1\n");
        assert!(self.daemon.get("/metrics").1.contains(&info));
    }

    /// The directory's packs are refused, those with this digest stay, and everybody is told why.
    fn refuses(&self, digest: &str, why: &str) {
        eventually("a refusal", SOON, || (self.daemon.metric("fingerpost_pack_stale") == Some(1.0)).then_some(()));
        let version = eventually("the reason", SOON, || {
            let version = self.version();
            version["packs_failure"].as_str()?.contains(why).then_some(version)
        });
        assert_eq!(version["packs"], digest, "the last good packs stay");
        // It is told a moment later.
        eventually("word of it", SOON, || self.daemon.log().contains("packs not loaded").then_some(()));
        assert!(self.reloads("failed") >= 1.0);
        let ready = self.daemon.get("/readyz").1;
        let (_, second) = ready.split_once('\n').unwrap();
        assert!(second.starts_with(&format!("packs: the last good ones ({digest}) stay in use")), "{ready}");
        assert!(second.contains(why), "{ready}");
        let log = self.daemon.log();
        let line = log.lines().find(|line| line.contains("packs not loaded")).unwrap();
        assert!(line.contains("\"level\":\"ERROR\"") && !line.contains('\u{1b}'), "{line}");
    }

    fn reloads(&self, result: &str) -> f64 {
        self.daemon.metric(&format!("fingerpost_pack_reloads_total{{result=\"{result}\"}}")).unwrap()
    }

    /// `POST /-/reload` from this machine.
    fn post(&self) -> (u16, Value) {
        post(&self.daemon)
    }

    /// Puts a file into the place of another, or of none, at once.
    fn put(&self, name: &str, text: &str) {
        let aside = self.stage.dir.join("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, self.packs.join(name)).unwrap();
    }
}

fn post(daemon: &Daemon) -> (u16, Value) {
    let (code, body) = request(daemon, "POST", &["host: localhost"]);
    (code, serde_json::from_str(&body).unwrap_or_else(|_| body.into()))
}

/// Status code and body of an answer of `/-/reload`.
fn request(daemon: &Daemon, method: &str, headers: &[&str]) -> (u16, String) {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!("{method} /-/reload HTTP/1.1\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(daemon.address())?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    // On a busy machine a connection may be reset while it is still waiting to be accepted.
    let answer = eventually("an answer to a reload", PATIENCE, || ask().ok());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

// ---------------------------------------------------------------------------------------------------------------------
// What happens to the directory.

#[test]
fn a_file_renamed_into_place_is_in_use_at_once() {
    let mut house = House::new("renamed", WATCHED);
    house.put("a.toml", &pack("swap.second", "error"));
    house.follows();
    house.put("b.toml", &pack("swap.third", "error"));
    house.follows();
    assert_eq!(house.reloads("loaded"), 2.0);
    house.daemon.stop();
}

#[test]
fn where_nobody_tells_of_changes_the_poll_finds_them() {
    let house = House::new("polled", POLLED);
    house.put("a.toml", &pack("swap.second", "error"));
    house.follows();
    house.put("a.toml", "[[rule");
    house.refuses(&house.digest(), "a.toml:1:");
    fs::remove_dir_all(&house.packs).unwrap();
    fs::create_dir(&house.packs).unwrap();
    house.put("c.toml", &pack("swap.third", "error"));
    house.follows();
}

/// As the kubelet does it: the files are links through `..data`, which is a link to a directory of this version.
#[test]
fn a_config_map_is_swapped_as_a_whole() {
    let version = |packs: &Path, number: u32| {
        let files = packs.join(format!("..2026_{number}"));
        fs::create_dir(&files).unwrap();
        for name in ["a", "b"] {
            fs::write(files.join(format!("{name}.toml")), pack(&format!("{name}.version-{number}"), "error")).unwrap();
        }
        symlink(files.file_name().unwrap(), packs.join("..data_tmp")).unwrap();
        fs::rename(packs.join("..data_tmp"), packs.join("..data")).unwrap();
    };
    let house = House::arranged("configmap", WATCHED, "", |packs| {
        fs::create_dir(packs).unwrap();
        version(packs, 1);
        for name in ["a.toml", "b.toml"] {
            symlink(format!("..data/{name}"), packs.join(name)).unwrap();
        }
    });
    for number in 2..4 {
        version(&house.packs, number);
        fs::remove_dir_all(house.packs.join(format!("..2026_{}", number - 1))).unwrap();
        house.follows();
    }
    assert_eq!((house.reloads("loaded"), house.reloads("failed")), (2.0, 0.0));
}

#[test]
fn a_link_to_another_directory_is_followed() {
    let release = |packs: &Path, name: &str| {
        let files = packs.with_file_name(name);
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("a.toml"), pack(&format!("of.{name}"), "error")).unwrap();
        symlink(name, packs.with_file_name("next")).unwrap();
        fs::rename(packs.with_file_name("next"), packs).unwrap();
    };
    let house = House::arranged("link", WATCHED, "", |packs| release(packs, "one"));
    release(&house.packs, "two");
    house.follows();
    // From now on the files of the second one are what counts.
    house.put("a.toml", &pack("of.two-b", "error"));
    house.follows();
    release(&house.packs, "three");
    house.follows();
}

#[test]
fn a_half_written_file_leaves_the_last_good_packs_in_use() {
    let house = House::new("half", WATCHED);
    let digest = house.digest();
    let whole = pack("swap.second", "error");
    fs::write(house.packs.join("a.toml"), &whole[..whole.len() / 2]).unwrap();
    house.refuses(&digest, "a.toml:");
    // Truncated, and not yet written: the commonest of all.
    fs::write(house.packs.join("a.toml"), "").unwrap();
    house.refuses(&digest, "it is empty");
    fs::write(house.packs.join("a.toml"), &whole).unwrap();
    house.follows();
    assert_eq!(house.version()["packs_failure"], Value::Null);
    assert!(!house.daemon.get("/readyz").1.contains("packs:"));
}

#[test]
fn a_directory_may_go_and_come_back() {
    let house = House::new("gone", WATCHED);
    let digest = house.digest();
    fs::remove_dir_all(&house.packs).unwrap();
    house.refuses(&digest, "cannot be read");
    fs::create_dir(&house.packs).unwrap();
    house.refuses(&digest, "there is no pack in");
    house.put("a.toml", &pack("swap.second", "error"));
    house.follows();
    // The same packs once more, after they were away, need no loading.
    let away = house.stage.dir.join("away");
    fs::rename(&house.packs, &away).unwrap();
    house.refuses(&house.digest(), "cannot be read");
    fs::rename(&away, &house.packs).unwrap();
    eventually("peace", SOON, || (house.daemon.metric("fingerpost_pack_stale") == Some(0.0)).then_some(()));
    assert_eq!(house.reloads("loaded"), 1.0);
}

#[test]
fn what_cannot_be_read_or_proven_does_not_come_in() {
    let house = House::new("bad", WATCHED);
    let digest = house.digest();
    fs::create_dir(house.packs.join("x.toml")).unwrap();
    house.refuses(&digest, "x.toml` cannot be read");
    fs::remove_dir(house.packs.join("x.toml")).unwrap();
    fs::write(house.packs.join("x.toml"), b"[pack]\n# caf\xe9\n").unwrap();
    house.refuses(&digest, "is not UTF-8");
    let unproven = pack("swap.second", "error").replace("another phrase", "the swapped phrase after all");
    house.put("x.toml", &unproven);
    house.refuses(&digest, "[P021]");
    fs::remove_file(house.packs.join("x.toml")).unwrap();
    eventually("peace", SOON, || (house.daemon.metric("fingerpost_pack_stale") == Some(0.0)).then_some(()));
    assert_eq!((house.digest(), house.reloads("loaded")), (digest, 0.0));
}

// ---------------------------------------------------------------------------------------------------------------------
// Who asks.

#[test]
fn a_pipe_among_the_packs_is_refused_and_keeps_nothing_waiting() {
    let mut house = House::new("pipe", POLLED);
    let digest = house.digest();
    nix::unistd::mkfifo(&house.packs.join("b.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    house.refuses(&digest, "it is a pipe, and must be a regular file");
    assert_eq!(house.post().0, 422);
    fs::remove_file(house.packs.join("b.toml")).unwrap();
    house.put("a.toml", &pack("swap.second", "error"));
    house.follows();
    house.daemon.stop();
}

#[test]
fn sighup_reloads() {
    let mut house = House::new("sighup", ASKED);
    house.put("a.toml", &pack("swap.second", "error"));
    house.daemon.signal("HUP");
    house.follows();
    house.daemon.signal("HUP");
    eventually("an unchanged one", SOON, || (house.reloads("unchanged") == 1.0).then_some(()));
    house.put("a.toml", "[[rule");
    for failed in [1.0, 2.0] {
        house.daemon.signal("HUP");
        eventually("a failed one, each time", SOON, || (house.reloads("failed") == failed).then_some(()));
    }
    house.daemon.stop();
}

#[test]
fn a_post_answers_with_what_came_of_it() {
    let house = House::new("post", ASKED);
    let first = house.digest();
    let (code, answer) = house.post();
    assert_eq!((code, &answer["result"], &answer["digest"]), (200, &"unchanged".into(), &first.as_str().into()));

    house.put("a.toml", &pack("swap.first", "critical"));
    house.put("b.toml", &pack("swap.second", "info"));
    let (code, answer) = house.post();
    let expected = serde_json::json!({
        "result": "loaded", "digest": house.on_disk(), "rules": 2,
        "added": ["swap.second"], "removed": [], "changed": ["swap.first"],
    });
    assert_eq!((code, answer), (200, expected));
    house.follows();

    house.put("b.toml", &pack("swap.second", "loud"));
    let good = house.digest();
    // Asked again, it fails again: nothing has got better.
    for _ in 0..2 {
        let (code, answer) = house.post();
        assert_eq!((code, &answer["result"], &answer["digest"]), (422, &"failed".into(), &good.as_str().into()));
        let problem = &answer["diagnostics"][0];
        assert!(problem["file"].as_str().unwrap().ends_with("packs/b.toml"), "{problem}");
        assert_eq!((&problem["line"], &problem["column"]), (&9.into(), &12.into()));
        assert!(problem["code"].is_string() && problem["message"].is_string() && problem["help"].is_string());
        let text = answer["text"].as_str().unwrap();
        assert!(text.contains("b.toml:9:12") && !text.contains('\u{1b}'), "{text}");
    }
    fs::remove_file(house.packs.join("b.toml")).unwrap();
    let (code, answer) = house.post();
    assert_eq!((code, &answer["removed"]), (200, &serde_json::json!(["swap.second"])));
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let house = House::new("many", ASKED);
    house.put("a.toml", &pack("swap.second", "error"));
    let daemon = &house.daemon;
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| post(daemon))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let digest = house.on_disk();
    for (code, answer) in &answers {
        assert_eq!((*code, &answer["digest"]), (200, &digest.as_str().into()));
    }
    assert_eq!(house.reloads("loaded"), 1.0, "it was loaded once");
}

#[test]
fn without_a_token_only_this_machine_may_ask() {
    let house = House::new("rebinding", ASKED);
    assert_eq!(request(&house.daemon, "GET", &["host: localhost"]).0, 405);
    for headers in [&["host: evil.example"][..], &["host: localhost", "origin: https://evil.example"]] {
        let (code, body) = request(&house.daemon, "POST", headers);
        assert_eq!(code, 403);
        assert!(body.contains("http.token_file") && body.ends_with('\n'), "{body}");
    }
    assert_eq!(house.reloads("unchanged"), 0.0);
}

#[test]
fn with_a_token_who_brings_it_may_ask() {
    let house = House::arranged("token", ASKED, "token_file = \"token\"\n", |packs| {
        fs::create_dir(packs).unwrap();
        fs::write(packs.join("a.toml"), pack("swap.first", "error")).unwrap();
        fs::write(packs.with_file_name("token"), "open sesame\n").unwrap();
    });
    for headers in [&["host: localhost"][..], &["host: localhost", "authorization: Bearer open barley"]] {
        assert_eq!(request(&house.daemon, "POST", headers).0, 401);
    }
    let headers = ["host: packs.example", "origin: https://packs.example", "authorization: Bearer open sesame"];
    assert_eq!(request(&house.daemon, "POST", &headers).0, 200);
    assert!(!house.daemon.log().contains("sesame"));
}

#[test]
fn built_in_packs_are_never_reloaded() {
    let stage = Stage::new("127.0.0.1:1", "builtin");
    let mut daemon = stage.start();
    let (code, body) = request(&daemon, "POST", &["host: localhost"]);
    assert_eq!(code, 409);
    assert!(body.contains("packs.dir"), "{body}");
    daemon.signal("HUP");
    eventually("a sentence", SOON, || daemon.log().contains("SIGHUP: the built-in packs are in use").then_some(()));
    daemon.stop();
}

#[test]
fn a_bad_pack_at_the_start_ends_it_with_its_diagnostics() {
    let mut stage = Stage::new("127.0.0.1:1", "badstart");
    fs::create_dir(stage.dir.join("packs")).unwrap();
    fs::write(stage.dir.join("packs/a.toml"), pack("swap.first", "loud")).unwrap();
    stage.config += "[packs]\ndir = \"packs\"\n";
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("packs/a.toml:9:12") && log.contains("`loud` is no severity"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Under load.

const LINES: usize = 12_000;
const PARTITIONS: usize = 4;

/// Two sets of two packs each, swapped by a link as fast as they are taken into use, while lines pass and somebody reloads
/// without a pause.
#[test]
fn packs_swapped_without_a_pause_lose_no_line_and_never_mix() {
    let Some(broker) = broker() else { return };
    let mut stage = Stage::new(&broker, "swap");
    stage.create(&stage.name, PARTITIONS as i32, &[]);
    for (set, severity) in [("red", "critical"), ("blue", "info")] {
        fs::create_dir(stage.dir.join(set)).unwrap();
        for name in ["one", "two"] {
            fs::write(stage.dir.join(set).join(format!("{name}.toml")), pack(&format!("{set}.{name}"), severity))
                .unwrap();
        }
    }
    let lead_to = |set: &str| {
        symlink(set, stage.dir.join("next")).unwrap();
        fs::rename(stage.dir.join("next"), stage.dir.join("packs")).unwrap();
    };
    lead_to("red");
    stage.config += "[packs]\ndir = \"packs\"\n";
    let mut daemon = stage.start();
    daemon.wait_ready();

    let base = 1_790_000_000_000;
    let (done, reloads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let (code, body) = request(&daemon, "POST", &["host: localhost"]);
                assert_eq!(code, 200, "{body}");
                reloads.fetch_add(1, Relaxed);
            }
        });
        let producer = stage.producer();
        for n in 0..LINES {
            if n % 200 == 0 {
                lead_to(["red", "blue"][n / 200 % 2]);
                // The first may have looked before the swap, the second has not.
                let before = reloads.load(Relaxed);
                eventually("a reload", PATIENCE, || {
                    producer.poll(Duration::from_millis(10));
                    (reloads.load(Relaxed) >= before + 2).then_some(())
                });
            }
            let line = format!(r#"{{"n":{n},"msg":"the swapped phrase"}}"#);
            Record::plain(&line, base + n as i64).send(&producer, &stage.name, (n % PARTITIONS) as i32);
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        let ends = [Some((LINES / PARTITIONS) as i64); PARTITIONS];
        eventually("all offsets committed", Duration::from_secs(60), || {
            (stage.committed(&stage.name, PARTITIONS as i32) == ends).then_some(())
        });
        done.store(true, Relaxed);
    });
    let loaded = daemon.log().lines().filter(|line| line.contains("other rules are in use from now on")).count();
    assert!(loaded >= 20, "only {loaded} swaps");
    daemon.stop();

    let mut sets = std::collections::BTreeMap::<String, usize>::new();
    for (partition, outputs) in stage.read(&stage.output()).iter().enumerate() {
        let sequence: Vec<i64> = outputs.iter().map(|output| output.timestamp - base).collect();
        let expected: Vec<i64> = (partition..LINES).step_by(PARTITIONS).map(|n| n as i64).collect();
        assert_eq!(sequence, expected, "partition {partition}: each line once, in order");
        for output in outputs {
            *sets.entry(whole_set(&stage, output)).or_default() += 1;
        }
    }
    assert_eq!(sets.keys().collect::<Vec<_>>(), ["blue", "red"], "both have tagged lines");
    assert!(sets.values().all(|count| *count > LINES / 10), "{sets:?}");
}

/// The one set that everything on this record is of.
fn whole_set(stage: &Stage, output: &Record) -> String {
    let value: Value = serde_json::from_slice(output.value.as_ref().unwrap()).unwrap();
    let object = &value["fingerpost"];
    let (set, severity) = if object["severity"] == "critical" { ("red", "critical") } else { ("blue", "info") };
    assert_eq!(object["rules"], serde_json::json!([format!("{set}.one"), format!("{set}.two")]), "{object}");
    let (loaded, _) = pack::parse(&packs::sources(&PacksFrom::Directory(stage.dir.join(set))).unwrap());
    let edition = loaded.unwrap().packs[0].edition();
    assert_eq!(object["pack"], edition);
    assert_eq!(output.header("fingerpost-pack"), Some(edition));
    assert_eq!(output.header("fingerpost-rule"), Some(format!("{set}.one")));
    assert_eq!(output.header("fingerpost-severity").as_deref(), Some(severity));
    set.to_owned()
}
