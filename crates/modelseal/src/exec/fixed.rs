//! Whether the bytes of a model can change under a command that reads them: what the kernel says about files (fs-verity) and
//! about the file systems that they lie on. Root can always change them, by making a file system writable again.

use super::tree;
use crate::kernel;
use rustix::fs::{Mode, OFlags, open};
use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// File systems whose bytes come from a block device and nowhere else. What lies on a server, in another file system or behind
/// a program can change while it is mounted read-only here.
const ON_BLOCK_DEVICES: [&str; 14] = [
    "cramfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "ntfs3", "romfs", "squashfs",
    "udf", "vfat", "xfs",
];

/// Whether the kernel refuses every write to every one of these files (fs-verity), for ever. What the attributes of a file say
/// is not asked: an overlay passes on those of the file below, and lets other bytes be put above it.
pub(super) fn is_sealed_by_verity(files: &[PathBuf]) -> bool {
    !files.is_empty() && files.iter().all(|file| is_enforced(file))
}

/// Whether any file of a tree might turn out to need no copy: which ones are decided about is not known yet.
pub(super) fn may_be_fixed(root: &Path) -> bool {
    let mut devices = BTreeSet::new();
    let mut enforced = false;
    let looked = tree::each_file(root, &mut |path, metadata| {
        devices.insert(metadata.dev());
        enforced |= metadata.is_file() && is_enforced(path);
        Ok(())
    });
    looked.is_ok() && (enforced || devices.into_iter().any(|device| is_read_only_device(device).is_ok()))
}

fn is_enforced(file: &Path) -> bool {
    // What is no file is not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(file, flags, Mode::empty())
        .is_ok_and(|opened| !matches!(kernel::answer(&fs::File::from(opened)), kernel::Answer::NotEnforced))
}

/// Whether files lie on file systems that nobody but root could write to.
///
/// # Errors
/// What could be written, in words.
pub(super) fn is_read_only(files: &[PathBuf]) -> Result<(), String> {
    let mut devices = BTreeSet::new();
    for file in files {
        let failed = |e: io::Error| format!("'{}' cannot be looked at: {e}", file.display());
        devices.insert(fs::metadata(file).map_err(failed)?.dev());
    }
    if devices.is_empty() {
        return Err("there is no file in it".to_owned());
    }
    devices.into_iter().try_for_each(is_read_only_device)
}

/// As [`is_read_only`], of everything in a tree.
pub(super) fn is_read_only_tree(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    tree::each_file(root, &mut |path, _| {
        files.push(path.to_owned());
        Ok(())
    })
    .map_err(|e| format!("'{}' cannot be looked at: {e}", root.display()))?;
    is_read_only(&files)
}

fn is_read_only_device(device: u64) -> Result<(), String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|e| format!("'/proc/self/mountinfo' cannot be looked at: {e}"))?;
    let name = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let Some(mounted) = mounts.lines().find_map(|line| Mounted::of(line, &name)) else {
        return Err(format!("nothing is known of its file system ({name})"));
    };
    if !mounted.read_only {
        return Err(format!("its file system ({}) is writable", mounted.kind));
    }
    if !ON_BLOCK_DEVICES.contains(&mounted.kind) {
        return Err(format!("what lies under its file system ({}) may be written elsewhere", mounted.kind));
    }
    device_is_out_of_reach(&name, MAX_LAYERS)
}

/// Whether nobody but root can give the name of a model to another one.
///
/// # Errors
/// That somebody can, in words.
pub(super) fn has_its_name(model: &Path) -> Result<(), String> {
    match model.parent() {
        Some(parent) if !only_root_writes(parent) => {
            Err(format!("others than root could put something else at '{}'", model.display()))
        }
        _ => Ok(()),
    }
}

/// What the kernel says about a mounted file system (proc_pid_mountinfo(5)).
struct Mounted<'a> {
    kind: &'a str,
    /// Of the file system itself: a mount of it may be read-only beside one that is not.
    read_only: bool,
}

impl<'a> Mounted<'a> {
    fn of(line: &'a str, device: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        if mount.split(' ').nth(2)? != device {
            return None;
        }
        let mut fields = file_system.split(' ');
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { kind, read_only: options.split(',').any(|option| option == "ro") })
    }
}

/// Devices that lie on devices, and files on these: more is not followed, and not believed.
const MAX_LAYERS: usize = 8;

/// Devices that are hardware of this machine, or what it was given as such, or made of these.
const DISKS: [&str; 11] = ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "pmem", "sr", "md", "dm-", "loop"];

