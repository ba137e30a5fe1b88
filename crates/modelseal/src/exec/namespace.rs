//! A mount namespace for this process, and a user namespace where it takes one (namespaces(7), user_namespaces(7)).

use nix::sched::{CloneFlags, unshare};
use rustix::{
    mount::{MountPropagationFlags, mount_change},
    process::{getegid, geteuid},
};
use std::{fs, io};

/// Which namespaces this process has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// Made by root: nobody but root reaches what is in it.
    Mount,
    /// Made by anybody: its maker's other processes can join it.
    UserAndMount,
}

/// Leaves the mount namespace of everybody else. Nothing that is mounted from here on is seen outside, or the other way
/// round.
///
/// # Errors
/// Why this system does not permit it, in words.
pub(super) fn enter() -> Result<Namespace, String> {
    let refused = |e: &dyn std::fmt::Display| format!("this system does not permit a mount namespace ({e})");
    let namespace = if geteuid().is_root() {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|e| refused(&e))?;
        Namespace::Mount
    } else {
        if is_restricted() {
            return Err(refused(&"kernel.apparmor_restrict_unprivileged_userns is set"));
        }
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|e| refused(&e))?;
        map_to_itself(uid, gid).map_err(|e| refused(&e))?;
        Namespace::UserAndMount
    };
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(|e| refused(&e))?;
    Ok(namespace)
}

/// Keeps this user and group what they were. Groups cannot be given up then, so that a group that is denied something stays
/// denied.
fn map_to_itself(uid: u32, gid: u32) -> io::Result<()> {
    match fs::write("/proc/self/setgroups", "deny") {
        // Before Linux 3.19 there was none.
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Whether AppArmor lets a program have a user namespace in which it then may do nothing: there would be no way back.
fn is_restricted() -> bool {
    let restricts = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let profile = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    restricts.is_ok_and(|value| value.trim() == "1") && profile.trim_end_matches(['\0', '\n']) == "unconfined"
}
