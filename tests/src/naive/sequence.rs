//! Events in an order.

use super::{Claim, Given, Part};
use cxwatch_rulebook::{Kind, Roles};

/// By length: the beginning of that many steps with the latest start.
#[derive(Default)]
pub(super) struct Beginnings {
    of_length: Vec<Vec<Part>>,
}

impl Beginnings {
    pub(super) fn take(
        &mut self,
        given: &Given,
        key: &str,
        may_fire: impl Fn(&Claim) -> bool,
    ) -> Option<Claim> {
        let Kind::Sequence { steps, keep } = given.rule.kind else { unreachable!("a sequence's beginnings") };
        self.of_length.resize(usize::from(steps), Vec::new());
        if given.has(Roles::UNLESS) {
            self.of_length.iter_mut().for_each(Vec::clear);
        }
        let mut fired = None;
        // From the last step to the first: what an event makes longer, it does not make longer again.
        for step in (0..steps).rev().filter(|step| given.has(Roles::step(*step))) {
            let Some(longer) = self.with_step(given, step) else { continue };
            if step + 1 < steps {
                self.of_length[usize::from(step) + 1] = longer;
                continue;
            }
            let in_time = given.fact.time <= given.rule.due(given.book, longer[0].time, given.hit.within);
            fired = Some(Claim::completed(given, key, &longer)).filter(|_| in_time).filter(&may_fire);
            if fired.is_some() && !keep {
                self.of_length.iter_mut().for_each(Vec::clear);
                break;
            }
        }
        fired
    }

    /// The beginning before this step, and the step.
    fn with_step(&self, given: &Given, step: u8) -> Option<Vec<Part>> {
        let before = &self.of_length[usize::from(step)];
        let can_begin = step == 0 && given.hit.key.is_some();
        (can_begin || !before.is_empty()).then(|| [before.as_slice(), &[given.part()]].concat())
    }
}
