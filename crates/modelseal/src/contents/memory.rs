//! How much memory there is. A system that promises more than it has kills whoever takes it at its word.

use super::LoadError;

/// What is smaller is not asked about.
const SMALL: u64 = 16 * 1024 * 1024;

/// Refuses what is certain not to fit. `what` begins the message.
pub(super) fn check(bytes: u64, what: &str) -> Result<(), LoadError> {
    if bytes < SMALL {
        return Ok(());
    }
    match available() {
        Some(available) if available < bytes => Err(LoadError::memory(what, bytes, Some(available))),
        _ => Ok(()),
    }
}

/// Bytes that could be had, by the kernel's own estimate; `None` where it is not known.
#[cfg(target_os = "linux")]
fn available() -> Option<u64> {
    let system = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_meminfo(&text));
    let group = std::fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| of_group(&text));
    match (system, group) {
        (Some(system), Some(group)) => Some(system.min(group)),
        (one, other) => one.or(other),
    }
}

#[cfg(not(target_os = "linux"))]
fn available() -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
fn of_meminfo(text: &str) -> Option<u64> {
    let line = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib.saturating_mul(1024))
    };
    Some(line("MemAvailable:")?.saturating_add(line("SwapFree:").unwrap_or(0)))
}

/// The least that this control group (version 2), or one around it, leaves.
#[cfg(target_os = "linux")]
fn of_group(text: &str) -> Option<u64> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounted = std::path::Path::new("/sys/fs/cgroup");
    let folder = mounted.join(group);
    let groups = folder.ancestors().take_while(|folder| folder.starts_with(mounted));
    groups.filter_map(left_in).min()
}

#[cfg(target_os = "linux")]
fn left_in(folder: &std::path::Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let limit: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    // Of what is used, the page cache can be given up.
    let stat = read("memory.stat").unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix("file ")?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
}
