//! What a file holds, as facts for policies and people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Names of each kind that are kept of one file: more than a person reads or a real model has. The rest is counted.
pub const NAMES_KEPT: usize = 4096;

/// What loading a file's pickles can do, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PickleTier {
    /// `P0`: there is no pickle.
    None,
    /// `P1`: numbers, text and containers; no global is named.
    Data,
    /// `P2`: loads with `torch.load(weights_only=True)`.
    WeightsOnly,
    /// `P3`: classes and functions of known libraries that rebuild data.
    Framework,
    /// `P4`: a global that is not known.
    Unknown,
    /// `P5`: a global or a construct that is known to be dangerous.
    Dangerous,
}

/// Something that a file can do, or brings along, beyond holding numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// A pickle.
    Pickle,
    /// A pickle that makes instances of classes.
    PickleObjects,
    /// Python source or bytecode.
    PythonCode,
    /// TorchScript code.
    TorchScript,
    /// Machine code.
    NativeCode,
    /// Code that a loader fetches or imports by a name in the model.
    RemoteCode,
    /// State that compiled code follows without checking it.
    NativeState,
    /// Operators that need a library beside the runtime.
    CustomOperators,
    /// A graph of operators.
    Graph,
    /// A chat template.
    Template,
    /// Data in other files, which the model names.
    ExternalFiles,
    /// An archive or a compressed stream.
    Archive,
    /// Parts that are encrypted.
    Encrypted,
}

/// What a file holds, itself and in its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Tensors or arrays.
    pub tensors: u64,
    /// Elements of all tensors; stays at the greatest number when there are more.
    pub parameters: u64,
    /// How many tensors have each element type, by the format's own name for it.
    pub dtypes: BTreeMap<String, u64>,
    /// What its pickles can do, together.
    pub pickle: Option<PickleTier>,
    /// Python globals that its pickles name, as `module.name`.
    pub globals: BTreeSet<String>,
    /// Operators of its graphs that are worth naming.
    pub operators: BTreeSet<String>,
    /// Scripts and programs within.
    pub scripts: BTreeSet<String>,
    /// Files outside, which it names.
    pub external: BTreeSet<String>,
    /// Chat templates.
    pub templates: u64,
    /// Members of archives, at every depth.
    pub members: u64,
    /// Names that were left out of the sets above, each of which holds at most [`NAMES_KEPT`].
    pub names_left_out: u64,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
}

impl PickleTier {
    /// All, least first.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Data, Self::WeightsOnly, Self::Framework, Self::Unknown, Self::Dangerous];

    /// Its name in documents: `P0` to `P5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "P0",
            Self::Data => "P1",
            Self::WeightsOnly => "P2",
            Self::Framework => "P3",
            Self::Unknown => "P4",
            Self::Dangerous => "P5",
        }
    }
}

impl Capability {
    /// All there are.
    pub const ALL: [Self; 13] = [
        Self::Pickle,
        Self::PickleObjects,
        Self::PythonCode,
        Self::TorchScript,
        Self::NativeCode,
        Self::RemoteCode,
        Self::NativeState,
        Self::CustomOperators,
        Self::Graph,
        Self::Template,
        Self::ExternalFiles,
        Self::Archive,
        Self::Encrypted,
    ];

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pickle => "pickle",
            Self::PickleObjects => "pickle-objects",
            Self::PythonCode => "code:python",
            Self::TorchScript => "code:torchscript",
            Self::NativeCode => "code:native",
            Self::RemoteCode => "remote-code",
            Self::NativeState => "native-state",
            Self::CustomOperators => "custom-operators",
            Self::Graph => "graph",
            Self::Template => "template",
            Self::ExternalFiles => "external-files",
            Self::Archive => "archive",
            Self::Encrypted => "encrypted",
        }
    }
}

impl Contents {
    /// Counts a tensor of `elements` elements of the type `dtype`.
    pub fn add_tensor(&mut self, dtype: &str, elements: u64) {
        self.tensors = self.tensors.saturating_add(1);
        self.parameters = self.parameters.saturating_add(elements);
        if let Some(count) = self.dtypes.get_mut(dtype) {
            *count = count.saturating_add(1);
        } else if self.dtypes.len() < NAMES_KEPT {
            self.dtypes.insert(dtype.to_owned(), 1);
        } else {
            self.names_left_out = self.names_left_out.saturating_add(1);
        }
    }

    /// Puts a name into one of the sets: `contents.add_name(|c| &mut c.globals, "os.system")`.
    pub fn add_name(&mut self, set: impl Fn(&mut Self) -> &mut BTreeSet<String>, name: &str) {
        let into = set(self);
        if into.contains(name) {
        } else if into.len() < NAMES_KEPT {
            into.insert(name.to_owned());
        } else {
            self.names_left_out = self.names_left_out.saturating_add(1);
        }
    }

    /// Raises the tier to that of one more pickle.
    pub fn add_pickle(&mut self, tier: PickleTier) {
        self.pickle = self.pickle.max(Some(tier));
        self.capabilities.insert(Capability::Pickle);
    }

    /// What the file's pickles can do, together.
    #[must_use]
    pub fn pickle_tier(&self) -> PickleTier {
        self.pickle.unwrap_or(PickleTier::None)
    }
}

impl fmt::Display for PickleTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_counted() {
        let mut contents = Contents::default();
        for number in 0..NAMES_KEPT + 3 {
            contents.add_name(|c| &mut c.globals, &number.to_string());
        }
        contents.add_name(|c| &mut c.globals, "0");
        assert_eq!((contents.globals.len(), contents.names_left_out), (NAMES_KEPT, 3));
    }

    #[test]
    fn the_tier_is_the_highest_of_all_pickles() {
        let mut contents = Contents::default();
        assert_eq!(contents.pickle_tier(), PickleTier::None);
        contents.add_pickle(PickleTier::Unknown);
        contents.add_pickle(PickleTier::Data);
        assert_eq!(contents.pickle_tier().name(), "P4");
    }
}
