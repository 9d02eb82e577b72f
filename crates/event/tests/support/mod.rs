//! What several tests need: the decoder of everything, a JSON Schema validator, and the folder of schemas.

// Every test crate uses its part.
#![allow(dead_code)]

use cxwatch_event::{Catalogue, Decoder, Interest, RawRecord, Record, Rejection, TypeInterest, schema};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// The limit of the tests' decoder on a record: small, so that an example can be beyond it.
const VALUE_BYTES_MAX: usize = 2_000;

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let catalogue = Arc::new(Catalogue::builtin());
    let types = catalogue.types().map(|_| Some(TypeInterest { fields: u64::MAX })).collect();
    Decoder::new(catalogue, Interest { types }).with_value_bytes_max(VALUE_BYTES_MAX)
});

/// Decodes a value with every field of interest.
pub(crate) fn decode(value: &[u8], feed: &str, key: Option<&str>) -> Result<Record, Rejection> {
    let mut out = Record::default();
    let raw = RawRecord { feed, key: key.map(str::as_bytes), value: Some(value), headers: &[] };
    DECODER.decode(&raw, &mut out).map(|()| out)
}

/// The feed to which the event's type belongs; `transaction` where it belongs to none.
pub(crate) fn home<'c>(catalogue: &'c Catalogue, event: &Value) -> &'c str {
    let id = event["type"].as_str().and_then(|name| catalogue.id(name));
    id.and_then(|id| catalogue.spec(id).feed.as_deref()).unwrap_or("transaction")
}

/// The folder of schemas.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// The names of the JSON files in a folder below it, without `.json`.
pub(crate) fn names(below: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder().join(below)) else { return BTreeSet::new() };
    let names = entries.map(|e| e.expect("a readable folder").file_name().into_string().expect("UTF-8"));
    names.filter_map(|name| Some(name.strip_suffix(".json")?.to_string())).collect()
}

/// A validator per file of schemas, formats switched on.
pub(crate) struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    pub(crate) fn builtin() -> Self {
        let validator = |schema| {
            jsonschema::draft7::options()
                .should_validate_formats(true)
                .build(&schema)
                .expect("a schema of draft-07")
        };
        Schemas(
            schema::files(&Catalogue::builtin()).into_iter().map(|(name, s)| (name, validator(s))).collect(),
        )
    }

    /// Whether the file of that name takes the message.
    pub(crate) fn valid_by(&self, file: &str, message: &Value) -> bool {
        self.0.get(file).unwrap_or_else(|| panic!("no schema {file}")).is_valid(message)
    }

    /// Whether the schema of the event's type takes it. Without a known type no schema does.
    pub(crate) fn valid(&self, event: &Value) -> bool {
        let file = event["type"].as_str().map(|kind| format!("events/{kind}.json"));
        file.and_then(|file| self.0.get(&file)).is_some_and(|schema| schema.is_valid(event))
    }
}
