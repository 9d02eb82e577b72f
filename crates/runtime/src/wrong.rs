//! Known errors that can be built in, to show that the tests would see them.

use cxwatch_engine::Verdict;

/// A kind of verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictKind {
    /// [`Verdict::Proof`]
    Proof,
    /// [`Verdict::LagProof`]
    LagProof,
    /// [`Verdict::Lag`]
    Lag,
    /// [`Verdict::Blind`]
    Blind,
    /// [`Verdict::See`]
    See,
    /// [`Verdict::Force`]
    Force,
    /// [`Verdict::Refused`]
    Refused,
    /// [`Verdict::Pause`]
    Pause,
    /// A decision found too late.
    Expired,
}

impl VerdictKind {
    /// All of them.
    pub const ALL: [VerdictKind; 9] = [
        VerdictKind::Proof,
        VerdictKind::LagProof,
        VerdictKind::Lag,
        VerdictKind::Blind,
        VerdictKind::See,
        VerdictKind::Force,
        VerdictKind::Refused,
        VerdictKind::Pause,
        VerdictKind::Expired,
    ];

    pub(crate) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Proof { .. } => VerdictKind::Proof,
            Verdict::LagProof { .. } => VerdictKind::LagProof,
            Verdict::Lag { .. } => VerdictKind::Lag,
            Verdict::Blind { .. } => VerdictKind::Blind,
            Verdict::See { .. } => VerdictKind::See,
            Verdict::Force { .. } => VerdictKind::Force,
            Verdict::Refused { .. } => VerdictKind::Refused,
            Verdict::Pause { .. } => VerdictKind::Pause,
        }
    }
}

/// A known error in the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// A kind of verdict is not written down.
    NotWritten(VerdictKind),
    /// Verdicts are written in another order than they came in.
    OutOfOrder,
    /// A snapshot's head forgets one buffered event.
    BufferedForgotten,
    /// After an abort the effects are gone, and only the journal is sent again.
    EffectsDropped,
    /// After an ambiguous commit everything is sent again, though it had committed.
    SentAgain,
    /// Where a feed joined is decided again by every restore.
    JoinedAgain,
    /// A producer whose end of transaction may come twice is not replaced.
    NotRenewed,
}
