//! Configuration beside a model, in JSON, as Hugging Face's libraries read it: it can name code that a loader fetches and
//! runs, and files that it opens.

mod imports;
mod objects;

use crate::{
    json::{Document, Kind, Member, Value},
    outside,
    scan::{Halt, Scan},
    suspect, tokenizer,
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in a configuration.

    use crate::rule::rules;

    rules! {
        REMOTE_CODE = "HFC001" "remote-code" Suspicious:
            "The configuration names Python code of the repository, which a loader runs when it is told to trust it." =>
            "Read the code, or use a model whose architecture the library has.";
        FOREIGN_CODE = "HFC002" "foreign-code" Suspicious:
            "The configuration names code of another repository, which can change without this one changing." =>
            "Copy the code into this repository, and read it.";
        TRUST = "HFC003" "trust-remote-code" Suspicious:
            "The configuration tells loaders to run code of repositories without asking." =>
            "Remove 'trust_remote_code'.";
        PIPELINE = "HFC004" "custom-pipeline" Suspicious:
            "The configuration names a pipeline that is code of the repository." =>
            "Read the code, or use a pipeline that the library has.";
        MODULE = "HFC005" "custom-module" Suspicious:
            "The configuration names a Python module that is of none of the known libraries; a loader imports it." =>
            "Find out where the module comes from and what it does.";
        PATH = "HFC006" "unsafe-file-name" Suspicious:
            "The configuration names a file outside the model." =>
            "Name files of the model only.";
        COMMAND = "HFC007" "command-in-configuration" Suspicious:
            "A text of the configuration looks like a command or code. Nothing runs it by itself." =>
            "Find out what reads it.";
        LIBRARY = "HFC008" "configured-library" Suspicious:
            "The configuration names a native library, which the runtime loads and runs." =>
            "Find out where the library comes from, or use a model with standard operators.";
        DANGEROUS = "HFC009" "dangerous-import" Malicious:
            "The file names a function or class that runs code or reaches files, processes or the network; the library that reads it imports and calls it." =>
            "Do not load it.";
        EXPRESSION = "HFC010" "evaluated-expression" Suspicious:
            "The library that reads the file runs a text of it as Python, or calls what it names." =>
            "Look at what it does before loading the model.";
    }
}

/// Libraries whose modules a configuration may name.
const LIBRARIES: [&str; 12] = [
    "diffusers",
    "flax",
    "lightning",
    "nemo",
    "onnxruntime",
    "optimum",
    "peft",
    "pylate",
    "pytorch_lightning",
    "sentence_transformers",
    "timm",
    "transformers",
];

/// Directories of pipelines in diffusers, whose classes a `model_index.json` names by the directory alone.
const PIPELINES: [&str; 52] = [
    "allegro",
    "alt_diffusion",
    "amused",
    "animatediff",
    "audioldm",
    "audioldm2",
    "aura_flow",
    "blip_diffusion",
    "bria",
    "chroma",
    "cogvideo",
    "cogview3",
    "cogview4",
    "consistency_models",
    "controlnet",
    "cosmos",
    "dance_diffusion",
    "deepfloyd_if",
    "deprecated",
    "dit",
    "easyanimate",
    "flux",
    "hidream_image",
    "hunyuan_video",
    "hunyuandit",
    "kandinsky",
    "kandinsky2_2",
    "kandinsky3",
    "kolors",
    "latent_diffusion",
    "latte",
    "ledits_pp",
    "ltx",
    "lumina",
    "lumina2",
    "mochi",
    "musicldm",
    "omnigen",
    "paint_by_example",
    "pixart_alpha",
    "qwenimage",
    "sana",
    "semantic_stable_diffusion",
    "shap_e",
    "stable_audio",
    "stable_cascade",
    "stable_diffusion",
    "stable_diffusion_3",
    "stable_diffusion_safe",
    "stable_diffusion_xl",
    "stable_video_diffusion",
    "t2i_adapter",
];

