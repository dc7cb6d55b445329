//! `schema`: what the schemas allow is what the parsers take, and what is written; `completions`: scripts that name the
//! verbs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fingerpost::cli::packs;
use fingerpost::config;
use fingerpost::diagnostic::Source;
use fingerpost::document;
use fingerpost::engine::{Detail, Settings};
use fingerpost::flow::PacksFrom;
use fingerpost::pack::{builtin, parse, read, schema};
use jsonschema::Validator;
use serde_json::Value;
use toml::de::DeTable;

use super::packs::directories;
use crate::program;

fn validator(schema: &Value) -> Validator {
    assert!(jsonschema::meta::is_valid(schema), "not a schema");
    jsonschema::draft202012::new(schema).unwrap()
}

fn toml(text: &str) -> Value {
    document::json(DeTable::parse(text).unwrap().get_ref())
}

fn valid(validator: &Validator, instance: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

fn file(directory: &str, name: &str) -> String {
    fs::read_to_string(Path::new(directory).join(name)).unwrap()
}

#[test]
fn every_pack_that_loads_fits_the_schema() {
    let validator = validator(&schema::pack());
    for pack in builtin() {
        valid(&validator, &toml(&pack.text), &pack.name);
    }
    for case in directories("tests/cases/lints") {
        for name in ["fails", "passes"] {
            let text = fs::read_to_string(case.join(name).join("storage.toml")).unwrap();
            valid(&validator, &toml(&text), &case.display().to_string());
        }
    }
    for broken in ["unknown-key", "key-in-the-wrong-table", "wrong-types", "captures-and-facts", "waivers"] {
        let text = file(&format!("tests/cases/packs/{broken}"), "storage.toml");
        assert!(!validator.is_valid(&toml(&text)), "{broken} fits");
    }
}

/// The keys that the parser knows in a table: it lists them when it meets one that is like none of them.
fn known(table: &str) -> BTreeSet<String> {
    let source = Source { name: "a.toml".into(), text: table.replace('@', "qqqqqq = 1") };
    let (_, problems) = read(&[Arc::new(source)]);
    let stray =
        problems.iter().find(|problem| problem.message.contains("`qqqqqq`")).unwrap_or_else(|| panic!("{table}"));
    let help = stray.help.as_deref().unwrap();
    help.strip_prefix("known here: ").unwrap_or_else(|| panic!("{help}")).split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schema_has_the_keys_that_the_parser_has() {
    let schema = schema::pack();
    let item = |table: &Value| table["anyOf"][1]["properties"].clone();
    let root = &schema["properties"];
    let (rule, context) = (item(&root["rule"]), item(&root["context"]));
    let tables = [
        ("@", root.clone()),
        ("[pack]\n@", root["pack"]["properties"].clone()),
        ("[[context]]\n@", context),
        ("[[facts]]\n@", item(&root["facts"])),
        ("[[rule]]\n@", rule.clone()),
        ("[[rule]]\n[[rule.case]]\n@", item(&rule["case"])),
        ("[[rule]]\n[[rule.get]]\n@", item(&rule["get"])),
        ("[[rule]]\n[rule.lookup]\n@", rule["lookup"]["properties"].clone()),
        ("[[rule]]\n[[rule.waive]]\n@", item(&rule["waive"])),
        ("[[rule]]\n[[rule.not_in_runbook]]\n@", item(&rule["not_in_runbook"])),
    ];
    for (table, properties) in tables {
        let described: BTreeSet<String> =
            properties.as_object().unwrap_or_else(|| panic!("{table}")).keys().cloned().collect();
        assert_eq!(described, known(table), "{table}");
    }
    let conditions = rule["all"]["anyOf"][1]["anyOf"].as_array().unwrap();
    let described: BTreeSet<String> =
        conditions.iter().filter_map(|it| it["properties"].as_object()).flat_map(|it| it.keys().cloned()).collect();
    assert_eq!(described, known("[[rule]]\n[[rule.all]]\n@"), "a condition");
}

#[test]
fn the_configurations_fit_the_schema_and_so_does_every_default() {
    let schema = config::schema::config();
    let validator = validator(&schema);
    for name in ["fingerpost.example.toml", "event-streams.example.toml", "compose.toml"] {
        valid(&validator, &toml(&file("deploy", name)), name);
    }
    let mut defaults = serde_json::Map::new();
    for (section, table) in schema["properties"].as_object().unwrap() {
        let keys = table["properties"].as_object().unwrap().iter();
        let with_default = keys.filter_map(|(key, it)| Some((key.clone(), it.get("default")?.clone())));
        defaults.insert(section.clone(), with_default.collect());
    }
    let known = config::keys::KEYS
        .iter()
        .filter(|key| schema["properties"][key.section()]["properties"].get(key.leaf()).is_some());
    assert_eq!(known.count(), config::keys::KEYS.len());
    assert!(defaults["limits"].as_object().unwrap().len() >= 6, "{defaults:?}");
    valid(&validator, &Value::Object(defaults), "the defaults");
    for wrong in ["[kafak]\na = 1", "[kafka]\ngroup = 'a'", "[delivery]\nworkers = 1000", "[output]\nlines = 'some'"] {
        assert!(!validator.is_valid(&toml(wrong)), "{wrong} fits");
    }
}

#[test]
fn what_is_added_to_lines_fits_the_schema() {
    let engine = packs::load(&PacksFrom::Builtin, Settings::default()).unwrap().engine;
    let validator = validator(&schema::output(engine.packs()));
    let (mut rng, mut memory) = (fastrand::Rng::with_seed(11), engine.memory());
    let mut seen = BTreeSet::new();
    for _ in 0..8_000 {
        let (line, source) = super::lines::line(&mut rng);
        let outcome = engine.classify(&line, source.as_deref(), &mut memory);
        for detail in [Detail::Full, Detail::Short] {
            let Some(added) = outcome.added(detail) else { continue };
            let added: Value = serde_json::from_str(&added).unwrap();
            valid(&validator, &added, &added.to_string());
            seen.insert(added["rule"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen.len(), engine.reported().len(), "every rule has been seen");
    for wrong in [
        r#"{"v":1}"#,
        r#"{"v":2,"rule":"kms.key-deleted","rules":["kms.key-deleted"],"severity":"critical","severity_number":18,"pack":"a@00000000"}"#,
    ] {
        assert!(!validator.is_valid(&serde_json::from_str(wrong).unwrap()), "{wrong} fits");
    }
}

fn fingerpost(arguments: &[&str]) -> (i32, String) {
    let output = program::fingerpost().args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_verb_prints_the_schemas() {
    let shipped = parse(&builtin()).0.unwrap();
    for (what, expected) in
        [("pack", schema::pack()), ("config", config::schema::config()), ("output", schema::output(&shipped))]
    {
        let (code, out) = fingerpost(&["schema", what]);
        assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (0, expected), "{what}");
    }
    let (code, out) = fingerpost(&["schema", "output", "--packs", "tests/cases/lints/L08/passes"]);
    assert!(code == 0 && out.contains("\"disk.full\"") && !out.contains("kms."), "{out}");
    assert_eq!(fingerpost(&["schema", "output", "--packs", "tests/cases/packs/syntax"]).0, 78);
}

#[test]
fn shells_learn_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script) = fingerpost(&["completions", shell]);
        assert_eq!(code, 0, "{shell}");
        for word in ["classify", "check", "dead-letter", "completions", "explain", "builtin", "junit"] {
            // PowerShell and elvish complete no values.
            let only_words = word != "junit" || ["bash", "zsh", "fish"].contains(&shell);
            assert!(!only_words || script.contains(word), "{shell} knows no {word}");
        }
    }
    // The script is one that the shell reads, where there is the shell.
    let (_, script) = fingerpost(&["completions", "bash"]);
    let path = std::env::temp_dir().join(format!("fingerpost-completions-{}.bash", std::process::id()));
    fs::write(&path, script).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&path).status();
    fs::remove_file(&path).unwrap();
    assert!(checked.is_ok_and(|status| status.success()), "bash does not read it");
}
