//! Hand-made cases: each reading of the page, once.
#![allow(clippy::unwrap_used, reason = "a case that cannot be read fails its test")]

use super::{Occurrence, evaluate};
use crate::world::book::{DEADLINE, Draft, KEY, NUMBER, VALUE, catalogue, compile, type_id};
use cxwatch_event::{Event, FieldValue, MICRO, Value};
use cxwatch_rulebook::{
    Cond, Fold, Guard, Kind, Level, Measure, MeasureRef, Op, Roles, Rulebook, Span, Table,
};
use expect_test::{Expect, expect};

const TYPES: [(&str, &str); 8] = [
    ("a", "one"),
    ("b", "one"),
    ("c", "one"),
    ("d", "one"),
    ("e", "two"),
    ("f", "two"),
    ("g", "two"),
    ("h", "two"),
];

/// Lines `TIME CUSTOMER TYPE [k=..] [n=..] [v=..] [d=..] [id=..]`; the offsets are the lines' numbers.
fn events(book: &Rulebook, text: &str) -> Vec<Occurrence> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(n, line)| event(book, n, line)).collect()
}

fn event(book: &Rulebook, n: usize, line: &str) -> Occurrence {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap();
    let (time, customer, kind) = (word().parse().unwrap(), word().into(), type_id(book, word()));
    let mut id = format!("e{n}");
    let mut fields = Vec::new();
    for (name, value) in words.map(|w| w.split_once('=').unwrap()) {
        let (field, value) = match name {
            "k" => (KEY, Value::Text(value.into())),
            "n" => (NUMBER, Value::Number(value.parse::<i64>().unwrap() * MICRO)),
            "v" => (VALUE, Value::Text(value.into())),
            "d" => (DEADLINE, Value::Time(value.parse().unwrap())),
            _ => {
                id = value.into();
                continue;
            }
        };
        fields.push(FieldValue { field, value });
    }
    fields.sort_by_key(|f| f.field);
    let event = Event { kind, time, sub: 0, customer, id: id.into(), source: "s".into(), fields };
    Occurrence { feed: book.feed_of_type[usize::from(kind.0)].unwrap(), offset: n as i64, event }
}

fn check(drafts: &[Draft], text: &str, expect: Expect) {
    let book = compile(catalogue(&TYPES), drafts);
    let found = evaluate(&book, &events(&book, text), 20, 1000);
    let lines = found.iter().map(|d| {
        let level = if d.level == Level::Warning { " warning" } else { "" };
        let key = if d.key.is_empty() { String::new() } else { format!(" k={}", d.key) };
        let measures = d.measures.iter().map(|m| m.map_or(" -".into(), |m| format!(" {}", m / MICRO)));
        let evidence = d.evidence.iter().map(|e| format!(" e{}", e.offset));
        format!(
            "{} {}{level} {}{key} about {} is {}{} of{}\n",
            d.time,
            book.rule(d.rule).id,
            d.customer,
            d.about.id,
            d.severity,
            measures.collect::<String>(),
            evidence.collect::<String>()
        )
    });
    expect.assert_eq(&lines.collect::<String>());
}

fn absence() -> Kind {
    Kind::Absence {
        data_deadline: false,
        grace: Span::Ms(0),
        warn_permille: None,
        once: false,
        stretch_gap_ms: 0,
    }
}

fn warned_absence(permille: u16) -> Kind {
    let Kind::Absence { data_deadline, grace, once, stretch_gap_ms, .. } = absence() else { unreachable!() };
    Kind::Absence { data_deadline, grace, warn_permille: Some(permille), once, stretch_gap_ms }
}

fn data_absence(grace: i64, warn_permille: Option<u16>) -> Kind {
    Kind::Absence {
        data_deadline: true,
        grace: Span::Ms(grace),
        warn_permille,
        once: false,
        stretch_gap_ms: 0,
    }
}

fn count(of_last: Option<u32>, distinct: bool, keep: bool) -> Kind {
    Kind::Count { of_last, distinct, keep, at_least_max: 5 }
}

fn sum() -> Measure {
    Measure { name: "n".into(), fold: Fold::Sum }
}

/// a starts, b refreshes, c stops, d pauses, e resumes, f subtracts.
fn full(kind: Kind) -> Draft {
    let draft =
        Draft::new("rule", kind).per().on("a", Roles::START).on("b", Roles::REFRESH).on("c", Roles::STOP);
    let mut draft = draft.on("d", Roles::PAUSE).on("e", Roles::RESUME).on("f", Roles::MINUS);
    draft.measures.push(sum());
    draft.within(10)
}

