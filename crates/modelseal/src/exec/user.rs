//! Who a command runs as.

use super::ExecError;
use modelseal_core::text::Printable;
use nix::unistd::{Gid, Group, Uid, User};

/// What `nobody` has where no such user is listed: the overflow identity of Linux.
const NOBODY: u32 = 65534;

/// A user in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Who the command runs as; nothing when it is who runs this. Root becomes `nobody` unless told otherwise.
pub(super) fn identity(asked: Option<&str>) -> Result<Option<Identity>, ExecError> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let Some(asked) = asked else { return Ok(uid.is_root().then(nobody)) };
    let wanted = parse(asked)?;
    if uid.is_root() {
        return Ok(Some(wanted));
    }
    if wanted == (Identity { uid: uid.as_raw(), gid: gid.as_raw() }) {
        return Ok(None);
    }
    Err(ExecError::usage("only root can run a command as somebody else; leave --user out"))
}

fn nobody() -> Identity {
    match User::from_name("nobody") {
        Ok(Some(user)) => Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw() },
        _ => Identity { uid: NOBODY, gid: NOBODY },
    }
}

/// `NAME`, `UID`, `NAME:GROUP` or `UID:GID`.
fn parse(asked: &str) -> Result<Identity, ExecError> {
    let wrong = |what: &str| ExecError::usage(format_args!("--user '{}': {what}", Printable(asked)));
    let (user, group) = match asked.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (asked, None),
    };
    let listed = match user.parse::<u32>() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(user),
    };
    let listed = listed.map_err(|e| wrong(&format!("the users of this system cannot be looked up: {e}")))?;
    let uid = match (&listed, user.parse::<u32>()) {
        (Some(found), _) => found.uid.as_raw(),
        // -1 means "leave it" to the kernel.
        (None, Ok(uid)) if uid != u32::MAX => uid,
        _ => return Err(wrong("there is no such user")),
    };
    let gid = match group {
        Some(group) => match (group.parse::<u32>(), Group::from_name(group)) {
            (Ok(gid), _) if gid != u32::MAX => gid,
            (_, Ok(Some(found))) => found.gid.as_raw(),
            _ => return Err(wrong("there is no such group")),
        },
        None => listed.map_or(uid, |found| found.gid.as_raw()),
    };
    Ok(Identity { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_names_or_numbers() {
        let root = Identity { uid: 0, gid: 0 };
        assert_eq!(parse("root").unwrap(), root);
        assert_eq!(parse("0:0").unwrap(), root);
        assert_eq!(parse("12345:12346").unwrap(), Identity { uid: 12345, gid: 12346 });
        assert_eq!(parse("54321").unwrap(), Identity { uid: 54321, gid: 54321 });
        for wrong in ["", ":", "no-such-user", "0:no-such-group", "4294967295", "0:4294967295", "-1"] {
            assert_eq!(parse(wrong).unwrap_err().code(), "usage.flags", "{wrong}");
        }
    }
}
