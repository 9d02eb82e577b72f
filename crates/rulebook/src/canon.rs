//! The meaning of a rulebook as text: the same for two files that mean the same, however they are laid out.
//!
//! Hashes are taken of it, and differences between rulebooks are found in it. Numbers that depend on the catalogue
//! or on other rules are written as names, so a rule's text changes only with its own meaning (or that of its
//! calendar).

use crate::{
    Action, ActionField, Calendar, Class, Cond, Factor, FieldRef, Fold, Guard, Kind, Level, MeasureRef, Op,
    Per, Policy, Roles, RuleIx, RuleUse, Rulebook, Span, SummaryPart, Table, Treatment,
};
use cxwatch_event::{FieldIx, TypeId, TypeSpec, Value, builtin};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use xxhash_rust::xxh3::xxh3_64;

/// A text by the key of the rulebook that it stands for.
pub(crate) type Parts = BTreeMap<&'static str, String>;

/// Where the facts of a use come from.
#[derive(Clone, Copy)]
enum Origin {
    Type(TypeId),
    Rule(RuleIx, Level),
}

/// Writes rules.
pub(crate) struct Canon<'a> {
    book: &'a Rulebook,
    /// By rule.
    uses: Vec<Vec<(Origin, &'a RuleUse)>>,
}

/// Computes the fingerprints of a rulebook's rules and its hash.
pub(crate) fn seal(book: &mut Rulebook) {
    let canon = Canon::new(book);
    let texts: Vec<String> = (0..book.rules.len()).map(|i| joined(&canon.rule(RuleIx(i as u16)))).collect();
    let prints: Vec<u64> = texts.iter().map(|text| xxh3_64(text.as_bytes())).collect();
    let mut whole = Sha256::new();
    let mut add = |text: &str| {
        whole.update((text.len() as u64).to_be_bytes());
        whole.update(text.as_bytes());
    };
    add(&format!("cxwatch rulebook {} {}", book.name, book.version));
    texts.iter().for_each(|text| add(text));
    book.actions.iter().for_each(|action| add(&joined(&parts_of_action(book, action))));
    if book.policy != Policy::default() {
        add(&joined(&parts_of_policy(&book.policy)));
    }
    book.calendars.iter().for_each(|calendar| add(&joined(&parts_of_calendar(calendar))));
    let types: BTreeSet<String> = book.catalogue.types().map(|(_, spec)| type_text(spec)).collect();
    types.iter().for_each(|text| add(text));
    let digest = whole.finalize();
    book.hash.copy_from_slice(&digest[..16]);
    for (rule, print) in book.rules.iter_mut().zip(prints) {
        rule.fingerprint = print;
    }
}

fn joined(parts: &Parts) -> String {
    parts.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}: {value}");
        text
    })
}

/// What a type's events must look like.
pub(crate) fn type_text(spec: &TypeSpec) -> String {
    let fields: BTreeSet<String> = spec
        .fields
        .iter()
        .map(|f| format!("{} {:?} {} {:?} {:?}", f.name, f.kind, f.required, f.privacy, f.one_of))
        .collect();
    format!("{} of {:?}: {fields:?}", spec.name, spec.feed)
}

/// An action's parts.
pub(crate) fn parts_of_action(book: &Rulebook, action: &Action) -> Parts {
    let class = match action.class {
        Class::Reply => "reply",
        Class::Raise => "raise",
        Class::Internal => "internal",
        Class::Offer => "offer",
    };
    let skills: BTreeSet<_> = action.skills.iter().collect();
    let field = |field: &ActionField| match field {
        ActionField::Measure(name) => name.to_string(),
        ActionField::Events => "events".to_owned(),
        ActionField::Severity => "severity".to_owned(),
        ActionField::Profile(at) => profile_field(book, *at),
    };
    let value: Vec<_> = action
        .value
        .iter()
        .map(|factor| match factor {
            Factor::Number(n) => n.to_string(),
            Factor::Field(of) => field(of),
        })
        .collect();
    let context: Vec<_> =
        action.context.iter().map(|(when, is)| format!("{} => {is}; ", cond(when, &field))).collect();
    let hours = action.hours.map(|ix| &book.calendars[usize::from(ix)].id);
    Parts::from([
        ("id", action.id.to_string()),
        ("class", class.to_owned()),
        ("by", action.by.to_string()),
        ("purpose", action.purpose.to_string()),
        ("channel", action.channel.to_string()),
        ("queue", action.queue.to_string()),
        ("skills", format!("{skills:?}")),
        ("hours", format!("{hours:?}")),
        ("ttl", action.ttl_ms.to_string()),
        ("value", value.join(" * ")),
        ("propensity", action.propensity.to_string()),
        ("lever", action.lever.to_string()),
        ("when", cond(&action.when, &field)),
        ("context", context.concat()),
        ("accept_within", format!("{:?}", action.accept_within_ms)),
        ("exempt", action.exempt.to_string()),
    ])
}

