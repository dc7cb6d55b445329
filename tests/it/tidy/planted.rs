//! The guard is tried: a violation is planted where it once saw nothing, behind the first `#[cfg(test)]` of each file that
//! has one before live code, and in each way in which a name can be written.

use std::fs;

use super::{impurities, names_of_lints, names_of_rooms_above, names_of_the_client, unnamed_unsafe};

type Rule = fn(&str, &str) -> Vec<String>;

/// The text with an item more, between the first `#[cfg(test)]` and the test modules that end the file.
fn planted(path: &str, item: &str) -> (String, String) {
    let text = fs::read_to_string(path).unwrap();
    let behind = text.find("#[cfg(test)]").unwrap_or_else(|| panic!("{path} has no `#[cfg(test)]`"));
    let starts = ["\n\n/// ", "\n\nuse ", "\n\nfn ", "\n\npub"];
    let place = starts.iter().filter_map(|start| text[behind..].find(start)).min();
    let place = behind + place.unwrap_or_else(|| panic!("{path} has nothing behind its first `#[cfg(test)]`"));
    let with = format!("{}\n\n{item}\n{}", &text[..place], &text[place..]);
    (text, with)
}

#[test]
fn a_violation_is_seen_behind_what_is_for_tests() {
    let plants: [(&str, Rule, &str, &str); 5] = [
        ("src/flow.rs", names_of_rooms_above, "use crate::{cli, engine as judge};", "crate::cli"),
        ("src/flow/notify.rs", unnamed_unsafe, "fn planted() { unsafe { nothing() } }", "`unsafe`"),
        (
            "src/flow/record.rs",
            names_of_rooms_above,
            "fn planted() { super::super::http::serve() }",
            "crate::http::serve",
        ),
        (
            "src/flow/verify.rs",
            names_of_lints,
            "fn planted() { info!(\"{}\", crate::pack::lint::all()) }",
            "pack::lint::all",
        ),
        ("src/gaps/grouping.rs", impurities, "use std::{fs, io};", "std::fs"),
    ];
    for (path, rule, item, expected) in plants {
        let (without, with) = planted(path, item);
        assert_eq!(rule(path, &without), Vec::<String>::new(), "{path} as it is");
        let found = rule(path, &with);
        assert!(found.iter().any(|words| words.contains(expected)), "{path} with `{item}`: {found:?}");
    }
}

#[test]
fn a_name_is_seen_however_it_is_written() {
    let ways = [
        "use crate::cli;",
        "use crate::cli as elsewhere;",
        "use crate::{flow, cli::{self, run}};",
        "use crate::*;",
        "use super::super::cli::run;",
        "pub(crate) use self::super::super::cli::run;",
        "fn f() { crate::cli::run() }",
        "fn f(x: &crate::cli::X) {}",
        "fn f<T: crate::cli::X>() {}",
        "fn f() { assert!(x, \"{}\", [crate::cli::y]) }",
        "#[derive(crate::cli::D)] struct S;",
        "#[serde(with = \"crate::cli::y\")] struct S;",
        "struct S(#[serde(deserialize_with = \"crate::cli::y\", default)] u8);",
        "mod inner { use super::super::super::cli; }",
        "mod tests { use crate::cli; }",
        "#[cfg(test)] mod tests { } use crate::cli;",
        "impl crate::cli::X for Y {}",
        "#[cfg(test)] fn f() { crate::cli::run() }",
    ];
    for way in ways {
        let found = names_of_rooms_above("src/http/probes.rs", way);
        assert!(!found.is_empty(), "{way}");
    }
}

#[test]
fn what_is_no_violation_is_let_pass() {
    let ways = [
        "use crate::{flow, engine::Engine};",
        "/// Like [`crate::cli::run`].\nfn f() {}",
        "// crate::cli\nfn f() { println!(\"crate::cli\") }",
        "fn f() { cli::run() }",
        "use super::cli;",
        "#[cfg(test)]\nmod tests { use crate::cli; }",
        "#[cfg(test)]\nmod tests { use crate::cli; }\n#[cfg(test)]\nmod more { use crate::cli; }",
    ];
    for way in ways {
        assert_eq!(names_of_rooms_above("src/http/probes.rs", way), Vec::<String>::new(), "{way}");
    }
    assert_eq!(names_of_rooms_above("src/http.rs", "use super::config;").len(), 1, "a room above, by `super`");
    assert_eq!(names_of_rooms_above("src/diagnostic.rs", "use crate::telemetry::foreign;"), Vec::<String>::new());
    assert_eq!(impurities("src/diagnostic.rs", "use crate::telemetry::foreign;").len(), 1);
    assert_eq!(names_of_rooms_above("src/telemetry.rs", "use crate::document::Document;").len(), 1);
    assert_eq!(names_of_the_client("src/http.rs", "use {rdkafka::error, std::io};").len(), 1);
}
