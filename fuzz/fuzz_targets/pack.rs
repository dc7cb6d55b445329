//! Whatever text a pack holds, reading it ends, with diagnostics that can be drawn; and what was accepted can be built.

#![no_main]

use std::sync::Arc;

use fingerpost::diagnostic::{Source, draw};
use fingerpost::engine::{Engine, Settings, examples};
use fingerpost::pack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Source { name: "fuzz.toml".into(), text: text.to_owned() };
    let (packs, problems) = pack::parse(&[Arc::new(source)]);
    let _ = draw(&problems, true);
    if let Some(packs) = packs {
        let engine = Engine::new(packs, Settings::default()).expect("a small pack fits an automaton");
        let _ = draw(&examples::prove(&engine).failures, false);
    }
});
