//! Puts checked rules into evaluation order and builds the tables that events are dispatched by.

use super::rule::Draft;
use super::scope::{Head, Target};
use crate::yaml::Reader;
use crate::{Action, FeedIx, FeedSet, FieldRef, Per, Roles, Rule, RuleIx, RuleUse};
use compact_str::CompactString;
use cxwatch_event::{Catalogue, FieldIx, Interest, TypeInterest};
use std::collections::BTreeSet;

/// What linking comes to.
pub(super) struct Linked {
    pub(super) rules: Vec<Rule>,
    pub(super) by_type: Vec<Vec<RuleUse>>,
    pub(super) by_detection: Vec<[Vec<RuleUse>; 2]>,
    pub(super) interest: Interest,
}

/// The rules that each rule names, by their places in the file.
pub(super) type BuiltOn = Vec<BTreeSet<usize>>;

/// What a rule names, as far as it could be read. What it only seems to name (`guessed`) closes no circle.
pub(super) fn built_on(drafts: &[Option<Draft>], guessed: &BTreeSet<(usize, usize)>) -> BuiltOn {
    let rules_of = |(at, draft): (usize, &Option<Draft>)| {
        let targets = draft.iter().flat_map(|draft| draft.uses.keys());
        let rules = targets.filter_map(|target| match target {
            Target::Detection(of, _) => Some(*of).filter(|of| !guessed.contains(&(at, *of))),
            Target::Type(_) => None,
        });
        rules.collect()
    };
    drafts.iter().enumerate().map(rules_of).collect()
}

