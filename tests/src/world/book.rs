//! A small language for compiled rulebooks: drafts of rules over a catalogue of like types.

use compact_str::CompactString;
use cxwatch_event::{
    Catalogue, Field, FieldIx, FieldType, Interest, Micro, Millis, Privacy, TypeId, TypeInterest, TypeSpec,
};
use cxwatch_rulebook::{
    Calendar, Cond, FeedIx, FeedSet, FieldRef, Guard, Kind, Level, Measure, MeasureRef, Per, Policy, Roles,
    Rule, RuleIx, RuleUse, Rulebook, Severity, Span, Table, Treatment,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key of `per`: text.
pub const KEY: FieldIx = FieldIx(0);
/// A number.
pub const NUMBER: FieldIx = FieldIx(1);
/// A text of few values.
pub const VALUE: FieldIx = FieldIx(2);
/// An instant.
pub const DEADLINE: FieldIx = FieldIx(3);
/// How many fields every type has.
pub const FIELDS: u8 = 4;

/// The type of the customer's profile, in worlds whose rules read it. It has the fields of all types.
pub const PROFILE: &str = "profile";

/// For how long [`opening_hours`] are interrupted.
const CLOSED_MS: Millis = 60_000;

/// The first minute, and all day from the third on.
pub fn opening_hours() -> Calendar {
    let week = std::array::from_fn(|_| vec![(0, 1), (2, 1440)]);
    Calendar::new("hours", "UTC", week, BTreeMap::new()).expect("hours in order in a known zone")
}

/// The catalogue of a world: for every type its name and its feed's. All types have the same four fields.
pub fn catalogue(types: &[(&str, &str)]) -> Catalogue {
    let field = |name: &str, kind| Field {
        name: name.into(),
        kind,
        required: false,
        privacy: Privacy::None,
        one_of: Vec::new(),
        about: CompactString::default(),
    };
    Catalogue::of(types.iter().map(|(name, feed)| TypeSpec {
        name: (*name).into(),
        feed: Some((*feed).into()),
        fields: vec![
            field("k", FieldType::Text),
            field("n", FieldType::Number),
            field("v", FieldType::Text),
            field("d", FieldType::Time),
        ],
        about: CompactString::default(),
    }))
}

/// Whose facts a clause takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    /// Events of a type, by its name.
    Type(&'static str),
    /// Detections of a rule, by its id.
    Rule(CompactString, Level),
}

/// What facts of one origin are to a rule.
#[derive(Debug, Clone)]
pub struct Clause {
    /// Whose facts.
    pub of: Of,
    /// Bits of [`Roles`].
    pub roles: u32,
    /// Guard bits.
    pub guards: u32,
    /// Where.
    pub cond: Cond<FieldRef>,
}

/// A rule before it is compiled.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id.
    pub id: CompactString,
    /// Its kind.
    pub kind: Kind,
    /// Whether it has `per: data.k`.
    pub per: bool,
    /// Whether it counts in open time ([`opening_hours`]).
    pub calendar: bool,
    /// Who plays which role.
    pub clauses: Vec<Clause>,
    /// Its guards.
    pub guards: Vec<Guard>,
    /// Its measures: each adds up `data.n`, or counts where the flag says so.
    pub measures: Vec<Measure>,
    /// `within`, for every fact or by `data.v`.
    pub within: Table<Span>,
    /// The threshold.
    pub threshold: Table<Micro>,
    /// Points of a debt by `data.v`, the first that fits; none fits: none.
    pub points: Vec<(Cond<FieldRef>, Micro)>,
    /// Points of a detection.
    pub points_of_detection: Micro,
    /// Checked at firing.
    pub when: Cond<MeasureRef>,
    /// Cases of the severity.
    pub severity: Vec<(Cond<MeasureRef>, u8)>,
    /// The base severity.
    pub base_severity: Table<u8>,
}

