//! The DER structures inside a private key block: PKCS#8 (RFC 5208, RFC 5958) and `ECPrivateKey` (RFC 5915).

use der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use der::{
    Decode, DecodeValue, Encode, EncodeValue, Header, Length, Reader, Sequence, Tag, TagMode, TagNumber,
    Tagged, Writer,
};
use pkcs8::PrivateKeyInfo;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::{KeyAlgorithm, PrivateKey, PrivateKeyError, oid};

const PKCS8: &str = "PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";

/// Reads a PKCS#8 `PrivateKeyInfo` (version 1) or `OneAsymmetricKey` (version 2, with its public key).
pub(super) fn read_pkcs8(der: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    let info = PrivateKeyInfo::from_der(der)
        .map_err(|_| malformed(PKCS8, "it is not a PKCS#8 PrivateKeyInfo structure"))?;
    match info.algorithm.oid {
        oid::ED25519 => {
            if info.algorithm.parameters.is_some() {
                return Err(malformed(PKCS8, "Ed25519 takes no algorithm parameters (RFC 8410 section 3)"));
            }
            let seed = OctetStringRef::from_der(info.private_key)
                .ok()
                .and_then(|octets| <&[u8; 32]>::try_from(octets.as_bytes()).ok())
                .ok_or_else(|| {
                    malformed(PKCS8, "an Ed25519 private key has 32 bytes (RFC 8410 section 7)")
                })?;
            PrivateKey::from_ed25519_seed(seed, info.public_key)
        }
        oid::EC_PUBLIC_KEY => {
            let outer = info.algorithm.parameters.map(|parameters| curve(parameters, PKCS8)).transpose()?;
            let key = EcPrivateKey::from_der(info.private_key).map_err(|_| {
                malformed(PKCS8, "the elliptic curve key inside is not an ECPrivateKey structure")
            })?;
            read_ec(&key, outer, info.public_key, PKCS8)
        }
        other => Err(PrivateKeyError::UnsupportedAlgorithm { found: oid::describe(&other) }),
    }
}

/// Whether `der` is a PKCS#8 structure of any algorithm, which is how a right password shows.
pub(super) fn is_pkcs8(der: &[u8]) -> bool {
    PrivateKeyInfo::from_der(der).is_ok()
}

/// Reads an RFC 5915 `ECPrivateKey`; `parameters` is what an `EC PARAMETERS` block before it holds.
pub(super) fn read_sec1(der: &[u8], parameters: Option<&[u8]>) -> Result<PrivateKey, PrivateKeyError> {
    const PARAMETERS: &str = "EC PARAMETERS";
    let outer = parameters
        .map(|der| AnyRef::from_der(der).map_err(|_| malformed(PARAMETERS, "it is not DER")))
        .transpose()?
        .map(|parameters| curve(parameters, PARAMETERS))
        .transpose()?;
    let key = EcPrivateKey::from_der(der)
        .map_err(|_| malformed(SEC1, "it is not an ECPrivateKey structure (RFC 5915)"))?;
    read_ec(&key, outer, None, SEC1)
}

/// PKCS#8 version 1 of an Ed25519 seed: OpenSSL 3.0 refuses version 2.
pub(super) fn write_ed25519(seed: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
    let inner = Zeroizing::new(OctetStringRef::new(seed).ok()?.to_der().ok()?);
    let algorithm = AlgorithmIdentifierRef { oid: oid::ED25519, parameters: None };
    PrivateKeyInfo::new(algorithm, &inner).to_der().ok().map(Zeroizing::new)
}

/// PKCS#8 version 1 of an elliptic curve key, the public key inside as OpenSSL writes it.
pub(super) fn write_ec(curve: ObjectIdentifier, scalar: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = EcPrivateKey { scalar, curve: None, public_key: Some(point) };
    let inner = Zeroizing::new(key.to_der().ok()?);
    let algorithm =
        AlgorithmIdentifierRef { oid: oid::EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&curve)) };
    PrivateKeyInfo::new(algorithm, &inner).to_der().ok().map(Zeroizing::new)
}

/// The smallest `ECPrivateKey`: aws-lc computes the public key of one that states none.
pub(super) fn write_sec1(curve: ObjectIdentifier, scalar: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let curve = AnyRef::from(&curve);
    EcPrivateKey { scalar, curve: Some(curve), public_key: None }.to_der().ok().map(Zeroizing::new)
}

/// `SubjectPublicKeyInfo` of a raw public key: a named curve and a point, or Ed25519.
pub(super) fn write_spki(algorithm: KeyAlgorithm, public_key: &[u8]) -> Option<Vec<u8>> {
    let curve = curve_oid(algorithm);
    let algorithm = match &curve {
        Some(curve) => {
            AlgorithmIdentifierRef { oid: oid::EC_PUBLIC_KEY, parameters: Some(AnyRef::from(curve)) }
        }
        None => AlgorithmIdentifierRef { oid: oid::ED25519, parameters: None },
    };
    let subject_public_key = BitStringRef::from_bytes(public_key).ok()?;
    spki::SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
}

