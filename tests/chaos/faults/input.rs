//! What stands in the records: everything hostile or odd that a line can be.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Stdio};

use fingerpost::cli::packs;
use fingerpost::engine::{Detail, Engine, Settings};
use fingerpost::flow::PacksFrom;

use super::super::it::oracle::{Oracle, expected_untouched};
use super::super::it::records::MATCHING;
use super::*;

fn engine() -> Engine {
    packs::load(&PacksFrom::Builtin, Settings::default()).unwrap().engine
}

/// Each line is judged as the oracle judges it, and goes out as it came, but for what is added to it.
fn judged(lines: impl IntoIterator<Item = Vec<u8>>) {
    let engine = engine();
    for line in lines {
        let shown = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        let expected = Oracle::default().classify(&line, None);
        let outcome = engine.classify(&line, None, &mut engine.memory());
        let rules = outcome.verdict.as_ref().map(|verdict| verdict.rules.clone()).unwrap_or_default();
        let rules: Vec<&str> = rules.iter().map(|rule| engine.reported()[*rule].id.as_str()).collect();
        assert_eq!(rules, expected.matches, "{shown}");
        assert!(*outcome.value(&line, Detail::None) == *expected_untouched(&line), "{shown}");
    }
}

#[test]
fn fault_37_bytes_that_are_no_text() {
    let utf16: Vec<u8> = MATCHING.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let inside = |bytes: &[u8]| [br#"{"msg":"x "#.as_slice(), bytes, b" ", MATCHING.as_bytes(), b"\"}"].concat();
    let odd: [&[u8]; 6] = [b"\xff\xfe", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"];
    let bare = odd.map(|bytes| [bytes, MATCHING.as_bytes()].concat());
    judged(odd.map(inside).into_iter().chain(bare).chain([utf16]));
    judged([[b"\xef\xbb\xbf{\"msg\":\"".as_slice(), MATCHING.as_bytes(), b"\"}"].concat()]);
}

#[test]
fn fault_38_nul_in_a_value() {
    judged([format!("{{\"msg\":\"\\u0000 {MATCHING}\"}}").into(), format!("\0{MATCHING}\0").into(), b"\0".to_vec()]);
}

#[test]
fn fault_39_nesting_without_end() {
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}\"{MATCHING}\"{}", open.repeat(levels), close.repeat(levels)).into_bytes()
    };
    let engine = engine();
    // On a thread with a small stack: nothing may recurse as deep as the line does.
    let run = move || {
        for levels in [100, 1_000, 10_000, 100_000, 1_000_000] {
            for line in [deep("[", "]", levels), deep("{\"a\":", "}", levels), "[".repeat(levels).into_bytes()] {
                let outcome = engine.classify(&line, None, &mut engine.memory());
                assert!(*outcome.value(&line, Detail::None) == *line, "{levels} levels");
            }
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn fault_40_json_cut_off_at_every_byte() {
    let line = format!("{{\"level\":\"error\",\"a\":[1,{{\"b\":null}}],\"msg\":\"\\u00e9 {MATCHING}\",\"n\":-1.5e3}}");
    judged((0..=line.len()).map(|length| line.as_bytes()[..length].to_vec()));
}

#[test]
fn fault_41_keys_that_stand_twice() {
    judged([
        format!(r#"{{"msg":"{MATCHING}","msg":"fine"}}"#).into(),
        format!(r#"{{"msg":"fine","msg":"{MATCHING}"}}"#).into(),
        format!(r#"{{"app":"a","msg":"{MATCHING}","app":"b"}}"#).into(),
    ]);
}

#[test]
fn fault_42_numbers_that_no_machine_holds() {
    let digits = "9".repeat(100_000);
    let numbers = ["1e999", "-0", "-0.0e-0", "9007199254740993", "0.1000000000000000055511151231257827", &digits];
    judged(numbers.map(|number| format!(r#"{{"n":{number},"msg":"{MATCHING}","m":[{number}]}}"#).into_bytes()));
}

#[test]
fn fault_43_escapes_that_hide_a_phrase() {
    let escaped: String = MATCHING.chars().map(|letter| format!("\\u{:04x}", letter as u32)).collect();
    let first = format!("\\u{:04X}{}", u32::from(MATCHING.as_bytes()[0]), &MATCHING[1..]);
    let lines = [
        escaped,
        first,
        format!(r"\ud800 {MATCHING}"),
        format!(r"\udc00\ud800 {MATCHING}"),
        format!(r"\ud83d\ude00 {MATCHING}"),
    ];
    judged(lines.map(|text| format!(r#"{{"msg":"{text}"}}"#).into_bytes()));
}

#[test]
fn fault_44_json_that_is_no_object() {
    let object = format!(r#"{{"msg":"{MATCHING}"}}"#);
    judged([
        format!("[{object}]").into(),
        format!("\"{MATCHING}\"").into(),
        format!("{object}\n{object}").into(),
        format!("{object}\r\n").into(),
        format!("{object} trailing").into(),
        format!(" \t{object}\n\n").into(),
        b"null".to_vec(),
        b"17".to_vec(),
    ]);
}

#[test]
fn fault_45_no_json_at_all() {
    let mut random = fastrand::Rng::with_seed(45);
    let program = std::fs::read(env!("CARGO_BIN_EXE_fingerpost")).unwrap();
    let pieces = program.chunks(997).step_by(4_001).map(<[u8]>::to_vec);
    let noise = (0..300).map(|length| (0..length).map(|_| random.u8(..)).collect::<Vec<u8>>());
    judged(pieces.chain(noise));
}

#[test]
fn fault_34_a_record_far_larger_than_the_output_takes() {
    let Some(mut scene) = Scene::new("f34", Mode::AtLeastOnce, 0).map(Scene::patient) else { return };
    let (input, dead) = (format!("{}.large", scene.stage.name), format!("{}.dead", scene.stage.name));
    scene.stage.create(&input, 1, &[("max.message.bytes", "30000000")]);
    scene.stage.create(&dead, 1, &[]);
    scene.stage = scene.stage.with("topics = [\"NAME\"]", "topics = [\"NAME.large\"]");
    scene.stage.config += &format!("[dead_letter]\ntopic = \"{dead}\"\n");
    let mut random = fastrand::Rng::with_seed(34);
    let pad: String = (0..20_000_000).map(|_| random.alphanumeric()).collect();
    let producer: rdkafka::producer::BaseProducer =
        scene.stage.client().set("message.max.bytes", "30000000").create().unwrap();
    for value in ["{\"n\":1}", &format!(r#"{{"msg":"{MATCHING}","pad":"{pad}"}}"#), "{\"n\":3}"] {
        Record::plain(value, BASE).send(&producer, &input, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = scene.started();
    eventually("all three", Duration::from_secs(60), || (scene.stage.committed(&input, 1) == [Some(3)]).then_some(()));
    let most = daemon.peak_rss_kib();
    daemon.stop();
    println!("{} MiB", most / 1024);
    assert!(most < 512 * 1024, "{most} KiB");
    let outputs = scene.stage.read(&scene.stage.output()).concat();
    assert_eq!(outputs.len(), 2, "those around it went out");
    let letters = scene.stage.read(&dead).concat();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].value.as_ref().is_none_or(|value| value.len() < 1 << 20), "a reference, not the line");
}

#[test]
fn fault_47_a_batch_that_grows_when_it_is_opened() {
    let Some(scene) = Scene::new("f47", Mode::AtLeastOnce, 0).map(Scene::patient) else { return };
    let mut config = scene.stage.client();
    config.set("compression.type", "zstd").set("linger.ms", "500").set("batch.size", "900000");
    // Where the broker takes its time the client sends again, and all of it is to be there once.
    config.set("enable.idempotence", "true");
    let producer: rdkafka::producer::BaseProducer = config.create().unwrap();
    let line = format!(r#"{{"pad":"{}"}}"#, "0".repeat(900_000));
    for _ in 0..200 {
        Record::plain(&line, BASE).send(&producer, &scene.stage.name, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = scene.started();
    scene.drained();
    let most = daemon.peak_rss_kib();
    daemon.stop();
    println!("{} MiB for {} MiB of lines", most / 1024, (200 * line.len()) >> 20);
    assert!(most < 400 * 1024, "{most} KiB");
    assert_eq!(scene.out(), 200, "{}", daemon.log());
}

#[test]
fn fault_46_a_corrupt_batch_is_told_and_not_passed_over() {
    let Some(scene) = Scene::new("f46", Mode::AtLeastOnce, 0) else { return };
    let line = format!(r#"{{"msg":"{MATCHING}"}}"#);
    for _ in 0..3 {
        scene.send(&[Record::plain(&line, BASE)]);
    }
    let log = cluster().unwrap().nodes[0].data().join(format!("{}-0/00000000000000000000.log", scene.stage.name));
    let mut bytes = std::fs::read(&log).unwrap();
    // In the second of three batches; each holds the line once.
    let needle = line.as_bytes();
    let places: Vec<usize> = (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert_eq!(places.len(), 3);
    bytes[places[1] + 10] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let mut daemon = scene.started();
    eventually("the first line", Duration::from_secs(30), || (scene.out() >= 1).then_some(()));
    eventually("a complaint", PATIENCE, || {
        let text = daemon.log();
        ["BadMessage", "Bad message", "CRC"].iter().any(|word| text.contains(word)).then_some(())
    });
    // Time to pass over it, if that is what it would do.
    std::thread::sleep(Duration::from_secs(2));
    let (ended, text) = (daemon.ended(), daemon.log());
    println!("ended: {ended:?}, committed {}, out {}", scene.committed(), scene.out());
    assert!(scene.committed() <= 1, "a batch that cannot be read was passed over: {text}");
}

#[test]
fn fault_48_headers_by_the_thousand_and_names_that_are_no_text() {
    let Some(scene) = Scene::new("f48", Mode::AtLeastOnce, 0).map(Scene::patient) else { return };
    let value = |n: usize| Some(format!("{n}").into_bytes());
    let many: Vec<_> = (0..10_000).map(|n| (format!("h{}", n % 5_000), value(n))).collect();
    let large = vec![("large".to_owned(), Some(vec![b'x'; 900_000]))];
    let forged = vec![("fingerpost-source".to_owned(), value(1)), ("fingerpost".to_owned(), value(2))];
    let line = format!(r#"{{"msg":"{MATCHING}"}}"#);
    let records: Vec<Record> = [many, large, forged]
        .into_iter()
        .enumerate()
        .map(|(n, headers)| Record { headers, ..Record::plain(&line, BASE + n as i64) })
        .collect();
    scene.send(&records);
    let mut sent = records.len();
    if installed("kcat") {
        let arguments = ["-P", "-b", &scene.stage.broker, "-t", &scene.stage.name, "-p", "0"];
        let header = OsString::from_vec(b"\xff\xfe=odd".to_vec());
        let kcat = Command::new("kcat").args(arguments).arg("-H").arg(header).stdin(Stdio::piped()).spawn();
        let mut kcat = kcat.unwrap();
        kcat.stdin.take().unwrap().write_all(b"{\"n\":1}\n").unwrap();
        assert!(kcat.wait().unwrap().success());
        sent += 1;
    }
    let mut daemon = scene.started();
    eventually("all records", Duration::from_secs(30), || {
        (scene.stage.committed(&scene.stage.name, 2)[0] == Some(sent as i64)).then_some(())
    });
    daemon.stop();
    assert_eq!(scene.out(), sent as i64);
    let outputs = scene.first_of_output(3);
    for (record, input) in outputs.iter().zip(&records) {
        let (kept, _) = record.split_headers();
        assert!(kept == input.split_headers().0, "in their order, all of them");
    }
    assert_eq!(outputs[2].header("fingerpost-source"), Some(format!("{}/0/2", scene.stage.name)));
}

#[test]
fn fault_49_times_that_never_were() {
    let Some(scene) = Scene::new("f49", Mode::AtLeastOnce, 0).map(Scene::patient) else { return };
    let times = [1, 4_102_444_800_000, 253_402_300_799_000, 1_000];
    let line = format!(r#"{{"time":"9999-99-99T99:99:99Z","msg":"{MATCHING}"}}"#);
    scene.administer(async |admin, options| {
        use rdkafka::admin::{AlterConfig, ResourceSpecifier};
        for topic in [scene.stage.name.clone(), scene.stage.output()] {
            let free = AlterConfig::new(ResourceSpecifier::Topic(&topic))
                .set("message.timestamp.after.max.ms", "9223372036854775807");
            admin.alter_configs([&free], &options).await.unwrap().remove(0).unwrap();
        }
    });
    scene.send(&times.map(|time| Record::plain(&line, time)));
    let mut daemon = scene.started();
    eventually("all lines", Duration::from_secs(30), || {
        (scene.stage.committed(&scene.stage.name, 2)[0] == Some(times.len() as i64)).then_some(())
    });
    daemon.stop();
    let outputs = scene.stage.read(&scene.stage.output()).concat();
    assert_eq!(outputs.iter().map(|record| record.timestamp).collect::<Vec<_>>(), times);
}
