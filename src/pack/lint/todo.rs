//! What a draft leaves to a person: every `todo` that still stands in a pack.

use super::places::{elements, tables};
use super::{Desk, Subject};

pub(super) fn lint(desk: &mut Desk<'_>) {
    for pack in 0..desk.packs.packs.len() {
        let tree = desk.places.tree(pack);
        let holders = ["pack", "rule", "alert"].into_iter().flat_map(|key| tables(tree, key));
        for todo in holders.flat_map(|holder| elements(holder, "todo")) {
            let Some(text) = todo.get_ref().as_str() else { continue };
            let message = format!("left to decide: {text}");
            desk.report(Subject::Pack(pack), "L45", todo.span(), message, "decide, then drop this");
        }
    }
}
