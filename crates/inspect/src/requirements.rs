//! Lists of packages: what is installed before a model is loaded, and from where.

use crate::{
    lfs, limits, outside,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    text,
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a list of packages.

    use crate::rule::rules;

    rules! {
        ADDRESS = "REQ001" "package-by-address" Suspicious:
            "A package comes from an address of its own and not from the index of packages." =>
            "Name a version of the package as the index has it.";
        REPOSITORY = "REQ002" "package-by-repository" Suspicious:
            "A package is built from a repository of sources, whose set-up runs when it is installed." =>
            "Name a version of the package as the index has it.";
        INDEX = "REQ003" "other-package-index" Suspicious:
            "Packages come from another index, too, where anybody may have put one of the same name." =>
            "Use one index that you trust, and name digests.";
        UNTRUSTED = "REQ004" "unprotected-package-index" Suspicious:
            "Packages are fetched without checking who sends them." =>
            "Use an index over HTTPS.";
        LOCAL = "REQ005" "package-by-path" Suspicious:
            "A package is installed from files beside the list, whose set-up runs then." =>
            "Read what is installed.";
        KNOWN_INDEX = "REQ006" "vendor-package-index" Note:
            "Packages come from the index of a vendor, too, which is known, or from the one that a lock names." =>
            "Name digests, so that it does not matter where they come from.";
        BUILD = "REQ007" "own-build" Suspicious:
            "The package is built by code that lies beside it." =>
            "Read it before you install the package.";
    }
}

/// Indexes of vendors, over HTTPS.
const KNOWN: &[&str] = &[
    "https://download.pytorch.org/",
    "https://data.pyg.org/",
    "https://storage.googleapis.com/jax-releases/",
    "https://pypi.nvidia.com",
    "https://pypi.ngc.nvidia.com",
];

/// The door from `route`.
pub(crate) struct Requirements;

impl Format for Requirements {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        if probe.head.starts_with(lfs::VERSION) {
            return None;
        }
        (style(probe.name).is_some() && text::is_text(probe.head)).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let style = style(scan.name());
        let mut section = String::new();
        let held = text::hold(content, limits::TEXT, scan)?;
        let text = text::decode(&held);
        let mut odd = text::Look::default();
        let mut at = 0;
        let mut joined = String::new();
        let mut began = 0;
        for line in text.split_inclusive('\n') {
            let place = at;
            at += line.len() as u64;
            odd.line(place, line.trim_end_matches(['\n', '\r']).as_bytes(), scan);
            if joined.is_empty() {
                began = place;
            }
            let plain = line.trim_end();
            // A line may go on in the next.
            if let Some(start) = plain.strip_suffix('\\')
                && joined.len() < limits::LINE
            {
                joined.push_str(start);
                continue;
            }
            joined.push_str(plain);
            if joined.trim_start().starts_with('[') {
                section = joined.trim().to_ascii_lowercase();
            }
            match style {
                Some(Style::Lines) => requirement(&joined, began, scan),
                Some(Style::Lock) => locked(&joined, began, scan),
                Some(Style::Settings) => setting(&joined, began, scan),
                _ => {
                    project(&joined, began, scan);
                    own_index(&section, &joined, began, scan);
                }
            }
            joined.clear();
        }
        if !joined.is_empty() {
            requirement(&joined, began, scan);
        }
        odd.finish(scan);
        Ok(FileFormat::Requirements)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A requirement in each line.
    Lines,
    /// Requirements between quotes, or behind equals signs.
    Project,
    /// Addresses between quotes, all of which are fetched.
    Lock,
    /// What installers of other languages read.
    Settings,
}

fn style(path: &str) -> Option<Style> {
    let path = path.to_ascii_lowercase();
    let mut parts = path.rsplit(['/', '\\']);
    let (name, directory) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let listed = matches!(directory, "requirements" | "reqs" | "requires");
    let stem = name.strip_suffix(".txt").or(name.strip_suffix(".in"));
    if stem.is_some_and(|stem| {
        listed
            || stem.contains("requirement")
            || stem.split(['-', '_', '.']).any(|part| matches!(part, "reqs" | "constraints" | "packages"))
    }) {
        Some(Style::Lines)
    } else if matches!(
        name,
        "pipfile" | "pipfile.lock" | "uv.lock" | "poetry.lock" | "pdm.lock" | "yarn.lock"
    ) || (name.starts_with("pylock.") && name.ends_with("toml"))
    {
        Some(Style::Lock)
    } else if matches!(name, ".npmrc" | ".yarnrc" | ".condarc" | "condarc" | "uv.toml") {
        Some(Style::Settings)
    } else if matches!(name, "pyproject.toml" | "setup.cfg" | "tox.ini" | "pip.conf" | "pip.ini") {
        Some(Style::Project)
    } else {
        None
    }
}

