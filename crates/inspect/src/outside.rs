//! Names of files that a model wants to have read. They are foreign text and never reach a disk from here.

use crate::scan::Scan;
use modelseal_core::inspection::Capability;

/// Why a file of this name is not one beside the model; none when it is.
pub(crate) fn leads_out(name: &str) -> Option<&'static str> {
    let scheme = name.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    if name.is_empty() {
        Some("an empty name")
    } else if name.contains('\0') {
        Some("a name with a NUL, after which some loaders stop reading it")
    } else if name.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        Some("a name with control characters")
    } else if name.starts_with("\\\\") || name.starts_with("//") {
        Some("a share of the network")
    } else if scheme.is_some_and(|scheme| scheme.len() == 1) {
        Some("a path of a drive")
    } else if scheme.is_some() {
        Some("a URL")
    } else if name.starts_with(['/', '\\']) {
        Some("an absolute path")
    } else if name.starts_with('~') {
        Some("a path of a user's home")
    } else if name.split(['/', '\\']).any(|part| part.trim_end_matches(' ') == "..") {
        Some("a path out of the model's directory")
    } else {
        None
    }
}

/// Whether joining the name to a directory leads out of that, by any reader of archives.
pub(crate) fn leaves(name: &str) -> bool {
    name.starts_with(['/', '\\'])
        || name.as_bytes().get(1) == Some(&b':')
        || name.contains('\0')
        || name.split(['/', '\\']).any(|part| part == "..")
}

/// Whether opening the path may lead elsewhere than beside the model, when the loader puts in homes and variables, too.
/// Milder than [`leads_out`], for texts that may be no paths at all.
pub(crate) fn reaches(path: &str) -> bool {
    leaves(path) || path.starts_with(['~', '$', '%']) || path.contains("://")
}

/// Takes note of a file beside the model.
pub(crate) fn external(scan: &mut Scan<'_>, name: &str) {
    scan.contents.capabilities.insert(Capability::ExternalFiles);
    scan.contents.add_name(|contents| &mut contents.external, name);
}

#[cfg(test)]
mod tests {
    use super::{leads_out, leaves, reaches};

    #[test]
    fn only_names_below_the_model_are_taken() {
        for good in ["w.bin", "weights/w.bin", "model.onnx_data", "a..b", "..a", "./w.bin", "1:2"] {
            assert_eq!(leads_out(good), None, "{good}");
            // Names of archives have no drive of one digit.
            assert!(good == "1:2" || !reaches(good), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../w",
            "a/../../w",
            "a\\..\\w",
            "..",
            ".. /w",
            "C:\\w",
            "C:w",
            "\\\\host\\w",
            "//host/w",
            "http://h/w",
            "file:/w",
            "data:x",
            "~/w",
            "w.bin\0.txt",
            "w\n",
        ] {
            assert!(leads_out(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn archives_and_loaders_that_put_in_variables() {
        for name in ["/a", "\\a", "a/../b", "..\\b", "C:a", "a\0b"] {
            assert!(leaves(name) && reaches(name), "{name:?}");
        }
        for path in ["~/a", "$HOME/a", "%TEMP%/a", "https://h/a"] {
            assert!(!leaves(path) && reaches(path), "{path}");
        }
        for name in ["", "a", "a..b/c", "layer:0/kernel"] {
            assert!(!reaches(name), "{name}");
        }
    }
}
