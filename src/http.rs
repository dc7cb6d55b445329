//! What is going on, over HTTP: `/livez`, `/readyz`, `/metrics`, `/version`, `/api/v1/alerts`, `/api/v1/gaps`; and one
//! thing to do, `POST /-/reload`.
//!
//! The rest only reads: the status that the workers keep, and the counters. Nothing here takes a lock that a line could
//! wait for.

mod access;
mod alerts;
mod deadline;
mod gaps;
mod metrics;
mod probes;
mod reload;
mod serving;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};

use crate::flow::reload::Reloads;
use crate::flow::{Rules, Status};

use access::Access;
use serving::{Answering, Bounds};

pub use access::{Part, Token};
pub use metrics::{Metrics, metrics};

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; nowhere when `None`.
    pub listen: Option<SocketAddr>,
    /// `/livez` fails when lines wait and none was settled for this long.
    pub stall: Duration,
    /// What a reload must bring; without one, it must come from this machine.
    pub token: Option<Token>,
    /// For what else it must be brought.
    pub token_parts: Vec<Part>,
    /// Names by which this server may be asked, besides those of loopback.
    pub hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 9640))),
            stall: Duration::from_secs(60),
            token: None,
            token_parts: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

/// What the handlers know.
#[derive(Clone)]
pub(crate) struct Room {
    status: Arc<Status>,
    metrics: Metrics,
    rules: Rules,
    reloads: Reloads,
    stall: Duration,
    access: Arc<Access>,
}

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct Server {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

/// Binds, so that an address in use is an error before the first line is read.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(address: SocketAddr) -> std::io::Result<Server> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok(Server { listener, address })
}

impl Server {
    /// Where it listens: tells which port was taken for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the runtime ends.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        self,
        settings: Settings,
        status: Arc<Status>,
        metrics: Metrics,
        rules: Rules,
        reloads: Reloads,
    ) -> std::io::Result<()> {
        let Settings { listen: _, stall, token, token_parts, hosts } = settings;
        let on_loopback = self.address.ip().to_canonical().is_loopback();
        let access = Arc::new(Access { token, token_parts, hosts, on_loopback });
        let room = Room { status, metrics, rules, reloads, stall, access };
        let answering = Answering { everything: everything(room.clone()), probes: only_probes(room) };
        serving::serve(self.listener, answering, Bounds::default()).await
    }
}

fn everything(room: Room) -> Router {
    let router = probes()
        .route("/metrics", get(probes::metrics))
        .route("/version", get(probes::version))
        .route("/api/v1/alerts", get(alerts::alerts))
        .route("/api/v1/gaps", get(gaps::gaps))
        .route("/-/reload", post(reload::reload));
    layered(router, room)
}

/// When there are too many connections.
fn only_probes(room: Room) -> Router {
    let busy =
        async || (StatusCode::SERVICE_UNAVAILABLE, "too many connections: only probes are answered; ask again later\n");
    layered(probes().fallback(busy), room)
}

fn probes() -> Router<Room> {
    Router::new().route("/livez", get(probes::live)).route("/readyz", get(probes::ready))
}

fn layered(router: Router<Room>, room: Room) -> Router {
    router.layer(from_fn_with_state(room.access.clone(), access::guard)).layer(map_response(guarded)).with_state(room)
}

/// Answers are for programs and change all the time: never cached, never guessed at, never shown in a frame.
async fn guarded(mut response: Response) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
