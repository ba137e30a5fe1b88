//! Names of Python in YAML: in tags, and in the values of keys that frameworks look up and call.

use super::rules;
use crate::{
    pickle::Standing,
    scan::Scan,
    source::{Danger, danger},
    suspect,
};

/// Libraries whose classes configurations name, as their own examples do.
const KNOWN: &[&str] = &[
    "nemo",
    "torch",
    "torchvision",
    "torchaudio",
    "torchmetrics",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "omegaconf",
    "transformers",
    "diffusers",
    "speechbrain",
    "timm",
    "peft",
    "accelerate",
    "mlflow",
    "sklearn",
    "xgboost",
    "lightgbm",
    "tensorflow",
    "keras",
    "ldm",
    "sgm",
    "monai",
    "fairseq",
    "espnet",
    "espnet2",
    "hydra_plugins",
    "megatron",
    "apex",
    "sentence_transformers",
    "fairseq2",
    "pyannote",
    "mmdet",
    "mmcv",
    "mmengine",
    "detectron2",
    "torchtune",
    "torchao",
    "rasa",
];

/// Of these, what is no class of a model and reaches much.
const REACHES: &[&str] = &[
    "torch.hub",
    "torch.load",
    "torch.jit",
    "torch.package",
    "torch.ops",
    "torch.classes",
    "torch.save",
    "torch.serialization",
    "torch.utils.cpp_extension",
    "torch.utils.model_zoo",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.multiprocessing",
    "torch.distributed.run",
    "torch.distributed.launch",
    "mlflow.pyfunc",
    "mlflow.projects",
    "mlflow.run",
    "transformers.dynamic_module_utils",
    "transformers.utils",
    "torch._dynamo",
    "torch._inductor",
    "torch.fx",
    "fairseq.checkpoint_utils",
    "torch.from_file",
    "omegaconf.resolvers",
];

/// Tags of HyperPyYAML, which makes or calls what they name.
const HYPER: &[&str] =
    &["!new:", "!name:", "!apply:", "!module:", "!tuple", "!ref", "!copy", "!include:", "!PLACEHOLDER"];

/// Tags that are looked at after an error.
const SEARCHED: usize = 1000;

/// Judges a tag, written in full.
pub(super) fn tag(full: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let decoded = percent_decoded(full);
    let full = decoded.as_str();
    let core = full.strip_prefix("tag:yaml.org,2002:").or_else(|| full.strip_prefix("!!")).unwrap_or(full);
    if let Some((_, python)) = full.split_once("python/") {
        let subject: String = format!("python/{python}").chars().take(256).collect();
        match python.split_once(':') {
            Some((kind, name)) => python_tag(kind, name, &subject, at, scan),
            None => {
                const VALUES: [&str; 12] = [
                    "none", "bool", "bytes", "str", "unicode", "int", "long", "float", "complex", "list",
                    "tuple", "dict",
                ];
                if !VALUES.contains(&python) {
                    scan.find_about(&rules::PYTHON, at, &subject, format!("the tag '{subject}'"));
                }
            }
        }
        return;
    }
    if let Some(known) = HYPER.iter().find(|known| full.starts_with(**known)) {
        if let (true, Some(name)) = (known.ends_with(':'), full.strip_prefix(known)) {
            if *known == "!include:" {
                scan.contents.add_name(|contents| &mut contents.external, name);
                scan.find_about(&rules::TARGET, at, name, format!("it includes '{name}'"));
            } else {
                target(name, at, scan);
            }
        }
        return;
    }
    const CORE: [&str; 15] = [
        "null",
        "bool",
        "int",
        "float",
        "str",
        "seq",
        "map",
        "binary",
        "timestamp",
        "set",
        "omap",
        "pairs",
        "merge",
        "value",
        "yaml",
    ];
    let plain = core != full && CORE.contains(&core);
    if !plain && full != "!" {
        let subject: String = full.chars().take(256).collect();
        scan.find_about(&rules::TAG, at, &subject, format!("the tag '{subject}'"));
    }
}

/// A tag that makes or finds something of Python.
fn python_tag(kind: &str, name: &str, subject: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let (module, attribute) = match kind {
        "module" => (name, "*"),
        _ => name.rsplit_once('.').unwrap_or(("builtins", name)),
    };
    let runs = match scan.globals.judge(module, attribute, 4) {
        Standing::Dangerous(why) => Some(format!("the tag names '{name}': {why}")),
        _ => (danger(name) == Some(Danger::Runs)).then(|| format!("the tag names '{name}'")),
    };
    match runs {
        Some(message) => scan.find_about(&rules::RUNS, at, subject, message),
        None => scan.find_about(&rules::PYTHON, at, subject, format!("the tag '{subject}'")),
    }
    scan.contents.add_name(|contents| &mut contents.globals, name);
}

