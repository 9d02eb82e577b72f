//! What people ask of customers: `/api/customers/{id}` and `/api/explain`. docs/explain.md describes both.

use super::Admin;
use crate::explain::near;
use crate::run::inquiries::{ANSWER_WITHIN, Asked, Heard};
use crate::run::owners::{Owner, Owners};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use cxwatch_decision::explanation::{Answer, Explanation, RuleAnswer};
use cxwatch_event::rfc3339;
use cxwatch_rulebook::Rulebook;
use serde::Serialize;
use std::sync::Arc;

/// What to wait before asking again, in seconds.
const AGAIN_S: &str = "1";

/// The routes, to be guarded like the metrics.
pub(super) fn routes() -> Router<Admin> {
    Router::new().route("/api/customers/{id}", get(customer)).route("/api/explain", get(explain))
}

/// Why there is no answer.
#[derive(Debug, Serialize)]
struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// One of a closed list.
    error: &'static str,
    /// In words, with what to do.
    detail: String,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The partition in which the customer's events lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    /// The same question to whoever has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Box<Self> {
        let detail = detail.into();
        Box::new(Refusal { status, error, detail, parameter: None, partition: None, owner: None, url: None })
    }

    fn parameter(name: &str, detail: impl Into<String>) -> Box<Self> {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "bad_parameter", detail);
        Box::new(Refusal { parameter: Some(name.to_owned()), ..*refusal })
    }

    fn later(error: &'static str, detail: impl Into<String>) -> Box<Self> {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, detail)
    }
}

/// What is wanted, from the address.
#[derive(Debug, Default)]
struct Wanted {
    customer: Option<String>,
    rule: Option<String>,
    at: Option<String>,
    format: Option<String>,
}

impl Wanted {
    fn read(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self, Box<Refusal>> {
        let mut wanted = Wanted::default();
        for (name, value) in pairs {
            let slot = match name.as_str() {
                _ if !known.contains(&name.as_str()) => None,
                "customer" => Some(&mut wanted.customer),
                "rule" => Some(&mut wanted.rule),
                "at" => Some(&mut wanted.at),
                _ => Some(&mut wanted.format),
            };
            let Some(slot) = slot else {
                let list = known.join("`, `");
                return Err(Refusal::parameter(
                    &name,
                    format!("there is no parameter `{name}`; there are `{list}`"),
                ));
            };
            if slot.replace(value).is_some() {
                return Err(Refusal::parameter(&name, format!("`{name}` is given twice; give it once")));
            }
        }
        Ok(wanted)
    }

    fn asked(&self, book: &Rulebook) -> Result<Asked, Box<Refusal>> {
        let Some(customer) = self.customer.as_deref().filter(|id| !id.is_empty()) else {
            return Err(Refusal::parameter("customer", "`customer` is missing: of whom is the question?"));
        };
        let rule = match self.rule.as_deref() {
            None => None,
            Some(id) => Some(book.rule_named(id).ok_or_else(|| {
                let rules = book.rules.iter().map(|rule| rule.id.as_str());
                Refusal::parameter("rule", format!("the rulebook has no rule {id}{}", near(id, rules)))
            })?),
        };
        let at = match self.at.as_deref() {
            None => None,
            Some(text) => Some(rfc3339::parse(text).ok_or_else(|| {
                let detail = format!("`{text}` is no instant; write one like 2026-11-24T12:00:00Z");
                Refusal::parameter("at", detail)
            })?),
        };
        Ok(Asked { customer: customer.into(), rule, at })
    }

    /// Whether the answer is to be text.
    fn is_text(&self, headers: &HeaderMap) -> Result<bool, Box<Refusal>> {
        match self.format.as_deref() {
            Some("text") => Ok(true),
            Some("json") => Ok(false),
            Some(other) => Err(Refusal::parameter(
                "format",
                format!("`{other}` is no format; there are `text` and `json`"),
            )),
            None => Ok(prefers_text(headers)),
        }
    }
}

/// JSON, unless text is asked for and JSON is not.
fn prefers_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/plain") && !accept.contains("application/json")
}

async fn customer(
    State(admin): State<Admin>,
    uri: Uri,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let wanted = Wanted::read(pairs, &["format"]).map(|wanted| Wanted { customer: Some(id), ..wanted });
    answer(&admin, wanted, &uri, &headers, |explanation| explanation.rules.retain(knows_something)).await
}

async fn explain(
    State(admin): State<Admin>,
    uri: Uri,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let wanted = Wanted::read(pairs, &["customer", "rule", "at", "format"]);
    answer(&admin, wanted, &uri, &headers, |_| {}).await
}

/// Whether anything of the customer means something to the rule.
fn knows_something(rule: &RuleAnswer) -> bool {
    rule.because.iter().any(|because| !matches!(because.answer, Answer::NoEvent | Answer::Stopped))
}