impl Draft {
    /// A rule of that kind that nothing plays a role in yet.
    pub fn new(id: &str, kind: Kind) -> Self {
        Draft {
            id: id.into(),
            kind,
            per: false,
            calendar: false,
            clauses: Vec::new(),
            guards: Vec::new(),
            measures: Vec::new(),
            within: Table::plain(Span::Ms(5)),
            threshold: Table::plain(2_000_000),
            points: Vec::new(),
            points_of_detection: 1_000_000,
            when: Cond::True,
            severity: Vec::new(),
            base_severity: Table::plain(40),
        }
    }

    /// With `per: data.k`.
    pub fn per(mut self) -> Self {
        self.per = true;
        self
    }

    /// With a type in these roles.
    pub fn on(self, kind: &'static str, roles: u32) -> Self {
        self.clause(Clause { of: Of::Type(kind), roles, guards: 0, cond: Cond::True })
    }

    /// With a rule's detections in these roles.
    pub fn on_rule(self, id: &str, level: Level, roles: u32) -> Self {
        self.clause(Clause { of: Of::Rule(id.into(), level), roles, guards: 0, cond: Cond::True })
    }

    /// With a clause.
    pub fn clause(mut self, clause: Clause) -> Self {
        self.clauses.push(clause);
        self
    }

    /// With a guard whose events are of these types.
    pub fn guard(mut self, guard: Guard, on: &'static str, off: Option<&'static str>) -> Self {
        let i = self.guards.len() as u8;
        self.guards.push(guard);
        let clause = |kind, guards| Clause { of: Of::Type(kind), roles: 0, guards, cond: Cond::True };
        self.clauses.push(clause(on, Roles::guard_on(i)));
        self.clauses.extend(off.map(|off| clause(off, Roles::guard_off(i))));
        self
    }

    /// With that `within`.
    pub fn within(mut self, ms: Millis) -> Self {
        self.within = Table::plain(Span::Ms(ms));
        self
    }

    /// With that threshold, in whole numbers.
    pub fn at_least(mut self, threshold: i64) -> Self {
        self.threshold = Table::plain(threshold * 1_000_000);
        self
    }

    /// Whether one of its parts reads what is known of the customer.
    pub fn reads_profile(&self) -> bool {
        let in_tables =
            [&self.within.by, &self.threshold.by, &self.base_severity.by].into_iter().any(is_known);
        let when = std::iter::once(&self.when).chain(self.severity.iter().map(|(cond, _)| cond));
        in_tables
            || self.clauses.iter().any(|c| tests(&c.cond, &is_known))
            || self.points.iter().any(|(cond, _)| tests(cond, &is_known))
            || when.into_iter().any(|cond| tests(cond, &is_known_measure))
    }

    fn has(&self, roles: u32) -> bool {
        self.clauses.iter().any(|c| c.roles & roles != 0)
    }

    fn spans(&self) -> impl Iterator<Item = Millis> {
        let all = self.within.cases.iter().map(|(_, span)| *span).chain([self.within.default]);
        all.map(|span| match span {
            Span::Ms(ms) => ms,
            Span::Days(days) => Millis::from(days) * 86_400_000,
        })
    }

    /// The smallest gap at which a refresh still could make a difference.
    fn stretch_gap_ms(&self) -> Millis {
        let shortest = self.spans().min().unwrap_or(0);
        match self.kind {
            Kind::Absence { data_deadline: true, .. } => 0,
            Kind::Absence { warn_permille: Some(permille), .. } => shortest * Millis::from(permille) / 1000,
            _ => shortest,
        }
    }

    fn reach_ms(&self) -> Millis {
        let longest = self.spans().max().unwrap_or(0);
        let guards = self.guards.iter().map(|guard| match guard {
            Guard::UnlessSeen { within_ms } => *within_ms,
            Guard::While => 0,
        });
        let grace = match self.kind {
            Kind::Absence { grace: Span::Ms(grace), .. } => grace,
            Kind::Debt { half_life_ms, .. } => half_life_ms * 64,
            _ => 0,
        };
        let closed = if self.calendar { CLOSED_MS } else { 0 };
        guards.chain([longest + grace + closed]).max().unwrap_or(0)
    }
}

