//! Selectors: which events (or detections), and where.

use super::cond::never;
use super::scope::{Scope, Target};
use crate::yaml::{Body, Map, Node, Place};
use crate::{Cond, FieldRef};

/// What a selector selects. A target may be in it several times, with different conditions.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) parts: Vec<(Target, Cond<FieldRef>)>,
    /// What was named, whether or not it can pass the condition.
    pub(super) named: Vec<Target>,
}

impl Selected {
    /// Its targets, each once, in order.
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<_> = self.parts.iter().map(|(target, _)| *target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

impl Scope<'_> {
    /// A selector: a name or pattern, a map with `event` (or `rule`) and `where`, or a list of these.
    pub(super) fn selector(&self, node: &Node) -> Selected {
        let mut selected = Selected::default();
        for item in self.some(node) {
            match &item.body {
                Body::Map(_) => {
                    let Some(map) = self.reader.map(item, "a selector") else { continue };
                    let one = self.selection(&map);
                    selected.parts.extend(one.parts);
                    selected.named.extend(one.named);
                    map.done();
                }
                _ => {
                    let named = self.targets(item);
                    selected.parts.extend(named.iter().map(|target| (*target, Cond::True)));
                    selected.named.extend(named);
                }
            }
        }
        selected
    }

    /// The keys `event`, `rule` and `where` of a map.
    pub(super) fn selection(&self, map: &Map<'_>) -> Selected {
        let (event, rule) = (map.get("event"), map.get("rule"));
        let mut targets = Vec::new();
        for item in event.iter().flat_map(|node| self.some(node)) {
            if let Body::Map(_) = item.body {
                self.reader
                    .error(item.place, "a map stands here")
                    .expected("a name or a pattern; `where` goes beside `event`, into the same map");
                // What is meant is plain: read it, so that nothing else in it goes unsaid.
                if let Some(map) = self.reader.map(item, "a selector") {
                    targets.extend(self.selection(&map).named);
                    map.done();
                }
                continue;
            }
            targets.extend(self.targets(item));
        }
        for item in rule.iter().flat_map(|node| self.some(node)) {
            if let Some(id) = self.reader.text(item) {
                let id = id.strip_prefix("rule:").unwrap_or(id);
                let body = Body::Scalar { text: format!("rule:{id}"), plain: true };
                targets.extend(self.targets(&Node { place: item.place, body }));
            }
        }
        if event.is_none() && rule.is_none() {
            map.need("event");
        }
        targets.sort_unstable();
        targets.dedup();
        let Some(condition) = map.get("where") else {
            let parts = targets.iter().map(|t| (*t, Cond::True)).collect();
            return Selected { parts, named: targets };
        };
        let Some(conds) = self.where_each(condition, &targets) else {
            // It is wrong, and reported: the rest of the rule is checked as if it were not there.
            let parts = targets.iter().map(|t| (*t, Cond::True)).collect();
            return Selected { parts, named: targets };
        };
        let parts: Vec<_> = targets.iter().copied().zip(conds).filter(|(_, cond)| *cond != never()).collect();
        if parts.is_empty() && !targets.is_empty() {
            self.reader
                .error(condition.place, "none of the selected events can ever pass this condition")
                .expected("a condition that at least one of the event types can meet");
        }
        Selected { parts, named: targets }
    }

    /// What a list or a single value selects: at least something.
    fn some<'n>(&self, node: &'n Node) -> &'n [Node] {
        if matches!(&node.body, Body::List(items) if items.is_empty()) {
            self.reader
                .error(node.place, "this list is empty: it selects nothing")
                .expected("at least one event type");
        }
        self.reader.list_or_single(node)
    }

    /// The selector below a key that must be there.
    pub(super) fn need_selector(&self, map: &Map<'_>, key: &'static str) -> Selected {
        map.need(key).map(|node| self.selector(node)).unwrap_or_default()
    }

    /// The selector below a key that may be there.
    pub(super) fn get_selector(&self, map: &Map<'_>, key: &'static str) -> Option<(Place, Selected)> {
        map.entry(key).map(|entry| (entry.key.place, self.selector(&entry.value)))
    }
}
