//! Known errors that can be built in, to show that the tests would see them.

use crate::Decider;

/// Known errors that can be built in, to show that the tests would see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What wins begins no cool-down.
    CooldownForgotten,
    /// An accepted offer goes on counting for caps when its life is over.
    ReservationKept,
    /// The draw is by episode instead of by customer.
    HoldoutByEpisode,
    /// A change has the revision of the one before.
    RevisionNotRaised,
    /// What was retracted stays asked for.
    RetractionNotRevoked,
    /// What has to wait is never decided.
    PendingForgotten,
    /// What waits goes on waiting when its problem is over.
    AliveNotChecked,
    /// Offers take no notice of each other.
    CompetitionIgnored,
    /// Of an offer that lost nothing is said.
    LoserNotTold,
    /// The requests of the minute are forgotten at a restore.
    BrakeForgotten,
    /// What was retracted in an earlier step is as it was before when it is found again.
    UndoOutlivesStep,
    /// An update does not prolong the life of an action.
    LifeNotProlonged,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 12] = [
        Fault::CooldownForgotten,
        Fault::ReservationKept,
        Fault::HoldoutByEpisode,
        Fault::RevisionNotRaised,
        Fault::RetractionNotRevoked,
        Fault::PendingForgotten,
        Fault::AliveNotChecked,
        Fault::CompetitionIgnored,
        Fault::LoserNotTold,
        Fault::BrakeForgotten,
        Fault::UndoOutlivesStep,
        Fault::LifeNotProlonged,
    ];
}

impl Decider {
    /// Builds a known error in.
    pub fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}
