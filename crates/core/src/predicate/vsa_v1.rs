//! SLSA's Verification Summary Attestation, version 1 (SLSA v1.2, `verification_summary`): read and written.

use super::{descriptor::Descriptor, error::PredicateError, field::Field};
use crate::json::{pointer::escaped, value::Value};
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt};

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";

const INVENTED: &str = "starts with SLSA_ and is no level or property of SLSA; a custom value must not";

/// The level that modelseal adds when a check was waived: "passed" then means "passed, but for what somebody excused".
pub const WAIVED: &str = "WAIVED";

/// Somebody's verdict on an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vsa {
    /// Who verified (a URI). To be believed only together with who signed.
    pub verifier_id: String,
    /// Versions of the verifier's parts.
    pub verifier_version: BTreeMap<String, String>,
    /// When.
    pub time_verified: Option<Timestamp>,
    /// The name under which the artifact was verified.
    pub resource_uri: String,
    /// The policy; its `uri` is always there.
    pub policy: Descriptor,
    /// Every attestation that was used, each with a digest; empty when the verifier does not say.
    pub input_attestations: Vec<Descriptor>,
    /// The verdict.
    pub result: VerificationResult,
    /// Levels and properties that were verified: at most one level of each SLSA track.
    pub verified_levels: Vec<String>,
    /// How many dependencies have which level. `None`: nothing is claimed; empty: there are no dependencies.
    pub dependency_levels: Option<BTreeMap<String, u64>>,
    /// The version of SLSA that was verified against, such as `1.2`.
    pub slsa_version: Option<String>,
}

/// The verdict of a VSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationResult {
    /// The artifact meets the policy.
    Passed,
    /// It does not.
    Failed,
}

impl Vsa {
    /// Reads the predicate.
    ///
    /// # Errors
    /// [`PredicateError`] names the field.
    pub fn read(predicate: &Value) -> Result<Self, PredicateError> {
        let root = Field::root(predicate);
        let verifier = root.member("verifier")?;
        let policy = root.member("policy")?;
        let inputs = root.member("inputAttestations")?;
        let levels = root.member("verifiedLevels")?;
        let dependencies = root.member("dependencyLevels")?;
        if policy.is_absent() {
            return Err(policy.missing());
        }
        policy.member("uri")?.required_text()?;
        let result = [("PASSED", VerificationResult::Passed), ("FAILED", VerificationResult::Failed)];
        let read = Self {
            verifier_id: verifier.member("id")?.required_uri()?,
            verifier_version: verifier.member("version")?.text_map()?,
            time_verified: root.member("timeVerified")?.time()?,
            resource_uri: root.member("resourceUri")?.required_text()?,
            policy: Descriptor::read(&policy)?,
            input_attestations: Descriptor::read_all(&inputs)?,
            result: root.member("verificationResult")?.one_of(&result)?,
            verified_levels: levels.texts()?,
            dependency_levels: dependencies
                .members()?
                .map(|_| {
                    let each = dependencies.each_member()?.into_iter();
                    each.map(|(level, field)| Ok((level.to_owned(), field.count()?))).collect()
                })
                .transpose()?,
            slsa_version: root.member("slsaVersion")?.text()?,
        };
        if read.verified_levels.is_empty() {
            return Err(levels.missing());
        }
        if let Some(index) = read.input_attestations.iter().position(|input| input.digest.is_empty()) {
            return Err(PredicateError::Missing { at: format!("{}/{index}/digest", inputs.at()) });
        }
        read.check_levels(levels.at())?;
        let counted = read.dependency_levels.iter().flatten().map(|(level, _)| level);
        if let Some(level) = counted.into_iter().find(|level| is_invented(level)) {
            let at = format!("{}/{}", dependencies.at(), escaped(level));
            return Err(PredicateError::Contradiction { at, why: INVENTED });
        }
        Ok(read)
    }

    /// Whether the verdict says that the artifact has `wanted`: a SLSA level implies the lower ones of its track, any other
    /// level or property only itself. A failed verdict has none.
    #[must_use]
    pub fn has_level(&self, wanted: &str) -> bool {
        let implied = |level: &String| match (track_level(level), track_level(wanted)) {
            (Some((track, found)), Some((wanted_track, wanted))) => track == wanted_track && found >= wanted,
            _ => level == wanted,
        };
        self.result == VerificationResult::Passed && self.verified_levels.iter().any(implied)
    }

    /// Whether the verifier says that something was excused.
    #[must_use]
    pub fn is_waived(&self) -> bool {
        self.verified_levels.iter().any(|level| level == WAIVED)
    }

