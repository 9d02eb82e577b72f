//! What a replay writes while it runs.

use super::summary::Found;
use crate::replay::{Job, Original, Progress, Rejected, Said, Sink};
use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use cxwatch_decision::{Decision, Message, Messages};
use cxwatch_engine::{Effect, Ended};
use cxwatch_event::messages::EndKind;
use cxwatch_event::rfc3339;
use cxwatch_rulebook::{Level, Rulebook};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// CloudEvents, one a line.
    Json,
    /// rule,key,deadline_ts,level,customer,what: one line a detection, retraction or resolution.
    Csv,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// Detections, retractions and resolutions.
    Detections,
    /// Actions and suppressions.
    Actions,
    /// All of them.
    All,
}

/// So many refusals are shown; the others are counted.
const SHOWN_MAX: u64 = 5;

pub(crate) struct Output<'j> {
    book: &'j Rulebook,
    messages: Messages<'j>,
    format: Format,
    only: Only,
    out: Box<dyn Write>,
    rejected_to: Option<Box<dyn Write>>,
    rejected: u64,
    /// The first that was refused, where none is shown at once.
    first_rejected: Option<String>,
    found: Found,
    progress: Option<Bar>,
    quiet: bool,
}

impl<'j> Output<'j> {
    pub(crate) fn new(
        job: &'j Job<'_>,
        (format, only): (Format, Only),
        mut out: Box<dyn Write>,
        rejected_to: Option<Box<dyn Write>>,
        total: Option<Total>,
    ) -> Result<Self> {
        if format == Format::Csv {
            writeln!(out, "rule,key,deadline_ts,level,customer,what").context("cannot write results")?;
        }
        Ok(Output {
            book: &job.book,
            messages: Messages::new(&job.book, &job.settings),
            format,
            only,
            out,
            rejected_to,
            rejected: 0,
            first_rejected: None,
            found: Found::new(&job.book),
            quiet: total.is_none(),
            progress: total.map(Bar::new),
        })
    }

    /// Writes what is left. `whole`: whether the replay came to its end. Returns what was found, and the first refusal
    /// if it has not been shown.
    pub(crate) fn finish(mut self, whole: bool) -> Result<(Found, Option<String>)> {
        if let Some(bar) = &self.progress {
            bar.clear();
        }
        self.out.flush().context("cannot write results")?;
        if let Some(to) = &mut self.rejected_to {
            to.flush().context("cannot write dead letters")?;
        }
        if whole && self.rejected > SHOWN_MAX && !self.quiet {
            let hint = if self.rejected_to.is_some() { "" } else { "; --rejected FILE writes all of them" };
            eprintln!("... and {} more refused{hint}", self.rejected - SHOWN_MAX);
        }
        Ok((self.found, self.first_rejected))
    }

    fn json(&mut self, message: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.out, message)
            .map_err(std::io::Error::from)
            .context("cannot write results")?;
        self.out.write_all(b"\n").context("cannot write results")
    }

    fn csv(
        &mut self,
        what: &str,
        rule: &str,
        level: Level,
        customer: &str,
        key: &str,
        time: i64,
    ) -> Result<()> {
        let level = match level {
            Level::Breach => "breach",
            Level::Warning => "warning",
        };
        let (key, customer) = (quoted(key), quoted(customer));
        let time = rfc3339::format(time);
        writeln!(self.out, "{rule},{key},{time},{level},{customer},{what}").context("cannot write results")
    }

    fn decided(&mut self, partition: usize, decision: &Decision) -> Result<()> {
        self.found.decided(self.book, decision);
        if self.format == Format::Csv || self.only == Only::Detections {
            return Ok(());
        }
        match self.messages.decision(partition as i32, decision) {
            Message::Action(message) => self.json(&message),
            Message::Suppression(message) => self.json(&message),
        }
    }

    fn ended(&mut self, partition: usize, kind: EndKind, ended: &Ended) -> Result<()> {
        match self.format {
            Format::Json if self.only == Only::Actions => Ok(()),
            Format::Json => {
                let message = self.messages.end(partition as i32, kind, ended);
                self.json(&message)
            }
            Format::Csv => {
                let what = if kind == EndKind::Retracted { "retracted" } else { "resolved" };
                let rule = self.book.rule(ended.rule).id.as_str();
                self.csv(what, rule, ended.level, &ended.customer, &ended.key, ended.time)
            }
        }
    }
}

