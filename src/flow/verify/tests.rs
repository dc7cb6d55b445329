//! Honest copies, legally repeated ones, and every kind of fault, on random inputs: no broker, no files.
//!
//! The inputs are small and full of identical lines, since those are what finding lines by their content stumbles over.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::stored::Parts;
use super::*;
use crate::flow::record::{self, Notes};
use crate::flow::unjudged::Beside;
use crate::flow::{Output as Settings, test_engine, test_settings};

static ENGINE: LazyLock<Engine> = LazyLock::new(test_engine);
const LIMIT: usize = 1 << 20;

/// Lines of the input: few different ones, at times the same one several times, and holes between the offsets.
fn inputs() -> impl Strategy<Value = Vec<Stored>> {
    prop::collection::vec((0u8..12, prop::bool::weighted(0.1), prop::bool::weighted(0.5)), 6..60).prop_map(|lines| {
        let mut offset = 0;
        let mut timestamp_ms = 0;
        let line = |(kind, hole, later): (u8, bool, bool)| {
            offset += 1 + i64::from(hole);
            timestamp_ms += i64::from(later);
            Stored { offset, timestamp_ms, ..line(kind) }
        };
        lines.into_iter().map(line).collect()
    })
}

fn line(kind: u8) -> Stored {
    let value: Option<&[u8]> = match kind {
        0 => None,
        1 => Some(b""),
        2 => Some(br#"{"pod":"a","msg":"Service to service authentication will be used"}"#),
        3 => Some(br#"{"pod":"a","msg":"Unwrap WDEK failed","error":"Unauthorized: The user does not have access to the specified resource"}"#),
        4 => Some(br#"{"n":1,"fingerpost":{"v":1,"rule":"stale.tag"}}"#),
        5 => Some(b"plain: error during request to KeyProtect: connection refused"),
        6 | 7 => Some(br#"{"msg":"fine"}"#),
        _ => Some(br#"{"msg" : "also fine"}"#),
    };
    let headers = match kind {
        6 => {
            vec![("a".to_owned(), Some(b"1".to_vec())), ("fingerpost-source".to_owned(), Some(b"forged/0/0".to_vec()))]
        }
        _ => Vec::new(),
    };
    let key = kind.is_multiple_of(3).then(|| vec![b'k', kind]);
    Stored { key, value: value.map(<[u8]>::to_vec), headers: Some(headers), ..Stored::default() }
}

fn output_settings(sourced: bool) -> Settings {
    Settings { source_header_on_all: sourced, ..test_settings().output }
}

/// What the daemon writes for lines that it reads in this order, beginning anew where `fresh` says so.
fn publish(inputs: &[Stored], sourced: bool) -> Vec<Stored> {
    let writer = Writer::new(&output_settings(sourced), LIMIT, 1, 1);
    let mut memory = ENGINE.memory();
    let write = |input: &Stored| {
        let line = input.line("in");
        let judged = record::judge(&ENGINE, &line, &mut memory, Beside::default()).and_then(Result::ok);
        let record = writer.write(&ENGINE, &line, judged.as_ref(), &mut Notes::default()).unwrap();
        let kept = input.kept().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
        let added = record.added.iter().map(|(name, value)| (name.text().to_owned(), Some(value.clone())));
        Stored {
            key: input.key.clone(),
            value: record.value.as_ref().map(|value| value.to_vec()),
            timestamp_ms: input.timestamp_ms.max(1),
            headers: Some(kept.chain(added).collect()),
            ..Stored::default()
        }
    };
    inputs.iter().map(write).collect()
}

struct Check<'a> {
    inputs: &'a [Stored],
    sourced: bool,
    mode: Mode,
    dead: HashMap<i64, DeadLetter>,
    committed: Option<i64>,
    window: usize,
}

impl<'a> Check<'a> {
    fn new(inputs: &'a [Stored], sourced: bool, mode: Mode) -> Self {
        Self { inputs, sourced, mode, dead: HashMap::new(), committed: None, window: 1000 }
    }

    fn end(&self) -> i64 {
        self.inputs.last().map_or(0, |last| last.offset + 1)
    }

    fn run(&self, outputs: &[Stored]) -> (Row, Findings) {
        let settings = output_settings(self.sourced);
        let key: Key = ("in".into(), 0);
        let all = Inputs::from([(key.clone(), 0..self.end())]);
        let writer = Writer::new(&settings, LIMIT, 1, 1);
        let mut expecter = Expecter::new(&ENGINE, &settings, writer, key.0.clone(), true, true);
        let lines = self.inputs.iter().map(move |stored| Ok(expecter.expect(stored)));
        let rules: Vec<String> = ENGINE.reported().iter().map(|reported| reported.id.clone()).collect();
        let terms = Terms {
            mode: self.mode,
            window: self.window,
            aligned: !self.sourced,
            stamped: true,
            output: "out/0".into(),
            rules: rules.into(),
        };
        let lane = Lane::new(key, 0..self.end(), 0..self.end(), self.dead.clone(), lines, terms);
        let arrived = outputs.iter().zip(0..).map(|(stored, offset)| {
            let stored = Stored { offset, ..stored.clone() };
            Ok(Arrived::new(&stored, &ENGINE, settings.place))
        });
        let topic = "out".into();
        let output =
            Output { topic, number: 0, partitions: 1, lanes: vec![lane], inputs: &all, aligned: !self.sourced };
        let mut found = output.judge(arrived).unwrap();
        let mut findings = found.findings;
        let commit = Commit { committed: self.committed, end: self.end(), group: true, drained: false };
        let row = close(found.lanes.remove(0), None, &commit, &mut findings);
        (row, findings)
    }
}

fn kinds(findings: &Findings) -> Vec<Kind> {
    findings.iter().map(|(kind, _)| kind).collect()
}

/// Runs from a line before on, as of a daemon that began again there.
fn repeated(outputs: &[Stored], restarts: &[(Index, Index)]) -> Vec<Stored> {
    let mut cuts: Vec<(usize, usize)> = restarts
        .iter()
        .map(|(at, back)| {
            let at = at.index(outputs.len());
            (at, back.index(at + 1))
        })
        .collect();
    cuts.sort_unstable();
    let (mut out, mut from) = (Vec::new(), 0);
    for (at, back) in cuts {
        out.extend_from_slice(&outputs[from..=at.max(from)]);
        from = back.min(at.max(from) + 1);
    }
    out.extend_from_slice(&outputs[from..]);
    out
}

/// What a record says of itself without saying where it comes from, and so without the tag that says it.
fn face(stored: &Stored) -> Parts {
    Parts::of(stored, &ENGINE, output_settings(false).place)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_honest_copy_is_clean(inputs in inputs(), sourced: bool, exactly: bool) {
        let mode = if exactly { Mode::ExactlyOnce } else { Mode::AtLeastOnce };
        let (row, findings) = Check::new(&inputs, sourced, mode).run(&publish(&inputs, sourced));
        prop_assert!(findings.is_empty(), "{findings:#?}");
        prop_assert_eq!((row.numbers.published, row.numbers.repeats), (inputs.len() as u64, 0));
    }

    #[test]
    fn runs_of_repeats_are_clean_at_least_once_and_never_exactly_once(
        inputs in inputs(), sourced: bool, restarts in prop::collection::vec(any::<(Index, Index)>(), 1..4)
    ) {
        let outputs = repeated(&publish(&inputs, sourced), &restarts);
        let more = (outputs.len() - inputs.len()) as u64;
        let (row, findings) = Check::new(&inputs, sourced, Mode::AtLeastOnce).run(&outputs);
        prop_assert!(findings.is_empty(), "{findings:#?}");
        prop_assert_eq!(row.numbers.repeats, more);
        let (_, findings) = Check::new(&inputs, sourced, Mode::ExactlyOnce).run(&outputs);
        prop_assert_eq!(findings.is_empty(), more == 0);
        if sourced {
            prop_assert_eq!(findings.count(Kind::Repeated), more);
        }
    }

    /// A daemon that was thought dead goes on for a while beside its successor.
    #[test]
    fn overlapping_runs_are_clean_at_least_once(
        inputs in inputs(), sourced: bool, at: Index, back: Index, mix in prop::collection::vec(any::<bool>(), 0..40)
    ) {
        let outputs = publish(&inputs, sourced);
        let (at, last) = (at.index(outputs.len()), outputs.len());
        let (mut old, mut new) = (at, back.index(at + 1));
        let mut mixed = outputs[..at].to_vec();
        for first in mix {
            let next = if first { &mut old } else { &mut new };
            if *next < last {
                mixed.push(outputs[*next].clone());
                *next += 1;
            }
        }
        mixed.extend_from_slice(&outputs[new..]);
        let (row, findings) = Check::new(&inputs, sourced, Mode::AtLeastOnce).run(&mixed);
        prop_assert!(findings.is_empty(), "{findings:#?}");
        prop_assert_eq!(row.numbers.lost, 0);
    }

    #[test]
    fn a_skipped_line_is_lost(inputs in inputs(), sourced: bool, exactly: bool, at: Index) {
        let mode = if exactly { Mode::ExactlyOnce } else { Mode::AtLeastOnce };
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len());
        outputs.remove(at);
        let (row, findings) = Check::new(&inputs, sourced, mode).run(&outputs);
        prop_assert!(row.numbers.lost >= 1, "{:#?}", findings);
        if sourced {
            prop_assert_eq!(row.numbers.lost, 1);
            prop_assert_eq!(kinds(&findings), [Kind::Lost]);
            let place = format!("in/0/{}", inputs[at].offset);
            prop_assert_eq!(&findings.iter().next().unwrap().1.examples[0].place, &place);
        }
    }

    #[test]
    fn a_doubled_line_is_repeated(inputs in inputs(), sourced: bool, at: Index, to: Index) {
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len());
        let to = at + to.index(outputs.len() - at) + 1;
        outputs.insert(to, outputs[at].clone());
        let (row, findings) = Check::new(&inputs, sourced, Mode::ExactlyOnce).run(&outputs);
        prop_assert!(!findings.is_empty());
        if sourced {
            prop_assert_eq!(row.numbers.lost, 0);
            prop_assert_eq!(kinds(&findings), [Kind::Repeated]);
        }
    }

    #[test]
    fn swapped_lines_are_out_of_order(inputs in inputs(), sourced: bool, exactly: bool, at: Index) {
        let mode = if exactly { Mode::ExactlyOnce } else { Mode::AtLeastOnce };
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len() - 1);
        prop_assume!(sourced || face(&outputs[at]) != face(&outputs[at + 1]));
        outputs.swap(at, at + 1);
        let (_, findings) = Check::new(&inputs, sourced, mode).run(&outputs);
        prop_assert!(!findings.is_empty());
        if sourced {
            prop_assert_eq!(kinds(&findings), [Kind::OutOfOrder]);
        }
    }

    #[test]
    fn a_changed_record_is_found(inputs in inputs(), sourced: bool, exactly: bool, at: Index, part in 0..5) {
        let mode = if exactly { Mode::ExactlyOnce } else { Mode::AtLeastOnce };
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len());
        let record = &mut outputs[at];
        match part {
            0 => record.key = Some(b"other".to_vec()),
            1 => record.value = Some([record.value.as_deref().unwrap_or_default(), b" "].concat()),
            2 => record.timestamp_ms += 1000,
            3 => record.headers.iter_mut().for_each(|headers| headers.insert(0, ("x".into(), None))),
            _ => record.value = Some(b"altogether different".to_vec()),
        }
        let (row, findings) = Check::new(&inputs, sourced, mode).run(&outputs);
        prop_assert!(!findings.is_empty());
        if sourced {
            prop_assert_eq!(kinds(&findings), [Kind::Changed]);
            prop_assert_eq!((row.numbers.lost, row.numbers.wrong), (0, 1));
        }
    }

    #[test]
    fn a_wrong_or_missing_tag_is_found(inputs in inputs(), sourced: bool, exactly: bool, at: Index, what in 0..3) {
        let mode = if exactly { Mode::ExactlyOnce } else { Mode::AtLeastOnce };
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len());
        let headers = outputs[at].headers.as_mut().unwrap();
        let before = headers.clone();
        match what {
            0 => headers.retain(|(name, _)| name != "fingerpost-rule"),
            1 => headers.push(("fingerpost-rule".into(), Some(b"no.such".to_vec()))),
            _ => headers.iter_mut().filter(|(name, _)| name == "fingerpost-severity").for_each(|header| {
                header.1 = Some(b"info".to_vec());
            }),
        }
        prop_assume!(*headers != before);
        let (_, findings) = Check::new(&inputs, sourced, mode).run(&outputs);
        prop_assert_eq!(kinds(&findings), [Kind::Mislabelled], "{:#?}", findings);
    }

    #[test]
    fn nothing_is_committed_past_a_hole(inputs in inputs(), sourced: bool, at: Index, run in 1usize..8) {
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len());
        outputs.drain(at..(at + run).min(outputs.len()));
        let gone = inputs.len() - outputs.len();
        let mut check = Check::new(&inputs, sourced, Mode::AtLeastOnce);
        check.committed = Some(check.end());
        let (row, findings) = check.run(&outputs);
        prop_assert!(row.numbers.lost as usize >= gone && (!sourced || row.numbers.lost as usize == gone));
        prop_assert_eq!(findings.count(Kind::CommittedPast), 1);
        // At the end of the range, and not committed: still on their way.
        check.committed = Some(inputs[at].offset);
        let (row, findings) = check.run(&outputs);
        prop_assert_eq!(findings.count(Kind::CommittedPast), 0);
        if sourced {
            let at_end = at + gone == inputs.len();
            prop_assert_eq!(row.numbers.pending as usize, if at_end { gone } else { 0 });
            prop_assert_eq!(findings.is_empty(), at_end);
        }
    }

    #[test]
    fn a_dead_letter_stands_for_its_line(inputs in inputs(), sourced: bool, at: Index) {
        let mut outputs = publish(&inputs, sourced);
        let at = at.index(outputs.len());
        let mut check = Check::new(&inputs, sourced, Mode::ExactlyOnce);
        let letter = |raw| DeadLetter { raw, place: "dead/0/0".into() };
        check.dead.insert(inputs[at].offset, letter(raw(&inputs[at])));
        if sourced {
            prop_assert_eq!(kinds(&check.run(&outputs).1), [Kind::SettledTwice]);
        }
        outputs.remove(at);
        let (row, findings) = check.run(&outputs);
        prop_assert!(findings.is_empty(), "{findings:#?}");
        prop_assert_eq!((row.numbers.dead_letters, row.numbers.lost), (1, 0));
        check.dead.insert(inputs[at].offset, letter(Some(digest([Some(&b"other"[..])]))));
        prop_assert_eq!(kinds(&check.run(&outputs).1), [Kind::DeadLetter]);
    }
}