/// Judges a class or function that is made or called with what stands beside it.
pub(super) fn target(name: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let name = name.trim();
    if name.is_empty() || name == "???" || name == "null" {
        return;
    }
    let subject: String = name.chars().take(256).collect();
    scan.contents.add_name(|contents| &mut contents.globals, &subject);
    // jsonargparse takes a bare class of Lightning.
    if danger(name) == Some(Danger::Runs) {
        scan.find_about(&rules::RUNS, at, &subject, format!("'{subject}' is called"));
        return;
    }
    let is_known = |list: &[&str]| {
        list.iter().any(|known| {
            name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let odd = name.split('.').any(|part| {
        part.starts_with("__") || part.is_empty() || !part.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    if !is_known(KNOWN) || is_known(REACHES) || odd || danger(name).is_some() {
        scan.find_about(&rules::TARGET, at, &subject, format!("'{subject}' is made or called"));
    }
}

/// Judges the module with which MLflow loads a model.
pub(super) fn loader(name: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let known = name.strip_prefix("mlflow.").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    });
    if !known || name.starts_with("mlflow.pyfunc.") && name != "mlflow.pyfunc.model" {
        let subject: String = name.chars().take(256).collect();
        scan.find_about(&rules::TARGET, at, &subject, format!("'{subject}' loads the model"));
    }
}

/// Whether a value can be a name of Python with a module.
pub(super) fn is_dotted(text: &str) -> bool {
    let parts = text.split('.').count();
    is_name(text) && (parts > 2 || (parts == 2 && danger(text) == Some(Danger::Runs)))
}

/// Whether a value can be a class with its module.
pub(super) fn is_class(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    is_dotted(text) || (is_name(text) && text.contains('.') && last.starts_with(char::is_uppercase))
}

/// Names of Python with points between them.
fn is_name(text: &str) -> bool {
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.len() < 512 && text.split('.').all(good)
}

/// Judges an expression of MONAI, which is evaluated; other programs take such texts for variables.
pub(super) fn expression(text: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let Some(code) = text.trim_start().strip_prefix('$').filter(|code| !code.starts_with('{')) else {
        return;
    };
    let calls = code.find('(').is_some_and(|at| at > 0);
    if calls || code.trim_start().starts_with("import ") || suspect::code(code).is_some() {
        evaluated(code, at, scan);
    }
}

/// Judges an entry of a model's layers, which some programs evaluate.
pub(super) fn layer(text: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let plain = |c: char| c.is_alphanumeric() || "_.-+ ,[]*/".contains(c);
    if !text.chars().all(plain) || text.contains("__") {
        evaluated(text, at, scan);
    }
}

/// Judges an activation, which some programs evaluate: one of Torch's is made with numbers.
pub(super) fn activation(text: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let plain = |c: char| c.is_alphanumeric() || "_.-+ ,=()".contains(c);
    let known = !text.contains('(') || text.starts_with("nn.") || text.starts_with("torch.nn.");
    if !known || !text.chars().all(plain) || text.contains("__") {
        evaluated(text, at, scan);
    }
}

/// Tells of a text that is evaluated as Python.
fn evaluated(code: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    let subject: String = code.chars().take(256).collect();
    let called = code.split('(').next().unwrap_or_default().trim();
    let runs = danger(called) == Some(Danger::Runs) || suspect::code(code).is_some();
    let rule = if runs { &rules::RUNS } else { &rules::TARGET };
    scan.find_about(rule, at, &subject, format!("'{subject}' is evaluated"));
}

/// Judges a template whose engine is not known: what reaches for Python's internals runs code in any.
pub(super) fn template(text: &str, at: Option<u64>, scan: &mut Scan<'_>) {
    for part in text.split("{{").skip(1).chain(text.split("{%").skip(1)) {
        let code = part.split(['}', '%']).next().unwrap_or_default();
        let inner = |(at, _): (usize, &str)| {
            code.get(..at).is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        if code.match_indices("__").any(inner) || code.contains("\\x5f") {
            scan.find(&rules::RUNS, at, "a template reaches for Python's internals".to_owned());
            return;
        }
    }
}

/// Looks for tags of Python in what could not be read.
pub(super) fn tags_in(text: &str, from: usize, scan: &mut Scan<'_>) {
    let start = (0..=from.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let rest = text.get(start..).unwrap_or_default();
    for (position, _) in rest.match_indices("python/").take(SEARCHED) {
        let tag_text: String = rest
            .get(position..)
            .unwrap_or_default()
            .chars()
            .take_while(|c| !c.is_whitespace() && !matches!(c, '>' | ',' | '}' | ']'))
            .take(256)
            .collect();
        // In a comment or in a text, it is none.
        let before = rest.get(..position).unwrap_or_default();
        if before.ends_with("!!") || before.ends_with("tag:yaml.org,2002:") {
            tag(&format!("tag:yaml.org,2002:{tag_text}"), Some((start + position) as u64), scan);
        }
    }
}

/// `%6e` in a tag is `n`.
fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(code) if byte == b'%' => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
