//! Prints the verdict on each file that is named, its format and its findings; `-q` prints only how many there were and
//! how long they took. For scoreboards and benchmarks.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use modelseal_core::path::ModelPath;
use modelseal_inspect::{FileBytes, Globals, inspect};
use std::{collections::BTreeMap, fs::File, time::Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let quiet = names.first().is_some_and(|name| name == "-q");
    names.drain(..usize::from(quiet));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut bytes, start) = (0, Instant::now());
    for name in &names {
        let file = FileBytes::new(File::open(name)?)?;
        let path = ModelPath::parse(name.rsplit('/').next().unwrap_or_default())?;
        let found = inspect(&path, &file, Globals::shipped())?.into_inner();
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
