//! What a run has to say: a line for each fault as it happens, a summary at the end, and whether every promise held.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counted::Alerted;
use super::run::{Fault, IN_FLIGHT, Mode, Plan, by_kind};
use super::verdict::Verdict;

/// Recovery may take this much longer than the session timeout.
const RECOVERY_MARGIN: Duration = Duration::from_secs(2);

pub(crate) struct Summary {
    title: String,
    name: &'static str,
    mode: Mode,
    session: Duration,
    planned: Vec<Fault>,
    /// Those that were played, one that had no effect more than once.
    played: Vec<Fault>,
    seen: BTreeMap<Fault, usize>,
    /// Fault by fault: kind, and how long until all partitions moved.
    pub(crate) recoveries: Vec<Duration>,
    kills: Vec<Duration>,
    /// From SIGTERM until everything was committed, and until the process was gone.
    pub(crate) drains: Vec<Duration>,
    pub(crate) leavings: Vec<Duration>,
    /// How often the last batch was undone while a daemon left, as it says by how it ends.
    pub(crate) undone: usize,
    /// The same, where a line of the batch had been refused just then.
    pub(crate) amid_refusals: usize,
    /// What no fault explains.
    pub(crate) surprises: Vec<String>,
    /// Packs taken into use by the daemons that were there at the end.
    pub(crate) reloads: usize,
    /// Daemons that their watchdog ended.
    pub(crate) hung: usize,
    /// From the last fault until everything was committed.
    pub(crate) drained: Duration,
    pub(crate) flowed: Duration,
    pub(crate) rss_kib: u64,
    pub(crate) alerted: Alerted,
    verdict: Verdict,
    checked: Duration,
    /// How many lines each fault repeated.
    repeated: Vec<(Fault, usize)>,
}

impl Summary {
    pub(crate) fn new(plan: &Plan) -> Self {
        let title = format!(
            "{}: {}, {}, {} broker(s), {} partitions, session timeout {} s, seed {}",
            plan.name,
            plan.mode.word(),
            plan.assignor,
            plan.brokers,
            plan.feed.partitions,
            plan.session.as_secs(),
            plan.feed.seed
        );
        println!("=== {title}");
        Self {
            title,
            name: plan.name,
            mode: plan.mode,
            session: plan.session,
            planned: plan.faults.clone(),
            played: Vec::new(),
            seen: BTreeMap::new(),
            recoveries: Vec::new(),
            kills: Vec::new(),
            drains: Vec::new(),
            leavings: Vec::new(),
            undone: 0,
            amid_refusals: 0,
            surprises: Vec::new(),
            hung: 0,
            reloads: 0,
            drained: Duration::ZERO,
            flowed: Duration::ZERO,
            rss_kib: 0,
            alerted: Alerted::default(),
            verdict: Verdict::default(),
            checked: Duration::ZERO,
            repeated: Vec::new(),
        }
    }

    /// A fault happened at this time of the run, took so long, and showed itself so, or not.
    pub(crate) fn saw(&mut self, time: Duration, fault: Fault, took: Duration, seen: Option<String>) {
        let (name, at, took) = (self.name, time.as_secs_f64(), took.as_secs_f64());
        let words = seen.as_deref().unwrap_or("NOT SEEN");
        println!("{name} {at:7.1} s  {fault}: {words} ({took:.1} s in all)");
        self.played.push(fault);
        if seen.is_some() {
            *self.seen.entry(fault).or_default() += 1;
        }
        if let (Fault::Kill | Fault::KillAt(_), Some(recovery)) = (fault, self.recoveries.last()) {
            self.kills.push(*recovery);
        }
    }

