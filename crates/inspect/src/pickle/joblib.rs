//! Arrays that are not in the pickle: joblib puts them raw into the stream, behind the object that describes them, or into
//! files beside it.

use super::{
    reader::{Reader, Stop},
    rules,
    value::{Holds, Value},
    vm::{End, Fail, Loader, Step, Vm},
};
use crate::{limits, scan::Scan};
use modelseal_core::inspection::Capability;

/// An element type as far as reading needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dtype {
    name: String,
    size: u64,
    /// Whether elements are Python objects, so that a pickle follows.
    objects: bool,
}

impl Vm<'_, '_> {
    /// `NumpyArrayWrapper.read`: the array that `wrapper` describes follows, raw or as a pickle.
    pub(super) fn array_follows(
        &mut self,
        wrapper: Value,
        reader: &mut Reader<'_>,
        scan: &mut Scan<'_>,
    ) -> Step<()> {
        if self.loader.torch || self.loader.only_pickle {
            let message = "an array of joblib where joblib does not read".to_owned();
            self.find(scan, &rules::WRONG_USE, message);
            return Ok(());
        }
        self.joblib = true;
        let Some((dtype, count, aligned)) = self.wrapped_array(wrapper) else {
            let message = "the array's type or shape is missing or unusual".to_owned();
            self.find(scan, &rules::UNREADABLE_ARRAY, message);
            return Err(Fail::Bound);
        };
        self.array_begins(reader.offset(), scan);
        scan.contents.add_tensor(&dtype.name, count);
        self.note(|_| format!("an array of {count} elements of type {} follows", dtype.name));
        if dtype.objects {
            self.pickle_follows(reader, scan)?;
        } else {
            if let Some(alignment) = aligned {
                self.check_padding(alignment, reader, scan)?;
            }
            let size = count.checked_mul(dtype.size);
            let left = reader.remaining();
            let fits = size.filter(|&size| left.is_none_or(|left| size <= left));
            // The opcodes of other readers begin with the padding.
            let passed = match fits {
                Some(size) if aligned.is_none() => self.judge_raw(size, reader, scan)?,
                _ => 0,
            };
            let padding = if aligned.is_some() { reader.byte()?.into() } else { 0 };
            let bytes = size.and_then(|bytes| bytes.checked_sub(passed)?.checked_add(padding));
            match bytes.map(|bytes| reader.pass(bytes)) {
                Some(Ok(())) => {}
                None | Some(Err(Stop::Truncated)) => {
                    return Err(Fail::Broken("an array is longer than the file".to_owned()));
                }
                Some(Err(stop)) => return Err(stop.into()),
            }
        }
        let weight = self.arena.weight(Value::None);
        let array = self.arena.add_object(None, Value::None, weight);
        self.replace_top(array);
        Ok(())
    }

    /// A pickle of its own begins here and ends before this one goes on.
    fn pickle_follows(&mut self, reader: &mut Reader<'_>, scan: &mut Scan<'_>) -> Step<()> {
        if self.depth >= limits::PICKLE_NESTING {
            self.find(scan, &limits::NESTED, "object arrays lie in object arrays".to_owned());
            return Err(Fail::Bound);
        }
        let mut inner = Vm::new(self.judge, Loader { only_pickle: true, ..self.loader }, self.depth + 1);
        inner.trace = self.trace.take();
        let end = inner.run(reader, scan);
        self.trace = inner.trace.take();
        self.raise(inner.tier);
        match end? {
            End::Stopped => Ok(()),
            End::Broken | End::Bound => Err(Fail::Bound),
        }
    }

