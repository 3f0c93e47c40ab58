use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::scalar;

/// A day, such as `2027-01-31`, which begins at midnight UTC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Day {
    year: u16,
    /// From 1.
    month: u8,
    /// Of the month, from 1.
    date: u8,
}
scalar!(Day, "day", "a day such as `2027-01-31`; it begins at midnight UTC");

impl Day {
    /// When it begins, since 1970-01-01 UTC.
    pub fn begins(self) -> Duration {
        // Years begin in March, so that a leap day is the last of its year.
        let (year, month) = match self.month {
            1 | 2 => (u64::from(self.year).saturating_sub(1), u64::from(self.month) + 9),
            month => (u64::from(self.year), u64::from(month).saturating_sub(3)),
        };
        let of_years = year * 365 + year / 4 - year / 100 + year / 400;
        let of_months = (153 * month + 2) / 5;
        // From the first of March of the year 0 to 1970.
        let days = (of_years + of_months + u64::from(self.date)).saturating_sub(719_469);
        Duration::from_secs(days.saturating_mul(86_400))
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || "a day is written like `2027-01-31`, from 1970 to 9999".to_owned();
        let digits = |part: &str, count| {
            let is_number = part.len() == count && part.bytes().all(|c| c.is_ascii_digit());
            part.parse::<u16>().ok().filter(|_| is_number)
        };
        let mut parts = text.split('-');
        let mut next = |count| parts.next().and_then(|part| digits(part, count));
        let (year, month, day) = (next(4), next(2), next(2));
        let (Some(year), Some(month), Some(day), None) = (year, month, day, parts.next()) else {
            return Err(error());
        };
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => 31,
        };
        let is_there = year >= 1970 && (1..=12).contains(&month) && (1..=last).contains(&day);
        let (month, date) = (u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0));
        is_there.then_some(Self { year, month, date }).ok_or_else(error)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.date)
    }
}
