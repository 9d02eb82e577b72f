//! Decoder, engine and the whole job, part by part.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use cxwatch_benches::pipeline::{DecodeOnly, Decoded, Encode, Job};
use cxwatch_benches::stream::{Parameters, Produced, Stream};
use std::sync::Arc;

/// Measured; in test mode a fraction does, which only shows that the benches run.
const EVENTS: u64 = 50_000;
const EVENTS_IN_TEST: u64 = 1_000;

fn lines(events: u64) -> Vec<String> {
    let parameters = Parameters { seed: 1, customers: 5_000, events, rate: 500 };
    let (mut stream, mut out) = (Stream::new(parameters), Produced::default());
    let mut lines = Vec::new();
    while stream.next_into(&mut out) {
        lines.push(out.json.clone());
    }
    lines
}

fn parts(criterion: &mut Criterion) {
    let events = if std::env::args().any(|argument| argument == "--test") { EVENTS_IN_TEST } else { EVENTS };
    let lines = lines(events);
    let book = cxwatch_benches::rulebook(cxwatch_benches::HEADLINE).expect("the headline rules compile");
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(events)).sample_size(20);
    group.bench_function("decode", |b| {
        b.iter(|| {
            let mut decode = DecodeOnly::new(&book);
            lines.iter().for_each(|line| decode.line(line.as_bytes()));
            decode.named
        });
    });
    let decoded = Decoded::new(&book, &lines);
    group.bench_function("engine", |b| {
        b.iter_batched(
            || (Job::<Encode>::new(Arc::clone(&book)), decoded.clone()),
            |(mut job, decoded)| {
                job.decoded(decoded);
                job
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("job", |b| {
        b.iter(|| {
            let mut job = Job::<Encode>::new(Arc::clone(&book));
            lines.iter().for_each(|line| job.line(line.as_bytes()));
            job.messages
        });
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
