//! Wall-clock time as text.

/// `2026-11-24T04:05:06.789Z` for milliseconds since 1970-01-01 UTC (RFC 3339). The last year is
/// 9999.
pub(super) fn rfc3339(unix_millis: u64) -> [u8; 24] {
    const LAST: u64 = 253_402_300_799_999;
    let millis = unix_millis.min(LAST);
    let seconds = millis / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let parts = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, seconds / 3600 % 24),
        (14, 2, seconds / 60 % 60),
        (17, 2, seconds % 60),
        (20, 3, millis % 1000),
    ];
    for (start, width, value) in parts {
        let mut rest = value;
        for place in text.iter_mut().skip(start).take(width).rev() {
            *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }
    text
}

/// Year, month and day of a day since 1970-01-01. Years are counted from March, so that the leap
/// day is a year's last, and in cycles of 400 years, which all have the same number of days.
const fn date(day: u64) -> (u64, u64, u64) {
    // From 0000-03-01 to 1970-01-01.
    let day = day + 719_468;
    let cycle = day / 146_097;
    let day = day % 146_097;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = cycle * 400 + year;
    (if month <= 2 { year + 1 } else { year }, month, day_of_month)
}
