//! A scenario file, line by line.

use super::expect::{Line, What};
use super::given::{Given, Step};
use super::words::{time, words};
use super::{Case, Fault, Scenario, Timing};
use cxwatch_event::Millis;
use cxwatch_rulebook::Level;
use cxwatch_rulebook::yaml::parse_duration;

/// What the lines are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Given,
    Expected,
}

struct Parser {
    scenario: Scenario,
    part: Part,
}

/// A Monday.
const START: Millis = 1_767_571_200_000;

pub(super) fn scenario(text: &str) -> Result<Scenario, Vec<Fault>> {
    let timing = Timing { start: START, reorder_ms: 1_000, late_horizon_ms: 600_000, dedupe_for_ms: 120_000 };
    let scenario = Scenario { rulebook: None, timing, cases: Vec::new() };
    let mut parser = Parser { scenario, part: Part::Head };
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Err(message) = parser.line(number, line.trim()) {
            faults.push(Fault { line: number, message });
        }
    }
    if parser.scenario.cases.is_empty() && faults.is_empty() {
        faults.push(Fault { line: 1, message: "no case: begin one with `case: what it shows`".into() });
    }
    if faults.is_empty() { Ok(parser.scenario) } else { Err(faults) }
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(name) = line.strip_prefix("case:") {
            return self.begin(number, name.trim());
        }
        if line == "expect:" {
            self.case()?;
            self.part = Part::Expected;
            return Ok(());
        }
        let words = words(line)?;
        match self.part {
            Part::Head => self.head(&words),
            Part::Given => self.given(number, &words),
            Part::Expected => self.expected(number, &words),
        }
    }

    fn begin(&mut self, line: usize, name: &str) -> Result<(), String> {
        if name.is_empty() {
            return Err("a case needs a name: `case: what it shows`".into());
        }
        if self.scenario.cases.iter().any(|case| case.name == name) {
            return Err(format!("there is a case `{name}` already"));
        }
        self.part = Part::Given;
        let name = name.to_string();
        self.scenario.cases.push(Case { name, line, steps: Vec::new(), until: None, expected: Vec::new() });
        Ok(())
    }

    fn case(&mut self) -> Result<&mut Case, String> {
        self.scenario.cases.last_mut().ok_or_else(|| "begin a case first: `case: what it shows`".into())
    }

    fn head(&mut self, words: &[String]) -> Result<(), String> {
        let [key, value] = words else {
            return Err("expected `key: value`, or `case: what it shows`".into());
        };
        let timing = &mut self.scenario.timing;
        let duration = || parse_duration(value).map_err(|fault| fault.message);
        match key.as_str() {
            "rulebook:" => self.scenario.rulebook = Some(value.into()),
            "start:" => timing.start = time(value, START)?,
            "reorder:" => timing.reorder_ms = duration()?,
            "late_horizon:" => timing.late_horizon_ms = duration()?,
            "dedupe_for:" => timing.dedupe_for_ms = duration()?,
            _ => {
                return Err(format!(
                    "`{key}` is not known here; there are rulebook:, start:, reorder:, late_horizon:, dedupe_for: and case:"
                ));
            }
        }
        Ok(())
    }

    fn given(&mut self, line: usize, words: &[String]) -> Result<(), String> {
        let start = self.scenario.timing.start;
        match words {
            [key, at] if key == "until:" => self.case()?.until = Some(time(at, start)?),
            [key, at] if key == "clock:" => {
                let at = time(at, start)?;
                self.case()?.steps.push(Step::Clock(at));
            }
            [at, customer, kind, fields @ ..] => {
                let time = time(at, start)?;
                let fields = fields.iter().map(|word| pair(word)).collect::<Result<_, _>>()?;
                let given = Given { line, time, customer: customer.clone(), kind: kind.clone(), fields };
                self.case()?.steps.push(Step::Event(given));
            }
            _ => {
                return Err(
                    "expected an event: `+5m c1 web.page.viewed url=/`; or `clock: +1h`, `until: +2h`, `expect:`".into()
                );
            }
        }
        Ok(())
    }

    fn expected(&mut self, line: usize, words: &[String]) -> Result<(), String> {
        let start = self.scenario.timing.start;
        let (what, words) = match words.split_first() {
            Some((first, rest)) => match What::named(first) {
                Some(what) => (what, rest),
                None => (What::Detected, words),
            },
            None => (What::Detected, words),
        };
        let [at, customer, name, rest @ ..] = words else {
            return Err("expected a detection: `+30m c1 cart-abandonment key=k1`".into());
        };
        let (level, rest) = match rest.split_first() {
            Some((first, rest)) if first == "warning" => (Level::Warning, rest),
            _ => (Level::Breach, rest),
        };
        let facts = rest.iter().map(|word| pair(word)).collect::<Result<_, _>>()?;
        let expected = Line {
            line,
            what,
            time: time(at, start)?,
            customer: customer.clone(),
            name: name.clone(),
            level,
            facts,
        };
        self.case()?.expected.push(expected);
        Ok(())
    }
}

fn pair(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(format!("expected `name=value`, found `{word}`")),
    }
}