/// Whether a condition tests such a field anywhere.
pub fn tests<F>(cond: &Cond<F>, is: &dyn Fn(&F) -> bool) -> bool {
    match cond {
        Cond::True => false,
        Cond::All(all) | Cond::Any(all) => all.iter().any(|cond| tests(cond, is)),
        Cond::Not(cond) => tests(cond, is),
        Cond::Test(field, _) => is(field),
    }
}

/// Whether a field is one of the customer's profile.
pub fn is_known(field: &FieldRef) -> bool {
    matches!(field, FieldRef::Profile(_))
}

/// Whether what is tested at a firing is of the customer's profile.
pub fn is_known_measure(field: &MeasureRef) -> bool {
    matches!(field, MeasureRef::Profile(_))
}

/// Compiles drafts. A draft may build on those before it only.
///
/// # Panics
/// Where a draft names a type or a rule that is not there.
pub fn compile(catalogue: Catalogue, drafts: &[Draft]) -> Rulebook {
    let mut feeds: Vec<CompactString> = catalogue.types().filter_map(|(_, t)| t.feed.clone()).collect();
    feeds.sort();
    feeds.dedup();
    let feed_ix =
        |name: &CompactString| FeedIx(feeds.iter().position(|f| f == name).expect("listed above") as u8);
    let feed_of_type: Vec<_> = catalogue.types().map(|(_, t)| t.feed.as_ref().map(feed_ix)).collect();

    let mut ranks: Vec<u16> = Vec::new();
    let mut needs: Vec<FeedSet> = Vec::new();
    let draft_named =
        |id: &CompactString| drafts.iter().position(|d| d.id == *id).expect("a rule of this rulebook");
    for draft in drafts {
        let (mut rank, mut need) = (0, FeedSet::default());
        for clause in &draft.clauses {
            match &clause.of {
                Of::Type(name) => {
                    let id = catalogue.id(name).expect("a type of the catalogue");
                    need = need.with(feed_of_type[usize::from(id.0)].expect("a type with a feed"));
                }
                Of::Rule(id, _) => {
                    let built_on = draft_named(id);
                    rank = rank.max(ranks[built_on] + 1);
                    need = need.union(needs[built_on]);
                }
            }
        }
        ranks.push(rank);
        needs.push(need);
    }
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|i| (ranks[*i], &drafts[*i].id));

    let mut by_type: Vec<Vec<RuleUse>> = vec![Vec::new(); catalogue.len()];
    let mut by_detection: Vec<[Vec<RuleUse>; 2]> = vec![Default::default(); drafts.len()];
    for (ix, draft) in order.iter().enumerate().map(|(ix, i)| (RuleIx(ix as u16), &drafts[*i])) {
        let mut origins: Vec<&Of> = Vec::new();
        for clause in &draft.clauses {
            if !origins.contains(&&clause.of) {
                origins.push(&clause.of);
            }
        }
        for of in origins {
            match of {
                Of::Type(name) => {
                    let id = catalogue.id(name).expect("a type of the catalogue");
                    by_type[usize::from(id.0)].push(use_of_events(ix, draft, of));
                }
                Of::Rule(id, level) => {
                    let built_on = draft_named(id);
                    let place = order.iter().position(|i| *i == built_on).expect("all are in order");
                    by_detection[place][*level as usize].push(use_of_detections(
                        ix,
                        draft,
                        of,
                        &drafts[built_on],
                    ));
                }
            }
        }
    }

    let rules = order.iter().map(|i| rule(&drafts[*i], ranks[*i], needs[*i])).collect();
    let all = TypeInterest { fields: (1 << FIELDS) - 1 };
    let profile = catalogue.id(PROFILE).filter(|_| drafts.iter().any(Draft::reads_profile));
    let is_read = |at: usize| !by_type[at].is_empty() || profile.is_some_and(|id| usize::from(id.0) == at);
    let interest =
        Interest { types: (0..by_type.len()).map(|at| is_read(at).then(|| all.clone())).collect() };
    Rulebook {
        name: "made-up".into(),
        version: 1,
        hash: [0; 16],
        catalogue: Arc::new(catalogue),
        feeds,
        feed_of_type,
        calendars: vec![opening_hours()],
        rules,
        actions: Vec::new(),
        policy: Policy::default(),
        profile,
        desk_uses: Vec::new(),
        interest,
        references: Vec::new(),
        by_type,
        by_detection,
    }
}