/// Those that do not fit into the list above by their letters: older ones.
const OLDER_PIPELINES: [&str; 9] = [
    "k_diffusion",
    "onnx",
    "spectrogram_diffusion",
    "unclip",
    "unidiffuser",
    "versatile_diffusion",
    "visualcloze",
    "wan",
    "wuerstchen",
];

/// What a configuration can name wherever it stands in it.
pub(crate) struct AnyConfig;

impl Kind for AnyConfig {
    fn matches(&self, _: &str, _: &Value) -> bool {
        true
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = document.name.to_ascii_lowercase();
        let is_config = name.contains("config") && !name.starts_with("tokenizer");
        document.top.walk(&mut |member| imports::look(document, member, scan));
        document.top.walk(&mut |member| tokenizer::named(member, scan));
        objects::inspect(document, scan);
        document.top.walk(&mut |member| match (&*member.name, &member.value) {
            ("auto_map", value) => texts(value, &mut |class| code(class, member.at, scan)),
            ("chat_template", _) => tokenizer::templates(member, scan),
            ("custom_pipelines" | "custom_pipeline", value) => texts(value, &mut |name| {
                remote(scan);
                scan.find_about(&rules::PIPELINE, member.at, name, format!("'{name}'"));
            }),
            ("_target_", Value::Text(name)) => module(name, member.at, scan),
            ("attn_implementation" | "_attn_implementation", Value::Text(name)) if name.contains('/') => {
                remote(scan);
                scan.find_about(&rules::FOREIGN_CODE, member.at, name, format!("the kernel '{name}'"));
            }
            (_, Value::Text(text)) if is_config => command(text, member, scan),
            _ => {}
        });
        Ok(FileFormat::Json)
    }
}

/// `model_index.json` of diffusers: the classes of a pipeline's parts.
pub(crate) struct ModelIndex;

impl Kind for ModelIndex {
    fn matches(&self, name: &str, top: &Value) -> bool {
        name == "model_index.json" || top.get("_diffusers_version").is_some()
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let members = document.top.as_object().map(|object| object.members.as_slice()).unwrap_or_default();
        for member in members {
            // Pipelines of blocks add where a part is loaded from.
            let (library, class) = match member.value.as_array() {
                Some([library, class] | [library, class, Value::Object(_)]) => (library, class),
                _ => continue,
            };
            let (Some(library), Some(class)) = (library.as_str(), class.as_str()) else { continue };
            let known = LIBRARIES.contains(&library.split('.').next().unwrap_or_default())
                || PIPELINES.contains(&library)
                || OLDER_PIPELINES.contains(&library)
                // Numbers and the like come as pairs of a type and a value in some pipelines.
                || member.name.starts_with('_') && &*member.name != "_class_name";
            if !known {
                remote(scan);
                let message = format!("'{}' is '{class}' of '{library}'", member.name);
                scan.find_about(&rules::MODULE, member.at, library, message);
            }
        }
        Ok(FileFormat::Json)
    }
}

/// `modules.json` of sentence-transformers: the classes of a model's steps.
pub(crate) struct Modules;

impl Kind for Modules {
    fn matches(&self, name: &str, _: &Value) -> bool {
        name == "modules.json"
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        document.top.walk(&mut |member| match (&*member.name, &member.value) {
            ("type", Value::Text(name)) => imports::step(name, member.at, scan),
            ("path", Value::Text(path)) => file(path, member.at, scan),
            _ => {}
        });
        Ok(FileFormat::Json)
    }
}

/// `*.index.json`: which file each tensor is in.
pub(crate) struct WeightIndex;

impl Kind for WeightIndex {
    fn matches(&self, _: &str, top: &Value) -> bool {
        top.get("weight_map").is_some()
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let maps = document.top.as_object().map(|object| object.members.as_slice()).unwrap_or_default();
        for map in maps.iter().filter(|member| &*member.name == "weight_map") {
            map.value.walk(&mut |member| {
                texts(&member.value, &mut |path| {
                    scan.contents.capabilities.insert(Capability::ExternalFiles);
                    scan.contents.add_name(|contents| &mut contents.external, path);
                    file(path, member.at, scan);
                });
            });
        }
        Ok(FileFormat::Json)
    }
}

