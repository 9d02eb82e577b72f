//! What a candidate is worth: priority = propensity x context x value x lever.

use cxwatch_engine::Detection;
use cxwatch_event::{MICRO, Micro, Profile, Value};
use cxwatch_rulebook::{Action, ActionField, Cond, Factor, Rule};

/// The parts of a priority, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// The product.
    pub priority: Micro,
    /// The chance of success.
    pub propensity: Micro,
    /// How well it fits now.
    pub context: Micro,
    /// What is at stake.
    pub value: Micro,
    /// What the company wants more of.
    pub lever: Micro,
}

/// What an action's conditions and factors are judged on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) detection: &'a Detection,
    pub(crate) profile: &'a Profile,
}

impl Case<'_> {
    pub(crate) fn holds(&self, cond: &Cond<ActionField>) -> bool {
        cond.holds(&|field, op| op.holds(self.value(field).as_ref()))
    }

    fn value(&self, field: &ActionField) -> Option<Value> {
        let whole = |n: i64| Some(Value::Number(n.saturating_mul(MICRO)));
        match field {
            ActionField::Measure(name) => {
                let at = self.rule.measures.iter().position(|m| m.name == *name)?;
                self.detection.measures.get(at).copied().flatten().map(Value::Number)
            }
            ActionField::Events => whole(self.detection.events.into()),
            ActionField::Severity => whole(self.detection.severity.into()),
            ActionField::Profile(field) => self.profile.field(*field).cloned(),
        }
    }

    fn factors<'c>(&'c self, action: &'c Action) -> impl Iterator<Item = Micro> + 'c {
        action.value.iter().map(|factor| match factor {
            Factor::Number(number) => *number,
            Factor::Field(field) => self.value(field).and_then(|v| v.as_number()).unwrap_or(MICRO),
        })
    }

    /// What is at stake, where the action says so.
    pub(crate) fn value_at_risk(&self, action: &Action) -> Option<Micro> {
        (!action.value.is_empty()).then(|| self.factors(action).fold(MICRO, times))
    }

    /// What the action is worth now.
    pub(crate) fn score(&self, action: &Action) -> Score {
        let context = action.context.iter().find(|(cond, _)| self.holds(cond)).map_or(MICRO, |(_, c)| *c);
        let fitting = times(action.propensity, context);
        let priority = times(self.factors(action).fold(fitting, times), action.lever);
        Score {
            priority,
            propensity: action.propensity,
            context,
            value: self.value_at_risk(action).unwrap_or(MICRO),
            lever: action.lever,
        }
    }
}

/// The product of two numbers, cut to whole millionths.
pub(crate) fn times(one: Micro, other: Micro) -> Micro {
    let product = i128::from(one) * i128::from(other) / i128::from(MICRO);
    product.clamp(Micro::MIN.into(), Micro::MAX.into()) as Micro
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{action, detection, rule};
    use cxwatch_event::{FieldIx, FieldValue};
    use cxwatch_rulebook::{Class, Fold, Measure, Op};

    #[test]
    fn a_priority_is_the_product_of_its_parts_each_cut_to_millionths() {
        let mut rule = rule("r", &[0]);
        rule.measures = vec![Measure { name: "value".into(), fold: Fold::Sum }];
        let mut detection = detection("e1", 0, 100);
        detection.measures = [Some(80 * MICRO)].into_iter().collect();
        let tier = FieldValue { field: FieldIx(0), value: Value::Text("gold".into()) };
        let profile = Profile { as_of: Some(1), fields: vec![tier] };
        let mut action = action("a", Class::Offer);
        action.propensity = 333_333;
        action.context = vec![
            (Cond::Test(ActionField::Profile(FieldIx(0)), Op::In(vec![Value::Text("silver".into())])), 7),
            (Cond::Test(ActionField::Severity, Op::AtLeast(50 * MICRO)), 1_500_000),
        ];
        action.value = vec![
            Factor::Field(ActionField::Measure("value".into())),
            Factor::Field(ActionField::Measure("no such measure".into())),
            Factor::Number(500_000),
        ];
        action.lever = 2 * MICRO;
        let case = Case { rule: &rule, detection: &detection, profile: &profile };
        // 0.333333 x 1.5 = 0.499999 (cut), x 80 = 39.99992, x 1, x 0.5 = 19.99996, x 2
        let score = case.score(&action);
        assert_eq!(score.priority, 39_999_920);
        assert_eq!((score.context, score.value), (1_500_000, 40 * MICRO));
        assert_eq!(case.value_at_risk(&action), Some(40 * MICRO));
    }

    #[test]
    fn every_part_is_one_where_nothing_is_said() {
        let (rule, detection) = (rule("r", &[0]), detection("e1", 0, 100));
        let case = Case { rule: &rule, detection: &detection, profile: &cxwatch_event::UNKNOWN };
        let score = case.score(&action("a", Class::Offer));
        assert_eq!((score.priority, score.value), (MICRO, MICRO));
        assert_eq!(case.value_at_risk(&action("a", Class::Offer)), None);
    }
}
