//! Routers and services that do it wrong, each in one way, over a short recorded play: the judge says so of each, and
//! finds nothing wrong with those that do it right.

use super::{Call, Tally, judge};
use crate::client::Kept;
use crate::router::watch::Seen;
use cxwatch_event::rfc3339;
use serde_json::json;

/// The play is over.
const OVER: i64 = 100_000;

/// What was recorded of one play.
struct Play {
    seen: Vec<Seen>,
    calls: Vec<Call>,
    outcomes: Vec<Kept>,
}

impl Play {
    /// `wanted` is asked for at 1 s and called at 3 s; `over` is asked for at 1 s, revoked at 2 s and left alone; `late` is
    /// asked for at 1 s, and nobody comes to it before it expires at 30 s.
    fn right() -> Self {
        let mut play = Play { seen: Vec::new(), calls: Vec::new(), outcomes: Vec::new() };
        for action in ["wanted", "over", "late"] {
            play.says(1_000, action, 0, "requested");
        }
        play.says(2_000, "over", 1, "revoked");
        play.calls_with(3_000, "wanted", 0, 4);
        play.answers(2_900, "wanted", "accepted");
        play.answers(3_000, "wanted", "contacted");
        play.answers(4_000, "wanted", "saved");
        play.says(30_000, "late", 1, "expired");
        play
    }

    /// The service says it, to be seen at once.
    fn says(&mut self, time: i64, action: &str, revision: u64, kind: &str) {
        let offset = self.seen.len() as i64;
        let (action_id, kind) = (action.to_owned(), kind.to_owned());
        self.seen.push(Seen {
            at: time,
            partition: 0,
            offset,
            action_id,
            revision,
            kind,
            time,
            expires: 30_000,
        });
    }

    /// The router, having read so far, claims it a tenth of a second before it calls.
    fn calls_with(&mut self, called_at: i64, action: &str, revision: u64, position: i64) {
        let claimed_at = called_at - 100;
        self.calls.push(Call {
            action_id: action.to_owned(),
            revision,
            called_at,
            claimed_at,
            partition: 0,
            position,
        });
    }

    fn answers(&mut self, time: i64, action: &str, kind: &str) {
        self.answers_in(0, time, action, kind);
    }

    fn answers_in(&mut self, partition: i32, time: i64, action: &str, kind: &str) {
        let data = json!({ "action_id": action, "revision": 0, "partition": partition });
        let outcome =
            json!({ "type": format!("outcome.{kind}"), "time": rfc3339::format(time), "data": data });
        self.outcomes.push(Kept {
            partition,
            offset: self.outcomes.len() as i64,
            appended_at: time + 20,
            key: Vec::new(),
            value: serde_json::to_vec(&outcome).expect("written"),
            headers: Vec::new(),
        });
    }

    fn judged(&self) -> Result<Tally, Vec<String>> {
        judge(&self.seen, &self.calls, &self.outcomes, OVER)
    }
}

/// What the judge says of the play, changed in this way: every complaint has one of these words in it, and each word is in one.
fn assert_caught(words: &[&str], change: impl FnOnce(&mut Play)) {
    let mut play = Play::right();
    change(&mut play);
    let wrong = play.judged().expect_err("the judge saw nothing wrong");
    for word in words {
        assert!(wrong.iter().any(|wrong| wrong.contains(word)), "nothing about {word:?}: {wrong:#?}");
    }
    for wrong in &wrong {
        assert!(words.iter().any(|word| wrong.contains(word)), "not about {words:?}: {wrong}");
    }
}

