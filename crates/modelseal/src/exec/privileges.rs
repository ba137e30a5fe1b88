//! Giving up what a command must not have: who runs it, its groups and every capability (capabilities(7)).

use super::{ExecError, user::Identity};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use rustix::{fs::Gid, fs::Uid};

/// Becomes `identity` and keeps no privilege, nor any way to one; gives what has to be said. This thread must be the only one: it is the one that
/// becomes the command.
pub(super) fn drop(identity: Option<&Identity>) -> Result<Option<String>, ExecError> {
    let failed = |doing: &'static str| {
        move |error: rustix::io::Errno| {
            let error = std::io::Error::from(error);
            ExecError::unprotected(format_args!("cannot {doing}: {error}"))
        }
    };
    // What is in no bounding set comes back with no program. Who has no right to take it out has none to lose.
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        let _ = remove_capability_from_bounding_set(capability);
    }
    let mut note = None;
    if let Some(Identity { uid, gid }) = identity {
        let (now_uid, now_gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if (now_uid, now_gid) != (*uid, *gid) {
            let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
            set_thread_groups(&[])
                .map_err(failed("give up groups (where root is not allowed to, give --user root)"))?;
            set_thread_res_gid(gid, gid, gid)
                .map_err(failed("change the group (where root is not allowed to, give --user root)"))?;
            set_thread_res_uid(uid, uid, uid)
                .map_err(failed("change the user (where root is not allowed to, give --user root)"))?;
        } else if set_thread_groups(&[]).is_err() {
            note =
                Some("the command keeps its supplementary groups: this root may not give them up".to_owned());
        }
    }
    set_no_new_privs(true).map_err(failed("give up new privileges"))?;
    // Kernels before 4.3 have none.
    let _ = clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(failed("give up capabilities"))?;
    Ok(note)
}
