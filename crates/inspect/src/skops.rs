//! skops: a description in JSON of objects and their classes, with arrays beside it. What it may name is judged as the globals
//! of pickles are.

use crate::{
    json::{self, Value},
    pickle::{Danger, Standing},
    scan::{Halt, Scan},
    zip::{Archive, Directory, Entry, Kind},
};
use modelseal_core::inspection::FileFormat;
use std::collections::HashSet;

pub(crate) mod rules {
    //! What can be found in a file of skops.

    use crate::rule::rules;

    rules! {
        DANGEROUS = "SKO001" "skops-dangerous-type" Malicious:
            "The description names a type or function that runs code or reaches files, processes or the network." =>
            "Do not load it, whatever types are trusted.";
        UNKNOWN = "SKO002" "skops-unknown-type" Suspicious:
            "The description names a type or function that is not known to be harmless; loading imports its module." =>
            "Look at what it is before putting it on the list of trusted types.";
        NODE = "SKO003" "skops-unusual-node" Suspicious:
            "A node calls a method or an operator, or is of a kind that is not known: old versions check another name than they use (CVE-2025-54412, CVE-2025-54413)." =>
            "Do not load it with skops before 0.12. Look at the node first.";
        MISMATCH = "SKO004" "skops-mismatch" Suspicious:
            "A node names another type than the object it holds, so that what is trusted is not what is loaded (CVE-2025-54413)." =>
            "Do not load it.";
        MISSING = "SKO005" "skops-missing-member" Malformed:
            "The description refers to a member that is not there, or outside the archive." =>
            "Get the file again from its maker.";
        MEMBER = "SKO006" "skops-unusual-member" Suspicious:
            "The archive has a member that skops does not write." =>
            "Find out what reads it.";
        BROKEN = "SKO007" "broken-skops" Malformed:
            "The description is no description of objects." =>
            "Get the file again from its maker.";
    }
}

/// Archives with `schema.json`.
pub(crate) struct Skops;

const SCHEMA: &str = "schema.json";

/// Kinds of nodes that only hold data, or an instance of what they name.
const NODES: [&str; 31] = [
    "BunchNode",
    "BytearrayNode",
    "BytesNode",
    "CachedNode",
    "CyBernoulliNode",
    "DatetimeNode",
    "DefaultDictNode",
    "DictNode",
    "FunctionNode",
    "JsonNode",
    "ListNode",
    "LossNode",
    "MaskedArrayNode",
    "NdArrayNode",
    "NumpyDtypeNode",
    "DTypeNode",
    "ObjectNode",
    "OrderedDictNode",
    "QuantileForestNode",
    "RandomGeneratorNode",
    "RandomStateNode",
    "ReduceNode",
    "SGDNode",
    "SetNode",
    "SliceNode",
    "SparseMatrixNode",
    "TreeNode",
    "TupleNode",
    "TypeNode",
    "PartialNode",
    "_DictWithDeprecatedKeysNode",
];

impl Kind for Skops {
    fn claims(&self, directory: &Directory) -> bool {
        directory.entries.iter().any(|entry| entry.name == SCHEMA)
    }

    fn inspect(&self, archive: &Archive<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let entries = &archive.directory.entries;
        let names: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        for entry in entries.iter().filter(|entry| !entry.is_directory()) {
            if entry.name == SCHEMA {
                schema(archive, entry, &names, scan)?;
                continue;
            }
            let end = entry.name.rsplit_once('.').map_or("", |(_, end)| end);
            if end == "bin" && !entry.name.contains('/') {
                // Bytes and random states, as they are.
                bytes(archive, entry, scan)?;
                continue;
            }
            if !matches!(end, "npy" | "npz" | "md" | "txt") {
                scan.find_about(&rules::MEMBER, entry.data, &entry.name, format!("'{}'", entry.name));
            }
            archive.inspect_member(entry, scan)?;
        }
        Ok(FileFormat::Skops)
    }
}

/// A member of plain bytes: it may still be a pickle that something unpickles.
fn bytes(archive: &Archive<'_>, entry: &Entry, scan: &mut Scan<'_>) -> Result<(), Halt> {
    scan.contents.members = scan.contents.members.saturating_add(1);
    let pickled = archive.with_member(entry, scan, |content, scan| {
        Ok(crate::pickle::names_something(content.head(), scan.globals))
    })?;
    if let Some(what) = pickled {
        let message = format!("'{}' is a pickle that names {what}", entry.name);
        scan.find_about(&rules::MEMBER, entry.data, &entry.name, message);
    }
    Ok(())
}

fn schema(
    archive: &Archive<'_>,
    entry: &Entry,
    names: &HashSet<&str>,
    scan: &mut Scan<'_>,
) -> Result<(), Halt> {
    scan.contents.members = scan.contents.members.saturating_add(1);
    archive.with_member(entry, scan, |content, scan| {
        scan.within(SCHEMA, |scan| {
            let (top, whole) = json::document(content, scan)?;
            if whole && top.get("__loader__").is_none() {
                scan.find(&rules::BROKEN, None, "the outermost object names no loader".to_owned());
            }
            node(&top, names, scan);
            Ok(())
        })
    })
}