fn rule(draft: &Draft, rank: u16, needs: FeedSet) -> Rule {
    let mut kind = draft.kind.clone();
    if let Kind::Absence { stretch_gap_ms, .. } = &mut kind {
        *stretch_gap_ms = draft.stretch_gap_ms();
    }
    let at_event = !matches!(kind, Kind::Absence { .. });
    Rule {
        id: draft.id.clone(),
        rank,
        kind,
        per: draft.per,
        needs,
        concludes_from_absence: at_event
            && (!draft.guards.is_empty() || draft.has(Roles::RESET | Roles::UNLESS)),
        calendar: draft.calendar.then_some(0),
        reach_ms: draft.reach_ms(),
        guards: draft.guards.clone(),
        measures: draft.measures.clone(),
        when: draft.when.clone(),
        severity: Severity { cases: draft.severity.clone() },
        summary: Vec::new(),
        actions: Vec::new(),
        cooldown_ms: None,
        treatment: Treatment::default(),
        fingerprint: 0,
    }
}

fn use_of_events(ix: RuleIx, draft: &Draft, of: &Of) -> RuleUse {
    let minus = draft.clauses.iter().any(|c| c.of == *of && c.roles & Roles::MINUS != 0);
    RuleUse {
        rule: ix,
        per: if draft.per { Per::Field(FieldRef::Data(KEY)) } else { Per::Customer },
        roles: bits(draft, of, |c| c.roles),
        guards: bits(draft, of, |c| c.guards),
        within: draft.within.clone(),
        deadline: Some(FieldRef::Data(DEADLINE)),
        threshold: draft.threshold.clone(),
        points: draft.points.clone(),
        distinct: Some(FieldRef::Data(VALUE)),
        measures: vec![vec![FieldRef::Data(NUMBER)]; draft.measures.len()],
        minus: vec![minus; draft.measures.len()],
        severity: draft.base_severity.clone(),
    }
}

fn use_of_detections(ix: RuleIx, draft: &Draft, of: &Of, built_on: &Draft) -> RuleUse {
    let number = if built_on.measures.is_empty() { FieldRef::Severity } else { FieldRef::Measure(0) };
    let per = if built_on.per { FieldRef::Key } else { FieldRef::Missing };
    RuleUse {
        rule: ix,
        per: if draft.per { Per::Field(per) } else { Per::Customer },
        roles: bits(draft, of, |c| c.roles),
        guards: bits(draft, of, |c| c.guards),
        within: of_detections(&draft.within),
        deadline: None,
        threshold: of_detections(&draft.threshold),
        points: vec![(Cond::True, draft.points_of_detection)],
        distinct: Some(FieldRef::Key),
        measures: vec![vec![number]; draft.measures.len()],
        minus: vec![false; draft.measures.len()],
        severity: of_detections(&draft.base_severity),
    }
}

/// A detection has none of the fields of events, but it is about a customer.
fn of_detections<T: Copy>(table: &Table<T>) -> Table<T> {
    if is_known(&table.by) { table.clone() } else { Table::plain(table.default) }
}

/// Single bits, each with its condition, of all clauses of that origin.
fn bits(draft: &Draft, of: &Of, which: impl Fn(&Clause) -> u32) -> Vec<(u32, Cond<FieldRef>)> {
    let clauses = draft.clauses.iter().filter(|c| c.of == *of);
    clauses
        .flat_map(|c| {
            (0..32)
                .map(|i| 1 << i)
                .filter(|bit| which(c) & bit != 0)
                .map(|bit| (bit, c.cond.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The number of a type of the catalogue.
///
/// # Panics
/// Where there is none of that name.
pub fn type_id(book: &Rulebook, name: &str) -> TypeId {
    book.catalogue.id(name).expect("a type of the catalogue")
}