fn numbered(count: i64) -> Vec<Stored> {
    let line = |n: i64| Stored {
        offset: n,
        timestamp_ms: n + 5,
        value: Some(format!("{{\"n\":{n}}}").into()),
        headers: Some(Vec::new()),
        ..Stored::default()
    };
    (0..count).map(line).collect()
}

#[test]
fn found_by_content_faults_have_their_names() {
    let inputs = numbered(100);
    let outputs = publish(&inputs, false);
    let run = |outputs: &[Stored]| {
        let (_, findings) = Check::new(&inputs, false, Mode::ExactlyOnce).run(outputs);
        let told = findings.iter().map(|(kind, group)| (kind, group.count, group.examples[0].place.clone()));
        told.collect::<Vec<_>>()
    };
    let with = |change: &dyn Fn(&mut Vec<Stored>)| {
        let mut changed = outputs.clone();
        change(&mut changed);
        run(&changed)
    };
    let at = |offset: i64| format!("in/0/{offset}");
    assert_eq!(with(&|out| drop(out.remove(40))), [(Kind::Lost, 1, at(40))]);
    assert_eq!(with(&|out| drop(out.drain(40..60))), [(Kind::Lost, 20, "in/0/40–59".into())]);
    assert_eq!(with(&|out| out.insert(41, out[40].clone())), [(Kind::Repeated, 1, at(40))]);
    assert_eq!(with(&|out| out.swap(40, 41)), [(Kind::OutOfOrder, 1, at(40))]);
    assert_eq!(with(&|out| out[40].value = Some(b"x".to_vec())), [(Kind::Changed, 1, at(40))]);
    let alien = Stored { value: Some(b"x".to_vec()), headers: Some(Vec::new()), ..Stored::default() };
    assert_eq!(with(&|out| out.insert(40, alien.clone())), [(Kind::Unknown, 1, "out/0/40".into())]);
}

