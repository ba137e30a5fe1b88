//! The place of a command on systems other than Linux: there is no mount namespace and no Landlock, so nothing but the
//! environment and, for root, the user is changed.

use super::{Confinement, ExecError, Held, How, command::Program};
use crate::{
    decide::AllowedModel,
    report::{ExecModel, Protections},
};
use modelseal_model::Progress;
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a command runs.
#[derive(Debug)]
pub(super) struct Enclosure {
    notes: Vec<String>,
}

impl Enclosure {
    pub(super) fn enter(settings: &Confinement) -> Result<Self, ExecError> {
        if settings.strict || settings.copy {
            return Err(ExecError::unprotected(
                "--strict and --copy need what this system does not have: a mount namespace to hold verified bytes in, and \
                 Landlock to hold the command to them. On Linux there are both; here, leave them out, and let nobody write \
                 to the models",
            ));
        }
        if !settings.read.is_empty() || !settings.write.is_empty() {
            return Err(ExecError::usage(
                "--allow-read and --allow-write have nothing to add to on this system: the command can read all that its user can",
            ));
        }
        let note = "this system has no mount namespace and no Landlock: models are read by their own paths, and the command can \
                    read all that its user can";
        Ok(Self { notes: vec![note.to_owned()] })
    }

    #[allow(clippy::unused_self, reason = "on Linux there is something to lay out")]
    pub(super) fn hold(
        &mut self,
        _: &Confinement,
        _: usize,
        given: &Path,
        original: PathBuf,
    ) -> Result<Held, ExecError> {
        Ok(Held { given: given.to_owned(), at: original.clone(), original, how: How::Path })
    }

    #[allow(clippy::unused_self, reason = "on Linux there may be something to copy")]
    pub(super) fn keep(
        &mut self,
        _: &Confinement,
        _: &mut Held,
        _: &AllowedModel,
        _: &dyn Progress,
    ) -> Result<(), ExecError> {
        Ok(())
    }

    pub(super) fn close(
        self,
        settings: &Confinement,
        _: &Program,
        _: &[Held],
        _: &[OsString],
        admitted: &[ExecModel],
        command: &mut Command,
    ) -> Result<(Protections, Vec<String>), ExecError> {
        let failed = |e: io::Error| ExecError::io("make a temporary directory", e);
        // Nobody is left who could remove it afterwards.
        let temporary = tempfile::Builder::new().prefix("modelseal-exec-").tempdir().map_err(failed)?.keep();
        let hub = temporary.join("huggingface").join("hub");
        std::fs::create_dir_all(&hub).map_err(failed)?;
        settings.environment.give(command, &temporary, admitted);
        #[cfg(unix)]
        let user = {
            use std::os::unix::{fs::chown, process::CommandExt};
            let identity = super::user::identity(settings.user.as_deref())?;
            if let Some(identity) = &identity {
                for directory in [hub.as_path(), &temporary.join("huggingface"), &temporary] {
                    chown(directory, Some(identity.uid), Some(identity.gid)).map_err(failed)?;
                }
                command.uid(identity.uid).gid(identity.gid);
            }
            identity.map(|identity| format!("{}:{}", identity.uid, identity.gid))
        };
        #[cfg(not(unix))]
        let user = None;
        Ok((Protections { namespace: None, landlock: None, user, strict: false }, self.notes))
    }
}
