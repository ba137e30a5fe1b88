//! Encrypted PKCS#8 (RFC 5958 §3) under PBES2 (RFC 8018 §6.2): PBKDF2 or scrypt, then AES-CBC.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{pbkdf2, rand};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode, Reader};
use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::pkcs5::scrypt;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::limits::{MAX_PBKDF2_ITERATIONS, MAX_SCRYPT_MEMORY, MAX_SCRYPT_WORK};
use super::{Password, PasswordError, PrivateKeyError, oid};

/// Iterations of PBKDF2-HMAC-SHA-256 for the keys that we write: the OWASP recommendation since 2023.
const PBKDF2_ITERATIONS: u32 = 600_000;

const BLOCK: usize = 16;

/// Opens an `EncryptedPrivateKeyInfo`. Everything that can be refused is refused before `password` is asked for.
pub(super) fn decrypt(
    der: &[u8],
    password: impl FnOnce() -> Result<Password, PasswordError>,
) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let encrypted = Encrypted::parse(der)?;
    let password = password().map_err(PrivateKeyError::Password)?;
    let derived = encrypted.kdf.derive(&password, encrypted.key_length)?;

    let mut buffer = Zeroizing::new(encrypted.data.to_vec());
    let key = UnboundCipherKey::new(encrypted.cipher, &derived)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .map_err(|_| PrivateKeyError::Crypto { doing: "decrypting the private key" })?;
    let length = key
        .decrypt(&mut buffer, DecryptionContext::Iv128(FixedLength::from(encrypted.iv)))
        .map_err(|_| PrivateKeyError::WrongPassword)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Writes `plain` as an `EncryptedPrivateKeyInfo`: PBKDF2-HMAC-SHA-256 and AES-256-CBC, which OpenSSL reads since 1.0.
pub(super) fn encrypt(plain: &[u8], password: &Password) -> Result<Vec<u8>, PrivateKeyError> {
    seal(plain, password).ok_or(PrivateKeyError::Crypto { doing: "encrypting the private key" })
}

fn seal(plain: &[u8], password: &Password) -> Option<Vec<u8>> {
    let (mut salt, mut iv) = ([0; 16], [0; BLOCK]);
    rand::fill(&mut salt).ok()?;
    rand::fill(&mut iv).ok()?;

    let mut key = Zeroizing::new([0; 32]);
    let iterations = NonZeroU32::new(PBKDF2_ITERATIONS)?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), key.as_mut_slice());

    // Room for the padding from the start: growing would leave a copy of the key behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + BLOCK));
    buffer.extend_from_slice(plain);
    let cipher =
        UnboundCipherKey::new(&AES_256, key.as_slice()).and_then(PaddedBlockEncryptingKey::cbc_pkcs7).ok()?;
    cipher.less_safe_encrypt(&mut *buffer, EncryptionContext::Iv128(FixedLength::from(iv))).ok()?;

    let parameters = Parameters::pbkdf2_sha256_aes256cbc(PBKDF2_ITERATIONS, &salt, &iv).ok()?;
    EncryptedPrivateKeyInfo { encryption_algorithm: parameters.into(), encrypted_data: &buffer }.to_der().ok()
}

/// An encrypted key whose every parameter is supported and affordable.
struct Encrypted<'a> {
    kdf: Kdf<'a>,
    cipher: &'static Algorithm,
    /// Bytes of key that `cipher` takes.
    key_length: usize,
    iv: [u8; BLOCK],
    data: &'a [u8],
}

impl<'a> Encrypted<'a> {
    fn parse(der: &'a [u8]) -> Result<Self, PrivateKeyError> {
        let (scheme, data) = AnyRef::from_der(der)
            .and_then(|outer| {
                outer.sequence(|r| Ok((AlgorithmIdentifierRef::decode(r)?, OctetStringRef::decode(r)?)))
            })
            .map_err(|_| malformed("it is not an EncryptedPrivateKeyInfo structure"))?;
        if scheme.oid != oid::PBES2 {
            return Err(unsupported("scheme", &scheme.oid));
        }
        let (kdf, cipher) = parameters(&scheme)
            .and_then(|outer| outer.sequence(|r| Ok((r.decode()?, r.decode()?))))
            .map_err(|_| malformed("the PBES2 parameters do not decode"))?;

        let (cipher, key_length, iv) = read_cipher(&cipher)?;
        let kdf = Kdf::parse(&kdf, key_length)?;
        let data = data.as_bytes();
        if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
            return Err(malformed("the encrypted data is not a whole number of cipher blocks"));
        }
        Ok(Self { kdf, cipher, key_length, iv, data })
    }
}

