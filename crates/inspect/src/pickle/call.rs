//! Judges calls: is what is called allowed, and is it used as its role allows?

use super::{
    globals::{Role, Standing},
    rules,
    value::{Holds, Id, Value},
    vm::{Step, Vm},
};
use crate::{limits, rule::Rule, scan::Scan};
use modelseal_core::inspection::{Capability, PickleTier};

/// The codecs by which Python 3 writes bytes into pickles for Python 2, and their other names.
const CODECS: [&str; 10] = [
    "latin1",
    "latin-1",
    "iso-8859-1",
    "iso8859-1",
    "latin_1",
    "utf-8",
    "utf8",
    "utf_8",
    "ascii",
    "us-ascii",
];

impl Vm<'_, '_> {
    /// Judges a call and gives a value that stands for its result.
    pub(super) fn call(
        &mut self,
        how: &'static str,
        callee: Value,
        args: Value,
        kwargs: Option<Value>,
        scan: &mut Scan<'_>,
    ) -> Step<Value> {
        self.acts = true;
        if !matches!(args, Value::Tuple(_)) {
            let message = format!("{how} with {} in place of a tuple", self.describe(args));
            self.find(scan, &rules::WRONG_TYPE, message);
        }
        if kwargs.is_some_and(|kwargs| !matches!(kwargs, Value::Dict(_))) {
            self.find(scan, &rules::WRONG_TYPE, format!("{how} without a dictionary of names"));
        }
        let named = match callee {
            Value::Global(id) => Some(id),
            _ => None,
        };
        match callee {
            Value::Global(id) => self.call_global(how, id, args, kwargs, scan),
            Value::Object(_) => {
                self.raise(PickleTier::Dangerous);
                let message = format!("{}{}", self.describe(callee), self.describe(args));
                self.find(scan, &rules::COMPUTED_CALL, format!("{message} is called"));
            }
            // What it is was found already.
            Value::Foreign => {}
            _ => {
                let message = format!("{how} on {}", self.describe(callee));
                self.find(scan, &rules::WRONG_TYPE, message);
            }
        }
        let mut weight = self.arena.weight(args);
        if let Some(kwargs) = kwargs {
            weight = weight.and(self.arena.weight(kwargs));
        }
        weight.holds = weight.holds.without(Holds::FUNCTION);
        if named.and_then(|id| self.role(id)) == Some(Role::Dtype) && self.is_object_type(args) {
            weight = weight.holding(Holds::OBJECT_TYPE);
        }
        Ok(self.arena.add_object(named, args, weight))
    }

    /// The role of a global that is allowed.
    pub(super) fn role(&self, id: Id) -> Option<Role> {
        match self.named(id)?.standing {
            Standing::Allowed(allowed) => Some(allowed.role),
            _ => None,
        }
    }

    fn call_global(
        &mut self,
        how: &'static str,
        id: Id,
        args: Value,
        kwargs: Option<Value>,
        scan: &mut Scan<'_>,
    ) {
        let Some(named) = self.named(id) else { return };
        // Words are made only for what is told of: most calls are of no interest, and there are many.
        match named.standing {
            Standing::Dangerous(_) => self.find_call(scan, &rules::DANGEROUS_CALL, id, args, " is called"),
            Standing::Unknown => {
                scan.contents.capabilities.insert(Capability::PickleObjects);
                self.find_call(scan, &rules::UNKNOWN_CALL, id, args, " is called");
            }
            Standing::Allowed(allowed) => {
                if let Err((rule, why)) = self.check_role(allowed.role, how, args, kwargs, scan) {
                    if rule.severity == modelseal_core::inspection::Severity::Malicious {
                        self.raise(PickleTier::Dangerous);
                    }
                    self.not_light();
                    self.find_call(scan, rule, id, args, &format!(": {why}"));
                }
                self.check_values(id, allowed.role, args, kwargs, scan);
                self.count_tensor(id, args, scan);
            }
        }
    }

