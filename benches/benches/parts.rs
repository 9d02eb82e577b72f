//! Decoder, engine and the whole job, part by part.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cxwatch_benches::pipeline::{DecodeOnly, Job};
use cxwatch_benches::stream::{Parameters, Produced, Stream};
use std::sync::Arc;

const EVENTS: u64 = 20_000;

fn lines() -> Vec<String> {
    let parameters = Parameters { seed: 1, customers: 5_000, events: EVENTS, rate: 500 };
    let (mut stream, mut out) = (Stream::new(parameters), Produced::default());
    let mut lines = Vec::new();
    while stream.next_into(&mut out) {
        lines.push(out.json.clone());
    }
    lines
}

fn parts(criterion: &mut Criterion) {
    let lines = lines();
    let (book, _) =
        cxwatch_rulebook::compile(cxwatch_benches::HEADLINE, "headline.yaml").expect("it compiles");
    let book = Arc::new(book);
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    group.bench_function("decode", |b| {
        b.iter(|| {
            let mut decode = DecodeOnly::new(&book);
            lines.iter().for_each(|line| decode.line(line.as_bytes()));
            decode.named
        });
    });
    group.bench_function("job", |b| {
        b.iter(|| {
            let mut job = Job::new(Arc::clone(&book));
            lines.iter().for_each(|line| job.line(line.as_bytes()));
            job.messages
        });
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