#[test]
fn a_match_fires_for_each_event_with_its_key() {
    let draft = Draft::new("rule", Kind::Match).per().on("a", Roles::EVENT);
    check(
        &[draft],
        "3 c1 a k=x
         2 c2 a k=y
         4 c1 a
         5 c1 b k=x",
        expect![[r#"
            2 rule c2 k=y about e1 is 40 of e1
            3 rule c1 k=x about e0 is 40 of e0
        "#]],
    );
}

#[test]
fn a_duplicate_is_dropped_within_its_window_only() {
    let draft = Draft::new("rule", Kind::Match).on("a", Roles::EVENT);
    check(
        &[draft],
        "3 c1 a id=p
         3 c1 a id=p
         23 c1 a id=p
         24 c1 a id=p
         24 c2 a id=p",
        expect![[r#"
            3 rule c1 about p is 40 of e0
            24 rule c1 about p is 40 of e3
            24 rule c2 about p is 40 of e4
        "#]],
    );
}

#[test]
fn an_absence_fires_at_its_deadline_and_a_stop_on_it_is_in_time() {
    check(
        &[full(absence())],
        "0 c1 a k=x n=1
         0 c1 a k=y n=1
         0 c1 a k=z n=1
         5 c1 a k=x n=2
         10 c1 c k=y
         11 c1 c k=z",
        expect![[r#"
            10 rule c1 k=x about e0 is 40 3 of e0 e3
            10 rule c1 k=z about e2 is 40 1 of e2
        "#]],
    );
}

#[test]
fn events_without_the_key_touch_all_that_is_open_but_start_nothing() {
    check(
        &[full(absence())],
        "0 c1 a k=x n=1
         1 c1 a n=1
         2 c1 a k=y n=1
         5 c1 b
         6 c1 f n=3
         20 c1 a k=x
         21 c1 c",
        expect![[r#"
            15 rule c1 k=x about e0 is 40 -2 of e0
            15 rule c1 k=y about e2 is 40 -2 of e2
        "#]],
    );
}

#[test]
fn a_deadline_ends_intake() {
    check(
        &[full(absence())],
        "0 c1 a k=x n=1
         10 c1 a k=x n=2
         11 c1 a k=x n=4
         30 c1 b k=x",
        expect![[r#"
            10 rule c1 k=x about e0 is 40 3 of e0 e1
            21 rule c1 k=x about e2 is 40 4 of e2
        "#]],
    );
}

#[test]
fn a_pause_keeps_what_is_left_and_a_refresh_makes_it_whole() {
    check(
        &[full(absence())],
        "0 c1 a k=x
         0 c1 a k=y
         4 c1 d
         5 c1 d
         50 c1 b k=y
         60 c1 e
         61 c1 e",
        expect![[r#"
            66 rule c1 k=x about e0 is 40 - of e0
            70 rule c1 k=y about e1 is 40 - of e1
        "#]],
    );
}

#[test]
fn a_warning_comes_once_per_deadline_and_after_a_pause_there_is_a_new_one() {
    check(
        &[full(warned_absence(500))],
        "0 c1 a k=x
         6 c1 b k=x
         12 c1 d k=x
         30 c1 e k=x
         100 c1 a k=y
         102 c1 d k=y
         110 c1 e k=y",
        expect![[r#"
            5 rule warning c1 k=x about e0 is 40 - of e0
            11 rule warning c1 k=x about e0 is 40 - of e0
            30 rule warning c1 k=x about e0 is 40 - of e0
            34 rule c1 k=x about e0 is 40 - of e0
            113 rule warning c1 k=y about e4 is 40 - of e4
            118 rule c1 k=y about e4 is 40 - of e4
        "#]],
    );
}

#[test]
fn a_deadline_from_data_with_grace_replaced_and_past() {
    check(
        &[full(data_absence(2, Some(500)))],
        "0 c1 a k=x d=8
         1 c1 a k=x d=50
         4 c1 b k=x d=20
         6 c1 b k=x
         20 c1 a k=y d=3
         30 c1 a k=z d=3
         30 c1 c k=z
         40 c1 a k=w
         50 c1 a k=v d=58
         51 c1 d k=v
         52 c1 b k=w d=60",
        expect![[r#"
            13 rule warning c1 k=x about e0 is 40 - of e0 e1
            20 rule c1 k=y about e4 is 40 - of e4
            22 rule c1 k=x about e0 is 40 - of e0 e1
            55 rule warning c1 k=v about e8 is 40 - of e8
            57 rule warning c1 k=w about e7 is 40 - of e7
            60 rule c1 k=v about e8 is 40 - of e8
            62 rule c1 k=w about e7 is 40 - of e7
        "#]],
    );
}

#[test]
fn once_means_once_per_key() {
    let Kind::Absence { data_deadline, grace, warn_permille, stretch_gap_ms, .. } = absence() else {
        unreachable!()
    };
    let kind = Kind::Absence { data_deadline, grace, warn_permille, once: true, stretch_gap_ms };
    check(
        &[full(kind)],
        "0 c1 a k=x
         1 c1 c k=x
         2 c1 a k=x
         3 c1 a k=y",
        expect![[r#"
            13 rule c1 k=y about e3 is 40 - of e3
        "#]],
    );
}

#[test]
fn stop_and_start_in_one_event_closes_and_opens_anew() {
    check(
        &[full(absence()).on("g", Roles::STOP | Roles::START)],
        "0 c1 a k=x n=1
         5 c1 g k=x n=2",
        expect![[r#"
            15 rule c1 k=x about e1 is 40 2 of e1
        "#]],
    );
}

#[test]
fn when_is_asked_at_the_deadline_and_severity_of_the_measures() {
    let mut draft = full(warned_absence(500));
    draft.when = Cond::Test(MeasureRef::Measure(0), Op::AtLeast(2 * MICRO));
    draft.severity.push((Cond::Test(MeasureRef::Events, Op::AtLeast(2 * MICRO)), 70));
    check(
        &[draft],
        "0 c1 a k=x n=1
         0 c1 a k=y n=1
         6 c1 a k=y n=1",
        expect![[r#"
            5 rule warning c1 k=x about e0 is 40 1 of e0
            5 rule warning c1 k=y about e1 is 40 1 of e1
            10 rule c1 k=y about e1 is 70 2 of e1 e2
        "#]],
    );
}

#[test]
fn a_count_clears_or_keeps_and_forgets_what_left_the_window() {
    let mut clear =
        Draft::new("clear", count(None, false, false)).on("a", Roles::EVENT | Roles::COUNTED).at_least(2);
    clear.measures.push(sum());
    let mut keep =
        Draft::new("keep", count(None, false, true)).on("a", Roles::EVENT | Roles::COUNTED).at_least(2);
    keep.measures.push(sum());
    check(
        &[clear.within(5), keep.within(5)],
        "0 c1 a n=1
         5 c1 a n=2
         9 c1 a n=3
         9 c1 a n=4",
        expect![[r#"
            9 clear c1 about e2 is 40 5 of e1 e2
            9 keep c1 about e2 is 40 5 of e1 e2
            9 keep c1 about e3 is 40 9 of e1 e2 e3
        "#]],
    );
}

#[test]
fn a_count_among_the_last_counts_what_counts_and_a_reset_empties() {
    let draft = Draft::new("rule", count(Some(3), false, true)).on("a", Roles::EVENT | Roles::COUNTED);
    check(
        &[draft.on("b", Roles::EVENT).on("c", Roles::RESET).at_least(2)],
        "0 c1 a
         1 c1 b
         2 c1 b
         3 c1 a
         4 c1 a
         5 c1 b
         6 c1 c
         7 c1 a
         8 c1 a",
        expect![[r#"
            4 rule c1 about e4 is 40 of e3 e4
            8 rule c1 about e8 is 40 of e7 e8
        "#]],
    );
}

#[test]
fn a_count_of_distinct_values() {
    let draft =
        Draft::new("rule", count(None, true, false)).on("a", Roles::EVENT | Roles::COUNTED).at_least(2);
    check(
        &[draft.within(10)],
        "0 c1 a v=p
         1 c1 a v=p
         2 c1 a
         3 c1 a v=q
         4 c1 a v=p",
        expect![[r#"
            3 rule c1 about e3 is 40 of e0 e1 e2 e3
        "#]],
    );
}

#[test]
fn a_count_that_may_not_fire_leaves_its_window() {
    let draft =
        Draft::new("rule", count(None, false, false)).on("a", Roles::EVENT | Roles::COUNTED).at_least(2);
    check(
        &[draft.within(10).guard(Guard::UnlessSeen { within_ms: 3 }, "b", None)],
        "0 c1 a
         1 c1 b
         2 c1 a
         4 c1 a",
        expect![[r#"
            4 rule c1 about e3 is 40 of e0 e2 e3
        "#]],
    );
}

#[test]
fn a_sequence_keeps_the_latest_start_and_one_event_takes_one_step() {
    let step = Roles::step;
    let abc = Draft::new("abc", Kind::Sequence { steps: 3, keep: false }).per();
    let abc = abc.on("a", step(0)).on("b", step(1)).on("c", step(2)).on("d", Roles::UNLESS).within(10);
    let aa = Draft::new("aa", Kind::Sequence { steps: 2, keep: false }).on("a", step(0) | step(1)).within(10);
    check(
        &[abc, aa],
        "0 c1 a k=x
         5 c1 a k=x
         6 c1 b
         15 c1 c k=x
         16 c1 c k=x
         20 c1 a k=x
         21 c1 b k=x
         22 c1 d
         23 c1 c k=x",
        expect![[r#"
            5 aa c1 about e1 is 40 of e0 e1
            15 abc c1 k=x about e3 is 40 of e1 e2 e3
        "#]],
    );
}

#[test]
fn a_kept_beginning_is_completed_again() {
    let draft = Draft::new("rule", Kind::Sequence { steps: 2, keep: true }).within(10);
    check(
        &[draft.on("a", Roles::step(0)).on("b", Roles::step(1))],
        "0 c1 a
         1 c1 b
         2 c1 b
         11 c1 b",
        expect![[r#"
            1 rule c1 about e1 is 40 of e0 e1
            2 rule c1 about e2 is 40 of e0 e2
        "#]],
    );
}

#[test]
fn a_debt_decays_fires_once_and_arms_again() {
    let mut draft =
        Draft::new("rule", Kind::Debt { half_life_ms: 10, rearm_below: MICRO }).on("a", Roles::WEIGHT);
    draft.points.push((Cond::True, 2 * MICRO));
    check(
        &[draft.at_least(3).on("b", Roles::RESET)],
        "0 c1 a
         10 c1 a
         11 c1 a
         60 c1 a
         61 c1 a
         62 c1 b
         63 c1 a
         64 c1 a",
        expect![[r#"
            10 rule c1 about e1 is 40 of e0 e1
            61 rule c1 about e4 is 40 of e0 e1 e2 e3 e4
            64 rule c1 about e7 is 40 of e6 e7
        "#]],
    );
}

#[test]
fn guards_block_a_start_and_a_firing() {
    let unless = full(absence()).guard(Guard::UnlessSeen { within_ms: 4 }, "g", None);
    check(
        &[unless],
        "0 c1 g k=x
         3 c1 a k=x
         4 c1 a k=x
         4 c1 a k=y
         7 c1 g k=y
         11 c1 g k=x",
        expect![[r#"
            14 rule c1 k=y about e3 is 40 - of e3
        "#]],
    );
    let during = full(absence()).guard(Guard::While, "g", Some("h"));
    check(
        &[during],
        "0 c1 a k=x
         1 c1 g
         2 c1 a k=x
         3 c1 a k=y
         4 c1 h k=y",
        expect![[r#"
            12 rule c1 k=x about e2 is 40 - of e2
        "#]],
    );
}

#[test]
fn an_event_counts_for_its_own_while_but_not_for_its_own_unless_seen() {
    let during = Draft::new("during", Kind::Match).on("a", Roles::EVENT).guard(Guard::While, "a", None);
    let unless = Draft::new("unless", Kind::Match).on("a", Roles::EVENT);
    check(
        &[during, unless.guard(Guard::UnlessSeen { within_ms: 3 }, "a", None)],
        "0 c1 a
         2 c1 a
         5 c1 a",
        expect![[r#"
            0 during c1 about e0 is 40 of e0
            0 unless c1 about e0 is 40 of e0
            2 during c1 about e1 is 40 of e1
            5 during c1 about e2 is 40 of e2
            5 unless c1 about e2 is 40 of e2
        "#]],
    );
}

#[test]
fn rules_on_rules_hear_at_once_and_before_the_next_timer() {
    let below = full(warned_absence(500));
    let above = Draft::new("above", absence()).per().on_rule("rule", Level::Warning, Roles::START);
    let above = above.on_rule("rule", Level::Breach, Roles::STOP).on("g", Roles::STOP).within(5);
    let twice = Draft::new("twice", count(None, false, false)).at_least(2).within(5);
    let twice = twice.on_rule("above", Level::Breach, Roles::EVENT | Roles::COUNTED);
    let twice = twice.on_rule("rule", Level::Breach, Roles::EVENT | Roles::COUNTED);
    check(
        &[below, above.clone(), twice],
        "0 c1 a k=x n=1
         1 c1 a k=y n=1",
        expect![[r#"
            5 rule warning c1 k=x about e0 is 40 1 of e0
            6 rule warning c1 k=y about e1 is 40 1 of e1
            10 rule c1 k=x about e0 is 40 1 of e0
            11 rule c1 k=y about e1 is 40 1 of e1
            11 twice c1 about e1 is 40 of e0 e1
        "#]],
    );
}

#[test]
fn tables_are_read_from_the_deciding_event() {
    let mut draft = Draft::new("rule", absence()).per().on("a", Roles::START).on("b", Roles::REFRESH);
    draft.within.by = cxwatch_rulebook::FieldRef::Data(VALUE);
    draft.within = Table { cases: vec![(Value::Text("gold".into()), Span::Ms(2))], ..draft.within };
    check(
        &[draft],
        "0 c1 a k=x v=gold
         1 c1 b k=x
         0 c1 a k=y",
        expect![[r#"
            3 rule c1 k=x about e0 is 40 of e0
            5 rule c1 k=y about e2 is 40 of e2
        "#]],
    );
}
