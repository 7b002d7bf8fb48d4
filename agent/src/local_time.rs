//! Times of the wall clock in the user's time zone, as localtime(3) has it.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use session_timeout_texts::{LocalTime, When};
use tz::{DateTime, TimeZone};

/// When something was that was this long ago: its time of day, with the date unless it was today.
pub(crate) fn when(now: SystemTime, ago: Duration) -> When {
    in_zone(&zone(), now, ago).unwrap_or(When::Ago(ago))
}

/// The zone of `TZ` or of the machine; UTC if there is none.
fn zone() -> TimeZone {
    let zone = match env::var("TZ") {
        Ok(name) => TimeZone::from_posix_tz(&name),
        Err(_) => TimeZone::local(),
    };
    zone.unwrap_or_else(|_| TimeZone::utc())
}

fn in_zone(zone: &TimeZone, now: SystemTime, ago: Duration) -> Option<When> {
    let local = |time: SystemTime| {
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let seconds = i64::try_from(seconds).ok()?;
        DateTime::from_timespec(seconds, 0, zone.as_ref()).ok()
    };
    let (today, then) = (local(now)?, local(now.checked_sub(ago)?)?);
    let day = |time: &DateTime| (time.year(), time.month(), time.month_day());
    let time = LocalTime {
        year: then.year(),
        month: then.month(),
        day: then.month_day(),
        hour: then.hour(),
        minute: then.minute(),
    };
    Some(if day(&today) == day(&then) {
        When::Today(time)
    } else {
        When::Dated(time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;

    /// 2026-03-29, on which Central European Time ends at 01:00 UTC.
    fn now(hour: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_774_742_400 + hour * HOUR)
    }

    fn ago(now: SystemTime, seconds: u64) -> When {
        let zone = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        in_zone(&zone, now, Duration::from_secs(seconds)).unwrap()
    }

    fn march(day: u8, hour: u8, minute: u8) -> LocalTime {
        LocalTime {
            year: 2026,
            month: 3,
            day,
            hour,
            minute,
        }
    }

    #[test]
    fn a_time_of_today_is_that_of_the_zone_also_across_its_change() {
        assert_eq!(ago(now(12), 0), When::Today(march(29, 14, 0)));
        assert_eq!(ago(now(12), 90 * MINUTE), When::Today(march(29, 12, 30)));
        assert_eq!(ago(now(12), 12 * HOUR), When::Today(march(29, 1, 0)));
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        assert_eq!(ago(now(12), 14 * HOUR), When::Dated(march(28, 23, 0)));
        assert_eq!(ago(now(23), 0), When::Today(march(30, 1, 0)));
        assert_eq!(ago(now(23), 2 * HOUR), When::Dated(march(29, 23, 0)));
    }

    #[test]
    fn what_no_calendar_has_is_told_by_its_age() {
        let long = Duration::MAX;
        assert_eq!(when(now(12), long), When::Ago(long));
    }
}
