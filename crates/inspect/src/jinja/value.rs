//! [`Value`]: what an expression can give, as far as names are concerned: which texts that stand in the template.

use std::{collections::BTreeSet, rc::Rc};

/// Texts of one value that are told apart.
const TEXTS: usize = 8;

/// Letters of a text that is followed: longer ones are no names.
const LENGTH: usize = 64;

/// What an expression can give. The default is something from outside the template: messages, tools, numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// Texts of the template that it can be, or hold.
    pub(super) texts: BTreeSet<Rc<str>>,
    /// Whether it can come from outside the template, or be nothing.
    pub(super) outside: bool,
    /// Whether it can be a text that is put together, which cannot be told here: its texts are then what the template has
    /// of it.
    pub(super) built: bool,
    /// Whether an underscore can come to stand at its beginning by that.
    pub(super) underscore: bool,
    /// How many lists or mappings at least lie around its texts.
    pub(super) depth: u8,
    /// The number that it is, or how many a range has.
    pub(super) int: Option<i64>,
    /// Where it comes from, if that is not the template.
    pub(super) from: From,
    /// Whether it is a mapping that the template wrote out, which has keys of data by right.
    pub(super) mapping: bool,
    /// Whether it is a text or a list that the template wrote out, or a function: what is asked of it by name is an
    /// attribute.
    pub(super) fixed: bool,
}

/// Where a value comes from: who chose it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct From {
    /// Whoever made the model: its special tokens.
    pub(super) token: bool,
    /// Whoever renders the template, or made the model.
    pub(super) data: bool,
    /// Only what a loop went over: what a mapping has as its own key.
    pub(super) own: bool,
    /// It lies in a list that was made of data, so that going over it gives data again.
    pub(super) held: bool,
}

impl From {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            token: self.token || other.token,
            data: self.data || other.data,
            own: (self.own || !self.data) && (other.own || !other.data) && (self.data || other.data),
            held: self.held || other.held,
        }
    }

    /// The same, taken out of it or made of it.
    pub(super) fn taken(self) -> Self {
        Self { own: false, ..self }
    }
}