    /// Arguments that are too large, hide something, or are a state.
    fn check_values(&mut self, id: Id, role: Role, args: Value, kwargs: Option<Value>, scan: &mut Scan<'_>) {
        /// Elements that are made at once.
        const MOST: i64 = 1 << 32;
        let Some(named) = self.named(id) else { return };
        let name: &str = &named.name;
        if role == Role::Ctor && ["bytearray", "bytes", "range", "xrange", "list"].contains(&name) {
            let large = |&value: &Value| {
                value == Value::Huge
                    || self.arena.int(value).is_some_and(|int| !(-MOST..=MOST).contains(&int))
            };
            if self.arena.tuple(args).iter().any(large) {
                self.find_call(scan, &limits::TOO_MANY_VALUES, id, args, " is called");
                return;
            }
        }
        let Some(named) = self.named(id) else { return };
        if role == Role::Ctor && ["bytearray", "bytes", "str", "unicode"].contains(&&*named.name) {
            let given = kwargs.and_then(|kwargs| self.arena.get(kwargs, "encoding"));
            let codec = self.arena.tuple(args).get(1).copied().or(given);
            if codec.is_some_and(|codec| !self.is_usual_codec(codec)) {
                self.raise(PickleTier::Dangerous);
                self.not_light();
                self.find_call(scan, &rules::WRONG_CODEC, id, args, ": the codec is none that picklers use");
            }
        } else if &*named.name == "_rebuild_parameter_with_state" {
            let Some(&state) = self.arena.tuple(args).get(3) else { return };
            if self.sets_protocol(state) {
                self.raise(PickleTier::Dangerous);
                self.not_light();
                let why = ": the state sets a name of Python's own protocols";
                self.find_call(scan, &rules::PROTOCOL_STATE, id, args, why);
            } else if self.is_computed_state(state) {
                self.find_call(scan, &rules::WRONG_USE, id, args, ": nobody can tell what its state sets");
            }
        }
    }

    fn is_usual_codec(&self, codec: Value) -> bool {
        let codec = self.arena.text(codec);
        codec.is_some_and(|codec| CODECS.contains(&codec.to_ascii_lowercase().as_str()))
    }

    /// Reports a call; of those of one global, the first, while the others are counted.
    fn find_call(&mut self, scan: &mut Scan<'_>, rule: &'static Rule, id: Id, args: Value, what: &str) {
        let message = format!("{}{}{what}", self.describe(Value::Global(id)), self.describe(args));
        let full = self.name(id);
        self.find_about(scan, rule, &full, message);
    }

    fn check_role(
        &mut self,
        role: Role,
        how: &'static str,
        args: Value,
        kwargs: Option<Value>,
        scan: &mut Scan<'_>,
    ) -> Result<(), (&'static Rule, &'static str)> {
        let mut holds = self.arena.weight(args).holds;
        if let Some(kwargs) = kwargs {
            holds = holds.with(self.arena.weight(kwargs).holds);
        }
        let empty = self.arena.len(args) == 0 && kwargs.is_none_or(|kwargs| self.arena.len(kwargs) == 0);
        let arg = |at: usize| self.arena.tuple(args).get(at).copied();
        let is_class = |value: Option<Value>| match value {
            Some(Value::Global(id)) => self.role(id).is_none_or(Role::is_class),
            _ => false,
        };
        let callback = |is: bool| {
            let why = "a function is among its arguments";
            if is { Err((&rules::CALLBACK, why)) } else { Ok(()) }
        };
        let unless = |good: bool, why| if good { Ok(()) } else { Err((&rules::WRONG_USE, why)) };
        match role {
            Role::Class | Role::ClassNew | Role::Dict | Role::List | Role::Tensor | Role::Dtype => {
                scan.contents.capabilities.insert(Capability::PickleObjects);
                callback(holds.any(Holds::FUNCTION))
            }
            Role::State | Role::ArrayWrapper | Role::FileWrapper => {
                scan.contents.capabilities.insert(Capability::PickleObjects);
                unless(
                    how == "NEWOBJ" || empty,
                    "it is made with arguments, where picklers make it empty and then give it a state",
                )
            }
            Role::Ctor => callback(holds.any(Holds::FUNCTION)),
            Role::Rebuild => callback(holds.any(Holds::FUNCTION)),
            Role::Const => unless(false, "a value is called"),
            Role::Storage => {
                unless(false, "a type of storage is called, which belongs into a persistent identifier")
            }
            Role::UfuncRef => unless(false, "a function is called that may only be kept"),
            Role::Random => {
                let elements = self.arena.tuple(args);
                let good = |&value: &Value| match value {
                    Value::Global(id) => self.named(id).is_some_and(|named| {
                        &*named.module == "numpy.random" || named.module.starts_with("numpy.random.")
                    }),
                    Value::Object(_) => false,
                    _ => true,
                };
                // Older versions pass a name, newer ones the generator itself.
                let good = |value: &Value| good(value) || self.is_random_state(*value);
                unless(
                    elements.iter().all(good),
                    "something else than a random generator is among its arguments",
                )
            }
            Role::FirstGlobalSafe => self.check_first(args, how, scan),
            Role::Reconstructor => {
                let base_is_type = match arg(1) {
                    Some(Value::Global(id)) => matches!(self.role(id), None | Some(Role::Ctor)),
                    _ => false,
                };
                unless(
                    self.arena.len(args) == 3 && is_class(arg(0)) && base_is_type,
                    "its arguments are not a class, a type of the language and a state",
                )
            }
            Role::Codec => {
                let codec = arg(1);
                let known = codec.is_none_or(|codec| self.is_usual_codec(codec));
                if known { Ok(()) } else { Err((&rules::WRONG_CODEC, "the codec is none that picklers use")) }
            }
            Role::Defaultdict => {
                let factory = arg(0);
                let good = match factory {
                    None | Some(Value::None) => true,
                    // Of an unknown class is told already.
                    Some(Value::Global(id)) => matches!(
                        self.role(id),
                        None | Some(Role::Ctor | Role::Dict | Role::List | Role::Defaultdict)
                    ),
                    _ => false,
                };
                unless(good, "its factory is neither a type of data nor None")
            }
            Role::NpScalar => {
                if holds.any(Holds::OBJECT_TYPE) {
                    return Err((&rules::OBJECT_SCALAR, "its type is object"));
                }
                callback(holds.any(Holds::FUNCTION))
            }
            Role::IndexCtor => {
                scan.contents.capabilities.insert(Capability::PickleObjects);
                unless(is_class(arg(0)), "its first argument is no class")
            }
        }
    }