/// `adapter_config.json` of PEFT: the library of the model that it adapts.
pub(crate) struct Adapter;

impl Kind for Adapter {
    fn matches(&self, _: &str, top: &Value) -> bool {
        top.get("auto_mapping").is_some()
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        document.top.walk(&mut |member| {
            if let ("parent_library", Value::Text(name)) = (&*member.name, &member.value) {
                module(name, member.at, scan);
            }
        });
        Ok(FileFormat::Json)
    }
}

fn remote(scan: &mut Scan<'_>) {
    scan.contents.capabilities.insert(Capability::RemoteCode);
}

/// Code of the repository that another format names.
pub(crate) fn remote_code(class: &str, at: u64, scan: &mut Scan<'_>) {
    code(class, at, scan);
}

/// A class that a loader imports from a repository: `module.Class`, or `owner/repository--module.Class`.
fn code(class: &str, at: u64, scan: &mut Scan<'_>) {
    remote(scan);
    match class.split_once("--") {
        Some((repository, class)) => {
            let message = format!("'{class}' of '{repository}'");
            scan.find_about(&rules::FOREIGN_CODE, at, repository, message);
        }
        None => scan.find_about(&rules::REMOTE_CODE, at, class, format!("'{class}'")),
    }
}

/// A module or a class in it that a loader imports.
fn module(name: &str, at: u64, scan: &mut Scan<'_>) {
    let mut parts = name.split('.');
    let library = parts.next().unwrap_or_default();
    // Of torch, only what makes layers and optimisers.
    let known = LIBRARIES.contains(&library)
        || library == "torch" && matches!(parts.next(), Some("nn" | "optim"))
        || name == "omegaconf.dictconfig.DictConfig";
    let plain = name.split('.').all(|part| !part.is_empty() && !part.starts_with('_') || part == "__init__");
    if !known || !plain {
        remote(scan);
        scan.find_about(&rules::MODULE, at, name, format!("'{name}'"));
    }
}

/// A file that a loader opens.
fn file(path: &str, at: u64, scan: &mut Scan<'_>) {
    if outside::reaches(path) {
        scan.find_about(&rules::PATH, at, path, format!("'{path}'"));
    }
}

fn command(text: &str, member: &Member, scan: &mut Scan<'_>) {
    if text.len() > 4096 {
        return;
    }
    if let Some(command) = suspect::code(text) {
        let message = format!("'{}' has '{command}'", member.name);
        scan.find_about(&rules::COMMAND, member.at, &member.name, message);
    }
}