impl Default for Value {
    fn default() -> Self {
        Self {
            texts: BTreeSet::new(),
            outside: true,
            built: false,
            underscore: false,
            depth: u8::MAX,
            int: None,
            from: From::default(),
            mapping: false,
            fixed: false,
        }
    }
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        let mut value = Self { outside: false, depth: 0, fixed: true, ..Self::default() };
        value.add(text);
        value
    }

    pub(super) fn int(number: i64) -> Self {
        Self { int: Some(number), ..Self::default() }
    }

    /// Either of the two.
    pub(super) fn or(mut self, other: &Self) -> Self {
        self.outside |= other.outside;
        self.built |= other.built;
        self.underscore |= other.underscore;
        self.depth = self.depth.min(other.depth);
        self.int = None;
        self.from = self.from.or(other.from);
        self.mapping &= other.mapping;
        self.fixed &= other.fixed;
        for text in &other.texts {
            self.insert(text.clone());
        }
        self
    }

    /// One after the other, as text. What comes from outside may be empty: without it, the texts are what remains.
    pub(super) fn then(&self, other: &Self) -> Self {
        let texts = |value: &Self| -> Vec<Rc<str>> {
            let mut texts: Vec<Rc<str>> = value.texts.iter().cloned().collect();
            if value.outside || texts.is_empty() {
                texts.push("".into());
            }
            texts
        };
        let (first, second) = (texts(self), texts(other));
        let partly = |value: &Self| value.built || value.outside || value.texts.is_empty() || value.depth > 0;
        let mut joined = Self {
            built: partly(self) || partly(other),
            underscore: self.underscore || other.underscore,
            outside: false,
            depth: 0,
            from: self.from.or(other.from).taken(),
            ..Self::default()
        };
        if first.len() * second.len() > TEXTS {
            joined.built = true;
            joined.underscore |= self.leads() || other.leads();
            return joined;
        }
        for first in &first {
            for second in &second {
                joined.add(&format!("{first}{second}"));
            }
        }
        joined
    }

    /// This with some of it replaced by `other`, or put between: from outside, only what is written out in one piece can
    /// come to stand at the beginning.
    pub(super) fn mixed(self, other: &Self) -> Self {
        if self.is_text() && other.is_text() || self.texts.iter().any(|text| text.contains(is_underscore)) {
            return self.or(other).letters();
        }
        let both = self.or(other);
        let double = both.texts.iter().any(|text| text.contains("__"));
        let built = both.is_text();
        Self {
            built,
            underscore: both.underscore || double,
            depth: if built { 0 } else { u8::MAX },
            from: both.from.taken(),
            ..Self::default()
        }
    }

    /// The same with each text changed.
    pub(super) fn map(&self, change: impl Fn(&str) -> String) -> Self {
        let mut value = Self { texts: BTreeSet::new(), int: None, ..self.clone() };
        for text in &self.texts {
            value.add(&change(text));
        }
        value
    }

    /// A list of it, or a mapping with it.
    pub(super) fn within(mut self) -> Self {
        self.int = None;
        self.mapping = false;
        self.from.held = self.from.data;
        self.depth = self.depth.saturating_add(1);
        self
    }

    /// An item of it, if it is a list or a mapping.
    pub(super) fn item(mut self) -> Self {
        self.int = None;
        (self.mapping, self.fixed) = (false, false);
        self.from = From { held: false, ..self.from.taken() };
        if self.depth != u8::MAX {
            self.depth = self.depth.saturating_sub(1);
        }
        self
    }

    /// An item of it, or if it can be a text, some letters.
    pub(super) fn part(self) -> Self {
        if self.depth > 0 { self.item() } else { self.letters() }
    }

    /// The same list, or if it can be a text, its letters.
    pub(super) fn listed(self) -> Self {
        if self.depth > 0 { self } else { self.letters() }
    }

    /// Some letters of it, in whatever order. Without an underscore among them they are no more than what comes from
    /// outside.
    pub(super) fn letters(mut self) -> Self {
        self.int = None;
        (self.mapping, self.fixed) = (false, false);
        self.from = self.from.taken();
        if self.texts.iter().any(|text| text.contains(is_underscore)) {
            self.built = true;
            self.underscore = true;
        }
        self.depth = if self.built { 0 } else { u8::MAX };
        self.texts.clear();
        self
    }

    /// What can no longer be followed.
    pub(super) fn blurred(self) -> Self {
        let underscore = self.underscore || self.leads();
        Self { built: true, underscore, depth: 0, from: self.from.taken(), ..Self::default() }
    }

    /// The same, which may also come from where `other` does.
    pub(super) fn made_of(mut self, other: &Self) -> Self {
        self.from = self.from.or(other.from.taken());
        self
    }

    /// One of what a loop goes over: of data, a key or an item that is its own.
    pub(super) fn gone_over(self, before: From) -> Self {
        let own = before.data && !before.held;
        Self { from: From { own, held: false, ..before }, ..self }
    }

    /// Whether it differs from `other` in more than where it comes from.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let Self { from, mapping, fixed, .. } = other.clone();
        Self { from, mapping, fixed, ..self.clone() } != *other
    }

    /// Whether it is a name or a number that the template writes out.
    pub(super) fn is_literal(&self) -> bool {
        !self.built && !self.from.data && (!self.texts.is_empty() || self.int.is_some())
    }

    /// Whether the template has a say in it.
    pub(super) fn is_text(&self) -> bool {
        self.built || !self.texts.is_empty()
    }

    /// Whether one of its texts can give a name with an underscore in front when it is put together with others.
    fn leads(&self) -> bool {
        self.texts.iter().any(|text| text.starts_with(is_underscore) || text.contains("__"))
    }

    fn add(&mut self, text: &str) {
        if text.len() > LENGTH {
            self.built = true;
            self.underscore |= text.starts_with(is_underscore);
        } else {
            self.insert(text.into());
        }
    }

    fn insert(&mut self, text: Rc<str>) {
        if self.texts.len() < TEXTS || self.texts.contains(&text) {
            self.texts.insert(text);
        } else {
            self.built = true;
            self.underscore |= text.starts_with(is_underscore) || text.contains("__");
        }
    }
}

/// Whether Python can take the letter for an underscore.
pub(super) fn is_underscore(letter: char) -> bool {
    matches!(letter, '_' | '\u{fe33}' | '\u{fe34}' | '\u{fe4d}'..='\u{fe4f}' | '\u{ff3f}')
}