/// Whether nobody but root can write what a block device shows, or anything that lies under it.
fn device_is_out_of_reach(device: &str, layers: usize) -> Result<(), String> {
    let known = PathBuf::from("/sys/dev/block").join(device);
    let Ok(known) = fs::canonicalize(known) else {
        return Err(format!("nothing is known of its device ({device})"));
    };
    if layers == 0 {
        return Err(format!("its device ({device}) lies on too many others"));
    }
    // A partition lies in the directory of its disk.
    let disk = match known.parent() {
        Some(disk) if known.join("partition").exists() => disk,
        _ => &known,
    };
    if fs::read_to_string(disk.join("dm/uuid")).is_ok_and(|id| id.starts_with("CRYPT-VERITY-")) {
        return Ok(());
    }
    let name = disk.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !DISKS.iter().any(|kind| name.starts_with(kind)) {
        return Err(format!("what lies under its device ({name}) may be written elsewhere"));
    }
    for node in [disk, &known].map(|at| Path::new("/dev").join(at.file_name().unwrap_or_default())) {
        if fs::metadata(&node).is_ok_and(|found| !is_roots_node(&found, &node)) {
            return Err(format!("others than root could write to its device ('{}')", node.display()));
        }
    }
    if let Ok(file) = fs::read_to_string(disk.join("loop/backing_file")) {
        let file = PathBuf::from(file.trim_end_matches('\n'));
        let Ok(found) = fs::metadata(&file) else {
            return Err(format!("the image under it cannot be looked at ('{}')", file.display()));
        };
        if !only_root_writes(&file) {
            return Err(format!("others than root could write the image under it ('{}')", file.display()));
        }
        let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
        // Memory and overlays have no device.
        return if major == 0 {
            Ok(())
        } else {
            device_is_out_of_reach(&format!("{major}:{minor}"), layers - 1)
        };
    }
    for under in fs::read_dir(disk.join("slaves")).into_iter().flatten().flatten() {
        let number = fs::read_to_string(under.path().join("dev"))
            .map_err(|e| format!("what lies under its device ({name}) cannot be looked at: {e}"))?;
        device_is_out_of_reach(number.trim(), layers - 1)?;
    }
    Ok(())
}

/// Whether a device's node is root's, or is not this user's to write where root is not known (user_namespaces(7)).
fn is_roots_node(found: &fs::Metadata, node: &Path) -> bool {
    use rustix::{fs::Access, process::geteuid};
    let roots = match geteuid().is_root() {
        true => found.uid() == 0,
        false => rustix::fs::access(node, Access::WRITE_OK).is_err(),
    };
    roots && found.mode() & 0o002 == 0
}

/// Whether a file and everything above it is root's, and nobody else may write to it.
fn only_root_writes(file: &Path) -> bool {
    file.is_absolute()
        && file.ancestors().all(|path| {
            fs::symlink_metadata(path)
                .is_ok_and(|found| found.uid() == 0 && !found.is_symlink() && found.mode() & 0o022 == 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_counts_and_not_the_mount() {
        let line = "36 35 98:0 /mnt1 /mnt2 ro,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mounted = Mounted::of(line, "98:0").unwrap();
        assert_eq!((mounted.kind, mounted.read_only), ("ext3", false));
        assert!(Mounted::of(line, "98:1").is_none());
        let line = "36 35 98:0 /mnt1 /mnt2 rw - squashfs /dev/loop0 ro,errors=continue";
        assert!(Mounted::of(line, "98:0").unwrap().read_only);
        assert!(Mounted::of("nonsense", "98:0").is_none());
    }

    #[test]
    fn what_can_be_written_is_not_fixed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("x"), "x").unwrap();
        let files = [directory.path().join("x")];
        assert!(is_read_only(&files).is_err() && is_read_only_tree(directory.path()).is_err());
        assert!(!is_sealed_by_verity(&files) && !may_be_fixed(directory.path()));
        assert!(is_read_only(&[]).is_err() && !is_sealed_by_verity(&[]));
        assert!(!only_root_writes(&directory.path().join("x")));
        assert!(only_root_writes(Path::new("/proc/version")));
    }

    #[test]
    fn a_device_is_roots_when_its_node_is() {
        let node = tempfile::NamedTempFile::new().unwrap();
        let is = || is_roots_node(&node.as_file().metadata().unwrap(), node.path());
        let root = rustix::process::geteuid().is_root();
        assert_eq!(is(), root, "who may write to it");
        if root {
            std::os::unix::fs::chown(node.path(), Some(65534), None).unwrap();
            assert!(!is());
        }
        assert!(device_is_out_of_reach("0:1", MAX_LAYERS).is_err());
    }

    /// What the kernel answers on file systems of its own counts, and of these files alone.
    #[test]
    fn only_the_files_that_are_asked_about_have_to_be_enforced() {
        let directory = tempfile::tempdir().unwrap();
        let [model, signature] = ["model.bin", "model.sig"].map(|name| directory.path().join(name));
        fs::write(&model, "frozen").unwrap();
        fs::write(&signature, "not").unwrap();
        let frozen = |file: &fs::File| match file.metadata().map(|found| found.len()) {
            Ok(6) => kernel::Answer::EnforcedOtherwise,
            _ => kernel::Answer::NotEnforced,
        };
        let standing = kernel::double::stand(frozen);
        assert!(is_sealed_by_verity(std::slice::from_ref(&model)) && may_be_fixed(directory.path()));
        assert!(!is_sealed_by_verity(&[model.clone(), signature]));
        drop(standing);
        assert!(!is_sealed_by_verity(&[model]));
    }
}
