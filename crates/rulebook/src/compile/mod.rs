//! From YAML to compiled rules.
//!
//! Reading goes on after a problem, so that all of them are found at once; only where none is an error, rules are
//! linked. What a rule means is decided per event type: fields are looked up, conditions typed and simplified, and
//! event types that can never pass are left out.

mod actions;
mod calendars;
mod cond;
mod kinds;
mod link;
mod measures;
mod policy;
mod rule;
mod scope;
mod select;
mod table;
mod treatment;
mod types;

use crate::canon;
use crate::yaml::{Body, Entry, Name, Node, Problem, Reader};
use crate::{
    Action, ActionField, Cond, DeskUse, Factor, FeedIx, FieldRef, MeasureRef, REFERENCES, Roles, RuleUse,
    Rulebook,
};
use compact_str::CompactString;
use cxwatch_event::{Catalogue, FieldIx, Interest, TypeId, TypeSpec, builtin};
use scope::{Head, Scope, Target};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More rules do not have numbers: timers use the last two for their own ends.
const RULES_MAX: usize = 65_534;

/// Compiles a rulebook against the built-in event types and its own. `file` is the name that problems carry.
///
/// # Errors
/// All problems, errors and warnings, if one is an error. Otherwise the warnings come with the rulebook.
pub fn compile(source: &str, file: &str) -> Result<(Rulebook, Vec<Problem>), Vec<Problem>> {
    compile_with(Catalogue::builtin(), source, file)
}

/// Compiles a rulebook against these event types and its own.
///
/// # Errors
/// As [`compile`].
pub fn compile_with(
    catalogue: Catalogue,
    source: &str,
    file: &str,
) -> Result<(Rulebook, Vec<Problem>), Vec<Problem>> {
    let beside = |_: &str, name: &str| Err(format!("the file {name} cannot be read from here"));
    crate::extends::compile(catalogue, source, file, &beside).result
}

