//! What a simulation is drawn with: settings, partitions, rulebooks, and the plans made of them.

use super::Options;
use super::desk::{Archive, SimDesk};
use crate::drive;
use crate::world::book;
use crate::world::draw::Draw;
use crate::world::stream::{self, Logged, Manners};
use crate::world::{END, TICK, World};
use compact_str::CompactString;
use cxwatch_engine::Settings;
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{Millis, RawRecord, Record, TypeId};
use cxwatch_rulebook::{Rulebook, Span, Table};
use cxwatch_runtime::journal::{FeedTopic, Rules};
use cxwatch_runtime::ports::ReadFrom;
use cxwatch_runtime::settings::{Bounds, Decode, Expect, Faults, Plan, Start, Timing};
use std::sync::Arc;

/// What a plan is drawn with.
pub(super) struct Drawn {
    settings: Settings,
    pub(super) timing: Timing,
    bounds: Bounds,
    ttl_ms: Millis,
    seed: u64,
}

pub(super) fn drawn_settings(world: &World, draw: &mut Draw, options: Options) -> Drawn {
    let feeds = world.log.len();
    let mut settings = drive::settings(world);
    let mut timing = Timing::new(feeds);
    timing.commit_interval_ms = draw.range(1, 2_000) as u64;
    timing.commit_interval_behind_ms = timing.commit_interval_ms;
    timing.snapshot_every_ms = draw.range(1_000, 20_000) as u64;
    timing.snapshot_percent_max = 1_000_000;
    timing.slice_bytes_min = draw.range(1, 200) as usize;
    timing.blind_after_ms = u64::MAX;
    let mut ttl_ms = 10 * END;
    if options.wild {
        timing.blind_after_ms = draw.range(4_000, 15_000) as u64;
        timing.expect = (0..feeds)
            .map(|_| draw.chance(30).then(|| Expect { ms: draw.range(8_000, 20_000), calendar: None }))
            .collect();
        settings.limits.buffered_events_max = draw.range(2, 12) as usize;
        ttl_ms = draw.range(5, 60) * TICK;
    }
    let bounds = Bounds {
        slice_instants_max: draw.range(1, 20) as usize,
        ahead_ms_max: draw.range(2, 60) * TICK,
        ahead_events_max: draw.range(2, 40) as usize,
        ..Bounds::default()
    };
    Drawn { settings, timing, bounds, ttl_ms, seed: draw.range(1, 1_000) as u64 }
}

/// After the end every feed goes on for a while: a feed that is blind comes back.
pub(super) fn keep_beating(world: &mut World) {
    for (records, bounds) in world.log.iter_mut().zip(&world.bounds) {
        records.extend((1..15).map(|i| Logged::closing(END + i * 3 * TICK, bounds.reorder_ms)));
    }
}

/// The same rules, other events.
pub(super) fn another_partition(world: &World, draw: &mut Draw, manners: Manners) -> World {
    let records = draw.range(4, 30) as usize;
    let length = *draw.pick(&[15, 30, 60]) * TICK;
    let mut log =
        stream::draw_log(draw, &world.book, &world.bounds, manners, records, (world.start_ms, length));
    for (records, bounds) in log.iter_mut().zip(&world.bounds) {
        records.push(Logged::closing(END, bounds.reorder_ms));
    }
    let mut other = World { log, ..world.clone() };
    keep_beating(&mut other);
    other
}

/// The same rulebook after somebody has worked on it: a rule gone, others with other deadlines, often a feed gone with all
/// that was built on it.
pub(super) fn other_rules(world: &World, draw: &mut Draw) -> Arc<Rulebook> {
    let mut drafts = world.drafts.clone();
    let is_named = |id: &str| {
        let by = |c: &book::Clause| matches!(&c.of, book::Of::Rule(rule, _) if rule == id);
        world.drafts.iter().any(|d| d.clauses.iter().any(by))
    };
    if drafts.len() > 1 && draw.chance(60) {
        let at = draw.index(drafts.len());
        if !is_named(&drafts[at].id) {
            drafts.remove(at);
        }
    }
    for draft in &mut drafts {
        if draw.chance(50) {
            draft.within = Table::plain(Span::Ms(draw.range(1, 9) * TICK));
        }
    }
    let mut types = world.feed_of_type.clone();
    if world.book.feeds.len() > 1 && draw.chance(60) {
        let gone = draw.pick(&world.book.feeds).clone();
        types.retain(|(_, feed)| *feed != gone.as_str());
        let mut ids: Vec<_> = Vec::new();
        drafts.retain(|draft| {
            let stays = draft.clauses.iter().all(|clause| match &clause.of {
                book::Of::Type(name) => types.iter().any(|(kind, _)| kind == name),
                book::Of::Rule(id, _) => ids.contains(id),
            });
            ids.extend(stays.then(|| draft.id.clone()));
            stays
        });
    }
    Arc::new(book::compile(book::catalogue(&types), &drafts))
}