fn read_cipher(
    cipher: &AlgorithmIdentifierRef<'_>,
) -> Result<(&'static Algorithm, usize, [u8; BLOCK]), PrivateKeyError> {
    let (algorithm, key_length) = match cipher.oid {
        oid::AES_128_CBC => (&AES_128, 16),
        oid::AES_192_CBC => (&AES_192, 24),
        oid::AES_256_CBC => (&AES_256, 32),
        other => return Err(unsupported("cipher", &other)),
    };
    let iv = parameters(cipher)
        .and_then(|iv| iv.decode_as::<OctetStringRef<'_>>())
        .ok()
        .and_then(|iv| <[u8; BLOCK]>::try_from(iv.as_bytes()).ok())
        .ok_or_else(|| malformed("the initialisation vector is not 16 bytes"))?;
    Ok((algorithm, key_length, iv))
}

enum Kdf<'a> {
    Pbkdf2 { hash: pbkdf2::Algorithm, iterations: NonZeroU32, salt: &'a [u8] },
    Scrypt { parameters: scrypt::Params, salt: &'a [u8] },
}

impl<'a> Kdf<'a> {
    fn parse(kdf: &AlgorithmIdentifierRef<'a>, key_length: usize) -> Result<Self, PrivateKeyError> {
        match kdf.oid {
            oid::PBKDF2 => Self::parse_pbkdf2(kdf, key_length),
            oid::SCRYPT => Self::parse_scrypt(kdf, key_length),
            other => Err(unsupported("key derivation", &other)),
        }
    }

    /// `PBKDF2-params`, RFC 8018 appendix A.2.
    fn parse_pbkdf2(kdf: &AlgorithmIdentifierRef<'a>, key_length: usize) -> Result<Self, PrivateKeyError> {
        type Fields<'a> = (OctetStringRef<'a>, u64, Option<u64>, Option<AlgorithmIdentifierRef<'a>>);
        let (salt, iterations, length, prf): Fields<'a> = parameters(kdf)
            .and_then(|outer| {
                outer.sequence(|r| Ok((r.decode()?, number(r)?, optional_number(r)?, r.decode()?)))
            })
            .map_err(|_| malformed("the PBKDF2 parameters do not decode"))?;

        let hash = match prf.map_or(oid::HMAC_SHA1, |prf| prf.oid) {
            oid::HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
            oid::HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
            oid::HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
            oid::HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
            other => return Err(unsupported("key derivation hash", &other)),
        };
        at_most("PBKDF2 iterations", iterations, MAX_PBKDF2_ITERATIONS)?;
        let iterations = u32::try_from(iterations)
            .ok()
            .and_then(NonZeroU32::new)
            .ok_or_else(|| malformed("the PBKDF2 iterations are zero"))?;
        check_length(length, key_length)?;
        Ok(Self::Pbkdf2 { hash, iterations, salt: salt.as_bytes() })
    }

    /// `scrypt-params`, RFC 7914 §7.1.
    fn parse_scrypt(kdf: &AlgorithmIdentifierRef<'a>, key_length: usize) -> Result<Self, PrivateKeyError> {
        type Fields<'a> = (OctetStringRef<'a>, u64, u64, u64, Option<u64>);
        let (salt, n, r, p, length): Fields<'a> = parameters(kdf)
            .and_then(|outer| {
                outer.sequence(|reader| {
                    Ok((
                        reader.decode()?,
                        number(reader)?,
                        number(reader)?,
                        number(reader)?,
                        optional_number(reader)?,
                    ))
                })
            })
            .map_err(|_| malformed("the scrypt parameters do not decode"))?;

        let row = r.saturating_mul(128);
        at_most("scrypt memory in bytes", row.saturating_mul(n.saturating_add(p)), MAX_SCRYPT_MEMORY)?;
        at_most("scrypt work in bytes", row.saturating_mul(n).saturating_mul(p), MAX_SCRYPT_WORK)?;
        let invalid = || malformed("the scrypt parameters are outside of RFC 7914");
        if n < 2 || !n.is_power_of_two() {
            return Err(invalid());
        }
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| invalid())?;
        let r = u32::try_from(r).map_err(|_| invalid())?;
        let p = u32::try_from(p).map_err(|_| invalid())?;
        let parameters =
            scrypt::Params::new(log_n, r, p, scrypt::Params::RECOMMENDED_LEN).map_err(|_| invalid())?;
        check_length(length, key_length)?;
        Ok(Self::Scrypt { parameters, salt: salt.as_bytes() })
    }

    /// A key of `length` bytes.
    fn derive(&self, password: &Password, length: usize) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let mut key = Zeroizing::new(vec![0; length]);
        match self {
            Self::Pbkdf2 { hash, iterations, salt } => {
                pbkdf2::derive(*hash, *iterations, salt, password.as_bytes(), &mut key);
            }
            Self::Scrypt { parameters, salt } => {
                scrypt::scrypt(password.as_bytes(), salt, parameters, &mut key)
                    .map_err(|_| PrivateKeyError::Crypto { doing: "deriving a key with scrypt" })?;
            }
        }
        Ok(key)
    }
}

fn parameters<'a>(algorithm: &AlgorithmIdentifierRef<'a>) -> der::Result<AnyRef<'a>> {
    algorithm.parameters.ok_or_else(|| der::Tag::Sequence.value_error())
}

/// A non-negative INTEGER; one that does not fit becomes the greatest, which every bound refuses.
fn number<'a>(reader: &mut impl Reader<'a>) -> der::Result<u64> {
    UintRef::decode(reader).map(saturate)
}

fn optional_number<'a>(reader: &mut impl Reader<'a>) -> der::Result<Option<u64>> {
    Ok(Option::<UintRef<'a>>::decode(reader)?.map(saturate))
}

fn saturate(number: UintRef<'_>) -> u64 {
    let bytes = number.as_bytes();
    if bytes.len() > 8 {
        return u64::MAX;
    }
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn at_most(parameter: &'static str, value: u64, limit: u64) -> Result<(), PrivateKeyError> {
    if value > limit { Err(PrivateKeyError::KdfTooExpensive { parameter, value, limit }) } else { Ok(()) }
}

fn check_length(stated: Option<u64>, key_length: usize) -> Result<(), PrivateKeyError> {
    match stated {
        Some(stated) if u64::try_from(key_length) != Ok(stated) => {
            Err(malformed("the derived key and the cipher differ in length"))
        }
        _ => Ok(()),
    }
}

fn malformed(what: &'static str) -> PrivateKeyError {
    PrivateKeyError::Malformed { label: "ENCRYPTED PRIVATE KEY", what }
}

fn unsupported(part: &'static str, found: &ObjectIdentifier) -> PrivateKeyError {
    PrivateKeyError::UnsupportedEncryption { part, found: oid::describe(found) }
}
