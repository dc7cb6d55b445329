//! What a source file names, read by a real parser: every path that stands in it, as it is meant from the root of the
//! crate, whether it is written in a use-tree, in code, in a macro's arguments or in an attribute.
//!
//! `use super::{ledger, kafka::raw}` in `src/flow/worker.rs` names `crate::flow::ledger` and `crate::flow::kafka::raw`.
//! Left out are the test modules that a file ends with, and nothing else: what stands behind a `#[cfg(test)]` in the midst
//! of a file is as live as the rest.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, LitStr, Macro, Meta, Path, UseTree, Visibility};

/// A path's words, from `crate`, or from the name of a library.
pub(crate) type Name = Vec<String>;

/// A source file without its comments and the test modules at its end.
pub(crate) struct Source {
    /// `["crate", "flow", "worker"]` for `src/flow/worker.rs`.
    module: Name,
    file: File,
}

impl Source {
    /// Reads a file of this place below the root of the repository.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        while file.items.last().is_some_and(is_test_module) {
            file.items.pop();
        }
        Self { module: module(path), file }
    }

    /// Everything that it names for itself: what it only passes on, as `pub use batch::Batch` does, is left out.
    pub(crate) fn needs(&self) -> Vec<Name> {
        let mut names = Names::new(self);
        let is_passed_on = |item: &&Item| matches!(item, Item::Use(item) if !matches!(item.vis, Visibility::Inherited));
        self.file.items.iter().filter(|item| !is_passed_on(item)).for_each(|item| names.visit_item(item));
        names.found
    }

    /// Everything that it names.
    pub(crate) fn names(&self) -> Vec<Name> {
        let mut names = Names::new(self);
        names.visit_file(&self.file);
        names.found
    }

    /// What it takes in under a name of its own, as `Batch` by `use batch::Batch`: others find it here.
    pub(crate) fn taken_in(&self) -> BTreeMap<String, Name> {
        let mut names = Names::new(self);
        for item in &self.file.items {
            if let Item::Use(item) = item {
                names.visit_item_use(item);
            }
        }
        names.taken_in
    }

    /// Whether the word stands in it outside comments and texts.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        let mut words = Words { word, found: false };
        words.tokens(quote::ToTokens::to_token_stream(&self.file));
        words.found
    }
}

/// `src/flow/worker.rs` is `crate::flow::worker`; `src/lib.rs` is `crate`.
pub(crate) fn module(path: &str) -> Name {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let words = inside.split('/').filter(|word| !["lib", "main"].contains(word));
    std::iter::once("crate").chain(words).map(str::to_owned).collect()
}

fn is_test_module(item: &Item) -> bool {
    matches!(item, Item::Mod(module) if module.content.is_some() && module.attrs.iter().any(is_for_tests))
}

fn is_for_tests(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

fn children(items: &[Item]) -> Vec<String> {
    let names = items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    names.collect()
}

/// Collects names; knows in which module it is.
struct Names {
    module: Name,
    /// Modules that this one declares: their names need no `self::`.
    children: Vec<String>,
    found: Vec<Name>,
    taken_in: BTreeMap<String, Name>,
}

impl Names {
    fn new(source: &Source) -> Self {
        let (module, children) = (source.module.clone(), children(&source.file.items));
        Self { module, children, found: Vec::new(), taken_in: BTreeMap::new() }
    }

    fn found(&mut self, words: &[String]) {
        if !words.is_empty() {
            self.found.push(self.resolved(words));
        }
    }

    /// The path from the root of the crate.
    fn resolved(&self, words: &[String]) -> Name {
        let ups = words.iter().take_while(|word| *word == "super").count();
        let (from, rest) = match words[0].as_str() {
            "crate" => (vec!["crate".to_owned()], &words[1..]),
            "super" => (self.module[..self.module.len().saturating_sub(ups).max(1)].to_vec(), &words[ups..]),
            "self" => {
                let ups = words[1..].iter().take_while(|word| *word == "super").count();
                (self.module[..self.module.len().saturating_sub(ups).max(1)].to_vec(), &words[1 + ups..])
            }
            name if self.children.iter().any(|child| child == name) => (self.module.clone(), words),
            _ => (Vec::new(), words),
        };
        [&from, rest].concat()
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |word: String| [before, &[word]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(path.ident.to_string()), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
            UseTree::Glob(_) => self.found(&with("*".to_owned())),
            UseTree::Name(name) if name.ident == "self" => self.takes_in(before.last().cloned(), before),
            UseTree::Name(name) => self.takes_in(Some(name.ident.to_string()), &with(name.ident.to_string())),
            UseTree::Rename(name) if name.ident == "self" => self.takes_in(Some(name.rename.to_string()), before),
            UseTree::Rename(name) => self.takes_in(Some(name.rename.to_string()), &with(name.ident.to_string())),
        }
    }

    fn takes_in(&mut self, own: Option<String>, words: &[String]) {
        self.found(words);
        if let Some(own) = own {
            self.taken_in.insert(own, self.resolved(words));
        }
    }

    /// Paths in what only a macro understands: words with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut words, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.found(&std::mem::take(&mut words));
                    }
                    words.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.found(&std::mem::take(&mut words));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.found(&words);
    }

    /// Paths that an attribute has in quotes: `#[serde(with = "crate::words")]`.
    fn texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            if let Ok(text) = syn::parse2::<LitStr>(token.into())
                && let Ok(path) = text.parse::<Path>()
            {
                self.visit_path(&path);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.found(&words);
        visit::visit_path(self, path);
    }

    /// `pub(super)` names who may see an item, which is nothing that it needs.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // A comment is an attribute, too, and names nothing.
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.texts(list.tokens.clone());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        let Some((_, items)) = &item.content else { return };
        self.module.push(item.ident.to_string());
        let outside = std::mem::replace(&mut self.children, children(items));
        items.iter().for_each(|item| self.visit_item(item));
        self.children = outside;
        self.module.pop();
    }
}

/// Looks for one word.
struct Words<'w> {
    word: &'w str,
    found: bool,
}

impl Words<'_> {
    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(word) => self.found |= word == self.word,
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }
}
