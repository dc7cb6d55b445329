//! Circles between the files of a room: files each of which names, by way of others, itself (Tarjan's strongly connected
//! components, SIAM J. Comput. 1972, in the simpler form of Kosaraju).

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Name, Source, module};
use super::room;

/// Who names whom, by place in the list of files.
type Arrows = Vec<BTreeSet<usize>>;

/// How often a name is followed from one file that took it in to the next.
const STEPS_MAX: usize = 8;

/// The circles of each room, the largest first; rooms without any are left out.
pub(super) fn by_room(files: &[(String, String)]) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut rooms: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for circle in circles(&arrows(files)) {
        let paths: Vec<String> = circle.iter().map(|file| files[*file].0.clone()).collect();
        rooms.entry(room(&paths[0]).to_owned()).or_default().push(paths);
    }
    rooms.values_mut().for_each(|circles| circles.sort_by_key(|circle| std::cmp::Reverse(circle.len())));
    rooms
}

/// A file names another of its room when it names something that stands there, also by way of a third that took it in.
fn arrows(files: &[(String, String)]) -> Arrows {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    let places = Places {
        modules: files.iter().enumerate().map(|(number, (path, _))| (module(path), number)).collect(),
        taken_in: sources.iter().map(Source::taken_in).collect(),
    };
    let of = |(number, source): (usize, &Source)| {
        let names = source.needs();
        let others = names.iter().filter_map(|name| places.file_of(name, 0));
        others.filter(|other| *other != number && room(&files[*other].0) == room(&files[number].0)).collect()
    };
    sources.iter().enumerate().map(of).collect()
}

/// Where things stand.
struct Places {
    modules: BTreeMap<Name, usize>,
    /// What each file took in from elsewhere.
    taken_in: Vec<BTreeMap<String, Name>>,
}

impl Places {
    /// The file of the deepest module that the name lies in, or the one from which that one took it.
    fn file_of(&self, name: &Name, steps: usize) -> Option<usize> {
        let found = |length: usize| Some((length, *self.modules.get(&name[..length])?));
        let (length, file) = (1..=name.len()).rev().find_map(found)?;
        let elsewhere = name.get(length).and_then(|word| self.taken_in[file].get(word));
        match elsewhere {
            Some(place) if steps < STEPS_MAX => {
                self.file_of(&[place.as_slice(), &name[length + 1..]].concat(), steps + 1)
            }
            _ => Some(file),
        }
    }
}

/// Sets of more than one that all lead to each other.
fn circles(arrows: &Arrows) -> Vec<Vec<usize>> {
    let mut order = Vec::new();
    let mut seen = vec![false; arrows.len()];
    (0..arrows.len()).for_each(|start| walk(start, arrows, &mut seen, &mut order));
    let mut back: Arrows = vec![BTreeSet::new(); arrows.len()];
    for (from, others) in arrows.iter().enumerate() {
        for to in others {
            back[*to].insert(from);
        }
    }
    let mut seen = vec![false; arrows.len()];
    let circle = |start: &usize| {
        let mut circle = Vec::new();
        walk(*start, &back, &mut seen, &mut circle);
        circle.sort_unstable();
        circle
    };
    order.iter().rev().map(circle).filter(|circle| circle.len() > 1).collect()
}

/// Adds everything that can be reached and was not seen yet, the furthest first.
fn walk(from: usize, arrows: &Arrows, seen: &mut [bool], order: &mut Vec<usize>) {
    if !std::mem::replace(&mut seen[from], true) {
        arrows[from].iter().for_each(|to| walk(*to, arrows, seen, order));
        order.push(from);
    }
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let file = |path: &str, text: &str| (format!("src/{path}.rs"), text.to_owned());
    let files = [
        file("a", "mod b;\nmod c;\nmod d;\nmod f;\npub(crate) use b::X;\npub(crate) struct Own;"),
        file("a/b", "pub(crate) struct X(super::c::Y);"),
        file("a/c", "use crate::a::{d, f};\npub(crate) struct Y;"),
        // By way of `a`, which took it in and is no part of the circle.
        file("a/d", "fn f() { println!(\"{}\", super::X::g()) }"),
        file("a/f", "use super::Own;\npub(super) fn h() {}\npub(in crate::a::d) fn i() {}"),
        file("e", "use crate::a::X;"),
    ];
    let found = by_room(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found["a"], [["src/a/b.rs", "src/a/c.rs", "src/a/d.rs"]]);
}