    /// `marks`: where the output ended when each fault began.
    pub(crate) fn judged(&mut self, verdict: Verdict, marks: &[Vec<i64>], checked: Duration) {
        for (number, mark) in marks.iter().enumerate() {
            let next = marks.get(number + 1);
            let own = verdict.repeated.iter().enumerate().map(|(partition, offsets)| {
                let end = next.map_or(i64::MAX, |next| next[partition]);
                offsets.iter().filter(|offset| (mark[partition]..end).contains(offset)).count()
            });
            self.repeated.push((self.played[number], own.sum()));
        }
        (self.verdict, self.checked) = (verdict, checked);
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        let v = &self.verdict;
        println!("--- {}", self.title);
        let kinds = by_kind(&self.planned);
        let seen: usize = self.seen.values().sum();
        println!("faults          {} planned, {} played, {seen} seen", self.planned.len(), self.played.len());
        for (fault, count) in &kinds {
            println!("                {count:4} {fault}, {} seen", self.seen.get(fault).copied().unwrap_or(0));
        }
        println!(
            "lines           {} in {:.0} s, checked in {:.0} s",
            v.lines,
            self.flowed.as_secs_f64(),
            self.checked.as_secs_f64()
        );
        println!("lost            {}", v.lost);
        let worst = self.repeated.iter().max_by_key(|(_, count)| *count);
        let worst = worst.map_or(String::new(), |(fault, count)| format!(" (most after one fault: {count}, {fault})"));
        println!("repeated        {}{worst}", v.repeats());
        println!("out of order    {}", v.out_of_order);
        println!("wrong           {}", v.wrong.len());
        println!("dead letters    {} of {} lines refused, and {} healthy lines", v.dead, v.refused, v.healthy_dead);
        let Alerted { due, told, told_twice, wrong } = &self.alerted;
        let all = if wrong.is_none() { "all of them fired" } else { "NOT as due" };
        println!("alerts          {due} stretches due, {all}; {told} words about them, {told_twice} said twice");
        if v.forgotten > 0 {
            println!("                {} told without what their source had said before a restart", v.forgotten);
        }
        println!("recovery        {}; after kill -9 {}", spread(&self.recoveries), spread(&self.kills));
        println!(
            "SIGTERM         drained {}; ended {}; {} with the last batch undone, {} more amid a refusal",
            spread(&self.drains),
            spread(&self.leavings),
            self.undone,
            self.amid_refusals
        );
        println!("last fault      to everything committed {:.1} s", self.drained.as_secs_f64());
        println!("memory          {} MiB at most, of the daemons at the end", self.rss_kib / 1024);
        println!("packs           changed every 100 ms, {} reloads in the daemons of the end", self.reloads);
        println!("watchdog        ended {} daemons", self.hung);
        for surprise in &self.surprises {
            println!("SURPRISE        {surprise}");
        }
    }

    /// Holds it to the promises. `clocks`: to those about time, too.
    pub(crate) fn hold(&self, clocks: bool) {
        self.print();
        let v = &self.verdict;
        assert_eq!((v.lost, v.out_of_order), (0, 0), "lost, out of order");
        assert!(self.reloads > 0, "no pack was ever reloaded");
        assert!(v.wrong.is_empty(), "wrong: {:#?}", v.wrong);
        assert_eq!((v.dead, v.healthy_dead), (v.refused, 0), "dead letters of refused lines, and of healthy ones");
        assert!(self.alerted.wrong.is_none(), "alerts: {}", self.alerted.wrong.as_deref().unwrap_or_default());
        for fault in by_kind(&self.planned).keys() {
            assert!(self.seen.contains_key(fault), "{fault} was never seen: this run proves nothing");
        }
        match self.mode {
            Mode::ExactlyOnce => {
                assert_eq!((v.repeats(), v.dead_twice, self.alerted.told_twice), (0, 0, 0), "repeated");
            }
            Mode::AtLeastOnce => {
                // What one fault repeats may still be coming out when the next one begins.
                let most = |fault: Fault| IN_FLIGHT * fault.hits();
                let (mut before, mut allowed) = (0, 0);
                for (fault, repeated) in &self.repeated {
                    let both = (before + repeated, allowed + most(*fault));
                    assert!(
                        both.0 <= both.1,
                        "{fault} and the one before repeated {} lines, and may repeat {}",
                        both.0,
                        both.1
                    );
                    (before, allowed) = (*repeated, most(*fault));
                }
            }
        }
        assert!(self.surprises.is_empty(), "{:#?}", self.surprises);
        let bearable = (self.leavings.len() / 10).max(1);
        assert!(self.undone <= bearable, "{} of {} were undone while leaving", self.undone, self.leavings.len());
        if clocks {
            let most = self.session + RECOVERY_MARGIN;
            assert!(self.kills.iter().all(|took| *took <= most), "recovery after kill -9: {:?}", self.kills);
            // A broker or a network that was away a moment ago is waited for, as long as draining may take.
            let (part, longest) = if self.planned.iter().any(|fault| fault.hits() > 1) { (100, 5) } else { (99, 2) };
            assert!(percentile(&self.drains, part) < Duration::from_secs(longest), "drains: {:?}", self.drains);
        }
    }
}

fn spread(times: &[Duration]) -> String {
    if times.is_empty() {
        return "-".to_owned();
    }
    let [p50, p99] = [50, 99].map(|part| percentile(times, part).as_secs_f64());
    format!("p50 {p50:.2} s, p99 {p99:.2} s of {}", times.len())
}

/// The least of these that so many of a hundred do not exceed.
fn percentile(times: &[Duration], part: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get((sorted.len() * part).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}
