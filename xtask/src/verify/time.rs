//! Times as the interface writes them.

use std::time::{Duration, SystemTime};

/// `2026-11-21T10:00:00.123Z`; none for anything else.
pub fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':');
    let hours: u64 = time.next()?.parse().ok()?;
    let minutes: u64 = time.next()?.parse().ok()?;
    let seconds: f64 = time.next()?.parse().ok()?;
    let whole = days(year, month, day)? * 86_400 + hours * 3600 + minutes * 60;
    let seconds = Duration::try_from_secs_f64(seconds).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(whole) + seconds)
}

/// Days since 1970; years begin in March here, so that a leap day is the last of its year.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    Some(before + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::parse;

    #[test]
    fn times_are_read() {
        let after = |ms| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!(parse("1970-01-01T00:00:00Z"), after(0));
        assert_eq!(parse("2000-02-29T12:34:56.750Z"), after(951_827_696_750));
        assert_eq!(parse("2026-11-21T00:00:00Z"), after(1_795_219_200_000));
        for wrong in [
            "",
            "2026-11-21",
            "2026-13-21T00:00:00Z",
            "2026-11-21T00:00Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
