//! Rulebooks at random, as far as decisions see them: actions, policy, and rules that say nothing but what they propose.

use crate::world::draw::Draw;
use compact_str::{CompactString, format_compact};
use cxwatch_event::{Catalogue, FieldIx, Interest, MICRO, Micro, Millis, Value};
use cxwatch_rulebook::{
    Action, ActionField, Calendar, Cap, Class, Cond, DeskUse, Factor, FeedIx, FeedSet, FieldRef, Fold, Kind,
    Measure, Op, Outcome, Policy, QuietHours, Rule, Rulebook, Severity, Treatment,
};
use std::collections::BTreeMap;

/// One minute.
pub const MINUTE: Millis = 60_000;
/// One hour.
pub const HOUR: Millis = 60 * MINUTE;

/// Channels of actions and contacts.
pub const CHANNELS: [&str; 3] = ["voice", "email", "chat"];

/// Where customers live; the last is nowhere.
pub const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Mars/Olympus"];

/// All outcomes, with their types' names.
pub const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Accepted, "outcome.accepted"),
    (Outcome::Declined, "outcome.declined"),
    (Outcome::Contacted, "outcome.contacted"),
    (Outcome::Saved, "outcome.saved"),
    (Outcome::Failed, "outcome.failed"),
    (Outcome::Unreachable, "outcome.unreachable"),
    (Outcome::Rejected, "outcome.rejected"),
];

/// What a profile says of the customer.
pub fn profile_field(catalogue: &Catalogue, name: &str) -> FieldIx {
    let profile = catalogue.id("customer.profile_updated").expect("a built-in type");
    catalogue.spec(profile).field(name).expect("a field of profiles")
}

/// A rulebook.
pub fn draw_book(draw: &mut Draw) -> Rulebook {
    let catalogue = Catalogue::builtin();
    let actions: Vec<Action> = (0..draw.range(2, 6)).map(|i| drawn_action(draw, &catalogue, i)).collect();
    let rules = (0..draw.range(1, 4)).map(|i| drawn_rule(draw, i, actions.len())).collect::<Vec<_>>();
    let mut feeds: Vec<CompactString> = catalogue.types().filter_map(|(_, t)| t.feed.clone()).collect();
    feeds.sort();
    feeds.dedup();
    let feed_ix =
        |name: &CompactString| FeedIx(feeds.iter().position(|f| f == name).expect("listed above") as u8);
    Rulebook {
        name: "made-up".into(),
        version: 1,
        hash: [0; 16],
        feed_of_type: catalogue.types().map(|(_, t)| t.feed.as_ref().map(feed_ix)).collect(),
        feeds: feeds.clone(),
        calendars: vec![by_day(), by_night()],
        by_type: vec![Vec::new(); catalogue.len()],
        by_detection: vec![Default::default(); rules.len()],
        rules,
        policy: drawn_policy(draw),
        profile: catalogue.id("customer.profile_updated"),
        desk_uses: desk_uses(&catalogue),
        interest: Interest::default(),
        references: Vec::new(),
        actions,
        catalogue: catalogue.into(),
    }
}

fn by_day() -> Calendar {
    let week = std::array::from_fn(|day| if day == 6 { Vec::new() } else { vec![(8 * 60, 20 * 60)] });
    Calendar::new("day", "Europe/Berlin", week, BTreeMap::new()).expect("hours in order in a known zone")
}

fn by_night() -> Calendar {
    let week = std::array::from_fn(|_| vec![(20 * 60 + 30, 27 * 60)]);
    Calendar::new("night", "America/New_York", week, BTreeMap::new()).expect("hours in order in a known zone")
}

/// What events mean to decisions, as the built-in types have it.
fn desk_uses(catalogue: &Catalogue) -> Vec<Option<DeskUse>> {
    let mut uses = vec![None; catalogue.len()];
    let id = |name: &str| catalogue.id(name).expect("a built-in type");
    let field = |kind: &str, name: &str| catalogue.spec(id(kind)).field(name).expect("a field of the type");
    let contact = |kind, when| DeskUse::Contact { when, channel: FieldRef::Data(field(kind, "channel")) };
    let by_us = Op::In(vec![Value::Text("system".into()), Value::Text("bot".into())]);
    let by = FieldRef::Data(field("contact.message_sent", "by"));
    uses[usize::from(id("campaign.sent").0)] = Some(contact("campaign.sent", Cond::True));
    uses[usize::from(id("contact.message_sent").0)] =
        Some(contact("contact.message_sent", Cond::Test(by, by_us)));
    for (outcome, name) in OUTCOMES {
        uses[usize::from(id(name).0)] =
            Some(DeskUse::Outcome { outcome, action_id: field(name, "action_id") });
    }
    uses
}

