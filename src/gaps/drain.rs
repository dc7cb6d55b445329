//! Groups of lines, found in a tree of fixed depth: first by the number of words, then by the first two words; among the
//! few groups there, the most similar one, if it is similar enough. So a line is held against a handful of groups
//! however many there are.
//!
//! The algorithm is Drain: P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth
//! Tree", ICWS 2017. Ours besides: the least recently met group is forgotten when there are too many, with its branch of
//! the tree, so that memory is bounded.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use lru::LruCache;

use super::{ANYTHING, NUMBER, Template, words};
use crate::engine::Gist;

/// Levels of words below the number of words.
const DEPTH: usize = 2;
/// Different words at a place of the tree; further ones go together.
const CHILDREN_MAX: usize = 100;
/// Share of words that must be the same, in hundredths.
const SIMILAR: usize = 55;
/// Apps told of a template.
const APPS_MAX: usize = 3;

/// Lines that are alike.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) words: Vec<Box<str>>,
    lines: u64,
    apps: Vec<String>,
    first: String,
    last: String,
    sample: String,
    is_object: bool,
    /// The way to it from the root.
    path: Vec<Box<str>>,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Tree {
    /// By number of words.
    roots: BTreeMap<usize, Node>,
    groups: LruCache<u64, Group>,
    next: u64,
    /// Groups forgotten, and their lines.
    pub(super) forgotten: (u64, u64),
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<str>, Node>,
    /// Of a leaf.
    groups: Vec<u64>,
}

impl Tree {
    pub(super) fn new(groups: usize) -> Self {
        let bound = NonZeroUsize::new(groups).unwrap_or(NonZeroUsize::MIN);
        Self { roots: BTreeMap::new(), groups: LruCache::sparse(bound), next: 0, forgotten: (0, 0) }
    }

    /// Takes in the words of a line that stands for so many.
    pub(super) fn see(&mut self, words: Vec<Box<str>>, gist: &Gist, lines: u64, place: impl FnOnce() -> String) {
        let (path, leaf) = descend(self.roots.entry(words.len()).or_default(), &words);
        let groups = &self.groups;
        let candidates = leaf.groups.iter().filter_map(|number| Some((*number, groups.peek(number)?)));
        let rated = candidates.map(|(number, group)| (similarity(&group.words, &words), number));
        // The most similar; of several, the oldest.
        let best = rated.max_by_key(|(similarity, number)| (*similarity, u64::MAX - number));
        match best.filter(|(similarity, _)| *similarity >= SIMILAR) {
            Some((_, number)) => {
                if let Some(group) = self.groups.get_mut(&number) {
                    group.take(&words, gist, lines, place());
                }
            }
            None => {
                leaf.groups.push(self.next);
                self.insert(Group::new(words, gist, lines, place(), path));
            }
        }
    }

    fn insert(&mut self, group: Group) {
        // The new one's leaf has its number already, so forgetting another does not prune it.
        if let Some((number, gone)) = self.groups.push(self.next, group) {
            self.forgotten = (self.forgotten.0 + 1, self.forgotten.1 + gone.lines);
            let length = gone.words.len();
            if let Some(root) = self.roots.get_mut(&length)
                && prune(root, &gone.path, number)
            {
                self.roots.remove(&length);
            }
        }
        self.next += 1;
    }

    /// All groups, in the order in which they were met first.
    pub(super) fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<(&u64, &Group)> = self.groups.iter().collect();
        groups.sort_by_key(|(number, _)| **number);
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Places of the tree.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        fn count(node: &Node) -> usize {
            1 + node.children.values().map(count).sum::<usize>()
        }
        self.roots.values().map(count).sum()
    }
}

/// The leaf for these words, made if need be, and the way to it.
fn descend<'n>(root: &'n mut Node, words: &[Box<str>]) -> (Vec<Box<str>>, &'n mut Node) {
    let mut path: Vec<Box<str>> = Vec::with_capacity(DEPTH);
    let mut node = root;
    for word in words.iter().take(DEPTH) {
        let is_full = node.children.len() >= CHILDREN_MAX;
        let varies = word.contains(NUMBER) || (is_full && !node.children.contains_key(word));
        let step: Box<str> = if varies { ANYTHING.into() } else { word.clone() };
        path.push(step.clone());
        node = node.children.entry(step).or_default();
    }
    (path, node)
}

/// Takes a group out of its leaf; true when nothing is left below the node.
fn prune(node: &mut Node, path: &[Box<str>], number: u64) -> bool {
    match path.split_first() {
        None => node.groups.retain(|other| *other != number),
        Some((step, rest)) => {
            if let Some(child) = node.children.get_mut(step)
                && prune(child, rest, number)
            {
                node.children.remove(step);
            }
        }
    }
    node.children.is_empty() && node.groups.is_empty()
}

/// The share of words that are the same, in hundredths. A number counts half, since numbers are the same in any lines; and
/// lines that have nothing but numbers in common are unlike.
fn similarity(template: &[Box<str>], words: &[Box<str>]) -> usize {
    let weight = |word: &str| if says(word) || word == ANYTHING { 2 } else { 1 };
    let all: usize = template.iter().map(|word| weight(word)).sum();
    let same = || template.iter().zip(words).filter(|(known, word)| known == word).map(|(known, _)| &**known);
    let none_says = same().all(|word| !says(word)) && template.iter().any(|word| says(word));
    if none_says { 0 } else { 100 * same().map(weight).sum::<usize>() / all.max(1) }
}

/// It holds a letter that is none of the marks'.
fn says(word: &str) -> bool {
    word.replace(NUMBER, "").bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl Group {
    fn new(words: Vec<Box<str>>, gist: &Gist, lines: u64, place: String, path: Vec<Box<str>>) -> Self {
        let apps = gist.app.iter().cloned().collect();
        let (last, sample, is_object) = (place.clone(), words::sample(gist), gist.is_object);
        Self { words, lines, apps, first: place, last, sample, is_object, path }
    }

    fn take(&mut self, words: &[Box<str>], gist: &Gist, lines: u64, place: String) {
        for (known, word) in self.words.iter_mut().zip(words).filter(|(known, word)| known != word) {
            *known = common(known, word);
        }
        self.lines += lines;
        self.last = place;
        add_apps(&mut self.apps, &gist.app);
    }

    pub(super) fn template(&self, id: String, text: String) -> Template {
        let Self { lines, apps, first, last, sample, is_object, .. } = self;
        Template {
            id,
            text,
            lines: *lines,
            apps: apps.clone(),
            first: first.clone(),
            last: last.clone(),
            sample: sample.clone(),
            is_object: *is_object,
        }
    }

    /// For a group that has become the same as an older one.
    pub(super) fn add_to(&self, template: &mut Template) {
        template.lines += self.lines;
        add_apps(&mut template.apps, &self.apps);
    }
}

fn add_apps<'a>(known: &mut Vec<String>, others: impl IntoIterator<Item = &'a String>) {
    for app in others {
        if known.len() < APPS_MAX && !known.contains(app) {
            known.push(app.clone());
        }
    }
}

/// What two words have in common: `name=` of `name=alpha` and `name=beta`, else nothing.
fn common(known: &str, word: &str) -> Box<str> {
    let key = |text: &str| text.find(['=', ':']).filter(|at| at + 1 < text.len()).map(|at| text[..=at].to_owned());
    match key(known) {
        Some(name) if word.starts_with(&name) => format!("{name}{ANYTHING}").into(),
        _ => ANYTHING.into(),
    }
}