/// The policy's parts.
pub(crate) fn parts_of_policy(policy: &Policy) -> Parts {
    let caps: BTreeSet<String> = policy.caps.iter().map(|cap| format!("{cap:?}")).collect();
    let quiet = policy.quiet_hours.as_ref().map(|quiet| {
        let channels: BTreeSet<_> = quiet.channels.iter().collect();
        format!("{} to {} on {channels:?}", quiet.from, quiet.until)
    });
    Parts::from([
        ("zone", policy.zone.to_string()),
        ("quiet_hours", format!("{quiet:?}")),
        ("caps", format!("{caps:?}")),
        ("brake", format!("{:?}", policy.brake)),
        ("holdout", policy.holdout.to_string()),
        ("declined_for", policy.declined_for_ms.to_string()),
        ("timeline", policy.timeline.to_string()),
    ])
}

fn profile_field(book: &Rulebook, at: FieldIx) -> String {
    let spec = book.catalogue.id(builtin::PROFILE).map(|kind| book.catalogue.spec(kind));
    let name = spec.and_then(|spec| spec.fields.get(usize::from(at.0))).map_or("?", |field| &field.name);
    format!("customer.{name}")
}

/// A calendar's parts.
pub(crate) fn parts_of_calendar(calendar: &Calendar) -> Parts {
    let special: Vec<_> = calendar.special().map(|(day, hours)| format!("{day} {hours:?}")).collect();
    Parts::from([
        ("id", calendar.id.to_string()),
        ("zone", calendar.zone().to_owned()),
        ("open", format!("{:?}", calendar.week())),
        ("holidays", format!("{special:?}")),
    ])
}

impl<'a> Canon<'a> {
    pub(crate) fn new(book: &'a Rulebook) -> Self {
        let mut uses = vec![Vec::new(); book.rules.len()];
        for (id, all) in book.by_type.iter().enumerate() {
            all.iter().for_each(|used| {
                uses[usize::from(used.rule.0)].push((Origin::Type(TypeId(id as u16)), used))
            });
        }
        for (of, [breach, warning]) in book.by_detection.iter().enumerate() {
            for (level, all) in [(Level::Breach, breach), (Level::Warning, warning)] {
                let origin = Origin::Rule(RuleIx(of as u16), level);
                all.iter().for_each(|used| uses[usize::from(used.rule.0)].push((origin, used)));
            }
        }
        Canon { book, uses }
    }