pub(crate) fn read(reader: &Reader, tree: &Node, catalogue: Catalogue) -> Option<Rulebook> {
    let top = reader.map(tree, "a rulebook")?;
    let name = top.need("rulebook").and_then(|node| id(reader, node, "a rulebook"));
    let version = top.need("version").and_then(|node| reader.integer(node, 1..=i64::from(u32::MAX)));
    if let Some(about) = top.get("about") {
        reader.text(about);
    }
    let catalogue = match top.get("types") {
        Some(node) => types::read(reader, catalogue, node),
        None => catalogue,
    };
    let catalogue = match top.get("customer") {
        Some(node) => types::attributes(reader, catalogue, node),
        None => catalogue,
    };
    let calendars = top.get("calendars").map(|node| calendars::read(reader, node)).unwrap_or_default();
    let rules = top.need("rules").map(|node| reader.list(node)).unwrap_or_default();
    if let (Some(node), true) = (top.get("rules"), rules.len() > RULES_MAX) {
        reader.error(node.place, format!("{} rules", rules.len())).expected(format!("at most {RULES_MAX}"));
        return None;
    }
    let actions_node = top.get("actions");
    let (heads, by_id) = heads(reader, rules);
    let mut scope = Scope {
        reader,
        catalogue: &catalogue,
        heads,
        by_id,
        calendars,
        calendar_names: top_entries(tree, "calendars").iter().map(|e| e.key.text.as_str()).collect(),
        actions: Default::default(),
        used_calendars: RefCell::default(),
        used_actions: RefCell::default(),
        reading: Cell::default(),
        guessed: RefCell::default(),
    };
    let (actions, reads) = actions_node.map(|node| actions::read(&scope, node)).unwrap_or_default();
    scope.actions = reads;
    let policy = match top.get("policy") {
        Some(node) => policy::read(&scope, node),
        None => Some(crate::Policy::default()),
    };
    top.done();

    let drafts: Vec<_> = (0..scope.heads.len()).map(|at| rule::read(&scope, at)).collect();
    let built_on = link::built_on(&drafts, &scope.guessed.borrow());
    let ranks = link::ranks(reader, &scope.heads, &built_on);
    actions::check_measures(&scope, |action| {
        let proposes = |draft: &rule::Draft| draft.actions.iter().any(|(name, _)| name == action);
        let rules = scope.heads.iter().zip(&drafts);
        rules.filter(|(_, draft)| draft.as_ref().is_some_and(proposes)).map(|(head, _)| head).collect()
    });
    if let Some(policy) = &policy {
        let place = |action: &str| {
            let found = top_entries(tree, "actions").iter().find(|e| e.key.text == action);
            found.map_or(tree.place, |entry| entry.key.place)
        };
        policy::warn(&scope, policy, &actions, place);
    }
    if let Some(node) = tree.entry("policy") {
        policy::warn_of_channels(&scope, node, &actions);
    }
    warn_of_unused(&scope, top_entries(tree, "actions"), top_entries(tree, "calendars"));
    if reader.failed() {
        return None;
    }
    if let (Some(node), []) = (tree.entry("rules"), rules) {
        reader
            .warning(node.place, "this rulebook has no rules: it finds nothing")
            .expected("at least one rule");
    }
    let drafts: Vec<_> = drafts.into_iter().collect::<Option<_>>()?;
    let policy = policy?;
    let desk_uses = policy::desk_uses(&catalogue, &policy, &actions);
    let profile = profile(&catalogue, &drafts, &actions);
    let feeds = feeds(&catalogue, &drafts, |id| {
        desk_uses[usize::from(id.0)].is_some() || profile.is_some_and(|(profile, _)| profile == id)
    });
    let number = |name: &CompactString| feeds.iter().position(|f| f == name).map(|at| FeedIx(at as u8));
    let feed_of_type: Vec<_> = catalogue.types().map(|(_, t)| number(t.feed.as_ref()?)).collect();
    let mut linked = link::link(&catalogue, &feed_of_type, &actions, drafts, &ranks, &built_on);
    interest_of_desk(&catalogue, &desk_uses, profile, &mut linked.interest);
    let references = references(&catalogue, &actions, &linked.by_type, &mut linked.interest);
    let mut book = Rulebook {
        name: name?.into(),
        version: version? as u32,
        hash: [0; 16],
        calendars: scope.calendars,
        catalogue: Arc::new(catalogue),
        feeds,
        feed_of_type,
        policy,
        profile: profile.map(|(id, _)| id),
        desk_uses,
        rules: linked.rules,
        actions,
        interest: linked.interest,
        references,
        by_type: linked.by_type,
        by_detection: linked.by_detection,
    };
    canon::seal(&mut book);
    Some(book)
}

/// All feeds of the catalogue, in the order of their names; of the built-in ones that not every service has, those that
/// the rulebook uses.
fn feeds(
    catalogue: &Catalogue,
    drafts: &[rule::Draft],
    decides: impl Fn(TypeId) -> bool,
) -> Vec<CompactString> {
    let named = |id| drafts.iter().any(|draft| draft.uses.contains_key(&Target::Type(id)));
    let own = |spec: &TypeSpec| !builtin::is_builtin(&spec.name);
    let used = catalogue.types().filter_map(|(id, spec)| {
        let feed = spec.feed.as_ref()?;
        let optional = [builtin::CUSTOMERS, builtin::OUTCOMES].contains(&feed.as_str());
        (!optional || named(id) || decides(id) || own(spec)).then_some(feed.clone())
    });
    let feeds: BTreeSet<_> = used.collect();
    feeds.into_iter().collect()
}

