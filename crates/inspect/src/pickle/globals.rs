//! [`Globals`]: the judgement on Python globals. What is not allowed by name is unknown; what is denied is dangerous even
//! when it is never called.

use modelseal_core::text::Printable;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::OnceLock,
};

/// The judgement that is shipped: `data/globals.json`, which `data/make_globals.py` writes.
static SHIPPED: &str = include_str!("../../data/globals.json");
const SCHEMA: &str = "modelseal.inspect-globals/v1";

/// What an allowed global may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A class whose instances are made and given a state.
    Class,
    /// The same, but a constructor with arguments is no honest pickle.
    State,
    /// A class that is made by `__new__` and given a state: arrays and the like.
    ClassNew,
    /// A class that is a dictionary.
    Dict,
    /// A class that takes elements like a list.
    List,
    /// A type of the language: called with data.
    Ctor,
    /// A value: never called.
    Const,
    /// A type of storage: only in a persistent identifier.
    Storage,
    /// A class of tensors.
    Tensor,
    /// A function that makes data of data.
    Rebuild,
    /// One of NumPy's constructors of random generators, which call each other.
    Random,
    /// A function that calls its first argument.
    FirstGlobalSafe,
    /// `copyreg._reconstructor`.
    Reconstructor,
    /// `_codecs.encode`.
    Codec,
    /// `collections.defaultdict`, which keeps a factory.
    Defaultdict,
    /// A function that makes a NumPy scalar, of a pickle when its type is object.
    NpScalar,
    /// `numpy.dtype`.
    Dtype,
    /// A function that may be kept as data.
    UfuncRef,
    /// A function that makes an index of the class in its first argument.
    IndexCtor,
    /// joblib's stand-in for an array that follows in the stream.
    ArrayWrapper,
    /// joblib's stand-in for an array in another file.
    FileWrapper,
}

/// What is thought of a global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be used as its role says.
    Allowed(Allowed),
    /// Nobody has said anything about it.
    Unknown,
    /// It is known to run code, or to reach files, processes or the network.
    Dangerous(Danger),
}

/// How a global is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// What for.
    pub role: Role,
    /// Whether `torch.load(weights_only=True)` takes it, too.
    pub weights_only: bool,
    /// Whether compiled code follows the state of its instances without checking it.
    pub native: bool,
}

/// Why a global is dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// Its module, or one around that, is denied.
    Module,
    /// It is denied by name.
    Name,
    /// Its name goes through attributes, which reach anything.
    Attribute,
    /// Python gives its name a meaning of its own.
    Dunder,
}

/// Which globals are allowed, and which are denied.
#[derive(Debug, Clone)]
pub struct Globals {
    version: String,
    allowed: HashMap<String, HashMap<String, Allowed>>,
    denied_modules: HashSet<String>,
    denied: HashMap<String, HashSet<String>>,
    python2_modules: HashMap<String, String>,
    python2: HashMap<String, HashMap<String, (String, String)>>,
}

/// A list of globals cannot be read.
#[derive(Debug)]
pub struct GlobalsError(String);

