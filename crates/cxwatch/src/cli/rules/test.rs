//! `cxwatch rules test`.

use crate::cli::{Outcome, file, say, usage};
use crate::scenario::{self, CaseReport, Scenario};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Run scenario files: events, and what the rules are expected to say of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A scenario `retail.test` stands beside its rulebook `retail.yaml`, or names it in its first lines:

  rulebook: retail.yaml

  case: a cart is left behind
  +0s   c1 web.cart.item_added cart_id=k1 sku=lamp quantity=1 unit_price=50
  +5m   c1 web.page.viewed url=/
  until: +2h
  expect:
  +35m  c1 cart-abandonment key=k1 value=50

Exit code: 0 all as expected, 1 something is not, 2 a scenario or rulebook is wrong.")]
pub(crate) struct Args {
    /// The rulebook [default: the one that the scenario names, else the .yaml of the same name beside it].
    #[arg(long, short, value_name = "FILE")]
    rulebook: Option<PathBuf>,

    /// Name every case, also those that are as expected.
    #[arg(long, short)]
    verbose: bool,

    /// The scenarios.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let (mut passed, mut failed) = (0, 0);
    for path in &args.files {
        for case in cases(args, path)? {
            if case.passed() {
                passed += 1;
                if args.verbose {
                    say(&format!("ok      {}:{}: {}\n", path.display(), case.line, case.name))?;
                }
            } else {
                failed += 1;
                say(&render(path, &case))?;
            }
        }
    }
    say(&format!("{passed} cases as expected, {failed} not\n"))?;
    Ok(if failed == 0 { Outcome::Fine } else { Outcome::Problem })
}

fn cases(args: &Args, path: &Path) -> Result<Vec<CaseReport>> {
    let text = file::text(path)?;
    let complain = |faults: Vec<scenario::Fault>| {
        for fault in &faults {
            eprintln!("{}:{fault}", path.display());
        }
        usage(format!("{} is not a valid scenario", path.display()))
    };
    let scenario = Scenario::parse(&text).map_err(complain)?;
    let beside = |name: &Path| path.parent().unwrap_or(Path::new("")).join(name);
    let rulebook = match (&args.rulebook, &scenario.rulebook) {
        (Some(given), _) => given.clone(),
        (None, Some(named)) => beside(named),
        (None, None) => path.with_extension("yaml"),
    };
    let book = file::rulebook(&rulebook)?;
    scenario::run(&scenario, &book).map_err(complain)
}

fn render(path: &Path, case: &CaseReport) -> String {
    let mut text = format!("FAILED  {}:{}: {}\n", path.display(), case.line, case.name);
    for (line, expected) in &case.missing {
        text.push_str(&format!("  - {expected}    (expected on line {line}, not said)\n"));
    }
    for extra in &case.extra {
        text.push_str(&format!("  + {extra}    (said, not expected)\n"));
    }
    text
}