fn drawn_action(draw: &mut Draw, catalogue: &Catalogue, i: i64) -> Action {
    let class = match draw.range(0, 9) {
        0..6 => Class::Offer,
        6..8 => Class::Reply,
        8 => Class::Raise,
        _ => Class::Internal,
    };
    Action {
        id: format_compact!("a{i}"),
        class,
        by: (*draw.pick(&["person", "machine"])).into(),
        purpose: (*draw.pick(&["service", "service", "service", "marketing"])).into(),
        channel: (*draw.pick(&CHANNELS)).into(),
        queue: "desk".into(),
        skills: Vec::new(),
        hours: if draw.chance(20) { Some(draw.range(0, 1) as u16) } else { None },
        ttl_ms: *draw.pick(&[5 * MINUTE, 30 * MINUTE, HOUR, 8 * HOUR, 24 * HOUR]),
        accept_within_ms: if draw.chance(50) { Some(draw.range(1, 30) * MINUTE) } else { None },
        when: if draw.chance(30) { drawn_condition(draw, catalogue) } else { Cond::True },
        value: drawn_value(draw, catalogue),
        context: if draw.chance(30) {
            (0..draw.range(1, 2))
                .map(|_| (drawn_condition(draw, catalogue), *draw.pick(&[500_000, 1_500_000])))
                .collect()
        } else {
            Vec::new()
        },
        propensity: *draw.pick(&[400_000, 500_000, MICRO]),
        lever: *draw.pick(&[MICRO, MICRO, 1_250_000, 2 * MICRO]),
        exempt: draw.chance(20),
    }
}

fn drawn_condition(draw: &mut Draw, catalogue: &Catalogue) -> Cond<ActionField> {
    let measure = || ActionField::Measure("value".into());
    let tier = ActionField::Profile(profile_field(catalogue, "tier"));
    match draw.range(0, 5) {
        0 => Cond::Test(ActionField::Severity, Op::AtLeast(40 * MICRO)),
        1 => Cond::Test(ActionField::Events, Op::Over(2 * MICRO)),
        2 => Cond::Test(measure(), Op::AtLeast(2 * MICRO)),
        3 => Cond::Test(measure(), Op::Exists(false)),
        4 => Cond::Not(Box::new(Cond::Test(tier, Op::In(vec![Value::Text("gold".into())])))),
        _ => Cond::Any(vec![
            Cond::Test(tier, Op::In(vec![Value::Text("gold".into())])),
            Cond::Test(ActionField::Severity, Op::Under(60 * MICRO)),
        ]),
    }
}

fn drawn_value(draw: &mut Draw, catalogue: &Catalogue) -> Vec<Factor> {
    let measure = Factor::Field(ActionField::Measure("value".into()));
    let worth = Factor::Field(ActionField::Profile(profile_field(catalogue, "lifetime_value")));
    match draw.range(0, 3) {
        0 => Vec::new(),
        1 => vec![measure],
        2 => vec![measure, Factor::Number(1_500_000)],
        _ => vec![worth, measure],
    }
}

fn drawn_rule(draw: &mut Draw, i: i64, actions: usize) -> Rule {
    let mut order: Vec<u16> = (0..actions as u16).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, draw.index(at + 1));
    }
    order.truncate(draw.range(1, 4) as usize);
    let measured = draw.chance(70);
    Rule {
        id: format_compact!("r{i}"),
        rank: 0,
        kind: Kind::Match,
        per: draw.chance(60),
        needs: FeedSet::default(),
        concludes_from_absence: false,
        calendar: None,
        reach_ms: 0,
        guards: Vec::new(),
        measures: if measured { vec![Measure { name: "value".into(), fold: Fold::Sum }] } else { Vec::new() },
        when: Cond::True,
        severity: Severity { cases: Vec::new() },
        summary: Vec::new(),
        actions: order,
        cooldown_ms: if draw.chance(60) { Some(*draw.pick(&[10 * MINUTE, HOUR, 12 * HOUR])) } else { None },
        treatment: Treatment {
            shadow: draw.chance(6),
            brake: if draw.chance(15) { Some(draw.range(1, 4) as u32) } else { None },
            holdout: if draw.chance(30) { Some(*draw.pick(&[0, 300_000, 600_000])) } else { None },
            success_within_ms: if draw.chance(60) {
                Some(*draw.pick(&[20 * MINUTE, 24 * HOUR]))
            } else {
                None
            },
        },
        fingerprint: 0,
    }
}

fn drawn_policy(draw: &mut Draw) -> Policy {
    let quiet_hours = draw.chance(50).then(|| {
        let (from, until) =
            *draw.pick(&[(22 * 60, 7 * 60), (90, 150), (12 * 60, 13 * 60 + 30), (23 * 60 + 30, 2 * 60)]);
        let channels = if draw.chance(40) { vec![(*draw.pick(&CHANNELS)).into()] } else { Vec::new() };
        QuietHours { from, until, channels }
    });
    let caps = (0..draw.range(0, 2)).map(|_| drawn_cap(draw)).collect();
    Policy {
        zone: (*draw.pick(&ZONES[..5])).into(),
        quiet_hours,
        caps,
        brake: if draw.chance(15) { Some(draw.range(1, 6) as u32) } else { None },
        holdout: *draw.pick::<Micro>(&[0, 0, 250_000]),
        declined_for_ms: *draw.pick(&[20 * MINUTE, 4 * HOUR, 48 * HOUR]),
        timeline: 10,
    }
}

fn drawn_cap(draw: &mut Draw) -> Cap {
    Cap {
        channel: draw.chance(40).then(|| (*draw.pick(&CHANNELS)).into()),
        by: draw.chance(30).then(|| (*draw.pick(&["person", "machine"])).into()),
        at_most: draw.range(1, 3) as u32,
        within_ms: *draw.pick(&[10 * MINUTE, HOUR, 24 * HOUR]),
    }
}