/// One line of `requirements.txt`, or one item of the packages for pip in other files.
pub(crate) fn requirement(line: &str, at: u64, scan: &mut Scan<'_>) {
    let line = line.trim();
    // A comment stands alone, or after white space.
    let line = match line.char_indices().find(|&(at, c)| {
        c == '#' && (at == 0 || line.get(..at).is_some_and(|before| before.ends_with(char::is_whitespace)))
    }) {
        Some((at, _)) => line.get(..at).unwrap_or_default().trim(),
        None => line,
    };
    if line.is_empty() {
        return;
    }
    let shown: String = line.chars().take(200).collect();
    let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
    let (Some(first), second) = (words.next(), words.next().unwrap_or_default()) else { return };
    match first {
        "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" | "--pypi-url" => {
            index(line.get(first.len()..).unwrap_or_default().trim_start_matches([' ', '\t', '=']), at, scan);
        }
        // Without a space, as pip takes it.
        _ if first.starts_with("-i") && first.len() > 2 => {
            index(first.get(2..).unwrap_or_default(), at, scan)
        }
        _ if first.starts_with("-f") && first.len() > 2 => {
            index(first.get(2..).unwrap_or_default(), at, scan)
        }
        "--trusted-host" => {
            scan.find_about(&rules::UNTRUSTED, at, second, format!("'{second}' is trusted unseen"))
        }
        "-e" | "--editable" => source(line.get(first.len()..).unwrap_or_default(), &shown, at, true, scan),
        _ if first.starts_with("-e") => source(line.get(2..).unwrap_or_default(), &shown, at, true, scan),
        // Another list, which is looked at for itself; or an address.
        "-r" | "-c" | "--requirement" | "--constraint" => {
            if outside::reaches(second) {
                scan.find_about(&rules::ADDRESS, at, second, format!("the list goes on at '{second}'"));
            }
        }
        _ if first.starts_with("--") => {}
        _ => source(line, &shown, at, false, scan),
    }
}

/// What a package is installed from.
fn source(line: &str, shown: &str, at: u64, editable: bool, scan: &mut Scan<'_>) {
    let line = line.trim_start_matches([' ', '\t', '=']);
    // `name @ address`; a name has no slash.
    let from = match line.split_once('@') {
        Some((name, address)) if !name.contains(['/', ':', '\\']) => address.trim(),
        _ => line,
    };
    let lower = from.to_ascii_lowercase();
    let repository =
        ["git+", "hg+", "svn+", "bzr+", "git:", "git@"].iter().any(|start| lower.starts_with(start));
    let word = lower.split([' ', ';', '\t']).next().unwrap_or_default();
    let archive =
        [".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz"].iter().any(|end| word.ends_with(end));
    if repository {
        scan.find_about(&rules::REPOSITORY, at, shown, format!("'{shown}' is built from a repository"));
    } else if lower.starts_with("file:") {
        scan.find_about(&rules::LOCAL, at, shown, format!("'{shown}' is installed from a file"));
    } else if word.contains("://") {
        let vendor = KNOWN.iter().any(|known| lower.starts_with(known));
        let rule = if vendor { &rules::KNOWN_INDEX } else { &rules::ADDRESS };
        scan.find_about(rule, at, shown, format!("'{shown}' is installed from an address"));
    } else if editable || archive || word.starts_with(['.', '/', '~', '\\']) || word.contains(['/', '\\']) {
        scan.find_about(&rules::LOCAL, at, shown, format!("'{shown}' is installed from a path"));
    }
}

