//! Signing configurations, and the choice of services.

use jiff::Timestamp;
use modelseal_attest::sigstore::{ConfigError, Log, RekorPreference, RekorVersion, Services, SigningConfig};
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn service(url: &str, version: u32, operator: &str) -> Value {
    json!({ "url": url, "majorApiVersion": version, "operator": operator,
            "validFor": { "start": "2020-01-01T00:00:00Z" } })
}

fn config() -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [service("https://fulcio", 1, "a")],
        "oidcUrls": [service("https://oidc", 1, "a")],
        "rekorTlogUrls": [service("https://old.rekor", 1, "a"), service("https://new.rekor", 2, "a"), service("https://b.rekor", 2, "b")],
        "tsaUrls": [service("https://a.tsa/", 1, "a"), service("https://b.tsa/", 1, "b")],
        "rekorTlogConfig": { "selector": "ANY" },
        "tsaConfig": { "selector": "ANY" },
    })
}

fn chosen(config: &Value) -> Result<Services, ConfigError> {
    let config = SigningConfig::from_json(config.to_string().as_bytes())?;
    Services::from_config(&config, RekorPreference::Newest, now())
}

fn logs(services: &Services) -> Vec<String> {
    let show = |log: &Log| format!("{} {}", log.url.host(), log.version);
    services.logs().iter().map(show).collect()
}

#[test]
fn the_embedded_configurations_give_services() {
    let public = SigningConfig::public_good().unwrap();
    let public = Services::from_config(&public, RekorPreference::Newest, now()).unwrap();
    assert_eq!(public.fulcio().unwrap().as_str(), "https://fulcio.sigstore.dev/");
    assert_eq!(public.oidc().unwrap().as_str(), "https://oauth2.sigstore.dev/auth");
    assert_eq!(logs(&public), ["rekor.sigstore.dev v1"]);
    assert_eq!(public.timestamp_authorities()[0].as_str(), "https://timestamp.sigstore.dev/api/v1/timestamp");
    let staging = SigningConfig::staging().unwrap();
    let newest = Services::from_config(&staging, RekorPreference::Newest, now()).unwrap();
    assert_eq!(logs(&newest), ["global.rekor.sigstage.dev v2"]);
    let v1 = RekorPreference::Version(RekorVersion::V1);
    assert_eq!(logs(&Services::from_config(&staging, v1, now()).unwrap()), ["rekor.sigstage.dev v1"]);
}

#[test]
fn one_service_of_each_operator_and_as_many_as_demanded() {
    assert_eq!(logs(&chosen(&config()).unwrap()), ["new.rekor v2"]);
    let mut all = config();
    all["rekorTlogConfig"] = json!({ "selector": "ALL" });
    all["tsaConfig"] = json!({ "selector": "EXACT", "count": 2 });
    let services = chosen(&all).unwrap();
    assert_eq!(logs(&services), ["new.rekor v2", "b.rekor v2"]);
    assert_eq!(services.timestamp_authorities().len(), 2);
    all["tsaConfig"]["count"] = json!(3);
    assert!(matches!(chosen(&all), Err(ConfigError::TooFew { needed: 3, found: 2, .. })));
}

#[test]
fn services_out_of_their_time_or_of_unknown_versions_are_not_chosen() {
    let mut ended = config();
    ended["rekorTlogUrls"][1]["validFor"]["end"] = json!("2026-11-22T11:59:59Z");
    ended["rekorTlogUrls"][2]["validFor"]["start"] = json!("2026-11-22T12:00:01Z");
    assert_eq!(logs(&chosen(&ended).unwrap()), ["old.rekor v1"]);
    ended["rekorTlogUrls"][1]["validFor"]["end"] = json!("2026-11-22T12:00:00Z");
    assert_eq!(logs(&chosen(&ended).unwrap()), ["new.rekor v2"]);
    let mut unknown = config();
    unknown["caUrls"][0]["majorApiVersion"] = json!(7);
    assert!(matches!(chosen(&unknown), Err(ConfigError::NoService { service: "Fulcio", listed: 1 })));
    let mut retired = config();
    retired["oidcUrls"][0]["validFor"]["end"] = json!("2021-01-01T00:00:00Z");
    assert!(chosen(&retired).unwrap().oidc().is_none());
}

