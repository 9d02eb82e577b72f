//! Foreign records to events: rows of CSV and objects of JSON, by a plan.
//!
//! A [`Mapping`] is what a mapping file says, with all names resolved: which columns a record has, what makes its
//! customer, its id and its times, and which events it becomes. One record may become several events; each has its
//! place in the section's list as its sub-index, whether or not the others happened, so that the identity of an
//! event (source, id, sub-index) does not depend on its neighbours.
//!
//! Whatever a record lacks or has in a wrong form is a [`Rejection`](crate::Rejection) that names the column or
//! pointer: of the whole record where nothing can be read of it, else of the one event concerned. A record that the
//! plan's own conditions leave out is not an error.

mod cells;
mod cond;
mod emit;
mod expr;
mod glob;
mod number;
mod pattern;
mod plan;
mod rows;
mod time;

pub use cond::{Cond, Test};
pub use emit::check;
pub use expr::Expr;
pub use pattern::{Pattern, PatternError};
pub use plan::{
    Column, ColumnIx, Csv, Data, DataType, DataValue, EventPlan, Format, Header, Kind, Mapping, NumberStyle,
    Section, TypePlan,
};
pub use rows::{Mapped, Refusal, Rows};
pub use time::{Amount, Base, Clock, Shift, Time, TimeFormat, Zone};