/// Where packages are looked for.
pub(crate) fn index(address: &str, at: u64, scan: &mut Scan<'_>) {
    let address = address.split_whitespace().next().unwrap_or_default().trim_matches(['"', '\'', ',']);
    let subject: String = address.chars().take(200).collect();
    let message = format!("packages come from '{subject}'");
    let rule = if address.to_ascii_lowercase().starts_with("http:") {
        &rules::UNTRUSTED
    } else if KNOWN.iter().any(|known| address.starts_with(known)) {
        &rules::KNOWN_INDEX
    } else {
        &rules::INDEX
    };
    scan.find_about(rule, at, &subject, message);
}

/// Whether it lies in a directory of lists, so that its own name does not tell.
pub(crate) fn is_list(path: &str) -> bool {
    style(path) == Some(Style::Lines)
}

/// A line of a list of what is to be fetched from where.
fn locked(line: &str, at: u64, scan: &mut Scan<'_>) {
    let line = line.trim();
    let shown: String = line.chars().take(200).collect();
    let bare = !line.contains(['"', '\'']);
    let compact: String = line.chars().filter(|c| !c.is_whitespace()).take(limits::LINE).collect();
    let has = |key: &str| {
        [format!("{key}=\""), format!("{key}='"), format!("\"{key}\":\"")].iter().any(|mark| {
            compact.match_indices(mark.as_str()).any(|(at, _)| {
                compact
                    .get(..at)
                    .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '-'))
            })
        })
    };
    for item in line.split(['"', '\'']).skip(usize::from(!bare)).step_by(if bare { 1 } else { 2 }) {
        let lower = item.to_ascii_lowercase();
        let repository =
            ["git+", "hg+", "svn+", "git@", "ssh:", "git:"].iter().any(|start| lower.starts_with(start));
        if lower.starts_with("file:") {
            scan.find_about(&rules::LOCAL, at, &shown, format!("'{shown}'"));
        } else if repository || (lower.contains("://") && has("git")) {
            scan.find_about(&rules::REPOSITORY, at, &shown, format!("'{shown}'"));
        } else if lower.contains("://") && (compact.starts_with("sdist=") || compact.starts_with("{url=")) {
            // A file of the index, which the lock names beside it.
        } else if lower.contains("://") && has("registry") {
            let message = format!("'{shown}' comes from an index that the lock names");
            scan.find_about(&rules::KNOWN_INDEX, at, &shown, message);
        } else if lower.contains("://") {
            if has("index") || has("url") && compact.starts_with("url") {
                index(item, at, scan);
            } else {
                let vendor = KNOWN.iter().any(|known| lower.starts_with(known));
                let rule = if vendor { &rules::KNOWN_INDEX } else { &rules::ADDRESS };
                scan.find_about(rule, at, &shown, format!("'{shown}' is installed from an address"));
            }
        } else if lower.contains("\\u") {
            scan.find_about(&rules::ADDRESS, at, &shown, format!("'{shown}' hides what it says"));
        }
    }
    // In a lock, a file is one of the index.
    if compact.contains("{path=") || compact.contains(",path=") {
        scan.find_about(&rules::LOCAL, at, &shown, format!("'{shown}' is installed from a path"));
    }
}

/// A line of the settings of an installer: every address in it is one that packages come from, and some name programs.
fn setting(line: &str, at: u64, scan: &mut Scan<'_>) {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return;
    }
    let key = line.split(['=', ' ', ':']).next().unwrap_or_default();
    if matches!(key, "script-shell" | "git" | "node-options" | "onload-script" | "init-module" | "yarn-path")
    {
        scan.find_about(&rules::BUILD, at, key, format!("it sets '{key}'"));
    }
    for word in line.split(|c: char| c.is_whitespace() || "=\"'[],".contains(c)) {
        let lower = word.to_ascii_lowercase();
        if (lower.starts_with("http") || lower.starts_with("file:")) && lower.contains(":/") {
            index(word, at, scan);
        }
    }
}

/// A line of a table that names an index.
fn own_index(section: &str, line: &str, at: u64, scan: &mut Scan<'_>) {
    let Some((key, value)) = line.split_once('=') else { return };
    let of_index = section.contains("index") || section.contains("source");
    let value = value.trim().trim_matches(['"', '\'']);
    if !of_index || key.trim() != "url" {
        return;
    }
    index(value, at, scan);
}

