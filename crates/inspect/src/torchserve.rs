//! TorchServe: an archive of a model and of the handler that serves it, which is Python.

use crate::{
    json::{self, Value},
    limits,
    scan::{Halt, Scan},
    zip::{Archive, Directory, Entry, Kind},
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in an archive of TorchServe.

    use crate::rule::rules;

    rules! {
        HANDLER = "MAR001" "torchserve-handler" Suspicious:
            "The archive brings a handler of its own: Python code that the server runs as soon as the model is loaded." =>
            "Look at the handler, or serve the model with one of TorchServe's own.";
        DANGEROUS = "MAR002" "torchserve-dangerous-handler" Malicious:
            "The handler runs code or reaches processes or the network in a way that serving a model does not need." =>
            "Do not serve it.";
        REQUIREMENTS = "MAR003" "torchserve-requirements" Suspicious:
            "The archive brings a list of packages, which the server installs when it is told to." =>
            "Install the packages beforehand, from a lock file.";
        MANIFEST = "MAR004" "torchserve-manifest" Malformed:
            "The manifest cannot be read, or names a member that is not there." =>
            "Get the file again from its maker.";
    }
}

/// Archives with a manifest in `MAR-INF`.
pub(crate) struct TorchServe;

const MANIFEST: &str = "MAR-INF/MANIFEST.json";
/// Handlers that TorchServe has.
const OWN: [&str; 7] = [
    "image_classifier",
    "image_segmenter",
    "object_detector",
    "text_classifier",
    "text_handler",
    "vision_handler",
    "dali_image_classifier",
];
/// What handlers do not need, as it is written in Python. A model's own `eval` has a dot before it.
static CALLS: &[&str] = &[
    "os.system(",
    "os.popen(",
    "os.exec",
    "os.spawn",
    "os.fork(",
    "os.remove(",
    "os.unlink(",
    "subprocess.",
    "pty.spawn(",
    "shutil.rmtree(",
    "eval(",
    "exec(",
    "compile(",
    "__import__(",
    "__builtins__",
    "importlib.",
    "socket.",
    "urllib.request",
    "urlopen(",
    "http.client",
    "requests.get(",
    "requests.post(",
    "marshal.loads(",
    "pickle.load",
    "cPickle",
    "dill.load",
    "ctypes.",
    "base64.b64decode(",
    "codecs.decode(",
    "getattr(os",
    "from os import",
    "from subprocess import",
    "import pty",
    "import ctypes",
];

impl Kind for TorchServe {
    fn claims(&self, directory: &Directory) -> bool {
        directory.entries.iter().any(|entry| entry.name == MANIFEST)
    }

    fn inspect(&self, archive: &Archive<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let entries = &archive.directory.entries;
        for entry in entries.iter().filter(|entry| !entry.is_directory()) {
            let end = entry.name.rsplit_once('.').map_or("", |(_, end)| end);
            if entry.name == MANIFEST {
                manifest(archive, entry, scan)?;
                continue;
            }
            if matches!(end, "py" | "pyc" | "pyo") {
                scan.contents.capabilities.insert(Capability::PythonCode);
                scan.contents.add_name(|contents| &mut contents.scripts, &entry.name);
                scan.find_about(&rules::HANDLER, entry.data, &entry.name, format!("'{}'", entry.name));
            }
            if end == "py" {
                code(archive, entry, scan)?;
            }
            if entry.leaf().starts_with("requirements") && end == "txt" {
                scan.find_about(&rules::REQUIREMENTS, entry.data, &entry.name, format!("'{}'", entry.name));
            }
            archive.inspect_member(entry, scan)?;
        }
        Ok(FileFormat::TorchServe)
    }
}

fn manifest(archive: &Archive<'_>, entry: &Entry, scan: &mut Scan<'_>) -> Result<(), Halt> {
    scan.contents.members = scan.contents.members.saturating_add(1);
    let names = archive.with_member(entry, scan, |content, scan| {
        scan.within(&entry.name, |scan| {
            let (top, whole) = json::document(content, scan)?;
            let Some(model) = top.get("model") else {
                if whole {
                    scan.find(&rules::MANIFEST, None, "it tells of no model".to_owned());
                }
                return Ok(Vec::new());
            };
            let text = |key: &'static str| Some((key, model.get(key).and_then(Value::as_str)?.to_owned()));
            let keys = ["handler", "serializedFile", "modelFile", "requirementsFile"];
            Ok(keys.into_iter().filter_map(text).collect())
        })
    })?;
    for (key, name) in names {
        // A handler is a file, or a file and a function of it.
        let file = if key == "handler" { name.split(':').next().unwrap_or_default() } else { &name };
        let is_there = |name: &str| archive.directory.entries.iter().any(|entry| entry.name == name);
        let there = is_there(file) || key == "handler" && is_there(&format!("{file}.py"));
        match key {
            "handler" if OWN.contains(&file) => {}
            "handler" if there => {
                scan.find_about(&rules::HANDLER, entry.data, file, format!("'{file}'"));
            }
            "requirementsFile" => {
                scan.find_about(&rules::REQUIREMENTS, entry.data, &name, format!("'{name}'"));
            }
            _ if there => {}
            _ => {
                let message = format!("the {key} '{name}' is not there");
                scan.find_about(&rules::MANIFEST, entry.data, &name, message);
            }
        }
    }
    Ok(())
}

/// Looks for what handlers do not need.
fn code(archive: &Archive<'_>, entry: &Entry, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let code = archive.with_member(entry, scan, |content, scan| {
        let Some(random) = content.into_random(scan)? else { return Ok(Vec::new()) };
        random.input().read_some(0, limits::CODE).map_err(Halt::of)
    })?;
    let code = String::from_utf8_lossy(&code);
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    for call in CALLS {
        let found = code.match_indices(call).find(|(at, _)| !code[..*at].ends_with(is_name));
        if let Some((at, _)) = found {
            let message = format!("'{}' has '{call}'", entry.name);
            scan.within(&entry.name, |scan| {
                scan.find_about(&rules::DANGEROUS, at as u64, call, message);
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
