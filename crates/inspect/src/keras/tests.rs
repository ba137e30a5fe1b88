//! Configurations as Keras writes them, and as attackers do.

use crate::{testing::look, zip::stored::archive};
use modelseal_core::inspection::{FileFormat, FileInspection, Verdict};

const WEIGHTS: &[u8] = include_bytes!("../../testdata/hdf5/old.h5");
const METADATA: &[u8] = br#"{"keras_version": "3.10.0", "date_saved": "2025-01-01@00:00:00"}"#;
const DENSE: &str = r#"{"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 3,
    "activation": "relu", "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform",
    "config": {"seed": null}, "registered_name": null}}, "registered_name": null, "build_config": {"input_shape": [null, 4]}}"#;

fn model(layers: &str) -> String {
    format!(
        r#"{{"module": "keras", "class_name": "Sequential", "config": {{"name": "m", "layers": [{layers}]}},
        "registered_name": null, "compile_config": {{"loss": "mse", "optimizer": {{"module": "keras.optimizers",
        "class_name": "Adam", "config": {{"name": "adam", "learning_rate": 0.001}}, "registered_name": null}}}}}}"#
    )
}

fn keras(layers: &str) -> FileInspection {
    let config = model(layers);
    let members =
        [("metadata.json", METADATA), ("config.json", config.as_bytes()), ("model.weights.h5", WEIGHTS)];
    look("model.keras", &archive(&members))
}

/// The rules that find something in a model with this layer, and whether the verdict is that it is malicious.
fn found(layer: &str) -> (Vec<String>, bool) {
    let found = keras(&format!("{DENSE}, {layer}"));
    let rules = found.findings.iter().map(|finding| finding.rule.to_string()).collect();
    (rules, found.verdict() == Verdict::Malicious)
}

fn rule(layer: &str, rule: &str, malicious: bool) {
    let (rules, is_malicious) = found(layer);
    assert!(rules.iter().any(|found| found == rule), "{layer}: {rules:?}");
    assert_eq!(is_malicious, malicious, "{layer}: {rules:?}");
}

/// Marshalled code of `lambda x: x + 1`, and of one that names `os` and `system`.
const HARMLESS: &str = "4wEAAAAAAAAAAAAAAAIAAAADAAAA8wwAAACXAHwAZAF6BQAAUwCpAk7pAgAAAKkAqQHaAXhzAQAAAA==";
const EVIL: &str = "4wEAAAAAAAAAAAAAAAIAAAADAAAA8wwAAADaAm9z2gZzeXN0ZW3aBHRydWU=";

fn lambda(code: &str) -> String {
    format!(
        r#"{{"module": "keras.layers", "class_name": "Lambda", "config": {{"name": "l", "function": {{"class_name":
        "__lambda__", "config": {{"code": "{code}", "defaults": null, "closure": null}}}}}}, "registered_name": null}}"#
    )
}

#[test]
fn a_model_is_clean() {
    let found = keras(DENSE);
    assert_eq!(found.findings, []);
    assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::Keras));
    assert_eq!(found.contents.parameters, 16);
    let alone = look("model.json", model(DENSE).as_bytes());
    assert_eq!(alone.verdict(), Verdict::Clean);
}

#[test]
fn functions_of_keras_and_values_are_clean() {
    for layer in [
        r#"{"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}"#,
        r#"{"module": "keras.src.ops.numpy", "class_name": "Add", "config": {"name": "add"}, "registered_name": "Add"}"#,
        r#"{"class_name": "__keras_tensor__", "config": {"shape": [null, 4], "dtype": "float32"}}"#,
        r#"{"class_name": "TFOpLambda", "config": {"name": "x", "function": "math.multiply"}}"#,
        r#"{"class_name": "TextVectorization", "config": {"vocabulary": ["", "[UNK]", "a"], "split": "whitespace"}}"#,
        r#"{"module": "keras.src.models.functional", "class_name": "Functional", "config": {"layers": []}}"#,
    ] {
        assert_eq!(found(layer).0, Vec::<String>::new(), "{layer}");
    }
}