/// A line of a project's settings: what stands in it between quotes, or behind an equals sign.
fn project(line: &str, at: u64, scan: &mut Scan<'_>) {
    let line = line.trim();
    let (key, value) =
        line.split_once('=').map_or(("", line), |(key, value)| (key.trim().trim_matches('"'), value.trim()));
    match key {
        "backend-path" | "build-backend"
            if key == "backend-path" || value.trim_matches(['"', '\'']).starts_with("_custom") =>
        {
            scan.find_about(&rules::BUILD, at, key, format!("it sets '{key}'"));
        }
        "index-url" | "extra-index-url" | "find-links" | "index_url" | "extra_index_url" | "trusted-host" => {
            for address in value.split([' ', ',']).filter(|address| !address.trim().is_empty()) {
                index(address, at, scan);
            }
            return;
        }
        "git" | "hg" | "svn" => {
            scan.find_about(&rules::REPOSITORY, at, value, format!("a package is built from {value}"));
        }
        _ => {}
    }
    // Tables within a line, as of Poetry and Pipenv.
    for (mark, rule) in
        [("git = \"", &rules::REPOSITORY), ("url = \"", &rules::ADDRESS), ("path = \"", &rules::LOCAL)]
    {
        let compact = mark.replace(' ', "");
        let value: String =
            value.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '\'' { '"' } else { c }).collect();
        if value.starts_with('{') && value.contains(&compact) {
            let shown: String = line.chars().take(200).collect();
            scan.find_about(rule, at, &shown, format!("'{shown}'"));
        }
    }
    let quoted = line.split(['"', '\'']).skip(1).step_by(2);
    let bare = if line.contains(['"', '\'']) { None } else { Some(value) };
    for item in quoted.chain(bare) {
        let address =
            item.contains(" @ ") || ["git+", "hg+", "svn+"].iter().any(|start| item.starts_with(start));
        if address || item.contains("@git+") {
            requirement(item, at, scan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    #[test]
    fn plain_lists_are_clean() {
        let list = "# what it needs\ntorch>=2.0,<3\ntransformers[torch]==4.40.0 ; python_version >= '3.9'\n\
            numpy # numbers\n-r other.txt\n--no-binary :all:\nscipy==1.0 \\\n  --hash=sha256:00\nsafetensors~=0.4\n";
        for name in ["requirements.txt", "requirements-dev.txt", "dev_requirements.txt", "requirements.in"] {
            let found = look(name, list.as_bytes());
            assert_eq!(
                (found.format, found.verdict()),
                (FileFormat::Requirements, Verdict::Clean),
                "{found:?}"
            );
            assert!(found.findings.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn where_packages_come_from_is_told() {
        for (line, rule) in [
            ("git+https://example.com/x/y@main", "REQ002"),
            ("y @ git+ssh://example.com/x/y", "REQ002"),
            ("-e git+https://example.com/x/y#egg=y", "REQ002"),
            ("--editable=git+https://example.com/x/y", "REQ002"),
            ("https://example.com/y.whl", "REQ001"),
            ("y @ https://example.com/y.tar.gz", "REQ001"),
            ("-r https://example.com/list.txt", "REQ001"),
            ("-r ../list.txt", "REQ001"),
            ("--extra-index-url https://example.com/simple", "REQ003"),
            ("--index-url=https://example.com/simple", "REQ003"),
            ("-ihttps://example.com/simple", "REQ003"),
            ("-f https://example.com/", "REQ003"),
            ("--extra-index-url \\\n  https://example.com/simple", "REQ003"),
            ("--extra-index-url http://127.0.0.1:9/simple", "REQ004"),
            ("--trusted-host example.com", "REQ004"),
            ("./local", "REQ005"),
            ("-e .", "REQ005"),
            ("y.whl", "REQ005"),
            ("y @ file:///tmp/y", "REQ005"),
            ("--extra-index-url https://download.pytorch.org/whl/cu121", "REQ006"),
        ] {
            let found = look("requirements.txt", format!("numpy\n{line}\n").as_bytes());
            assert_eq!(rules_in(&found), [rule], "{line}");
            assert_eq!(found.findings[0].place.offset, Some(6), "{line}");
        }
        let wide: Vec<u8> = "\u{feff}git+https://x/y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(rules_in(&look("requirements.txt", &wide)).contains(&"REQ002"));
    }

    #[test]
    fn projects_are_looked_at() {
        let plain = "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
            [project]\nauthors = [{email = \"a@b.c\"}]\ndependencies = [\n  \"torch>=2\",\n]\nurl = \"https://x\"\n";
        let found = look("pyproject.toml", plain.as_bytes());
        assert_eq!((found.format, found.verdict()), (FileFormat::Requirements, Verdict::Clean), "{found:?}");
        for (name, line, rule) in [
            ("pyproject.toml", "  \"y @ git+https://example.com/y\",", "REQ002"),
            ("pyproject.toml", "y = {git = \"https://example.com/y\"}", "REQ002"),
            ("pyproject.toml", "y = {url = \"https://example.com/y\"}", "REQ001"),
            ("pyproject.toml", "backend-path = [\".\"]", "REQ007"),
            ("pyproject.toml", "extra-index-url = \"https://example.com/\"", "REQ003"),
            ("setup.cfg", "    y @ https://example.com/y.whl", "REQ001"),
        ] {
            assert_eq!(rules_in(&look(name, format!("{plain}{line}\n").as_bytes())), [rule], "{line}");
        }
    }

    #[test]
    fn lists_by_other_names_are_looked_at() {
        for (name, text, rule) in [
            ("reqs.txt", "y @ git+https://example.com/y\n", "REQ002"),
            ("requirements/base.txt", "y @ https://example.com/y\n", "REQ001"),
            ("Pipfile", "[[source]]\nurl=\"https://example.com\"\n", "REQ003"),
            ("Pipfile", "[packages]\nx={git=\"https://example.com\"}\n", "REQ002"),
            ("Pipfile", "[packages]\nx = {path = \"./x\"}\n", "REQ005"),
            (
                "uv.lock",
                "version=1\n[[package]]\nname=\"x\"\nsource={url=\"https://example.com\"}\n",
                "REQ001",
            ),
            ("uv.lock", "source = { registry = \"https://example.com/simple\" }\n", "REQ006"),
            ("uv.lock", "source = { git = \"https://example.com/x?rev=a#b\" }\n", "REQ002"),
            (
                "poetry.lock",
                "[[package]]\nname=\"x\"\n[package.source]\nurl=\"https://example.com\"\n",
                "REQ003",
            ),
            ("pylock.toml", "[[packages]]\nname=\"x\"\narchive={url=\"https://example.com\"}\n", "REQ001"),
            (".npmrc", "registry=https://example.com/\n", "REQ003"),
            (".npmrc", "script-shell=./x\n", "REQ007"),
            (".condarc", "channels:\n  - https://example.com/c\n", "REQ003"),
            ("pyproject.toml", "[[tool.uv.index]]\nurl = \"https://example.com/simple\"\n", "REQ003"),
            ("pyproject.toml", "[tool.uv.sources]\nx = {git='https://example.com/x'}\n", "REQ002"),
        ] {
            assert_eq!(rules_in(&look(name, text.as_bytes())), [rule], "{name} {text}");
        }
        for (name, text) in [
            ("Pipfile", "[[source]]\nname = \"default\"\nverify_ssl = true\n[packages]\ntorch = \"*\"\n"),
            ("uv.lock", "sdist = { url = \"https://example.com/a.tar.gz\" }\nsource = { virtual = \".\" }\n"),
            (
                "poetry.lock",
                "[[package]]\nname = \"x\"\nfiles = [\n    {file = \"x.whl\", hash = \"sha256:0\"},\n]\n",
            ),
            (".npmrc", "save-exact=true\n"),
            (".condarc", "channels:\n  - conda-forge\n"),
            ("requirements/base.txt", "torch>=2\n"),
        ] {
            let found = look(name, text.as_bytes());
            assert!(rules_in(&found).is_empty(), "{name} {found:?}");
        }
    }

    #[test]
    fn any_text_can_be_read() {
        for text in ["", "-", "-e", "=", "@", "\\", "\\\n\\\n", "-r", "y @", "\"", "= {git = \""] {
            look("requirements.txt", text.as_bytes());
            look("pyproject.toml", text.as_bytes());
        }
    }
}