    /// A rule's parts.
    pub(crate) fn rule(&self, ix: RuleIx) -> Parts {
        let rule = self.book.rule(ix);
        let mut parts = Parts::from([("id", rule.id.to_string())]);
        self.kind(&rule.kind, &mut parts);
        self.roles(ix, &mut parts);
        if let Some(calendar) = rule.calendar {
            parts.insert("calendar", joined(&parts_of_calendar(&self.book.calendars[usize::from(calendar)])));
        }
        if rule.per {
            parts.insert(
                "per",
                self.same(ix, |s, o, u| if let Per::Field(f) = &u.per { s.field(f, o) } else { "".into() }),
            );
        }
        if !rule.measures.is_empty() {
            parts.insert("measure", self.measures(ix));
        }
        if rule.when != Cond::True {
            parts.insert("when", cond(&rule.when, &|m| self.measure_ref(ix, m)));
        }
        let cases = rule.severity.cases.iter().map(|(when, is)| {
            let when = cond(when, &|m| self.measure_ref(ix, m));
            format!("{when} => {is}; ")
        });
        let base = self.same(ix, |s, o, u| s.table(&u.severity, o));
        parts.insert("severity", cases.collect::<String>() + &base);
        if !rule.summary.is_empty() {
            let words = rule.summary.iter().map(|part| match part {
                SummaryPart::Text(text) => format!("{text:?}"),
                SummaryPart::Measure(at) => format!("{{{}}}", rule.measures[usize::from(*at)].name),
                SummaryPart::Key => "{key}".to_owned(),
            });
            parts.insert("summary", words.collect());
        }
        if !rule.actions.is_empty() {
            let names: Vec<_> =
                rule.actions.iter().map(|a| self.book.actions[usize::from(*a)].id.as_str()).collect();
            parts.insert("actions", names.join(", "));
        }
        if let Some(ms) = rule.cooldown_ms {
            parts.insert("cooldown", ms.to_string());
        }
        let Treatment { shadow, brake, holdout, success_within_ms } = &rule.treatment;
        if *shadow {
            parts.insert("mode", "shadow".to_owned());
        }
        if let Some(brake) = brake {
            parts.insert("brake", brake.to_string());
        }
        if let Some(holdout) = holdout {
            parts.insert("holdout", holdout.to_string());
        }
        if let (Some(ms), Some(success)) = (success_within_ms, parts.get_mut("success")) {
            let _ = write!(success, " within {ms}");
        }
        parts
    }

    fn kind(&self, kind: &Kind, parts: &mut Parts) {
        let mut set = |key, value: String| drop(parts.insert(key, value));
        match kind {
            Kind::Match => set("kind", "match".to_owned()),
            Kind::Count { of_last, keep, .. } => {
                set("kind", "count".to_owned());
                set("of_last", format!("{of_last:?}"));
                set("then", if *keep { "keep" } else { "clear" }.to_owned());
            }
            Kind::Absence { grace, warn_permille, once, .. } => {
                set("kind", "absence".to_owned());
                set("grace", span(*grace));
                set("warn_at", format!("{warn_permille:?}"));
                set("once", once.to_string());
            }
            Kind::Sequence { steps, keep } => {
                set("kind", format!("sequence of {steps}"));
                set("then", if *keep { "keep" } else { "clear" }.to_owned());
            }
            Kind::Debt { half_life_ms, rearm_below } => {
                set("kind", "debt".to_owned());
                set("half_life", half_life_ms.to_string());
                set("rearm_below", rearm_below.to_string());
            }
        }
    }

    /// Who plays which role, and what the values of events are.
    fn roles(&self, ix: RuleIx, parts: &mut Parts) {
        let mut by_key: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for (origin, used) in &self.uses[usize::from(ix.0)] {
            let name = self.name(*origin);
            for (role, where_) in &used.roles {
                let text = cond(where_, &|f| self.field(f, *origin));
                let at = if *role >= Roles::step(0) {
                    format!("{} ", role.trailing_zeros() - 15)
                } else {
                    String::new()
                };
                by_key.entry(key_of_role(*role)).or_default().insert(format!("{at}{name} {text}"));
            }
            for (where_, points) in &used.points {
                let text = cond(where_, &|f| self.field(f, *origin));
                by_key.entry("weights").or_default().insert(format!("{name} {text} {points}"));
            }
            for (bit, where_) in &used.guards {
                let text = cond(where_, &|f| self.field(f, *origin));
                let (number, off) = (bit.trailing_zeros() / 2, bit.trailing_zeros() % 2 == 1);
                let guard = &self.book.rule(ix).guards[number as usize];
                let (key, how) = match guard {
                    Guard::UnlessSeen { within_ms } => ("unless_seen", format!("{within_ms}")),
                    Guard::While if off => ("while", "until".to_owned()),
                    Guard::While => ("while", "after".to_owned()),
                };
                by_key.entry(key).or_default().insert(format!("{number} {how} {name} {text}"));
            }
        }
        parts.extend(
            by_key.into_iter().map(|(key, texts)| (key, texts.into_iter().collect::<Vec<_>>().join("; "))),
        );
        let kind = &self.book.rule(ix).kind;
        if !matches!(kind, Kind::Match | Kind::Debt { .. }) {
            parts.insert("within", self.same(ix, |s, o, u| s.table(&u.within.shown(span), o)));
            parts.insert(
                "deadline",
                self.same(ix, |s, o, u| u.deadline.as_ref().map(|f| s.field(f, o)).unwrap_or_default()),
            );
        }
        if matches!(kind, Kind::Count { .. }) {
            parts.insert("at_least", self.same(ix, |s, o, u| s.table(&u.threshold, o)));
            parts.insert(
                "distinct",
                self.same(ix, |s, o, u| u.distinct.as_ref().map(|f| s.field(f, o)).unwrap_or_default()),
            );
        }
        if matches!(kind, Kind::Debt { .. }) {
            parts.insert("threshold", self.same(ix, |s, o, u| s.table(&u.threshold, o)));
        }
    }

