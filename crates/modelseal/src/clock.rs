//! The clock, read only here and only when no time was given.

use jiff::{Timestamp, TimestampRound, Unit};

/// Now, in whole seconds as certificates count time.
#[must_use]
pub fn now() -> Timestamp {
    whole_seconds(Timestamp::now())
}

/// The same time without fractions of a second.
pub(crate) fn whole_seconds(now: Timestamp) -> Timestamp {
    now.round(TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc)).unwrap_or(now)
}
