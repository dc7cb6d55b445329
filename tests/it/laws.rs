//! Laws of the engine over generated phrases and generated lines: what it finds is what a naive search over the strings
//! finds that were put in, however they were escaped; and taking out what it added gives the input back.

use std::sync::Arc;

use fingerpost::diagnostic::Source;
use fingerpost::engine::{Detail, Engine, Settings};
use fingerpost::pack;
use proptest::prelude::*;
use serde_json::Value;

/// A pack with one rule for each phrase; rule `p.0` is for the first.
fn engine(phrases: &[String]) -> Engine {
    let mut text = String::from("[sections]\ns = \"S\"\n");
    for (index, phrase) in phrases.iter().enumerate() {
        // The escapes of a JSON string are escapes of a TOML string.
        let phrase = Value::from(phrase.as_str());
        text += &format!(
            "[[rule]]\nid = \"p.{index}\"\ntitle = \"t\"\nsection = \"s\"\nseverity = \"info\"\nany = [{phrase}]\n"
        );
    }
    let source = Source { name: "p.toml".into(), text };
    let (packs, problems) = pack::parse(&[Arc::new(source)]);
    let packs = packs.unwrap_or_else(|| panic!("{}", fingerpost::diagnostic::draw(&problems, false)));
    Engine::new(packs, Settings::default()).unwrap()
}

fn found(engine: &Engine, line: &[u8]) -> Vec<usize> {
    let outcome = engine.classify(line, None, &mut engine.memory());
    let rules = outcome.verdict.map(|verdict| verdict.rules).unwrap_or_default();
    let mut found: Vec<usize> =
        rules.into_iter().map(|rule| engine.reported()[rule].id[2..].parse().unwrap()).collect();
    found.sort_unstable();
    found
}

fn naive(phrases: &[String], texts: &[String]) -> Vec<usize> {
    let holds =
        |phrase: &String| texts.iter().any(|text| text.to_ascii_lowercase().contains(&phrase.to_ascii_lowercase()));
    (0..phrases.len()).filter(|index| holds(&phrases[*index])).collect()
}

/// A JSON string, each character escaped in a way that `styles` picks.
fn encode(text: &str, styles: &[u8]) -> String {
    let mut out = String::from("\"");
    for (index, c) in text.chars().enumerate() {
        let style = styles[index % styles.len()];
        let mut units = [0; 2];
        let escaped: String = c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect();
        match (c, style % 6) {
            (_, 0) => out += &escaped,
            (_, 1) => out += &escaped.to_uppercase().replace("\\U", "\\u"),
            ('"' | '\\', _) => out.extend(['\\', c]),
            ('/', 2) => out += "\\/",
            ('<' | '>' | '&' | '\'' | '=', 3) => out += &escaped,
            (c, _) if c < ' ' => out += &escaped,
            (c, 4) if !c.is_ascii() => out += &escaped,
            (c, _) => out.push(c),
        }
    }
    out + "\""
}

/// An object of these texts, JSON inside a string `levels` times over.
fn line(texts: &[String], styles: &[u8], levels: usize) -> String {
    let mut members: Vec<String> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let value = encode(text, styles);
        members.push(match index % 3 {
            0 => format!("\"m{index}\" : {value}"),
            1 => format!("\"m{index}\":[null, {value},1e400]"),
            _ => format!("\"m{index}\":{{\"x\":{{\"y\":{value}}}}}"),
        });
    }
    let object = format!("{{{}}}", members.join(","));
    (0..levels).fold(object, |inner, _| format!("{{\"log\":{}}}", encode(&inner, styles)))
}

/// The phrases are built from few characters, so that they overlap, contain each other and nearly occur.
fn phrase() -> impl Strategy<Value = String> {
    ("[ab]{3}", "[abAB \"/\\\\<'é]{0,6}").prop_map(|(atom, rest)| format!("{rest}{atom}"))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[abAB \"/\\\\<'é\n]{0,24}", "[a-z ]{0,40}", "[ -~]{0,20}"]
}

/// A text that is itself JSON would be opened; that is another test's matter.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn finds_what_a_naive_search_finds(
        phrases in prop::collection::vec(phrase(), 1..8),
        mut texts in prop::collection::vec(text(), 1..6),
        planted in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..3),
        styles in prop::collection::vec(any::<u8>(), 1..9),
        levels in 0usize..3,
    ) {
        for (text, phrase, upper) in planted {
            let phrase = phrase.get(&phrases);
            let phrase = if upper { phrase.to_ascii_uppercase() } else { phrase.clone() };
            let text = text.index(texts.len());
            texts[text] += &phrase;
        }
        texts.retain(|text| !is_json(text));
        let engine = engine(&phrases);
        let line = line(&texts, &styles, levels);
        prop_assert_eq!(found(&engine, line.as_bytes()), naive(&phrases, &texts), "{}", line);
    }

    #[test]
    fn taking_the_member_out_gives_the_input_back(
        texts in prop::collection::vec(text(), 0..4),
        styles in prop::collection::vec(any::<u8>(), 1..9),
        space in "[ \t\r]{0,3}",
        behind in "[ \t\r]{0,3}",
    ) {
        let engine = engine(&["needle".to_owned()]);
        let object = line(&texts, &styles, 0);
        let open = if texts.is_empty() { "{\"m\":\"needle\"".to_owned() } else { format!("{},\"m\":\"needle\"", &object[..object.len() - 1]) };
        let line = format!("{open}{space}}}{behind}");
        let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
        let tagged = String::from_utf8(outcome.value(line.as_bytes(), Detail::Full).into_owned()).unwrap();
        let added = format!(",\"fingerpost\":{}", outcome.added(Detail::Full).unwrap());
        prop_assert_eq!(tagged.matches(&added).count(), 1);
        prop_assert_eq!(tagged.replace(&added, ""), line.clone());
        let end = format!("{added}}}{behind}");
        prop_assert!(tagged.ends_with(&end), "{}", tagged);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&tagged).is_ok());
        // Another pass takes the old member out and puts the same one in.
        let again = engine.classify(tagged.as_bytes(), None, &mut engine.memory());
        prop_assert_eq!(again.value(tagged.as_bytes(), Detail::Full).into_owned(), tagged.clone().into_bytes());
        prop_assert_eq!(again.value(tagged.as_bytes(), Detail::None).into_owned(), line.into_bytes());
    }

    #[test]
    fn no_bytes_make_it_panic_or_lie(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let engine = engine(&["needle".to_owned()]);
        let line = [b"{\"m\":\"needle\",\"x\":\"".as_slice(), &bytes, b"\"}"].concat();
        let outcome = engine.classify(&line, None, &mut engine.memory());
        prop_assert!(outcome.verdict.is_some());
        if !outcome.is_object {
            prop_assert_eq!(outcome.value(&line, Detail::Full).into_owned(), line);
        }
    }
}
