//! The values of a pickle as the virtual machine knows them: eight bytes each, pointing into arenas. Nothing is copied
//! when a value is, nothing recurses, and everything together is counted against one bound.

use crate::{limits, memory::room};

/// A place in one of the arenas.
pub(super) type Id = u32;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i32),
    /// One that needs more than 32 bits: [`Arena::longs`].
    Long(Id),
    /// One that needs more than 64.
    Huge,
    Float,
    /// Text that stands in the stream: [`Arena::text`].
    Text(Id),
    /// Bytes that stand in the stream.
    Bytes(Id),
    ByteArray,
    /// A module's attribute: the place in the machine's table of globals.
    Global(Id),
    /// Containers: [`Arena::nodes`].
    Tuple(Id),
    List(Id),
    Dict(Id),
    Set(Id),
    /// What a call gives: [`Arena::objects`].
    Object(Id),
    /// Something from elsewhere: a buffer, an extension.
    Foreign,
}

/// What a value holds, itself or within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Holds(u8);

impl Holds {
    /// A function that an allowed role would call.
    pub(super) const FUNCTION: Self = Self(1);
    /// A type of elements that are Python objects.
    pub(super) const OBJECT_TYPE: Self = Self(2);

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Size, depth and holdings of a value, as far as known when it was put where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Values that it stands for if nothing were shared.
    pub(super) size: f32,
    pub(super) depth: u16,
    pub(super) holds: Holds,
}

/// A container. Tuples keep their elements, dictionaries their first entries with text keys, others only a count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Of a tuple, the first element in the pool; of a dictionary, the newest entry, or [`NO_ENTRY`].
    pub(super) first: u32,
    /// Elements.
    pub(super) len: u32,
    pub(super) weight: Weight,
    /// Entries kept of a dictionary.
    kept: u8,
    /// Whether a key of the dictionary is a name of Python's own protocols, `__setstate__` for one.
    dunder: bool,
    /// Whether a key of the dictionary is the result of a call.
    computed: bool,
}

impl Node {
    const EMPTY: Self =
        Self { first: NO_ENTRY, len: 0, weight: PLAIN, kept: 0, dunder: false, computed: false };
}

/// An entry of a dictionary whose key is text.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Id,
    value: Value,
    next: u32,
}

/// Text or bytes.
#[derive(Debug, Clone, Copy)]
struct Text {
    start: u32,
    kept: u16,
    /// Whether that is all of it.
    whole: bool,
}

/// The result of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    /// What was called; none when that was no global.
    pub(super) callee: Option<Id>,
    /// With what.
    pub(super) args: Value,
    /// What it was given by `BUILD`.
    pub(super) state: Value,
    pub(super) weight: Weight,
}

pub(super) const NO_ENTRY: u32 = u32::MAX;
/// Attributes that do nothing when they are set on an instance.
const HARMLESS: [&[u8]; 8] = [
    b"__dict__",
    b"__doc__",
    b"__module__",
    b"__orig_class__",
    b"__pydantic_extra__",
    b"__pydantic_fields_set__",
    b"__pydantic_private__",
    b"__wrapped__",
];
/// Entries that are kept of a dictionary: more than the state of any wrapper has.
const ENTRIES: u8 = 24;

#[derive(Default, Clone)]
pub(super) struct Arena {
    heap: Vec<u8>,
    texts: Vec<Text>,
    longs: Vec<i64>,
    pool: Vec<Value>,
    nodes: Vec<Node>,
    entries: Vec<Entry>,
    objects: Vec<Object>,
    /// What each of the machine's globals counts as, when it is held by something.
    pub(super) globals: Vec<Holds>,
}

const PLAIN: Weight = Weight { size: 1.0, depth: 0, holds: Holds(0) };

impl Arena {
    /// Bytes of memory, as they are reserved.
    pub(super) fn memory(&self) -> u64 {
        let of = |capacity: usize, size: usize| (capacity * size) as u64;
        of(self.heap.capacity(), 1)
            + of(self.texts.capacity(), size_of::<Text>())
            + of(self.longs.capacity(), 8)
            + of(self.pool.capacity(), size_of::<Value>())
            + of(self.nodes.capacity(), size_of::<Node>())
            + of(self.entries.capacity(), size_of::<Entry>())
            + of(self.objects.capacity(), size_of::<Object>())
    }

    /// Makes room for `more` of those of which an opcode adds one.
    pub(super) fn room(&mut self, more: usize) {
        room(&mut self.texts, more);
        room(&mut self.longs, more);
        room(&mut self.nodes, more);
        room(&mut self.objects, more);
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.heap.clear();
        self.texts.clear();
        self.longs.clear();
        self.pool.clear();
        self.nodes.clear();
        self.entries.clear();
        self.objects.clear();
        self.globals.clear();
    }

    pub(super) fn add_text(&mut self, kept: &[u8], whole: bool) -> Id {
        let kept = &kept[..kept.len().min(limits::PICKLE_TEXT)];
        let start = index(self.heap.len());
        room(&mut self.heap, kept.len());
        self.heap.extend_from_slice(kept);
        self.texts.push(Text { start, kept: u16::try_from(kept.len()).unwrap_or(u16::MAX), whole });
        index(self.texts.len() - 1)
    }

