//! Configuration as its user meets it: broken files, layers over layers, and secrets that never come out.
//!
//! Each directory of `tests/cases/config` holds a `fingerpost.toml` that is wrong in some way, and `check.txt`, what
//! `config check` prints for it. No test here needs a broker.

#![allow(clippy::unwrap_used, reason = "a test that fails here says so by its panic")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use fingerpost::alert::Limits;
use fingerpost::config::keys::{KEYS, Standard};
use fingerpost::config::{Config, Layers, Loaded, LogFormat, Setting, load, load_judging};
use fingerpost::diagnostic::{Grade, draw};
use fingerpost::flow::notify::{Address, SignIn};
use fingerpost::flow::{Lines, PacksFrom, Place};
use fingerpost::http::Part;

use crate::program;

const CANARY: &str = "hunter2-canary";

const SOUND: &str =
    "[kafka]\nbootstrap_servers = \"one:9092\"\n[input]\ntopics = [\"logs\"]\n[output]\ntopic = \"logs.enriched\"\n";

#[test]
fn broken_files_say_what_is_wrong_where_and_what_to_do() {
    let mut cases: Vec<_> = fs::read_dir("tests/cases/config").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in cases {
        let loaded = load(&Layers { file: Some(case.join("fingerpost.toml")), ..Layers::default() });
        assert!(loaded.config.is_none(), "{} is accepted", case.display());
        for problem in &loaded.diagnostics {
            assert!(problem.place.is_some() && problem.help.is_some(), "{}: {problem:?}", case.display());
        }
        let printed = draw(&loaded.diagnostics, false);
        assert!(!printed.contains(CANARY), "{} shows a secret:\n{printed}", case.display());
        let expected = snapbox::Data::read_from(&case.join("check.txt"), Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(printed, expected.raw());
    }
}

#[test]
fn broken_variables_and_flags_are_named() {
    let loaded = layered(
        SOUND,
        &[
            ("FINGERPOST_KAFKA_GROUP", "tagger"),
            ("FINGERPOST_DELIVERY_WORKERS", "many"),
            ("FINGERPOST_LIMITS_NESTING", "0"),
            ("FINGERPOST_KAFKA_SASL_PASSWORD", CANARY),
            ("FINGERPOST_KAFKA_OPTIONS_LINGR_MS", "5"),
        ],
        &["output.lines=some", "kafka.groupid=x", "kafka.sasl_password=hunter2-canary", "topics=logs"],
    );
    assert!(loaded.config.is_none());
    let printed = draw(&loaded.diagnostics, false);
    assert!(!printed.contains(CANARY));
    let expected = Path::new("tests/cases/config-variables-and-flags.txt");
    let expected = snapbox::Data::read_from(expected, Some(snapbox::data::DataFormat::Text));
    snapbox::assert_data_eq!(printed, expected.raw());
}

#[test]
fn a_later_layer_wins() {
    let file = format!(
        "{SOUND}[delivery]\nworkers = 2\ncommit_interval = \"250ms\"\n[log]\nformat = \"json\"\nlevel = \"warn\"\n"
    );
    let environment = [("FINGERPOST_DELIVERY_WORKERS", "3"), ("FINGERPOST_LOG_LEVEL", "debug")];
    let loaded = layered(&file, &environment, &["delivery.workers=4", "delivery.workers=5"]);
    let origins: Vec<_> = ["delivery.workers", "delivery.commit_interval", "log.level", "delivery.mode"]
        .iter()
        .map(|name| {
            loaded.rows.iter().find(|row| row.name == *name).unwrap().origin.rsplit('/').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(origins, ["--set delivery.workers", "fingerpost.toml:9", "FINGERPOST_LOG_LEVEL", "default"]);
    let config = expect(loaded);
    assert_eq!(config.flow.delivery.workers, 5);
    assert_eq!(config.flow.delivery.commit_interval, Duration::from_millis(250));
    assert_eq!((config.log.level.as_str(), config.log.format), ("debug", LogFormat::Json));
}

#[test]
fn everything_can_come_from_the_environment_alone() {
    let environment = [
        ("FINGERPOST_KAFKA_BOOTSTRAP_SERVERS", "one:9092, two:9092"),
        ("FINGERPOST_INPUT_TOPICS", "a,^b\\..*"),
        ("FINGERPOST_OUTPUT_TOPIC", "out"),
        ("FINGERPOST_OUTPUT_LINES", "matched"),
        ("FINGERPOST_OUTPUT_WHERE", "headers"),
        ("FINGERPOST_HTTP_LISTEN", "off"),
        ("FINGERPOST_LIMITS_PAYLOAD", "2MiB"),
        ("FINGERPOST_FIELDS_APP", "service"),
        ("FINGERPOST_KAFKA_GROUP_ID", ""),
    ];
    let config = expect(layered_without_file(&environment, &[]));
    assert_eq!(config.flow.kafka.bootstrap_servers, "one:9092,two:9092");
    assert_eq!(config.flow.input.topics, ["a", "^b\\..*"]);
    assert_eq!((config.flow.output.lines, config.flow.output.place), (Lines::Matched, Place::Headers));
    assert_eq!(config.http, None);
    assert_eq!(config.engine.limits.payload, 2 << 20);
    assert_eq!(config.engine.fields.app, ["service"]);
    assert_eq!(config.flow.kafka.group_id, "fingerpost", "an empty variable is not set");
    assert_eq!(config.packs, PacksFrom::Builtin);
}

#[test]
fn a_pattern_with_a_comma_is_written_as_an_array() {
    let config = expect(layered(SOUND, &[("FINGERPOST_INPUT_TOPICS", r#"["^a{1,2}", "b"]"#)], &[]));
    assert_eq!(config.flow.input.topics, ["^a{1,2}", "b"]);
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let environment = [
        ("FINGERPOST_TEST_KAFKA", "x"),
        ("FINGERPOST_REQUIRE", "kafka"),
        ("FINGERPOST_ORACLE_LINES", "1"),
        ("FINGERPOST_CONFIG", "x"),
        ("FINGERPOST_SERVICE_HOST", "10.0.0.1"),
        ("FINGERPOST_PORT_9640_TCP_ADDR", "10.0.0.1"),
        ("FINGERPOST_PORT", "tcp://10.0.0.1:9640"),
        ("FINGER", "x"),
    ];
    assert!(expect(layered(SOUND, &environment, &[])).http.is_some());
}

#[test]
fn fields_are_the_envelopes_unless_they_are_set_and_levels_may_have_words_of_the_house() {
    let file = format!("{SOUND}[fields]\ntime = [\"when\"]\n[levels]\nerror = [\"kaputt\"]\nnone = [\"-\"]\n");
    let engine = expect(layered(&file, &[], &["input.shape=logdna"])).engine;
    assert_eq!((engine.fields.app, engine.fields.time), (Vec::new(), vec!["when".to_owned()]));
    let read = |word| fingerpost::level::read(word, fingerpost::level::Scale::Word, &engine.levels);
    assert_eq!(read("Kaputt"), fingerpost::level::Reading::Level(fingerpost::level::Level::ERROR));
    assert_eq!(read("-"), fingerpost::level::Reading::NoLevel);
}

#[test]
fn librdkafka_settings_go_to_the_side_that_knows_them() {
    let file = format!(
        "{SOUND}[kafka.options]\nlinger.ms = 5\n\"fetch.min.bytes\" = 2\n\"client.id\" = \"tagger\"\n[input.options]\n\"fetch.min.bytes\" = 3\n"
    );
    let flow = expect(layered(
        &file,
        &[("FINGERPOST_OUTPUT_OPTIONS_COMPRESSION_TYPE", "lz4")],
        &["kafka.options.debug=broker"],
    ))
    .flow;
    let pairs = |options: &[(String, String)]| {
        options.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&flow.kafka.options), ["security.protocol=plaintext", "client.id=tagger", "debug=broker"]);
    assert_eq!(pairs(&flow.input.options), ["fetch.min.bytes=3"]);
    assert_eq!(pairs(&flow.output.options), ["compression.type=lz4", "linger.ms=5"]);
}

#[test]
fn signing_in_needs_four_lines() {
    let folder = Folder::new("sign-in");
    let secret = folder.secret("api-key", &format!("{CANARY}\n"), 0o600);
    let file = format!(
        "[kafka]\nbootstrap_servers = \"broker:9093\"\nsecurity_protocol = \"sasl_ssl\"\nsasl_username = \"token\"\n\
         sasl_password_file = \"{}\"\n[input]\ntopics = [\"logs\"]\n[output]\ntopic = \"logs.enriched\"\n",
        secret.file_name().unwrap().to_str().unwrap()
    );
    let path = folder.write("fingerpost.toml", &file);
    let loaded = load(&Layers { file: Some(path), ..Layers::default() });
    assert!(!format!("{loaded:?}").contains(CANARY), "Debug shows the secret");
    assert_eq!(loaded.diagnostics, []);
    let kafka = loaded.config.unwrap().flow.kafka;
    let option = |name: &str| kafka.options.iter().find(|(option, _)| option == name).unwrap().1.as_str();
    assert_eq!(option("security.protocol"), "sasl_ssl");
    assert_eq!(option("sasl.mechanisms"), "PLAIN");
    assert_eq!(option("sasl.username"), "token");
    assert_eq!(option("sasl.password"), CANARY, "without the line break at the end");
    assert!(kafka.secret_options.contains(&"sasl.password".to_owned()));
}

#[test]
fn a_secret_never_comes_out() {
    let folder = Folder::new("canary");
    let secret = folder.secret("key", CANARY, 0o644);
    let set = format!("kafka.sasl_password_file={}", secret.display());
    let signed_in = ["--set", "kafka.security_protocol=sasl_ssl", "--set", "kafka.sasl_username=token", "--set", &set];
    let path = folder.write("fingerpost.toml", SOUND);
    for verb in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check", "--offline"]] {
        let output = fingerpost(&[verb, &["-c", path.to_str().unwrap()], &signed_in].concat(), &[]);
        let printed = text(&output);
        assert!(output.status.success(), "{printed}");
        assert!(!printed.contains(CANARY), "{printed}");
        assert!(printed.contains("chmod 600"), "readable for all, and nobody says so:\n{printed}");
    }
    let inline = folder.write("inline.toml", &format!("{SOUND}[kafka.options]\nsasl.password = \"{CANARY}\"\n"));
    for verb in ["show", "check"] {
        let variable = [("FINGERPOST_KAFKA_SASL_PASSWORD", CANARY), ("FINGERPOST_KAFKA_OPTIONS_SSL_KEY_PEM", CANARY)];
        let set = format!("kafka.options.ssl.key.password={CANARY}");
        let output = fingerpost(&["config", verb, "-c", inline.to_str().unwrap(), "--set", &set], &variable);
        let printed = text(&output);
        assert_eq!(output.status.code(), Some(78), "{printed}");
        assert!(!printed.contains(CANARY), "{printed}");
        assert_eq!(printed.matches("error[C010]").count(), 4, "{printed}");
    }
}

#[test]
fn an_address_for_others_is_a_warning() {
    let loaded = layered(SOUND, &[], &["http.listen=0.0.0.0:9640"]);
    assert_eq!(loaded.diagnostics.iter().map(|d| (d.code, d.grade)).collect::<Vec<_>>(), [("C021", Grade::Warning)]);
    assert!(loaded.config.unwrap().http.is_some());
}

#[test]
fn a_pattern_that_fits_the_output_is_a_note() {
    let loaded = layered(SOUND, &[], &["input.topics=^logs.*"]);
    assert_eq!(loaded.notes.len(), 1);
    assert_eq!(loaded.diagnostics, []);
}

#[test]
fn judging_needs_neither_broker_nor_topics() {
    let flags = vec!["limits.hits=7".parse::<Setting>().unwrap()];
    let loaded = load_judging(&Layers { flags, ..Layers::default() });
    assert_eq!(loaded.config.unwrap().engine.limits.hits, 7);
}

#[test]
fn verbs_end_with_their_codes() {
    let code = |arguments: &[&str]| fingerpost(arguments, &[]).status.code();
    assert_eq!(code(&["config", "keys"]), Some(0));
    assert_eq!(code(&["config", "show"]), Some(78));
    assert_eq!(code(&["config", "check", "-c", "no-such-file.toml"]), Some(78));
    assert_eq!(code(&["config", "show", "--set", "no-equals-sign"]), Some(2));
    assert_eq!(code(&["classify", "no-such-file"]), Some(2));
    assert_eq!(code(&["config", "check", "-b", "127.0.0.1:1", "-i", "a", "-o", "b", "--timeout", "2s"]), Some(69));
}

/// The example is the first thing that anybody copies: it must load, name every key, and tell the true defaults.
#[test]
fn the_example_names_every_key_and_its_default() {
    let path = Path::new("deploy/fingerpost.example.toml");
    let loaded = load(&Layers { file: Some(path.into()), ..Layers::default() });
    assert_eq!(loaded.diagnostics, []);
    let text = fs::read_to_string(path).unwrap();
    let optional = |key: &&fingerpost::config::keys::Key| matches!(key.default, Standard::Is(_) | Standard::Limit(_));
    for key in KEYS.iter() {
        let line = format!("{} = ", key.leaf());
        assert!(text.contains(&line), "the example does not name {}", key.name);
    }
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| is_setting(line)).unwrap_or(line).to_owned() + "\n")
        .collect();
    let folder = Folder::new("example");
    let all = load(&Layers { file: Some(folder.write("fingerpost.toml", &uncommented)), ..Layers::default() });
    for key in KEYS.iter().filter(optional) {
        let shown = all.rows.iter().find(|row| row.name == key.name).and_then(|row| row.value.clone());
        assert_eq!(shown, Some(key.default_text()), "the example's default of {}", key.name);
    }
}

#[test]
fn the_token_of_a_reload_is_read_from_a_file_and_never_shown() {
    let folder = Folder::new("token");
    let token = folder.secret("token", &format!("{CANARY}\n"), 0o600);
    let set = format!("http.token_file={}", token.display());
    let loaded = layered(SOUND, &[], &[&set]);
    let row = loaded.rows.iter().find(|row| row.name == "http.token_file").unwrap();
    assert_eq!(row.value, Some(format!("<from {}>", token.display())));
    let config = expect(loaded);
    assert!(config.token.is_some() && !format!("{config:?}").contains(CANARY));

    for (set, code) in [("http.token_file=/not/there", "C011"), ("http.token=hunter2-canary", "C010")] {
        let loaded = layered(SOUND, &[], &[set]);
        assert!(loaded.diagnostics.iter().any(|problem| problem.code == code), "{:?}", loaded.diagnostics);
        assert!(!draw(&loaded.diagnostics, false).contains(CANARY));
    }
}

#[test]
fn alertmanagers_are_signed_in_with_from_files() {
    const TOPICS: [&str; 2] = ["matches.topic=m", "alerts.topic=a"];
    let folder = Folder::new("alertmanager");
    let secret = folder.secret("secret", &format!("{CANARY}\n"), 0o600);
    let (token, password) =
        (format!("alerts.token_file={}", secret.display()), format!("alerts.password_file={}", secret.display()));
    let with = |more: &[&str]| layered(SOUND, &[], &[&TOPICS[..], more].concat());
    let notify = |more: &[&str]| expect(with(more)).flow.alerts.unwrap().notify;
    let found = notify(&["alerts.alertmanager=https://a:9093/,https://b/prefix", &token, "alerts.repeat_interval=30s"]);
    assert_eq!(found.alertmanagers, ["https://a:9093", "https://b/prefix"].map(Address::new));
    assert_eq!(found.sign_in, Some(SignIn::Bearer { file: secret.clone() }));
    assert_eq!(found.repeat_interval, Duration::from_secs(30));
    let found = notify(&["alerts.username=me", &password]);
    assert_eq!(found.sign_in, Some(SignIn::Password { name: "me".into(), file: secret.clone() }));
    assert!(found.alertmanagers.is_empty());
    for (more, code) in [
        (vec![token.as_str(), &password, "alerts.username=me"], "C019"),
        (vec![password.as_str()], "C019"),
        (vec!["alerts.token_file=/not/there"], "C011"),
        (vec!["alerts.token=hunter2-canary"], "C010"),
        (vec!["alerts.alertmanager=http://me:hunter2-canary@a:9093"], "C010"),
        (vec![token.as_str(), "alerts.alertmanager=http://a:9093"], "C022"),
    ] {
        let loaded = with(&more);
        assert!(loaded.diagnostics.iter().any(|problem| problem.code == code), "{:?}", loaded.diagnostics);
        let rows: String = loaded.rows.iter().filter_map(|row| row.value.clone()).collect();
        assert!(!(draw(&loaded.diagnostics, false) + &rows).contains(CANARY));
    }
}

#[test]
fn no_complaint_shows_the_password_of_an_address() {
    let folder = Folder::new("passwords");
    let token = format!("alerts.token_file={}", folder.secret("token", "t\n", 0o600).display());
    for set in [
        "alerts.alertmanager=http://me:hunter2-canary@a:9093",
        "alerts.alertmanager=http://me:a/hunter2-canary@a:9093",
        "alerts.alertmanager=http://me:x,hunter2-canary@a:9093",
        "alerts.alertmanager=http://me:hunter2-canary,x@a:9093",
        "alerts.alertmanager=me:hunter2-canary@a:9093",
        "kafka.bootstrap_servers=me:hunter2-canary@a:9093",
        "kafka.bootstrap_servers=sasl://me:hunter2-canary@a:9093",
        "runbooks.base_url=ftp://me:hunter2-canary@a",
        "http.listen=http://me:hunter2-canary@a:80",
        "http.hosts=http://me:hunter2-canary@a:80",
        "input.topics=http://me:hunter2-canary@a",
        // Behind the host, with one that was forgotten, and without a scheme.
        "alerts.alertmanager=http://a:9093/hunter2-canary",
        "alerts.alertmanager=http://a:9093/x,hunter2-canary",
        "alerts.alertmanager=http://a:9093?token=hunter2-canary",
        "alerts.alertmanager=http://a:9093/#hunter2-canary",
        "alerts.alertmanager=http://:9093/hunter2-canary",
        "alerts.alertmanager=http:///hunter2-canary",
        "alerts.alertmanager=http://?hunter2-canary",
        "alerts.alertmanager=http://me:hunter2-canary",
        "alerts.alertmanager=http:hunter2-canary",
        "alerts.alertmanager=a:9093/hunter2-canary",
        "alerts.alertmanager=/hunter2-canary",
        "alerts.alertmanager=hunter2-canary",
        "kafka.bootstrap_servers=a:9092/hunter2-canary",
        "kafka.bootstrap_servers=a:9092,hunter2-canary",
        "kafka.bootstrap_servers=a:hunter2-canary",
        "kafka.bootstrap_servers=hunter2-canary",
        "runbooks.base_url=hunter2-canary",
        "runbooks.base_url=https://a?hunter2-canary",
        "http.listen=http://a/hunter2-canary",
        "http.hosts=https://a/hunter2-canary",
        "http.token_paths=hunter2-canary",
        "input.topics=https://a/hunter2-canary",
        "log.level=https://a/hunter2-canary",
        "kafka.options.metadata.broker.list=a:9092/hunter2-canary",
        // Where a name belongs, or the path of a file.
        "kafka.sasl_username=me:hunter2-canary",
        "kafka.options.sasl.username=me:hunter2-canary",
        "alerts.username=me:hunter2-canary",
        "kafka.sasl_password_file=hunter2-canary",
        "kafka.ssl_key_file=/hunter2-canary",
        "kafka.ssl_key_password_file=hunter2-canary/x",
        "kafka.ssl_ca_file=hunter2-canary",
        "kafka.options.ssl.ca.location=hunter2-canary",
        "alerts.password_file=hunter2-canary",
        "alerts.token_file=hunter2-canary",
        "alerts.ssl_ca_file=hunter2-canary",
        "http.token_file=hunter2-canary",
    ] {
        let (key, value) = set.split_once('=').unwrap();
        let variable = format!("FINGERPOST_{}", key.replace('.', "_").to_uppercase());
        let (section, leaf) = key.split_once('.').unwrap();
        let (header, list) = (format!("[{section}]\n"), format!("{leaf} = ['{value}'] # {value}\n"));
        let in_file = match SOUND.lines().find(|line| line.starts_with(&format!("{leaf} = "))) {
            Some(line) => SOUND.replace(line, &list),
            None if SOUND.contains(&header) => SOUND.replace(&header, &format!("{header}{leaf} = '{value}'\n")),
            None => format!("{SOUND}{header}# {leaf} = '{value}'\n{leaf} = '{value}'\n"),
        };
        let in_broken_file = in_file.clone() + "[nowhere\n";
        let mut topics = vec!["matches.topic=m", "alerts.topic=a", token.as_str()];
        // What is set last would hide it.
        topics.retain(|other| !other.starts_with(&format!("{key}=")));
        for loaded in [
            layered(SOUND, &[], &[&topics[..], &[set]].concat()),
            layered(SOUND, &[(variable.as_str(), value)], &topics),
            layered(&in_file, &[], &topics),
            layered(&in_broken_file, &[], &topics),
            layered(&in_file, &[], &[&topics[..], &["kafka.security_protocol=sasl_ssl"]].concat()),
        ] {
            assert!(!loaded.diagnostics.is_empty(), "{set}");
            assert_hidden(&loaded, set);
        }
    }
}

fn assert_hidden(loaded: &Loaded<Config>, given: &str) {
    let rows: String = loaded.rows.iter().filter_map(|row| row.value.clone()).collect();
    let shown = draw(&loaded.diagnostics, false) + &rows + &format!("{:?}{:?}", loaded.config, loaded.notes);
    assert!(!shown.contains(CANARY), "{given}\n{shown}");
}

/// What is there is a file, and its name no secret.
#[test]
fn a_path_is_shown_as_far_as_it_leads_somewhere() {
    let folder = Folder::new("paths");
    let secret = folder.secret("secret", "s\n", 0o644);
    let file = format!("{SOUND}[http]\ntoken_file = '{}'\n", secret.display());
    let shown = |loaded: &Loaded<Config>| draw(&loaded.diagnostics, false);
    assert!(shown(&layered(&file, &[], &[])).matches(&secret.display().to_string()).count() >= 2, "name and excerpt");
    let set = format!("http.token_file={}/hunter2-canary", folder.0.display());
    let loaded = layered(SOUND, &[], &[&set]);
    assert!(shown(&loaded).contains(&format!("{}/<hidden>", folder.0.display())), "{}", shown(&loaded));
    assert_hidden(&loaded, &set);
}

#[test]
fn what_stands_under_an_unknown_key_is_never_shown() {
    for section in ["kafka", "alerts", "http", "kafka.options", "output.options", "nowhere"] {
        for line in [
            "auth = \"hunter2-canary\"",
            "auth = [\n  \"hunter2-canary\",\n]",
            "auth.deep = { er = \"hunter2-canary\" }",
            "auth = '''\nhunter2-canary\n'''",
            "auth = \"hunter2-canary",
            "auth: \"hunter2-canary\"",
            "auth hunter2-canary",
            "auth = hunter2-canary",
            "auth = 'a' 'hunter2-canary'",
        ] {
            for file in [format!("{SOUND}[{section}]\n{line}\n"), format!("[{section}]\n{line}"), line.to_owned()] {
                let loaded = layered(&file, &[], &[]);
                assert!(!loaded.diagnostics.is_empty(), "{file}");
                assert_hidden(&loaded, &file);
            }
        }
    }
    let environment = [
        ("FINGERPOST_KAFKA_AUTH", CANARY),
        ("FINGERPOST_KAFKA_OPTIONS_NO_SUCH", CANARY),
        ("FINGERPOST_HTTP_COOKIE", CANARY),
    ];
    let loaded = layered(SOUND, &environment, &["alerts.auth=hunter2-canary", "kafka.options.no.too=hunter2-canary"]);
    assert_eq!(loaded.diagnostics.len(), 5, "{}", draw(&loaded.diagnostics, false));
    assert_hidden(&loaded, "variables and flags");
    assert_eq!(loaded.rows.iter().filter(|row| row.value.as_deref() == Some("<hidden>")).count(), 2);
}

#[test]
fn who_may_ask_over_http_is_configured() {
    let folder = Folder::new("access");
    let token = format!("http.token_file={}", folder.secret("token", "t\n", 0o600).display());
    let config = expect(layered(SOUND, &[("FINGERPOST_HTTP_HOSTS", "tags.example,fingerpost")], &[]));
    assert_eq!(config.hosts, ["tags.example", "fingerpost"]);
    assert_eq!((config.token, config.token_parts), (None, vec![]));
    let config = expect(layered(SOUND, &[], &[&token, "http.token_paths=/api,/metrics"]));
    assert_eq!(config.token_parts, [Part::Api, Part::Metrics]);
    for (sets, code) in [
        (vec!["http.token_paths=/api"], "C004"),
        (vec![&token, "http.token_paths=/livez"], "C007"),
        (vec!["http.hosts=http://tags.example"], "C007"),
        (vec!["http.hosts=10.1.2.3"], "C007"),
        (vec!["http.listen=0.0.0.0:9640"], "C021"),
    ] {
        let loaded = layered(SOUND, &[], &sets);
        assert!(loaded.diagnostics.iter().any(|problem| problem.code == code), "{sets:?}: {:?}", loaded.diagnostics);
    }
    let open = ["http.listen=0.0.0.0:9640", &token, "http.token_paths=/api,/metrics"];
    assert_eq!(layered(SOUND, &[], &open).diagnostics, [], "all that is worth reading asks for the token");
}

#[test]
fn roles_and_bounds_of_alerts_are_told() {
    let config = expect(layered(SOUND, &[], &["matches.topic=m", "alerts.topic=a"]));
    assert_eq!((config.flow.roles.classify, config.flow.roles.alert), (true, true));
    let alerts = config.flow.alerts.unwrap();
    assert_eq!((alerts.matches.as_str(), alerts.topic.as_str()), ("m", "a"));
    assert_eq!(alerts.limits, Limits::default());
    assert!(expect(layered(SOUND, &[], &[])).flow.alerts.is_none());
    let config = expect(layered(SOUND, &[], &["delivery.roles=classify", "matches.topic=m", "alerts.topic=a"]));
    assert!(config.flow.roles.classify && !config.flow.roles.alert);
    let loaded = layered(SOUND, &[("FINGERPOST_DELIVERY_ROLES", "alert")], &[]);
    assert!(loaded.diagnostics.iter().any(|problem| problem.message.contains("no topics to count from")));
}

#[test]
fn packs_are_watched_and_polled_unless_told_otherwise() {
    let reload = expect(layered(SOUND, &[], &[])).reload;
    assert_eq!((reload.watch, reload.poll_interval), (true, Duration::from_secs(10)));
    let reload = expect(layered(SOUND, &[("FINGERPOST_PACKS_WATCH", "false")], &["packs.poll_interval=1m"])).reload;
    assert_eq!((reload.watch, reload.poll_interval), (false, Duration::from_secs(60)));
    assert_eq!(reload.load_timeout, Duration::from_secs(60));
    for out in ["packs.poll_interval=999ms", "packs.poll_interval=61m", "packs.load_timeout=11m"] {
        assert_eq!(layered(SOUND, &[], &[out]).diagnostics[0].code, "C008");
    }
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(name, _)| KEYS.iter().any(|key| key.leaf() == name))
}

fn layered(file: &str, environment: &[(&str, &str)], sets: &[&str]) -> Loaded<Config> {
    let folder = Folder::new("layered");
    let file = Some(folder.write("fingerpost.toml", file));
    load(&Layers { file, ..layers(environment, sets) })
}

fn layered_without_file(environment: &[(&str, &str)], sets: &[&str]) -> Loaded<Config> {
    load(&layers(environment, sets))
}

fn layers(environment: &[(&str, &str)], sets: &[&str]) -> Layers {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    Layers { file: None, environment, flags: sets.iter().map(|set| set.parse().unwrap()).collect() }
}

fn expect(loaded: Loaded<Config>) -> Config {
    assert_eq!(loaded.diagnostics, [], "{}", draw(&loaded.diagnostics, false));
    loaded.config.unwrap()
}

fn fingerpost(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    program::fingerpost().args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A directory of its own for every test that writes files; gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn secret(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