/// A value and all within.
fn node(value: &Value, names: &HashSet<&str>, scan: &mut Scan<'_>) {
    if let Value::Array(array) = value {
        array.items.iter().for_each(|item| node(item, names, scan));
    }
    let Value::Object(object) = value else { return };
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let Some(loader) = text("__loader__") {
        let (module, class) = (text("__module__").unwrap_or_default(), text("__class__").unwrap_or_default());
        one(loader, module, class, value, scan);
        if let Some(file) = text("file")
            && !names.contains(file)
        {
            scan.find_about(&rules::MISSING, None, file, format!("there is no member '{file}'"));
        }
    }
    object.members.iter().for_each(|member| node(&member.value, names, scan));
}

fn one(loader: &str, module: &str, class: &str, value: &Value, scan: &mut Scan<'_>) {
    let name = format!("{module}.{class}");
    match loader {
        "MethodNode" => {
            let content = value.get("content");
            let function = content.and_then(|content| content.get("func")).and_then(Value::as_str);
            let function = function.unwrap_or("an unnamed method");
            scan.find_about(&rules::NODE, None, &name, format!("the method '{function}' of '{name}'"));
            if function.starts_with('_') {
                let message = format!("the method '{function}' of '{name}' is one of Python's own");
                scan.find_about(&rules::DANGEROUS, None, &name, message);
            }
            let of = |key| content?.get("obj")?.get(key)?.as_str();
            if of("__class__") != Some(class) || of("__module__") != Some(module) {
                let held = format!("{}.{}", of("__module__").unwrap_or("?"), of("__class__").unwrap_or("?"));
                scan.find_about(&rules::MISMATCH, None, &name, format!("'{name}' holds '{held}'"));
            }
        }
        "OperatorFuncNode" => {
            scan.find_about(&rules::NODE, None, &name, format!("the operator '{name}'"));
            if module != "operator" && module != "_operator" {
                let message = format!("an operator is said to be '{name}'");
                scan.find_about(&rules::MISMATCH, None, &name, message);
            } else if !matches!(class, "attrgetter" | "methodcaller") {
                return;
            }
        }
        _ if !NODES.contains(&loader) && !loader.ends_with("LossNode") => {
            scan.find_about(&rules::NODE, None, loader, format!("a node of the kind '{loader}'"));
        }
        _ => {}
    }
    if matches!(loader, "JsonNode" | "SliceNode") && module == "builtins" || holds_data(loader, module, class)
    {
        return;
    }
    scan.contents.add_name(|contents| &mut contents.globals, &name);
    match scan.globals.judge(module, class, 4) {
        Standing::Allowed(_) => {}
        Standing::Dangerous(danger) if !(danger == Danger::Dunder && loader == "TypeNode") => {
            scan.find_about(&rules::DANGEROUS, None, &name, format!("'{name}': {danger}"));
        }
        _ if loader == "MethodNode" => {}
        _ => scan.find_about(&rules::UNKNOWN, None, &name, format!("'{name}' in a {loader}")),
    }
}

/// Whether the loader makes its own kind of object, whatever class is named.
fn holds_data(loader: &str, module: &str, class: &str) -> bool {
    match loader {
        "PartialNode" => (module, class) == ("functools", "partial"),
        "NdArrayNode"
        | "MaskedArrayNode"
        | "SparseMatrixNode"
        | "RandomStateNode"
        | "RandomGeneratorNode" => {
            let first = module.split('.').next().unwrap_or_default();
            matches!(first, "numpy" | "scipy") && !class.starts_with('_')
        }
        "FunctionNode" => {
            let ufuncs = matches!(module, "numpy" | "scipy.special" | "scipy.special._ufuncs");
            ufuncs && UFUNCS.split_whitespace().any(|name| name == class)
        }
        "TypeNode" | "ObjectNode" => {
            module == "builtins" && matches!(class, "NoneType" | "type" | "ellipsis")
                || module == "numpy"
                    && class.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                    && ["int", "uint", "float", "complex", "bool", "str", "bytes", "object", "void"]
                        .iter()
                        .any(|prefix| class.starts_with(prefix))
        }
        _ => false,
    }
}

/// Functions of NumPy and SciPy that compute element by element.
const UFUNCS: &str = "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or \
    bitwise_xor cbrt ceil clip conj conjugate cos cosh deg2rad degrees divide divmod equal erf erfc erfinv exp exp2 \
    expit expm1 fabs float_power floor floor_divide fmax fmin fmod frexp gamma gammaln gcd greater greater_equal heaviside \
    hypot invert isfinite isinf isnan lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 \
    logical_and logical_not logical_or logical_xor logit matmul maximum max mean median min minimum mod modf multiply \
    negative nextafter not_equal positive power rad2deg radians reciprocal remainder right_shift rint sign signbit sin \
    sinh spacing sqrt square std subtract sum tan tanh true_divide trunc var xlogy";

#[cfg(test)]
mod tests;
