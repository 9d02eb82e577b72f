//! What it costs to read one event, next to other ways to read it.
//!
//! `cargo run --release -p cxwatch-event --example decode_speed`
//!
//! Every way reads the same events: eight fields, some 340 bytes, three of the fields of interest to rules. The least of
//! several rounds is reported, for a shared machine only ever adds time. An argument picks the ways whose name holds it.

// A measurement reads the clock and prints: the bans are for the library.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cxwatch_event::{Catalogue, Decoder, Interest, RawRecord, Record, TypeInterest};

const EVENTS: usize = 1_000;
const ROUNDS: usize = 60;

fn main() {
    let events: Vec<String> = (0..EVENTS).map(event).collect();
    let bytes = events.iter().map(String::len).sum::<usize>() / EVENTS;
    let catalogue = Arc::new(Catalogue::builtin());
    let interest = interest(&catalogue);
    report("utf-8 check alone", bytes, &events, |text| std::str::from_utf8(text.as_bytes()).is_ok());
    for (name, interest) in
        [("decoder, three fields read", interest), ("decoder, type of no rule", Interest::default())]
    {
        let decoder = Decoder::new(catalogue.clone(), interest);
        let mut out = Record::default();
        report(name, bytes, &events, |text| {
            let value = Some(text.as_bytes());
            let raw = RawRecord { feed: "web", key: None, value, headers: &[] };
            decoder.decode(&raw, &mut out).is_ok() && black_box(&out).times.len() == 1
        });
    }
    report("serde_json, typed and borrowed", bytes, &events, serde::read);
    report("serde_json, Value", bytes, &events, |text| {
        serde_json::from_str::<serde_json::Value>(text).is_ok()
    });
}

/// The least time per event over the rounds.
fn report(name: &str, bytes: usize, events: &[String], mut read: impl FnMut(&str) -> bool) {
    if !std::env::args().nth(1).is_none_or(|part| name.contains(&part)) {
        return;
    }
    let round = |read: &mut dyn FnMut(&str) -> bool| {
        let start = Instant::now();
        for text in events {
            assert!(read(black_box(text)), "{text}");
        }
        start.elapsed().as_nanos() as f64 / events.len() as f64
    };
    let least = (0..ROUNDS).map(|_| round(&mut read)).fold(f64::INFINITY, f64::min);
    println!("{name:32} {least:7.0} ns per event of {bytes} B");
}

fn event(i: usize) -> String {
    format!(
        concat!(
            r#"{{"specversion":"1.0","id":"5f0c{:08x}","source":"/shop/eu/web-7","type":"web.cart.item_added","#,
            r#""subject":"c{:08}","time":"2026-11-24T12:{:02}:{:02}.{:03}Z","datacontenttype":"application/json","#,
            r#""data":{{"cart_id":"k{:08}","sku":"sku-{:05}","quantity":{},"unit_price":{}.{:02},"currency":"EUR","#,
            r#""session_id":"s{:010}","device":"mobile"}}}}"#
        ),
        i * 7919,
        i * 31 % 100_000,
        i % 60,
        i * 7 % 60,
        i % 1000,
        i * 31 % 100_000,
        i % 20_000,
        i % 5 + 1,
        i % 300,
        i % 100,
        i * 17
    )
}

fn interest(catalogue: &Catalogue) -> Interest {
    let added = catalogue.id("web.cart.item_added").expect("built in");
    let spec = catalogue.spec(added);
    let fields = ["cart_id", "quantity", "unit_price"].map(|f| spec.field(f).expect("built in").0);
    let mut types = vec![None; catalogue.len()];
    types[usize::from(added.0)] = Some(TypeInterest { fields: fields.iter().fold(0, |set, f| set | 1 << f) });
    Interest { types }
}

/// The same event by derive: every field checked, strings borrowed where they can be.
mod serde {
    use serde::Deserialize;
    use std::borrow::Cow;

    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        specversion: Cow<'a, str>,
        #[serde(borrow)]
        id: Cow<'a, str>,
        #[serde(borrow)]
        source: Cow<'a, str>,
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        subject: Cow<'a, str>,
        #[serde(borrow)]
        time: Cow<'a, str>,
        #[serde(borrow)]
        data: Data<'a>,
    }

    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        cart_id: Cow<'a, str>,
        #[serde(borrow)]
        sku: Cow<'a, str>,
        quantity: Option<f64>,
        unit_price: Option<f64>,
        #[serde(borrow)]
        currency: Option<Cow<'a, str>>,
        #[serde(borrow)]
        session_id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        device: Option<Cow<'a, str>>,
    }

    pub(crate) fn read(text: &str) -> bool {
        let Ok(event) = serde_json::from_slice::<Envelope>(text.as_bytes()) else { return false };
        let data = &event.data;
        let words = [&event.id, &event.source, &event.subject, &data.cart_id, &data.sku];
        let optional = [&data.currency, &data.session_id, &data.device];
        event.specversion == "1.0"
            && event.kind == "web.cart.item_added"
            && cxwatch_event::rfc3339::parse(&event.time).is_some()
            && words.iter().all(|w| !w.is_empty())
            && optional.iter().all(|w| w.is_some())
            && data.quantity.is_some()
            && data.unit_price.is_some()
    }
}