impl Globals {
    /// What is shipped with this version.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    pub fn shipped() -> &'static Self {
        static READ: OnceLock<Globals> = OnceLock::new();
        READ.get_or_init(|| Self::parse(SHIPPED).unwrap_or_else(|_| Self::nothing()))
    }

    /// The text of that.
    pub(crate) fn shipped_text() -> &'static str {
        SHIPPED
    }

    /// Reads a list in the form of `data/globals.json`.
    ///
    /// # Errors
    /// [`GlobalsError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, GlobalsError> {
        let list: List = serde_json::from_str(text).map_err(|error| GlobalsError(error.to_string()))?;
        if list.schema != SCHEMA {
            return Err(GlobalsError(format!("its schema is '{}', not '{SCHEMA}'", list.schema)));
        }
        let pair = |name: &str| {
            let (module, name) =
                name.split_once(':').ok_or_else(|| GlobalsError(format!("'{name}' has no ':'")))?;
            Ok((module.to_owned(), name.to_owned()))
        };
        let mut allowed: HashMap<String, HashMap<String, Allowed>> = HashMap::new();
        for group in list.allow {
            let Group { module, role, names, weights_only, native } = group;
            let into = allowed.entry(module).or_default();
            into.extend(names.into_iter().map(|name| (name, Allowed { role, weights_only, native })));
        }
        let mut python2: HashMap<String, HashMap<String, (String, String)>> = HashMap::new();
        for (from, to) in &list.python2.globals {
            let (module, name) = pair(from)?;
            python2.entry(module).or_default().insert(name, pair(to)?);
        }
        let mut denied: HashMap<String, HashSet<String>> = HashMap::new();
        for global in &list.deny.globals {
            let (module, name) = pair(global)?;
            denied.entry(module).or_default().insert(name);
        }
        Ok(Self {
            version: list.version,
            allowed,
            denied_modules: list.deny.modules.into_iter().collect(),
            denied,
            python2_modules: list.python2.modules,
            python2,
        })
    }

    /// The version of the list.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Allows one more global, as a user's rules may. What is denied stays so.
    pub fn allow(&mut self, module: &str, name: &str, role: Role) {
        let allowed = Allowed { role, weights_only: false, native: false };
        self.allowed.entry(module.to_owned()).or_default().insert(name.to_owned(), allowed);
    }

    /// Denies one more global; `*` for all of a module and of those below it.
    pub fn deny(&mut self, module: &str, name: &str) {
        if name == "*" {
            self.denied_modules.insert(module.to_owned());
            let within = |other: &str| {
                other.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            // What is allowed by name counts before what is denied by module.
            self.allowed.retain(|other, _| !within(other));
        } else {
            self.denied.entry(module.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// What is thought of the global as a stream of this protocol names it. Before protocol 3, Python 3 takes names of
    /// Python 2 for those that replaced them, and both count.
    #[must_use]
    pub fn judge(&self, module: &str, name: &str, protocol: u8) -> Standing {
        if let Some(danger) = self.danger(module, name) {
            return Standing::Dangerous(danger);
        }
        let renamed = self.renamed(module, name);
        if let Some((module, name)) = renamed
            && let Some(danger) = self.danger(module, name)
        {
            return Standing::Dangerous(danger);
        }
        match renamed {
            Some((module, name)) if protocol < 3 => self.allowed(module, name),
            _ => self.allowed(module, name),
        }
    }

    /// The name that Python 3 has for one of Python 2.
    fn renamed<'a>(&'a self, module: &'a str, name: &'a str) -> Option<(&'a str, &'a str)> {
        if let Some((module, name)) = self.python2.get(module).and_then(|names| names.get(name)) {
            return Some((module, name));
        }
        self.python2_modules.get(module).map(|module| (module.as_str(), name))
    }

    fn allowed(&self, module: &str, name: &str) -> Standing {
        match self.allowed.get(module).and_then(|names| names.get(name)) {
            Some(allowed) => Standing::Allowed(*allowed),
            None => Standing::Unknown,
        }
    }

    fn danger(&self, module: &str, name: &str) -> Option<Danger> {
        let exact =
            |module: &str, name: &str| self.denied.get(module).is_some_and(|names| names.contains(name));
        let known = self.allowed.get(module).is_some_and(|names| names.contains_key(name));
        if exact(module, name) || exact(module, "*") {
            return Some(Danger::Name);
        }
        if known {
            return None;
        }
        let above = || module.match_indices('.').map(|(at, _)| &module[..at]).chain([module]);
        if above().any(|module| self.denied_modules.contains(module)) {
            return Some(Danger::Module);
        }
        if above().any(|module| exact(module, "*")) {
            return Some(Danger::Name);
        }
        let parts = || module.split('.').chain(name.split('.'));
        let plain = ["__builtin__", "__main__", "__torch__"];
        if parts().any(|part| super::value::is_dunder(part.as_bytes()) && !plain.contains(&part)) {
            return Some(Danger::Dunder);
        }
        if name.contains('.') {
            // A class within a class is a name of classes; everything else goes through what a module has imported, or
            // takes a method out of its class.
            let is_class = |part: &str| part.starts_with(|c: char| c.is_uppercase());
            let reaches = |part: &str| self.denied_modules.contains(part.trim_start_matches('_'));
            let shortened = name.rsplit_once('.').is_some_and(|(first, _)| exact(module, first));
            if shortened || !name.split('.').all(is_class) || name.split('.').any(reaches) {
                return Some(Danger::Attribute);
            }
        }
        None
    }

    fn nothing() -> Self {
        Self {
            version: String::new(),
            allowed: HashMap::new(),
            denied_modules: HashSet::new(),
            denied: HashMap::new(),
            python2_modules: HashMap::new(),
            python2: HashMap::new(),
        }
    }
}

impl Role {
    /// Whether it is a function, which some other function could be made to call.
    pub(super) const fn is_function(self) -> bool {
        matches!(
            self,
            Self::Rebuild
                | Self::Random
                | Self::FirstGlobalSafe
                | Self::Reconstructor
                | Self::Codec
                | Self::NpScalar
                | Self::IndexCtor
                | Self::UfuncRef
        )
    }

    /// Whether it is a class, whose instances can be made without arguments.
    pub(super) const fn is_class(self) -> bool {
        matches!(
            self,
            Self::Class
                | Self::State
                | Self::ClassNew
                | Self::Dict
                | Self::List
                | Self::Ctor
                | Self::Tensor
                | Self::Defaultdict
                | Self::Dtype
                | Self::ArrayWrapper
                | Self::FileWrapper
        )
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Module => "its module reaches code, files, processes or the network",
            Self::Name => "it reaches code, files, processes or the network",
            Self::Attribute => {
                "the name goes through attributes, which reach anything that a module has imported"
            }
            Self::Dunder => "the name is one of Python's own protocols, which reach anything",
        })
    }
}