    /// `NDArrayWrapper.read`: the array is in a file of the pickle's directory.
    pub(super) fn array_elsewhere(&mut self, state: Value, scan: &mut Scan<'_>) {
        self.joblib = true;
        let name = self.arena.get(state, "filename");
        let Some(name) = name.and_then(|name| self.arena.text(name)).map(str::to_owned) else {
            let message = "the name of the array's file is missing or no text".to_owned();
            return self.find(scan, &rules::FILE_REFERENCE, message);
        };
        scan.contents.capabilities.insert(Capability::ExternalFiles);
        scan.contents.add_name(|contents| &mut contents.external, &name);
        let leaves = name.contains(['/', '\\', '\0', ':']) || name == ".." || name == "." || name.is_empty();
        let rule = if leaves { &rules::FILE_REFERENCE } else { &rules::OTHER_FILE };
        self.find_about(scan, rule, &name, format!("the file is '{name}'"));
    }

    /// `BUILD` on a `numpy.dtype`: a structure that holds objects becomes an object type.
    pub(super) fn dtype_built(&mut self, instance: Value, state: Value) {
        if self.structure_holds_objects(state) {
            let Value::Object(id) = instance else { return };
            self.arena.hold(id, Holds::OBJECT_TYPE);
        }
    }

    /// The type, number of elements, and to what they are aligned by padding.
    fn wrapped_array(&self, wrapper: Value) -> Option<(Dtype, u64, Option<i64>)> {
        let state = self.arena.object(wrapper)?.state;
        let dtype = self.dtype(self.arena.get(state, "dtype")?)?;
        let shape = self.arena.get(state, "shape")?;
        if !matches!(shape, Value::Tuple(_)) {
            return None;
        }
        let mut count: u64 = 1;
        for &dimension in self.arena.tuple(shape) {
            let dimension = u64::try_from(self.arena.int(dimension)?).ok()?;
            count = count.checked_mul(dimension)?;
        }
        // Versions before 1.2 do not know of alignment.
        let aligned = match self.arena.get(state, "numpy_array_alignment_bytes") {
            None | Some(Value::None) => None,
            Some(alignment) => self.arena.int(alignment),
        };
        Some((dtype, count, aligned))
    }

    fn dtype(&self, value: Value) -> Option<Dtype> {
        let object = self.arena.object(value)?;
        if self.role(object.callee?) != Some(super::Role::Dtype) {
            return None;
        }
        let name = self.arena.text(*self.arena.tuple(object.args).first()?)?.to_owned();
        let plain = name.trim_start_matches(['<', '>', '=', '|']);
        let mut chars = plain.chars();
        let kind = chars.next()?;
        let digits = chars.as_str();
        if kind == 'O' {
            return Some(Dtype { name, size: 0, objects: true });
        }
        let number: Option<u64> = if digits.is_empty() { None } else { Some(digits.parse().ok()?) };
        // The state of a flexible type says its size, whatever the name says.
        let flexible = matches!(kind, 'V' | 'U' | 'S' | 'a');
        let state = self.arena.tuple(object.state);
        let said = || state.get(5).and_then(|&size| self.arena.int(size));
        let size = match (kind, number) {
            _ if flexible && state.len() > 5 => u64::try_from(said()?).ok()?,
            ('U', Some(number)) => number.checked_mul(4)?,
            ('b' | 'i' | 'u' | 'f' | 'c' | 'V' | 'S' | 'a' | 'M' | 'm', Some(number)) => number,
            ('?' | 'b' | 'B', None) => 1,
            ('h' | 'H' | 'e', None) => 2,
            ('i' | 'I' | 'f', None) => 4,
            ('l' | 'L' | 'q' | 'Q' | 'd' | 'F', None) => 8,
            ('D', None) => 16,
            _ => return None,
        };
        let objects = kind == 'V' && self.structure_holds_objects(object.state);
        Some(Dtype { name, size, objects })
    }

    /// Of the state of a structured type: its flags say whether it holds objects (`NPY_ITEM_REFCOUNT`).
    fn structure_holds_objects(&self, state: Value) -> bool {
        let state = self.arena.tuple(state);
        state.get(7).and_then(|&flags| self.arena.int(flags)).is_some_and(|flags| flags & 1 != 0)
    }
}
