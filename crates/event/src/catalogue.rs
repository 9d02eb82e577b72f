//! The catalogue of event types: the built-in ones and those a rulebook adds.

pub mod builtin;

use compact_str::CompactString;
use std::collections::BTreeMap;

/// The number of an event type in its [`Catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// The number of a field within its type (below 64).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldIx(pub u8);

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// A JSON string.
    Text,
    /// A JSON number within ±9.2e12.
    Number,
    /// A JSON number without a fraction (`3.0` has none) within ±9.2e12.
    Integer,
    /// A JSON truth value.
    Bool,
    /// A JSON string holding an RFC 3339 instant.
    Time,
    /// A JSON string of 32 lower-case hexadecimal digits: an action's id.
    ActionId,
}

/// How personal a field is. Text is never kept in state or published unless a rule asks for it by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Says nothing about a person.
    None,
    /// Identifies somebody or something of theirs by a number that others can resolve.
    Pseudonym,
    /// What a person wrote.
    Text,
}

/// One field of an event type's `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name below `data`. One with points lies in nested objects: `consent.email.service`.
    pub name: CompactString,
    /// What it may hold.
    pub kind: FieldType,
    /// Whether an event without it is refused. Never of a field in a nested object.
    pub required: bool,
    /// How personal it is.
    pub privacy: Privacy,
    /// For text: the only values allowed. Empty: any.
    pub one_of: Vec<CompactString>,
    /// One sentence for people.
    pub about: CompactString,
}

/// One event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSpec {
    /// Its name, `feed.noun.verb-past`.
    pub name: CompactString,
    /// The feed it belongs to; `None` for `feed.heartbeat`, which any feed may carry.
    pub feed: Option<CompactString>,
    /// Its fields, at most 64.
    pub fields: Vec<Field>,
    /// One sentence for people.
    pub about: CompactString,
}

impl TypeSpec {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<FieldIx> {
        self.fields.iter().position(|f| f.name == name).map(|i| FieldIx(i as u8))
    }
}

/// All event types that a service knows, numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    types: Vec<TypeSpec>,
    by_name: BTreeMap<CompactString, TypeId>,
}

impl Catalogue {
    /// A catalogue of these types. A later type of the same name replaces an earlier one.
    pub fn of(types: impl IntoIterator<Item = TypeSpec>) -> Self {
        let mut catalogue = Catalogue { types: Vec::new(), by_name: BTreeMap::new() };
        for spec in types {
            match catalogue.by_name.get(&spec.name) {
                Some(id) => catalogue.types[usize::from(id.0)] = spec,
                None => {
                    let id = TypeId(catalogue.types.len() as u16);
                    catalogue.by_name.insert(spec.name.clone(), id);
                    catalogue.types.push(spec);
                }
            }
        }
        catalogue
    }

    /// The type of that name.
    pub fn id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// What a type looks like.
    pub fn spec(&self, id: TypeId) -> &TypeSpec {
        &self.types[usize::from(id.0)]
    }

    /// All types with their numbers, in the order of the numbers.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &TypeSpec)> {
        self.types.iter().enumerate().map(|(i, spec)| (TypeId(i as u16), spec))
    }

    /// How many types there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}
