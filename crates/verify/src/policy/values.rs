//! Values with a form of their own: times, periods, digests, versions, claim names.

use super::{
    decode::{At, Decoder, FromKey, FromNode, closest},
    lint_table as lint,
    tree::{Kind, Node},
};
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, fmt, ops::Deref};

/// The one identifier that `schema` may have.
pub const SCHEMA_ID: &str = "modelseal.policy/v1";

/// The value of `schema`, which is [`SCHEMA_ID`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaId;

/// An instant. Policies write it in RFC 3339 with an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

/// A length of time: `30s`, `15m`, `12h`, `90d` or `4w`. A day has 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    seconds: u32,
}

/// A SHA-256 digest as 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hex(String);

/// `manifest-sha256:` and 64 lowercase hexadecimal digits: the digest of a model's listing of digests and names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestDigest(String);

/// `sha256:` and 64 lowercase hexadecimal digits: the digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileDigest(String);

/// `spki-sha256:` and 64 lowercase hexadecimal digits: the digest of a key's DER SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiDigest(String);

/// A SLSA build level from 1 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

/// An object identifier in dotted form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oid(String);

/// A version by Semantic Versioning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub semver::Version);

/// A format of bills of materials with its least version: `cyclonedx>=1.6`, `spdx>=3.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BomFormat {
    /// The format.
    pub kind: BomKind,
    /// The least version, major and minor.
    pub minimum: (u32, u32),
}

/// Formats of bills of materials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BomKind {
    /// CycloneDX.
    CycloneDx,
    /// SPDX.
    Spdx,
}

impl Period {
    /// A period of so many days.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self { seconds: days as u32 * 86_400 }
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Its length, to add to a time.
    #[must_use]
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.seconds))
    }
}

impl Level {
    /// Level 1: provenance exists.
    pub const ONE: Self = Self(1);

    /// The level of that number, where there is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 3 { Some(Self(number)) } else { None }
    }

    /// The level as a number, 1 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Oid {
    /// The identifier's dotted form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Sha256Hex {
    /// The digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for Time {
    type Target = Timestamp;

    fn deref(&self) -> &Timestamp {
        &self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// In the greatest unit that is whole: `90d`, `36h`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        match units.into_iter().find(|(unit, _)| self.seconds >= *unit && self.seconds.is_multiple_of(*unit))
        {
            Some((unit, letter)) => write!(f, "{}{letter}", self.seconds / unit),
            None => write!(f, "{}s", self.seconds),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BomFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            BomKind::CycloneDx => "cyclonedx",
            BomKind::Spdx => "spdx",
        };
        write!(f, "{kind}>={}.{}", self.minimum.0, self.minimum.1)
    }
}

/// Declares the methods of a digest with a prefix.
macro_rules! prefixed_digest {
    ($($name:ident $prefix:literal)+) => {$(
        impl $name {
            /// What stands before the digits.
            pub const PREFIX: &'static str = $prefix;

            /// The digits without the prefix.
            #[must_use]
            pub fn hex(&self) -> &str {
                self.0.strip_prefix(Self::PREFIX).unwrap_or(&self.0)
            }

            /// The digest with its prefix.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromNode for $name {
            fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
                // Kept whatever it is: a wrong digest is complained about, and repeated ones still are repeated.
                digest(node, at, decoder, Self::PREFIX).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "[0-9a-f]{64}$") })
            }
        }
    )+};
}

prefixed_digest! { ManifestDigest "manifest-sha256:" FileDigest "sha256:" SpkiDigest "spki-sha256:" }

fn digest(node: &Node, at: &At<'_>, decoder: &mut Decoder, prefix: &str) -> Option<String> {
    let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
    let digits = text.strip_prefix(prefix);
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let help = match digits {
        Some(digits) if digits.len() == 64 && digits.bytes().all(lower) => return Some(text.clone()),
        None if text.len() == 64 => Some(format!("write {prefix:?} before the digits")),
        None if text.starts_with("sha256:") => Some(match prefix {
            "" => "leave \"sha256:\" out here".to_owned(),
            _ => format!(
                "this needs a {prefix:?} digest; a digest of another kind cannot be converted into one"
            ),
        }),
        Some(digits) if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some("write the digits in lower case".to_owned())
        }
        _ => None,
    };
    let what = if prefix.is_empty() { String::new() } else { format!("{prefix:?} and ") };
    decoder.bad_value(node, at, format!("`{at}` is not {what}64 hexadecimal digits"), help);
    Some(text.clone())
}

