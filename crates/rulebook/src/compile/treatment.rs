//! What decisions know of a rule: how it is tried, braked and measured.

use super::actions::share;
use super::rule::Builder;
use super::scope::{Scope, Target};
use crate::yaml::{Map, Node, Reader};
use crate::{Roles, Treatment};
use cxwatch_event::{MICRO, Micro};

/// No more may be held out: a holdout that withholds help from most customers proves nothing better.
const HOLDOUT_MAX: Micro = MICRO / 2;

/// Keys that mean nothing in a rule that proposes nothing.
const OF_ACTIONS: [&str; 5] = ["mode", "brake", "holdout", "success", "people_only"];

/// Reads `mode`, `brake`, `holdout` and `success`.
pub(super) fn read<'s>(builder: &mut Builder<'s>, map: &Map<'s>) -> Option<Treatment> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    let shadow = map
        .get("mode")
        .map_or(Some(false), |node| reader.one_of(node, &["live", "shadow"]).map(|mode| mode == "shadow"));
    let brake = map.get("brake").map_or(Some(None), |node| at_least_one(reader, node, "brake").map(Some));
    let holdout = map.get("holdout").map_or(Some(None), |node| holdout(scope, node).map(Some));
    let success = map.get("success").map_or(Some(None), |node| {
        let map = reader.map(node, "`success`")?;
        let selected = scope.selection(&map);
        let within = map.need("within").and_then(|node| Some((node.place, reader.duration(node)?)));
        map.done();
        if selected.targets().iter().any(|t| matches!(t, Target::Detection(..))) {
            let problem = reader.error(node.place, "a detection shows no success");
            problem.expected("`event: ...`: what customers do who are satisfied");
            return None;
        }
        builder.play(Roles::SUCCESS, selected);
        let (place, ms) = within?;
        if ms == 0 {
            reader.error(place, "a duration of 0").expected("more than 0");
            return None;
        }
        Some(Some(ms))
    });
    Some(Treatment { shadow: shadow?, brake: brake?, holdout: holdout?, success_within_ms: success? })
}

/// Says which keys change nothing.
pub(super) fn warn_if_idle(reader: &Reader, map: &Map<'_>) {
    if map.get("actions").is_some() {
        return;
    }
    for entry in OF_ACTIONS.iter().filter_map(|key| map.entry(key)) {
        let message = format!("`{}` changes nothing: this rule has no actions", entry.key.text);
        reader.warning(entry.key.place, message);
    }
}

/// A share of at most a half.
pub(super) fn holdout(scope: &Scope<'_>, node: &Node) -> Option<Micro> {
    let share = share(scope, node)?;
    if share > HOLDOUT_MAX {
        let message = format!("{} of the customers would get no help", node.what());
        scope.reader.error(node.place, message).expected("at most `50%`");
        return None;
    }
    Some(share)
}

/// A number of requests or contacts.
pub(super) fn at_least_one(reader: &Reader, node: &Node, what: &str) -> Option<u32> {
    if node.scalar() == Some("0") {
        let problem = reader.error(node.place, format!("a {what} of 0 lets nothing pass"));
        problem.expected("at least 1 (`mode: shadow` in a rule tries it without acting)");
        return None;
    }
    reader.integer(node, 1..=1_000_000).map(|n| n as u32)
}
