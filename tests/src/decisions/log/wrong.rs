//! Logs that are known to be wrong.

/// Logs that are known to be wrong: the comparison must catch each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Consent is asked for after the mode.
    ModeBeforeConsent,
    /// Caps are asked for before quiet hours and hours.
    CapsBeforeHours,
    /// Who is held out is drawn before the other offer is looked at.
    HoldoutFirst,
    /// An accepted offer that is revoked goes on counting.
    ReservationKept,
    /// What was held out begins no cool-down.
    HeldOutNotCooling,
    /// A retraction leaves the cool-down.
    CooldownOutlivesRetraction,
    /// A candidate that was deferred is forgotten.
    DeferredForgotten,
    /// What was contacted is revoked.
    RevokedAfterContact,
    /// Each task takes the whole brake.
    BrakeNotDivided,
    /// The first of equals gives way.
    LastOfEquals,
    /// A newcomer need not be a quarter better.
    AnyBetterReplaces,
    /// Retracted and found again is revoked and requested.
    AgainIsNew,
    /// A declined action comes back at once.
    DeclinedForgotten,
    /// Nobody is reminded.
    NeverReminded,
    /// Deferred candidates of a warning outlive its breach.
    WarningStaysPending,
    /// It is night for all customers alike.
    ZoneOfPolicy,
    /// A rule's success saves the treated only.
    SuccessOfTreatedOnly,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Wrong; 17] = [
        Wrong::ModeBeforeConsent,
        Wrong::CapsBeforeHours,
        Wrong::HoldoutFirst,
        Wrong::ReservationKept,
        Wrong::HeldOutNotCooling,
        Wrong::CooldownOutlivesRetraction,
        Wrong::DeferredForgotten,
        Wrong::RevokedAfterContact,
        Wrong::BrakeNotDivided,
        Wrong::LastOfEquals,
        Wrong::AnyBetterReplaces,
        Wrong::AgainIsNew,
        Wrong::DeclinedForgotten,
        Wrong::NeverReminded,
        Wrong::WarningStaysPending,
        Wrong::ZoneOfPolicy,
        Wrong::SuccessOfTreatedOnly,
    ];
}
