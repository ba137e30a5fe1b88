//! `modelseal trust`.

use crate::{
    args::{TrustCommand, TrustShowArgs, TrustUpdateArgs},
    exit::{Exit, Failure},
    files,
    output::Output,
    services,
};
use modelseal::{
    Printable, TrustRepository,
    report::{AuthorityReport, LogReport, TrustReport},
};
use std::io::{self, Write};

pub fn run(command: &TrustCommand, output: &Output) -> Result<Exit, Failure> {
    let report = match command {
        TrustCommand::Show(args) => show(args)?,
        TrustCommand::Update(args) => update(args, output)?,
    };
    output.warnings(&report.notes);
    output.result(&report, |out| print(out, &report))?;
    Ok(Exit::Done)
}

fn show(args: &TrustShowArgs) -> Result<TrustReport, Failure> {
    let trust = services::trust(&args.instance)?;
    Ok(TrustReport::of(&trust.root, trust.report, trust.notes))
}

fn update(args: &TrustUpdateArgs, output: &Output) -> Result<TrustReport, Failure> {
    let cache = files::cache()?;
    let repository = match (&args.tuf_url, &args.tuf_root) {
        (Some(url), Some(root)) => {
            TrustRepository::at(url, files::read_document(root, "root metadata")?.to_vec())
        }
        _ => services::instance(args.use_staging).repository(),
    };
    let updated =
        repository.update(Some(&cache), &services::client(&args.network)?).map_err(modelseal::Error::from)?;
    if let Some(path) = &args.out {
        modelseal::write_trusted_root(path, &updated)?;
        output.diagnostic(format_args!("written to {}", Printable(&path.display().to_string())));
    }
    let notes = vec![format!("the instance vouches for this until {}", updated.expires)];
    Ok(TrustReport::of(&updated.trusted_root, updated.report(), notes))
}

fn print(out: &mut dyn Write, report: &TrustReport) -> io::Result<()> {
    let root = &report.trusted_root;
    let as_of = root.as_of.as_ref().map(|d| format!(", as of {d}")).unwrap_or_default();
    writeln!(out, "trusted root: {} ({}{as_of})", Printable(&root.name), root.origin)?;
    writeln!(out, "sha256:       {}", root.sha256)?;
    authorities(out, "certificate authorities (Fulcio)", &report.certificate_authorities)?;
    logs(out, "transparency logs (Rekor)", &report.logs)?;
    logs(out, "certificate transparency logs", &report.ct_logs)?;
    authorities(out, "time-stamping authorities", &report.timestamp_authorities)
}

fn authorities(out: &mut dyn Write, title: &str, list: &[AuthorityReport]) -> io::Result<()> {
    writeln!(out, "\n{title}:")?;
    if list.is_empty() {
        writeln!(out, "  none")?;
    }
    for authority in list {
        let name = authority.subjects.first().map_or("", String::as_str);
        let url = authority.url.as_deref().unwrap_or("");
        writeln!(out, "  {}  {}", Printable(name), Printable(url))?;
        writeln!(out, "    {}", window(authority.valid_from.as_deref(), authority.valid_until.as_deref()))?;
    }
    Ok(())
}

fn logs(out: &mut dyn Write, title: &str, list: &[LogReport]) -> io::Result<()> {
    writeln!(out, "\n{title}:")?;
    if list.is_empty() {
        writeln!(out, "  none")?;
    }
    for log in list {
        writeln!(out, "  {}  {}", Printable(&log.url), log.key)?;
        writeln!(out, "    {}", window(log.valid_from.as_deref(), log.valid_until.as_deref()))?;
        writeln!(out, "    id {}", log.log_id)?;
    }
    Ok(())
}

fn window(from: Option<&str>, until: Option<&str>) -> String {
    let from = from.map(|t| format!("from {t}"));
    let until = until.map(|t| format!("until {t}"));
    match (from, until) {
        (None, None) => "trusted always".into(),
        (from, until) => {
            format!("trusted {}", [from, until].into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
    }
}