    /// The predicate as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut verifier = vec![("id", self.verifier_id.as_str().into())];
        if !self.verifier_version.is_empty() {
            verifier.push(("version", text_map(&self.verifier_version)));
        }
        let mut fields = vec![
            ("verifier", object(verifier)),
            ("resourceUri", self.resource_uri.as_str().into()),
            ("policy", self.policy.to_value()),
            ("verificationResult", self.result.to_string().into()),
            ("verifiedLevels", self.verified_levels.iter().map(|level| level.as_str().into()).collect()),
        ];
        if let Some(time) = self.time_verified {
            fields.push(("timeVerified", time.to_string().into()));
        }
        if !self.input_attestations.is_empty() {
            fields.push((
                "inputAttestations",
                self.input_attestations.iter().map(Descriptor::to_value).collect(),
            ));
        }
        if let Some(levels) = &self.dependency_levels {
            let levels = levels.iter().map(|(level, count)| (level.as_str().into(), (*count).into()));
            fields.push(("dependencyLevels", Value::Object(levels.collect())));
        }
        if let Some(version) = &self.slsa_version {
            fields.push(("slsaVersion", version.as_str().into()));
        }
        object(fields)
    }

    fn check_levels(&self, at: &str) -> Result<(), PredicateError> {
        let contradiction = |why| Err(PredicateError::Contradiction { at: at.to_owned(), why });
        if let Some(index) = self.verified_levels.iter().position(|level| is_invented(level)) {
            return Err(PredicateError::Contradiction { at: format!("{at}/{index}"), why: INVENTED });
        }
        let tracks: Vec<&str> = self
            .verified_levels
            .iter()
            .filter_map(|level| track_level(level))
            .map(|(track, _)| track)
            .collect();
        let twice = |(index, track): (usize, &&str)| tracks[..index].contains(track);
        if tracks.iter().enumerate().any(twice) {
            return contradiction("more than one level of one SLSA track");
        }
        let says_failed = self.verified_levels.iter().any(|level| level == "FAILED");
        if says_failed && self.result == VerificationResult::Passed {
            return contradiction("FAILED, although the result is PASSED");
        }
        Ok(())
    }
}

/// Whether a level is above those that SLSA 1.2 has in the track: of a later version, or nobody's.
#[must_use]
pub fn is_beyond_track(level: &str) -> bool {
    match track_level(level) {
        Some(("BUILD", number)) => number > 3,
        Some(("SOURCE", number)) => number > 4,
        _ => false,
    }
}

/// `SLSA_BUILD_LEVEL_3` as its track and number.
fn track_level(level: &str) -> Option<(&str, u8)> {
    let (track, number) = level.strip_prefix("SLSA_")?.rsplit_once("_LEVEL_")?;
    let canonical = number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit());
    Some((track, number.parse().ok().filter(|_| canonical)?))
}

/// Whether a level is a custom one under a name that belongs to SLSA: custom values must not start with `SLSA_`
/// (`verification_summary`, SlsaResult). SLSA's own are levels, and properties of the tracks that it has.
fn is_invented(level: &str) -> bool {
    let Some(rest) = level.strip_prefix("SLSA_") else { return false };
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    match rest.rsplit_once("_LEVEL_") {
        Some((track, number)) => {
            !is_name(track) || !(track_level(level).is_some() || number == "UNEVALUATED")
        }
        None => !["BUILD_", "SOURCE_"].iter().any(|track| rest.strip_prefix(track).is_some_and(is_name)),
    }
}

pub(super) fn object(fields: Vec<(&'static str, Value)>) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

pub(super) fn text_map(map: &BTreeMap<String, String>) -> Value {
    Value::Object(map.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into())).collect())
}