#[test]
fn cve_2024_3660_lambda_layers() {
    rule(&lambda(HARMLESS), "KER004", false);
    rule(&lambda(EVIL), "KER005", true);
    // As Keras 2 wrote them, and in layers within layers.
    let old = format!(
        r#"{{"class_name": "Lambda", "config": {{"name": "l", "function": ["{EVIL}", null, null]}}}}"#
    );
    rule(&old, "KER005", true);
    let nested = format!(
        r#"{{"module": "keras.layers", "class_name": "TimeDistributed", "config": {{"layer": {}}}}}"#,
        lambda(HARMLESS)
    );
    rule(&nested, "KER004", false);
    // Layers may be values of a dictionary as well.
    rule(&format!(r#"{{"layer": {{"inner": {}}}}}"#, lambda(HARMLESS)), "KER004", false);
}

#[test]
fn cve_2025_9905_lambda_in_hdf5_ignores_safe_mode() {
    let found = look("model.h5", include_bytes!("../../testdata/hdf5/many.h5"));
    assert_eq!(found.verdict(), Verdict::Suspicious);
    assert!(found.findings[0].message.contains("safe mode does not stop it"));
}

#[test]
fn cve_2025_1550_modules_outside_keras() {
    let layer = |module: &str, class: &str| {
        format!(
            r#"{{"module": "{module}", "class_name": "{class}", "config": {{}}, "registered_name": null}}"#
        )
    };
    rule(&layer("os", "system"), "KER001", true);
    rule(&layer("subprocess", "Popen"), "KER001", true);
    rule(&layer("builtins", "eval"), "KER001", true);
    rule(&layer("some.package", "Layer"), "KER003", false);
    let function = r#"{"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}"#;
    rule(function, "KER001", true);
    rule(r#"{"class_name": "Activation", "config": {"activation": "os.system"}}"#, "KER001", true);
}

#[test]
fn special_values_import_nothing() {
    let spec = |module: &str, name: &str| {
        format!(
            r#"{{"class_name": "__typespec__", "spec_name": "{name}", "module": "{module}", "config": ["id"], "registered_name": null}}"#
        )
    };
    let tensor = spec("tensorflow.python.framework.tensor", "TensorSpec");
    assert_eq!(found(&tensor).0, Vec::<String>::new());
    rule(&spec("os", "system"), "KER001", true);
    rule(&spec("my_module", "TensorSpec"), "KER003", false);
    rule(&spec("tensorflow.python.util.x", "helper"), "KER002", false);
    let within =
        format!(r#"{{"class_name": "Dense", "config": {{"a": [{{"b": {}}}]}}}}"#, spec("os", "system"));
    rule(&within, "KER001", true);
    rule(&format!(r#"{{"class_name": "__tuple__", "items": [{}]}}"#, spec("os", "system")), "KER001", true);
    rule(
        r#"{"class_name": "__numpy__", "module": "os", "config": {"value": [1], "dtype": "int64"}}"#,
        "KER001",
        true,
    );
    rule(r#"{"class_name": "__numpy__", "module": "mine", "config": {"value": [1]}}"#, "KER003", false);
    rule(
        r#"{"class_name": "__bytes__", "config": {"value": {"class_name": "Dense", "config": {}}}}"#,
        "KER002",
        false,
    );
    rule(r#"{"class_name": "__new_kind__", "config": {}}"#, "KER002", false);
    rule(&format!(r#"{{"class_name": "__lambda__", "config": {{"value": "{EVIL}"}}}}"#), "KER005", true);
    for plain in [
        r#"{"class_name": "__numpy__", "module": "numpy", "config": {"value": [1], "dtype": "int64"}}"#,
        r#"{"class_name": "__bytes__", "config": {"value": "abc"}}"#,
        r#"{"class_name": "__slice__", "config": {"start": 1, "stop": {"class_name": "__tensor__", "config": {"value": 2, "dtype": "int32"}}, "step": null}}"#,
        r#"{"class_name": "__ellipsis__", "config": {}}"#,
    ] {
        assert_eq!(found(plain).0, Vec::<String>::new(), "{plain}");
    }
}

#[test]
fn activations_by_name() {
    let dense = |name: &str| format!(r#"{{"class_name": "Dense", "config": {{"activation": "{name}"}}}}"#);
    rule(&dense("my_fn"), "KER002", false);
    rule(&dense("tensorflow>my"), "KER002", false);
    for known in ["relu", "linear", "softmax", "tanh", "swish", "LeakyReLU"] {
        assert_eq!(found(&dense(known)).0, Vec::<String>::new(), "{known}");
    }
}

#[test]
fn cve_2025_8747_functions_of_keras_that_reach_the_network() {
    let layer = r#"{"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}"#;
    rule(layer, "KER001", true);
    rule(
        r#"{"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}}"#,
        "KER001",
        true,
    );
}

#[test]
fn cve_2025_9906_safe_mode_switched_off() {
    let layer =
        r#"{"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"}"#;
    rule(layer, "KER001", true);
    rule(r#"{"module": "keras.config", "class_name": "enable_unsafe_deserialization"}"#, "KER001", true);
}

#[test]
fn cve_2025_12058_vocabularies_in_files() {
    let layer = |file: &str| {
        format!(
            r#"{{"module": "keras.layers", "class_name": "StringLookup", "config": {{"vocabulary": "{file}"}}}}"#
        )
    };
    rule(&layer("/etc/passwd"), "KER007", true);
    rule(&layer("http://169.254.169.254/"), "KER007", true);
    rule(&layer("../../secret"), "KER007", true);
    rule(&layer("vocabulary.txt"), "KER008", false);
}

#[test]
fn cve_2025_12060_archives_that_get_file_unpacks() {
    let layer = r#"{"module": "keras.src.utils", "class_name": "get_file", "config": {"fname": "a.tar",
        "origin": "https://example.org/a.tar", "extract": true}}"#;
    rule(layer, "KER001", true);
    rule(layer, "KER009", true);
}

#[test]
fn cve_2025_49655_pickles_in_torch_modules() {
    let layer = |module: &str| {
        format!(
            r#"{{"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {{"module": "{module}"}}}}"#
        )
    };
    // `eval("1+1")`, as a pickle and in base64.
    rule(&layer("gASMCGJ1aWx0aW5zjARldmFsk4wDMSsxhVIu"), "PKL002", true);
    rule(&layer("no base64"), "KER006", false);
    rule(
        r#"{"class_name": "Dense", "config": {"units": "gASMCGJ1aWx0aW5zjARldmFsk4wDMSsxhVIu"}}"#,
        "KER006",
        false,
    );
}

#[test]
fn custom_classes_are_suspicious() {
    rule(r#"{"class_name": "MyLayer", "config": {}}"#, "KER002", false);
    let registered =
        r#"{"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "my>Dense"}"#;
    rule(registered, "KER002", false);
    rule(
        r#"{"module": null, "class_name": "My>Layer", "config": {}, "registered_name": "My>Layer"}"#,
        "KER002",
        false,
    );
    rule(r#"{"class_name": "TFSMLayer", "config": {"filepath": "/tmp/model"}}"#, "KER001", true);
    rule(
        r#"{"class_name": "TFOpLambda", "config": {"name": "x", "function": "io.read_file"}}"#,
        "KER013",
        true,
    );
}

#[test]
fn archives_with_something_else_in_them() {
    let config = model(DENSE);
    let lambda = model(&lambda(HARMLESS));
    let base =
        [("metadata.json", METADATA), ("config.json", config.as_bytes()), ("model.weights.h5", WEIGHTS)];
    let with = |member: (&str, &[u8])| {
        let found = look("model.keras", &archive(&[&base[..], &[member]].concat()));
        (found.findings.iter().map(|f| f.rule.to_string()).collect::<Vec<_>>(), found.verdict())
    };
    assert_eq!(with(("assets/vocabulary.txt", b"a\nb\n")).1, Verdict::Clean);
    assert!(with(("assets/layer.py", b"import os\n")).0.contains(&"KER010".to_owned()));
    assert!(with(("other.txt", b"a\n")).0.contains(&"KER010".to_owned()));
    assert_eq!(with(("data.pkl", b"cos\nsystem\n(S'true'\ntR.")).1, Verdict::Malicious);
    assert!(with(("config.json", lambda.as_bytes())).0.contains(&"KER011".to_owned()));
    let without = look("model.keras", &archive(&[base[0], base[2]]));
    assert_eq!(without.verdict(), Verdict::Malformed);
    let broken = look("model.keras", &archive(&[base[0], ("config.json", b"[1]"), base[2]]));
    assert_eq!(broken.verdict(), Verdict::Malformed);
}

#[test]
fn truncation_anywhere_is_not_clean() {
    let text = model(&format!("{DENSE}, {}", lambda(EVIL)));
    for end in 1..text.len() {
        let found = look("model.json", &text.as_bytes()[..end]);
        assert_ne!(found.verdict(), Verdict::Clean, "{end}");
    }
}
