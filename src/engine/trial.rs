//! What takes running examples to find out: whether they prove what they seem to prove.
//!
//! [`prove`](super::examples::prove) says whether examples hold. Here packs that hold are tried harder: whose is the line
//! in the end, does it matter how it is written, does any example notice when a phrase is spoilt? Everything goes through
//! [`Engine::classify`], on the packs as they are or on packs changed on purpose. Nothing here is run by the daemon.

mod mutants;
mod primaries;
mod rewriting;
mod writing;

use super::{Engine, Outcome};
use crate::pack::lint::Finding;

/// Tries the examples of packs whose examples hold. `known` is what was found about them before: what is known to be
/// unreachable is not told again as unproven.
#[must_use]
pub fn trials(engine: &Engine, known: &[Finding]) -> Vec<Finding> {
    let mut findings = primaries::lint(engine);
    findings.extend(rewriting::lint(engine));
    findings.extend(mutants::lint(engine, known));
    findings
}

/// The ids that a line got, the primary first.
fn ids<'e>(engine: &'e Engine, outcome: &Outcome) -> Vec<&'e str> {
    let rules = outcome.verdict.iter().flat_map(|verdict| &verdict.rules);
    rules.map(|rule| engine.reported()[*rule].id.as_str()).collect()
}
