//! [`Value`]: a document as a tree. Of large documents, what bears no name that is looked for is left out and counted.

use super::reader::{Event, Problem, Reader};
use crate::{bytes::Stream, limits};

/// A JSON value.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(dead_code, reason = "kinds differ in what they look at")]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, as near as it can be told.
    Float(f64),
    Text(Box<str>),
    /// A string that is longer than is kept, and its length in bytes.
    LongText(u64),
    Array(Array),
    Object(Object),
}

/// A JSON array.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Array {
    pub(crate) items: Vec<Value>,
    /// How many more there were.
    pub(crate) left_out: u64,
}

/// A JSON object: its members in their order, also those that it has twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object {
    pub(crate) members: Vec<Member>,
    /// How many more there were.
    pub(crate) left_out: u64,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    /// Where the name begins.
    pub(crate) at: u64,
    pub(crate) value: Value,
}

#[allow(dead_code, reason = "kinds differ in what they look at")]
impl Value {
    /// The member of that name, if this is an object that has one: the last, as Python takes it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let found = self.as_object()?.members.iter().rev().find(|member| &*member.name == name)?;
        Some(&found.value)
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(array) = self { Some(&array.items) } else { None }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_i64(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// Calls `look` for every member of every object within, at any depth.
    pub(crate) fn walk<'v>(&'v self, look: &mut dyn FnMut(&'v Member)) {
        match self {
            Self::Array(array) => array.items.iter().for_each(|item| item.walk(look)),
            Self::Object(object) => {
                for member in &object.members {
                    look(member);
                    member.value.walk(look);
                }
            }
            _ => {}
        }
    }
}

/// A document, and how far it could be read.
pub(crate) struct Built {
    pub(crate) value: Value,
    /// Whether nothing was left out.
    pub(crate) whole: bool,
    /// Whether something was left out that may matter.
    pub(crate) bounded: bool,
    pub(crate) problem: Option<Problem>,
}

/// Reads the next document. When it is broken, the value holds what came before.
pub(crate) fn build<S: Stream>(reader: &mut Reader<S>) -> Built {
    let mut builder = Builder { open: Vec::new(), held: 0, whole: true, bounded: false, root: None };
    let problem = loop {
        match reader.next() {
            Ok(Event::End) => break None,
            Ok(event) => builder.take(event, reader),
            Err(problem) => break Some(problem),
        }
    };
    while !builder.open.is_empty() {
        builder.close();
    }
    let value = builder.root.unwrap_or_default();
    Built { value, whole: builder.whole, bounded: builder.bounded, problem }
}

struct Builder {
    open: Vec<Opened>,
    /// Memory for what is kept.
    held: usize,
    whole: bool,
    bounded: bool,
    root: Option<Value>,
}

/// An array or object whose end has not come.
struct Opened {
    value: Value,
    /// The member that comes next.
    name: Option<(Box<str>, u64)>,
    /// What was held before it.
    before: usize,
    /// The same before that name.
    before_name: usize,
    /// Whether a name in it is looked for.
    wanted: bool,
}

impl Builder {
    fn take<S: Stream>(&mut self, event: Event, reader: &Reader<S>) {
        let text = || reader.text().unwrap_or_default();
        let value = match event {
            Event::Name => {
                let name: Box<str> = text().into();
                let before = self.held;
                self.held += name.len();
                if let Some(open) = self.open.last_mut() {
                    open.before_name = before;
                    open.wanted |= super::WANTED.contains(&&*name);
                    open.name = Some((name, reader.began()));
                }
                return;
            }
            Event::BeginArray => return self.open(Value::Array(Array::default())),
            Event::BeginObject => return self.open(Value::Object(Object::default())),
            Event::EndArray | Event::EndObject => return self.close(),
            Event::Text => match reader.text() {
                Some(text) => Value::Text(text.into()),
                None => Value::LongText(reader.text_len()),
            },
            Event::Number => match text().parse() {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Float(text().parse().unwrap_or(f64::NAN)),
            },
            Event::Bool(value) => Value::Bool(value),
            Event::Null | Event::End => Value::Null,
        };
        let before = self.held;
        self.held += size_of::<Member>() + value.as_str().map_or(0, str::len);
        self.put(value, before, false);
    }

    fn open(&mut self, value: Value) {
        self.open.push(Opened {
            value,
            name: None,
            before: self.held,
            before_name: self.held,
            wanted: false,
        });
        self.held += size_of::<Member>();
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.put(open.value, open.before, open.wanted);
        }
    }

    /// Puts a value where it belongs; `wanted` when a name in it is looked for, or else it may be left out.
    fn put(&mut self, value: Value, before: usize, wanted: bool) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return;
        };
        let name = open.name.take();
        let wanted = wanted || name.as_ref().is_some_and(|(name, _)| super::WANTED.contains(&&**name));
        open.wanted |= wanted;
        let bounded = self.held > limits::JSON_TREE;
        let left_out = bounded || self.held > limits::JSON_TREE / 2 && !wanted;
        if left_out {
            self.bounded |= wanted;
            self.whole = false;
            self.held = if name.is_some() { open.before_name } else { before };
        }
        match (&mut open.value, name) {
            (Value::Array(array), _) if left_out => array.left_out += 1,
            (Value::Object(object), _) if left_out => object.left_out += 1,
            (Value::Array(array), _) => array.items.push(value),
            (Value::Object(object), Some((name, at))) => object.members.push(Member { name, at, value }),
            _ => {}
        }
    }
}
