//! Parts of a measurement: together they are the whole, for any number of them.

use crate::common::Model;
use modelseal_core::manifest::{Manifest, Method, Resource};
use modelseal_model::{MeasuredPart, Options, Part, Planned, Source, measure, measure_part};
use std::num::NonZeroU64;

fn parts(model: &Model, options: &Options, of: u32) -> Vec<MeasuredPart> {
    let source = Source::open(&model.path()).unwrap();
    let part = |number| measure_part(&source, options, Part::new(number, of).unwrap(), &()).unwrap();
    (1..=of).map(part).collect()
}

fn union(parts: &[MeasuredPart], options: &Options) -> Manifest {
    let resources: Vec<Resource> =
        parts.iter().flat_map(|part| part.resources.iter().map(|(resource, _)| resource.clone())).collect();
    Manifest::sorted(options.serialization.clone(), resources).unwrap()
}

#[test]
fn parts_together_are_the_whole_and_read_each_byte_once() {
    let model = Model::new();
    for n in 0..30_usize {
        model.file(&format!("{}/{n}", n % 4), &vec![7; n * n * 3000]);
    }
    for method in [Method::Files, Method::Shards(NonZeroU64::new(100_000).unwrap())] {
        let mut options = Options::default();
        options.serialization.method = method;
        let whole = measure(&Source::open(&model.path()).unwrap(), &options, &()).unwrap();
        for of in [1, 2, 7, 500] {
            let parts = parts(&model, &options, of);
            assert_eq!(&union(&parts, &options), whole.manifest.get());
            assert_eq!(parts.iter().map(|part| part.bytes).sum::<u64>(), whole.bytes);
            for part in &parts {
                assert_eq!(part.plan, parts[0].plan);
                assert_eq!(part.resources.iter().map(|(_, bytes)| bytes).sum::<u64>(), part.bytes);
                let names: Vec<String> = part.plan.iter().map(|p: &Planned| p.name().into_owned()).collect();
                assert!(names.is_sorted());
                for (resource, bytes) in &part.resources {
                    let at = names.binary_search(&resource.name().into_owned()).unwrap();
                    assert_eq!(part.plan[at].bytes, *bytes);
                }
            }
        }
    }
}

#[test]
fn a_single_file_and_empty_files_have_parts() {
    let model = Model::with(&[("a", b""), ("b", b""), ("c", b"")]);
    let options = Options::default();
    let counts: Vec<usize> = parts(&model, &options, 3).iter().map(|part| part.resources.len()).collect();
    assert_eq!(counts, [1, 1, 1]);
    let source = Source::open(&model.join("a")).unwrap();
    let part = |number| measure_part(&source, &options, Part::new(number, 2).unwrap(), &()).unwrap();
    assert_eq!((part(1).resources.len(), part(2).resources.len()), (1, 0));
}
