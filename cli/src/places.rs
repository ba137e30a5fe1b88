//! Where this user's programs keep things (XDG Base Directory Specification).

use std::{env, path::PathBuf};

/// What can be had again. None without a home.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    under("XDG_CACHE_HOME", ".cache")
}

/// What must be remembered from one run to the next. None without a home.
#[must_use]
pub fn state() -> Option<PathBuf> {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/modelseal"));
    }
    under("XDG_STATE_HOME", ".local/state")
}

fn under(variable: &str, in_home: &str) -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(in_home)));
    base.map(|base| base.join("modelseal"))
}
