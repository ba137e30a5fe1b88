//! Prints the verdict on each file that is named, its format and its findings; `-q` prints only how many there were and
//! how long they took; `-s` takes names from standard input and answers each with a line of JSON. For scoreboards and
//! benchmarks.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use modelseal_core::{inspection::FileInspection, path::ModelPath};
use modelseal_inspect::{FileBytes, Globals, inspect};
use std::{collections::BTreeMap, error::Error, fs::File, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.first().is_some_and(|name| name == "-s") {
        return serve();
    }
    let quiet = names.first().is_some_and(|name| name == "-q");
    names.drain(..usize::from(quiet));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut bytes, start) = (0, Instant::now());
    for name in &names {
        let found = look(name)?;
        *counts.entry(found.verdict().name()).or_default() += 1;
        bytes += found.size;
        if quiet {
            continue;
        }
        println!("{:<10} {:<12} {} {name}", found.verdict(), found.format, found.contents.pickle_tier());
        for finding in &found.findings {
            println!(
                "    {} {} {} x{}: {}",
                finding.rule, finding.severity, finding.place, finding.count, finding.message
            );
        }
    }
    let took = start.elapsed().as_secs_f64();
    println!("{} files, {bytes} bytes, {took:.3} s: {counts:?}", names.len());
    Ok(())
}

fn look(name: &str) -> Result<FileInspection, Box<dyn Error>> {
    let file = FileBytes::new(File::open(name)?)?;
    let path = ModelPath::parse(name.rsplit('/').next().unwrap_or_default())?;
    Ok(inspect(&path, &file, Globals::shipped())?.into_inner())
}

/// As the workers of `bench/scanners` do.
fn serve() -> Result<(), Box<dyn Error>> {
    Globals::shipped();
    println!("ready");
    for name in std::io::stdin().lines() {
        let start = Instant::now();
        let found = look(&name?)?;
        let seconds = start.elapsed().as_secs_f64();
        let detail: Vec<&str> =
            found.findings.iter().map(|finding| finding.message.as_str()).take(3).collect();
        let verdict = found.verdict().name();
        println!("{}", serde_json::json!({ "verdict": verdict, "detail": detail, "seconds": seconds }));
    }
    Ok(())
}
