//! Every test vector by a public key: `open` and loading everything accepts what `run` accepts, and no other bytes.

use modelseal::{PublicKey, Verifier, VerifyRequest};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// A writable copy of a model.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}

/// Does to a model what a case says; false when this is not a thing that is done here.
fn prepare(model: &Path, step: &Value) -> bool {
    let text = |member: &str| step[member].as_str().unwrap();
    let path = match step["path"].as_str() {
        Some("") | None => model.to_owned(),
        Some(path) => model.join(path),
    };
    match text("op") {
        "write" => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, step["text"].as_str().unwrap_or_default()).unwrap();
        }
        "append" => {
            let mut file = File::options().append(true).open(path).unwrap();
            file.write_all(step["text"].as_str().unwrap_or("x").as_bytes()).unwrap();
        }
        "remove" => _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)),
        "mkdir" => fs::create_dir_all(path).unwrap(),
        #[cfg(unix)]
        "symlink" => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(text("target"), path).unwrap();
        }
        "flip" => {
            let mut bytes = fs::read(&path).unwrap();
            bytes[usize::try_from(step["offset"].as_u64().unwrap()).unwrap()] ^= 1;
            fs::write(path, bytes).unwrap();
        }
        "truncate" => {
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(step["size"].as_u64().unwrap()).unwrap();
        }
        "rename" => fs::rename(&path, model.join(text("to"))).unwrap(),
        _ => return false,
    }
    true
}

fn request(case: &Value, model: &Path, bundle: &Path) -> Option<VerifyRequest<Verifier>> {
    let key = fs::read(data().join(case["trust"]["public_key"].as_str()?)).ok()?;
    let mut request = modelseal::verify(model).signature(bundle).with_key(PublicKey::from_pem(&key).ok()?);
    for (flag, value) in case["flags"].as_object()? {
        request = match flag.as_str() {
            "ignore_paths" => value
                .as_array()?
                .iter()
                .fold(request, |request, path| request.ignore(model.join(path.as_str().unwrap()))),
            "ignore_unsigned_files" => request.ignore_unsigned_files(value.as_bool()?),
            _ => return None,
        };
    }
    Some(request)
}

#[test]
fn opening_and_loading_everything_agrees_with_verifying() {
    let (mut accepted, mut refused, mut late) = (0, 0, 0);
    for entry in fs::read_dir(data().join("oms")).unwrap() {
        let folder = entry.unwrap().path();
        let case: Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
        if case["method"] != "key" || case.get("requires").is_some() || case.get("bundle_size").is_some() {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let from = data().join(case["model"].as_str().unwrap());
        let model = place.path().join(from.file_name().unwrap());
        copy(&from, &model);
        if !case["setup"].as_array().unwrap().iter().all(|step| prepare(&model, step)) {
            continue;
        }
        let bundle = match case["signature_inside_model_as"].as_str() {
            Some(name) => model.join(name),
            None => place.path().join("bundle.sig"),
        };
        fs::create_dir_all(bundle.parent().unwrap()).unwrap();
        fs::copy(folder.join("bundle.sig"), &bundle).unwrap();
        let Some(request) = request(&case, &model, &bundle) else { continue };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        match (request.run(&()), request.open(&())) {
            (Ok(run), Ok(open)) => {
                accepted += 1;
                let all = open.open_all_fused(&()).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(
                    all.iter().map(|(path, bytes)| (path, bytes.len() as u64)).eq(run.contents().files())
                );
                for (path, bytes) in &all {
                    let there = if model.is_file() { model.clone() } else { model.join(path.as_str()) };
                    assert_eq!(fs::read(there).unwrap(), **bytes, "{name}: {path}");
                }
            }
            (Err(_), Err(_)) => refused += 1,
            (Err(refusal), Ok(open)) => {
                late += 1;
                let error = open.open_all_fused(&()).unwrap_err();
                assert_eq!(refusal.report().code.as_deref(), Some(error.code()), "{name}");
            }
            (Ok(_), Err(refusal)) => panic!("{name}: {refusal}"),
        }
    }
    println!("{accepted} accepted, {refused} refused at once, {late} when they were read");
    assert!(accepted > 20 && refused > 60 && late > 3, "{accepted} {refused} {late}");
}
