//! Stories: for each rule of the starter one that goes wrong and one that nearly does; and ordinary ones.

use super::life::{DAY, HOUR, Life, MINUTE, SECOND, third_close};

type Telling = fn(&mut Life<'_>);

/// By rule: what makes it fire, and what nearly does.
pub(super) const TROUBLES: [(&str, Telling, Telling); 21] = [
    ("cart-abandonment", cart_left, cart_bought_late),
    ("checkout-abandonment", checkout_left, checkout_slow),
    ("payment-failed", payment_fails, payment_works),
    ("slow-pages", slow_pages, one_slow_page),
    ("slow-checkout", slow_checkout, slow_after_order),
    ("bot-not-understood", bot_fails, bot_fails_once),
    ("handoff-unanswered", nobody_there, somebody_there),
    ("failed-self-service", alone_then_call, alone_in_the_end),
    ("voice-wait", call_waits, call_nearly_waits),
    ("chat-wait", chat_waits, chat_nearly_waits),
    ("email-wait", email_waits, email_nearly_waits),
    ("abandoned-not-called-back", given_up, given_up_and_called_back),
    ("repeat-contact", calls_again, calls_about_something_else),
    ("handed-around", handed_on, handed_on_twice),
    ("post-unanswered", complains_in_vain, is_answered),
    ("review-unanswered", reviews_in_vain, only_stars),
    ("delivery-promise-missed", promise_missed, promise_kept),
    ("refund-overdue", waits_for_money, gets_money),
    ("nps-detractor", detracts, is_passive),
    ("csat-low", is_dissatisfied, is_content),
    ("experience-debt", loses_patience, has_two_troubles),
];

/// Most of what happens.
pub(super) const ORDINARY: [Telling; 12] = [
    browses,
    buys,
    calls,
    chats,
    writes_an_email,
    asks_the_bot,
    helps_oneself,
    praises,
    is_answered,
    gets_money,
    rates_well,
    is_reviewed_and_thanked,
];

fn browses(life: &mut Life<'_>) {
    life.pages(3, 7);
    life.leave();
}

fn buys(life: &mut Life<'_>) {
    life.pages(1, 4);
    life.put(4_990);
    life.wait(MINUTE, 9 * MINUTE);
    life.checkout(4_990);
    life.wait(MINUTE, 5 * MINUTE);
    let promised = life.now + 2 * DAY;
    life.order(4_990, Some(promised));
    life.wait(2 * SECOND, 10 * SECOND);
    life.leave();
    life.wait(8 * HOUR, 40 * HOUR);
    life.of_order("shipment.delivered");
}

fn calls(life: &mut Life<'_>) {
    let (id, reason) = (life.id("t"), life.reason());
    life.answered_call(&id, reason);
}

fn chats(life: &mut Life<'_>) {
    let (id, reason) = (life.id("t"), life.reason());
    life.queued(&id, "chat", reason);
    life.wait(3 * SECOND, 20 * SECOND);
    life.wrote(&id, "chat", "agent");
    life.never("chat-wait", &id);
}

fn writes_an_email(life: &mut Life<'_>) {
    life.go_to_desk_hours();
    let (id, reason) = (life.id("t"), life.reason());
    life.queued(&id, "email", reason);
    life.wait(20 * MINUTE, 3 * HOUR);
    life.wrote(&id, "email", "agent");
}

fn asks_the_bot(life: &mut Life<'_>) {
    let id = life.id("b");
    life.bot(&id, true);
    life.bot(&id, true);
    life.leave();
}

fn helps_oneself(life: &mut Life<'_>) {
    life.selfservice("web.selfservice.started");
    life.wait(MINUTE, 5 * MINUTE);
    life.selfservice("web.selfservice.completed");
}

fn praises(life: &mut Life<'_>) {
    life.post("social.mentioned", "positive");
    let id = life.id("p");
    life.never("post-unanswered", &id);
}

fn rates_well(life: &mut Life<'_>) {
    life.survey("csat", 5);
    life.survey("ces", 6);
}

fn is_reviewed_and_thanked(life: &mut Life<'_>) {
    life.review(5, true);
    life.wait(HOUR, 40 * HOUR);
    life.review_replied();
}

fn cart_left(life: &mut Life<'_>) {
    life.pages(2, 5);
    life.put(4_990);
    life.wait(MINUTE, 20 * MINUTE);
    life.put(2_990);
    life.wait(SECOND, 5 * MINUTE);
    life.page(700);
    let id = life.id("k");
    life.comes("cart-abandonment", &id, life.now + 30 * MINUTE);
}

fn cart_bought_late(life: &mut Life<'_>) {
    life.put(4_990);
    life.wait(28 * MINUTE, 30 * MINUTE);
    life.order(4_990, None);
    let id = life.id("k");
    life.never("cart-abandonment", &id);
}

fn checkout_left(life: &mut Life<'_>) {
    life.put(4_990);
    life.wait(MINUTE, 9 * MINUTE);
    life.checkout(4_990);
    life.wait(MINUTE, 9 * MINUTE);
    life.web("web.checkout.step_failed", vec![("step", "payment".into()), ("cart_id", life.id("k").into())]);
    let id = life.id("k");
    life.comes("checkout-abandonment", &id, life.now + 15 * MINUTE);
    life.never("cart-abandonment", &id);
    life.wait(40 * MINUTE, HOUR);
    life.leave();
}

fn checkout_slow(life: &mut Life<'_>) {
    life.put(4_990);
    life.wait(MINUTE, 9 * MINUTE);
    life.checkout(4_990);
    for step in ["address", "payment"] {
        life.wait(10 * MINUTE, 15 * MINUTE);
        life.web("web.checkout.step_completed", vec![("step", step.into())]);
    }
    life.wait(MINUTE, 15 * MINUTE);
    life.order(4_990, None);
    let id = life.id("k");
    life.never("checkout-abandonment", &id);
}

fn payment_fails(life: &mut Life<'_>) {
    for _ in 0..2 {
        life.of_order("payment.failed");
        life.wait(20 * SECOND, 299 * SECOND);
    }
    life.of_order("payment.failed");
    life.comes("payment-failed", "", life.now);
}

fn payment_works(life: &mut Life<'_>) {
    life.of_order("payment.failed");
    life.wait(20 * SECOND, 2 * MINUTE);
    life.of_order("payment.failed");
    life.wait(20 * SECOND, 2 * MINUTE);
    life.of_order("payment.succeeded");
    life.wait(20 * SECOND, 2 * MINUTE);
    life.of_order("payment.failed");
    life.never("payment-failed", "");
}

fn slow_pages(life: &mut Life<'_>) {
    life.pages(1, 4);
    life.page(2_600);
    life.wait(10 * SECOND, 60 * SECOND);
    life.pages(0, 3);
    life.page(3_400);
    life.comes("slow-pages", "", life.now);
    life.wait(10 * SECOND, 60 * SECOND);
    life.leave();
}

fn one_slow_page(life: &mut Life<'_>) {
    life.pages(5, 6);
    life.page(9_000);
    life.wait(10 * SECOND, 60 * SECOND);
    life.page(2_000);
    life.wait(10 * SECOND, 60 * SECOND);
    life.pages(4, 6);
    life.never("slow-pages", "");
    life.leave();
}

fn slow_checkout(life: &mut Life<'_>) {
    life.pages(5, 6);
    life.put(4_990);
    life.wait(MINUTE, 9 * MINUTE);
    life.checkout(4_990);
    life.wait(10 * SECOND, 60 * SECOND);
    life.page(2_100);
    life.comes("slow-checkout", "", life.now);
    life.wait(10 * SECOND, 60 * SECOND);
    life.order(4_990, None);
    life.pages(5, 6);
}

fn slow_after_order(life: &mut Life<'_>) {
    life.checkout(4_990);
    life.wait(10 * SECOND, 60 * SECOND);
    life.order(4_990, None);
    life.wait(SECOND, 60 * SECOND);
    life.page(2_900);
    life.never("slow-checkout", "");
    life.wait(SECOND, 60 * SECOND);
    life.pages(5, 6);
}

fn bot_fails(life: &mut Life<'_>) {
    let id = life.id("b");
    life.bot(&id, false);
    life.bot(&id, true);
    let second = life.now;
    life.bot(&id, false);
    life.comes("bot-not-understood", &id, second);
}

fn bot_fails_once(life: &mut Life<'_>) {
    let (one, other) = (life.id("b"), life.id("bb"));
    life.bot(&one, false);
    life.bot(&other, false);
    life.bot(&other, true);
    life.never("bot-not-understood", &one);
    life.never("bot-not-understood", &other);
}

fn asks_for_a_person(life: &mut Life<'_>) -> String {
    let id = life.id("b");
    life.bot(&id, true);
    life.web("web.bot.handoff_requested", vec![("conversation_id", id.clone().into())]);
    id
}

fn nobody_there(life: &mut Life<'_>) {
    let id = asks_for_a_person(life);
    life.comes("handoff-unanswered", &id, life.now + 2 * MINUTE);
}

fn somebody_there(life: &mut Life<'_>) {
    let id = asks_for_a_person(life);
    life.wait(SECOND, 2 * MINUTE);
    let contact = life.id("t");
    life.wrote(&contact, "chat", "agent");
    life.never("handoff-unanswered", &id);
}

fn alone_then_call(life: &mut Life<'_>) {
    life.selfservice("web.selfservice.started");
    life.wait(MINUTE, 4 * MINUTE);
    life.selfservice("web.selfservice.failed");
    life.wait(MINUTE, 25 * MINUTE);
    life.comes("failed-self-service", "", life.now);
    let (id, reason) = (life.id("t"), life.reason());
    life.answered_call(&id, reason);
}

fn alone_in_the_end(life: &mut Life<'_>) {
    life.selfservice("web.selfservice.failed");
    life.wait(MINUTE, 4 * MINUTE);
    life.selfservice("web.selfservice.completed");
    life.wait(MINUTE, 20 * MINUTE);
    let (id, reason) = (life.id("t"), life.reason());
    life.answered_call(&id, reason);
    life.never("failed-self-service", "");
}

/// What is promised to a tier on the phone.
fn voice_ms(tier: &str) -> i64 {
    match tier {
        "gold" => 20 * SECOND,
        "silver" => 60 * SECOND,
        _ => 120 * SECOND,
    }
}

/// What is promised to a tier in a chat.
fn chat_ms(tier: &str) -> i64 {
    if tier == "gold" { 30 * SECOND } else { 60 * SECOND }
}

fn call_waits(life: &mut Life<'_>) {
    let (id, reason, promised) = (life.id("t"), life.reason(), voice_ms(life.tier));
    life.queued(&id, "voice", reason);
    life.comes("voice-wait", &id, life.now + promised);
    life.wait(promised + SECOND, promised + 5 * MINUTE);
    life.contact("contact.answered", &id, "voice");
}

fn call_nearly_waits(life: &mut Life<'_>) {
    let (id, reason, promised) = (life.id("t"), life.reason(), voice_ms(life.tier));
    life.queued(&id, "voice", reason);
    life.wait(promised / 2, promised);
    life.contact("contact.answered", &id, "voice");
    life.never("voice-wait", &id);
}

fn chat_waits(life: &mut Life<'_>) {
    let (id, reason, promised) = (life.id("t"), life.reason(), chat_ms(life.tier));
    life.queued(&id, "chat", reason);
    life.comes("chat-wait", &id, life.now + promised);
    life.wait(promised + SECOND, promised + 5 * MINUTE);
    life.wrote(&id, "chat", "agent");
}

fn chat_nearly_waits(life: &mut Life<'_>) {
    let (id, reason, promised) = (life.id("t"), life.reason(), chat_ms(life.tier));
    life.queued(&id, "chat", reason);
    life.wait(promised / 2, promised);
    life.contact("contact.answered", &id, "chat");
    life.never("chat-wait", &id);
}

fn email_waits(life: &mut Life<'_>) {
    life.go_to_desk_hours();
    let (id, reason) = (life.id("t"), life.reason());
    life.queued(&id, "email", reason);
    life.comes("email-wait", &id, life.now + 4 * HOUR);
    life.wait(MINUTE, 10 * MINUTE);
    life.wrote(&id, "email", "system");
    life.wait(20 * HOUR, 30 * HOUR);
    life.wrote(&id, "email", "agent");
}

fn email_nearly_waits(life: &mut Life<'_>) {
    life.go_to_desk_hours();
    let (id, reason) = (life.id("t"), life.reason());
    life.queued(&id, "email", reason);
    life.wait(200 * MINUTE, 240 * MINUTE);
    life.wrote(&id, "email", "agent");
    life.never("email-wait", &id);
}

fn gives_up(life: &mut Life<'_>) {
    let (id, reason) = (life.id("t"), life.reason());
    life.queued(&id, "voice", reason);
    life.wait(5 * SECOND, 15 * SECOND);
    life.contact("contact.abandoned", &id, "voice");
}

fn given_up(life: &mut Life<'_>) {
    gives_up(life);
    life.comes("abandoned-not-called-back", "", life.now + HOUR);
}

fn given_up_and_called_back(life: &mut Life<'_>) {
    gives_up(life);
    life.wait(10 * MINUTE, HOUR);
    let id = life.id("tt");
    life.contact("contact.answered", &id, "voice");
    life.never("abandoned-not-called-back", "");
}

fn calls_again(life: &mut Life<'_>) {
    let (first, second) = (life.id("t"), life.id("tt"));
    life.answered_call(&first, "warranty");
    life.wait(DAY, 6 * DAY);
    life.comes("repeat-contact", "warranty", life.now);
    life.answered_call(&second, "warranty");
}

fn calls_about_something_else(life: &mut Life<'_>) {
    let (first, second) = (life.id("t"), life.id("tt"));
    life.answered_call(&first, "opening-hours");
    life.wait(HOUR, DAY);
    life.answered_call(&second, "gift-card");
    life.never("repeat-contact", "opening-hours");
    life.never("repeat-contact", "gift-card");
}

fn transfers(life: &mut Life<'_>, times: u32) -> String {
    let id = life.id("t");
    for _ in 0..times {
        life.wait(MINUTE, 9 * MINUTE);
        life.contact("contact.transferred", &id, "voice");
    }
    id
}

fn handed_on(life: &mut Life<'_>) {
    let id = transfers(life, 3);
    life.comes("handed-around", &id, life.now);
}

fn handed_on_twice(life: &mut Life<'_>) {
    let id = transfers(life, 2);
    life.never("handed-around", &id);
}

fn complains_in_vain(life: &mut Life<'_>) {
    let kind = *life.draw.of(&["social.mentioned", "social.commented", "social.messaged"]);
    life.post(kind, "negative");
    let id = life.id("p");
    life.comes("post-unanswered", &id, life.now + HOUR);
}

fn is_answered(life: &mut Life<'_>) {
    life.post("social.mentioned", "negative");
    life.wait(5 * MINUTE, HOUR);
    life.reply();
    let id = life.id("p");
    life.never("post-unanswered", &id);
}

fn reviews_in_vain(life: &mut Life<'_>) {
    let stars = life.draw.between(1, 5);
    life.review(stars, true);
    let id = life.id("r");
    life.comes("review-unanswered", &id, life.now + 48 * HOUR);
}

fn only_stars(life: &mut Life<'_>) {
    life.review(1, false);
    let id = life.id("r");
    life.never("review-unanswered", &id);
}

fn promise_missed(life: &mut Life<'_>) {
    let promised = life.now + life.draw.between(DAY, 3 * DAY);
    life.order(8_950, Some(promised));
    life.wait(2 * HOUR, 10 * HOUR);
    life.of_order("shipment.dispatched");
    let id = life.id("o");
    life.comes("delivery-promise-missed", &id, promised);
    life.now = promised;
    life.wait(HOUR, 2 * DAY);
    life.of_order("shipment.delivered");
}

fn promise_kept(life: &mut Life<'_>) {
    let promised = life.now + life.draw.between(DAY, 3 * DAY);
    life.order(8_950, Some(promised));
    life.now = promised;
    life.of_order("shipment.delivered");
    let id = life.id("o");
    life.never("delivery-promise-missed", &id);
}

fn waits_for_money(life: &mut Life<'_>) {
    life.go_to_desk_hours();
    life.of_order("return.received");
    let (id, due) = (life.id("o"), third_close(life.now));
    life.comes("refund-overdue", &id, due);
    life.now = due;
    life.wait(HOUR, 2 * DAY);
    life.of_order("return.refunded");
}

fn gets_money(life: &mut Life<'_>) {
    life.go_to_desk_hours();
    life.of_order("return.received");
    let (id, due) = (life.id("o"), third_close(life.now));
    life.now = due - life.draw.between(0, 20 * HOUR);
    life.of_order("return.refunded");
    life.never("refund-overdue", &id);
}

fn detracts(life: &mut Life<'_>) {
    let score = life.draw.between(0, 6);
    life.survey("nps", score);
    life.comes("nps-detractor", "", life.now);
}

fn is_passive(life: &mut Life<'_>) {
    life.survey("nps", 7);
    life.never("nps-detractor", "");
}

fn is_dissatisfied(life: &mut Life<'_>) {
    let score = life.draw.between(1, 2);
    life.survey("csat", score);
    life.comes("csat-low", "", life.now);
    life.wait(SECOND, MINUTE);
    let score = life.draw.between(1, 3);
    life.survey("ces", score);
    life.comes("ces-high-effort", "", life.now);
}

fn is_content(life: &mut Life<'_>) {
    life.survey("csat", 3);
    life.wait(SECOND, MINUTE);
    life.survey("ces", 4);
    life.never("csat-low", "");
    life.never("ces-high-effort", "");
}

/// 20 points for each of three hand-offs to nobody: but for what is forgotten meanwhile, so a fourth.
fn loses_patience(life: &mut Life<'_>) {
    for channel in ["b", "bb", "bbb"] {
        let id = life.id(channel);
        life.web("web.bot.handoff_requested", vec![("conversation_id", id.clone().into())]);
        life.comes("handoff-unanswered", &id, life.now + 2 * MINUTE);
        life.wait(HOUR, 6 * HOUR);
    }
    life.never("experience-debt", "");
    let id = life.id("bbbb");
    life.web("web.bot.handoff_requested", vec![("conversation_id", id.into())]);
    life.comes("experience-debt", "", life.now + 2 * MINUTE);
}

fn has_two_troubles(life: &mut Life<'_>) {
    nobody_there(life);
    life.wait(HOUR, 2 * HOUR);
    complains_in_vain(life);
}
