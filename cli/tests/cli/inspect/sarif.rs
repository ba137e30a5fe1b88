//! SARIF as its version 2.1.0 has it: what readers of it rely on.

use super::{BLOB, EVIL, HARMLESS, INSPECT, TRUNCATED, world};
use crate::common::{World, with};
use serde_json::Value;

fn sarif(world: &World, exit: i32) -> Value {
    let ran = world.run(&with(&INSPECT, &["--format", "sarif"])).exits(exit).says_nothing();
    serde_json::from_str(&ran.stdout).unwrap()
}

/// A zip archive of one stored member.
fn zip(name: &str, data: &[u8]) -> Vec<u8> {
    let number = |value: usize, bytes: usize| value.to_le_bytes()[..bytes].to_vec();
    let crc = data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    let fields = [
        number(20, 2),
        number(0, 2),
        number(0, 2),
        number(0, 4),
        (!crc).to_le_bytes().to_vec(),
        number(data.len(), 4),
        number(data.len(), 4),
        number(name.len(), 2),
        number(0, 2),
    ]
    .concat();
    let local = [b"PK\x03\x04".to_vec(), fields.clone(), name.into(), data.to_vec()].concat();
    let central = [b"PK\x01\x02".to_vec(), number(20, 2), fields, vec![0; 14], name.into()].concat();
    let end = [
        b"PK\x05\x06".to_vec(),
        number(0, 4),
        number(1, 2),
        number(1, 2),
        number(central.len(), 4),
        number(local.len(), 4),
        number(0, 2),
    ]
    .concat();
    [local, central, end].concat()
}

#[test]
fn results_have_what_readers_need() {
    let world = world(&[
        ("a b.pkl", EVIL),
        ("b.pkl", TRUNCATED),
        ("c.pkl", HARMLESS),
        ("d.xyz", BLOB),
        ("e.zip", &zip("x/y.pkl", EVIL)),
    ]);
    let log = sarif(&world, 1);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let (rules, results) = (&run["tool"]["driver"]["rules"], run["results"].as_array().unwrap());
    let artifacts = run["artifacts"].as_array().unwrap();
    assert!(results.len() >= 6, "{results:#?}");
    let ids: Vec<&str> = rules.as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    for rule in rules.as_array().unwrap() {
        assert!(rule["shortDescription"]["text"].as_str().unwrap().ends_with('.'));
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
        assert!(rule["help"]["text"].is_string());
        let severity = rule["properties"]["severity"].as_str().unwrap();
        let score = rule["properties"]["security-severity"].as_str();
        let expected = match severity {
            "malicious" => Some("9.0"),
            "malformed" => Some("7.0"),
            "suspicious" => Some("5.0"),
            _ => None,
        };
        assert_eq!(score, expected, "{severity}");
    }
    let taxa = run["taxonomies"][0]["taxa"].as_array().unwrap();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        // 3.27.10: only failures have a level.
        match result["kind"].as_str().unwrap() {
            "fail" => assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap())),
            kind => assert!(["open", "informational"].contains(&kind) && result["level"] == "none"),
        }
        let location = &result["locations"][0]["physicalLocation"];
        let index = usize::try_from(location["artifactLocation"]["index"].as_u64().unwrap()).unwrap();
        assert_eq!(artifacts[index]["location"]["uri"], location["artifactLocation"]["uri"]);
        assert_eq!(result["partialFingerprints"]["modelseal/v1"].as_str().unwrap().len(), 64);
        assert!(taxa.contains(&serde_json::json!({ "id": result["taxa"][0]["id"] })));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    }
    let fingerprints: Vec<&Value> =
        results.iter().map(|result| &result["partialFingerprints"]["modelseal/v1"]).collect();
    assert!(fingerprints.iter().enumerate().all(|(at, one)| !fingerprints[..at].contains(one)));
}

#[test]
fn places_are_files_members_and_bytes() {
    let world = world(&[("a b.pkl", EVIL), ("e.zip", &zip("x/y.pkl", EVIL))]);
    let run = &sarif(&world, 1)["runs"][0];
    let uris: Vec<&str> = run["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["location"]["uri"].as_str().unwrap())
        .collect();
    assert_eq!(uris, ["a%20b.pkl", "e.zip", "e.zip!/x/y.pkl"]);
    assert_eq!(run["artifacts"][2]["parentIndex"], 1);
    assert_eq!(run["artifacts"][0]["properties"]["verdict"], "malicious");
    assert_eq!(run["artifacts"][0]["length"], EVIL.len());
    let inner = run["results"].as_array().unwrap().iter().find(|result| {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["index"] == 2
            && result["ruleId"] == "PKL001"
    });
    let inner = inner.unwrap();
    assert_eq!(inner["locations"][0]["physicalLocation"]["region"]["byteOffset"], 14);
    assert_eq!((&inner["level"], &inner["kind"]), (&"error".into(), &"fail".into()));
    assert_eq!(inner["properties"]["subject"], "os.system");
}

#[test]
fn what_was_not_understood_is_open_and_notified() {
    let world = world(&[("d.xyz", BLOB)]);
    let run = &sarif(&world, 3)["runs"][0];
    let result = &run["results"][0];
    assert_eq!((&result["kind"], &result["level"]), (&"open".into(), &"none".into()));
    let notified = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(
        (&notified["level"], &notified["associatedRule"]["id"]),
        (&"warning".into(), &result["ruleId"])
    );
    assert_eq!(run["properties"]["coverage"], "partial");
    assert_eq!(run["properties"]["verdict"], "unknown");
}

#[test]
fn the_report_names_its_rules_and_bounds_and_no_time() {
    let world = world(&[("c.pkl", HARMLESS)]);
    let log = sarif(&world, 0);
    let run = &log["runs"][0];
    let text = log.to_string();
    for absent in ["Utc", "machine", "account", "file:", "workingDirectory", "commandLine"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    let rules = &run["properties"]["rules"];
    assert_eq!(rules["id"], "modelseal");
    for digest in ["rulesDigest", "limitsDigest"] {
        assert!(rules[digest].as_str().unwrap().starts_with("sha256:"), "{rules:#}");
    }
    assert_eq!(run["results"], serde_json::json!([]), "present, as it must be after a scan");
    assert_eq!(run["properties"]["bytesCovered"], HARMLESS.len());
}