    /// `torch._tensor._rebuild_from_type_v2` and its like call their first argument.
    fn check_first(
        &mut self,
        args: Value,
        how: &'static str,
        scan: &mut Scan<'_>,
    ) -> Result<(), (&'static Rule, &'static str)> {
        let elements: Vec<Value> = self.arena.tuple(args).iter().copied().take(4).collect();
        let Some(&first) = elements.first() else { return Ok(()) };
        let Value::Global(id) = first else {
            return Err((&rules::COMPUTED_CALL, "what it calls is no global"));
        };
        let good = [Role::Tensor, Role::Rebuild, Role::ClassNew, Role::Class, Role::State];
        if self.role(id).is_some_and(|role| !good.contains(&role)) {
            return Err((&rules::CALLBACK, "what it calls is nothing that makes tensors"));
        }
        if let (Some(&inner @ Value::Tuple(_)), Some(&state)) = (elements.get(2), elements.get(3)) {
            self.call_global(how, id, inner, None, scan);
            if self.sets_protocol(state) {
                return Err((&rules::PROTOCOL_STATE, "the state sets a name of Python's own protocols"));
            }
            if self.is_computed_state(state) {
                return Err((&rules::WRONG_USE, "nobody can tell what its state sets"));
            }
        }
        Ok(())
    }

    /// Whether the arguments of `numpy.dtype` make the type object, or a structure that may hold it.
    fn is_object_type(&self, args: Value) -> bool {
        match self.arena.tuple(args).first().copied() {
            Some(Value::Text(id)) => {
                let text = self.arena.kept(id);
                text.split(|&byte| byte == b',').any(|part| {
                    let before = |byte: &u8| b"|<>=() 0123456789".contains(byte);
                    let start = part.iter().position(|byte| !before(byte)).unwrap_or(part.len());
                    let part = part.get(start..).unwrap_or_default();
                    part.starts_with(b"O") || part.starts_with(b"object")
                })
            }
            // NumPy takes any class that it does not know for the type object.
            Some(Value::Global(id)) => self.named(id).is_some_and(|named| {
                const PLAIN: [&str; 8] =
                    ["bool", "bytes", "complex", "float", "int", "long", "str", "unicode"];
                let module = named.module.split('.').next().unwrap_or_default();
                match module {
                    "numpy" | "ml_dtypes" => ["object", "object_", "ObjectDType"].contains(&&*named.name),
                    "builtins" | "__builtin__" => !PLAIN.contains(&&*named.name),
                    _ => true,
                }
            }),
            // A structure, whose parts are not known; picklers give them as a state.
            Some(Value::List(_) | Value::Dict(_) | Value::Tuple(_)) => true,
            _ => false,
        }
    }

    /// Whether it is an instance of one of NumPy's random generators, or a seed.
    fn is_random_state(&self, value: Value) -> bool {
        let callee = self.arena.object(value).and_then(|object| object.callee);
        callee.and_then(|id| self.named(id)).is_some_and(|named| {
            named.module.starts_with("numpy.random") && matches!(named.standing, Standing::Allowed(_))
        })
    }
}