/// Calls `each` for every text within.
fn texts(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::Text(text) => each(text),
        Value::LongText(_) => each("a text that is too long"),
        Value::Array(list) => list.items.iter().for_each(|item| texts(item, each)),
        Value::Object(object) => object.members.iter().for_each(|member| texts(&member.value, each)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use modelseal_core::inspection::{Capability, FileInspection, Verdict};

    fn look(name: &str, data: &str) -> FileInspection {
        crate::testing::look(name, data.as_bytes())
    }

    #[test]
    fn plain_configuration_is_clean() {
        for (name, data) in [
            (
                "config.json",
                r#"{"architectures": ["LlamaForCausalLM"], "auto_map": {}, "trust_remote_code": false, "x": 1e5}"#,
            ),
            (
                "config.json",
                r#"{"auto_map": null, "_attn_implementation": "flash_attention_2", "model_type": "bert"}"#,
            ),
            ("generation_config.json", r#"{"do_sample": true, "temperature": 0.6, "top_p": 0.9}"#),
            (
                "adapter_config.json",
                r#"{"auto_mapping": {"base_model_class": "LlamaModel", "parent_library": "transformers.models.llama.modeling_llama"}}"#,
            ),
            ("adapter_config.json", r#"{"auto_mapping": null, "target_modules": ["q_proj"]}"#),
            (
                "modules.json",
                r#"[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}, {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#,
            ),
            (
                "model_index.json",
                r#"{"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0", "vae": ["diffusers", "AutoencoderKL"], "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "x": [null, null], "f": [1, 2]}"#,
            ),
            (
                "model.safetensors.index.json",
                r#"{"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "sub/x.bin"}}"#,
            ),
        ] {
            let file = look(name, data);
            assert_eq!(file.verdict(), Verdict::Clean, "{name} {:?}", file.findings);
            assert!(!file.contents.capabilities.contains(&Capability::RemoteCode));
        }
    }

    #[test]
    fn what_names_code_is_found() {
        for (rule, name, data) in [
            ("HFC001", "config.json", r#"{"auto_map": {"AutoModel": "modeling_x.XModel"}}"#),
            ("HFC001", "config.json", r#"{"text_config": {"auto_map": {"AutoModel": "modeling_x.XModel"}}}"#),
            (
                "HFC001",
                "tokenizer_config.json",
                r#"{"auto_map": {"AutoTokenizer": ["tokenization_x.X", null]}}"#,
            ),
            ("HFC001", "preprocessor_config.json", r#"{"auto_map": "x.Y"}"#),
            ("HFC001", "config.json", r#"{"auto_map": {"AutoModel": "x.Y"}, "auto_map": {}}"#),
            ("HFC002", "config.json", r#"{"auto_map": {"AutoModel": "other/repo--modeling_x.XModel"}}"#),
            ("HFC002", "config.json", r#"{"_attn_implementation": "owner/kernel"}"#),
            ("HFC003", "config.json", r#"{"trust_remote_code": true}"#),
            (
                "HFC004",
                "config.json",
                r#"{"custom_pipelines": {"task": {"impl": "my.Pipeline", "pt": ["AutoModel"]}}}"#,
            ),
            ("HFC005", "modules.json", r#"[{"type": "custom_st.Evil"}]"#),
            ("HFC005", "modules.json", r#"[{"type": "transformers_modules.x.Evil"}]"#),
            ("HFC005", "modules.json", r#"[{"type": "sentence_transformers.__builtins__.x"}]"#),
            ("HFC005", "model_index.json", r#"{"_class_name": ["my_pipeline", "Evil"]}"#),
            ("HFC005", "model_index.json", r#"{"_class_name": "A", "unet": ["my_unet", "Unet"]}"#),
            ("HFC005", "model_index.json", r#"{"unet": ["my_unet", "Unet", {"repo": "a/b"}]}"#),
            (
                "HFC005",
                "adapter_config.json",
                r#"{"auto_mapping": {"parent_library": "transformers_modules.a.b"}}"#,
            ),
            ("HFC005", "config.json", r#"{"a": {"_target_": "os.system"}}"#),
        ] {
            let file = look(name, data);
            let rules: Vec<String> = file.findings.iter().map(|finding| finding.rule.to_string()).collect();
            assert!(rules.contains(&rule.to_owned()), "{data} {rules:?}");
            assert_eq!(file.verdict(), Verdict::Suspicious);
            assert!(file.contents.capabilities.contains(&Capability::RemoteCode), "{data}");
        }
    }

    #[test]
    fn files_outside_the_model_are_found() {
        for path in ["../x", "a/../../x", "/etc/passwd", "C:\\\\x", "..\\\\x", "http://a/x", "~/x"] {
            let file =
                look("model.safetensors.index.json", &format!(r#"{{"weight_map": {{"a": "{path}"}}}}"#));
            assert_eq!(file.findings[0].rule.to_string(), "HFC006", "{path}");
        }
        assert_eq!(look("modules.json", r#"[{"path": "../.."}]"#).findings[0].rule.to_string(), "HFC006");
    }

    #[test]
    fn commands_are_found_in_configuration_only() {
        let data = r#"{"debug_command": "rm -rf /"}"#;
        assert_eq!(look("my_config.json", data).verdict(), Verdict::Suspicious);
        assert_eq!(look("data.json", data).verdict(), Verdict::Clean);
    }
}
