use super::*;
use cxwatch_event::{Catalogue, Decoder, Interest, Record};
use std::collections::BTreeSet;
use std::sync::Arc;

const START: Millis = 1_767_571_200_000;

fn day() -> Generator {
    Generator::Day(Box::new(Day::new(Recipe::day(START))))
}

fn throughput() -> Generator {
    Generator::Throughput(Box::new(Throughput::new(Recipe::throughput(START))))
}

/// FNV-1a over feeds, arrivals and bytes.
fn fingerprint(mut generator: Generator, events: usize) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for _ in 0..events {
        let arrival = generator.next();
        let head = [arrival.feed as u8].into_iter().chain(arrival.at.to_le_bytes());
        for byte in head.chain(arrival.json.iter().copied()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

#[test]
fn a_seed_names_its_events_for_good() {
    // Whoever changes what is generated changes every figure that was measured with it.
    assert_eq!(fingerprint(day(), 5_000), 8115962265501670368);
    assert_eq!(fingerprint(throughput(), 5_000), 17472111124582220526);
    let other = Recipe { seed: 1, ..Recipe::day(START) };
    assert_ne!(fingerprint(Generator::Day(Box::new(Day::new(other))), 5_000), fingerprint(day(), 5_000));
}

#[test]
fn events_arrive_in_order_and_are_disordered_within_the_bound() {
    for (mut generator, disorder) in [(day(), 400), (throughput(), 500)] {
        let decoder = decoder();
        let mut out = Record::default();
        let (mut last, mut newest) = (0, [Millis::MIN; 4]);
        let mut disordered = 0;
        for _ in 0..20_000 {
            let arrival = generator.next();
            assert!(arrival.at >= last);
            last = arrival.at;
            decoder.decode_at_home(arrival.json, &mut out).expect("valid");
            let newest = &mut newest[arrival.feed];
            assert!(out.times[0] + disorder >= *newest);
            disordered += u32::from(out.times[0] < *newest);
            *newest = (*newest).max(out.times[0]);
        }
        assert!(disordered > 10, "{disordered} events in the wrong order");
    }
}

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Catalogue::builtin()), Interest::default())
}

#[test]
fn every_event_is_valid_on_its_feed_and_throughput_has_the_size_it_says() {
    for (mut generator, bytes) in [(day(), 250..=330), (throughput(), 330..=350)] {
        let decoder = decoder();
        let mut out = Record::default();
        let mut feeds = BTreeSet::new();
        let mut sum = 0;
        for _ in 0..20_000 {
            let arrival = generator.next();
            let kind = decoder.decode_at_home(arrival.json, &mut out).expect("valid");
            let home = decoder.catalogue().spec(kind).feed.as_deref();
            assert_eq!(home, Some(FEEDS[arrival.feed]));
            feeds.insert(arrival.feed);
            sum += arrival.json.len();
        }
        assert_eq!(feeds.len(), 4);
        assert!(bytes.contains(&(sum / 20_000)), "{} bytes on average", sum / 20_000);
    }
}

#[test]
fn events_come_as_often_as_wished() {
    for (mut generator, per_kilosecond) in [(day(), 500), (throughput(), 20_000_000)] {
        // The first stories are still being told.
        let mut after = |events: usize| (0..events).fold(START, |_, _| generator.next().at);
        let (from, to) = (after(20_000), after(40_000));
        let came = 40_000 * 1_000_000 / (to - from);
        let wished = per_kilosecond;
        assert!((came - wished).abs() * 20 < wished, "{came} events in a kilosecond, {wished} wished");
    }
}

#[test]
fn duplicates_have_the_same_bytes() {
    let recipe = Recipe { duplicates_permille: 100, ..Recipe::day(START) };
    let mut generator = Generator::Day(Box::new(Day::new(recipe)));
    let mut seen = BTreeSet::new();
    let twice = (0..10_000).filter(|_| !seen.insert(generator.next().json.to_vec())).count();
    assert!((800..1_100).contains(&twice), "{twice} of 10,000 came twice");
}

#[test]
fn zipf_draws_the_first_as_often_as_its_law_says() {
    let zipf = draw::Zipf::new(1_000);
    let mut draw = draw::Draw::new(7);
    let firsts = (0..1_000_000).filter(|_| zipf.draw(&mut draw) == 0).count();
    // (1 / 11) / (H(1010) - H(10)) = 0.0199
    assert!((19_300..20_500).contains(&firsts), "{firsts}");
}
