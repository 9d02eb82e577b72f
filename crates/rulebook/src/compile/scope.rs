//! What names mean: event types, rules, and the fields of both.

use super::actions;
use crate::yaml::{Name, Node, Place, Reader, nearest};
use crate::{Calendar, FieldRef, Level};
use compact_str::CompactString;
use cxwatch_event::{Catalogue, Field, FieldIx, FieldType, TypeId, TypeSpec, Value, builtin};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// What a selector selects: an event type, or another rule's detections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Type(TypeId),
    /// By the rule's place in the file.
    Detection(usize, Level),
}

/// What other rules may know of a rule.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) id: CompactString,
    /// Where the id stands.
    pub(super) place: Place,
    pub(super) node: &'a Node,
    pub(super) per: Option<&'a str>,
    /// The names of its measures, sorted: a measure's number is its place here.
    pub(super) measures: Vec<&'a Name>,
}

/// Everything that can be named.
pub(super) struct Scope<'a> {
    pub(super) reader: &'a Reader,
    pub(super) catalogue: &'a Catalogue,
    pub(super) heads: Vec<Head<'a>>,
    /// Rules by their ids.
    pub(super) by_id: BTreeMap<CompactString, usize>,
    pub(super) calendars: Vec<Calendar>,
    /// The names of all calendars, also of those that are wrong.
    pub(super) calendar_names: Vec<&'a str>,
    /// The names of all actions with what each reads of measures; also of those that are wrong.
    pub(super) actions: BTreeMap<CompactString, actions::Reads>,
    pub(super) used_calendars: RefCell<BTreeSet<CompactString>>,
    pub(super) used_actions: RefCell<BTreeSet<CompactString>>,
    /// The rule that is being read, by its place in the file.
    pub(super) reading: Cell<usize>,
    /// The rules that others seem to mean by a name that is wrong: who names them, and which.
    pub(super) guessed: RefCell<BTreeSet<(usize, usize)>>,
}

/// What a field may hold, as far as comparisons go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds<'a> {
    Text(&'a [CompactString]),
    Number,
    Integer,
    Bool,
    Time,
}

impl Holds<'_> {
    pub(super) fn name(self) -> &'static str {
        match self {
            Holds::Text(_) => "text",
            Holds::Number => "a number",
            Holds::Integer => "a whole number",
            Holds::Bool => "`true` or `false`",
            Holds::Time => "a time",
        }
    }
}

const ANY_TEXT: Holds<'static> = Holds::Text(&[]);

/// What people write for `all` and `any`.
const LOGIC: [(&str, &str); 2] = [("and", "all"), ("or", "any")];

/// What the path of a field of the customer's profile begins with.
pub(super) const CUSTOMER: &str = "customer.";

fn holds(field: &Field) -> Holds<'_> {
    match field.kind {
        FieldType::Text => Holds::Text(&field.one_of),
        FieldType::Number => Holds::Number,
        FieldType::Integer => Holds::Integer,
        FieldType::Bool => Holds::Bool,
        FieldType::Time => Holds::Time,
        FieldType::ActionId => ANY_TEXT,
    }
}

