//! Whether the bytes of a model can change under a command that reads them: what the kernel says about files (fs-verity) and
//! about the file systems that they lie on. Root can always change them, by making a file system writable again.

use super::tree;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
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

/// Whether the kernel refuses every write to every file of a tree (fs-verity), for ever.
pub(super) fn is_sealed_by_verity(root: &Path) -> io::Result<bool> {
    let (mut all, mut some) = (true, false);
    tree::each_file(root, &mut |path, metadata| {
        if all {
            let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE)?;
            some = true;
            all = metadata.is_file() && found.stx_attributes.contains(StatxAttributes::VERITY);
        }
        Ok(())
    })?;
    Ok(all && some)
}

/// Whether a tree lies on file systems that nobody but root could write to.
///
/// # Errors
/// What could be written, in words.
pub(super) fn is_read_only(root: &Path) -> Result<(), String> {
    let mut devices = BTreeSet::new();
    let failed = |e: io::Error| format!("'{}' cannot be looked at: {e}", root.display());
    tree::each_file(root, &mut |_, metadata| {
        devices.insert(metadata.dev());
        Ok(())
    })
    .map_err(failed)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed)?;
    if devices.is_empty() {
        return Err("there is no file in it".to_owned());
    }
    for device in devices {
        let name = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        let Some(mounted) = mounts.lines().find_map(|line| Mounted::of(line, &name)) else {
            return Err(format!("nothing is known of its file system ({name})"));
        };
        if !mounted.read_only {
            return Err(format!("its file system ({}) is writable", mounted.kind));
        }
        if !ON_BLOCK_DEVICES.contains(&mounted.kind) {
            return Err(format!(
                "what lies under its file system ({}) may be written elsewhere",
                mounted.kind
            ));
        }
        device_is_out_of_reach(&name)?;
    }
    Ok(())
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

/// Whether nobody but root can write what a block device shows.
fn device_is_out_of_reach(device: &str) -> Result<(), String> {
    let known = PathBuf::from("/sys/dev/block").join(device);
    if !known.is_dir() {
        return Err(format!("nothing is known of its device ({device})"));
    }
    // A partition lies in the directory of its disk.
    let disk = if known.join("partition").exists() { known.join("..") } else { known };
    if fs::read_to_string(disk.join("dm/uuid")).is_ok_and(|id| id.starts_with("CRYPT-VERITY-")) {
        return Ok(());
    }
    match fs::read_to_string(disk.join("loop/backing_file")) {
        Ok(file) => {
            let file = PathBuf::from(file.trim_end_matches('\n'));
            if only_root_writes(&file) {
                return Ok(());
            }
            Err(format!("others than root could write the image under it ('{}')", file.display()))
        }
        // The nodes of disks are root's; what lies under them is hardware.
        Err(_) => Ok(()),
    }
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
        assert!(is_read_only(directory.path()).is_err());
        assert!(!is_sealed_by_verity(directory.path()).unwrap());
        assert!(!only_root_writes(&directory.path().join("x")));
        assert!(only_root_writes(Path::new("/proc/version")));
    }
}
