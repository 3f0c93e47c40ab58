use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::scalar;

/// A length of time: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time(Duration);
scalar!(Time, "time", "a whole number and `ms`, `s`, `m`, `h` or `d`, such as `10s`");

const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Time {
    /// A time of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A time of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The time as the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let millis = number_and_unit(text, &TIME_UNITS)
            .ok_or("a time is a whole number and `ms`, `s`, `m`, `h` or `d`, such as `10s`")?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_with_unit(f, millis, &TIME_UNITS, "s")
    }
}

/// A number of bytes: a whole number and `B`, `KiB`, `MiB`, `GiB`, `TiB` or `PiB`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(u64);
scalar!(
    Size,
    "size",
    "a whole number and `B`, `KiB`, `MiB`, `GiB`, `TiB` or `PiB`, such as `64KiB`"
);

const SIZE_UNITS: [(&str, u64); 6] = [
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Size {
    /// A size of whole KiB.
    pub const fn kib(count: u32) -> Self {
        Self((count as u64) << 10)
    }

    /// A size of whole MiB.
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = number_and_unit(text, &SIZE_UNITS).ok_or(
            "a size is a whole number and `B`, `KiB`, `MiB`, `GiB`, `TiB` or `PiB`, such as `64KiB`",
        )?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, self.0, &SIZE_UNITS, "B")
    }
}

/// A part of a whole: a whole number from 0 to 100 and `%`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Share(u8);
scalar!(Share, "share", "a whole number from 0 to 100 and `%`, such as `50%`");

impl Share {
    /// A share of so many percent, at most 100.
    pub const fn percent(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// Percent, from 0 to 100.
    pub const fn as_percent(self) -> u8 {
        self.0
    }

    /// That part of `whole`, rounded down.
    pub const fn of(self, whole: u64) -> u64 {
        let (hundreds, rest) = (whole / 100, whole % 100);
        hundreds.saturating_mul(self.0 as u64).saturating_add(rest * self.0 as u64 / 100)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = number_and_unit(text, &[("%", 1)]).filter(|percent| *percent <= 100);
        let percent = percent.and_then(|percent| u8::try_from(percent).ok());
        let error = "a share is a whole number from 0 to 100 and `%`, such as `50%`";
        percent.map(Self).ok_or_else(|| error.to_owned())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// How often: a number, `/` and a time, such as `100/s` or `5/10m`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    count: u32,
    per: Time,
}
scalar!(
    Rate,
    "rate",
    "a whole number, `/`, and `s`, `m`, `h` or `d` or a time of up to a day, such as `100/s` or `5/10m`"
);

/// The longest time of a rate.
const DAY: Duration = Duration::from_hours(24);

impl Rate {
    /// So many.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// In so long.
    pub const fn per(self) -> Duration {
        self.per.duration()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(count, per)| {
            let is_plain = count.bytes().all(|c| c.is_ascii_digit());
            let count = count.parse().ok().filter(|count| is_plain && *count > 0)?;
            let is_unit = per.bytes().all(|c| c.is_ascii_alphabetic());
            let per: Time =
                if is_unit { format!("1{per}") } else { per.to_owned() }.parse().ok()?;
            let is_sane = !per.duration().is_zero() && per.duration() <= DAY;
            is_sane.then_some(Self { count, per })
        });
        let error = "a rate is a number from 1 on, `/`, and a time of up to a day, such as `100/s` \
                     or `5/10m`";
        parsed.ok_or_else(|| error.to_owned())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = self.per.to_string();
        let unit =
            per.strip_prefix('1').filter(|unit| unit.bytes().all(|c| c.is_ascii_alphabetic()));
        write!(f, "{}/{}", self.count, unit.unwrap_or(&per))
    }
}

fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// Writes the largest unit that leaves a whole number; `zero_unit` is the unit of nothing at all.
fn write_with_unit(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    units: &[(&str, u64)],
    zero_unit: &str,
) -> fmt::Result {
    if value == 0 {
        return write!(f, "0{zero_unit}");
    }
    for (unit, factor) in units {
        if value.is_multiple_of(*factor) {
            return write!(f, "{}{unit}", value / factor);
        }
    }
    Ok(())
}