#[test]
fn a_new_log_without_a_timestamp_is_refused() {
    let mut bare = config();
    bare["tsaUrls"] = json!([]);
    assert!(matches!(chosen(&bare), Err(ConfigError::LogWithoutTimestamp)));
    bare["rekorTlogUrls"] = json!([service("https://old.rekor", 1, "a")]);
    assert_eq!(logs(&chosen(&bare).unwrap()), ["old.rekor v1"]);
}

#[test]
fn malformed_configurations_are_refused() {
    let refused = |edit: &dyn Fn(&mut Value)| {
        let mut value = config();
        edit(&mut value);
        chosen(&value).unwrap_err().to_string()
    };
    assert!(
        refused(&|v| v["mediaType"] = json!("application/json")).contains("media type 'application/json'")
    );
    assert!(
        refused(&|v| v["rekorTlogConfig"] = json!({ "selector": "SERVICE_SELECTOR_UNDEFINED" }))
            .contains("UNDEFINED")
    );
    assert!(refused(&|v| v["rekorTlogConfig"] = json!({ "selector": "EXACT" })).contains("'EXACT'"));
    assert!(
        refused(&|v| v["rekorTlogConfig"] = json!({ "selector": "ANY", "count": 2 })).contains("count 2")
    );
    assert!(refused(&|v| v["tsaUrls"][0]["url"] = json!("timestamp")).contains("'timestamp' is no URL"));
    assert!(
        refused(&|v| v["tsaUrls"][0]["url"] = json!("https://u:secretpass@x"))
            .contains("user name or password")
    );
    assert!(refused(&|v| v["caUrls"][0]["validFor"] = json!(null)).contains("not a signing configuration"));
    assert!(
        refused(&|v| v["caUrls"][0]["majorApiVersion"] = json!("1")).contains("not a signing configuration")
    );
    let many: Vec<Value> = (0..33).map(|i| service(&format!("https://{i}"), 1, "")).collect();
    assert!(refused(&|v| v["tsaUrls"] = json!(many)).contains("more than 32 items"));
    let twice = config().to_string().replacen('{', r#"{"mediaType":"x","#, 1);
    assert!(matches!(SigningConfig::from_json(twice.as_bytes()), Err(ConfigError::Json(_))));
    for bad in [&b""[..], b"{", b"[]", b"null", b"{}"] {
        assert!(matches!(SigningConfig::from_json(bad), Err(ConfigError::Json(_))));
    }
}

#[test]
fn a_client_trust_configuration_holds_one() {
    let outer = |signing: Value| {
        json!({ "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
                "trustedRoot": { "any": 1 }, "signingConfig": signing })
        .to_string()
    };
    let inner = SigningConfig::from_client_trust_config(outer(config()).as_bytes()).unwrap();
    assert_eq!(inner, SigningConfig::from_json(config().to_string().as_bytes()).unwrap());
    let none = SigningConfig::from_client_trust_config(outer(json!(null)).as_bytes());
    assert!(matches!(none, Err(ConfigError::NoSigningConfig)));
    let plain = SigningConfig::from_client_trust_config(config().to_string().as_bytes());
    assert!(matches!(plain, Err(ConfigError::MediaType { .. })));
}

#[test]
fn explicit_urls_need_to_be_urls() {
    let services =
        Services::none().with_fulcio("https://f").unwrap().with_rekor("https://r", RekorVersion::V1);
    assert_eq!(logs(&services.unwrap()), ["r v1"]);
    for bad in ["", "rekor.sigstore.dev", "ftp://x"] {
        assert!(matches!(Services::none().with_rekor(bad, RekorVersion::V2), Err(ConfigError::Url(_))));
    }
}