    /// The text or bytes, when all of it was kept.
    pub(super) fn whole(&self, id: Id) -> Option<&[u8]> {
        self.texts.get(id as usize).filter(|text| text.whole).map(|text| self.slice(*text))
    }

    /// What was kept of the text or bytes.
    pub(super) fn kept(&self, id: Id) -> &[u8] {
        self.texts.get(id as usize).map_or(&[], |text| self.slice(*text))
    }

    /// The text of a value that is text.
    pub(super) fn text(&self, value: Value) -> Option<&str> {
        let Value::Text(id) = value else { return None };
        self.whole(id).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The number of a value that is one.
    pub(super) fn int(&self, value: Value) -> Option<i64> {
        match value {
            Value::Int(int) => Some(int.into()),
            Value::Long(id) => self.longs.get(id as usize).copied(),
            Value::Bool(bool) => Some(bool.into()),
            _ => None,
        }
    }

    pub(super) fn add_int(&mut self, int: i64) -> Value {
        i32::try_from(int).map_or_else(
            |_| {
                self.longs.push(int);
                Value::Long(index(self.longs.len() - 1))
            },
            Value::Int,
        )
    }

    pub(super) fn add_tuple(&mut self, elements: &[Value]) -> Value {
        let weight = self.weight_of(elements);
        let first = index(self.pool.len());
        room(&mut self.pool, elements.len());
        self.pool.extend_from_slice(elements);
        Value::Tuple(self.add_node(Node { first, len: index(elements.len()), weight, ..Node::EMPTY }))
    }

    pub(super) fn add_list(&mut self) -> Value {
        Value::List(self.add_node(Node::EMPTY))
    }

    pub(super) fn add_dict(&mut self) -> Value {
        Value::Dict(self.add_node(Node::EMPTY))
    }

    pub(super) fn add_set(&mut self) -> Value {
        Value::Set(self.add_node(Node::EMPTY))
    }

    pub(super) fn add_object(&mut self, callee: Option<Id>, args: Value, weight: Weight) -> Value {
        self.objects.push(Object { callee, args, state: Value::None, weight });
        Value::Object(index(self.objects.len() - 1))
    }

    pub(super) fn object(&self, value: Value) -> Option<&Object> {
        let Value::Object(id) = value else { return None };
        self.objects.get(id as usize)
    }

    pub(super) fn set_state(&mut self, object: Id, state: Value) {
        let weight = self.weight(state);
        if let Some(object) = self.objects.get_mut(object as usize) {
            object.state = state;
            object.weight = object.weight.and(weight);
            object.weight.holds = object.weight.holds.without(Holds::FUNCTION);
        }
    }

    /// Adds to what an object holds.
    pub(super) fn hold(&mut self, object: Id, holds: Holds) {
        if let Some(object) = self.objects.get_mut(object as usize) {
            object.weight = object.weight.holding(holds);
        }
    }

    /// The elements of a tuple; nothing for what is none.
    pub(super) fn tuple(&self, value: Value) -> &[Value] {
        let Value::Tuple(id) = value else { return &[] };
        let Some(node) = self.nodes.get(id as usize) else { return &[] };
        self.pool.get(node.first as usize..(node.first + node.len) as usize).unwrap_or_default()
    }

    /// Puts elements into a list or set.
    pub(super) fn extend(&mut self, container: Id, elements: &[Value]) {
        let added = self.weight_of(elements);
        self.grow(container, elements.len(), added);
    }

    /// Puts entries into a dictionary.
    pub(super) fn insert(&mut self, dict: Id, pairs: &[[Value; 2]]) {
        let mut added = self.weight_of(pairs.as_flattened());
        added.depth = added.depth.max(1);
        let Some(mut node) = self.nodes.get(dict as usize).copied() else { return };
        for &[key, value] in pairs {
            node.computed |= matches!(key, Value::Object(_) | Value::Foreign);
            let Value::Text(key) = key else { continue };
            let kept = self.kept(key);
            node.dunder |= kept.starts_with(b"__") && is_dunder(kept) && !HARMLESS.contains(&kept);
            if node.kept < ENTRIES {
                let next = index(self.entries.len());
                room(&mut self.entries, 1);
                self.entries.push(Entry { key, value, next: node.first });
                node.first = next;
                node.kept += 1;
            }
        }
        if let Some(there) = self.nodes.get_mut(dict as usize) {
            *there = node;
        }
        self.grow(dict, pairs.len(), added);
    }

    /// The value of a text key, the last that was put there; none also when not all entries were kept.
    pub(super) fn get(&self, dict: Value, key: &str) -> Option<Value> {
        let Value::Dict(id) = dict else { return None };
        let node = self.nodes.get(id as usize).filter(|node| u32::from(node.kept) == node.len)?;
        let mut at = node.first;
        while let Some(entry) = self.entries.get(at as usize) {
            if self.whole(entry.key) == Some(key.as_bytes()) {
                return Some(entry.value);
            }
            at = entry.next;
        }
        None
    }

    /// Whether a key of the dictionary is a name of Python's own protocols.
    pub(super) fn has_dunder_key(&self, value: Value) -> bool {
        let Value::Dict(id) = value else { return false };
        self.nodes.get(id as usize).is_some_and(|node| node.dunder)
    }

    /// Whether a key of the dictionary is the result of a call.
    pub(super) fn has_computed_key(&self, value: Value) -> bool {
        let Value::Dict(id) = value else { return false };
        self.nodes.get(id as usize).is_some_and(|node| node.computed)
    }

    /// Elements of a container.
    pub(super) fn len(&self, value: Value) -> usize {
        match value {
            Value::Tuple(id) | Value::List(id) | Value::Dict(id) | Value::Set(id) => {
                self.nodes.get(id as usize).map_or(0, |node| node.len as usize)
            }
            _ => 0,
        }
    }

    pub(super) fn weight(&self, value: Value) -> Weight {
        match value {
            Value::Tuple(id) | Value::List(id) | Value::Dict(id) | Value::Set(id) => {
                self.nodes.get(id as usize).map_or(PLAIN, |node| node.weight)
            }
            Value::Object(id) => self.objects.get(id as usize).map_or(PLAIN, |object| object.weight),
            Value::Global(id) => PLAIN.holding(self.globals.get(id as usize).copied().unwrap_or_default()),
            _ => PLAIN,
        }
    }

    /// What several values weigh together, one level deeper than they are.
    pub(super) fn weight_of(&self, values: &[Value]) -> Weight {
        let mut all = Weight { size: values.len() as f32, depth: 0, holds: Holds(0) };
        for &value in values {
            match value {
                Value::Tuple(_)
                | Value::List(_)
                | Value::Dict(_)
                | Value::Set(_)
                | Value::Object(_)
                | Value::Global(_) => all = all.and(self.weight(value)),
                _ => {}
            }
        }
        all.depth = all.depth.saturating_add(1);
        all
    }

    fn add_node(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        index(self.nodes.len() - 1)
    }

    fn grow(&mut self, container: Id, count: usize, added: Weight) {
        if let Some(node) = self.nodes.get_mut(container as usize) {
            node.len = node.len.saturating_add(index(count));
            node.weight = node.weight.and(added);
        }
    }

    fn slice(&self, text: Text) -> &[u8] {
        let start = text.start as usize;
        self.heap.get(start..start + usize::from(text.kept)).unwrap_or_default()
    }
}

impl Weight {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            size: self.size + other.size,
            depth: self.depth.max(other.depth),
            holds: self.holds.with(other.holds),
        }
    }

    /// Adds what is held without adding anything that weighs.
    pub(super) fn holding(self, holds: Holds) -> Self {
        Self { holds: self.holds.with(holds), ..self }
    }
}

