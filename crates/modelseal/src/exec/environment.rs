//! The environment of a command: what makes loaders stay away from the network and from caches, and what they may know.

use crate::report::ExecModel;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

/// What tells the loaders of Hugging Face that there is no network (huggingface_hub, transformers, datasets).
const OFFLINE: [&str; 3] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"];

/// What would lead loaders to other caches than the empty one.
const CACHES: [&str; 12] = [
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
    "PYTORCH_TRANSFORMERS_CACHE",
    "PYTORCH_PRETRAINED_BERT_CACHE",
    "HF_ASSETS_CACHE",
    "HF_DATASETS_CACHE",
    "HF_MODULES_CACHE",
    "TORCH_HOME",
    "SENTENCE_TRANSFORMERS_HOME",
    "DIFFUSERS_CACHE",
    "MODELSCOPE_CACHE",
    "HF_XET_CACHE",
];

/// What signing needs, or who downloads, and no model does.
const SECRETS: [&str; 6] = [
    "MODELSEAL_PASSWORD",
    "MODELSEAL_PIN",
    "MODELSEAL_IDENTITY_TOKEN",
    "MODELSEAL_CLIENT_SECRET",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
];

/// Where a home's parts are (XDG Base Directory Specification).
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the home stays where it is there"))]
const HOME_PARTS: [&str; 6] = [
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "PYTHONUSERBASE",
];

/// The environment that the command is given by whoever runs it.
#[derive(Debug)]
pub(super) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The home, when it is named.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the home stays where it is there"))]
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
    }

    /// Gives a command this environment, with `temporary` for what loaders would else keep elsewhere.
    pub(super) fn give(&self, command: &mut Command, temporary: &Path, models: &[ExecModel]) {
        command.env_clear().envs(&self.0);
        for name in CACHES.iter().chain(&SECRETS) {
            command.env_remove(name);
        }
        for name in OFFLINE {
            command.env(name, "1");
        }
        let cache = temporary.join("huggingface");
        command.env("HF_HUB_CACHE", cache.join("hub")).env("HF_HOME", cache);
        let known: BTreeMap<&str, _> = models
            .iter()
            .map(|model| {
                let about = serde_json::json!({ "path": model.path, "manifest": model.manifest });
                (model.reference.as_str(), about)
            })
            .collect();
        command.env("MODELSEAL_VERIFIED", "1");
        command.env("MODELSEAL_MODELS", serde_json::to_string(&known).unwrap_or_default());
    }

    /// Besides, a temporary directory.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there is none of its own there"))]
    pub(super) fn give_temporary(command: &mut Command, temporary: &Path) {
        for name in ["TMPDIR", "TMP", "TEMP"] {
            command.env(name, temporary);
        }
    }

    /// Besides, an empty home, in which nothing of the old one is found.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the home stays where it is there"))]
    pub(super) fn give_home(command: &mut Command, home: &Path) {
        for name in HOME_PARTS {
            command.env_remove(name);
        }
        command.env("HOME", home);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_are_told_to_stay_here_and_secrets_stay_behind() {
        let given = [
            ("PATH", "/bin"),
            ("MODELSEAL_PASSWORD", "hunter2"),
            ("HF_HUB_OFFLINE", "0"),
            ("TRANSFORMERS_CACHE", "/elsewhere"),
            ("HF_HOME", "/elsewhere"),
            ("HF_TOKEN", "hunter2"),
            ("MODELSCOPE_CACHE", "/elsewhere"),
        ];
        let environment = Environment::new(given.map(|(name, value)| (name.into(), value.into())));
        let mut command = Command::new("true");
        let model = ExecModel {
            reference: "hf://huggingface.co/a/b".into(),
            path: "/m".into(),
            original: "/o".into(),
            manifest: Some("manifest-sha256:00".into()),
            bytes: String::new(),
        };
        environment.give(&mut command, Path::new("/tmp/t"), &[model]);
        let set: BTreeMap<_, _> =
            command.get_envs().filter_map(|(k, v)| Some((k.to_str()?, v?.to_str()?))).collect();
        assert_eq!(set["HF_HUB_OFFLINE"], "1");
        assert_eq!(Path::new(set["HF_HOME"]), Path::new("/tmp/t/huggingface"));
        assert_eq!(set["PATH"], "/bin");
        assert_eq!(
            set["MODELSEAL_MODELS"],
            r#"{"hf://huggingface.co/a/b":{"manifest":"manifest-sha256:00","path":"/m"}}"#
        );
        assert!(!set.contains_key("HF_TOKEN") && !set.contains_key("MODELSCOPE_CACHE"));
        assert!(!set.contains_key("MODELSEAL_PASSWORD") && !set.contains_key("TRANSFORMERS_CACHE"));
    }
}
