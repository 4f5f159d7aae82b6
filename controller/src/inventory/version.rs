//! Which of two versions is newer, as dpkg and as rpm compare them. Pure.
//!
//! dpkg: `[epoch:]upstream[-revision]`; pieces of no digits and of digits take turns, letters sort before everything
//! else, `~` before the end (Debian Policy, section 5.6.12). rpm: pieces of letters or digits, separators count for
//! nothing, a number is newer than a word, `~` before the end and `^` after it (rpmvercmp).

use std::cmp::Ordering;

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rules {
    Dpkg,
    Rpm,
}

impl Rules {
    /// Compares two whole versions: epoch, version, release or revision.
    #[must_use]
    pub fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Dpkg => compare_dpkg(one, other),
            Self::Rpm => compare_rpm(one, other),
        }
    }
}

fn epoch(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
            (epoch, rest)
        }
        _ => ("0", version),
    }
}

/// Digits as the number that they are, however long.
fn compare_numbers(one: &[u8], other: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits[zeros..].to_vec()
    };
    let (one, other) = (significant(one), significant(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

fn compare_dpkg(one: &str, other: &str) -> Ordering {
    let ((one_epoch, one), (other_epoch, other)) = (epoch(one.trim()), epoch(other.trim()));
    let (one, one_revision) = one.rsplit_once('-').unwrap_or((one, ""));
    let (other, other_revision) = other.rsplit_once('-').unwrap_or((other, ""));
    compare_numbers(one_epoch.as_bytes(), other_epoch.as_bytes())
        .then_with(|| compare_debian(one.as_bytes(), other.as_bytes()))
        .then_with(|| compare_debian(one_revision.as_bytes(), other_revision.as_bytes()))
}

/// The place of a character among those that are no digits; 0 is that of the end.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

fn compare_debian(mut one: &[u8], mut other: &[u8]) -> Ordering {
    let is_word = |rest: &[u8]| rest.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !one.is_empty() || !other.is_empty() {
        while is_word(one) || is_word(other) {
            match weight(one.first()).cmp(&weight(other.first())) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            one = one.get(1..).unwrap_or_default();
            other = other.get(1..).unwrap_or_default();
        }
        let (one_digits, other_digits) = (digits(one), digits(other));
        match compare_numbers(one_digits, other_digits) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
        one = &one[one_digits.len()..];
        other = &other[other_digits.len()..];
    }
    Ordering::Equal
}

fn digits(text: &[u8]) -> &[u8] {
    &text[..text.iter().take_while(|byte| byte.is_ascii_digit()).count()]
}

fn letters(text: &[u8]) -> &[u8] {
    &text[..text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count()]
}

/// A version without a release is compared by its version alone, as rpm does when a dependency names none.
fn compare_rpm(one: &str, other: &str) -> Ordering {
    let ((one_epoch, one), (other_epoch, other)) = (epoch(one.trim()), epoch(other.trim()));
    let ((one, one_release), (other, other_release)) = (release(one), release(other));
    let releases = one_release.zip(other_release);
    compare_numbers(one_epoch.as_bytes(), other_epoch.as_bytes())
        .then_with(|| compare_segments(one.as_bytes(), other.as_bytes()))
        .then_with(|| {
            releases
                .map_or(Ordering::Equal, |(one, other)| compare_segments(one.as_bytes(), other.as_bytes()))
        })
}

fn release(version: &str) -> (&str, Option<&str>) {
    version.rsplit_once('-').map_or((version, None), |(version, release)| (version, Some(release)))
}

fn compare_segments(mut one: &[u8], mut other: &[u8]) -> Ordering {
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^');
    loop {
        one = &one[one.iter().position(counts).unwrap_or(one.len())..];
        other = &other[other.iter().position(counts).unwrap_or(other.len())..];
        match (one.first(), other.first()) {
            (None, None) => return Ordering::Equal,
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (one, other) = (&one[1..], &other[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            // A caret is newer than the end and older than anything else.
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^')) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(first), Some(_)) => {
                let is_number = first.is_ascii_digit();
                let segment = if is_number { digits } else { letters };
                let (one_segment, other_segment) = (segment(one), segment(other));
                if other_segment.is_empty() {
                    return if is_number { Ordering::Greater } else { Ordering::Less };
                }
                let order = match is_number {
                    true => compare_numbers(one_segment, other_segment),
                    false => one_segment.cmp(other_segment),
                };
                if order != Ordering::Equal {
                    return order;
                }
                (one, other) = (&one[one_segment.len()..], &other[other_segment.len()..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: Rules, cases: &[(&str, Ordering, &str)]) {
        for (one, expected, other) in cases {
            assert_eq!(rules.compare(one, other), *expected, "{rules:?} {one} {other}");
            assert_eq!(rules.compare(other, one), expected.reverse(), "{rules:?} {other} {one}");
        }
    }

    use Ordering::{Equal, Greater, Less};

    /// The examples of Debian Policy 5.6.12, and what `dpkg --compare-versions` says.
    #[test]
    fn debian() {
        check(
            Rules::Dpkg,
            &[
                ("1.0", Equal, "1.0"),
                ("1.0", Equal, "1.0-0"),
                ("0:1.0", Equal, "1.0"),
                ("1.00", Equal, "1.0"),
                ("1.0~~", Less, "1.0~~a"),
                ("1.0~~a", Less, "1.0~"),
                ("1.0~", Less, "1.0"),
                ("1.0", Less, "1.0a"),
                ("1.0~beta1~svn1245", Less, "1.0~beta1"),
                ("1.0~beta1", Less, "1.0"),
                ("1.2", Less, "1.10"),
                ("1:1.0", Greater, "9.0"),
                ("2.0", Less, "1:1.0"),
                ("1.0-1", Less, "1.0-2"),
                ("1.0-10", Greater, "1.0-9"),
                ("1.0-1", Greater, "1.0"),
                ("1.0-1-1", Less, "1.0-2-1"),
                ("3.0.14-1~deb12u2", Less, "3.0.15"),
                ("3.0.15-1~deb12u1", Greater, "3.0.15"),
                ("3.0.15-1~deb12u1", Less, "3.0.15-1"),
                ("1.0+", Less, "1.0."),
                ("1.0+", Less, "1.0."),
                ("1.0-", Equal, "1.0"),
                ("7.6p2-4", Greater, "7.6-0"),
                ("1.0.3-3", Greater, "1.0-1"),
                ("1.18.36:5.4", Less, "1.18.36:5.5"),
                ("99999999999999999999999", Less, "100000000000000000000000"),
                ("", Less, "1"),
            ],
        );
    }

    /// The cases that rpm's own tests have.
    #[test]
    fn rpm() {
        check(
            Rules::Rpm,
            &[
                ("1.0", Equal, "1.0"),
                ("1.0", Less, "2.0"),
                ("2.0.1", Equal, "2.0.1"),
                ("2.0", Less, "2.0.1"),
                ("2.0.1a", Greater, "2.0.1"),
                ("5.5p1", Less, "5.5p2"),
                ("5.5p10", Greater, "5.5p1"),
                ("10xyz", Less, "10.1xyz"),
                ("xyz10", Less, "xyz10.1"),
                ("xyz.4", Less, "8"),
                ("xyz.4", Less, "2"),
                ("5.5p2", Less, "5.6p1"),
                ("5.6p1", Less, "6.5p1"),
                ("6.0.rc1", Greater, "6.0"),
                ("10b2", Greater, "10a1"),
                ("1.0aa", Greater, "1.0a"),
                ("10.0001", Equal, "10.1"),
                ("10.0001", Less, "10.0039"),
                ("4.999.9", Less, "5.0"),
                ("20101121", Equal, "20101121"),
                ("2_0", Equal, "2.0"),
                ("a+", Equal, "a_"),
                ("1.0~rc1", Less, "1.0"),
                ("1.0~rc1", Less, "1.0~rc2"),
                ("1.0~rc1~git123", Less, "1.0~rc1"),
                ("1.0^", Greater, "1.0"),
                ("1.0^git1", Less, "1.01"),
                ("1.0^git1", Less, "1.0^git2"),
                ("1.0^20160101^git1", Greater, "1.0^20160101"),
                ("1.0~rc1^git1", Greater, "1.0~rc1"),
                ("1.0^git1~pre", Less, "1.0^git1"),
                ("1:1.0-1", Greater, "2.0-1"),
                ("3.0.7-24.el9", Equal, "3.0.7"),
                ("3.0.7-24.el9", Less, "3.0.7-25.el9"),
                ("3.0.7-24.el9", Less, "3.0.15"),
            ],
        );
    }
}