#[test]
fn what_is_done_right_is_found_right() {
    let tally = Play::right().judged().expect("nothing is wrong");
    assert_eq!((tally.actions, tally.called, tally.withdrawn, tally.revoked), (3, 1, 2, 1));
    assert_eq!(tally.outcomes.values().sum::<usize>(), 3);

    // Reached, and then no longer needed: an update, no revocation.
    let mut play = Play::right();
    play.says(3_500, "wanted", 1, "updated");
    assert_eq!(play.judged().expect("nothing is wrong").told_after_contact, 1);

    // Claimed, and then withdrawn: given up without a call.
    let mut play = Play::right();
    play.answers(1_900, "over", "accepted");
    play.answers(2_100, "over", "declined");
    play.judged().expect("nothing is wrong");

    // Killed between claim and call.
    let mut play = Play::right();
    play.answers(1_500, "late", "accepted");
    play.answers(9_000, "late", "failed");
    play.judged().expect("nothing is wrong");

    // The contact was told so late that the service could not know of it.
    let mut play = Play::right();
    play.outcomes[1].appended_at = 9_000;
    play.says(3_500, "wanted", 1, "revoked");
    play.judged().expect("nothing is wrong");
}

#[test]
fn whoever_calls_twice_is_caught() {
    assert_caught(&["called 2 times: wanted"], |play| play.calls_with(3_800, "wanted", 0, 4));
    // The other one's process, which says so as well.
    assert_caught(&["called 2 times: wanted", "outcomes [\"accepted\""], |play| {
        play.calls_with(3_050, "wanted", 0, 4);
        for kind in ["accepted", "contacted", "saved"] {
            play.answers(4_100, "wanted", kind);
        }
    });
}

#[test]
fn whoever_ignores_a_revocation_is_caught() {
    let call = |play: &mut Play| {
        play.answers(4_900, "over", "accepted");
        play.answers(5_000, "over", "contacted");
        play.answers(5_600, "over", "failed");
    };
    // It has read it.
    assert_caught(
        &["the router had read that it was revoked", "others had seen that it was revoked"],
        |play| {
            play.calls_with(5_000, "over", 0, 4);
            call(play);
        },
    );
    // It has not looked, and could have.
    assert_caught(&["others had seen that it was revoked"], |play| {
        play.calls_with(5_000, "over", 0, 3);
        call(play);
    });
}

#[test]
fn whoever_calls_too_late_or_for_nothing_is_caught() {
    let call = |play: &mut Play, at: i64| {
        play.answers(at - 100, "late", "accepted");
        play.answers(at, "late", "contacted");
        play.answers(at + 600, "late", "saved");
    };
    // Its life is over by the clock, and its expiry not yet said.
    assert_caught(&["called too late"], |play| {
        play.seen.retain(|seen| seen.kind != "expired");
        play.calls_with(30_001, "late", 0, 4);
        call(play, 30_001);
    });
    assert_caught(&["called for a revision that nobody wrote"], |play| {
        play.calls_with(6_000, "late", 7, 4);
        call(play, 6_000);
        play.seen.retain(|seen| seen.kind != "expired");
    });
    assert_caught(&["called for no action"], |play| play.calls_with(6_000, "dreamt", 0, 4));
}

#[test]
fn whoever_answers_wrongly_or_not_at_all_is_caught() {
    assert_caught(&["late: called false, outcomes []"], |play| {
        play.seen.retain(|seen| seen.kind != "expired");
        play.seen.iter_mut().for_each(|seen| seen.expires = OVER + 1);
    });
    assert_caught(&["wanted: called true, outcomes [\"accepted\", \"contacted\"]"], |play| {
        play.outcomes.pop();
    });
    assert_caught(&["partition 1 instead of 0", "late: called false"], |play| {
        play.answers_in(1, 5_000, "late", "saved");
    });
    assert_caught(&["an outcome of no action"], |play| play.answers(5_000, "dreamt", "declined"));
}

#[test]
fn a_service_that_takes_back_what_was_done_is_caught() {
    assert_caught(&["wanted: revoked after a contact"], |play| play.says(3_500, "wanted", 1, "revoked"));
    assert_caught(&["wanted: expired after a contact"], |play| play.says(30_000, "wanted", 1, "expired"));
}