/// The rank of every rule. Cycles are reported.
pub(super) fn ranks(reader: &Reader, heads: &[Head<'_>], built_on: &BuiltOn) -> Vec<u16> {
    let mut ranks: Vec<Option<u16>> = vec![None; built_on.len()];
    let mut above: Vec<Vec<usize>> = vec![Vec::new(); built_on.len()];
    built_on.iter().enumerate().for_each(|(rule, below)| below.iter().for_each(|of| above[*of].push(rule)));
    // Ranks spread from the bottom up; what never gets one is in a cycle or rests on one.
    let mut missing: Vec<usize> = built_on.iter().map(BTreeSet::len).collect();
    let mut ready: Vec<usize> = (0..built_on.len()).filter(|rule| missing[*rule] == 0).collect();
    while let Some(rule) = ready.pop() {
        let below = built_on[rule].iter().filter_map(|of| ranks[*of]);
        ranks[rule] = Some(below.max().map_or(0, |rank| rank + 1));
        for over in &above[rule] {
            missing[*over] -= 1;
            if missing[*over] == 0 {
                ready.push(*over);
            }
        }
    }
    let mut reported: BTreeSet<usize> = BTreeSet::new();
    for start in (0..built_on.len()).filter(|rule| ranks[*rule].is_none()) {
        let cycle = cycle_from(start, built_on, &ranks);
        if reported.insert(*cycle.iter().min().expect("a cycle has a rule")) {
            let names: Vec<&str> =
                cycle.iter().chain(&cycle[..1]).map(|rule| heads[*rule].id.as_str()).collect();
            let message = format!("rules are built on each other in a circle: {}", names.join(" -> "));
            let expected = match cycle.len() {
                1 => "a rule that does not name itself (`cooldown` lets a rule rest after a detection)",
                _ => "one of them without the `rule:` that closes the circle",
            };
            reader.error(heads[cycle[0]].place, message).expected(expected);
        }
    }
    ranks.into_iter().map(|rank| rank.unwrap_or(0)).collect()
}

/// The cycle that one comes into from a rule that has no rank, beginning with its first rule in the file.
fn cycle_from(start: usize, built_on: &BuiltOn, ranks: &[Option<u16>]) -> Vec<usize> {
    let mut path = vec![start];
    loop {
        let last = *path.last().expect("it begins with one");
        let next = built_on[last].iter().copied().find(|of| ranks[*of].is_none());
        let next = next.expect("a rule without a rank rests on one without");
        if let Some(at) = path.iter().position(|rule| *rule == next) {
            let mut cycle = path.split_off(at);
            let first = cycle.iter().enumerate().min_by_key(|(_, rule)| **rule).map_or(0, |(i, _)| i);
            cycle.rotate_left(first);
            return cycle;
        }
        path.push(next);
    }
}

/// Links drafts that are all sound.
pub(super) fn link(
    catalogue: &Catalogue,
    feed_of_type: &[Option<FeedIx>],
    actions: &[Action],
    mut drafts: Vec<Draft>,
    ranks: &[u16],
    built_on: &BuiltOn,
) -> Linked {
    let mut by_rank: Vec<usize> = (0..drafts.len()).collect();
    by_rank.sort_by(|a, b| (ranks[*a], &drafts[*a].rule.id).cmp(&(ranks[*b], &drafts[*b].rule.id)));
    let mut place = vec![RuleIx(0); drafts.len()];
    for (ix, at) in by_rank.iter().enumerate() {
        place[*at] = RuleIx(ix as u16);
    }
    let mut needs = vec![FeedSet::default(); drafts.len()];
    for at in &by_rank {
        // What only shows success concerns decisions: no rule concludes anything from its absence.
        let only_success = |used: &RuleUse| {
            used.guards.is_empty() && used.roles.iter().all(|(role, _)| *role == Roles::SUCCESS)
        };
        let types = drafts[*at].uses.iter().filter_map(|(target, used)| match target {
            Target::Type(id) if !only_success(used) => feed_of_type[usize::from(id.0)],
            _ => None,
        });
        let own = types.fold(FeedSet::default(), FeedSet::with);
        needs[*at] = built_on[*at].iter().fold(own, |set, of| set.union(needs[*of]));
    }
    let mut linked = Linked {
        rules: Vec::new(),
        by_type: vec![Vec::new(); catalogue.len()],
        by_detection: vec![Default::default(); drafts.len()],
        interest: Interest { types: vec![None; catalogue.len()] },
    };
    for at in by_rank {
        let draft = &mut drafts[at];
        let mut rule = draft.rule.clone();
        rule.rank = ranks[at];
        rule.needs = needs[at];
        rule.actions = draft.actions.iter().map(|(name, _)| number_of(actions, name)).collect();
        linked.rules.push(rule);
        for (target, mut used) in std::mem::take(&mut draft.uses) {
            used.rule = place[at];
            match target {
                Target::Type(id) => {
                    let interest =
                        linked.interest.types[usize::from(id.0)].get_or_insert_with(TypeInterest::default);
                    fields_of(&used, &mut |field| interest.fields |= 1 << field.0);
                    linked.by_type[usize::from(id.0)].push(used);
                }
                Target::Detection(of, level) => {
                    linked.by_detection[usize::from(place[of].0)][level as usize].push(used);
                }
            }
        }
    }
    linked
}

fn number_of(actions: &[Action], name: &CompactString) -> u16 {
    actions.iter().position(|a| a.id == *name).expect("checked when the rule was read") as u16
}

/// Every field of `data` that a use reads.
fn fields_of(used: &RuleUse, visit: &mut impl FnMut(FieldIx)) {
    all_fields_of(used, &mut |field| {
        if let FieldRef::Data(ix) = field {
            visit(*ix);
        }
    });
}

/// Every field that a use reads.
pub(super) fn all_fields_of(used: &RuleUse, see: &mut impl FnMut(&FieldRef)) {
    let mut see = |field: &FieldRef| see(field);
    if let Per::Field(field) = &used.per {
        see(field);
    }
    let conds = used.roles.iter().chain(&used.guards).map(|(_, cond)| cond);
    conds.chain(used.points.iter().map(|(cond, _)| cond)).for_each(|cond| cond.fields(&mut see));
    see(&used.within.by);
    see(&used.threshold.by);
    see(&used.severity.by);
    used.deadline.iter().chain(&used.distinct).for_each(&mut see);
    used.measures.iter().flatten().for_each(&mut see);
}
