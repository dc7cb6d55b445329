//! What is measured: every cell by name, what runs in it, and on which lines.

use crate::candidate::{Program, Promise};
use crate::feed::Recipe;

/// One in a hundred lines matches, where nothing else is said.
const USUAL: u32 = 10_000;
/// How many of a million lines match, and what that is called.
const RATES: [(u32, &str); 3] = [(USUAL, "1%"), (1_000, "0.1%"), (0, "none")];
/// How many phrases there are.
pub(crate) const SIZES: [usize; 3] = [40, 4_000, 100_000];

/// One candidate on one corpus.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// What it is called: words with slashes between.
    pub(crate) name: String,
    /// What is done in it.
    pub(crate) task: Task,
    /// Whether one round is enough, since it is far from the others.
    pub(crate) once: bool,
}

/// What is done in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// A program takes all lines of a corpus, with so many phrases to look for.
    Drain(Program, Recipe),
    /// A daemon with so many phrases is started and reloads its rules under a steady stream.
    Live(usize),
}

/// All of them.
pub(crate) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |name: String, task| cells.push(Cell { name, task, once: false });
    for (per_million, rate) in [RATES[0], RATES[2]] {
        add(format!("passthrough/{rate}"), Task::Drain(Program::Passthrough, recipe(40, per_million)));
    }
    for partitions in [1, 48] {
        let recipe = Recipe { partitions, ..recipe(40, USUAL) };
        add(format!("passthrough/{partitions}"), Task::Drain(Program::Passthrough, recipe));
    }
    add("preloaded/1%".into(), Task::Drain(Program::Preloaded, recipe(40, USUAL)));
    for (name, promise) in [("run", Promise::AtLeastOnce), ("exactly-once", Promise::ExactlyOnce)] {
        for phrases in SIZES {
            for (per_million, rate) in RATES {
                let task = Task::Drain(Program::Daemon(promise), recipe(phrases, per_million));
                add(format!("{name}/{phrases}/{rate}"), task);
            }
        }
    }
    let run = |recipe| Task::Drain(Program::Daemon(Promise::AtLeastOnce), recipe);
    add("near-miss/4000".into(), run(Recipe { near: true, ..recipe(4_000, USUAL) }));
    for partitions in [1, 48] {
        add(format!("partitions/{partitions}"), run(Recipe { partitions, ..recipe(40, USUAL) }));
    }
    add("matched/40".into(), Task::Drain(Program::Daemon(Promise::Matched), recipe(40, USUAL)));
    add("consumer".into(), Task::Drain(Program::Consumer, recipe(40, USUAL)));
    add("polled".into(), Task::Drain(Program::Polled, recipe(40, USUAL)));
    add("reader".into(), Task::Drain(Program::Reader, recipe(40, USUAL)));
    add("live/100000".into(), Task::Live(100_000));
    let slow = [("average", Program::Average), ("streams", Program::Streams), ("rsyslog", Program::Rsyslog)];
    cells.extend(slow.map(|(name, program)| Cell {
        name: name.into(),
        task: Task::Drain(program, recipe(40, USUAL)),
        once: true,
    }));
    cells
}

fn recipe(phrases: usize, per_million: u32) -> Recipe {
    Recipe { phrases, per_million, near: false, partitions: 6 }
}

impl Cell {
    /// Whether a name on the command line means it: its own, or its first words.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// How many phrases its candidate looks for.
    pub(crate) fn phrases(&self) -> usize {
        match self.task {
            Task::Drain(_, recipe) => recipe.phrases,
            Task::Live(phrases) => phrases,
        }
    }

    /// One line about what it is.
    pub(crate) fn about(&self) -> String {
        let Task::Drain(program, Recipe { phrases, per_million, near, partitions }) = self.task else {
            return format!("starting with {} phrases, and a reload under a steady stream", self.phrases());
        };
        let program = match program {
            Program::Daemon(Promise::AtLeastOnce) => "run, at least once",
            Program::Daemon(Promise::ExactlyOnce) => "run, exactly once",
            Program::Daemon(Promise::Matched) => "run, only matching lines go out",
            Program::Passthrough => "librdkafka, records passed on without a look or a copy",
            Program::Preloaded => "the pass-through with the daemon's allocator in place of the system's",
            Program::Consumer => "librdkafka, records read a thousand at a time and dropped",
            Program::Polled => "librdkafka, records polled one by one and dropped, as its own examples do",
            Program::Reader => "librdkafka, records read, their bytes summed, and dropped",
            Program::Average => "an afternoon's work in Rust: parse all, search all",
            Program::Streams => "Kafka Streams, Jackson and a loop",
            Program::Rsyslog => "rsyslog, imkafka to omkafka",
        };
        let lines = if near { "near misses" } else { "lines" };
        let percent = f64::from(per_million) / 10_000.0;
        format!("{program}; {phrases} phrases, {percent} % of the {lines} match, {partitions} partitions")
    }
}