/// Whether Python gives this name a meaning of its own.
pub(super) fn is_dunder(name: &[u8]) -> bool {
    name.len() > 4 && name.starts_with(b"__") && name.ends_with(b"__")
}

/// The bound on memory keeps every arena far below four billion entries.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_small() {
        assert_eq!(size_of::<Value>(), 8);
    }

    #[test]
    fn a_dictionary_gives_the_last_value_of_a_key() {
        let mut arena = Arena::default();
        let key = Value::Text(arena.add_text(b"shape", true));
        let dict = arena.add_dict();
        let Value::Dict(id) = dict else { unreachable!() };
        arena.insert(id, &[[key, Value::Int(1)]]);
        arena.insert(id, &[[key, Value::Int(2)]]);
        assert_eq!(arena.get(dict, "shape"), Some(Value::Int(2)));
        assert_eq!(arena.get(dict, "dtype"), None);
        for _ in 0..ENTRIES {
            arena.insert(id, &[[key, Value::Int(3)]]);
        }
        assert_eq!(arena.get(dict, "shape"), None, "not all entries were kept");
    }

    #[test]
    fn sizes_multiply_when_values_are_shared() {
        let mut arena = Arena::default();
        let mut value = arena.add_list();
        for _ in 0..40 {
            value = arena.add_tuple(&[value, value]);
        }
        let weight = arena.weight(value);
        assert!(weight.size > limits::PICKLE_VALUES && weight.depth == 40);
    }

    #[test]
    fn a_dunder_key_counts_for_its_own_dictionary() {
        let mut arena = Arena::default();
        let key = Value::Text(arena.add_text(b"__setstate__", true));
        let harmless = Value::Text(arena.add_text(b"__dict__", true));
        let (inner, outer) = (arena.add_dict(), arena.add_dict());
        let (Value::Dict(inner_id), Value::Dict(outer_id)) = (inner, outer) else { unreachable!() };
        arena.insert(inner_id, &[[key, Value::None]]);
        arena.insert(outer_id, &[[harmless, inner]]);
        assert!(arena.has_dunder_key(inner) && !arena.has_dunder_key(outer));
        assert!(!is_dunder(b"____") && !is_dunder(b"__x"));
    }
}