/// The algorithm that an identifier names (RFC 5480 §2.1, RFC 8410 §3), or what to call it when it is none of ours.
pub(super) fn algorithm_of(identifier: &AlgorithmIdentifierRef<'_>) -> Result<KeyAlgorithm, String> {
    match (identifier.oid, identifier.parameters) {
        (oid::ED25519, None) => Ok(KeyAlgorithm::Ed25519),
        (oid::EC_PUBLIC_KEY, Some(parameters)) => {
            let curve = parameters.decode_as::<ObjectIdentifier>();
            let curve = curve.map_err(|_| "an elliptic curve without a name".to_owned())?;
            algorithm_on(curve).ok_or_else(|| oid::describe(&curve))
        }
        (other, _) => Err(oid::describe(&other)),
    }
}

/// The ECDSA algorithm on a named curve.
fn algorithm_on(curve: ObjectIdentifier) -> Option<KeyAlgorithm> {
    match curve {
        oid::P256 => Some(KeyAlgorithm::P256),
        oid::P384 => Some(KeyAlgorithm::P384),
        oid::P521 => Some(KeyAlgorithm::P521),
        _ => None,
    }
}

/// The named curve of an ECDSA algorithm; none for Ed25519.
pub(super) fn curve_oid(algorithm: KeyAlgorithm) -> Option<ObjectIdentifier> {
    match algorithm {
        KeyAlgorithm::Ed25519 => None,
        KeyAlgorithm::P256 => Some(oid::P256),
        KeyAlgorithm::P384 => Some(oid::P384),
        KeyAlgorithm::P521 => Some(oid::P521),
    }
}

fn read_ec(
    key: &EcPrivateKey<'_>,
    outer: Option<ObjectIdentifier>,
    outer_public_key: Option<&[u8]>,
    label: &'static str,
) -> Result<PrivateKey, PrivateKeyError> {
    let inner = key.curve.map(|parameters| curve(parameters, label)).transpose()?;
    let named = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(PrivateKeyError::CurveMismatch {
                outer: outer.to_string(),
                inner: inner.to_string(),
            });
        }
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => return Err(PrivateKeyError::MissingCurve),
    };
    let Some(algorithm) = algorithm_on(named) else {
        return Err(PrivateKeyError::UnsupportedCurve { found: oid::describe(&named) });
    };
    let stated = key.public_key.into_iter().chain(outer_public_key);
    PrivateKey::from_ec_scalar(algorithm, named, key.scalar, stated, label)
}

/// The curve that `ECParameters` name (RFC 5480 §2.1.1).
fn curve(parameters: AnyRef<'_>, label: &'static str) -> Result<ObjectIdentifier, PrivateKeyError> {
    match parameters.tag() {
        Tag::ObjectIdentifier => parameters
            .decode_as()
            .map_err(|_| malformed(label, "the identifier of the curve does not decode")),
        Tag::Sequence => Err(PrivateKeyError::ExplicitCurve),
        _ => Err(malformed(label, "the elliptic curve parameters are not the name of a curve")),
    }
}

fn malformed(label: &'static str, what: &'static str) -> PrivateKeyError {
    PrivateKeyError::Malformed { label, what }
}

/// `ECPrivateKey`, RFC 5915 §3.
struct EcPrivateKey<'a> {
    scalar: &'a [u8],
    curve: Option<AnyRef<'a>>,
    public_key: Option<&'a [u8]>,
}

impl<'a> DecodeValue<'a> for EcPrivateKey<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader.read_nested(header.length, |reader| {
            if u8::decode(reader)? != 1 {
                return Err(Tag::Integer.value_error());
            }
            let scalar = OctetStringRef::decode(reader)?.as_bytes();
            let curve = ContextSpecific::decode_explicit(reader, TagNumber::N0)?.map(|field| field.value);
            let public_key = ContextSpecific::<BitStringRef<'a>>::decode_explicit(reader, TagNumber::N1)?
                .map(|field| field.value.as_bytes().ok_or_else(|| Tag::BitString.value_error()))
                .transpose()?;
            Ok(Self { scalar, curve, public_key })
        })
    }
}

impl EncodeValue for EcPrivateKey<'_> {
    fn value_len(&self) -> der::Result<Length> {
        let (scalar, curve, public_key) = self.fields()?;
        1_u8.encoded_len()? + scalar.encoded_len()? + curve.encoded_len()? + public_key.encoded_len()?
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        let (scalar, curve, public_key) = self.fields()?;
        1_u8.encode(writer)?;
        scalar.encode(writer)?;
        curve.encode(writer)?;
        public_key.encode(writer)
    }
}

impl<'a> Sequence<'a> for EcPrivateKey<'a> {}

type Explicit<T> = Option<ContextSpecific<T>>;

impl<'a> EcPrivateKey<'a> {
    fn fields(&self) -> der::Result<(OctetStringRef<'a>, Explicit<AnyRef<'a>>, Explicit<BitStringRef<'a>>)> {
        let scalar = OctetStringRef::new(self.scalar)?;
        let public_key = self.public_key.map(BitStringRef::from_bytes).transpose()?;
        Ok((
            scalar,
            self.curve.map(|curve| explicit(TagNumber::N0, curve)),
            public_key.map(|key| explicit(TagNumber::N1, key)),
        ))
    }
}

fn explicit<T>(tag_number: TagNumber, value: T) -> ContextSpecific<T> {
    ContextSpecific { tag_number, tag_mode: TagMode::Explicit, value }
}
