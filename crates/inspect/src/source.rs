//! Sources and scripts: code that somebody runs, or that a loader imports from beside the model. Python is read closely
//! enough to say what happens on import; of other languages, it is only said that they are there.

mod danger;
mod lexer;
mod notebook;
mod python;
mod settings;
mod words;

use crate::{
    lfs, limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan, extension},
    text::{self, Lines, Look},
};
pub(crate) use danger::{Danger, danger};
use modelseal_core::inspection::{Capability, FileFormat};
pub(crate) use notebook::Notebook;
use python::Found;
pub(crate) use settings::settings;

pub(crate) mod rules {
    //! What can be found in code.

    use crate::rule::rules;

    rules! {
        PYTHON = "SRC001" "python-code" Suspicious:
            "The file is Python source, which runs when it is imported, as loaders do that trust remote code." =>
            "Read it before you use it, or use a model that needs no code of its own.";
        REACHES = "SRC002" "python-reaches-out" Suspicious:
            "The code names what runs programs or other code, or reaches files, devices or the network." =>
            "Read what it does with it.";
        RUNS = "SRC003" "python-runs-on-import" Malicious:
            "As soon as the file is imported, it runs a program or computed code, removes files, or reaches the network." =>
            "Do not import it.";
        SCRIPT = "SRC004" "script" Suspicious:
            "The file is a script; what it does is not inspected." =>
            "Read it before you run it, or remove it.";
        DOCKERFILE = "SRC005" "dockerfile" Suspicious:
            "The file says how to build a container image; whoever builds it runs its commands." =>
            "Read it before you build the image.";
        SOURCE = "SRC006" "program-source" Suspicious:
            "The file is a program's source, which some loaders compile and run." =>
            "Read it before you use it, or remove it.";
        NOTEBOOK = "SRC007" "notebook-with-code" Suspicious:
            "The notebook has code, which runs when its cells are run." =>
            "Read it before you run it.";
        ACTIVE = "SRC008" "notebook-with-script" Suspicious:
            "An output or a text of the notebook has a script, which may run when the notebook is opened." =>
            "Clear the outputs.";
        SETTINGS = "SRC009" "tool-settings" Suspicious:
            "By this file, a shell, an editor, a container or a build runs commands, some as soon as its directory is opened." =>
            "Read it before you use any tool there, or remove it.";
        PATHS = "SRC010" "python-paths-with-code" Suspicious:
            "The file is a list of paths of Python's with code in it, which runs whenever Python starts, if it lies where packages do." =>
            "Do not put it where packages lie.";
    }
}

const PYTHON: &[&str] = &["py", "pyw", "pyi", "pyx", "pxd", "py3"];

const SCRIPTS: &[&str] = &[
    "sh",
    "bash",
    "zsh",
    "fish",
    "ksh",
    "csh",
    "command",
    "ps1",
    "psm1",
    "psd1",
    "bat",
    "cmd",
    "vbs",
    "vbe",
    "wsf",
    "hta",
    "js",
    "mjs",
    "cjs",
    "ts",
    "jsx",
    "tsx",
    "lua",
    "r",
    "rb",
    "pl",
    "pm",
    "php",
    "tcl",
    "awk",
    "applescript",
    "groovy",
    "jl",
    "mk",
    "cmake",
    "gradle",
    "service",
    "desktop",
    "reg",
    "slurm",
    "sbatch",
    "rmd",
    "ipy",
    "sql",
];

const SOURCES: &[&str] = &[
    "c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "cu", "cuh", "m", "mm", "go", "rs", "java", "kt",
    "swift", "cs", "scala", "f90", "asm", "s", "ptx", "cl", "metal", "hip", "inl", "hs", "ml", "d", "zig",
];

const SCRIPT_NAMES: &[&str] = &[
    "makefile",
    "gnumakefile",
    "rakefile",
    "jenkinsfile",
    "vagrantfile",
    "procfile",
    "snakefile",
    "justfile",
    "cmakelists.txt",
    "gemfile",
    "sconstruct",
    "configure",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    Script,
    Source,
    Dockerfile,
    /// A list of paths with lines of Python, which are run.
    Paths,
}

/// The door from `route`.
pub(crate) struct Source;

impl Format for Source {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        if probe.head.starts_with(lfs::VERSION) {
            return None;
        }
        let language = language(probe.name, probe.extension, probe.head)?;
        // Only zeros keep Python and shells from running what is named like this. The other names are shared with data.
        let runs = match language {
            Language::Python => !probe.head.contains(&0) || text::is_utf16(probe.head),
            _ => {
                probe.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(probe.head).starts_with(b"#!")
                    || text::is_text(probe.head)
            }
        };
        runs.then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.leaf().to_owned();
        let extension = extension(&name);
        let language = language(&name, &extension, content.head());
        let path = scan.name().to_owned();
        scan.contents.add_name(|contents| &mut contents.scripts, &path);
        let (rule, format) = match language {
            Some(Language::Python) => return python(content, scan).map(|()| FileFormat::Python),
            Some(Language::Dockerfile) => (&rules::DOCKERFILE, FileFormat::Dockerfile),
            Some(Language::Paths) => (&rules::PATHS, FileFormat::Script),
            Some(Language::Source) => (&rules::SOURCE, FileFormat::Script),
            _ => (&rules::SCRIPT, FileFormat::Script),
        };
        let first = content.head().split(|&byte| byte == b'\n').next().unwrap_or_default();
        let message = match String::from_utf8_lossy(first).trim() {
            line if line.starts_with("#!") => format!("it begins with '{line}'"),
            _ => format!("it is called '{name}'"),
        };
        scan.find(rule, 0, message);
        look(content, scan)?;
        Ok(format)
    }
}

