//! Alerts carry their own proof: sequences of lines on a virtual clock, each of which must fire, resolve or stay silent as
//! it says. They go the way that lines go: through the engine, the counting and the windows.
//!
//! A line happens when its step says, whatever time stands in it, and is read then or so much later as `+6m` says. Lines up to
//! two hours late count, as they do by default: what is held against the sequence is what is told in the end.

use std::sync::Arc;

use super::{Alerts, Bookmark, Change, Clock, Final, Limits, Match, Place, Record, Settings, Watermark, Windows};
use crate::diagnostic::{Diagnostic, Source};
use crate::engine::Engine;
use crate::engine::examples::Proof;
use crate::pack::{Moment, Sequence};

/// Runs every sequence of the packs, with the whole pack set loaded. A pack set with failures must not be used.
#[must_use]
pub fn prove(engine: &Engine) -> Proof {
    let mut proof = Proof::default();
    let packs = engine.packs();
    for sequence in &packs.sequences {
        proof.run += 1;
        let source = &packs.packs[sequence.pack].source;
        proof.failures.extend(failures(sequence, &run(engine, sequence), source));
    }
    proof
}

/// What a sequence makes its alert do: each time that it was over, in the order of time, when all is over.
#[must_use]
pub fn run(engine: &Engine, sequence: &Sequence) -> Vec<Change> {
    let settings = Settings { cie: sequence.cie, ..Settings::default() };
    let alerts = Arc::new(Alerts::new(engine, settings));
    let id = &engine.packs().alerts[sequence.alert].id;
    let mut windows = Windows::new(Arc::clone(&alerts), Limits::default(), Bookmark::start(0));
    let mut told = Final::default();
    let mut offset = 0;
    let mut read = |record: Record| {
        windows.read(offset, &record).into_iter().for_each(|change| told.take(change));
        offset += 1;
    };
    matches(engine, &alerts, sequence)
        .into_iter()
        .filter(|found| found.alert == *id)
        .for_each(|found| read(Record::Match(found)));
    // Much later nothing can change any more.
    read(Record::Watermark(Watermark {
        topic: TOPIC.into(),
        partition: 0,
        offset: 0,
        clock: i64::MAX,
        inputs: vec![(TOPIC.into(), 1)],
    }));
    told.over()
}

const TOPIC: &str = "test";

fn matches(engine: &Engine, alerts: &Alerts, sequence: &Sequence) -> Vec<Match> {
    let mut memory = engine.memory();
    memory.count_for_alerts();
    let mut clock = Clock::default();
    let mut found = Vec::new();
    let steps = sequence.steps.iter().flat_map(|step| std::iter::repeat_n(step, step.times as usize));
    for (offset, step) in (0..).zip(steps) {
        let at = sequence.start_ms + step.at_ms;
        let timestamp = at + step.read_after_ms;
        clock.see(timestamp);
        let outcome = engine.classify(step.line.as_bytes(), Some(TOPIC), &mut memory);
        let place = Place { topic: TOPIC.into(), partition: 0, offset };
        for mut line in outcome.countable {
            line.time = Some(at.to_string());
            found.extend(alerts.count(&line, &place, timestamp, clock).matches);
        }
    }
    found
}

const WINDOW: &str = "a window is `(t - window, t]`: a line counts from its time on, and not any more a window later";
const WORDS: &str =
    "labels and annotations are made from the line that fired; one whose values that line lacks is absent";

fn failures(sequence: &Sequence, over: &[Change], source: &Arc<Source>) -> Vec<Diagnostic> {
    let mut failures = Vec::new();
    let fired: Vec<i64> = over.iter().map(|change| change.starts_at - sequence.start_ms).collect();
    let resolved: Vec<i64> = over.iter().filter_map(|change| change.ends_at).map(|at| at - sequence.start_ms).collect();
    let wrong =
        |wanted: &[Moment], happened: &[i64]| wanted.iter().map(|moment| moment.at_ms).ne(happened.iter().copied());
    let mut say = |span: std::ops::Range<usize>, label: String, help: &str| {
        let message = format!("`{}` does not hold", sequence.name);
        failures.push(Diagnostic::error("P038", message).at(source, span, label).help(help));
    };
    let place = |wanted: &[Moment]| wanted.first().map_or(sequence.span.clone(), |moment| moment.span.clone());
    if wrong(&sequence.fires, &fired) {
        say(place(&sequence.fires), moments("fires", &fired), WINDOW);
        return failures;
    }
    if let Some(resolves) = sequence.resolves.as_ref().filter(|resolves| wrong(resolves, &resolved)) {
        say(place(resolves), moments("resolves", &resolved), WINDOW);
    }
    for (moment, change) in sequence.fires.iter().chain(sequence.resolves.iter().flatten()).zip(over.iter().chain(over))
    {
        for (kind, wanted, there) in
            [("label", &moment.labels, &change.labels), ("annotation", &moment.annotations, &change.annotations)]
        {
            for (name, value) in wanted {
                match there.iter().find(|(known, _)| known == name) {
                    Some((_, is)) if is == value => {}
                    Some((_, is)) => say(moment.span.clone(), format!("the {kind} `{name}` is `{is}`"), WORDS),
                    None => say(moment.span.clone(), format!("there is no {kind} `{name}`"), WORDS),
                }
            }
        }
    }
    failures
}

fn moments(what: &str, times: &[i64]) -> String {
    if times.is_empty() {
        return format!("it never {what}");
    }
    let time = |at: &i64| format!("at {:#}", jiff::SignedDuration::from_millis(*at));
    format!("it {what} {}", times.iter().map(time).collect::<Vec<_>>().join(", "))
}
