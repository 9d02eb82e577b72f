//! The engine: events and time in, detections out. Pure - no clock, no I/O, no threads, no logging.
//!
//! A [`Task`] is one partition of every feed: it reads records ([`Task::read`]), is told what the wall clock knows
//! (proofs, blindness) and moves forward ([`Task::advance`]). Whatever it was told that the input cannot tell again
//! comes out as [`Verdict`]s; with them and the same input, another task arrives at the same state.

#![forbid(unsafe_code)]

mod absence;
mod apply;
mod buffer;
mod change;
mod customer;
mod customers;
mod desk;
mod due;
mod effect;
mod evidence;
mod explain;
mod fire;
mod guards;
mod identity;
mod known;
mod lookahead;
mod near;
mod packed;
mod place;
mod restore;
mod seen;
mod settings;
mod snapshot;
mod task;
mod verdict;
mod wheel;
mod window;

pub use desk::{Desk, Filing, Moment};
pub use effect::{Clock, Counts, Detection, Effect, Ended, EventRef, Measures, Names, Received, Refused};
pub use explain::{Blocking, EpisodeView, Holding, Note, RuleView, Sight, View, What, WindowView};
pub use near::ask_for;
pub use settings::{FeedSettings, Limits, Settings};
pub use snapshot::{BufferedRef, FeedState, Head, Piece};
pub use task::{FOREVER, Judge, NEVER, Task};
pub use verdict::{Blindness, Verdict};
pub use window::Progress;

#[cfg(feature = "faults")]
/// Known errors that can be built in, to show that the tests would see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// At one instant timers run before events.
    TimersFirst,
    /// A feed's watermark may go back.
    WatermarkGoesBack,
    /// What never held stays.
    NoRetraction,
    /// Deadlines do not wait for the feeds they need.
    NeedsIgnored,
    /// Duplicates are judged when they enter the buffer.
    DuplicateOnEntry,
    /// A late event's place is forgotten at a restore.
    PlaceForgotten,
    /// Memory is cut at the task's clock instead of that of the rule's feeds.
    MemoryCutAtTask,
    /// A customer is written into a snapshot as it is after its first touch.
    WrittenAfterTouch,
    /// What is known of a customer is forgotten at a restore.
    ProfileForgotten,
    /// Of two profiles the one that came last wins, though it be the older.
    OlderProfileWins,
    /// Nobody looks at a customer again when the desk has let go.
    KeptForNothing,
    /// A customer's timers are forgotten when it is packed.
    TimersPacked,
    /// What waits for a feed is forgotten at a restore that leaves a customer packed.
    WaitingPacked,
}
