//! `run`: the daemon. Starts what runs beside the lines (signals, HTTP), then the flow, and waits for its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::arguments::RunArguments;
use super::{Exit, packs, show, usable};
use crate::config::{self, Config};
use crate::engine::Engine;
use crate::flow::{self, End, Failure, FailureKind, Rules, Status, Stopper};
use crate::http;
use crate::telemetry::{self, Metrics};

/// Between two sweeps of the histograms.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// The verb.
///
/// # Errors
/// When the process itself cannot be set up: no threads, no signal handlers.
pub fn run(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let Some(config) = usable(config::load(&arguments.daemon.layers())) else { return Ok(Exit::Config) };
    telemetry::log(&config.log).map_err(anyhow::Error::msg)?;
    match packs::load(&config.packs, config.engine.clone()) {
        Ok(loaded) => {
            show(&loaded.warnings);
            daemon(Arc::new(loaded.engine), &config)
        }
        Err(problems) => {
            show(&problems);
            Ok(Exit::Config)
        }
    }
}

/// Runs until a signal or a failure ends it.
fn daemon(engine: Arc<Engine>, config: &Config) -> anyhow::Result<Exit> {
    let http = http::Settings { listen: config.http, ..http::Settings::default() };
    let metrics = telemetry::metrics();
    let status = Arc::new(Status::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("beside")
        .enable_all()
        .build()
        .context("no runtime for signals and HTTP")?;
    let signals = Signals::catch(&runtime)?;
    let (_swap, rules) = watch::channel(engine);
    if let Err(failure) = serve(&runtime, http, &status, &metrics, &rules) {
        return Ok(report(&End::Failed(failure)));
    }
    runtime.spawn(sweep(metrics));
    let end = match flow::start(&rules, &config.flow, status) {
        Ok(flow) => {
            signals.stop(flow.stopper());
            flow.wait()
        }
        Err(failure) => End::Failed(failure),
    };
    // Nothing beside the flow has anything left to say.
    runtime.shutdown_background();
    Ok(report(&end))
}

/// Says how it ended, in the log and in the exit code.
pub(crate) fn report(end: &End) -> Exit {
    match end {
        End::Drained => {
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

async fn sweep(metrics: Metrics) {
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
    metrics: &Metrics,
    rules: &Rules,
) -> Result<(), Failure> {
    let Some(address) = settings.listen else { return Ok(()) };
    let server = runtime.block_on(http::bind(address)).map_err(|error| {
        Failure::unavailable(format!("http.listen: {address} cannot be listened on ({error}); name another address"))
    })?;
    tracing::info!(address = %server.address(), "listening for probes and metrics");
    let serving = server.serve(settings, status.clone(), metrics.clone(), rules.clone());
    runtime.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("HTTP ended: {error}");
        }
    });
    Ok(())
}

/// SIGTERM and SIGINT, on their way to whoever can stop.
struct Signals {
    stopper: watch::Sender<Option<Stopper>>,
}

impl Signals {
    /// Catches them from now on. One that comes before the flow has started ends the process: nothing was read yet, and
    /// the start may be waiting for brokers for a while.
    fn catch(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Self> {
        let _inside = runtime.enter();
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
        let (stopper, known) = watch::channel(None::<Stopper>);
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => {}
                    Some(()) = interrupt.recv() => {}
                    else => return,
                }
                match &*known.borrow() {
                    Some(stopper) => stopper.stop(),
                    None => {
                        tracing::info!("stopped before the start was over");
                        std::process::exit(Exit::Fine as i32);
                    }
                }
            }
        });
        Ok(Self { stopper })
    }

    /// From now on they stop this flow.
    fn stop(&self, stopper: Stopper) {
        self.stopper.send_replace(Some(stopper));
    }
}
