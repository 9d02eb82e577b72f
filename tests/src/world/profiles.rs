//! What is known of customers, at random.

use super::TICK;
use super::book::{NUMBER, VALUE};
use super::draw::Draw;
use super::stream::{Bounds, Logged, Manners, well_behaved};
use cxwatch_event::{Event, FieldValue, MICRO, Millis, Record, TypeId, Value};

/// How profiles come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// They change at any time, and come as events do that have these manners.
    Changing(Manners),
    /// They are read before all else, and what comes later is older. A profile is what was known when something was judged:
    /// where late events have it judged again, only what does not change can be held against the events in order.
    Known,
}

/// Draws the records of the profile's feed.
pub fn draw_profiles(
    draw: &mut Draw,
    kind: TypeId,
    bounds: Bounds,
    manner: Manner,
    (start_ms, length_ms): (Millis, Millis),
) -> Vec<Logged> {
    let mut records = Vec::new();
    for customer in 1..=3 {
        if manner == Manner::Known {
            // Of some nothing is ever known.
            if draw.chance(15) {
                continue;
            }
            let time = start_ms - TICK;
            records.push(logged(draw, kind, customer, (time, time)));
        }
        for _ in 0..draw.range(0, 4) {
            let (time, delay) = match manner {
                Manner::Known => (start_ms - draw.range(2, 9) * TICK, draw.range(9, length_ms / TICK) * TICK),
                Manner::Changing(Manners::Calm) => (
                    start_ms + draw.range(0, length_ms / TICK) * TICK,
                    draw.range(0, bounds.max_delay_ms / TICK) * TICK,
                ),
                Manner::Changing(Manners::Wild) => {
                    (start_ms + draw.range(0, length_ms / TICK) * TICK, draw.range(0, 22) * TICK)
                }
            };
            let profile = logged(draw, kind, customer, (time, time + delay));
            // A duplicate.
            if draw.chance(10) {
                records.push(profile.clone());
            }
            records.push(profile);
        }
    }
    records.sort_by_key(|r| r.recorded_at);
    if manner == Manner::Changing(Manners::Calm) { well_behaved(records, bounds) } else { records }
}

fn logged(draw: &mut Draw, kind: TypeId, customer: i64, (time, recorded_at): (Millis, Millis)) -> Logged {
    let mut fields = Vec::new();
    if draw.chance(85) {
        fields.push(FieldValue { field: NUMBER, value: Value::Number(draw.range(1, 9) * MICRO) });
    }
    if draw.chance(85) {
        fields.push(FieldValue { field: VALUE, value: Value::Text((*draw.pick(&["p", "q"])).into()) });
    }
    let (customer, id) =
        (format!("c{customer}").into(), format!("p{time}-{recorded_at}-{}", draw.range(0, 1_000_000)).into());
    let event = Event { kind, time, sub: 0, customer, id, source: "p".into(), fields };
    let record = Record { events: vec![event], times: [time].into_iter().collect() };
    Logged { recorded_at, record }
}
