//! The topics: names that Kafka takes, patterns that compile, and no line that comes round again.

use regex::Regex;

use super::codes;
use super::layers::Origin;
use super::resolve::Resolver;
use super::value::Item;
use crate::diagnostic::Diagnostic;
use crate::flow::LinePlace;

/// The input topics and patterns.
pub(super) fn input(resolver: &mut Resolver<'_>) -> Vec<String> {
    resolver.demand("input.topics");
    let Some(given) = resolver.given("input.topics") else { return Vec::new() };
    let origin = given.origin.clone();
    let items = resolver.items("input.topics");
    if items.is_empty() {
        let problem = origin
            .error(codes::BAD_TOPIC, "`input.topics` is an empty list", "empty")
            .help("name at least one topic to read");
        resolver.problems.push(problem);
    }
    resolver.problems.extend(items.iter().filter_map(|item| complain("input.topics", item, &origin)));
    items.into_iter().map(|item| item.text).collect()
}

/// The lines that are not judged.
pub(super) fn unjudged(resolver: &mut Resolver<'_>) -> Vec<LinePlace> {
    const KEY: &str = "input.unjudged";
    let Some(origin) = resolver.given(KEY).map(|given| given.origin.clone()) else { return Vec::new() };
    let mut places = Vec::new();
    for item in resolver.items(KEY) {
        match item.text.parse::<LinePlace>() {
            Ok(place) => places.push(place),
            Err(()) => {
                let message = format!("`{KEY}` has `{}`, and must name a topic, a partition and an offset", item.text);
                let problem =
                    origin.locate(Diagnostic::error(codes::BAD_VALUE, message), "no place of a line", item.span);
                resolver.problems.push(problem.help("as in \"app-logs:3:120734\""));
            }
        }
    }
    places
}

/// The output topic.
pub(super) fn output(resolver: &mut Resolver<'_>) -> String {
    resolver.demand("output.topic");
    written(resolver, "output.topic").unwrap_or_default()
}

/// A topic that we write, when it is named.
pub(super) fn written(resolver: &mut Resolver<'_>, key: &str) -> Option<String> {
    let (topic, origin) = resolver.text(key)?;
    let problem = name_problem(topic).map(|why| {
        origin.error(codes::BAD_TOPIC, format!("`{key}` is `{topic}`: {why}"), "not a topic name").help(NAME_HELP)
    });
    let topic = topic.to_owned();
    resolver.problems.extend(problem);
    Some(topic)
}

/// The topics that we write, and what an example of a name for each looks like.
const WRITTEN: [(&str, &str); 5] = [
    ("output.topic", "logs.enriched"),
    ("state.topic", "fingerpost.state"),
    ("dead_letter.topic", "fingerpost.dead-letter"),
    ("matches.topic", "fingerpost.matches"),
    ("alerts.topic", "fingerpost.alerts"),
];

/// What is written must not be read: the line would come round for ever. A pattern leaves our topics out by itself. And
/// each kind of record has a topic of its own.
pub(super) fn check_against_each_other(resolver: &mut Resolver<'_>) {
    for (index, (key, example)) in WRITTEN.iter().enumerate() {
        check_against_inputs(resolver, key, example);
        for (other, _) in &WRITTEN[..index] {
            check_distinct(resolver, key, other, example);
        }
    }
}

fn check_distinct(resolver: &mut Resolver<'_>, key: &str, other: &str, example: &str) {
    let (Some((topic, origin)), Some((same, first))) = (resolver.text(key), resolver.text(other)) else { return };
    if topic != same {
        return;
    }
    let message = format!("`{topic}` is both `{other}` and `{key}`: each needs a topic of its own");
    let problem = also(origin.error(codes::LOOP, message, "written here"), first, "and here");
    resolver.problems.push(problem.help(format!("write to a topic of its own, as in \"{example}\"")));
}

fn check_against_inputs(resolver: &mut Resolver<'_>, key: &str, example: &str) {
    let Some((output, written)) = resolver.text(key) else { return };
    let Some(given) = resolver.given("input.topics") else { return };
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    for item in resolver.items("input.topics") {
        if item.text == output {
            let message =
                format!("`{output}` is both in `input.topics` and `{key}`: every line would come round for ever");
            let diagnostic =
                given.origin.locate(Diagnostic::error(codes::LOOP, message), "read here", item.span.clone());
            problems.push(
                also(diagnostic, written, "written here")
                    .help(format!("write to a topic of its own, as in \"{example}\"")),
            );
        } else if Regex::new(&item.text).is_ok_and(|pattern| item.text.starts_with('^') && pattern.is_match(output)) {
            let what = if key == "output.topic" { "output topic" } else { "topic" };
            notes.push(format!("the pattern `{}` fits the {what} `{output}` too; it is left out", item.text));
        }
    }
    resolver.problems.extend(problems);
    resolver.notes.extend(notes);
}

/// A second spot, when it is in a file.
pub(super) fn also(diagnostic: Diagnostic, origin: &Origin, label: &str) -> Diagnostic {
    match origin {
        Origin::File(source, _, value) if diagnostic.place.is_some() => diagnostic.and_at(source, value.clone(), label),
        _ => diagnostic,
    }
}

const NAME_HELP: &str = "topic names have up to 249 of the characters a-z A-Z 0-9 . _ -";

fn complain(key: &str, item: &Item, origin: &Origin) -> Option<Diagnostic> {
    let topic = &item.text;
    let (why, help) = if topic.starts_with('^') {
        (Regex::new(topic).err().map(|error| first_reason(&error))?, "mend the regular expression")
    } else if topic.contains(['*', '\\', '[', '(', '|', '$', '+']) {
        let why = "this looks like a regular expression, and those start with ^";
        (why.to_owned(), "write it as in \"^app-logs\\\\..*\"; without the ^ it would be the name of one topic")
    } else {
        (name_problem(topic)?.to_owned(), NAME_HELP)
    };
    let diagnostic = Diagnostic::error(codes::BAD_TOPIC, format!("`{key}` has `{topic}`: {why}"));
    Some(origin.locate(diagnostic, "no topic can be found by this", item.span.clone()).help(help))
}

/// The regex crate draws its complaint over several lines; the last one says what is wrong.
fn first_reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned()
}

fn name_problem(topic: &str) -> Option<&'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match topic {
        "" => Some("it is empty"),
        "." | ".." => Some("Kafka does not allow this name"),
        _ if topic.len() > 249 => Some("it is longer than 249 characters"),
        _ if !topic.chars().all(legal) => Some("it has a character that Kafka does not allow"),
        _ => None,
    }
}
