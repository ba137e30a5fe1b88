//! Judges what is done to values that exist: states, entries and elements.

use super::{
    globals::{Role, Standing},
    reader::Reader,
    rules,
    value::Value,
    vm::{Step, Vm},
};
use crate::scan::Scan;
use modelseal_core::inspection::PickleTier;

impl Vm<'_, '_> {
    /// `BUILD`: gives `instance`, which stays on top of the stack, a state.
    pub(super) fn build(
        &mut self,
        instance: Value,
        state: Value,
        reader: &mut Reader<'_>,
        scan: &mut Scan<'_>,
    ) -> Step<()> {
        self.acts = true;
        let id = match instance {
            Value::Object(id) => id,
            Value::Global(id) => {
                let name = self.name(id);
                self.raise(PickleTier::Dangerous);
                let message = format!("attributes of {name} itself are set: {}", self.describe(state));
                self.find_about(scan, &rules::GLOBAL_CHANGED, &name, message);
                return Ok(());
            }
            Value::Foreign => return Ok(()),
            other => {
                let message = format!("{} is given a state", self.describe(other));
                self.find(scan, &rules::WRONG_TYPE, message);
                return Ok(());
            }
        };
        if self.sets_protocol(state) {
            self.raise(PickleTier::Dangerous);
            let message = format!("the state of {}", self.describe(instance));
            self.find(scan, &rules::PROTOCOL_STATE, message);
        }
        if self.is_computed_state(state) {
            let message = format!("the state of {}: nobody can tell what it sets", self.describe(instance));
            self.find(scan, &rules::WRONG_USE, message);
        }
        self.arena.set_state(id, state);
        let callee = self.arena.object(instance).and_then(|object| object.callee);
        match callee.and_then(|callee| self.role(callee)) {
            Some(Role::ArrayWrapper) => self.array_follows(instance, reader, scan),
            Some(Role::FileWrapper) => {
                self.array_elsewhere(state, scan);
                Ok(())
            }
            Some(Role::Dtype) => {
                self.dtype_built(instance, state);
                Ok(())
            }
            Some(Role::State) => {
                self.not_light();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a state, or the second part of it, sets a name of Python's own protocols.
    pub(super) fn sets_protocol(&self, state: Value) -> bool {
        self.arena.has_dunder_key(state)
            || self.arena.tuple(state).iter().take(2).any(|&part| self.arena.has_dunder_key(part))
    }

    /// Whether a state, or a part of one with slots, has names that are computed, or is made by a call.
    pub(super) fn is_computed_state(&self, state: Value) -> bool {
        let is_computed = |value: Value| {
            let made = self.arena.object(value).and_then(|object| object.callee);
            let is_dict = made.is_some_and(|made| match self.role(made) {
                Some(Role::Dict | Role::Defaultdict) => true,
                Some(Role::Ctor) => self.named(made).is_some_and(|named| &*named.name == "dict"),
                _ => false,
            });
            is_dict || self.arena.has_computed_key(value)
        };
        let parts = self.arena.tuple(state);
        is_computed(state) || parts.len() == 2 && parts.iter().any(|&part| is_computed(part))
    }

    /// Elements or entries are put into the result of a call.
    pub(super) fn filled_object(&mut self, container: Value, what: &str, scan: &mut Scan<'_>) {
        let Some(callee) = self.arena.object(container).and_then(|object| object.callee) else { return };
        let named = self.named(callee).map(|named| named.standing);
        let Some(Standing::Allowed(allowed)) = named else { return };
        let fits = match allowed.role {
            Role::Dict | Role::Defaultdict => what == "entries",
            Role::List => what == "elements",
            Role::Ctor | Role::Reconstructor => true,
            _ => false,
        };
        if fits {
            return;
        }
        let name = self.name(callee);
        let message = format!("{what} are put into {}", self.describe(container));
        let rule =
            if self.loader.torch { &crate::torch::rules::ENTRIES_IN_TENSOR } else { &rules::WRONG_USE };
        self.find_about(scan, rule, &name, message);
    }
}
