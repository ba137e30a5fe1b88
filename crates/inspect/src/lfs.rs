//! What Git leaves in a directory: pointers of its Large File Storage in place of files, and its own files.

use crate::{
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    text::{self, Lines},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in the files of Git.

    use crate::rule::rules;

    rules! {
        POINTER = "LFS001" "lfs-pointer" Malformed:
            "The file is missing: only the pointer is here that Git leaves in its place." =>
            "Fetch the file itself, as with `git lfs pull`.";
        BROKEN = "LFS002" "broken-lfs-pointer" Malformed:
            "It begins as a pointer of Git Large File Storage and goes on otherwise." =>
            "Get the file again from its maker.";
        GIT = "GIT001" "git-directory" Note:
            "The file belongs to Git and not to the model." =>
            "Publish the model without its `.git` directory.";
        GIT_RUNS = "GIT002" "git-runs-programs" Suspicious:
            "The settings of this Git directory name programs that Git runs for those who work in it." =>
            "Remove the `.git` directory.";
    }
}

/// How every pointer begins.
pub(crate) const VERSION: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Longest pointer there is.
const POINTER: usize = 1024;

/// The door from `route` for pointers.
pub(crate) struct LfsPointer;

impl Format for LfsPointer {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.head.starts_with(VERSION).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let len = content.len().unwrap_or(content.head().len() as u64);
        match size(content.head()).filter(|_| len < POINTER as u64) {
            Some(size) => scan.find(&rules::POINTER, 0, format!("the file has {size} bytes")),
            None => scan.find(&rules::BROKEN, 0, "there is no digest or no size".to_owned()),
        }
        Ok(FileFormat::LfsPointer)
    }
}

/// The size in a pointer that is whole.
fn size(head: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(head).ok()?;
    let (mut oid, mut size) = (false, None);
    for line in text.lines() {
        match line.split_once(' ')? {
            ("oid", digest) => {
                let digits = digest.strip_prefix("sha256:")?;
                oid = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            }
            ("size", number) => size = Some(number.parse().ok()?),
            _ => {}
        }
    }
    size.filter(|_| oid)
}

/// The door from `route` for Git's own files.
pub(crate) struct Git;

impl Format for Git {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let mark = probe.head.starts_with(b"DIRC\0\0\0") || probe.head.starts_with(b"PACK\0\0\0");
        let index = probe.head.starts_with(b"\xfftOc\0\0\0");
        let bundle = probe.head.starts_with(b"# v2 git bundle\n");
        let settings = (probe.name == "config" && is_settings(probe.head))
            || (is_own(probe.name) && text::is_text(probe.head));
        (mark || index || bundle || settings).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.name().rsplit(['/', '\\']).next().unwrap_or_default();
        if is_settings(content.head()) || is_own(name) {
            let mut lines = Lines::new(content.into_stream());
            while let Some(line) = lines.next(scan)? {
                let (at, text) = (line.at, String::from_utf8_lossy(line.bytes).to_ascii_lowercase());
                let Some((key, value)) = text.split_once('=') else { continue };
                // `core.fsmonitor`, `core.sshCommand`, `filter.*.process`, `alias.*` that begin with an exclamation mark.
                // Other settings, too, which are read from elsewhere.
                const RUNS: [&str; 14] = [
                    "path",
                    "fsmonitor",
                    "sshcommand",
                    "hookspath",
                    "pager",
                    "editor",
                    "askpass",
                    "helper",
                    "process",
                    "smudge",
                    "clean",
                    "gitproxy",
                    "textconv",
                    "program",
                ];
                let own = |value: &str| value.trim().starts_with("git-lfs");
                if (RUNS.contains(&key.trim()) && !own(value)) || value.trim_start().starts_with('!') {
                    scan.find(&rules::GIT_RUNS, at, format!("it sets '{}'", key.trim()));
                }
            }
        }
        scan.find(&rules::GIT, 0, "it is part of a repository".to_owned());
        Ok(FileFormat::Git)
    }
}

/// Whether it is a user's own settings.
fn is_own(name: &str) -> bool {
    matches!(&*name.to_ascii_lowercase(), ".gitconfig" | "gitconfig" | ".lfsconfig")
}

fn is_settings(head: &[u8]) -> bool {
    let start = head.trim_ascii_start();
    text::is_text(head) && (start.starts_with(b"[core]") || head.windows(8).any(|part| part == b"[remote "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    fn pointer() -> String {
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 17\n", "0f".repeat(32))
    }

    #[test]
    fn a_pointer_is_told_from_the_file() {
        for name in [
            "model.safetensors",
            "pytorch_model.bin",
            "a.txt",
            "config.json",
            "model.onnx",
            "x.pkl",
            "x.py",
            "x.yaml",
            "requirements.txt",
            "x.sh",
        ] {
            let found = look(name, pointer().as_bytes());
            assert_eq!(
                (found.format, found.verdict()),
                (FileFormat::LfsPointer, Verdict::Malformed),
                "{found:?}"
            );
            assert_eq!(rules_in(&found), ["LFS001"]);
        }
    }

    #[test]
    fn a_pointer_that_is_cut_is_broken() {
        let whole = pointer();
        for len in VERSION.len()..whole.len() - 8 {
            assert_eq!(rules_in(&look("a.bin", &whole.as_bytes()[..len])), ["LFS002"], "{len}");
        }
        let long = format!("{whole}{}", "x 1\n".repeat(500));
        assert_eq!(rules_in(&look("a.bin", long.as_bytes())), ["LFS002"]);
    }

    #[test]
    fn settings_of_git_that_run_programs_are_suspicious() {
        let plain = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = x\n[filter \"lfs\"]\n\tprocess = git-lfs filter-process\n";
        let found = look(".git/config", plain.as_bytes());
        assert_eq!((found.format, found.verdict()), (FileFormat::Git, Verdict::Clean), "{found:?}");
        for line in ["fsmonitor = ./x", "sshCommand = x", "st = !x"] {
            let found = look(".git/config", format!("{plain}\t{line}\n").as_bytes());
            assert_eq!(rules_in(&found), ["GIT001", "GIT002"], "{line}");
        }
        assert_eq!(look("a/index", b"DIRC\0\0\0\x02").format, FileFormat::Git);
    }
}
