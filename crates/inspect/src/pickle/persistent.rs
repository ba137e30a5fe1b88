//! Persistent identifiers: PyTorch refers by them to storages, which are members of the archive or follow the pickles.

use super::{
    globals::Role,
    rules,
    value::Value,
    vm::{Storage, Vm},
};
use crate::{limits, scan::Scan};
use modelseal_core::inspection::PickleTier;

impl Vm<'_, '_> {
    /// The value that stands for what a persistent identifier refers to.
    pub(super) fn persistent(&mut self, id: Value, scan: &mut Scan<'_>) -> Value {
        let elements: Vec<Value> = self.arena.tuple(id).iter().copied().take(6).collect();
        self.raise(PickleTier::Framework);
        self.note(|vm| format!("the loader is asked for {}", vm.describe(id)));
        if !self.loader.torch {
            self.not_light();
            let message = format!("the persistent identifier {}", self.describe(id));
            self.find(scan, &rules::PERSISTENT, message);
            return Value::Foreign;
        }
        if self.loader.numbers {
            return elements.first().copied().unwrap_or(Value::Foreign);
        }
        let kind = elements.first().and_then(|&kind| self.arena.text(kind)).unwrap_or_default();
        if kind == "module" {
            // Before 1.0 a whole module came with its source, which is compared and not executed.
            return elements.get(1).copied().unwrap_or(Value::Foreign);
        }
        let size = match elements.get(1) {
            Some(&Value::Global(class)) if self.role(class) == Some(Role::Storage) => {
                self.named(class).and_then(|named| element_size(&named.name))
            }
            _ => None,
        };
        let key = elements.get(2).and_then(|&key| self.arena.text(key)).map(str::to_owned);
        let count = elements.get(4).and_then(|&count| self.arena.int(count));
        let count = count.and_then(|count| u64::try_from(count).ok());
        let ("storage", Some(size), Some(key), Some(count)) = (kind, size, key, count) else {
            self.not_light();
            let message = format!("{} is no storage of PyTorch", self.describe(id));
            self.find(scan, &rules::PERSISTENT, message);
            return Value::Foreign;
        };
        if self.storages.len() < limits::STORAGES {
            let storage = Storage { key, bytes: count.checked_mul(size), offset: self.at };
            self.storages.push(storage);
        } else {
            let message = format!("more than {}", limits::STORAGES);
            self.find(scan, &limits::TOO_MANY_STORAGES, message);
        }
        let weight = self.arena.weight(Value::None);
        let storage = self.arena.add_object(None, Value::None, weight);
        self.remember_storage(storage, elements.get(1).copied());
        storage
    }

    /// Bytes of an element of the storage that the pickle's result describes: key, place and type.
    pub(super) fn stored_element(&self) -> Option<u64> {
        let class = self.arena.tuple(self.result()?).get(2).copied()?;
        let Value::Global(class) = class else { return None };
        element_size(&self.named(class)?.name)
    }
}

/// Bytes of an element by the name of its class of storage.
pub(super) fn element_size(class: &str) -> Option<u64> {
    Some(match class.strip_suffix("Storage")? {
        "ComplexDouble" => 16,
        "Double" | "Long" | "ComplexFloat" => 8,
        "Float" | "Int" | "QInt32" => 4,
        "Half" | "BFloat16" | "Short" => 2,
        "Byte" | "Char" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" | "Untyped" | "Typed" => 1,
        _ => return None,
    })
}