impl FromNode for Sha256Hex {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        digest(node, at, decoder, "").map(Self)
    }

    fn stand_in() -> Option<Self> {
        Some(Self(String::new()))
    }
}

impl FromNode for SchemaId {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        if text != SCHEMA_ID {
            let message = format!("the schema is {text:?}, and only {SCHEMA_ID:?} is known here");
            let newer = text.strip_prefix("modelseal.policy/v").is_some_and(|v| v.parse::<u32>().is_ok());
            let help = if newer {
                "a later version of modelseal may know it; what it says is not guessed at".to_owned()
            } else {
                format!("write schema = {SCHEMA_ID:?}")
            };
            decoder.complain(&lint::SCHEMA, node.span, at, message, Some(help));
        }
        Some(Self)
    }

    fn stand_in() -> Option<Self> {
        Some(Self)
    }
}

impl FromNode for Time {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let (Kind::Time(text) | Kind::String(text)) = &node.kind else {
            return decoder.wrong_type(node, at, "a time such as 2030-01-31T00:00:00Z");
        };
        if let Some(time) = instant(text) {
            return Some(Self(time));
        }
        let dated = text.len() >= 10 && !text.ends_with(['Z', 'z']);
        let help = if dated && instant(&format!("{text}Z")).is_some() {
            format!("which time is meant depends on the zone: write {text}Z, or an offset such as +02:00")
        } else if dated && instant(&format!("{text}T00:00:00Z")).is_some() {
            format!("write the time too: {text}T00:00:00Z")
        } else {
            "write it as 2030-01-31T00:00:00Z, or with an offset such as +02:00".to_owned()
        };
        decoder.bad_value(node, at, format!("`{at}` is not a time in RFC 3339 with an offset"), Some(help));
        Some(Self(Timestamp::UNIX_EPOCH))
    }

    fn stand_in() -> Option<Self> {
        Some(Self(Timestamp::UNIX_EPOCH))
    }
}

/// Reads RFC 3339 with an offset, and nothing else that `jiff` might understand.
fn instant(text: &str) -> Option<Timestamp> {
    let b = text.as_bytes();
    let is = |range: std::ops::Range<usize>, shape: &str| {
        b.get(range).is_some_and(|part| {
            part.iter().zip(shape.bytes()).all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { *c == s })
        })
    };
    if !is(0..10, "0000-00-00") || !matches!(b.get(10), Some(b'T' | b't' | b' ')) || !is(11..19, "00:00:00") {
        return None;
    }
    let rest = text.get(19..)?;
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let numeric = offset.len() == 6
        && offset.starts_with(['+', '-'])
        && offset
            .bytes()
            .skip(1)
            .zip(*b"00:00")
            .all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { c == s });
    if !numeric && !matches!(offset, "Z" | "z") {
        return None;
    }
    text.to_ascii_uppercase().parse().ok()
}

impl FromNode for Period {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else {
            return decoder.wrong_type(node, at, "a length of time such as \"90d\"");
        };
        let read = || {
            let unit = match text.as_bytes().last()? {
                b's' => 1,
                b'm' => 60,
                b'h' => 3_600,
                b'd' => 86_400,
                b'w' => 604_800,
                _ => return None,
            };
            let digits = text.get(..text.len() - 1)?;
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let seconds = digits.parse::<u32>().ok()?.checked_mul(unit)?;
            (1..=MAX_PERIOD).contains(&seconds).then_some(Self { seconds })
        };
        let period = read();
        if period.is_none() {
            let message = format!("`{at}` is {text:?}, which is no length of time");
            let help = "write a whole number above 0 and s, m, h, d or w, such as \"90d\"; at most 100 years";
            decoder.bad_value(node, at, message, Some(help.to_owned()));
        }
        period
    }
}

/// A hundred years: more is a mistake, and adding it to a time must not overflow.
const MAX_PERIOD: u32 = 36_525 * 86_400;

impl FromNode for Level {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::Number(text) = &node.kind else {
            return decoder.wrong_type(node, at, "a SLSA build level from 1 to 3");
        };
        let level = text.parse().ok().filter(|level| (1..=3).contains(level)).map(Self);
        if level.is_none() {
            decoder.bad_value(node, at, format!("`{at}` is {text}; SLSA build levels go from 1 to 3"), None);
        }
        level
    }

    fn stand_in() -> Option<Self> {
        Some(Self(1))
    }
}

impl FromNode for Oid {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        if der::oid::ObjectIdentifier::new(text).is_err() {
            let help = "code signing is \"1.3.6.1.5.5.7.3.3\"".to_owned();
            decoder.bad_value(node, at, format!("`{at}` is not an object identifier"), Some(help));
        }
        Some(Self(text.clone()))
    }
}