async fn answer(
    admin: &Admin,
    wanted: Result<Wanted, Box<Refusal>>,
    uri: &Uri,
    headers: &HeaderMap,
    trim: impl FnOnce(&mut Explanation),
) -> Response {
    let is_text = wanted.as_ref().ok().and_then(|wanted| wanted.is_text(headers).ok());
    let told = match wanted.and_then(|wanted| wanted.is_text(headers).map(|_| wanted)) {
        Ok(wanted) => tell(admin, &wanted, uri).await,
        Err(refusal) => Err(refusal),
    };
    let is_text = is_text.unwrap_or_else(|| prefers_text(headers));
    // What is said of a customer is nobody else's, and soon no longer so.
    let private = [(header::CACHE_CONTROL, "no-store")];
    match told {
        Ok(mut explanation) => {
            trim(&mut explanation);
            let body =
                if is_text { text(explanation.to_string()) } else { Json(explanation).into_response() };
            (private, body).into_response()
        }
        Err(refusal) => {
            let status = refusal.status;
            let mut response = if is_text {
                let url = refusal.url.map_or_else(String::new, |url| format!("{url}\n"));
                (status, private, text(format!("{}\n{url}", refusal.detail))).into_response()
            } else {
                (status, private, Json(refusal)).into_response()
            };
            if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) {
                let again = header::HeaderValue::from_static(AGAIN_S);
                response.headers_mut().insert(header::RETRY_AFTER, again);
            }
            response
        }
    }
}

fn text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn tell(admin: &Admin, wanted: &Wanted, uri: &Uri) -> Result<Explanation, Box<Refusal>> {
    let asked = wanted.asked(&admin.book)?;
    let customer = asked.customer.clone();
    let Some(owners) = admin.inquiries.owners() else {
        return Err(Refusal::later(
            "starting",
            "the checks at the start are not done; ask again in a moment",
        ));
    };
    let (tasks, silent) = match admin.inquiries.ask(asked).await {
        Heard::Known(explanation) => return Ok(*explanation),
        Heard::NotYet(now) => {
            return Err(Refusal::parameter(
                "at",
                format!(
                    "`at` lies after {}, to which time has come for this customer; leave it out to be told how it stands, or ask again",
                    rfc3339::format(now)
                ),
            ));
        }
        Heard::Full => {
            return Err(Refusal::later("busy", "too many questions wait already; ask again in a moment"));
        }
        Heard::Unknown { tasks, silent } => (tasks, silent),
    };
    let partition = owners.partition_of(&customer);
    if tasks.contains(&partition) {
        return Err(unknown(&customer, &owners, partition));
    }
    let found = {
        let owners = Arc::clone(&owners);
        tokio::task::spawn_blocking(move || owners.of(partition)).await
    };
    let refusal = match found {
        Ok(Ok(Some(owner))) if !owner.is_us => misdirected(owner, partition, uri),
        Ok(Ok(Some(_))) if silent > 0 => Refusal::new(
            StatusCode::GATEWAY_TIMEOUT,
            "busy",
            format!(
                "the stream thread that has partition {partition} did not answer within {} s: it restores a task, or the \
                 brokers keep it waiting; /readyz tells more; ask again in a moment",
                ANSWER_WITHIN.as_secs()
            ),
        ),
        Ok(Ok(Some(_))) => Refusal::later(
            "restoring",
            format!(
                "partition {partition} is ours, but its task does not run yet: it is to be restored (/readyz tells more); ask again in a moment"
            ),
        ),
        Ok(Ok(None)) => Refusal::later(
            "no_owner",
            format!(
                "nobody has partition {partition} now: the group is being rebalanced, or too few of its processes run; ask again \
                 in a moment"
            ),
        ),
        Ok(Err(fault)) => Refusal::later(
            "brokers_silent",
            format!(
                "partition {partition} is not ours, and the brokers do not say whose it is: {fault}; ask the other processes"
            ),
        ),
        Err(error) => Refusal::later("busy", format!("the group could not be looked at: {error}; ask again")),
    };
    Err(Box::new(Refusal { partition: Some(partition), ..*refusal }))
}

fn unknown(customer: &str, owners: &Owners, partition: i32) -> Box<Refusal> {
    let hash = if owners.is_sure() {
        ""
    } else {
        ". At the start the feeds had too few records to tell how keys are hashed: if not with murmur2, another process has the \
         customer"
    };
    let detail = format!(
        "nothing is known of the customer {customer}, although partition {partition}, where events of that id lie, is ours. It may \
         be that the id is written otherwise in the events; that no event has come that this rulebook names; or that what came \
         matters to no rule any more and is forgotten, of which `cxwatch explain` on the topics tells{hash}"
    );
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "unknown_customer", detail);
    Box::new(Refusal { partition: Some(partition), ..*refusal })
}

