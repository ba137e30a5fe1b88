//! The configuration of a model: objects that say which class or function they stand for, at any depth.

use super::{Home, code, names, rules};
use crate::{
    bytes::Input,
    json::Value,
    outside,
    pickle::{Danger, Likeness, Standing, likeness, names_something},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::Capability;

/// Walks through all of `top`. JSON does not lie deep.
pub(super) fn inspect(top: &Value, home: Home, scan: &mut Scan<'_>) -> Result<(), Halt> {
    Walk { home }.value("", top, scan)
}

struct Walk {
    home: Home,
}

/// What a class or function is, by its name.
enum Reach {
    Known,
    Custom,
    Outside,
    Dangerous(&'static str),
}

/// Parts of Keras whose functions reach files or the network, or switch off what protects.
const REACHING: [&str; 9] = [
    "utils",
    "saving",
    "config",
    "datasets",
    "callbacks",
    "export",
    "applications",
    "preprocessing",
    "legacy",
];
/// Functions and classes of Keras, wherever they are exported, that do.
const REACHING_NAMES: [&str; 19] = [
    "TFSMLayer",
    "audio_dataset_from_directory",
    "deserialize_keras_object",
    "enable_unsafe_deserialization",
    "extract_archive",
    "func_load",
    "get_file",
    "image_dataset_from_directory",
    "load_data",
    "load_img",
    "load_model",
    "load_op_library",
    "load_weights",
    "model_from_json",
    "run_script",
    "save_img",
    "save_model",
    "save_weights",
    "text_dataset_from_directory",
];
/// Optimizers of Keras 2.
const OPTIMIZERS: [&str; 10] =
    ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD"];
/// Members that hold a function.
const FUNCTIONS: [&str; 14] = [
    "activation",
    "activation_fn",
    "call_fn",
    "callable",
    "fn",
    "func",
    "function",
    "init_fn",
    "loss",
    "mask",
    "metric",
    "output_shape",
    "split",
    "standardize",
];
/// Values that are written as objects.
const VALUES: [&str; 9] = [
    "__bytes__",
    "__complex__",
    "__ellipsis__",
    "__keras_tensor__",
    "__numpy__",
    "__set__",
    "__slice__",
    "__tensor__",
    "__tuple__",
];
/// Those of them that hold others.
const NESTED: [&str; 3] = ["__set__", "__slice__", "__tuple__"];
/// Types of tensors.
const SPECS: [&str; 12] = [
    "BoundedTensorSpec",
    "DatasetSpec",
    "IndexedSlicesSpec",
    "IteratorSpec",
    "NoneTensorSpec",
    "OptionalSpec",
    "RaggedTensorSpec",
    "SparseTensorSpec",
    "StructuredTensorSpec",
    "TensorArraySpec",
    "TensorSpec",
    "VariableSpec",
];
/// Members that hold the words of a lookup; text there is the name of a file.
const VOCABULARIES: [&str; 5] =
    ["vocabulary", "idf_weights", "vocabulary_file", "vocab_file", "vocabulary_path"];

impl Walk {
    fn value(&self, key: &str, value: &Value, scan: &mut Scan<'_>) -> Result<(), Halt> {
        match value {
            Value::Object(object) => {
                let class = value.get("class_name").and_then(Value::as_str);
                if let Some(class) = class {
                    self.object(class, value, scan)?;
                } else if let Some(registered) = value.get("registered_name").and_then(Value::as_str) {
                    self.class(registered, value, scan);
                }
                for member in &object.members {
                    self.value(&member.name, &member.value, scan)?;
                }
                Ok(())
            }
            Value::Array(array) => {
                // Words of a vocabulary may look like anything.
                let words = VOCABULARIES.contains(&key);
                let mut others = array.items.iter().filter(|item| !words || item.as_str().is_none());
                others.try_for_each(|item| self.value(key, item, scan))
            }
            Value::Text(text) => self.text(key, text, scan),
            _ => Ok(()),
        }
    }

    /// An object that stands for a class, a function or a value.
    fn object(&self, class: &str, value: &Value, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let config = value.get("config").unwrap_or(&Value::Null);
        let name = config.get("name").and_then(Value::as_str).unwrap_or(class);
        match class {
            "Lambda" | "__lambda__" => self.lambda(class, name, config, scan),
            "function" | "builtin_function_or_method" | "type" => {
                let name = config.as_str().or_else(|| value.get("name").and_then(Value::as_str));
                self.function(name.unwrap_or(name_of(value)), value, scan);
            }
            "TorchModuleWrapper" => {
                scan.find_about(&rules::PICKLE, None, name, format!("'{name}' is a TorchModuleWrapper"));
                let module = config.get("module").and_then(Value::as_str);
                if let Some(bytes) = module.and_then(code::decode) {
                    scan.within(&format!("{name}/module"), |scan| {
                        crate::route::inspect(Content::random(Input::of(&bytes))?, scan).map(|_| ())
                    })?;
                }
            }
            "TFOpLambda" | "SlicingOpLambda" | "ClassMethod" | "InstanceMethod" | "InstanceProperty" => {
                let function = ["function", "cls_symbol", "method_name", "attr_name"]
                    .iter()
                    .find_map(|key| config.get(key).and_then(Value::as_str));
                self.operator(function.unwrap_or("an unnamed operator"), scan);
            }
            "TensorFlowOpLayer" => self.operator(&operator_of(config), scan),
            "__typespec__" => self.type_spec(value, scan),
            class if VALUES.contains(&class) => self.plain(class, value, scan),
            _ => self.class(class, value, scan),
        }
        Ok(())
    }

    /// The type of a tensor: its module is imported, and `spec_name` taken from it.
    fn type_spec(&self, value: &Value, scan: &mut Scan<'_>) {
        let text = |key| value.get(key).and_then(Value::as_str);
        let (module, name) = (text("module").unwrap_or_default(), text("spec_name").unwrap_or_default());
        let own = of_keras(module).is_some() || of_tensorflow(module);
        let registered = value.get("registered_name");
        let plain = registered.is_none_or(|name| !name.as_str().is_some_and(|name| name.contains('>')));
        let standing = if own && plain && SPECS.contains(&name) {
            Reach::Known
        } else {
            let otherwise = if own { Some(Reach::Custom) } else { reach(scan, module, name) };
            otherwise.unwrap_or(Reach::Outside)
        };
        told(standing, Some(module), name, scan);
    }

    /// A value that is written as an object: nothing is imported for it, and nothing but values is in it.
    fn plain(&self, class: &str, value: &Value, scan: &mut Scan<'_>) {
        if let Some(module) = value.get("module").and_then(Value::as_str) {
            let own = of_keras(module).is_some() || of_tensorflow(module);
            if !own && !matches!(module, "builtins" | "numpy") {
                let standing = reach(scan, module, "value").unwrap_or(Reach::Outside);
                told(standing, Some(module), class, scan);
            }
        }
        let mut odd = value.get("spec_name").is_some();
        if !NESTED.contains(&class)
            && let Some(config) = value.get("config")
        {
            config.walk(&mut |member| odd |= matches!(&*member.name, "class_name" | "registered_name"));
        }
        if odd {
            let message = format!("'{class}' holds more than a value");
            scan.find_about(&rules::CUSTOM, None, class, message);
        }
    }

    fn lambda(&self, class: &str, name: &str, config: &Value, scan: &mut Scan<'_>) {
        scan.contents.capabilities.insert(Capability::PythonCode);
        if class == "Lambda" {
            let safe = if self.home == Home::Hdf5 { ", and safe mode does not stop it" } else { "" };
            scan.find_about(&rules::LAMBDA, None, name, format!("'{name}' is a Lambda layer{safe}"));
        } else {
            scan.find(&rules::LAMBDA, None, "a function is stored as bytecode".to_owned());
        }
        for key in ["function", "code", "value", "mask", "output_shape"] {
            let Some(function) = config.get(key) else { continue };
            let code = function.as_str().or_else(|| function.as_array()?.first()?.as_str());
            let Some(code) = code else { continue };
            // Before Keras 2, bytes were written as text.
            let bytes = code::decode(code)
                .unwrap_or_else(|| code.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect());
            if let Some(found) = code::dangerous_name(&bytes) {
                let message = format!("the code of '{name}' names '{found}'");
                scan.find_about(&rules::CODE, None, name, message);
            }
        }
    }

    fn function(&self, name: &str, value: &Value, scan: &mut Scan<'_>) {
        let module = value.get("module").and_then(Value::as_str);
        let registered = value.get("registered_name").and_then(Value::as_str);
        let known = names::is_function(name) && registered.is_none_or(|name| !name.contains('>'));
        let standing = match module.filter(|module| *module != "builtins") {
            None if known => Reach::Known,
            None => reach(scan, "builtins", name).unwrap_or(Reach::Custom),
            Some(module) => self.standing(module, name, known, scan),
        };
        told(standing, module, name, scan);
    }

    fn class(&self, class: &str, value: &Value, scan: &mut Scan<'_>) {
        let module = value.get("module").and_then(Value::as_str);
        let registered = value.get("registered_name").and_then(Value::as_str);
        // TensorFlow 2.11 has registered Keras' own optimizers.
        let plain = class.strip_prefix("Custom>").filter(|name| OPTIMIZERS.contains(name));
        let known =
            plain.is_some() || names::is_class(class) && registered.is_none_or(|name| !name.contains('>'));
        let standing = match module {
            Some(module) => self.standing(module, class, known, scan),
            None if known => Reach::Known,
            None if REACHING_NAMES.contains(&class) => Reach::Dangerous("it reaches files or the network"),
            None => match class.rsplit_once(['.', '>']) {
                Some((module, name)) => reach(scan, module, name).unwrap_or(Reach::Custom),
                None => Reach::Custom,
            },
        };
        if self.home == Home::Graph && matches!(standing, Reach::Custom) {
            return;
        }
        told(standing, module, class, scan);
    }

    fn standing(&self, module: &str, name: &str, known: bool, scan: &Scan<'_>) -> Reach {
        let Some(inside) = of_keras(module) else {
            return reach(scan, module, name).unwrap_or(Reach::Outside);
        };
        let mut parts = inside.split('.').filter(|part| !matches!(*part, "" | "src" | "api" | "_tf_keras"));
        let reaching = parts.clone().any(|part| REACHING.contains(&part));
        if REACHING_NAMES.contains(&name) || reaching && !known {
            return Reach::Dangerous("it reaches files or the network, or switches off what protects");
        }
        // What a module of Keras has imported can be reached through it.
        let imported = |part: &str| {
            matches!(scan.globals.judge(part, "x", 4), Standing::Dangerous(Danger::Module | Danger::Name))
        };
        if !known && (imported(name) || parts.any(imported)) {
            return Reach::Dangerous("it is what a module of Keras has imported");
        }
        if known { Reach::Known } else { Reach::Custom }
    }

    /// A function of TensorFlow that a layer calls.
    fn operator(&self, name: &str, scan: &mut Scan<'_>) {
        const COMPUTING: [&str; 10] = [
            "math.",
            "nn.",
            "linalg.",
            "__operators__.",
            "strings.",
            "image.",
            "signal.",
            "bitwise.",
            "sparse.",
            "ragged.",
        ];
        const FILES: [&str; 9] =
            ["py_func", "numpy_function", "io.", "File", "file", "Save", "Restore", "raw_ops", "PyFunc"];
        scan.contents.add_name(|contents| &mut contents.operators, name);
        let plain = name.strip_prefix("tf.").unwrap_or(name);
        if FILES.iter().any(|part| plain.contains(part)) {
            scan.find_about(&rules::OPERATOR, None, name, format!("'{name}'"));
            return;
        }
        let computing = COMPUTING.iter().any(|part| plain.starts_with(part))
            || names::is_function(plain)
            || names::is_class(plain)
            || PLAIN.contains(&plain)
            || plain.starts_with("reduce_");
        if !computing {
            scan.find_about(&rules::CUSTOM, None, name, format!("the operator '{name}'"));
        }
    }

    fn text(&self, key: &str, text: &str, scan: &mut Scan<'_>) -> Result<(), Halt> {
        if VOCABULARIES.contains(&key) {
            let rule = if outside::reaches(text) { &rules::FILE } else { &rules::FILE_BESIDE };
            scan.find_about(rule, None, text, format!("'{key}' is the file '{text}'"));
            scan.contents.add_name(|contents| &mut contents.external, text);
            scan.contents.capabilities.insert(Capability::ExternalFiles);
            return Ok(());
        }
        if FUNCTIONS.contains(&key)
            && let Some((module, name)) = text.rsplit_once('.')
            && let Some(Reach::Dangerous(why)) = reach(scan, module, name)
        {
            scan.find_about(&rules::DANGEROUS, None, text, format!("'{key}' is '{text}': {why}"));
        } else if matches!(key, "activation" | "recurrent_activation")
            && !text.is_empty()
            && !names::is_function(text)
            && !names::is_class(text)
            && self.home != Home::Graph
        {
            // As where it is written as an object.
            scan.find_about(&rules::CUSTOM, None, text, format!("'{key}' is '{text}'"));
        }
        // "gA" is how base64 of a pickle of protocols 2 to 5 begins.
        if text.starts_with("gA")
            && let Some(bytes) = code::decode(text)
            && (likeness(&bytes, scan.globals) == Likeness::Strong)
            && let Some(what) = names_something(&bytes, scan.globals)
        {
            scan.find_about(&rules::PICKLE, None, key, format!("'{key}' is a pickle that names {what}"));
        }
        if !matches!(key, "name" | "class_name" | "code") && outside::reaches(text) && is_path(text) {
            scan.find_about(&rules::PATH, None, text, format!("'{key}' is '{text}'"));
        }
        Ok(())
    }
}

/// Functions of TensorFlow that only compute, beside those that Keras has as well.
const PLAIN: [&str; 45] = [
    "AddV2",
    "BatchMatMulV2",
    "BiasAdd",
    "ConcatV2",
    "Const",
    "Fill",
    "GatherV2",
    "MatMul",
    "Mul",
    "Neg",
    "Pack",
    "Pow",
    "RealDiv",
    "Shape",
    "StridedSlice",
    "Sub",
    "boolean_mask",
    "broadcast_to",
    "clip_by_value",
    "concat",
    "constant",
    "cumsum",
    "equal",
    "expand_dims",
    "fill",
    "gather",
    "gather_nd",
    "get_static_value",
    "greater",
    "identity",
    "less",
    "norm",
    "one_hot",
    "pad",
    "pow",
    "range",
    "rank",
    "reverse",
    "sequence_mask",
    "stop_gradient",
    "strided_slice",
    "tensor_scatter_nd_update",
    "tensordot",
    "unstack",
    "convert_to_tensor",
];

fn operator_of(config: &Value) -> String {
    let node = config.get("node_def");
    if let Some(op) = node.and_then(|node| node.get("op")).and_then(Value::as_str) {
        return op.to_owned();
    }
    let text = node.and_then(Value::as_str).unwrap_or_default();
    let after = text.split_once("op\":").or_else(|| text.split_once("op:")).map_or("", |(_, after)| after);
    let name: String =
        after.trim_start_matches([' ', '"']).chars().take_while(|c| c.is_alphanumeric()).collect();
    if name.is_empty() { "an unnamed operator".to_owned() } else { name }
}

fn name_of(value: &Value) -> &str {
    value.get("registered_name").and_then(Value::as_str).unwrap_or("function")
}

/// What lies inside Keras' own package.
fn of_keras(module: &str) -> Option<&str> {
    ["keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "tf.keras"].iter().find_map(
        |package| {
            let rest = module.strip_prefix(package)?;
            (rest.is_empty() || rest.starts_with('.')).then_some(rest)
        },
    )
}

fn of_tensorflow(module: &str) -> bool {
    module == "tensorflow" || module.starts_with("tensorflow.")
}

/// Whether the name is known to be dangerous in Python.
fn reach(scan: &Scan<'_>, module: &str, name: &str) -> Option<Reach> {
    let module = module.trim_start_matches('.');
    match scan.globals.judge(module, name, 4) {
        Standing::Dangerous(Danger::Module | Danger::Name | Danger::Dunder) => {
            Some(Reach::Dangerous("it runs code, or reaches files, processes or the network"))
        }
        _ => None,
    }
}

fn told(standing: Reach, module: Option<&str>, name: &str, scan: &mut Scan<'_>) {
    let full = module.map_or_else(|| name.to_owned(), |module| format!("{module}.{name}"));
    match standing {
        Reach::Known => {}
        Reach::Custom => scan.find_about(&rules::CUSTOM, None, &full, format!("'{full}'")),
        Reach::Outside => scan.find_about(&rules::IMPORT, None, &full, format!("'{full}'")),
        Reach::Dangerous(why) => {
            scan.contents.add_name(|contents| &mut contents.globals, &full);
            scan.find_about(&rules::DANGEROUS, None, &full, format!("'{full}': {why}"));
        }
    }
}

/// Whether it is a path rather than a pattern or a sign.
fn is_path(text: &str) -> bool {
    let parts = text.split(['/', '\\']).filter(|part| !part.is_empty()).count();
    (2..1024).contains(&text.len())
        && parts > 1
        && text.chars().all(|c| c.is_alphanumeric() || "/\\._-:~%$@?=&+# ".contains(c))
}
