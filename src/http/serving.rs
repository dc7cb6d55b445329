//! Connections: accepted, bounded, and let go.
//!
//! Whoever opens connections and says nothing must not keep a supervisor from hearing that the daemon is alive. So a header
//! has to come within [`Bounds::header`], and there are so many connections for everybody ([`Bounds::general`]). Those beyond
//! are for probes alone ([`Bounds::reserve`]), each for one answer; of these the one that came first makes room for a new
//! one, so that who asks at once is always answered, however many others hold on to theirs.
//! An answer has to be taken within [`Bounds::answer`].

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::deadline::Deadline;
use crate::telemetry::Seldom;

/// Bytes of a request's header.
const HEADER_MAX: usize = 16 << 10;
/// How long a connection may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// After an accept that failed for want of something (file descriptors, memory), which is not had at once.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections for all that can be asked.
    pub(crate) general: usize,
    /// Connections for probes, when those are taken.
    pub(crate) reserve: usize,
    /// For a header to come; as long may nothing be asked.
    pub(crate) header: Duration,
    /// For an answer to be taken.
    pub(crate) answer: Duration,
    /// For all of a connection: longer than a reload may take.
    pub(crate) whole: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let (header, answer, whole) = (Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(900));
        Self { general: 192, reserve: 64, header, answer, whole }
    }
}

/// What answers: everything, and the little that is answered when there are too many connections.
#[derive(Clone)]
pub(crate) struct Answering {
    pub(crate) everything: Router,
    pub(crate) probes: Router,
}

/// Serves until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, answering: Answering, bounds: Bounds) -> io::Result<()> {
    let general = Arc::new(Semaphore::new(bounds.general));
    let mut reserve = Reserve { connections: VecDeque::new(), size: bounds.reserve };
    let (mut failures, mut crowds) = (Seldom::of(1), Seldom::of(1));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                refused(&error, &mut failures).await;
                continue;
            }
        };
        if let Ok(permit) = general.clone().try_acquire_owned() {
            let router = answering.everything.clone();
            tokio::spawn(async move {
                connection(stream, router, true, bounds).await;
                drop(permit);
            });
        } else {
            if let Some(kept_back) = crowds.say(Instant::now()) {
                tracing::warn!(kept_back, "all {} HTTP connections are taken: others hear probes only", bounds.general);
            }
            reserve.add(tokio::spawn(connection(stream, answering.probes.clone(), false, bounds)).abort_handle());
        }
    }
}

/// What a client did is its own affair; anything else lasts, and is told.
async fn refused(error: &io::Error, failures: &mut Seldom) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    if let Some(kept_back) = failures.say(Instant::now()) {
        tracing::warn!(kept_back, "HTTP connections cannot be accepted: {error}");
    }
    sleep(PAUSE).await;
}

async fn connection(stream: TcpStream, router: Router, is_kept: bool, bounds: Bounds) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(bounds.header).max_buf_size(HEADER_MAX).keep_alive(is_kept);
    let stream = TokioIo::new(Deadline::new(stream, bounds.answer));
    let mut serving = pin!(builder.serve_connection(stream, TowerToHyperService::new(router)));
    // How a connection ends is nobody's trouble but its client's.
    if timeout(bounds.whole, serving.as_mut()).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _ = timeout(GRACE, serving).await;
    }
}

/// Connections for probes, the oldest first.
struct Reserve {
    connections: VecDeque<AbortHandle>,
    size: usize,
}

impl Reserve {
    fn add(&mut self, connection: AbortHandle) {
        self.connections.retain(|connection| !connection.is_finished());
        if self.connections.len() >= self.size
            && let Some(oldest) = self.connections.pop_front()
        {
            oldest.abort();
        }
        self.connections.push_back(connection);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use axum::routing::get;

    use super::super::alerts::held;
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const BOUNDS: Bounds = Bounds { general: 3, reserve: 2, header: LONG, answer: LONG, whole: LONG };

    async fn served(bounds: Bounds) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let probes = Router::new().route("/livez", get(async || "alive"));
        let answering = Answering { everything: probes.clone().route("/all", get(async || "all")), probes };
        tokio::spawn(serve(listener, answering, bounds));
        address
    }

    /// A connection that has begun to ask and goes no further.
    fn half_open(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
        stream
    }

    fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn probes_are_answered_however_many_connections_say_nothing() {
        let address = served(BOUNDS).await;
        let mut held: Vec<TcpStream> = (0..20).map(|_| half_open(address)).collect();
        for _ in 0..5 {
            assert!(ask(address, "/livez").ends_with("alive"));
        }
        assert!(ask(address, "/all").starts_with("HTTP/1.1 404"), "nothing but probes");
        // Of those for everybody one ends, and all is answered again.
        drop(held.swap_remove(0));
        while !ask(address, "/all").ends_with("all") {}
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_header_that_does_not_come_ends_the_connection() {
        let address = served(Bounds { header: Duration::from_millis(50), ..BOUNDS }).await;
        for mut silent in [half_open(address), TcpStream::connect(address).unwrap()] {
            let mut answer = String::new();
            silent.read_to_string(&mut answer).unwrap();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }

    /// Bytes of pages that are there, and the most that there were.
    static PAGES: AtomicUsize = AtomicUsize::new(0);
    static PAGES_MOST: AtomicUsize = AtomicUsize::new(0);
    static TURNS: Semaphore = Semaphore::const_new(2);
    const PAGE: usize = 8 << 20;

    struct Page(Vec<u8>);

    impl Page {
        fn new() -> Self {
            PAGES_MOST.fetch_max(PAGES.fetch_add(PAGE, Relaxed) + PAGE, Relaxed);
            Self(vec![b'x'; PAGE])
        }
    }

    impl Drop for Page {
        fn drop(&mut self) {
            PAGES.fetch_sub(PAGE, Relaxed);
        }
    }

    impl AsRef<[u8]> for Page {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    /// However many ask and take nothing, no more pages are there than there are turns, and each is let go in time.
    #[tokio::test(flavor = "multi_thread")]
    async fn who_reads_slowly_is_cut_off_and_holds_no_page() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let page = async || {
            let turn = TURNS.acquire().await.unwrap();
            held(Page::new(), turn)
        };
        let everything = Router::new().route("/page", get(page));
        let bounds = Bounds { general: 100, answer: Duration::from_millis(100), ..BOUNDS };
        tokio::spawn(serve(listener, Answering { probes: everything.clone(), everything }, bounds));
        let slow: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"GET /page HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
                stream
            })
            .collect();
        // Each has had its turn when whoever comes last has all of a page.
        let whole = tokio::task::spawn_blocking(move || ask(address, "/page").len()).await.unwrap();
        assert!(whole > PAGE);
        while TURNS.available_permits() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!((PAGES.load(Relaxed), PAGES_MOST.load(Relaxed)), (0, 2 * PAGE));
        drop(slow);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_does_not_last_for_ever() {
        let address = served(Bounds { whole: Duration::from_millis(50), ..BOUNDS }).await;
        let mut idle = TcpStream::connect(address).unwrap();
        assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
