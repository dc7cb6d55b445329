//! Whatever bytes come, the engine must say what the oracle says, and the splice laws must hold.
//!
//! An input is up to four lines of one source, split at NUL. One input in four is not taken as it is: it seeds the
//! generator of the tests, and its further bytes damage the line that comes out.

#![no_main]

#[path = "../../tests/it"]
#[allow(dead_code, unused_imports, reason = "the tests in there are not run here")]
mod it {
    pub(crate) mod agreement;
    pub(crate) mod lines;
    pub(crate) mod oracle;
}

use std::sync::OnceLock;

use fingerpost::engine::{Engine, Settings};
use fingerpost::{cli::packs, flow::PacksFrom};
use libfuzzer_sys::fuzz_target;

use it::{agreement, lines, oracle};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine)
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    let lines: Vec<Vec<u8>> = if mode % 4 == 0 { vec![damaged(rest)] } else { rest.splitn(4, |byte| *byte == 0).map(<[u8]>::to_vec).collect() };
    let source = (mode & 64 != 0).then_some("fuzz");
    let (mut memory, mut oracle) = (engine().memory(), oracle::Oracle::default());
    for line in lines {
        let expected = oracle.classify(&line, source);
        let outcome = engine().classify(&line, source, &mut memory);
        if let Some(problem) = agreement::difference(engine(), &mut memory, &line, source, &outcome, &expected) {
            panic!("{problem}\nline: {}\noracle: {expected:?}", String::from_utf8_lossy(&line));
        }
    }
});

/// A generated line, with bytes of the input written over it.
fn damaged(input: &[u8]) -> Vec<u8> {
    let (seed, damage) = input.split_at(input.len().min(4));
    let seed = seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    let (mut line, _) = lines::line(&mut fastrand::Rng::with_seed(seed));
    for change in damage.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if !line.is_empty() {
            let at = at % line.len();
            line[at] = change[2];
        }
    }
    line
}