/// A cell of CSV.
fn quoted(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

impl Sink for Output<'_> {
    fn said(&mut self, partition: usize, said: &Said) -> Result<()> {
        let effect = match said {
            Said::Effect(effect) => effect,
            Said::Decision(decision) => return self.decided(partition, decision),
        };
        match effect {
            Effect::Detected(d) => {
                self.found.detected(d, self.messages.value_at_risk(d));
                match self.format {
                    Format::Json if self.only == Only::Actions => Ok(()),
                    Format::Json => {
                        let message = self.messages.detection(partition as i32, d);
                        self.json(&message)
                    }
                    Format::Csv => {
                        let rule = self.book.rule(d.rule).id.as_str();
                        self.csv("detected", rule, d.level, &d.customer, &d.key, d.time)
                    }
                }
            }
            Effect::Retracted(ended) => {
                self.found.retracted(ended);
                self.ended(partition, EndKind::Retracted, ended)
            }
            Effect::Resolved(ended) => {
                self.found.resolved(ended);
                self.ended(partition, EndKind::Resolved, ended)
            }
        }
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) -> Result<()> {
        self.rejected += 1;
        let shown_max = if self.quiet { 1 } else { SHOWN_MAX };
        if self.rejected <= shown_max {
            let (path, line) = (rejected.path.display(), rejected.line);
            let place = match rejected.partition {
                Some(partition) => format!("{path}/{partition} at offset {line}"),
                None => format!("{path}:{line}"),
            };
            let line = format!("{place}: refused: {}", rejected.rejection);
            match &self.progress {
                Some(bar) => bar.say(&line),
                None => self.first_rejected = Some(line),
            }
        }
        let Some(to) = &mut self.rejected_to else { return Ok(()) };
        let path = rejected.path.display().to_string();
        let place = match rejected.partition {
            Some(partition) => Place::Topic { topic: path, partition, offset: rejected.line },
            None => Place::File { file: path, line: rejected.line },
        };
        let letter = DeadLetter {
            at: place,
            feed: rejected.feed,
            sub: rejected.sub,
            reason: rejected.rejection.reason.name(),
            place: &rejected.rejection.place,
            expected: &rejected.rejection.expected,
            original: Letter::of(&rejected.original),
        };
        serde_json::to_writer(&mut *to, &letter)
            .map_err(std::io::Error::from)
            .context("cannot write dead letters")?;
        to.write_all(b"\n").context("cannot write dead letters")
    }

    fn progress(&mut self, progress: Progress) {
        if let Some(bar) = &mut self.progress {
            bar.show(progress);
        }
    }
}

/// Where a record stands.
#[derive(Serialize)]
#[serde(untagged)]
enum Place {
    File { file: String, line: u64 },
    Topic { topic: String, partition: usize, offset: u64 },
}

/// A refusal with its place.
#[derive(Serialize)]
struct DeadLetter<'a> {
    #[serde(flatten)]
    at: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<u32>,
    reason: &'static str,
    place: &'a str,
    expected: &'a str,
    #[serde(flatten)]
    original: Letter<'a>,
}

/// The bytes of what was refused: each a text where it is one, else in base64, as CloudEvents has `data` and `data_base64`.
#[derive(Serialize)]
struct Letter<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header<'a>>,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl<'a> Letter<'a> {
    fn of(original: &Original<'a>) -> Self {
        let header = |(name, value): &'a (String, Vec<u8>)| {
            let (value, value_base64) = text_or_base64(Some(value));
            Header { name, value, value_base64 }
        };
        let (key, key_base64) = text_or_base64(original.key);
        let (value, value_base64) = text_or_base64(original.value);
        let headers = original.headers.iter().map(header).collect();
        Letter { key, key_base64, value, value_base64, headers }
    }
}

fn text_or_base64(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| BASE64_STANDARD.encode(bytes))) {
        None => (None, None),
        Some(Ok(text)) => (Some(text), None),
        Some(Err(encoded)) => (None, Some(encoded)),
    }
}

/// How much there is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Total {
    /// Bytes of files, where all are files.
    Bytes(Option<u64>),
    /// Offsets of topics.
    Offsets(u64),
}

/// Progress: a bar on a terminal; elsewhere a line every ten seconds.
struct Bar {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    started: Instant,
    shown: Instant,
}

const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl Bar {
    fn new(total: Total) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = match total {
                Total::Offsets(total) => ProgressBar::new(total).with_style(
                    ProgressStyle::with_template("{wide_bar} {percent}% {msg}, {eta} left")
                        .expect("a valid template"),
                ),
                Total::Bytes(Some(total)) => ProgressBar::new(total).with_style(
                    ProgressStyle::with_template(
                        "{wide_bar} {percent}% {binary_bytes_per_sec} {msg}, {eta} left",
                    )
                    .expect("a valid template"),
                ),
                Total::Bytes(None) => ProgressBar::new_spinner().with_style(
                    ProgressStyle::with_template("{spinner} {binary_bytes} {binary_bytes_per_sec} {msg}")
                        .expect("a valid template"),
                ),
            };
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr_with_hz(4));
            bar
        });
        let total = match total {
            Total::Bytes(total) => total,
            Total::Offsets(total) => Some(total),
        };
        Bar { bar, total, started: Instant::now(), shown: Instant::now() }
    }

    fn show(&mut self, progress: Progress) {
        let rate = |since: Duration| progress.records as f64 / since.as_secs_f64().max(0.001);
        if let Some(bar) = &self.bar {
            if self.shown.elapsed() > Duration::from_millis(200) {
                self.shown = Instant::now();
                bar.set_message(format!("{:.0} records/s", rate(self.started.elapsed())));
                bar.set_position(progress.passed);
            }
            return;
        }
        if self.shown.elapsed() < BETWEEN_LINES {
            return;
        }
        self.shown = Instant::now();
        let took = self.started.elapsed();
        let left = self.total.map(|total| {
            let rest = total.saturating_sub(progress.passed) as f64 / (progress.passed as f64).max(1.0);
            format!(", about {:.0} s left", took.as_secs_f64() * rest)
        });
        eprintln!("{} records, {:.0}/s{}", progress.records, rate(took), left.unwrap_or_default());
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
