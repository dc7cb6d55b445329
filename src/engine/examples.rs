//! Rules carry their own proof: every `match` line must be claimed, every `no_match` line must not, by the engine as it
//! would run, with the whole pack set loaded.

use std::sync::Arc;

use super::{Engine, Outcome};
use crate::diagnostic::{Diagnostic, Source};
use crate::pack::Example;

/// What the examples said.
#[derive(Debug, Default)]
pub struct Proof {
    /// Examples run.
    pub run: usize,
    /// Those that did not come out as their rule says.
    pub failures: Vec<Diagnostic>,
}

/// Runs every example of every rule and case. A pack set with failures must not be used.
#[must_use]
pub fn prove(engine: &Engine) -> Proof {
    let mut proof = Proof::default();
    for rule in &engine.packs().rules {
        let source = &engine.packs().packs[rule.pack].source;
        for (report, examples) in rule.reports() {
            let yes = examples.yes.iter().map(|example| (example, true));
            let no = examples.no.iter().map(|example| (example, false));
            for (example, wanted) in yes.chain(no) {
                proof.run += 1;
                proof.failures.extend(failure(engine, source, &report.id, example, wanted));
            }
        }
    }
    proof
}

/// Classifies a sequence of lines of one source; the outcome of the last is what counts.
#[must_use]
pub fn classify(engine: &Engine, example: &Example) -> Outcome {
    let mut memory = engine.memory();
    let outcomes = example.lines.iter().map(|line| engine.classify(line.as_bytes(), Some("example"), &mut memory));
    outcomes.last().unwrap_or_default()
}

fn failure(engine: &Engine, source: &Arc<Source>, id: &str, example: &Example, wanted: bool) -> Option<Diagnostic> {
    let outcome = classify(engine, example);
    let rules = outcome.verdict.map(|verdict| verdict.rules).unwrap_or_default();
    let claimed: Vec<&str> = rules.iter().map(|rule| engine.reported()[*rule].id.as_str()).collect();
    if claimed.contains(&id) == wanted {
        return None;
    }
    let instead = match claimed.as_slice() {
        [] => "no rule claims it".to_owned(),
        claimed => format!("claimed by: {}", claimed.join(", ")),
    };
    let (code, message, help) = if wanted {
        let help = "look at the phrases: they are compared on the decoded text, each inside one string value; then at `app`, `level`, `required` captures and `unless`";
        ("P020", format!("`{id}` does not claim its own `match` line"), help)
    } else {
        (
            "P021",
            format!("`{id}` claims a line that it must not"),
            "make a phrase longer, or add a condition in `all` or `none`",
        )
    };
    Some(Diagnostic::error(code, message).at(source, example.span.clone(), instead).help(help))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::diagnostic::draw;
    use crate::engine::Settings;
    use crate::pack::{builtin, parse};

    #[test]
    fn shipped_packs_prove_themselves() {
        let (packs, problems) = parse(&builtin());
        assert!(problems.is_empty(), "{}", draw(&problems, false));
        let Some(packs) = packs else { panic!("packs") };
        let engine = Engine::new(packs, Settings::default()).expect("builds");
        let proof = prove(&engine);
        assert!(proof.failures.is_empty(), "{}", draw(&proof.failures, false));
        assert!(proof.run > 150, "only {} examples", proof.run);
        for rule in &engine.packs().rules {
            let mut by_id: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
            for (report, examples) in rule.reports() {
                let (yes, no) = by_id.entry(&report.id).or_default();
                *yes += examples.yes.len();
                *no += examples.no.len();
            }
            for (id, (yes, no)) in by_id {
                assert!(
                    yes >= 2 && no >= 2,
                    "{id} has {yes} `match` and {no} `no_match` lines, two of each are wanted"
                );
            }
        }
    }
}
