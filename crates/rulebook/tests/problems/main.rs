//! What is said of rulebooks that are wrong.

mod events;
mod file;
mod kinds;
mod sections;
mod slips;

use cxwatch_rulebook::{Rulebook, compile};
use expect_test::{Expect, expect};

fn problems(source: &str) -> String {
    let problems = match compile(source, "r.yaml") {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    problems.iter().map(|p| format!("{p}\n")).collect()
}

fn check(source: &str, expected: Expect) {
    expected.assert_eq(&problems(source));
}

/// Rules, from line 5 on, in a rulebook with one calendar and one action.
fn check_rules(rules: &str, expected: Expect) {
    check(&framed(rules), expected);
}

fn framed(rules: &str) -> String {
    format!(
        "rulebook: t
version: 1
calendars: {{ desk: {{ zone: UTC, open: {{ mon-fri: \"08:00-18:00\" }} }} }}
actions: {{ call: {{ class: raise, hours: desk }} }}
rules:
{rules}
  - {{ id: uses-call, kind: match, event: web.login.failed, actions: call }}
"
    )
}

#[test]
fn a_good_one_has_no_problems() {
    check_rules("", expect![[""]]);
}

#[test]
fn whatever_is_left_of_a_rulebook_it_is_never_a_panic() {
    let whole = framed(
        "  - id: a
    kind: absence
    per: data.cart_id
    start: { event: web.cart.item_added, where: { data.quantity: { over: 1 } } }
    stop: [order.placed, { event: web.cart.emptied }]
    within: { by: data.sku, x: 5m, default: 1h }
    measure: { value: { sum: [data.quantity, data.unit_price], minus: web.cart.item_removed } }
    severity: [ { when: { value: { over: 500 } }, is: 70 }, { is: 40 } ]
    summary: \"{value} {key}\"",
    );
    let compiled =
        |source: &str| -> Option<Rulebook> { compile(source, "r.yaml").ok().map(|(book, _)| book) };
    assert!(compiled(&whole).is_some());
    let (mut good, mut bad) = (0, 0);
    for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
        let without_a_letter = format!("{}{}", &whole[..at], &whole[at + 1..]);
        for source in [&whole[..at], &without_a_letter] {
            match compile(source, "r.yaml") {
                Ok(_) => good += 1,
                Err(problems) => {
                    assert!(cxwatch_rulebook::yaml::has_errors(&problems), "{source}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 20 && bad > 200, "{good} {bad}");
}
