//! What Python names do, when they are called: of interest in sources and in the names of configurations. Lists of known
//! bad, which only raise what is said; nothing is clean because it is not on them.

/// What calling a name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Danger {
    /// It reaches files, devices, other code or memory, for good reasons too.
    Reaches,
    /// It runs a program or code, removes files, or reaches the network.
    Runs,
}

/// Functions, and with a point at their end, beginnings of them.
const RUNS: &[&str] = &[
    "os.system",
    "os.popen",
    "os.exec.",
    "os.spawn.",
    "os.posix_spawn.",
    "os.startfile",
    "os.remove",
    "os.unlink",
    "os.removedirs",
    "os.rmdir",
    "os.kill",
    "os.killpg",
    "os.fork",
    "os.forkpty",
    "os.setuid",
    "posix.",
    "nt.",
    "pty.",
    "subprocess.",
    "_posixsubprocess.",
    "commands.",
    "popen2.",
    "eval",
    "exec",
    "execfile",
    "builtins.eval",
    "builtins.exec",
    "runpy.",
    "socket.socket",
    "socket.create_connection",
    "socket.create_server",
    "urllib.request.",
    "urllib.urlopen",
    "urllib.urlretrieve",
    "urllib2.",
    "requests.",
    "httpx.",
    "http.client.",
    "httplib.",
    "aiohttp.",
    "ftplib.",
    "smtplib.",
    "telnetlib.",
    "paramiko.",
    "xmlrpc.",
    "marshal.load.",
    "pickle.load.",
    "cPickle.load.",
    "_pickle.load.",
    "dill.load.",
    "cloudpickle.load.",
    "shutil.rmtree",
    "webbrowser.",
    "timeit.",
    "pip.main",
    "pip._internal.main",
    "pip._internal.cli.main.",
    "asyncio.create_subprocess.",
    "code.interact",
    "code.InteractiveInterpreter",
    "pdb.",
    "types.FunctionType",
    "types.CodeType",
    "platform.popen",
    "torch.utils.cpp_extension.load.",
    "cffi.verify",
    "multiprocessing.Process",
    "win32com.",
    "winreg.",
    "_winreg.",
];

const REACHES: &[&str] = &[
    "os.",
    "sys.modules",
    "sys.path.",
    "sys.setprofile",
    "sys.settrace",
    "compile",
    "__import__",
    "open",
    "globals",
    "builtins.",
    "__builtins__.",
    "importlib.",
    "imp.",
    "ctypes.",
    "_ctypes.",
    "cffi.",
    "socket.",
    "ssl.",
    "shutil.",
    "tempfile.",
    "glob.",
    "pathlib.",
    "io.open",
    "codecs.open",
    "multiprocessing.",
    "threading.",
    "asyncio.",
    "signal.",
    "mmap.",
    "pickle.",
    "cPickle.",
    "dill.",
    "joblib.load",
    "torch.load",
    "torch.hub.",
    "torch.utils.cpp_extension.",
    "torch.ops.load_library",
    "torch.classes.load_library",
    "numpy.load",
    "numpy.fromfile",
    "numpy.memmap",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "base64.",
    "zlib.decompress",
    "bz2.decompress",
    "lzma.decompress",
    "zipimport.",
    "pkgutil.",
    "code.",
    "codeop.",
    "inspect.",
    "gc.",
    "atexit.",
    "site.",
    "tarfile.",
    "zipfile.",
    "sqlite3.",
    "winreg.",
    "urllib.",
    "http.",
    "huggingface_hub.",
    "wget.",
    "gdown.",
    "boto3.",
    "getattr",
    "setattr",
    "vars",
    "sys._getframe",
    "types.",
    "marshal.",
    "breakpoint",
    "input",
    "ast.literal_eval",
];

/// Attributes that lead from any object to everything.
const LEADS: &[&str] = &[
    "__globals__",
    "__subclasses__",
    "__builtins__",
    "__code__",
    "__mro__",
    "__bases__",
    "__base__",
    "__getattribute__",
    "__loader__",
    "__spec__",
    "__dict__",
    "__reduce__",
    "__reduce_ex__",
    "f_globals",
    "f_builtins",
    "gi_frame",
    "tb_frame",
    "__closure__",
    "__import__",
];

/// What calling this full name does, as far as it is known.
pub(crate) fn danger(name: &str) -> Option<Danger> {
    // Defined in the file itself, or beside it.
    if name.starts_with('<') {
        return None;
    }
    // What a module imports is the same elsewhere: `shutil.os.system`.
    let within = ["os", "subprocess", "sys", "builtins", "socket"]
        .iter()
        .filter_map(|module| {
            name.find(&format!(".{module}.")).map(|at| name.get(at + 1..).unwrap_or_default())
        })
        .next();
    let in_list = |list: &[&str], name: &str| {
        list.iter().any(|known| match known.strip_suffix('.') {
            // A module's name takes a point, the beginning of a function's does not.
            Some(start) => name.strip_prefix(start).is_some_and(|rest| {
                rest.starts_with('.')
                    || (start.contains('.') && !start.ends_with("path") && !rest.starts_with('_'))
            }),
            None => *known == name,
        })
    };
    let each = || [Some(name), within].into_iter().flatten();
    if each().any(|name| in_list(RUNS, name)) {
        Some(Danger::Runs)
    } else if each().any(|name| in_list(REACHES, name) && !is_harmless(name)) || leads(name) {
        Some(Danger::Reaches)
    } else {
        None
    }
}

/// Whether a part of the name leads anywhere.
pub(super) fn leads(name: &str) -> bool {
    name.split('.').skip(1).any(|part| LEADS.contains(&part))
}

/// Of modules that reach much, what does not.
fn is_harmless(name: &str) -> bool {
    [
        "os.path.",
        "os.environ.get",
        "os.getenv",
        "os.cpu_count",
        "os.getcwd",
        "os.getpid",
        "inspect.signature",
        "inspect.isfunction",
    ]
    .iter()
    .any(|good| name.starts_with(good))
        || matches!(name, "os.sep" | "os.linesep" | "os.name" | "os.PathLike" | "os.fspath")
        || (name.starts_with("types.") && !name.ends_with("Type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_whole_and_by_their_beginnings() {
        for name in [
            "os.system",
            "os.execvp",
            "subprocess.run",
            "eval",
            "shutil.os.system",
            "pickle.loads",
            "posix.open",
        ] {
            assert_eq!(danger(name), Some(Danger::Runs), "{name}");
        }
        for name in
            ["os.makedirs", "ctypes.CDLL", "open", "importlib.import_module", "x.__globals__", "pickle.dump"]
        {
            assert_eq!(danger(name), Some(Danger::Reaches), "{name}");
        }
        for name in [
            "os.path.join",
            "torch.nn.Linear",
            "evaluate",
            "osmosis.x",
            "requests_x",
            "self.eval",
            "os.getcwd",
        ] {
            assert_eq!(danger(name), None, "{name}");
        }
    }
}
