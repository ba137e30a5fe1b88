//! What is asked of Python's objects: whether it can lead to code.

use super::Parser;
use crate::jinja::{
    known::{self, has},
    rules,
    value::{Value, is_underscore},
};
use crate::limits;

impl Parser<'_> {
    /// Formatting with `%`, which reads no attributes but can make letters of numbers.
    pub(super) fn percent(&mut self, left: &Value, right: &Value, at: usize) -> Value {
        self.widths(left, at);
        let letters = left.built || left.texts.iter().any(|text| text.contains('c') && text.contains('%'));
        let mut value = left.clone().or(right).blurred();
        value.underscore |= letters;
        value
    }

    /// Looks at a name after a dot; false when it was found to be bad.
    pub(super) fn attribute(&mut self, name: &str, at: usize) -> bool {
        let (rule, what) = if begins(name, 2) {
            (&rules::ESCAPE, "the attribute")
        } else if has(known::ATTRIBUTES, name) {
            (&rules::ESCAPE, "the attribute or method")
        } else if begins(name, 1) {
            (&rules::PRIVATE, "the attribute")
        } else {
            return true;
        };
        self.find(rule, at, format!("{what} '{name}'"));
        false
    }

    /// Looks at what is in brackets; true when something was found.
    pub(super) fn key(&mut self, key: &Value, at: usize) -> bool {
        let mut found = false;
        for text in &key.texts {
            found |= !self.attribute(text, at);
        }
        if key.built && key.underscore {
            found = true;
            self.find(&rules::ESCAPE, at, "a name that is put together from underscores".to_owned());
        } else if key.built {
            found = true;
            self.find(&rules::COMPUTED_NAME, at, "a name that is put together".to_owned());
        }
        found
    }

    /// Looks at what is in brackets behind `asked`, or is given to one of its methods that take a key: a name that comes
    /// from data may be that of an attribute, unless it is a key of what is asked.
    pub(super) fn key_of(&mut self, asked: &Value, key: &Value, at: usize) {
        self.key(key, at);
        let from = key.from;
        let own = from.own || asked.mapping;
        if from.token {
            self.find(&rules::COMPUTED_NAME, at, "a name that is one of the model's tokens".to_owned());
        } else if from.data && (!own || (asked.fixed && !asked.mapping)) {
            self.find(&rules::COMPUTED_NAME, at, "a name that comes from data".to_owned());
        }
    }

    /// Looks at how wide something is made.
    pub(super) fn width(&mut self, name: &str, width: &Value, at: usize) {
        if let Some(width) =
            width.int.filter(|width| width.unsigned_abs() > limits::JINJA_RANGE.unsigned_abs())
        {
            self.find(&rules::WORK, at, format!("'{name}' to a width of {width}"));
        }
    }

    /// Looks at the widths in a text that is formatted.
    pub(super) fn widths(&mut self, value: &Value, at: usize) {
        for text in &value.texts {
            let star = text.split('%').skip(1).any(|field| {
                field.trim_start_matches(|c: char| c.is_ascii_digit() || " #+-.".contains(c)).starts_with('*')
            });
            let wide = text.contains(['%', '{'])
                && text.split(|c: char| !c.is_ascii_digit()).any(|digits| {
                    let digits = digits.trim_start_matches('0');
                    digits.len() > 6
                });
            if star || wide {
                self.find(&rules::WORK, at, "text that is formatted to a great width".to_owned());
            }
        }
    }

    /// Looks at a filter's `attribute`, which may be several with dots between them.
    pub(super) fn path(&mut self, path: &Value, at: usize) {
        if !path.is_literal() && !path.built {
            self.find(&rules::COMPUTED_NAME, at, "an attribute whose name is not written out".to_owned());
        }
        for text in &path.texts {
            for part in text.split([',', '.']) {
                self.attribute(part.trim(), at);
            }
        }
        let built = Value { texts: std::collections::BTreeSet::new(), ..path.clone() };
        self.key(&built, at);
    }

    /// Looks at a text that is formatted: its fields can read attributes.
    pub(super) fn format(&mut self, name: &str, value: &Value, at: usize) {
        self.widths(value, at);
        for text in &value.texts {
            for field in text.split('{').skip(1) {
                let field = field.split(['}', ':', '!']).next().unwrap_or_default();
                for part in field.split(['.', '[', ']']).skip(1) {
                    self.attribute(part, at);
                }
                if field.contains(['.', '[']) {
                    self.find(&rules::FORMAT, at, format!("'{name}' of a field with attributes"));
                }
            }
        }
        if value.underscore {
            self.find(&rules::ESCAPE, at, format!("'{name}' of a text put together from underscores"));
        } else if value.built || value.texts.is_empty() || name == "format_map" {
            self.find(&rules::FORMAT, at, format!("'{name}' of a text that is computed"));
        }
    }
}

pub(super) fn is_format(name: &str) -> bool {
    matches!(name, "format" | "format_map")
}

/// Whether a name begins with so many underscores, or what Python takes for such.
fn begins(name: &str, count: usize) -> bool {
    name.chars().take_while(|c| is_underscore(*c)).count() >= count
}
