//! Finding and loading modules.

use super::{error::Pkcs11Error, error::return_value, uri::Uri};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Where modules are looked for when the URI does not give a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSearch {
    /// The module to load, whatever the URI says.
    pub module: Option<PathBuf>,
    /// Directories that are looked into for `module-name`, in this order, and for the p11-kit proxy when the URI names
    /// no module.
    pub directories: Vec<PathBuf>,
}

/// The directories in which distributions install modules.
impl Default for ModuleSearch {
    fn default() -> Self {
        let directories = DIRECTORIES.iter().map(PathBuf::from).collect();
        Self { module: None, directories }
    }
}

/// p11-kit's module that joins all modules of a system.
const PROXY: &str = "p11-kit-proxy";

const DIRECTORIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/aarch64-linux-gnu/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/local/lib/pkcs11",
    "/usr/lib/x86_64-linux-gnu/softhsm",
    "/usr/lib/aarch64-linux-gnu/softhsm",
    "/usr/lib64/softhsm",
    "/usr/lib/softhsm",
    "/usr/local/lib/softhsm",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/opt/homebrew/lib/pkcs11",
    "/opt/homebrew/lib/softhsm",
    "/opt/homebrew/lib",
];

/// Modules that were loaded: they are initialised once for the process and never finalised.
static LOADED: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

impl ModuleSearch {
    /// The module that `uri` names, loaded and initialised.
    pub(super) fn open(&self, uri: &Uri) -> Result<Pkcs11, Pkcs11Error> {
        let path = self.find(uri)?;
        let not_a_module = |reason: String| Pkcs11Error::NotAModule { path: path.clone(), reason };
        let path = path.canonicalize().map_err(|e| not_a_module(e.to_string()))?;
        if !path.is_file() {
            return Err(not_a_module("it is not a file".to_owned()));
        }
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, module)) = loaded.iter().find(|(other, _)| *other == path) {
            return Ok(module.clone());
        }
        let module = Pkcs11::new(&path).map_err(|e| {
            not_a_module(match e {
                Error::LibraryLoading(e) => e.to_string(),
                Error::MissingSymbol(name) => format!("it has no function {name}"),
                e => e.to_string(),
            })
        })?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) => {}
            // By another part of this process.
            Err(e) if matches!(return_value(&e), Some((RvError::CryptokiAlreadyInitialized, _))) => {}
            Err(e) => return Err(not_a_module(format!("it does not start: {}", Pkcs11Error::from(e)))),
        }
        loaded.push((path, module.clone()));
        Ok(module)
    }

    fn find(&self, uri: &Uri) -> Result<PathBuf, Pkcs11Error> {
        if let Some(path) = &self.module {
            return Ok(path.clone());
        }
        let name = uri.module_name.as_deref();
        let directories = match &uri.module_path {
            Some(path) if !path.is_dir() => return Ok(path.clone()),
            Some(path) if name.is_none() => return Err(Pkcs11Error::ModuleIsDirectory(path.clone())),
            Some(directory) => std::slice::from_ref(directory),
            None => self.directories.as_slice(),
        };
        let files = file_names(name.unwrap_or(PROXY));
        let candidates = || directories.iter().flat_map(|d| files.iter().map(|file| d.join(file)));
        candidates().find(|path| path.is_file()).ok_or_else(|| {
            let existing = candidates().filter(|path| path.parent().is_some_and(Path::is_dir)).collect();
            Pkcs11Error::NoModule { name: name.map(str::to_owned), looked_for: existing }
        })
    }
}

/// "A module name without prefix or suffix" (RFC 7512 §2.3), or, as people write it, the file's own name.
fn file_names(name: &str) -> Vec<String> {
    const SUFFIXES: [&str; 2] = if cfg!(target_os = "macos") { [".dylib", ".so"] } else { [".so", ".dylib"] };
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        return vec![name.to_owned()];
    }
    let with = |prefix: &str| SUFFIXES.map(|suffix| format!("{prefix}{name}{suffix}"));
    [with("lib"), with("")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(search: &ModuleSearch, uri: &str) -> Pkcs11Error {
        search.open(&Uri::parse(uri).unwrap()).unwrap_err()
    }

    #[test]
    fn a_module_is_found_by_its_bare_name_and_by_its_file_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("libmine.so");
        std::fs::write(&file, b"not ELF").unwrap();
        let search =
            ModuleSearch { module: None, directories: vec!["/nonexistent".into(), directory.path().into()] };
        for name in ["mine", "libmine.so"] {
            let uri = Uri::parse(&format!("pkcs11:?module-name={name}")).unwrap();
            assert_eq!(search.find(&uri).unwrap(), file);
        }
        let path = directory.path().display();
        let nothing = ModuleSearch { module: None, directories: Vec::new() };
        let uri = Uri::parse(&format!("pkcs11:?module-path={path}&module-name=mine")).unwrap();
        assert_eq!(nothing.find(&uri).unwrap(), file);
        let error = open(&nothing, &format!("pkcs11:?module-path={path}"));
        assert!(matches!(error, Pkcs11Error::ModuleIsDirectory(_)), "{error}");
    }

    #[test]
    fn what_was_looked_for_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let search =
            ModuleSearch { module: None, directories: vec!["/nonexistent".into(), directory.path().into()] };
        let error = open(&search, "pkcs11:?module-name=mine").to_string();
        assert!(error.starts_with("there is no PKCS#11 module 'mine'; looked for '"), "{error}");
        assert!(error.contains("/libmine.so', '") && !error.contains("nonexistent"), "{error}");
        let error = open(&search, "pkcs11:token=x").to_string();
        assert!(error.contains("p11-kit") && error.contains("module-path="), "{error}");
    }

    #[test]
    fn files_that_are_no_modules_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let text = directory.path().join("text.so");
        std::fs::write(&text, b"not ELF").unwrap();
        let refused = |path: &Path| {
            let search = ModuleSearch { module: Some(path.to_owned()), directories: Vec::new() };
            let error = open(&search, "pkcs11:");
            assert!(matches!(error, Pkcs11Error::NotAModule { .. }), "{error:?}");
            error.to_string()
        };
        assert!(refused(&text).contains("text.so' is no usable PKCS#11 module: "));
        assert!(refused(&directory.path().join("absent.so")).contains("No such file"));
        assert!(refused(directory.path()).contains("not a file"));
    }
}