/// The type of profiles and the fields of it that are read, if any: by rules, by actions, or for consent and quiet hours.
fn profile(catalogue: &Catalogue, drafts: &[rule::Draft], actions: &[Action]) -> Option<(TypeId, u64)> {
    let id = catalogue.id(builtin::PROFILE)?;
    let spec = catalogue.spec(id);
    let mut read = 0u64;
    let mut see = |ix: FieldIx| read |= 1 << ix.0;
    for draft in drafts {
        for used in draft.uses.values() {
            link::all_fields_of(used, &mut |field| {
                if let FieldRef::Profile(ix) = field {
                    see(*ix);
                }
            });
        }
        let mut of_measures = |field: &MeasureRef| {
            if let MeasureRef::Profile(ix) = field {
                see(*ix);
            }
        };
        draft.rule.when.fields(&mut of_measures);
        draft.rule.severity.cases.iter().for_each(|(when, _)| when.fields(&mut of_measures));
    }
    let mut of_actions = |field: &ActionField| {
        if let ActionField::Profile(ix) = field {
            see(*ix);
        }
    };
    for action in actions {
        action.when.fields(&mut of_actions);
        action.context.iter().for_each(|(when, _)| when.fields(&mut of_actions));
        for factor in &action.value {
            if let Factor::Field(field) = factor {
                of_actions(field);
            }
        }
    }
    policy::profile_fields(actions).iter().filter_map(|name| spec.field(name)).for_each(see);
    (read != 0).then_some((id, read))
}

/// What the decoder has to extract for decisions.
fn interest_of_desk(
    catalogue: &Catalogue,
    desk_uses: &[Option<DeskUse>],
    profile: Option<(TypeId, u64)>,
    interest: &mut Interest,
) {
    let mut see = |id: TypeId, fields: u64| {
        interest.types[usize::from(id.0)].get_or_insert_default().fields |= fields;
    };
    for ((id, spec), used) in catalogue.types().zip(desk_uses) {
        let mut fields = 0;
        let mut of_data = |field: &FieldRef| {
            if let FieldRef::Data(ix) = field {
                fields |= 1 << ix.0;
            }
        };
        match used {
            None => continue,
            Some(DeskUse::Contact { when, channel }) => {
                when.fields(&mut of_data);
                of_data(channel);
            }
            Some(DeskUse::Outcome { action_id, .. }) => {
                of_data(&FieldRef::Data(*action_id));
                spec.field("partition").map(FieldRef::Data).iter().for_each(of_data);
            }
        }
        see(id, fields);
    }
    if let Some((id, fields)) = profile {
        see(id, fields);
    }
}

/// Which fields of which types are references of an action: those of events that detections rest on. The decoder extracts
/// them, too.
fn references(
    catalogue: &Catalogue,
    actions: &[Action],
    by_type: &[Vec<RuleUse>],
    interest: &mut Interest,
) -> Vec<Vec<(u8, FieldIx)>> {
    const PASSING: u32 = Roles::REFRESH
        | Roles::STOP
        | Roles::PAUSE
        | Roles::RESUME
        | Roles::RESET
        | Roles::UNLESS
        | Roles::SUCCESS;
    let rests_on = |used: &RuleUse| used.roles.iter().any(|(roles, _)| roles & !PASSING != 0);
    let of_type = |(spec, uses): (&TypeSpec, &Vec<RuleUse>)| {
        if actions.is_empty() || !uses.iter().any(rests_on) {
            return Vec::new();
        }
        let named = REFERENCES.iter().enumerate();
        named.filter_map(|(at, name)| Some((at as u8, spec.field(name)?))).collect()
    };
    let types = catalogue.types().map(|(_, spec)| spec);
    let references: Vec<Vec<(u8, FieldIx)>> = types.zip(by_type).map(of_type).collect();
    for (fields, interest) in references.iter().zip(&mut interest.types) {
        for (_, field) in fields {
            interest.get_or_insert_default().fields |= 1 << field.0;
        }
    }
    references
}

fn top_entries<'n>(tree: &'n Node, key: &str) -> &'n [Entry] {
    match tree.entry(key).map(|node| &node.body) {
        Some(Body::Map(entries)) => entries,
        _ => &[],
    }
}

