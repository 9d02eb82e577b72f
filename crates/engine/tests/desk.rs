//! What a desk is told beside detections: the events that it saw, and those that show a success.

use compact_str::{CompactString, format_compact};
use cxwatch_engine::{Desk, Effect, EventRef, FOREVER, Judge, Moment, Received, Settings, Task};
use cxwatch_event::{Event, FieldValue, Millis, Record, Value};
use cxwatch_rulebook::{FeedIx, RuleIx, Rulebook, compile};
use std::sync::Arc;

const MINUTE: i64 = 60_000;

/// Writes down what it is told, in order.
#[derive(Default)]
struct Notebook(Vec<String>);

impl Notebook {
    fn note(&mut self, moment: &Moment<'_>, what: &str) {
        let tier = moment.profile.fields.first().and_then(|f| f.value.as_text()).unwrap_or("unknown");
        self.0.push(format!("{} {} ({tier}): {what}", moment.instant / MINUTE, moment.customer));
    }
}

impl Desk for Notebook {
    /// When it wants to be woken: ten minutes after the first success.
    type State = Option<Millis>;

    fn take(&mut self, moment: &Moment<'_>, _: &mut Self::State, effect: &Effect) {
        let (what, rule) = match effect {
            Effect::Detected(d) => ("detected", d.rule),
            Effect::Resolved(e) => ("resolved", e.rule),
            Effect::Retracted(e) => ("retracted", e.rule),
        };
        self.note(moment, &format!("{what} {}", moment.book.rule(rule).id));
    }

    fn saw(&mut self, moment: &Moment<'_>, _: &mut Self::State, Received { event, .. }: Received<'_>) {
        let kind = &moment.book.catalogue.spec(event.kind).name;
        self.note(moment, &format!("saw {kind} {} at {}", event.id, event.time / MINUTE));
    }

    fn succeeded(
        &mut self,
        moment: &Moment<'_>,
        state: &mut Self::State,
        rule: RuleIx,
        key: Option<&str>,
        at: &EventRef,
    ) {
        state.get_or_insert(moment.instant + 10 * MINUTE);
        self.note(moment, &format!("{} of {key:?} succeeded by {}", moment.book.rule(rule).id, at.id));
    }

    fn next(&self, state: &Self::State) -> Option<Millis> {
        *state
    }

    fn wake(&mut self, moment: &Moment<'_>, state: &mut Self::State) {
        *state = None;
        self.note(moment, "woken");
    }

    fn rule_removed(&mut self, _: &Moment<'_>, _: &mut Self::State, _: &str) {}

    fn is_idle(&self, state: &Self::State) -> bool {
        state.is_none()
    }
}

/// `refused` is built on an event that also shows a success of `cart`; `campaign.sent` means something to decisions
/// alone, and `web.page.viewed` nothing to anybody.
const RULES: &str = "
rulebook: t
version: 1
policy: { caps: [ { channel: email, at_most: 3, within: 7d } ] }
actions: { raise: { class: raise, when: { customer.tier: gold } } }
rules:
  - { id: cart, kind: match, event: web.cart.item_added, per: data.cart_id, actions: raise,
      success: { event: [ order.placed, payment.failed, web.login.succeeded ], within: 1d } }
  - { id: refused, kind: match, event: payment.failed, actions: raise }
";

fn task() -> Task<Notebook> {
    let book = compile(RULES, "r.yaml").unwrap_or_else(|problems| panic!("{problems:?}")).0;
    let settings = Settings::new(book.feeds.len());
    Task::new(Arc::new(book), settings, Notebook::default(), 0)
}

fn read(task: &mut Task<Notebook>, offset: i64, kind: &str, time: Millis, fields: &[(&str, &str)]) {
    let book: Arc<Rulebook> = Arc::clone(task.book());
    let id = book.catalogue.id(kind).expect("a type");
    let field = |name: &str| book.catalogue.spec(id).field(name).expect("a field");
    let value =
        |(name, text): &(&str, &str)| FieldValue { field: field(name), value: Value::Text((*text).into()) };
    let mut fields: Vec<_> = fields.iter().map(value).collect();
    fields.sort_by_key(|f| f.field);
    let id_text: CompactString = format_compact!("e{offset}");
    let event =
        Event { kind: id, time, sub: 0, customer: "c1".into(), id: id_text, source: "/test".into(), fields };
    let mut record = Record { events: vec![event], times: [time].into_iter().collect() };
    let feed = book.feed_of_type[usize::from(id.0)].expect("a feed that is read");
    assert!(task.read(feed, offset, FOREVER, &mut record, Judge::Wall(FOREVER)).is_empty());
}

/// What the desk was told until then, since the last call.
fn told(task: &mut Task<Notebook>, to: Millis) -> Vec<String> {
    for feed in 0..task.book().feeds.len() as u8 {
        task.proof(FeedIx(feed), to + 3_000);
    }
    while task.advance(to, usize::MAX) {}
    std::mem::take(&mut task.desk_mut().0)
}

#[test]
fn a_desk_sees_what_rules_name_and_what_decisions_are_about_before_its_effects() {
    let mut task = task();
    read(&mut task, 0, "web.cart.item_added", MINUTE, &[("cart_id", "k")]);
    read(&mut task, 1, "campaign.sent", 2 * MINUTE, &[("channel", "email")]);
    assert_eq!(
        told(&mut task, 2 * MINUTE),
        [
            "1 c1 (unknown): saw web.cart.item_added e0 at 1",
            "1 c1 (unknown): detected cart",
            "2 c1 (unknown): saw campaign.sent e1 at 2",
        ]
    );
    // A duplicate is not seen again; what is late is seen when it comes.
    read(&mut task, 1, "campaign.sent", 2 * MINUTE, &[("channel", "email")]);
    read(&mut task, 2, "campaign.sent", MINUTE, &[("channel", "email")]);
    assert_eq!(told(&mut task, 3 * MINUTE), ["2 c1 (unknown): saw campaign.sent e2 at 1"]);
}

#[test]
fn a_desk_is_told_of_successes_and_of_what_is_known() {
    let mut task = task();
    read(&mut task, 0, "customer.profile_updated", MINUTE, &[("tier", "gold")]);
    read(&mut task, 1, "order.placed", 2 * MINUTE, &[("cart_id", "k")]);
    // Of all carts, where an event names none.
    read(&mut task, 2, "web.login.succeeded", 3 * MINUTE, &[]);
    // A success of one rule, an event of another.
    read(&mut task, 3, "payment.failed", 4 * MINUTE, &[]);
    assert_eq!(
        told(&mut task, 4 * MINUTE),
        [
            "2 c1 (gold): saw order.placed e1 at 2",
            "2 c1 (gold): cart of Some(\"k\") succeeded by e1",
            "3 c1 (gold): saw web.login.succeeded e2 at 3",
            "3 c1 (gold): cart of None succeeded by e2",
            "4 c1 (gold): saw payment.failed e3 at 4",
            "4 c1 (gold): cart of None succeeded by e3",
            "4 c1 (gold): detected refused",
        ]
    );
    // What it then asked for is kept for it.
    assert_eq!(told(&mut task, 20 * MINUTE), ["12 c1 (gold): woken"]);
}
