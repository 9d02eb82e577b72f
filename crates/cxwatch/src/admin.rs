//! The admin server: metrics for Prometheus, health for whoever restarts processes, readiness for whoever rolls them out,
//! answers for whoever asks about a customer.
//!
//! It is the only part of the program that is asynchronous; what it shows is told to it by the stream threads.

mod api;

use crate::run::health::Health;
use crate::run::inquiries::Inquiries;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use cxwatch_rulebook::Rulebook;
use prometheus::{Encoder, Registry, TextEncoder};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What the server shows, and whom.
#[derive(Clone)]
pub(crate) struct Admin {
    /// The metrics.
    pub(crate) registry: Registry,
    /// The health.
    pub(crate) health: Arc<Health>,
    /// The way to the threads, for questions about customers.
    pub(crate) inquiries: Inquiries,
    /// The rulebook in force.
    pub(crate) book: Arc<Rulebook>,
    /// Asked for where it is set; not by the two probes, which say nothing that is worth hiding.
    pub(crate) token: Option<SecretString>,
}

impl Admin {
    /// Its routes.
    pub(crate) fn router(self) -> Router {
        let guarded = Router::new()
            .route("/metrics", get(metrics))
            .merge(api::routes())
            .route_layer(from_fn_with_state(self.clone(), ask_for_token));
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .merge(guarded)
            .with_state(self)
    }

    /// Serves until `stopped` is done; requests that have begun are answered.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stopped).await
    }
}

/// Opens the port.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        crate::cli::usage(format!(
            "cannot listen on {address}: {error}; set `admin.listen` to a free address"
        ))
    })
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let encoder = TextEncoder::new();
    let mut body = Vec::new();
    match encoder.encode(&admin.registry.gather(), &mut body) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Alive as long as it answers and no stream thread has ended for good.
async fn healthz(State(admin): State<Admin>) -> Response {
    match admin.health.failure() {
        None => "ok\n".into_response(),
        Some(failure) => (StatusCode::SERVICE_UNAVAILABLE, failure + "\n").into_response(),
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let readiness = admin.health.readiness();
    let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness)).into_response()
}

async fn ask_for_token(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let Some(token) = &admin.token else {
        return next.run(request).await;
    };
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if same(shown.as_bytes(), token.expose_secret().as_bytes()) {
        return next.run(request).await;
    }
    let asked = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, asked, "the header `Authorization: Bearer <admin.token>` is needed\n")
        .into_response()
}

/// Compares in a time that does not tell how much of it is right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::health::{Health, TasksSeen};
    use std::io::{Read, Write};

    /// Asks a server of its own over a real connection.
    fn ask(token: Option<&str>, health: Arc<Health>, request: &str) -> String {
        let registry = Registry::new();
        let counter = prometheus::IntCounter::new("cxwatch_tests_total", "Tests.").expect("a good name");
        registry.register(Box::new(counter)).expect("the only one");
        let (book, _) =
            cxwatch_rulebook::compile("rulebook: shop\nversion: 1\nrules: []\n", "shop.yaml").expect("right");
        let (inquiries, book) = (Inquiries::new(1), Arc::new(book));
        let token = token.map(|token| token.to_owned().into());
        let admin = Admin { registry, health, inquiries, book, token };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(listen(([127, 0, 0, 1], 0).into())).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(admin.serve(listener, std::future::pending()));
        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        write!(stream, "{request}\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn health() -> Arc<Health> {
        Arc::new(Health::new(1, &["web".to_owned()], vec!["web".to_owned()]))
    }

    #[test]
    fn metrics_ask_for_the_token_and_probes_do_not() {
        let open = ask(None, health(), "GET /metrics HTTP/1.1");
        assert!(open.starts_with("HTTP/1.1 200") && open.contains("cxwatch_tests_total 0"), "{open}");
        let closed = ask(Some("t0ken"), health(), "GET /metrics HTTP/1.1");
        assert!(closed.starts_with("HTTP/1.1 401") && !closed.contains("t0ken"), "{closed}");
        let wrong = ask(Some("t0ken"), health(), "GET /metrics HTTP/1.1\r\nAuthorization: Bearer t0kem");
        assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
        let right = ask(Some("t0ken"), health(), "GET /metrics HTTP/1.1\r\nAuthorization: Bearer t0ken");
        assert!(right.starts_with("HTTP/1.1 200"), "{right}");
        let probe = ask(Some("t0ken"), health(), "GET /healthz HTTP/1.1");
        assert!(probe.starts_with("HTTP/1.1 200"), "{probe}");
    }

    #[test]
    fn questions_about_customers_ask_for_the_token_and_wait_for_the_start() {
        let closed = ask(Some("t0ken"), health(), "GET /api/customers/c1 HTTP/1.1");
        assert!(closed.starts_with("HTTP/1.1 401"), "{closed}");
        let early = ask(None, health(), "GET /api/customers/c1 HTTP/1.1");
        assert!(early.starts_with("HTTP/1.1 503") && early.contains("retry-after: 1"), "{early}");
        assert!(early.ends_with(r#"{"error":"starting","detail":"the checks at the start are not done; ask again in a moment"}"#), "{early}");
        let wrong = ask(None, health(), "GET /api/explain?customer=c1&rule=cart&format=text HTTP/1.1");
        assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("text/plain"), "{wrong}");
        assert!(wrong.ends_with("the rulebook has no rule cart\n"), "{wrong}");
    }

    #[test]
    fn readiness_says_why_not() {
        let state = health();
        let starting = ask(None, Arc::clone(&state), "GET /readyz HTTP/1.1");
        assert!(starting.starts_with("HTTP/1.1 503"), "{starting}");
        assert!(starting.contains(r#""reason":"starting""#), "{starting}");
        state.started();
        state.seen(0, TasksSeen { tasks: 1, ..TasksSeen::default() });
        let ready = ask(None, state, "GET /readyz HTTP/1.1");
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        assert!(ready.ends_with(r#"{"ready":true,"reasons":[],"unwatched":["web"],"paused":[]}"#), "{ready}");
    }
}