fn warn_of_unused(scope: &Scope<'_>, actions: &[Entry], calendars: &[Entry]) {
    let (used_actions, used_calendars) = (scope.used_actions.borrow(), scope.used_calendars.borrow());
    let sections = [
        (actions, &*used_actions, "action", "rule"),
        (calendars, &*used_calendars, "calendar", "rule or action"),
    ];
    for (entries, used, what, by) in sections {
        let used: &BTreeSet<CompactString> = used;
        for entry in entries.iter().filter(|e| !used.contains(e.key.text.as_str())) {
            scope.reader.warning(entry.key.place, format!("no {by} uses the {what} `{}`", entry.key.text));
        }
    }
}

/// Reads of every rule what others may know of it.
fn heads<'a>(reader: &Reader, rules: &'a [Node]) -> (Vec<Head<'a>>, BTreeMap<CompactString, usize>) {
    let mut heads: Vec<Head<'a>> = Vec::new();
    let mut by_id: BTreeMap<CompactString, usize> = BTreeMap::new();
    for node in rules {
        let Some(map) = reader.map(node, "a rule") else { continue };
        let id_node = map.need("id");
        let name =
            CompactString::from(id_node.and_then(|node| id(reader, node, "a rule")).unwrap_or_default());
        let place = id_node.map_or(node.place, |node| node.place);
        if let Some(first) = by_id.get(&name) {
            let line = heads[*first].place.line;
            reader
                .error(place, format!("there is a rule `{name}` already, in line {line}"))
                .expected("an id of its own");
        } else if !name.is_empty() {
            by_id.insert(name.clone(), heads.len());
        }
        let mut measures: Vec<&Name> = node.entry("measure").map(names).unwrap_or_default();
        measures.sort_by(|a, b| a.text.cmp(&b.text));
        let per = node.entry("per").and_then(Node::scalar);
        heads.push(Head { id: name, place, node, per, measures });
    }
    (heads, by_id)
}

/// The keys of a map.
fn names(node: &Node) -> Vec<&Name> {
    match &node.body {
        Body::Map(entries) => entries.iter().map(|entry| &entry.key).collect(),
        _ => Vec::new(),
    }
}

/// An id: lower-case letters, digits and `-`.
fn id<'n>(reader: &Reader, node: &'n Node, what: &str) -> Option<&'n str> {
    let text = reader.text(node)?;
    let name = Name { text: text.to_owned(), place: node.place };
    good(reader, &name, what, "-").then_some(text)
}

/// Checks the name of a calendar or an action: lower-case letters, digits, `-` and `_`.
fn good_id(reader: &Reader, name: &Name, what: &str) {
    good(reader, name, what, "-_");
}

fn good(reader: &Reader, name: &Name, what: &str, marks: &str) -> bool {
    let text = &name.text;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || marks.contains(c);
    let good =
        text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 80 && text.chars().all(fits);
    if !good {
        let other: Vec<String> = marks.chars().map(|m| format!("`{m}`")).collect();
        let mark = marks.chars().next().unwrap_or('-').to_string();
        let written: String =
            text.to_lowercase().chars().map(|c| if fits(c) { c.to_string() } else { mark.clone() }).collect();
        let problem = reader.error(name.place, format!("`{text}` cannot be the name of {what}"));
        let problem = problem.expected(format!(
            "lower-case letters, digits and {}, a letter first, at most 80",
            other.join(" and ")
        ));
        if written.starts_with(|c: char| c.is_ascii_lowercase()) && written.len() <= 80 {
            problem.suggest(written);
        }
    }
    good
}

impl<F> Cond<F> {
    /// Shows every field that the condition reads.
    pub(crate) fn fields(&self, see: &mut impl FnMut(&F)) {
        match self {
            Cond::True => {}
            Cond::All(conds) | Cond::Any(conds) => conds.iter().for_each(|cond| cond.fields(see)),
            Cond::Not(cond) => cond.fields(see),
            Cond::Test(field, _) => see(field),
        }
    }
}
