//! What a conversion could not carry, by name.
//!
//! Every drop is noted here and ends in the `x-lockgate-lossy` header; in strict mode it refuses the call instead.
//! Names are common ones until [`Loss::named_for`] makes them fields of the client's dialect, without indices where many share one (`cache_control`,
//! `tools.web_search`), so that the header stays short.

use lockgate_core::Dialect;

/// The path of a client's own field for a common name of a loss, or of the parameter of a failure.
pub fn field_of(client: Dialect, name: &str) -> String {
    crate::fields::of(client, name)
}

/// Names of what was lost, without repeats, in the order they were first noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    names: Vec<String>,
}

impl Loss {
    /// Notes that something was lost.
    pub fn note(&mut self, name: impl AsRef<str> + Into<String>) {
        if !self.names.iter().any(|known| known == name.as_ref()) {
            self.names.push(name.into());
        }
    }

    /// The same, by the names of a client's own fields.
    #[must_use]
    pub fn named_for(&self, client: Dialect) -> Self {
        let mut named = Self::default();
        self.names.iter().for_each(|name| named.note(field_of(client, name)));
        named
    }

    /// Notes all that another conversion lost.
    pub fn extend(&mut self, other: &Self) {
        for name in &other.names {
            self.note(name.as_str());
        }
    }

    /// What was lost.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The header's value: names joined by commas, at most about 1 KB, then how many more. Anything that does not
    /// belong in a header (control characters, non-ASCII) becomes `?`.
    pub fn header(&self) -> String {
        const ROOM: usize = 1000;
        let mut text = String::new();
        for (at, name) in self.names.iter().enumerate() {
            if text.len() + name.len() > ROOM {
                text.push_str(", +");
                text.push_str(&(self.names.len() - at).to_string());
                text.push_str(" more");
                break;
            }
            if at > 0 {
                text.push_str(", ");
            }
            text.extend(name.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_named_once_and_the_header_is_bounded() {
        let mut loss = Loss::default();
        loss.note("cache_control");
        loss.note("cache_control");
        assert_eq!(loss.header(), "cache_control");
        for n in 0..500 {
            loss.note(format!("field_{n}\r\nx"));
        }
        assert!(loss.header().len() < 1100);
        assert!(loss.header().ends_with("more"));
        assert!(!loss.header().contains('\n'));
    }
}
