//! The clock, read only here and only when no time was given.

use jiff::{Timestamp, TimestampRound, Unit};

/// Now, in whole seconds as certificates count time.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc)).unwrap_or(now)
}