impl fmt::Display for GlobalsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list of globals cannot be read: {}", Printable(&self.0))
    }
}

impl std::error::Error for GlobalsError {}

#[derive(Deserialize)]
struct List {
    schema: String,
    version: String,
    allow: Vec<Group>,
    deny: Deny,
    python2: Python2,
}

#[derive(Deserialize)]
struct Group {
    module: String,
    role: Role,
    names: Vec<String>,
    #[serde(default, rename = "weights-only")]
    weights_only: bool,
    #[serde(default)]
    native: bool,
}

#[derive(Deserialize)]
struct Deny {
    modules: Vec<String>,
    globals: Vec<String>,
}

#[derive(Deserialize)]
struct Python2 {
    modules: HashMap<String, String>,
    globals: HashMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_read() {
        let globals = Globals::parse(SHIPPED).unwrap();
        assert!(globals.allowed.len() > 200 && globals.denied_modules.len() > 200);
        assert!(globals.version.starts_with("2026."));
    }

    fn judge(module: &str, name: &str, protocol: u8) -> Standing {
        Globals::shipped().judge(module, name, protocol)
    }

    #[test]
    fn allowed_unknown_and_dangerous() {
        assert!(matches!(judge("collections", "OrderedDict", 2), Standing::Allowed(a) if a.weights_only));
        assert!(matches!(judge("numpy", "ndarray", 4), Standing::Allowed(a) if !a.weights_only));
        assert_eq!(judge("my_project", "Net", 4), Standing::Unknown);
        assert_eq!(judge("builtins", "type", 4), Standing::Unknown);
        assert_eq!(judge("os", "system", 4), Standing::Dangerous(Danger::Module));
        assert_eq!(judge("os.path", "x", 4), Standing::Dangerous(Danger::Name));
        assert_eq!(judge("builtins", "eval", 4), Standing::Dangerous(Danger::Name));
        assert_eq!(judge("osx", "system", 4), Standing::Unknown, "whole components");
    }

    #[test]
    fn dotted_names_reach_anything() {
        assert_eq!(judge("pathlib", "os.getcwd", 4), Standing::Dangerous(Danger::Attribute));
        assert_eq!(judge("my_project", "Outer.Inner", 4), Standing::Unknown);
        assert_eq!(judge("my_project", "Outer.method", 4), Standing::Dangerous(Danger::Attribute));
        assert_eq!(judge("numpy", "__builtins__", 4), Standing::Dangerous(Danger::Dunder));
        assert_eq!(judge("collections", "OrderedDict.__reduce__", 4), Standing::Dangerous(Danger::Dunder));
    }

    #[test]
    fn names_of_python_2_count_as_those_that_replaced_them() {
        assert_eq!(judge("commands", "getoutput", 2), Standing::Dangerous(Danger::Module));
        assert_eq!(judge("__builtin__", "apply", 0), Standing::Dangerous(Danger::Name));
        assert!(matches!(judge("copy_reg", "_reconstructor", 2), Standing::Allowed(_)));
        assert!(matches!(judge("__builtin__", "set", 2), Standing::Allowed(_)));
        assert_eq!(judge("UserDict", "UserDict", 2), Standing::Unknown);
    }

    #[test]
    fn users_can_add() {
        let mut globals = Globals::shipped().clone();
        globals.allow("my_project", "Net", Role::Class);
        globals.deny("my_project.tools", "*");
        assert!(matches!(globals.judge("my_project", "Net", 4), Standing::Allowed(_)));
        let dangerous = Standing::Dangerous(Danger::Module);
        assert_eq!(globals.judge("my_project.tools.run", "go", 4), dangerous);
    }
}