impl fmt::Display for VerificationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> String {
        format!(
            r#"{{"verifier": {{"id": "https://v.example.com/v2", "version": {{"modelseal": "0.1.0"}}}},
            "timeVerified": "2026-04-12T23:20:50.52Z",
            "resourceUri": "file:///srv/models/a",
            "policy": {{"uri": "acme.example/p", "digest": {{"sha256": "{0}"}}}},
            "inputAttestations": [{{"uri": "a.sigstore.json", "digest": {{"sha256": "{0}"}}}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_2", "ACME_IMPORT_APPROVED"],
            "dependencyLevels": {{"SLSA_BUILD_LEVEL_1": 5}},
            "slsaVersion": "1.2", "https://vendor.example/x": 1}}"#,
            "ab".repeat(32)
        )
    }

    fn read(text: &str) -> Result<Vsa, PredicateError> {
        Vsa::read(&Value::parse(text.as_bytes(), 1 << 20).unwrap())
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again() {
        let vsa = read(&good()).unwrap();
        assert_eq!(Vsa::read(&vsa.to_value()), Ok(vsa.clone()));
        let bare = Vsa {
            time_verified: None,
            input_attestations: vec![],
            dependency_levels: Some(BTreeMap::new()),
            slsa_version: None,
            verifier_version: BTreeMap::new(),
            ..vsa
        };
        assert_eq!(Vsa::read(&bare.to_value()), Ok(bare));
    }

    #[test]
    fn levels_imply_lower_ones_of_their_track_only() {
        let vsa = read(&good()).unwrap();
        for has in ["SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_0", "ACME_IMPORT_APPROVED"]
        {
            assert!(vsa.has_level(has), "{has}");
        }
        for lacks in [
            "SLSA_BUILD_LEVEL_3",
            "SLSA_SOURCE_LEVEL_1",
            "ACME_IMPORT",
            "SLSA_BUILD_LEVEL_UNEVALUATED",
            "SLSA_BUILD_LEVEL_01",
            "",
        ] {
            assert!(!vsa.has_level(lacks), "{lacks}");
        }
        assert!(!Vsa { result: VerificationResult::Failed, ..vsa.clone() }.has_level("SLSA_BUILD_LEVEL_1"));
        let custom = Vsa { verified_levels: vec!["ACME_LEVEL_3".into()], ..vsa };
        assert!(!custom.has_level("ACME_LEVEL_2"));
    }

    #[test]
    fn malformed_ones_are_refused_with_the_place() {
        for (from, to, at) in [
            ("\"PASSED\"", "\"passed\"", "/verificationResult"),
            ("\"PASSED\"", "null", "/verificationResult"),
            ("\"id\"", "\"ID\"", "/verifier/id"),
            ("\"file:///srv/models/a\"", "\"\"", "/resourceUri"),
            ("\"uri\": \"acme.example/p\", ", "", "/policy/uri"),
            ("\"policy\"", "\"Policy\"", "/policy"),
            ("[\"SLSA_BUILD_LEVEL_2\", \"ACME_IMPORT_APPROVED\"]", "[]", "/verifiedLevels"),
            ("\"ACME_IMPORT_APPROVED\"", "\"SLSA_BUILD_LEVEL_3\"", "/verifiedLevels"),
            ("\"ACME_IMPORT_APPROVED\"", "\"FAILED\"", "/verifiedLevels"),
            ("\"ACME_IMPORT_APPROVED\"", "7", "/verifiedLevels/1"),
            ("\"ACME_IMPORT_APPROVED\"", "\"SLSA_ACME_APPROVED\"", "/verifiedLevels/1"),
            ("\"ACME_IMPORT_APPROVED\"", "\"SLSA_BUILD_LEVEL_03\"", "/verifiedLevels/1"),
            ("\"ACME_IMPORT_APPROVED\"", "\"SLSA_BUILD_LEVEL_\"", "/verifiedLevels/1"),
            ("\"ACME_IMPORT_APPROVED\"", "\"SLSA_\"", "/verifiedLevels/1"),
            ("{\"SLSA_BUILD_LEVEL_1\": 5}", "{\"SLSA_x/y\": 5}", "/dependencyLevels/SLSA_x~1y"),
            (
                "{\"SLSA_BUILD_LEVEL_1\": 5}",
                "{\"SLSA_BUILD_LEVEL_1\": -5}",
                "/dependencyLevels/SLSA_BUILD_LEVEL_1",
            ),
            ("{\"SLSA_BUILD_LEVEL_1\": 5}", "{\"a/b\": 1.5}", "/dependencyLevels/a~1b"),
            ("2026-04-12T23:20:50.52Z", "2026-04-12 23:20:50Z", "/timeVerified"),
        ] {
            assert!(good().contains(from), "{from}");
            assert_eq!(read(&good().replace(from, to)).unwrap_err().at(), at, "{to}");
        }
        let digest = format!(", \"digest\": {{\"sha256\": \"{}\"}}}}]", "ab".repeat(32));
        assert_eq!(read(&good().replace(&digest, "}]")).unwrap_err().at(), "/inputAttestations/0/digest");
    }

    #[test]
    fn what_slsa_defines_may_start_with_its_name() {
        for level in [
            "SLSA_SOURCE_LEVEL_4",
            "SLSA_BUILD_LEVEL_UNEVALUATED",
            "SLSA_BUILDENV_LEVEL_1",
            "SLSA_SOURCE_TWO_PARTY_REVIEWED",
            "SLSA_BUILD_REPRODUCED",
            "FAILED_ONCE",
            "slsa_mine",
        ] {
            assert!(read(&good().replace("ACME_IMPORT_APPROVED", level)).is_ok(), "{level}");
        }
    }

    #[test]
    fn a_waiver_is_said() {
        assert!(!read(&good()).unwrap().is_waived());
        assert!(read(&good().replace("ACME_IMPORT_APPROVED", WAIVED)).unwrap().is_waived());
    }
}
