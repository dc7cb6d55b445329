//! `run`: the daemon. Starts what runs beside the lines (signals, reload, HTTP), then the flow, and waits for its end.

mod load;
mod reload;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::arguments::RunArguments;
use super::packs::{self, Loaded};
use super::{Exit, show, usable};
use crate::config::{self, Config};
use crate::engine::Engine;
use crate::flow::reload::{Refused, Reloads};
use crate::flow::{self, End, Failure, FailureKind, PacksFrom, Rules, Status, Stopper};
use crate::http;
use crate::telemetry;

/// Between two sweeps of the histograms.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// The verb.
///
/// # Errors
/// When the process itself cannot be set up: no threads, no signal handlers.
pub fn run(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let Some(config) = usable(config::load(&arguments.layers())) else { return Ok(Exit::Config) };
    telemetry::log(&config.log).map_err(anyhow::Error::msg)?;
    match packs::load(&config.packs, config.engine.clone()) {
        Ok(Loaded { engine, warnings, .. }) => {
            show(&warnings);
            // They hold the texts of the packs.
            drop(warnings);
            daemon(Arc::new(engine.lean()), &config)
        }
        Err(problems) => {
            show(&problems);
            Ok(Exit::Config)
        }
    }
}

/// Runs until a signal or a failure ends it.
fn daemon(engine: Arc<Engine>, config: &Config) -> anyhow::Result<Exit> {
    let http = http::Settings {
        listen: config.http,
        token: config.token.clone(),
        token_parts: config.token_parts.clone(),
        hosts: config.hosts.clone(),
        ..http::Settings::default()
    };
    let metrics = http::metrics();
    let status = Arc::new(Status::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("beside")
        .enable_all()
        .build()
        .context("no runtime for signals and HTTP")?;
    let signals = Signals::catch(&runtime)?;
    let hangup = hangups(&runtime)?;
    let (swap, rules) = watch::channel(engine);
    let reloads = match &config.packs {
        PacksFrom::Builtin => Reloads::never(),
        PacksFrom::Directory(directory) => reload::start(directory.clone(), config.engine.clone(), config.reload, swap)
            .context("no thread for reloads")?,
    };
    runtime.spawn(reload_on(hangup, reloads.clone()));
    if let Err(failure) = serve(&runtime, http, &status, &metrics, &rules, &reloads) {
        return Ok(report(&End::Failed(failure)));
    }
    runtime.spawn(sweep(metrics));
    let end = flow_to_its_end(&rules, config.flow.clone(), &status, &signals, &reloads);
    reloads.stop();
    // Nothing beside the flow has anything left to say.
    runtime.shutdown_background();
    Ok(report(&end))
}

/// Runs the flow, and where certificates have changed the next one, until it ends for another reason.
fn flow_to_its_end(
    rules: &Rules,
    mut settings: flow::Settings,
    status: &Arc<Status>,
    signals: &Signals,
    reloads: &Reloads,
) -> End {
    loop {
        let flow = match flow::start(rules, &settings, status.clone()) {
            Ok(flow) => flow,
            Err(failure) => return End::Failed(failure),
        };
        let stopper = flow.stopper();
        signals.stop(stopper.clone(), reloads.clone());
        match flow.wait() {
            // Whoever asked when nobody listened any more meant this as well.
            End::Renewed if signals.forget(&stopper) => return End::Drained,
            End::Renewed => settings.kafka.read_secrets_again(),
            end => return end,
        }
    }
}

/// Says how it ended, in the log and in the exit code.
pub(crate) fn report(end: &End) -> Exit {
    match end {
        End::Drained | End::Renewed => {
            tracing::info!("drained and stopped");
            Exit::Fine
        }
        End::Cut => {
            tracing::warn!("stopped before everything was settled; nothing is lost, some lines are done again");
            Exit::Unfinished
        }
        End::Failed(failure) => {
            tracing::error!("{failure}");
            exit_of(failure)
        }
    }
}

/// For verbs that are no daemons: says it on stderr.
pub(crate) fn report_failure(failure: &Failure) -> Exit {
    super::show(&[crate::diagnostic::Diagnostic::error("K001", failure.message.clone())]);
    exit_of(failure)
}

fn exit_of(failure: &Failure) -> Exit {
    match failure.kind {
        FailureKind::Unavailable => Exit::Unavailable,
        FailureKind::Software => Exit::Software,
        FailureKind::Config => Exit::Config,
    }
}

async fn sweep(metrics: http::Metrics) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        metrics.sweep();
    }
}

/// Listens, unless told not to.
pub(crate) fn serve(
    runtime: &tokio::runtime::Runtime,
    settings: http::Settings,
    status: &Arc<Status>,
    metrics: &http::Metrics,
    rules: &Rules,
    reloads: &Reloads,
) -> Result<(), Failure> {
    let Some(address) = settings.listen else { return Ok(()) };
    let server = runtime.block_on(http::bind(address)).map_err(|error| {
        Failure::unavailable(format!("http.listen: {address} cannot be listened on ({error}); name another address"))
    })?;
    tracing::info!(address = %server.address(), "listening for probes and metrics");
    let serving = server.serve(settings, status.clone(), metrics.clone(), rules.clone(), reloads.clone());
    runtime.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("HTTP ended: {error}");
        }
    });
    Ok(())
}

/// Catches SIGHUP from now on; one that comes before somebody listens waits.
fn hangups(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Signal> {
    let _inside = runtime.enter();
    signal(SignalKind::hangup()).context("SIGHUP cannot be caught")
}

/// Does what a hangup asks for, each time. The reloader tells what came of it.
async fn reload_on(mut hangup: Signal, reloads: Reloads) {
    while hangup.recv().await.is_some() {
        match reloads.ask().await {
            Ok(_) | Err(Refused::Stopping) => {}
            Err(Refused::Builtin) => {
                tracing::warn!("SIGHUP: the built-in packs are in use; there is nothing to reload")
            }
            Err(Refused::Busy) => tracing::warn!("SIGHUP: too many wait for a reload already"),
        }
    }
}

/// SIGTERM and SIGINT, on their way to whoever can stop.
struct Signals {
    stopper: watch::Sender<Option<(Stopper, Reloads)>>,
}

impl Signals {
    /// Catches them from now on. One that comes before the flow has started ends the process: nothing was read yet, and
    /// the start may be waiting for brokers for a while.
    fn catch(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Self> {
        let _inside = runtime.enter();
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
        let (stopper, known) = watch::channel(None::<(Stopper, Reloads)>);
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => {}
                    Some(()) = interrupt.recv() => {}
                    else => return,
                }
                match &*known.borrow() {
                    Some((stopper, reloads)) => {
                        reloads.stop();
                        stopper.stop();
                    }
                    None => {
                        tracing::info!("stopped before the start was over");
                        std::process::exit(Exit::Fine as i32);
                    }
                }
            }
        });
        Ok(Self { stopper })
    }

    /// From now on they stop this flow, and its reloads.
    fn stop(&self, stopper: Stopper, reloads: Reloads) {
        self.stopper.send_replace(Some((stopper, reloads)));
    }

    /// There is no flow at the moment: a signal ends the process, as before the first one. True when one came already,
    /// for the flow that has just ended.
    fn forget(&self, stopper: &Stopper) -> bool {
        self.stopper.send_replace(None);
        stopper.was_asked()
    }
}
