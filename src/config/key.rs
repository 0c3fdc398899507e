//! The kinds of value that a key can have. Default and range are part of the type, so that parsing, checking
//! and the reference page cannot disagree.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

/// Longest time that can be configured, seconds.
const SECONDS_MAX: f64 = 864_000.0;

/// What the reference page says of a key, read off its type.
pub(super) trait Key {
    /// The default, as it would be written.
    fn default_text() -> String {
        "none".to_owned()
    }

    /// What may be written; empty where the description says it.
    fn range_text() -> String {
        String::new()
    }
}

/// A whole number.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Number<const DEFAULT: u64, const LEAST: u64, const MOST: u64>(
    Option<Spanned<u64>>,
);

impl<const DEFAULT: u64, const LEAST: u64, const MOST: u64> Number<DEFAULT, LEAST, MOST> {
    /// What was written.
    pub(super) fn written(&self) -> Option<&Spanned<u64>> {
        self.0.as_ref()
    }

    /// What was written, or the default.
    ///
    /// # Errors
    /// The remedy, when it is out of range.
    pub(super) fn value(&self) -> Result<u64, String> {
        match &self.0 {
            Some(written) if !(LEAST..=MOST).contains(written.get_ref()) => {
                Err(format!("write {LEAST} to {MOST}"))
            }
            Some(written) => Ok(*written.get_ref()),
            None => Ok(DEFAULT),
        }
    }
}

impl<const DEFAULT: u64, const LEAST: u64, const MOST: u64> Key for Number<DEFAULT, LEAST, MOST> {
    fn default_text() -> String {
        DEFAULT.to_string()
    }

    fn range_text() -> String {
        format!("{LEAST} to {MOST}")
    }
}

/// A time in seconds, fractions allowed.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Seconds<const DEFAULT_MS: u64, const LEAST_MS: u64 = 1>(Option<Spanned<f64>>);

impl<const DEFAULT_MS: u64, const LEAST_MS: u64> Seconds<DEFAULT_MS, LEAST_MS> {
    /// What was written.
    pub(super) fn written(&self) -> Option<&Spanned<f64>> {
        self.0.as_ref()
    }

    /// What was written, or the default.
    ///
    /// # Errors
    /// The remedy, when it is out of range.
    pub(super) fn value(&self) -> Result<Duration, String> {
        let least = Duration::from_millis(LEAST_MS).as_secs_f64();
        match &self.0 {
            Some(written) if !(least..=SECONDS_MAX).contains(written.get_ref()) => {
                Err(format!("write {least} to {SECONDS_MAX}"))
            }
            Some(written) => Ok(Duration::from_secs_f64(*written.get_ref())),
            None => Ok(Duration::from_millis(DEFAULT_MS)),
        }
    }
}

impl<const DEFAULT_MS: u64, const LEAST_MS: u64> Key for Seconds<DEFAULT_MS, LEAST_MS> {
    fn default_text() -> String {
        Duration::from_millis(DEFAULT_MS).as_secs_f64().to_string()
    }
}

/// Yes or no.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Switch<const DEFAULT: bool>(Option<bool>);

impl<const DEFAULT: bool> Switch<DEFAULT> {
    /// What was written, or the default.
    pub(super) fn value(&self) -> bool {
        self.0.unwrap_or(DEFAULT)
    }
}

impl<const DEFAULT: bool> Key for Switch<DEFAULT> {
    fn default_text() -> String {
        DEFAULT.to_string()
    }
}

/// A value that has one of a few names.
pub(super) trait Named: Copy + Default + PartialEq + 'static {
    /// Every value with its name.
    const NAMES: &'static [(&'static str, Self)];
}

/// One of a few names.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Choice<T> {
    written: Option<Spanned<String>>,
    #[serde(skip)]
    kind: std::marker::PhantomData<T>,
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Choice { written: None, kind: std::marker::PhantomData }
    }
}

impl<T: Named> Choice<T> {
    /// What was written.
    pub(super) fn written(&self) -> Option<&Spanned<String>> {
        self.written.as_ref()
    }

    /// What was written, or the default.
    ///
    /// # Errors
    /// The remedy, when it is none of the names.
    pub(super) fn value(&self) -> Result<T, String> {
        let Some(written) = &self.written else { return Ok(T::default()) };
        let found = T::NAMES.iter().find(|(name, _)| name == written.get_ref());
        found.map(|(_, value)| *value).ok_or_else(|| format!("write {}", names::<T>()))
    }
}

impl<T: Named> Key for Choice<T> {
    fn default_text() -> String {
        let name = T::NAMES.iter().find(|(_, value)| *value == T::default());
        name.map_or(String::new(), |(name, _)| (*name).to_owned())
    }

    fn range_text() -> String {
        names::<T>()
    }
}

/// `"a", "b" or "c"`
fn names<T: Named>() -> String {
    let mut text = String::new();
    for (index, (name, _)) in T::NAMES.iter().enumerate() {
        let before = match index {
            0 => "",
            _ if index + 1 == T::NAMES.len() => " or ",
            _ => ", ",
        };
        let _ = write!(text, "{before}\"{name}\"");
    }
    text
}

impl Key for String {}

impl<T> Key for Option<Spanned<T>> {}

impl<T> Key for Vec<Spanned<T>> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Keys {
        #[serde(default)]
        count: Number<5, 1, 9>,
        #[serde(default)]
        wait_s: Seconds<1500>,
        #[serde(default)]
        engine: Choice<crate::io::probe::IoChoice>,
    }

    #[test]
    fn what_is_absent_has_its_default_and_what_is_wrong_its_remedy() {
        let keys: Keys = toml::from_str("").unwrap();
        assert_eq!(keys.count.value(), Ok(5));
        assert_eq!(keys.wait_s.value(), Ok(Duration::from_millis(1500)));
        assert_eq!(Seconds::<1500>::default_text(), "1.5");
        let keys: Keys = toml::from_str("count = 10\nwait_s = 0\nengine = \"kqueue\"").unwrap();
        assert_eq!(keys.count.value(), Err("write 1 to 9".to_owned()));
        assert_eq!(keys.wait_s.value(), Err("write 0.001 to 864000".to_owned()));
        assert_eq!(keys.engine.value(), Err("write \"auto\", \"uring\" or \"epoll\"".to_owned()));
        let keys: Keys = toml::from_str("count = 9\nwait_s = 2\nengine = \"epoll\"").unwrap();
        assert_eq!(keys.wait_s.value(), Ok(Duration::from_secs(2)));
        assert!(keys.count.value() == Ok(9) && keys.engine.value().is_ok());
    }
}