fn language(name: &str, extension: &str, head: &[u8]) -> Option<Language> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first = || head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let docker = ["dockerfile", "containerfile"];
    if PYTHON.contains(&extension) {
        Some(Language::Python)
    } else if docker.contains(&extension) || docker.iter().any(|one| name.split('.').next() == Some(one)) {
        Some(Language::Dockerfile)
    } else if head.starts_with(b"#!/") || head.starts_with(b"#! /") {
        let python = first().windows(6).any(|part| part == b"python");
        Some(if python { Language::Python } else { Language::Script })
    } else if SCRIPTS.contains(&extension) || SCRIPT_NAMES.contains(&&*name) {
        Some(Language::Script)
    } else if extension == "pth" && text::is_text(head) && has_imports(head) {
        Some(Language::Paths)
    } else if SOURCES.contains(&extension) {
        Some(Language::Source)
    } else {
        None
    }
}

/// Whether a line is one that Python runs when it reads a list of paths.
fn has_imports(head: &[u8]) -> bool {
    head.split(|&byte| byte == b'\n')
        .any(|line| line.starts_with(b"import ") || line.starts_with(b"import\t"))
}

fn python(content: Content<'_>, scan: &mut Scan<'_>) -> Result<(), Halt> {
    scan.contents.capabilities.insert(Capability::PythonCode);
    let held = text::hold(content, limits::SOURCE, scan)?;
    let mut odd = Look::default();
    odd.line(0, &held, scan);
    odd.finish(scan);
    let found = python::analyse(&text::decode(&held));
    let imports: Vec<&str> = found.imports.iter().map(String::as_str).take(12).collect();
    let message = match imports.as_slice() {
        [] => "it imports nothing".to_owned(),
        some => format!("it imports {}", some.join(", ")),
    };
    scan.find(&rules::PYTHON, 0, message);
    tell(&found, scan);
    Ok(())
}

/// Reports what was found in Python.
fn tell(found: &Found, scan: &mut Scan<'_>) {
    for (at, name) in &found.runs {
        scan.find_about(&rules::RUNS, *at, name, format!("'{name}' is called while the file is imported"));
    }
    for (at, name) in &found.reaches {
        scan.find_about(&rules::REACHES, *at, name, format!("it names '{name}'"));
    }
}

/// What is odd in it as text.
fn look(content: Content<'_>, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut odd = Look::default();
    let mut lines = Lines::new(content.into_stream());
    while let Some(line) = lines.next(scan)? {
        odd.line(line.at, line.bytes, scan);
    }
    odd.finish(scan);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    #[test]
    fn scripts_are_told_by_name_and_by_their_first_line() {
        for (name, data, format) in [
            ("run.sh", "echo hello\n", FileFormat::Script),
            ("train", "#!/bin/bash\necho hello\n", FileFormat::Script),
            ("a.bat", "echo hello\r\n", FileFormat::Script),
            ("a.ps1", "Write-Output 1\n", FileFormat::Script),
            ("kernel.cu", "__global__ void f() {}\n", FileFormat::Script),
            ("Makefile", "all:\n\techo\n", FileFormat::Script),
            ("Dockerfile", "FROM scratch\n", FileFormat::Dockerfile),
            ("Dockerfile.gpu", "FROM scratch\n", FileFormat::Dockerfile),
            ("convert", "#!/usr/bin/env python3\nprint(1)\n", FileFormat::Python),
            ("modeling.py", "import torch\n", FileFormat::Python),
        ] {
            let found = look(name, data.as_bytes());
            assert_eq!((found.format, found.verdict()), (format, Verdict::Suspicious), "{name}: {found:?}");
            assert!(found.contents.scripts.contains(name));
        }
        // What is named like a script and is none.
        assert_ne!(
            look("model.ts", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").format,
            FileFormat::Script
        );
    }

    #[test]
    fn python_that_runs_on_import_is_malicious() {
        let found = look("modeling_x.py", b"import os\nos.system('true')\nclass X: pass\n");
        assert_eq!((found.verdict(), rules_in(&found)), (Verdict::Malicious, vec!["SRC001", "SRC003"]));
        assert!(found.contents.capabilities.contains(&Capability::PythonCode));
        let found = look("setup.py", b"from setuptools import setup\nsetup(name='x')\n");
        assert_eq!(found.verdict(), Verdict::Suspicious);
    }

    #[test]
    fn a_script_before_an_archive_is_two_formats() {
        let mut data = b"#!/bin/sh\nexit\n".to_vec();
        data.extend(b"PK\x05\x06");
        data.extend([0; 18]);
        let found = look("a.pt", &data);
        assert!(
            found.formats.contains(&FileFormat::Script) && found.formats.contains(&FileFormat::Zip),
            "{found:?}"
        );
    }
}
