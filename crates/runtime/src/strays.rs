//! Outcomes that came in on another partition than their action's.

use cxwatch_event::mapping::Refusal;
use cxwatch_event::{MICRO, Reason, Record, Rejection, Value};
use cxwatch_rulebook::Rulebook;

/// Refuses the outcomes of a record that name another partition. Like all that is refused they move no watermark.
pub(crate) fn refuse_strays(book: &Rulebook, partition: i32, out: &mut Record, refused: &mut Vec<Refusal>) {
    let Record { events, times } = out;
    events.retain(|event| {
        let field = book.catalogue.spec(event.kind).field("partition");
        let Some(Value::Number(named)) = field.and_then(|field| event.field(field)) else { return true };
        if *named == i64::from(partition) * MICRO {
            return true;
        }
        if let Some(at) = times.iter().position(|time| *time == event.time) {
            times.remove(at);
        }
        let rejection = Rejection {
            reason: Reason::WrongPartition,
            place: "/data/partition".into(),
            expected: format!(
                "its action is of partition {}, and this is {partition}; an outcome goes to the partition that the action's route names",
                named / MICRO
            ),
        };
        refused.push(Refusal { sub: Some(event.sub), rejection });
        false
    });
}