    fn measures(&self, ix: RuleIx) -> String {
        let rule = self.book.rule(ix);
        let mut text = String::new();
        for (at, measure) in rule.measures.iter().enumerate() {
            let fold = match measure.fold {
                Fold::Sum => "sum",
                Fold::Min => "min",
                Fold::Max => "max",
                Fold::Last => "last",
            };
            let product = |origin, used: &RuleUse| {
                let factors: BTreeSet<(usize, String)> =
                    used.measures[at].iter().enumerate().map(|(i, f)| (i, self.field(f, origin))).collect();
                factors.into_iter().map(|(_, f)| f).collect::<Vec<_>>().join(" * ")
            };
            let added = self.same(ix, |_, origin, used| product(origin, used));
            let _ = write!(text, "{} {fold} {added}", measure.name);
            for (origin, used) in self.uses[usize::from(ix.0)].iter().filter(|(_, used)| used.minus[at]) {
                let wheres = used.roles.iter().filter(|(role, _)| *role == Roles::MINUS);
                for (_, where_) in wheres {
                    let where_ = cond(where_, &|f| self.field(f, *origin));
                    let _ = write!(text, " minus {} {where_} {}", self.name(*origin), product(*origin, used));
                }
            }
            text.push_str("; ");
        }
        text
    }

    /// What is said of every use that can open an episode: once, where all say the same.
    fn same(&self, ix: RuleIx, of: impl Fn(&Self, Origin, &RuleUse) -> String) -> String {
        let opening = self.uses[usize::from(ix.0)].iter().filter(|(_, used)| {
            let steps = used.roles.iter().any(|(role, _)| *role >= Roles::step(0));
            let opens = Roles::START | Roles::EVENT | Roles::COUNTED | Roles::WEIGHT;
            steps || used.roles.iter().any(|(role, _)| role & opens != 0)
        });
        let all: BTreeSet<(String, String)> =
            opening.map(|(origin, used)| (of(self, *origin, used), self.name(*origin))).collect();
        let distinct: BTreeSet<&String> = all.iter().map(|(text, _)| text).collect();
        match (distinct.len(), distinct.first()) {
            (1, Some(text)) => (*text).clone(),
            _ => all.iter().map(|(text, name)| format!("{name}: {text}; ")).collect(),
        }
    }

    fn name(&self, origin: Origin) -> String {
        match origin {
            Origin::Type(id) => self.book.catalogue.spec(id).name.to_string(),
            Origin::Rule(ix, Level::Breach) => format!("rule:{}", self.book.rule(ix).id),
            Origin::Rule(ix, Level::Warning) => format!("rule:{}.warning", self.book.rule(ix).id),
        }
    }

