//! What the command may open: Landlock (landlock(7)). Rules are about files and directories themselves and not about names, so
//! whatever is put in their place later is not allowed.

use super::ExecError;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

/// Everything that is used where it is known.
const WANTED: ABI = ABI::V5;

/// Before this, a file that may not be written could be cut off (Linux 6.2).
const NEEDED: ABI = ABI::V3;

/// What the system is made of: programs, libraries and their settings.
const SYSTEM: [&str; 16] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/nix/store",
    "/gnu/store",
    "/opt/rocm",
    "/opt/nvidia",
    "/opt/intel",
    "/opt/amazon",
    "/run/nvidia-persistenced",
    "/var/lib/dpkg/status",
];

/// What tells programs about this machine and its network.
const READ: [&str; 6] =
    ["/proc", "/sys", "/run/systemd/resolve", "/run/resolvconf", "/run/nscd", "/var/cache/fontconfig"];

/// The devices that harm nothing, and those that compute.
const DEVICES: [&str; 11] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/dri",
    "/dev/kfd",
    "/dev/infiniband",
];

/// The first letters of further devices that compute.
const DEVICE_FAMILIES: [&str; 4] = ["nvidia", "accel", "neuron", "dxg"];

/// Rules, each about something that is open.
#[derive(Debug)]
pub(super) struct Rights(Vec<(Opened, BitFlags<AccessFs>)>);

#[derive(Debug)]
enum Opened {
    Path(PathFd),
    Standard(std::io::Stdin),
    Output(std::io::Stdout),
    Errors(std::io::Stderr),
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Path(path) => path.as_fd(),
            Self::Standard(stdin) => stdin.as_fd(),
            Self::Output(stdout) => stdout.as_fd(),
            Self::Errors(stderr) => stderr.as_fd(),
        }
    }
}

impl Rights {
    /// What every command needs.
    pub(super) fn of_any_command() -> Self {
        let mut rights = Self(Vec::new());
        for path in SYSTEM {
            rights.run(Path::new(path));
        }
        for path in READ {
            rights.read(Path::new(path));
        }
        // A process names its threads, and limits itself, by writing there.
        rights.add(Path::new("/proc/self"), reading() | AccessFs::WriteFile);
        rights.add(Path::new("/dev"), AccessFs::ReadDir.into());
        for path in DEVICES {
            rights.write(Path::new(path));
        }
        for entry in std::fs::read_dir("/dev").into_iter().flatten().flatten() {
            let name = entry.file_name();
            if DEVICE_FAMILIES.iter().any(|family| name.as_encoded_bytes().starts_with(family.as_bytes())) {
                rights.write(&entry.path());
            }
        }
        // Where these lead to files, they may be opened again by their names in /dev. A pipe needs no rule.
        let file = AccessFs::from_file(WANTED);
        rights.standard(Opened::Standard(std::io::stdin()), AccessFs::ReadFile | AccessFs::IoctlDev);
        rights.standard(Opened::Output(std::io::stdout()), file & !AccessFs::Execute);
        rights.standard(Opened::Errors(std::io::stderr()), file & !AccessFs::Execute);
        rights
    }

    /// May be read, and run.
    pub(super) fn run(&mut self, path: &Path) {
        self.add(path, reading() | AccessFs::Execute);
    }

    /// May be read.
    pub(super) fn read(&mut self, path: &Path) {
        self.add(path, reading());
    }

    /// May be read, written, and if it is a directory have things made in it.
    pub(super) fn write(&mut self, path: &Path) {
        self.add(path, AccessFs::from_all(WANTED));
    }

    /// What is not there needs no rule, and what cannot be opened gives none.
    fn add(&mut self, path: &Path, rights: BitFlags<AccessFs>) {
        let Ok(opened) = PathFd::new(path) else { return };
        let directory = path.is_dir();
        let rights = if directory { rights } else { rights & AccessFs::from_file(WANTED) };
        self.0.push((Opened::Path(opened), rights));
    }

    fn standard(&mut self, opened: Opened, rights: BitFlags<AccessFs>) {
        let kind = rustix::fs::fstat(&opened).map(|found| rustix::fs::FileType::from_raw_mode(found.st_mode));
        use rustix::fs::FileType::{CharacterDevice, RegularFile};
        if matches!(kind, Ok(RegularFile | CharacterDevice)) {
            self.0.push((opened, rights));
        }
    }

    /// Holds this process, and whatever it becomes, to these rules. Gives the version of Landlock's interface that does, if
    /// there is any.
    ///
    /// # Errors
    /// [`ExecError`] when `strict` and the kernel knows too little, or when it refuses.
    pub(super) fn apply(self, strict: bool) -> Result<Option<u32>, ExecError> {
        let failed = |e: RulesetError| {
            ExecError::unprotected(if strict {
                format!("--strict needs Landlock of Linux 6.2 or later, enabled in this kernel: {e}")
            } else {
                format!("this kernel has Landlock and refuses its rules: {e}")
            })
        };
        let mut ruleset = Ruleset::default();
        if strict {
            ruleset = ruleset.set_compatibility(CompatLevel::HardRequirement);
            ruleset = ruleset.handle_access(AccessFs::from_all(NEEDED)).map_err(failed)?;
            ruleset = ruleset.set_compatibility(CompatLevel::BestEffort);
        }
        let ruleset = ruleset.handle_access(AccessFs::from_all(WANTED)).map_err(failed)?;
        // Signals to processes outside, and sockets without a name in a file system (Linux 6.12).
        let ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal).map_err(failed)?;
        let mut ruleset = ruleset.create().map_err(failed)?;
        for (opened, rights) in &self.0 {
            let rule = PathBeneath::new(opened.as_fd(), *rights).set_compatibility(CompatLevel::BestEffort);
            match (&mut ruleset).add_rule(rule) {
                Ok(_) => {}
                // What a kernel knows no rule for (a pipe, a file system of its own) stays without one.
                Err(RulesetError::AddRules(_)) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        let status = ruleset.restrict_self().map_err(failed)?;
        Ok(match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => Some(effective_abi as u32),
            _ => None,
        })
    }
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}
