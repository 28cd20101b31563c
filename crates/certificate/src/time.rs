//! Times of validity (RFC 5280, 4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050 on; UTC, with seconds.

use crate::der::{Element, GENERALIZED_TIME, UTC_TIME};
use crate::CertificateError as E;

/// Unix seconds.
pub fn unix(element: Element) -> Result<i64, E> {
    let (year, rest) = match (element.tag, element.content) {
        (UTC_TIME, [y1, y2, rest @ ..]) => {
            let year = two(*y1, *y2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, [y1, y2, y3, y4, rest @ ..]) => {
            let year = 100 * two(*y1, *y2)? + two(*y3, *y4)?;
            if year < 2050 {
                return Err(E::Time);
            }
            (year, rest)
        }
        _ => return Err(E::Time),
    };
    let &[m1, m2, d1, d2, h1, h2, i1, i2, s1, s2, b'Z'] = rest else {
        return Err(E::Time);
    };
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(i1, i2)?, two(s1, s2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return Err(E::Time),
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return Err(E::Time);
    }
    Ok(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, for years from 1950 to 9999. Years are counted from March,
/// so that the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31 days, and again.
    let before_month = (153 * month + 2) / 5;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    365 * year + leap_days + before_month + day - 1 - 719_468
}

fn two(tens: u8, ones: u8) -> Result<i64, E> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(i64::from(byte - b'0')),
        _ => Err(E::Time),
    };
    Ok(10 * digit(tens)? + digit(ones)?)
}