#[test]
fn of_identical_lines_nobody_can_tell_which_is_missing() {
    let mut inputs = numbered(10);
    for line in &mut inputs[3..7] {
        line.value = Some(b"same".to_vec());
        line.timestamp_ms = 9;
    }
    let mut outputs = publish(&inputs, false);
    outputs.remove(4);
    let (row, findings) = Check::new(&inputs, false, Mode::ExactlyOnce).run(&outputs);
    assert_eq!((row.numbers.lost, kinds(&findings)), (1, vec![Kind::Lost]));
    let finding = &findings.iter().next().unwrap().1.examples[0];
    assert_eq!(finding.place, "in/0/6");
    assert!(finding.what.contains("from offset 3 on"), "{}", finding.what);
}

#[test]
fn a_tag_without_what_was_said_before_is_counted_and_no_finding() {
    let inputs: Vec<Stored> =
        [2, 3].into_iter().zip(1..).map(|(kind, offset)| Stored { offset, timestamp_ms: 5, ..line(kind) }).collect();
    let knowing = publish(&inputs, true);
    let forgetful = [knowing[0].clone(), publish(&inputs[1..], true)[0].clone()];
    assert_ne!(knowing[1], forgetful[1], "the context makes a difference");
    let check = Check::new(&inputs, true, Mode::ExactlyOnce);
    assert_eq!(check.run(&knowing).0.numbers.forgetful, 0);
    let (row, findings) = check.run(&forgetful);
    assert_eq!((row.numbers.forgetful, findings.is_empty()), (1, true));
}

#[test]
fn a_repeat_in_the_middle_of_a_run_must_follow_the_one_before() {
    let inputs = numbered(20);
    let outputs = publish(&inputs, true);
    let run = |offsets: &[usize]| {
        let copied: Vec<Stored> = offsets.iter().map(|offset| outputs[*offset].clone()).collect();
        kinds(&Check::new(&inputs[..8], true, Mode::AtLeastOnce).run(&copied).1)
    };
    assert_eq!(run(&[0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7]), []);
    assert_eq!(run(&[0, 1, 2, 3, 4, 5, 2, 4, 5, 6, 7]), [Kind::OutOfOrder]);
    assert_eq!(run(&[0, 1, 2, 3, 4, 5, 6, 7, 9]), [Kind::Unknown], "beyond the end of the input");
}

#[test]
fn what_lies_behind_the_window_is_told() {
    let inputs = numbered(500);
    let mut outputs = publish(&inputs, true);
    outputs.push(outputs[10].clone());
    let mut check = Check::new(&inputs, true, Mode::AtLeastOnce);
    check.window = 100;
    let (row, findings) = check.run(&outputs);
    assert_eq!((row.numbers.repeats, kinds(&findings)), (1, vec![Kind::Unchecked]));
}