/// A mapping that passes over every third record.
pub(super) const THIRDS: &str = "but every third";

/// The plan with the `which`-th of these rulebooks, whose source is its number, and a mapping for every feed.
pub(super) fn plan(
    worlds: &[World],
    books: &[Arc<Rulebook>],
    (which, mapping): (usize, Option<&str>),
    drawn: &Drawn,
    archive: &Archive,
) -> Plan<SimDesk> {
    let world = &worlds[0].book;
    let of_feed = |name: &CompactString| usize::from(world.feed_named(name).expect("a feed of the world").0);
    let feeds: Vec<usize> = books[which].feeds.iter().map(of_feed).collect();
    let mut settings = drawn.settings.clone();
    settings.feeds = feeds.iter().map(|feed| drawn.settings.feeds[*feed]).collect();
    let mut timing = drawn.timing.clone();
    timing.expect = feeds.iter().map(|feed| drawn.timing.expect[*feed].clone()).collect();
    let logs: Arc<Vec<Vec<Vec<Logged>>>> = Arc::new(worlds.iter().map(|w| w.log.clone()).collect());
    let (archive, ttl_ms) = (Arc::clone(archive), drawn.ttl_ms);
    Plan {
        rules: Rules {
            source: which.to_string(),
            hash: [which as u8 + 1; 16],
            settings,
            feeds: books[which]
                .feeds
                .iter()
                .map(|f| FeedTopic::new(f, f, mapping.map(str::to_owned)))
                .collect(),
        },
        compile: Box::new({
            let books = books.to_vec();
            move |source| {
                let which: usize = source.parse().map_err(|e| format!("{e}"))?;
                Ok(Arc::clone(&books[which]))
            }
        }),
        decoders: Box::new({
            let world = Arc::clone(world);
            move |book, feeds| Ok(feeds.iter().map(|feed| decode(&logs, &world, book, feed)).collect())
        }),
        desk: Box::new(move |_, _| SimDesk::new(Arc::clone(&archive), ttl_ms)),
        start: Some(Start { read_from: ReadFrom::Earliest, act_from: 0 }),
        timing,
        bounds: drawn.bounds.clone(),
        seed: drawn.seed,
        book: Arc::clone(&books[which]),
        faults: Faults::default(),
    }
}

fn decode(logs: &Arc<Vec<Vec<Vec<Logged>>>>, world: &Rulebook, book: &Rulebook, feed: &FeedTopic) -> Decode {
    let logs = Arc::clone(logs);
    let meanings = feed.meanings.clone();
    let feed = usize::from(world.feed_named(&feed.feed).expect("a feed of the world").0);
    // By the world's number of a type: the rulebook's, if a rule names it.
    let is_read = |id: &TypeId| book.profile == Some(*id) || !book.uses(*id).is_empty();
    let number = |name: &CompactString| book.catalogue.id(name).filter(is_read);
    let kinds: Vec<Option<TypeId>> = world.catalogue.types().map(|(_, t)| number(&t.name)).collect();
    Arc::new(move |raw: &RawRecord<'_>, offset: i64, out: &mut Record, _: &mut Vec<Refusal>| {
        let value = raw.value.unwrap_or_default();
        let number = |at: usize| u32::from_le_bytes(value[at..at + 4].try_into().expect("4 bytes")) as usize;
        out.clone_from(&logs[number(0)][feed][number(4)].record);
        let meaning = meanings.iter().rev().find(|meaning| meaning.from <= offset);
        let is_passed_over =
            offset % 3 == 0 && meaning.is_some_and(|meaning| meaning.mapping.as_deref() == Some(THIRDS));
        out.events.retain_mut(|event| {
            let kind = kinds[usize::from(event.kind.0)];
            event.kind = kind.unwrap_or(event.kind);
            kind.is_some() && !is_passed_over
        });
    })
}
