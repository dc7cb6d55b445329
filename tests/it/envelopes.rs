//! Envelopes as collectors, clouds and loggers write them: `tests/envelopes` has a file for each row of the table.
//!
//! A file is a template with places for app, source, level, time and message. So it is a case, whose facts are known by how it
//! is filled, and a wrapper, into which every example of the shipped packs is put: what is tagged bare is tagged in it, and
//! a near miss stays one.
//!
//! ```text
//! layers: ibm-cloud-logs         what is peeled, the outermost first
//! app: yes                       or `no`, or `is NAME` where the envelope says it by being itself
//! source: yes                    or `no`
//! level: stamp                   the collector's; `own` the line's; `none`
//! time: yes                      or `seconds` where no more is written, or `no`
//!
//! {"applicationName":"default","subsystemName":"{app}","severity":{level:coralogix},…,"text":"{message}"}
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fingerpost::engine::explain::Explanation;
use fingerpost::engine::{Engine, Settings, Writer};
use fingerpost::moment::{Resolve, Resolved};
use fingerpost::pack::{builtin, parse};
use serde_json::Value as Json;

/// 2024-03-05T09:19:24.123Z
const AT_MS: i64 = 1_709_630_364_123;
const SAYS: &str = "KEY_DELETED_ERR: Key has already been deleted.";

/// One template.
struct Template {
    name: String,
    layers: Vec<String>,
    app: String,
    source: bool,
    level: String,
    time: String,
    text: String,
}

/// What is put into it.
#[derive(Clone, Copy)]
struct Filling<'f> {
    app: &'f str,
    level: &'f str,
    says: &'f str,
}

fn templates() -> Vec<Template> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/envelopes");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Template> {
    let text = fs::read_to_string(file).unwrap();
    let (head, lines) = text.split_once("\n\n").unwrap();
    let head: BTreeMap<&str, &str> = head.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let template = |(number, line): (usize, &str)| Template {
        name: format!("{stem}:{}", number + 1),
        layers: head["layers"].split(' ').map(str::to_owned).collect(),
        app: head["app"].to_owned(),
        source: head["source"] == "yes",
        level: head["level"].to_owned(),
        time: head["time"].to_owned(),
        text: line.to_owned(),
    };
    lines.lines().enumerate().map(template).collect()
}

