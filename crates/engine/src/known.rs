//! What is known of a customer, as a snapshot writes it, and as a changed rulebook names it.

use crate::customer::Customer;
use cxwatch_event::{FieldIx, FieldValue, Millis, Profile, Value};
use cxwatch_rulebook::Rulebook;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// When it was so, and the fields.
type Written = (Option<Millis>, Vec<(u8, Value)>);

pub(crate) fn serialize<S: Serializer>(profile: &Option<Box<Profile>>, to: S) -> Result<S::Ok, S::Error> {
    let written: Option<Written> = profile.as_deref().map(|profile| {
        (profile.as_of, profile.fields.iter().map(|f| (f.field.0, f.value.clone())).collect())
    });
    written.serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<Profile>>, D::Error> {
    let written = Option::<Written>::deserialize(from)?;
    let profile = |(as_of, fields): Written| {
        let value = |(field, value)| FieldValue { field: FieldIx(field), value };
        Box::new(Profile { as_of, fields: fields.into_iter().map(value).collect() })
    };
    Ok(written.map(profile))
}

/// The numbers of profile fields from one rulebook to another, by their names.
pub(crate) struct Fields(Vec<Option<FieldIx>>);

impl Fields {
    /// Fields that the new rulebook does not read are forgotten.
    pub(crate) fn between(old: &Rulebook, new: &Rulebook) -> Self {
        let (Some(from), Some(to)) = (old.profile, new.profile) else { return Fields(Vec::new()) };
        let (interest, to) = (new.interest.of(to), new.catalogue.spec(to));
        let moved = |name: &str| to.field(name).filter(|ix| interest.is_some_and(|i| i.reads(*ix)));
        Fields(old.catalogue.spec(from).fields.iter().map(|field| moved(&field.name)).collect())
    }

    pub(crate) fn apply<S>(&self, customer: &mut Customer<S>) {
        let Some(profile) = &mut customer.profile else { return };
        profile.fields.retain_mut(|value| {
            let to = self.0.get(usize::from(value.field.0)).copied().flatten();
            value.field = to.unwrap_or(value.field);
            to.is_some()
        });
        profile.fields.sort_by_key(|value| value.field);
        if profile.fields.is_empty() {
            customer.profile = None;
        }
    }
}