    fn field(&self, field: &FieldRef, origin: Origin) -> String {
        match (field, origin) {
            (FieldRef::Data(at), Origin::Type(id)) => {
                format!("data.{}", self.book.catalogue.spec(id).fields[usize::from(at.0)].name)
            }
            (FieldRef::Measure(at), Origin::Rule(ix, _)) => {
                format!("measures.{}", self.book.rule(ix).measures[usize::from(*at)].name)
            }
            (FieldRef::Const(v), _) => value(v),
            (FieldRef::Id, _) => "id".to_owned(),
            (FieldRef::Source, _) => "source".to_owned(),
            (FieldRef::Time, _) => "time".to_owned(),
            (FieldRef::Key, _) => "key".to_owned(),
            (FieldRef::Severity, _) => "severity".to_owned(),
            (FieldRef::Profile(at), _) => profile_field(self.book, *at),
            (FieldRef::Missing | FieldRef::Data(_) | FieldRef::Measure(_), _) => "missing".to_owned(),
        }
    }

    fn measure_ref(&self, ix: RuleIx, measure: &MeasureRef) -> String {
        match measure {
            MeasureRef::Events => "events".to_owned(),
            MeasureRef::Profile(at) => profile_field(self.book, *at),
            MeasureRef::Measure(at) => self.book.rule(ix).measures[usize::from(*at)].name.to_string(),
        }
    }

    fn table<T: Debug>(&self, table: &Table<T>, origin: Origin) -> String {
        if table.cases.is_empty() {
            return format!("{:?}", table.default);
        }
        let cases: Vec<_> = table.cases.iter().map(|(v, t)| format!("{} => {t:?}", value(v))).collect();
        format!("by {}: {}, else {:?}", self.field(&table.by, origin), cases.join(", "), table.default)
    }
}

impl Table<Span> {
    fn shown(&self, show: fn(Span) -> String) -> Table<String> {
        let cases = self.cases.iter().map(|(v, t)| (v.clone(), show(*t))).collect();
        Table { by: self.by.clone(), cases, default: show(self.default) }
    }
}

fn key_of_role(role: u32) -> &'static str {
    match role {
        Roles::START => "start",
        Roles::REFRESH => "refresh",
        Roles::STOP => "stop",
        Roles::PAUSE => "pause",
        Roles::RESUME => "resume",
        Roles::MINUS => "measure",
        Roles::EVENT => "event",
        Roles::COUNTED => "where",
        Roles::RESET => "reset",
        Roles::UNLESS => "unless",
        Roles::WEIGHT => "weights",
        Roles::SUCCESS => "success",
        _ => "steps",
    }
}

fn span(span: Span) -> String {
    match span {
        Span::Ms(ms) => ms.to_string(),
        Span::Days(days) => format!("{days}bd"),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Number(n) => format!("number {n}"),
        Value::Bool(b) => b.to_string(),
        Value::Time(t) => format!("time {t}"),
    }
}

/// A condition. The order of what is joined by "all" or "any" does not matter.
fn cond<F>(cond_: &Cond<F>, field: &impl Fn(&F) -> String) -> String {
    let sorted = |conds: &[Cond<F>]| {
        let texts: BTreeSet<String> = conds.iter().map(|c| cond(c, field)).collect();
        texts.into_iter().collect::<Vec<_>>().join(", ")
    };
    match cond_ {
        Cond::True => "always".to_owned(),
        Cond::All(conds) => format!("all({})", sorted(conds)),
        Cond::Any(conds) => format!("any({})", sorted(conds)),
        Cond::Not(inner) => format!("not({})", cond(inner, field)),
        Cond::Test(of, op) => format!("{} {}", field(of), op_text(op)),
    }
}

fn op_text(op: &Op) -> String {
    let list = |values: &[Value]| values.iter().map(value).collect::<Vec<_>>().join(" | ");
    match op {
        Op::In(values) => format!("in {}", list(values)),
        Op::NotIn(values) => format!("not in {}", list(values)),
        Op::Over(bound) => format!("> {bound}"),
        Op::AtLeast(bound) => format!(">= {bound}"),
        Op::Under(bound) => format!("< {bound}"),
        Op::AtMost(bound) => format!("<= {bound}"),
        Op::Exists(there) => format!("exists {there}"),
        Op::StartsWith(text) => format!("starts with {text:?}"),
        Op::Contains(text) => format!("contains {text:?}"),
    }
}
