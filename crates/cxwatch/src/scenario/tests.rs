use super::*;
use std::sync::Arc;

const BOOK: &str = "
rulebook: t
version: 1
rules:
  - id: left
    kind: absence
    per: data.cart_id
    start: { event: web.cart.item_added }
    stop: { event: order.placed }
    within: 30m
";

fn report(text: &str) -> Result<Vec<CaseReport>, Vec<Fault>> {
    let (book, _) = cxwatch_rulebook::compile(BOOK, "t.yaml").expect("valid");
    run(&Scenario::parse(text)?, &Arc::new(book))
}

#[test]
fn what_is_expected_and_said_passes() {
    let text =
        "case: a\n+0s c1 web.cart.item_added cart_id=k sku=s\nuntil: +1h\nexpect:\n+30m c1 left key=k\n";
    assert!(report(text).expect("valid")[0].passed());
}

#[test]
fn both_sides_of_a_difference_are_told() {
    let text =
        "case: a\n+0s c1 web.cart.item_added cart_id=k sku=s\nuntil: +1h\nexpect:\n+31m c1 left key=k\n";
    let report = &report(text).expect("valid")[0];
    assert_eq!(report.missing, [(5, "+31m c1 left key=k".to_string())]);
    assert_eq!(report.extra, ["+30m c1 left key=k severity=50 events=1".to_string()]);
}

#[test]
fn a_detection_too_many_is_not_overlooked() {
    let text = "case: a\n+0s c1 web.cart.item_added cart_id=k sku=s\nuntil: +1h\nexpect:\n";
    assert_eq!(report(text).expect("valid")[0].extra.len(), 1);
}

#[test]
fn cases_know_nothing_of_each_other() {
    let cart = "+0s c1 web.cart.item_added cart_id=k sku=s\nuntil: +1h\nexpect:\n+30m c1 left\n";
    let text = format!("case: a\n{cart}case: b\n{cart}");
    assert!(report(&text).expect("valid").iter().all(CaseReport::passed));
}

#[test]
fn faults_are_told_all_at_once_with_their_lines() {
    let text = "case: a\n+0s c1 web.cart.item_aded cart_id=k\n+0s c1 order.placed order=o\n+0s c1 order.placed\nexpect:\n+1m c1 lefd\n";
    let faults: Vec<_> = report(text).expect_err("faults").iter().map(Fault::to_string).collect();
    assert_eq!(
        faults,
        [
            "2: there is no event type `web.cart.item_aded`; write `web.cart.item_added`?",
            "3: `order.placed` has no field `order`; it has order_id, cart_id, value, currency, promised_at",
            "4: missing_field at /data/order_id: required, but missing or null",
            "6: the rulebook has no rule `lefd`; write `left`?",
        ]
    );
    let faults = Scenario::parse("start: noon\n+0s c1 x\n").expect_err("faults");
    assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn the_examples_of_the_documentation_hold() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let (book, _) = cxwatch_rulebook::compile(&read("rulebooks/demo.yaml"), "demo.yaml").expect("valid");
    let (book, page) = (Arc::new(book), read("../../docs/rule-tests.md"));
    let blocks: Vec<&str> =
        page.split("```scenario\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let scenario = Scenario::parse(block).expect(block);
        for case in run(&scenario, &book).expect(block) {
            assert!(case.passed(), "{case:?}");
        }
    }
}
