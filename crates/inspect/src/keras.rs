//! Keras: the configuration that says which classes a model is made of, in HDF5 files, in `.keras` archives and alone. A class
//! is named by text, and loading imports what is named.

mod code;
mod config;
mod names;

use crate::{
    bytes::Input,
    json::{self, Document, Value},
    scan::{Content, Halt, Scan, extension},
    zip::{Archive, Directory, Entry},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a model of Keras.

    use crate::rule::rules;

    rules! {
        DANGEROUS = "KER001" "keras-dangerous-name" Malicious:
            "The configuration names a function or class that runs code or reaches files, processes or the network; loading imports and calls it (CVE-2025-1550, CVE-2025-8747, CVE-2025-9906, CVE-2025-12060)." =>
            "Do not load it.";
        CUSTOM = "KER002" "keras-custom-class" Suspicious:
            "The configuration names a class or function that is none of Keras' own computations; loading needs code from elsewhere." =>
            "Get the code from the model's maker, look at it, and load the model only with that.";
        IMPORT = "KER003" "keras-import" Suspicious:
            "The configuration names a module outside Keras, which loading imports (CVE-2025-1550)." =>
            "Look at what the module does before loading the model.";
        LAMBDA = "KER004" "keras-lambda" Suspicious:
            "A layer runs a function that is stored in the model as Python bytecode, or is named there (CVE-2024-3660). In HDF5 files safe mode does not stop it (CVE-2025-9905)." =>
            "Ask its maker for a model without Lambda layers.";
        CODE = "KER005" "keras-dangerous-code" Malicious:
            "Python bytecode in the model names what runs code or reaches files, processes or the network." =>
            "Do not load it.";
        PICKLE = "KER006" "keras-pickle" Suspicious:
            "The configuration holds a pickle, which loading unpickles (CVE-2025-49655)." =>
            "Do not load it.";
        FILE = "KER007" "keras-file" Malicious:
            "A layer reads a file of the machine, or of the network, when it is loaded (CVE-2025-12058)." =>
            "Do not load it.";
        FILE_BESIDE = "KER008" "keras-file-beside" Suspicious:
            "A layer reads a file that is named by the configuration (CVE-2025-12058)." =>
            "Ask its maker to save the vocabulary in the model.";
        PATH = "KER009" "keras-path" Suspicious:
            "The configuration holds a path or an address outside the model." =>
            "Find out what reads it.";
        MEMBER = "KER010" "keras-unusual-member" Suspicious:
            "The archive holds code or something else that Keras does not save." =>
            "Look at the member before unpacking the archive.";
        TWO_CONFIGS = "KER011" "keras-two-configs" Malicious:
            "The archive has two configurations, so that who looks at one loads the other." =>
            "Do not load it.";
        INCOMPLETE = "KER012" "keras-incomplete" Malformed:
            "The archive has no configuration or no weights, or its configuration is none." =>
            "Get the file again from its maker.";
        OPERATOR = "KER013" "keras-operator" Malicious:
            "A layer runs an operator of TensorFlow that reaches files or Python." =>
            "Do not load it.";
    }
}

/// Where a configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// In an HDF5 file: safe mode is not looked at.
    Hdf5,
    /// Beside a graph, which takes the place of classes that Keras does not know.
    Graph,
    /// In an archive, or alone.
    Other,
}

/// Inspects a configuration that is a part of something else, under the name `part`.
pub(crate) fn inspect_config(part: &str, text: &[u8], home: Home, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let text = text.to_vec();
    scan.within(part, |scan| inspect_json(Content::random(Input::of(&text))?, home, scan))
}

fn inspect_json(content: Content<'_>, home: Home, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let (top, whole) = json::document(content, scan)?;
    if top.as_object().is_none() && whole {
        scan.find(&rules::INCOMPLETE, None, "the configuration is no object".to_owned());
    }
    config::inspect(&top, home, scan)
}

/// A model's configuration in a file of its own.
pub(crate) struct KerasJson;

impl json::Kind for KerasJson {
    fn matches(&self, _: &str, top: &Value) -> bool {
        let has = |name| top.get(name).is_some();
        let is_class = top.get("class_name").is_some_and(|class| class.as_str().is_some());
        is_class && has("config") && (has("keras_version") || has("module") || has("backend"))
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        config::inspect(&document.top, Home::Other, scan)?;
        Ok(FileFormat::Json)
    }
}

/// Archives of Keras since version 3.
pub(crate) struct KerasZip;

impl crate::zip::Kind for KerasZip {
    fn claims(&self, directory: &Directory) -> bool {
        let has = |name: &str| directory.entries.iter().any(|entry| entry.name == name);
        // Older ones have no metadata.
        has("config.json") && (has("metadata.json") || is_weights(directory))
            || has("metadata.json") && is_weights(directory)
    }

    fn inspect(&self, archive: &Archive<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let entries = &archive.directory.entries;
        let configs: Vec<&Entry> = entries.iter().filter(|entry| entry.name == "config.json").collect();
        if configs.is_empty() || !is_weights(&archive.directory) {
            let what = if configs.is_empty() { "config.json" } else { "model.weights.h5" };
            scan.find(&rules::INCOMPLETE, None, format!("there is no member {what}"));
        }
        if configs.len() > 1 {
            let message = format!("{} members are named config.json", configs.len());
            scan.find(&rules::TWO_CONFIGS, None, message);
        }
        for entry in entries.iter().filter(|entry| !entry.is_directory()) {
            self.member(archive, entry, scan)?;
        }
        Ok(FileFormat::Keras)
    }
}

impl KerasZip {
    fn member(&self, archive: &Archive<'_>, entry: &Entry, scan: &mut Scan<'_>) -> Result<(), Halt> {
        const OWN: [&str; 5] =
            ["metadata.json", "model.weights.h5", "model.weights.npz", "model.weights.json", "README.md"];
        let is_json = ["config.json", "metadata.json", "model.weights.json"].contains(&entry.name.as_str());
        if is_json {
            scan.contents.members = scan.contents.members.saturating_add(1);
            return archive.with_member(entry, scan, |content, scan| {
                scan.within(&entry.name, |scan| match entry.name.as_str() {
                    "config.json" => inspect_json(content, Home::Other, scan),
                    _ => json::document(content, scan).map(|_| ()),
                })
            });
        }
        // Large models keep their weights in several files.
        let is_shard = entry.name.starts_with("model_") && entry.name.ends_with(".weights.h5");
        let is_asset = entry.name.starts_with("assets/");
        if !OWN.contains(&entry.name.as_str()) && !is_shard && (!is_asset || is_code(&entry.name)) {
            let message = format!("'{}'", entry.name);
            scan.find_about(&rules::MEMBER, entry.data, &entry.name, message);
        }
        archive.inspect_member(entry, scan)
    }
}

fn is_weights(directory: &Directory) -> bool {
    directory.entries.iter().any(|entry| {
        entry.name.starts_with("model") && (entry.name.contains(".weights.") || entry.name.ends_with(".h5"))
    })
}

/// Whether a member is named like code, or like what runs code when it is loaded.
fn is_code(name: &str) -> bool {
    const CODE: [&str; 18] = [
        "py", "pyc", "pyo", "pyd", "pyx", "ipynb", "so", "dll", "dylib", "exe", "sh", "bat", "ps1", "js",
        "jar", "pkl", "pickle", "joblib",
    ];
    let end = extension(name);
    CODE.contains(&end.as_str())
}

#[cfg(test)]
mod tests;