impl Template {
    fn fill(&self, Filling { app, level, says }: Filling<'_>) -> String {
        let escaped = |text: &str| Json::from(text).to_string().trim_matches('"').to_owned();
        // Not by `trim_matches`, which would take a quote of the text's own end with it.
        let inside = |text: &str| {
            let quoted = Json::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        let bytes = || says.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        let mut text = self.text.replace("{app}", &escaped(app)).replace("{source}", "pod-7f9c");
        for (name, value) in times() {
            text = text.replace(&format!("{{time:{name}}}"), &value);
        }
        for (name, values) in LEVELS {
            let at = WORDS.iter().position(|word| *word == level).unwrap();
            text = text.replace(&format!("{{level:{name}}}"), values[at]);
        }
        let text = text.replace("{message2}", &inside(&inside(says))).replace("{message}", &inside(says));
        text.replace("{bytes}", &bytes()).replace("{line}", says)
    }

    /// Whether a message can stand in it: some have it bare between quotes.
    fn takes(&self, says: &str) -> bool {
        !(self.text.contains("\"{line}\"") && says.contains(['"', '\\']))
    }
}

fn times() -> [(&'static str, String); 13] {
    let text = |text: &str| text.to_owned();
    [
        ("rfc3339", text("2024-03-05T09:19:24.123Z")),
        ("rfc3339nano", text("2024-03-05T09:19:24.123000000Z")),
        ("ms", AT_MS.to_string()),
        ("us", format!("{AT_MS}000")),
        ("ns", format!("{AT_MS}000000")),
        ("s", text("1709630364.123")),
        ("sec", text("1709630364")),
        ("klog", text("0305 09:19:24.123000")),
        ("syslog", text("Mar  5 09:19:24")),
        ("slashes", text("2024/03/05 09:19:24")),
        ("log4j", text("2024-03-05 09:19:24,123")),
        ("python", text("2024-03-05 09:19:24,123")),
        ("pg", text("2024-03-05 09:19:24.123 UTC")),
    ]
}

const WORDS: [&str; 3] = ["info", "warn", "error"];
const LEVELS: [(&str, [&str; 3]); 15] = [
    ("word", ["info", "warn", "error"]),
    ("WORD", ["INFO", "WARN", "ERROR"]),
    ("Word", ["Information", "Warning", "Error"]),
    ("coralogix", ["3", "4", "5"]),
    ("otel", ["9", "13", "17"]),
    ("google", ["200", "400", "500"]),
    ("syslog", ["6", "4", "3"]),
    ("syslogword", ["info", "warning", "err"]),
    ("priority", ["30", "28", "27"]),
    ("pino", ["30", "40", "50"]),
    ("logback", ["20000", "30000", "40000"]),
    ("letter", ["I", "W", "E"]),
    ("mongo", ["I", "W", "E"]),
    ("pg", ["INFO", "WARNING", "ERROR"]),
    ("jul", ["INFO", "WARNING", "SEVERE"]),
];

fn engine() -> Engine {
    Engine::new(parse(&builtin()).0.expect("packs"), Settings::default()).expect("builds")
}

fn rules(engine: &Engine, line: &str) -> BTreeSet<String> {
    let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
    let rules = outcome.verdict.map(|verdict| verdict.rules).unwrap_or_default();
    rules.into_iter().map(|rule| engine.reported()[rule].id.clone()).collect()
}

#[test]
fn each_envelope_is_read_as_its_authors_mean_it() {
    let engine = engine();
    let mut wrong = Vec::new();
    for template in templates() {
        for level in WORDS {
            let line = template.fill(Filling { app: "billing", level, says: SAYS });
            let told = engine.explain(line.as_bytes(), Writer::default(), &mut engine.memory());
            let complaints = differences(&template, level, &told);
            if !complaints.is_empty() {
                wrong.push(format!("{} at {level}: {}\n    {line}", template.name, complaints.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are read otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

fn differences(template: &Template, level: &str, told: &Explanation<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut see = |what: &str, is: Option<String>, wanted: Option<&str>| {
        if is.as_deref() != wanted {
            wrong.push(format!("{what} is {is:?} and not {wanted:?}"));
        }
    };
    let app = match template.app.as_str() {
        "yes" => Some("billing"),
        other => other.strip_prefix("is "),
    };
    see("layers", Some(told.layers.join(" ")), Some(&template.layers.join(" ")));
    see("app", told.app.as_ref().map(|named| named.name.clone()), app);
    see(
        "level",
        told.level_means.map(|level| level.word().to_lowercase()),
        Some(level).filter(|_| template.level != "none"),
    );
    see("message", told.message.as_ref().map(|text| text.trim_end().trim_end_matches('"').to_owned()), Some(SAYS));
    if template.source {
        see("source", told.source.as_ref().map(|named| named.name.clone()), Some("pod-7f9c"));
    }
    let is_stamp = told.level_means.is_some() && told.level_is_stamp;
    see("stamp", Some(is_stamp.to_string()), Some(&(template.level == "stamp").to_string()));
    let at = told.time.as_ref().and_then(|named| instant(&named.name));
    let wanted = match template.time.as_str() {
        "yes" => Some(AT_MS),
        "seconds" => Some(AT_MS / 1000 * 1000),
        _ => None,
    };
    see("time", at.map(|at| at.to_string()), wanted.map(|at| at.to_string()).as_deref());
    wrong
}

/// Every example of the shipped packs of which only app, level and message are said, in every envelope that can say these.
#[test]
fn every_shipped_example_means_the_same_in_every_envelope() {
    let engine = engine();
    let templates = templates();
    let examples = engine.packs().rules.iter().flat_map(|rule| rule.reports()).map(|(_, examples)| examples);
    let lines: BTreeSet<&String> = examples
        .flat_map(|it| it.yes.iter().chain(&it.no))
        .filter(|it| it.lines.len() == 1)
        .flat_map(|it| &it.lines)
        .collect();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for line in lines {
        let wanted = rules(&engine, line);
        for template in &templates {
            for filled in filled(template, line) {
                tried += 1;
                let is = rules(&engine, &filled);
                if is != wanted {
                    wrong.push(format!("{}: {is:?} and not {wanted:?}\n    {filled}", template.name));
                }
            }
        }
    }
    assert!(tried > 5_000, "only {tried} were tried");
    assert!(wrong.is_empty(), "{} of {tried} come out otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// A line in a template: whole, as the line inside; and taken apart, with app and level said by the envelope.
fn filled(template: &Template, line: &str) -> Vec<String> {
    let members: BTreeMap<String, Json> = serde_json::from_str(line).unwrap_or_default();
    let text = |name: &str| members.get(name).and_then(Json::as_str);
    let (app, level) = (text("app"), text("level"));
    let says_app = template.app == "yes";
    let says_level = template.level != "none";
    let mut filled = Vec::new();
    // Whole: what the line says itself counts, so where it says nothing the envelope must not either.
    // The message of a logger's line is no line.
    let is_head = ["head", "klog", "nginx-error", "logfmt", "postgres"].contains(&template.layers[0].as_str());
    if !is_head && (app.is_some() || template.app == "no") && (level.is_some() || !says_level) && template.takes(line) {
        filled.push(template.fill(Filling { app: "another", level: "info", says: line }));
    }
    let is_simple = members.keys().all(|name| ["app", "level", "msg"].contains(&name.as_str()));
    let (Some(says), true) = (text("msg"), is_simple) else { return filled };
    let level_fits = match level {
        Some("error") => template.level != "none",
        Some("info") => template.level == "own",
        Some(_) => false,
        None => template.level == "none",
    };
    if app.is_some() == says_app && !template.app.starts_with("is ") && level_fits && template.takes(says) {
        filled.push(template.fill(Filling { app: app.unwrap_or_default(), level: level.unwrap_or("info"), says }));
    }
    filled
}

/// The time as milliseconds since 1970.
fn instant(written: &str) -> Option<i64> {
    let by = Resolve { reference_ms: Some(AT_MS), zone: None };
    match fingerpost::moment::read(written)?.resolve(by) {
        Resolved::At(at) => Some(at),
        Resolved::UnknownZone | Resolved::NoYear => None,
    }
}

/// What people read of the table is made of it: `SNAPSHOTS=overwrite` writes it anew.
#[test]
fn the_page_of_envelopes_is_true() {
    let cell = |places: &[String]| match places {
        [] => "–".to_owned(),
        places => places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", "),
    };
    let texts = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
    let row = |known: &fingerpost::engine::Envelope| {
        let (app, source, level) = (cell(&known.app), cell(&known.source), cell(&known.level));
        let (time, says) = (cell(&texts(&known.time)), cell(&texts(&known.says)));
        format!("| {} (`{}`) | {app} | {source} | {level} | {time} | {says} |\n", known.name, known.id)
    };
    let rows: String = fingerpost::engine::envelopes().iter().map(row).collect();
    let page = format!(
        "{}| envelope | app | source | level | time | message, or the line inside |\n|---|---|---|---|---|---|\n{rows}{}",
        include_str!("envelopes/before.md"),
        include_str!("envelopes/behind.md"),
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/envelopes.md");
    if std::env::var_os("SNAPSHOTS").is_some_and(|how| how == "overwrite") {
        fs::write(&file, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), page, "SNAPSHOTS=overwrite writes it anew");
    let cases: BTreeSet<String> = templates().iter().flat_map(|template| template.layers.clone()).collect();
    for known in fingerpost::engine::envelopes() {
        assert!(cases.contains(known.id), "tests/envelopes has no case of {}", known.id);
    }
}