fn misdirected(owner: Owner, partition: i32, uri: &Uri) -> Box<Refusal> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let url = owner.address.as_deref().map(|address| {
        let scheme = if address.contains("://") { "" } else { "http://" };
        format!("{scheme}{address}{path}")
    });
    let Owner { member, host, .. } = &owner;
    let whose = format!("partition {partition} is not ours: {member} on {host} has it");
    let detail = match &owner.address {
        Some(address) if is_loopback(address) && !is_loopback(host) => format!(
            "{whose}, whose admin port {address} is open on that host only: ask there, or set its `admin.listen` or \
             `admin.advertised`"
        ),
        Some(_) => format!("{whose}; ask there"),
        None => format!(
            "{whose}; its client id is one of your own (`kafka.properties: client.id`) and does not say where its admin port is: \
             look at its `admin.listen`"
        ),
    };
    let refusal = Refusal::new(StatusCode::MISDIRECTED_REQUEST, "not_owner", detail);
    Box::new(Refusal { owner: Some(owner), url, ..*refusal })
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let host = host.map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Rulebook {
        let rules = "{ id: cart-left, kind: match, event: order.placed }";
        let source = format!("rulebook: shop\nversion: 1\nrules: [ {rules} ]\n");
        cxwatch_rulebook::compile(&source, "shop.yaml").expect("it is right").0
    }

    /// The parameter that is wrong, and what is said.
    fn wrong(pairs: &[(&str, &str)]) -> (String, String) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let asked = Wanted::read(pairs, &["customer", "rule", "at", "format"]).and_then(|wanted| {
            wanted.is_text(&HeaderMap::new())?;
            wanted.asked(&book())
        });
        let refusal = asked.expect_err("it is wrong");
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        (refusal.parameter.unwrap_or_default(), refusal.detail)
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let said = |name: &str, detail: &str| (name.to_owned(), detail.to_owned());
        assert_eq!(wrong(&[]), said("customer", "`customer` is missing: of whom is the question?"));
        assert_eq!(wrong(&[("customer", "")]).0, "customer");
        assert_eq!(
            wrong(&[("customer", "c1"), ("rule", "cart-lef")]),
            said("rule", "the rulebook has no rule cart-lef; did you mean cart-left?")
        );
        assert_eq!(
            wrong(&[("customer", "c1"), ("at", "noon")]),
            said("at", "`noon` is no instant; write one like 2026-11-24T12:00:00Z")
        );
        assert_eq!(
            wrong(&[("customer", "c1"), ("since", "1d")]),
            said("since", "there is no parameter `since`; there are `customer`, `rule`, `at`, `format`")
        );
        assert_eq!(
            wrong(&[("customer", "c1"), ("customer", "c2")]),
            said("customer", "`customer` is given twice; give it once")
        );
        assert_eq!(
            wrong(&[("customer", "c1"), ("format", "xml")]),
            said("format", "`xml` is no format; there are `text` and `json`")
        );
    }

    #[test]
    fn what_is_right_is_understood() {
        let pairs = [("customer", "c1"), ("rule", "cart-left"), ("at", "1970-01-01T00:00:01Z")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let wanted = Wanted::read(pairs, &["customer", "rule", "at"]).expect("right");
        let asked = wanted.asked(&book()).expect("right");
        assert_eq!((asked.customer.as_str(), asked.at), ("c1", Some(1_000)));
        assert_eq!(asked.rule, book().rule_named("cart-left"));
    }

    #[test]
    fn text_is_for_whoever_asks_for_it() {
        let accepts = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, text.parse().expect("a header"));
            Wanted::default().is_text(&headers).expect("right")
        };
        assert!(accepts("text/plain"));
        assert!(!accepts("*/*"));
        assert!(!accepts("application/json, text/plain"));
    }

    #[test]
    fn whoever_has_the_customer_is_named_with_the_same_question() {
        let uri = Uri::from_static("/api/explain?customer=c1&rule=cart-left");
        let owner = |address: Option<&str>, host: &str| Owner {
            member: "cx-b-0".to_owned(),
            host: host.to_owned(),
            address: address.map(str::to_owned),
            is_us: false,
        };
        let said = |address: Option<&str>, host: &str| {
            let refusal = misdirected(owner(address, host), 3, &uri);
            assert_eq!(refusal.status, StatusCode::MISDIRECTED_REQUEST);
            (refusal.url.unwrap_or_default(), refusal.detail)
        };
        assert_eq!(
            said(Some("10.0.0.7:9464"), "10.0.0.7"),
            (
                "http://10.0.0.7:9464/api/explain?customer=c1&rule=cart-left".to_owned(),
                "partition 3 is not ours: cx-b-0 on 10.0.0.7 has it; ask there".to_owned()
            )
        );
        let (url, _) = said(Some("https://cx-b.example"), "10.0.0.7");
        assert_eq!(url, "https://cx-b.example/api/explain?customer=c1&rule=cart-left");
        let (_, closed) = said(Some("127.0.0.1:9464"), "10.0.0.7");
        assert!(closed.contains("open on that host only"), "{closed}");
        let (_, near) = said(Some("127.0.0.1:9464"), "127.0.0.1");
        assert!(near.ends_with("has it; ask there"), "{near}");
        let (url, nameless) = said(None, "10.0.0.7");
        assert!(url.is_empty() && nameless.contains("look at its `admin.listen`"), "{nameless}");
    }
}