impl<'a> Scope<'a> {
    /// What a customer's profile looks like.
    pub(super) fn profile(&self) -> Option<&'a TypeSpec> {
        self.catalogue.id(builtin::PROFILE).map(|id| self.catalogue.spec(id))
    }

    /// A field of the customer's profile.
    pub(super) fn profile_field(&self, name: &str) -> Option<(FieldIx, Holds<'a>)> {
        let spec = self.profile()?;
        let ix = spec.field(name)?;
        Some((ix, holds(&spec.fields[usize::from(ix.0)])))
    }

    /// Says that a path leads to no field of the customer's profile.
    pub(super) fn unknown_profile_field(&self, path: &str, place: Place) {
        let fields = self.profile().map(|spec| spec.fields.as_slice()).unwrap_or_default();
        let known: Vec<String> = fields.iter().map(|f| format!("{CUSTOMER}{}", f.name)).collect();
        let problem = self.reader.error(place, format!("a customer's profile has no field `{path}`"));
        let last = path.rsplit('.').next().unwrap_or_default();
        let inside = known.iter().find(|name| name.rsplit('.').next() == Some(last));
        match nearest(path, known.iter().map(String::as_str)).or(inside.map(String::as_str)) {
            Some(name) => problem.suggest(name),
            None => problem.expected(
                "a field of `customer.profile_updated`, or one that `customer: { attributes: ... }` declares",
            ),
        };
    }

    /// A field of a target; `None` where it has no such field.
    pub(super) fn field(&self, path: &str, target: Target) -> Option<(FieldRef, Holds<'_>)> {
        if let Some(name) = path.strip_prefix(CUSTOMER) {
            return self.profile_field(name).map(|(ix, holds)| (FieldRef::Profile(ix), holds));
        }
        match target {
            Target::Type(id) => {
                let spec = self.catalogue.spec(id);
                let data = |name: &str| {
                    let ix = spec.field(name)?;
                    Some((FieldRef::Data(ix), holds(&spec.fields[usize::from(ix.0)])))
                };
                match path {
                    "id" => Some((FieldRef::Id, ANY_TEXT)),
                    "source" => Some((FieldRef::Source, ANY_TEXT)),
                    "time" => Some((FieldRef::Time, Holds::Time)),
                    "type" => Some((FieldRef::Const(Value::Text(spec.name.clone())), ANY_TEXT)),
                    "feed" => spec.feed.as_ref().map(|f| (FieldRef::Const(Value::Text(f.clone())), ANY_TEXT)),
                    "channel" => data("channel").or_else(|| {
                        // Two feeds are one channel; on the others each type says its own.
                        let feed = spec
                            .feed
                            .as_ref()
                            .filter(|f| [builtin::WEB, builtin::SOCIAL].contains(&f.as_str()))?;
                        Some((FieldRef::Const(Value::Text(feed.clone())), ANY_TEXT))
                    }),
                    _ => data(path.strip_prefix("data.")?),
                }
            }
            Target::Detection(of, _) => {
                let head = &self.heads[of];
                match path {
                    "rule" => Some((FieldRef::Const(Value::Text(head.id.clone())), ANY_TEXT)),
                    "type" => Some((FieldRef::Const(Value::Text(self.target_name(target).into())), ANY_TEXT)),
                    "key" => Some((FieldRef::Key, ANY_TEXT)),
                    "severity" => Some((FieldRef::Severity, Holds::Integer)),
                    _ => {
                        let name = path.strip_prefix("measures.")?;
                        let at = head.measures.iter().position(|m| m.text == name)?;
                        Some((FieldRef::Measure(at as u8), Holds::Number))
                    }
                }
            }
        }
    }

    /// The paths of all fields of a target.
    fn paths(&self, target: Target) -> Vec<String> {
        let mut paths: Vec<String> =
            ["id", "source", "time", "type", "feed", "channel", "rule", "key", "severity"]
                .into_iter()
                .filter(|p| self.field(p, target).is_some())
                .map(str::to_owned)
                .collect();
        match target {
            Target::Type(id) => {
                paths.extend(self.catalogue.spec(id).fields.iter().map(|f| format!("data.{}", f.name)));
            }
            Target::Detection(of, _) => {
                paths.extend(self.heads[of].measures.iter().map(|m| format!("measures.{}", m.text)));
            }
        }
        paths
    }

    /// Whether at least one target has the field; reports it if not.
    pub(super) fn check_field(&self, path: &str, place: Place, targets: &[Target]) -> bool {
        if let Some(name) = path.strip_prefix(CUSTOMER) {
            let known = self.profile_field(name).is_some();
            if !known {
                self.unknown_profile_field(path, place);
            }
            return known;
        }
        if targets.is_empty() || targets.iter().any(|t| self.field(path, *t).is_some()) {
            return true;
        }
        let mut paths: BTreeSet<String> = BTreeSet::new();
        targets.iter().for_each(|t| paths.extend(self.paths(*t)));
        let who = match targets {
            [one] => format!("`{}`", self.target_name(*one)),
            many => format!("none of the {} event types selected here", many.len()),
        };
        let message = match targets {
            [_] => format!("{who} has no field `{path}`"),
            _ => format!("{who} has a field `{path}`"),
        };
        let problem = self.reader.error(place, message);
        if let Some((_, word)) = LOGIC.iter().find(|(word, _)| *word == path) {
            problem.expected("a field, or `all`, `any` or `not`").suggest(*word);
            return false;
        }
        let data = format!("data.{path}");
        let measure = format!("measures.{path}");
        if paths.contains(&data) {
            problem.suggest(data);
        } else if paths.contains(&measure) {
            problem.suggest(measure);
        } else if let Some(name) = nearest(path, paths.iter().map(String::as_str)) {
            problem.suggest(name);
        } else {
            let known: Vec<_> = paths.iter().map(|p| format!("`{p}`")).collect();
            let shown = known.iter().take(24).cloned().collect::<Vec<_>>().join(", ");
            let more = if known.len() > 24 { ", ..." } else { "" };
            problem.expected(format!("one of {shown}{more}"));
        }
        false
    }

    /// How a rulebook writes a target.
    pub(super) fn target_name(&self, target: Target) -> String {
        match target {
            Target::Type(id) => self.catalogue.spec(id).name.to_string(),
            Target::Detection(of, Level::Breach) => format!("rule:{}", self.heads[of].id),
            Target::Detection(of, Level::Warning) => format!("rule:{}.warning", self.heads[of].id),
        }
    }

    /// What a name or pattern stands for; reports it where that is nothing.
    pub(super) fn targets(&self, node: &Node) -> Vec<Target> {
        let Some(text) = self.reader.text(node) else { return Vec::new() };
        let found = if let Some(rule) = text.strip_prefix("rule:") {
            return self.detections(rule, node);
        } else if text.contains('*') {
            self.matching(text)
        } else if text == builtin::PROFILE {
            self.reader.error(node.place, "a profile is no event of a rule").expected(
                "`customer.<field>` in a condition: what is known of the customer when an event is judged",
            );
            return Vec::new();
        } else if text == builtin::HEARTBEAT {
            self.reader
                .error(node.place, "a heartbeat belongs to no customer, so no rule can use it")
                .expected("an event type with a customer");
            return Vec::new();
        } else {
            Vec::from_iter(self.catalogue.id(text))
        };
        let found = if found.is_empty() { self.unknown_type(text, node.place) } else { found };
        found.into_iter().map(Target::Type).collect()
    }

    /// The types that match a pattern.
    fn matching(&self, pattern: &str) -> Vec<TypeId> {
        let types = self.catalogue.types().filter(|(_, t)| is_in_patterns(t) && glob(pattern, &t.name));
        types.map(|(id, _)| id).collect()
    }

    /// Says that a name or pattern stands for no type. What is suggested is what was most likely meant: the rest of the
    /// rule is checked as if it stood there, so that one wrong letter hides no other problem.
    fn unknown_type(&self, text: &str, place: Place) -> Vec<TypeId> {
        let is_named = |t: &TypeSpec| t.feed.is_some() && t.name != builtin::PROFILE;
        let names = || self.catalogue.types().filter(|(_, t)| is_named(t)).map(|(_, t)| t.name.as_str());
        if self.by_id.contains_key(text) {
            let problem = self.reader.error(place, format!("`{text}` is a rule, not an event type"));
            problem.suggest(format!("rule:{text}"));
            Vec::new()
        } else if text.contains('*') {
            let stem = text.split('*').next().unwrap_or_default();
            let families: BTreeSet<String> =
                names().filter_map(|n| n.split('.').next()).map(|family| format!("{family}.*")).collect();
            let problem = self.reader.error(place, format!("no event type matches `{text}`"));
            let near =
                nearest(&format!("{}.*", stem.trim_end_matches('.')), families.iter().map(String::as_str));
            match near {
                Some(family) => problem.suggest(family),
                None => problem
                    .expected(format!("a pattern like {}", crate::yaml::list_of(families.iter().take(6)))),
            };
            near.map(|family| self.matching(family)).unwrap_or_default()
        } else {
            self.reader
                .error(place, format!("`{text}` is not an event type"))
                .expected("an event type of the catalogue or of this rulebook's `types`")
                .nearest(text, names());
            nearest(text, names()).and_then(|near| self.catalogue.id(near)).into_iter().collect()
        }
    }

    fn detections(&self, text: &str, node: &Node) -> Vec<Target> {
        let (id, level) = match text.strip_suffix(".warning") {
            Some(id) => (id, Level::Warning),
            None => (text, Level::Breach),
        };
        let Some(of) = self.by_id.get(id).copied() else { return self.unknown_rule(id, level, node.place) };
        if level == Level::Warning && self.heads[of].node.entry("warn_at").is_none() {
            self.reader
                .error(node.place, format!("rule `{id}` gives no warning"))
                .expected("`warn_at` in that rule, or its detections")
                .suggest(format!("rule:{id}"));
            return Vec::new();
        }
        vec![Target::Detection(of, level)]
    }

    /// Says that there is no such rule. What is suggested is what was most likely meant: the rest of the rule is checked
    /// as if it stood there, so that one wrong letter hides no other problem.
    fn unknown_rule(&self, id: &str, level: Level, place: Place) -> Vec<Target> {
        let problem = self.reader.error(place, format!("there is no rule `{id}`"));
        if id.contains('*') {
            problem.expected("the id of one rule, or a list of them: patterns stand for event types only");
            return Vec::new();
        }
        let warns = |head: &Head<'_>| head.node.entry("warn_at").is_some();
        let named = |level: Level| {
            let heads = self.heads.iter().enumerate().filter(|(at, _)| *at != self.reading.get());
            heads
                .filter(move |(_, head)| level == Level::Breach || warns(head))
                .map(|(_, head)| head.id.as_str())
        };
        // Behind a point stands something that is nearly `warning`.
        let parted = id.split_once('.').filter(|(name, _)| self.by_id.contains_key(*name));
        let (near, level) = match parted {
            Some((name, _)) if named(Level::Warning).any(|id| id == name) => (Some(name), Level::Warning),
            Some((name, _)) => (Some(name), Level::Breach),
            None => match nearest(id, named(level)) {
                None => (nearest(id, named(Level::Breach)), Level::Breach),
                near => (near, level),
            },
        };
        let Some(of) = near.and_then(|name| self.by_id.get(name).copied()) else {
            problem.expected("`rule:` and the id of a rule of this rulebook");
            return Vec::new();
        };
        let meant = Target::Detection(of, level);
        problem.suggest(self.target_name(meant));
        self.guessed.borrow_mut().insert((self.reading.get(), of));
        vec![meant]
    }

    /// The number of a calendar.
    pub(super) fn calendar(&self, node: &Node) -> Option<u16> {
        let name = self.reader.text(node)?;
        self.used_calendars.borrow_mut().insert(name.into());
        let at = self.calendars.iter().position(|c| c.id == name);
        // A calendar that is wrong has been reported: one mistake, one problem.
        if at.is_none() && !self.calendar_names.contains(&name) {
            let known = self.calendar_names.iter().copied();
            let problem = self.reader.error(node.place, format!("there is no calendar `{name}`"));
            problem.expected("a name from `calendars`").nearest(name, known);
        }
        at.map(|at| at as u16)
    }
}

/// Whether patterns include a type: not heartbeats, and not what is known of customers or became of actions.
fn is_in_patterns(spec: &TypeSpec) -> bool {
    spec.feed.as_ref().is_some_and(|f| ![builtin::CUSTOMERS, builtin::OUTCOMES].contains(&f.as_str()))
}

/// Whether a name matches a pattern in which `*` stands for any letters, also none.
fn glob(pattern: &str, name: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return pattern == name };
    let Some(rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    let after = middle.iter().try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    after.is_some()
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_any_letters() {
        let cases = [
            ("web.*", "web.page.viewed", true),
            ("web.*", "webshop.opened", false),
            ("*", "order.placed", true),
            ("*.failed", "payment.failed", true),
            ("*.failed", "payment.failed.twice", false),
            ("web.*.failed", "web.form.failed", true),
            ("web.*.*ed", "web.click.raged", true),
            ("a*a", "a", false),
            ("order.placed", "order.placed", true),
        ];
        for (pattern, name, matches) in cases {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }
}