impl FromNode for Version {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        let version = semver::Version::parse(text).ok().map(Self);
        if version.is_none() {
            let help = "write major, minor and patch level, such as \"2.4.0\"".to_owned();
            decoder.bad_value(node, at, format!("`{at}` is no version by Semantic Versioning"), Some(help));
        }
        version
    }
}

impl FromNode for BomFormat {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Kind::String(text) = &node.kind else { return decoder.wrong_type(node, at, "a string") };
        let read = || {
            let (kind, version) = text.split_once(">=")?;
            let kind = match kind {
                "cyclonedx" => BomKind::CycloneDx,
                "spdx" => BomKind::Spdx,
                _ => return None,
            };
            let (major, minor) = version.split_once('.')?;
            let number = |digits: &str| {
                digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
            };
            Some(Self { kind, minimum: (number(major)?, number(minor)?) })
        };
        let format = read();
        if format.is_none() {
            let help = "write \"cyclonedx>=1.6\" or \"spdx>=3.0\"".to_owned();
            decoder.bad_value(node, at, format!("`{at}` is no format with a least version"), Some(help));
        }
        format
    }
}

/// Declares the claims of Fulcio certificates.
macro_rules! claims {
    ($($(#[$meta:meta])* $variant:ident = $name:literal $arc:literal,)+) => {
        /// A claim of a Fulcio certificate, by its name; each is an extension under `1.3.6.1.4.1.57264.1`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Claim { $($(#[$meta])* $variant,)+ }

        impl Claim {
            /// Every claim, in the order of the extensions.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in policies.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The last number of the extension's object identifier.
            #[must_use]
            pub const fn arc(self) -> u32 {
                match self { $(Self::$variant => $arc,)+ }
            }
        }
    };
}

claims! {
    /// The build instructions' identity.
    BuildSignerUri = "build-signer-uri" 9,
    /// The build instructions' commit.
    BuildSignerDigest = "build-signer-digest" 10,
    /// Whether the build ran on the platform's machines.
    RunnerEnvironment = "runner-environment" 11,
    /// The source repository's address.
    SourceRepositoryUri = "source-repository-uri" 12,
    /// The source's commit.
    SourceRepositoryDigest = "source-repository-digest" 13,
    /// The source's branch or tag.
    SourceRepositoryRef = "source-repository-ref" 14,
    /// The source repository's number, which never changes.
    SourceRepositoryId = "source-repository-id" 15,
    /// The owner's address.
    SourceRepositoryOwnerUri = "source-repository-owner-uri" 16,
    /// The owner's number, which never changes.
    SourceRepositoryOwnerId = "source-repository-owner-id" 17,
    /// The top-level build configuration.
    BuildConfigUri = "build-config-uri" 18,
    /// The top-level build configuration's commit.
    BuildConfigDigest = "build-config-digest" 19,
    /// What started the build.
    BuildTrigger = "build-trigger" 20,
    /// The run's address.
    RunInvocationUri = "run-invocation-uri" 21,
    /// Whether the repository was public when the certificate was made.
    Visibility = "visibility" 22,
    /// The deployment environment.
    DeploymentEnvironment = "deployment-environment" 23,
    /// The token's subject.
    TokenSubject = "token-subject" 24,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromKey for Claim {
    fn from_key(key: &str) -> Result<Self, (String, Option<String>)> {
        Self::ALL.iter().copied().find(|claim| claim.name() == key).ok_or_else(|| {
            let near = closest(key, Self::ALL.iter().map(|claim| claim.name()));
            (format!("there is no claim {key:?}"), near.map(|near| format!("did you mean `{near}`?")))
        })
    }
}

/// Declares schemas of values that are strings of a form.
macro_rules! string_schema {
    ($($name:ident $($key:literal: $value:expr),+;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $($key: $value),+ })
            }
        }
    )+};
}

string_schema! {
    SchemaId "const": SCHEMA_ID;
    Time "format": "date-time";
    Period "pattern": "^[0-9]+[smhdw]$";
    Sha256Hex "pattern": "^[0-9a-f]{64}$";
    Oid "pattern": r"^[0-2](\.(0|[1-9][0-9]*))+$";
    Version "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+([-+].+)?$";
    BomFormat "pattern": r"^(cyclonedx|spdx)>=[0-9]+\.[0-9]+$";
    Claim "enum": Claim::ALL.iter().map(|claim| claim.name()).collect::<Vec<_>>();
}

impl JsonSchema for Level {
    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": 3 })
    }
}
