//! Two processes of one group that run different rulebooks: it is seen, said, and over when one of them goes.

use crate::client::PARTITIONS;
use crate::is_left_out;
use crate::stage::{Stage, broker, wait_for};
use std::time::Duration;

const ACTIONS: &str = "actions:\n  answer: { class: reply, channel: social, queue: social, ttl: 1d }\n";
const FEW_STARS: &str = "  - { id: few-stars, kind: match, event: review.posted, where: { data.stars: { at_most: 2 } }, actions: [answer] }\n";
/// Of a feed that only one of the rulebooks has.
const BRANCH: &str = "types:\n  branch.visit.ended: { feed: branch, fields: { mood: text } }\n";

/// Until a process sees of itself what another one has done to the group.
const SOON: Duration = Duration::from_secs(30);
/// Until it looks again at who else is there.
const NEXT_LOOK: Duration = Duration::from_secs(75);

#[test]
fn two_rulebooks_in_one_group_are_told_of_and_tasks_wait_for_all_their_feeds() {
    if is_left_out("two rulebooks in one group") {
        return;
    }
    let Some(broker) = broker() else { return };
    let both = format!("rulebook: rollout\nversion: 1\n{BRANCH}rules:\n{FEW_STARS}{ACTIONS}");
    let one = format!("rulebook: rollout\nversion: 2\nrules:\n{FEW_STARS}{ACTIONS}");
    let mut stage = Stage::new("rollout", broker.bootstrap(), &both).with_one_thread();
    stage.make_topics();
    let mut old = stage.start_alone("old");
    wait_for("it is ready", SOON, || old.readiness().contains(r#""ready":true"#));
    assert_eq!(old.metric("cxwatch_rulebooks_in_group"), 1.0);
    assert_eq!(old.metric("cxwatch_task_missing_feeds"), 0.0);

    stage.change_rulebook(&one);
    let mut new = stage.start("new");
    wait_for("the new one sees two rulebooks", SOON, || new.metric("cxwatch_rulebooks_in_group") == 2.0);
    let said = new.log();
    let line = said.lines().find(|line| line.contains("members of the group run different rulebooks"));
    let line = line.unwrap_or_else(|| panic!("nothing is said of it\n{said}"));
    assert!(line.contains("WARN") && line.contains("(rollout-old-0"), "{line}");
    wait_for("so does the old one", NEXT_LOOK, || old.metric("cxwatch_rulebooks_in_group") == 2.0);
    assert!(old.log().contains("(rollout-new-0"), "{}", old.last_words());

    // The new one has half of the topics that both read, and leaves the old one the other topic whole.
    let half = f64::from(PARTITIONS) / 2.0;
    let lacking = half * stage.book.feeds.len() as f64;
    wait_for("the old one has tasks in part", SOON, || old.metric("cxwatch_task_missing_feeds") == lacking);
    let told = old.readiness();
    assert!(told.starts_with("HTTP/1.1 503"), "{told}");
    assert!(
        told.contains(r#""reason":"incomplete_tasks""#) && told.contains(" lacks contact-center and "),
        "{told}"
    );
    assert!(told.contains("do all processes run a rulebook with the same feeds"), "{told}");
    wait_for("what is whole goes on", SOON, || old.metric("cxwatch_task") == half);

    new.stop();
    wait_for("all tasks are whole again", SOON, || old.works(PARTITIONS));
    wait_for("it is ready", SOON, || old.readiness().contains(r#""ready":true"#));
    assert_eq!(old.metric("cxwatch_task_missing_feeds"), 0.0);
    assert_eq!(old.metric("cxwatch_restore_alarms_total"), 0.0, "{}", old.last_words());
    old.stop();
}
