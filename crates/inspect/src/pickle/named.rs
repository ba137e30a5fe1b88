//! The globals that a pickle names: each is judged once.

use super::{
    globals::{Allowed, Role, Standing},
    rules,
    value::{Holds, Id, Value},
    vm::Vm,
};
use crate::scan::Scan;
use modelseal_core::inspection::{Capability, PickleTier};

/// Memory for one global beside its name.
const GLOBAL_BYTES: u64 = 160;

/// A global that the pickle names.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) module: Box<str>,
    pub(super) name: Box<str>,
    pub(super) standing: Standing,
}

impl Vm<'_, '_> {
    /// The value of a global that the pickle names, and what is thought of it.
    pub(super) fn global(&mut self, module: &str, name: &str, scan: &mut Scan<'_>) -> Value {
        let key = format!("{module}\n{name}\n{}", u8::from(self.protocol < 3));
        if let Some(&id) = self.index.get(&key) {
            return Value::Global(id);
        }
        let mut standing = self.judge.judge(module, name, self.protocol);
        if self.loader.torchscript && (module == "__torch__" || module.starts_with("__torch__.")) {
            let allowed = Allowed { role: Role::Class, weights_only: false, native: false };
            standing = Standing::Allowed(allowed);
        }
        let id = Id::try_from(self.globals.len()).unwrap_or(Id::MAX);
        self.globals.push(Named { module: module.into(), name: name.into(), standing });
        self.names += key.len() as u64;
        self.index.insert(key, id);
        let full = self.name(id);
        scan.contents.add_name(|contents| &mut contents.globals, &full);
        let mut holds = Holds::default();
        match standing {
            Standing::Allowed(allowed) => {
                self.raise(PickleTier::Framework);
                self.light &= allowed.weights_only;
                if allowed.role.is_function() {
                    holds = Holds::FUNCTION;
                }
                if allowed.native {
                    scan.contents.capabilities.insert(Capability::NativeState);
                    self.find_about(scan, &rules::NATIVE_STATE, &full, format!("{full} is used"));
                }
            }
            Standing::Unknown => {
                self.raise(PickleTier::Unknown);
                self.find_about(scan, &rules::UNKNOWN_GLOBAL, &full, format!("{full} is named"));
            }
            Standing::Dangerous(danger) => {
                self.raise(PickleTier::Dangerous);
                let message = format!("{full} is named: {danger}");
                self.find_about(scan, &rules::DANGEROUS_GLOBAL, &full, message);
            }
        }
        self.arena.globals.push(holds);
        Value::Global(id)
    }

    /// The global that these two texts have named before.
    pub(super) fn named_by(&self, module: Value, name: Value) -> Option<Value> {
        let (Value::Text(module), Value::Text(name)) = (module, name) else { return None };
        self.by_texts.get(&(module, name)).map(|&id| Value::Global(id))
    }

    pub(super) fn name_by(&mut self, module: Value, name: Value, global: Value) {
        const LONG: usize = 256;
        let (Value::Text(module), Value::Text(name), Value::Global(id)) = (module, name, global) else {
            return;
        };
        if self.arena.kept(module).len() + self.arena.kept(name).len() > LONG {
            self.by_texts.insert((module, name), id);
        }
    }

    pub(super) fn named(&self, id: Id) -> Option<&Named> {
        self.globals.get(id as usize)
    }

    /// `module.name`.
    pub(super) fn name(&self, id: Id) -> String {
        self.named(id).map_or_else(String::new, |named| format!("{}.{}", named.module, named.name))
    }

    /// Memory that all of that takes.
    pub(super) fn names_memory(&self) -> u64 {
        // Each name is there twice, in places that take some memory themselves.
        self.names * 2 + self.globals.len() as u64 * GLOBAL_BYTES + (self.by_texts.capacity() * 16) as u64
    }
}
