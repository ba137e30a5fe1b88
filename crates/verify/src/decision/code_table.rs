//! The reason codes themselves, one row each: name, meaning, remedy, example.

use super::code::CodeEntry;

macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal $remedy:literal $example:literal;)*) => {
        /// A stable reason code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: ", $meaning, ".")] $variant,)*
        }

        pub(super) const TABLE: &[CodeEntry] = &[
            $(CodeEntry { code: Code::$variant, name: $name, meaning: $meaning, remedy: $remedy, example: $example },)*
        ];
    };
}

codes! {
    PolicyNoMatchingRule "policy.no-matching-rule" "no rule of the policy speaks of this reference" "add a rule for the model, or name it with --as as the policy does" "no rule of 'acme.example/platform' matches hf://huggingface.co/acme/ranker";
    PolicyAmbiguousRule "policy.ambiguous-rule" "two rules match the reference and neither is more specific" "make one rule's glob longer, or merge the two rules" "rules 'a' and 'b' match equally well";
    PolicyRejected "policy.rejected" "the rule for this reference rejects every model" "use another location, or ask the owner of the policy" "rule 'scratch' rejects every model under file:///srv/models/scratch/**";
    PolicyExpired "policy.expired" "the policy's expires is in the past" "get the current policy from its owner" "the policy expired at 2026-12-31T00:00:00Z";
    PolicyInvalid "policy.invalid" "the policy document is wrong" "run: modelseal policy lint FILE" "policy.toml:14:1: unknown field 'treshold', did you mean 'threshold'?";
    PolicySchemaUnknown "policy.schema-unknown" "the policy is of a schema that this version does not know" "update modelseal, or write the policy for modelseal.policy/v1" "schema is 'modelseal.policy/v2', known is 'modelseal.policy/v1'";
    PolicySignatureMissing "policy.signature-missing" "the policy is not signed and lies where others could write it" "have the policy signed, or give --policy-unsigned for a policy you trust" "policy.toml has no signature and its directory is writable by others";
    PolicySignatureInvalid "policy.signature-invalid" "the policy's signature is not one of the signers that this host accepts" "get the policy again from its owner" "policy.toml was changed after signing";
    PolicyVersionRollback "policy.version-rollback" "an older policy than the last one accepted, or other bytes under the same version" "get the current policy; a changed policy needs a higher version" "version 41 was offered, version 42 was accepted before";
    ReferenceMalformed "reference.malformed" "the model's reference cannot be read" "write it as in oci://registry.example/name or file:///path" "'hf:acme/ranker' is no reference";
    ReferenceNotCanonical "reference.not-canonical" "the reference is not written in its one canonical form" "write it as the message says" "'oci://GHCR.io/acme/m' is not canonical, write 'oci://ghcr.io/acme/m'";

    DenyDigest "deny.digest" "the model's manifest digest is on a deny list" "do not use the model; the list gives the reason" "denied by D-0007: backdoored checkpoint";
    DenyFileDigest "deny.file-digest" "a file of the model is on a deny list" "do not use the model; the list gives the reason" "'model.bin' is denied by D-0007: backdoored checkpoint";
    DenyKey "deny.key" "a needed signature was made with a key on a deny list" "have the model signed with another key" "the key of 'import-gate' is denied by D-0008: signing key leaked";
    DenyIdentity "deny.identity" "a needed signature was made by an identity on a deny list" "have the model signed by somebody else" "'dev@example.com' is denied by D-0011: account taken over";
    DenyFeedStale "deny.feed-stale" "the deny feed is older than its max-age" "fetch the current feed" "the feed was issued at 2026-11-01T00:00:00Z, 15 days ago; max-age is 14d";
    DenyFeedInvalid "deny.feed-invalid" "the deny feed is missing, malformed, or not signed by enough of its signers" "fetch the feed again" "1 of 2 required people signed the feed";
    DenyFeedRollback "deny.feed-rollback" "an older deny feed than the last one accepted" "fetch the current feed" "version 7 was offered, version 9 was accepted before";

    SignatureMissing "signature.missing" "there is no signature to look at" "name the signature with --signature or --bundle" "no signature was found beside the model";
    SignatureMalformed "signature.malformed" "a signature file or its statement is malformed" "get the signature again from the publisher" "model.sig: not JSON at line 1 column 1";
    SignaturePayloadType "signature.payload-type" "the envelope signs something other than an in-toto statement" "use the model's signature, not that of something else" "payloadType is 'text/plain'";
    SignatureStatementType "signature.statement-type" "the payload is not an in-toto Statement v1" "use the model's signature, not that of something else" "_type is 'https://in-toto.io/Statement/v0.1'";
    SignaturePredicateType "signature.predicate-type" "the statement is about something other than what a model consists of" "use the model's signature, not that of something else" "predicateType is 'https://slsa.dev/provenance/v1'";
    SignatureMethodMismatch "signature.method-mismatch" "signed with one method and verified with another" "use the subcommand of verify that the message names" "the bundle was signed with method 'key'";
    SignatureCryptoInvalid "signature.crypto-invalid" "the signature is not that key's signature of that statement" "do not use the model; get both again" "the bundle was changed after signing, or another key signed it";
    SignatureNoTrustedSigner "signature.no-trusted-signer" "no signature is by anybody whom the user or the rule trusts" "have the model signed by one of the signers that the message lists" "none of 2 signatures is by acme-release";
    SignatureThresholdNotMet "signature.threshold-not-met" "fewer distinct people signed this model than the rule requires" "ask one of the people that the message lists to sign the same model" "1 of 2 required people signed: alice";

    IdentityIssuerMismatch "identity.issuer-mismatch" "the identity was vouched for by another issuer" "have the model signed through the issuer that the policy names" "issuer is 'https://accounts.example.com', expected 'https://oidc.acme.example'";
    IdentitySubjectMismatch "identity.subject-mismatch" "another signer than the one expected" "find out who signed before changing what is expected" "signed by 'mallory@example.com', expected 'alice@acme.example'";
    IdentityClaimMissing "identity.claim-missing" "the certificate lacks a claim that the policy tests" "sign in a workflow whose issuer states the claim" "the certificate does not state source-repository-owner-id";
    IdentityClaimMismatch "identity.claim-mismatch" "a claim of the certificate has another value than the policy wants" "sign in the workflow that the policy names" "source-repository-ref is 'refs/heads/dev', expected 'refs/heads/main'";
    IdentitySctInvalid "identity.sct-invalid" "the signing certificate is in no certificate transparency log that the trusted root knows" "use the trusted root of the signer's Sigstore instance, or do not use the model" "the certificate has no signed certificate timestamp that verifies";
    IdentityChainUntrusted "identity.chain-untrusted" "no certificate path leads to a trusted root" "ask the publisher for the root; the message names the certificate" "no root of 'vendor-ngc' vouches for 'CN=Mallory'";
    IdentityEku "identity.eku" "the signing certificate is not one for signing code" "have the model signed with a code-signing certificate" "the certificate's extended key usage is serverAuth only";
    IdentityCertificateExpired "identity.certificate-expired" "a certificate of the path was not valid at a time that counts" "have the model signed again, with a timestamp" "'CN=Release' was valid until 2026-01-01T00:00:00Z";
    IdentityKeyOutsideValidity "identity.key-outside-validity" "a key was used outside not-before and not-after of the policy" "have the model signed with the current key" "'acme-release' is valid until 2027-06-30T00:00:00Z";

    RevocationRevoked "revocation.revoked" "the signing certificate was revoked" "do not use the model; ask the publisher for a new signature" "serial 0a12 was revoked at 2026-10-02T09:00:00Z";
    RevocationStatusUnavailable "revocation.status-unavailable" "no revocation status of the certificate is at hand, and the policy requires one" "put the authority's current CRL into crl-dir" "no CRL of 'CN=Vendor CA' was found";
    RevocationStatusStale "revocation.status-stale" "the revocation status is older than the policy allows" "fetch the authority's current CRL" "the CRL of 'CN=Vendor CA' is 9 days old, max-age is 7d";

    LogMissing "log.missing" "the signature has no transparency log entry, and the rule requires one" "sign with a method that logs, such as sigstore" "no log entry for the signature by 'acme-ci'";
    LogProofInvalid "log.proof-invalid" "a log entry's proof does not verify" "get the bundle again; if it stays so, tell the log's operator" "the inclusion proof does not lead to the signed root";
    LogEntryMismatch "log.entry-mismatch" "a log entry is that of another signature" "do not use the bundle; it was put together from two" "the entry's signature is another than the envelope's";
    LogUnknownLog "log.unknown-log" "a log entry is of a log that the trust root does not know" "use the trust root that belongs to this log" "log c0d2... is not in the trust root 'corp'";
    LogThresholdNotMet "log.threshold-not-met" "fewer distinct log operators vouch for the signature than required" "sign with more logs" "1 of 2 required logs";
    LogUnsupportedEntry "log.unsupported-entry" "a log entry is of a kind that this version does not read" "have the model signed again with a current tool" "a log entry of kind 'intoto' 0.0.1 is not supported";

    TimeNoTrustedTime "time.no-trusted-time" "the rule needs an authenticated time of signing and there is none" "sign with a timestamp or a transparency log" "max-age is 400d, but nothing says when 'acme-ci' signed";
    TimeTimestampInvalid "time.timestamp-invalid" "a signed timestamp is malformed, over other bytes, or by an authority that the trusted root does not trust at its time" "get the signature again, or use the trusted root that belongs to it" "the timestamp is over other bytes than the signature";
    TimeSignatureTooOld "time.signature-too-old" "the signature is older than max-age" "have the model signed again" "signed 412 days ago, max-age is 400d";
    TimeSignedBeforeMinimum "time.signed-before-minimum" "the signature was made before signed-after" "have the model signed again" "signed at 2025-03-01T00:00:00Z, must be after 2025-04-01T00:00:00Z";
    TimeSignedAfterCompromise "time.signed-after-compromise" "nothing proves that the signature was made before the key or identity was compromised" "have the model signed with another key" "the key is compromised since 2026-10-02T09:00:00Z";
    TimeClockImplausible "time.clock-implausible" "an authenticated time lies after now" "set this machine's clock" "signed at 2027-01-01T00:00:00Z, but it is 2026-11-22T00:00:00Z here";

    BindNameNotAttested "bind.name-not-attested" "nothing signed says that these bytes have this name" "have the publisher issue the statement that the rule's bind asks for" "no release statement by acme names oci://ghcr.io/acme/models/ranker";
    BindNameMismatch "bind.name-mismatch" "what is signed gives these bytes another name" "this is another model; get the one you asked for" "released as oci://ghcr.io/acme/models/toy, wanted oci://ghcr.io/acme/models/ranker";
    BindDigestNotListed "bind.digest-not-listed" "the model's manifest digest is none of those the rule lists" "get the listed model, or have the digest added to the policy" "manifest-sha256:0c1d... is none of 1 listed digests";
    BindVersionBelowMinimum "bind.version-below-minimum" "the model's version is lower than min-version, or it states none" "use a newer release" "version is 2.3.9, minimum is 2.4.0";
    BindVersionBelowHighWater "bind.version-below-high-water" "the model's version is lower than one that this host has accepted before" "use a newer release" "version is 2.4.0, version 2.5.1 was accepted before";

    IntegrityDigestMismatch "integrity.digest-mismatch" "a signed file has other bytes" "get the model again" "'model.safetensors' is changed";
    IntegrityFileMissing "integrity.file-missing" "a signed file is not there" "get the model again" "'config.json' is missing";
    IntegrityFileUnexpected "integrity.file-unexpected" "a file is there that the statement does not cover" "remove it, or have it attested" "'extra.bin' is covered by no subject of the statement";
    IntegrityFileUnsigned "integrity.file-unsigned" "a file is there that nobody signed" "remove it, or have the publisher sign it" "'modeling_x.py' is not signed";
    IntegrityInputMismatch "integrity.input-mismatch" "an input of a run is not what its description says, or changed while the run lasted" "find out which is right before anything is attested" "'train.csv' has another SHA-256 than described";
    IntegrityNotSigned "integrity.not-signed" "a file was asked for that the signature does not list" "ask for a file that was signed, by its name in the model" "there is no signed file 'adapter.bin' in the model";
    IntegrityIgnoredSignedFile "integrity.ignored-signed-file" "an ignore path covers a signed file" "leave that path out" "'config.json' was signed and cannot be ignored";
    IntegritySymlink "integrity.symlink" "a symbolic link where links are not allowed, or one that leads nowhere" "replace it by its target" "'weights.bin' is a symbolic link";
    IntegrityPathEscape "integrity.path-escape" "a name is not canonical or leads out of the model" "do not use the model; the signer is wrong or hostile" "bad resource name '../x'";
    IntegrityNameCollision "integrity.name-collision" "two files have names that are one name on some systems" "rename one of them" "'Model.bin' and 'model.bin'";
    IntegrityNameNotAllowed "integrity.name-not-allowed" "a file's name is not UTF-8, or holds a backslash" "rename the file" "'a\\\\b' holds a backslash";
    IntegrityNotRegularFile "integrity.not-regular-file" "a named pipe, socket or device in the model" "remove it" "'pipe' is a named pipe";
    IntegrityChangedDuringVerify "integrity.changed-during-verify" "a file was written to while it was measured" "verify when nothing writes to the model" "'model.bin' changed while it was read";
    IntegrityAlgorithmNotAllowed "integrity.algorithm-not-allowed" "the model was signed under a hash that the policy does not allow" "have the model signed with an allowed hash" "signed under blake3, allowed are sha256, sha384";
    IntegrityEmptyModel "integrity.empty-model" "the model, or the signed list, has no files" "check the path and the ignore paths" "an empty model can be neither signed nor verified";
    IntegrityIgnoredPathNotAllowed "integrity.ignored-path-not-allowed" "the signer left out a path that the policy does not let it leave out" "have the publisher sign the whole model" "'scripts' was left out by the signer; allowed are .git, .github";

    ContentFormatNotAllowed "content.format-not-allowed" "a file is of no format that the policy allows" "remove the file, or convert it" "'model.bin' is pickle, allowed are safetensors, json";
    ContentFormatDenied "content.format-denied" "a file is of a format that the policy denies" "remove the file, or convert it to safetensors" "'model.bin' is pickle";
    ContentFormatMismatch "content.format-mismatch" "a file's bytes are of another format than its name says" "do not use the model until its publisher explains" "'model.safetensors' is pickle";
    ContentFormatUnknown "content.format-unknown" "a file's format could not be told, or not all of the file could be looked into" "remove the file, or have it made anew in a known format" "'blob.dat' is of no known format";
    ContentRemoteCode "content.remote-code" "loading the model would run code that comes with it" "use a model without custom code" "config.json has auto_map";
    ContentPickleTier "content.pickle-tier" "a pickle can do more when it is loaded than the policy allows" "convert the file to safetensors, or have it made without what the message names" "'model.pt' holds a pickle of tier P5, allowed is P2: names os.system";
    ContentVerdict "content.verdict" "inspection says worse of a file than the policy allows" "see what modelseal inspect says of the model, and have the file mended or removed" "'model.pt' is malicious, allowed is clean: PKL001, names os.system";
    ContentTooManyFiles "content.too-many-files" "the model has more files than max-files" "use a smaller model, or raise max-files" "10,001 files, max-files is 10000";
    ContentTooLarge "content.too-large" "the model has more bytes than max-bytes" "use a smaller model, or raise max-bytes" "20 GB, max-bytes is 10000000000";

    AttestationMissing "attestation.missing" "no attestation of this type by a listed signer speaks of this model" "have the attestation made and give it with --bundle" "no 'eval' attestation by eval-ci";
    AttestationSubjectMismatch "attestation.subject-mismatch" "the attestations of this type are about another model" "have the attestation made for this model" "the 'eval' attestation covers 0 of 12 files";
    AttestationFieldMissing "attestation.field-missing" "a field that the policy tests is not there" "have the attestation made again, with the field" "/decision is not there";
    AttestationFieldType "attestation.field-type" "a field that the policy tests is of another type" "have the attestation made again, with the right type" "/epochs is a string, a number was expected";
    AttestationFieldMismatch "attestation.field-mismatch" "a field has another value than the policy wants" "the model does not meet the requirement that the field states" "/result is 'FAILED', expected 'PASSED'";
    AttestationStale "attestation.stale" "the attestation is older than max-age, or nothing says how old it is" "have the attestation made again" "made 31 days ago, max-age is 30d";
    AttestationThresholdNotMet "attestation.threshold-not-met" "fewer distinct people made the attestation than required" "ask one of the people that the message lists" "1 of 2 required people attested 'eval'";
    AttestationDuplicateKey "attestation.duplicate-key" "the attestation has a member twice, so that two readers could read it differently" "do not use the attestation; have it made again" "duplicate member 'result'";

    SlsaMissing "slsa.missing" "no provenance speaks of this model" "have the build made with provenance, and give it with --bundle" "no SLSA provenance by train-l3";
    SlsaBuilderUntrusted "slsa.builder-untrusted" "the provenance is by no listed builder" "build with a listed builder" "builder.id is 'https://evil.example', expected 'https://train.acme.example/builders/gpu@v4'";
    SlsaLevelTooLow "slsa.level-too-low" "the builder is granted a lower level than the rule requires" "build with a builder of a higher level" "granted 2, required 3";
    SlsaBuildType "slsa.build-type" "the build is of a type that is not listed for the builder" "build in a listed way" "buildType is 'https://example.com/other'";
    SlsaSourceMismatch "slsa.source-mismatch" "built from another source" "build from the source that the policy names" "source is 'git+https://git.example/fork'";
    SlsaRefMismatch "slsa.ref-mismatch" "built from another branch or tag" "build from the ref that the policy names" "ref is 'refs/heads/dev'";
    SlsaSourceDigestMismatch "slsa.source-digest-mismatch" "built from another commit of the source" "build from the commit that is expected" "the commit is 94efdd6f628eda9c1ae893467c9652808443ef3e";
    SlsaSignerMismatch "slsa.signer-mismatch" "the provenance names another builder or source than the certificate that signed it" "do not use the provenance; whoever signed it was not that builder" "builder.id is 'https://github.com/a/b/.github/workflows/c.yml@refs/tags/v1', the certificate says 'https://github.com/x/y/.github/workflows/c.yml@refs/tags/v1'";
    SlsaParameterUnknown "slsa.parameter-unknown" "the build had a parameter that the policy does not test" "test the parameter in the policy, or build without it" "externalParameters has /debug";
    SlsaParameterMismatch "slsa.parameter-mismatch" "a build parameter has another value than the policy wants" "build with the parameters that the policy names" "/epochs is 9, expected at most 5";
    SlsaInputUnresolved "slsa.input-unresolved" "an input that the parameters name is pinned by no resolved dependency" "build again with the input's digest, or accept it with --allow-unresolved" "/buildDefinition/externalParameters/baseModel: 'pkg:huggingface/acme/base@1' is not resolved";
    SlsaNotCompared "slsa.not-compared" "a level above 1 is asked for, and a part of the provenance was compared with nothing" "say what is expected with the flag that the message names" "nobody said which source is expected; found 'https://github.com/acme/train'";
    SlsaDisagreement "slsa.disagreement" "several trusted provenances of the model contradict each other" "find out which of them is right; leave --no-disagreement out to let one good provenance be enough" "a.json says builder 'https://a.example', b.json says 'https://b.example'";
    SlsaBaseModelUnverified "slsa.base-model-unverified" "a model that this one was made from is not allowed by the policy, or was not verified" "give what is known about the base model with --store, or a copy of it with --base" "the base model 'hf://huggingface.co/acme/base' is not allowed: there is no signature";

    VsaMissing "vsa.missing" "no verification summary speaks of this model" "have the verifier issue one, and give it with --bundle" "no VSA by import-gate";
    VsaVerifierUntrusted "vsa.verifier-untrusted" "the verification summary is by a verifier that the pair of signer and id does not allow" "use the summary of a listed verifier" "verifier.id is 'https://other.example'";
    VsaResourceUriMismatch "vsa.resource-uri-mismatch" "the verification summary is about another name" "have the summary issued for this name" "resourceUri is 'file:///srv/models/b'";
    VsaNotPassed "vsa.not-passed" "the verification summary does not say PASSED" "the model did not pass at the verifier" "verificationResult is 'FAILED'";
    VsaLevelMissing "vsa.level-missing" "the verification summary lacks a level that the policy requires" "have the model verified to that level" "ACME_IMPORT_APPROVED is not among the verified levels";
    VsaPolicyMismatch "vsa.policy-mismatch" "the verification summary was made under another policy" "have the model verified under the policy that is named" "policy.uri is 'https://example.com/p'";
    VsaStale "vsa.stale" "the verification summary is older than max-age" "have the model verified again" "made 200 days ago, max-age is 180d";

    AibomMissing "aibom.missing" "no bill of materials speaks of this model" "have one made and signed" "no AI-BOM by eval-ci";
    AibomMalformed "aibom.malformed" "the bill of materials cannot be read, or is of an older version than allowed" "have it made again" "cyclonedx 1.5, at least 1.6 was expected";
    AibomComponentMismatch "aibom.component-mismatch" "the bill of materials lists other files than the model has" "have it made for this model" "3 of 12 files are not listed";
    AibomFieldMissing "aibom.field-missing" "the bill of materials lacks a required field" "have it made again, with the field" "training-datasets is not there";
    AibomLicenseDenied "aibom.license-denied" "a licence is not one that the policy allows" "use another model, or have the licence allowed" "CC-BY-NC-4.0 is not allowed";
    AibomLicenseUnknown "aibom.license-unknown" "a component's licence is not stated" "have the licence stated" "base-models/0 has NOASSERTION";

    DatasetNoneDeclared "dataset.none-declared" "fewer datasets are declared than min-count" "have the training data declared" "0 datasets are declared, at least 1 is required";
    DatasetDigestMissing "dataset.digest-missing" "a dataset is declared without a digest" "have its digest declared" "s3://acme-datasets/approved/a has no digest";
    DatasetNotAllowed "dataset.not-allowed" "a dataset is none of those that the policy allows" "train on allowed data" "s3://scraped/web is not allowed";
    DatasetDenied "dataset.denied" "a dataset is one that the policy denies" "train without it" "s3://data/books3/x is denied";
    DatasetLicenseDenied "dataset.license-denied" "a dataset's licence is not one that the policy allows" "train on allowed data" "CC-BY-NC-4.0 is not allowed";

    StatementMalformed "statement.malformed" "the document is no in-toto statement" "mend what the message names" "/: empty, expected a JSON document";
    StatementDuplicateKey "statement.duplicate-key" "an object has a member twice, so that two readers could read it differently" "leave one of them out" "/predicate/buildDefinition/buildType: duplicate member 'buildType'";
    StatementType "statement.type" "_type is another one than the predicate type comes in" "write https://in-toto.io/Statement/v1" "/_type: _type is 'https://in-toto.io/Statement/v1.0', expected 'https://in-toto.io/Statement/v1'";
    StatementSubject "statement.subject" "there is no subject, one has no digest, or two have one name" "name every artifact once, with its digest" "/subject/0/digest: subject 0 ('model') has no digest";
    StatementDigest "statement.digest" "a digest is not lowercase hexadecimal of the length that its algorithm gives" "write the digest as sha256sum prints it" "/subject/0/digest/sha256: 'FFF6' is not lowercase hexadecimal of 64 characters";
    StatementTime "statement.time" "a time is not in UTC as RFC 3339 writes it, or something ended before it started" "write times like 2026-03-01T12:00:00Z" "/predicate/runDetails/metadata/startedOn: '2026-03-01T00:00:00+02:00' is no RFC 3339 time in UTC";
    StatementPredicate "statement.predicate" "the predicate is not what its type says" "mend what the message names" "/predicate/buildDefinition/buildType: required, but unset or empty";
    StatementParameterUnknown "statement.parameter-unknown" "an external parameter that the build type does not define" "leave it out, or use a build type that defines it" "/predicate/buildDefinition/externalParameters/postprocess: the build type defines no such parameter";
    StatementUnresolved "statement.unresolved" "an input that no resolved dependency pins, or more than one claims to" "add a resolved dependency of the input's name, with its URI and a strong digest" "/predicate/buildDefinition/externalParameters/baseModel: UNRESOLVED: 'pkg:huggingface/a/b@1'";
    StatementWeakDigest "statement.weak-digest" "a subject or dependency that only weak digests name" "add sha256" "/predicate/buildDefinition/resolvedDependencies/1/digest: md5 pins nothing";
    StatementCycle "statement.cycle" "a model that is said to be made from itself" "name the model that it was made from" "/predicate/buildDefinition/resolvedDependencies/1: this dependency is the subject itself";

    UsagePublicKey "usage.public-key" "the public key cannot be read, or is of an unsupported kind" "give a PEM public key" "not a PEM public key";
    UsagePrivateKey "usage.private-key" "the private key cannot be read or decrypted, or is of an unsupported kind" "give a PKCS#8 private key" "not a private key";
    UsageCertificate "usage.certificate" "a certificate cannot be read, does not belong to the key, may not sign, or no root is among those given" "check the files that the message names" "no root among the certificates";
    UsagePassword "usage.password" "the password is missing, empty, wrong or unreadable, or it was given on the command line" "give the password in a file or at the prompt" "the key is encrypted and no password was given";
    UsageFlags "usage.flags" "a flag or subcommand is unknown, missing or contradicts another" "see --help" "unexpected argument '--foo'";
    UsageIdentity "usage.identity" "the identity to expect is empty" "write the identity exactly" "--certificate-identity is empty";
    UsageIdentityToken "usage.identity-token" "there is no identity token, or it is expired, for somebody else, or malformed" "log in again, or give a fresh token with --identity-token-file" "the identity token expired at 2026-11-22T00:00:00Z";
    UsageNotConfirmed "usage.not-confirmed" "the identity was not confirmed at the terminal, and nothing was sent" "confirm it, or give --yes where nobody can" "the signer's identity would be public, and nobody confirmed that";
    UsageTrustConfig "usage.trust-config" "the client trust configuration cannot be read" "check the file that the message names" "trust_config.json is not JSON";
    UsageTrustedRoot "usage.trusted-root" "the trusted root cannot be read" "check the file that the message names" "trusted_root.json is not a trusted root";
    UsageSigningConfig "usage.signing-config" "the signing config cannot be read, or its services cannot make a signature that verifies" "use the signing config and the trusted root of one Sigstore instance" "signing_config.json names no certificate authority";
    UsageKms "usage.kms" "the URI of the key management service cannot be read" "write it as the message says" "'awskms://' names no key";
    UsagePkcs11 "usage.pkcs11" "the PKCS #11 URI, module, token, PIN or key cannot be used" "check what the message names" "no token has the label 'release'";
    UsageStatement "usage.statement" "the file given to statement check is signed, so that it holds a statement and is none" "use show to see what it says, and verify to judge it" "'model.sig' is a Sigstore bundle";
    UsageIgnorePath "usage.ignore-path" "an ignore path cannot be recorded in a signature" "give a path inside the model" "'../x' lies outside the model";
    UsageOutput "usage.output" "the output cannot be written there without destroying something" "choose another name, or give --force" "model.sig exists and is another signature";
    UsageFile "usage.file" "a file named on the command line cannot be read" "check the path" "no such file: key.pem";
    UsageRules "usage.rules" "the rule set of an inspection is wrong" "correct what the message names" "rules.toml:5:12: FMT002 is lowered from malformed to note without a reason: add `reason = \"..\"`";
    UsageDigests "usage.digests" "the document given with --digests is no document of digests, contradicts itself, or lists the signature" "give the output of digest" "not a document of digests";
    UsageReuse "usage.reuse" "the signature given with --reuse is not one that this key made, or was made with other parameters" "leave --reuse out" "the earlier signature is by another key";
    UsageRun "usage.run" "the description of a run, or a parameter of it, cannot be recorded" "correct what the message names" "'run.toml', line 3: unknown key 'learning_rate'";
    UsageInput "usage.input" "an input of a run cannot be recorded" "correct what the message names" "the input 'hf://acme/base' cannot be recorded: it is given twice";
    UsageUnresolved "usage.unresolved" "inputs of a run are named that nothing pins" "give each as URI=PATH or URI=DIGEST, or give --allow-unresolved" "UNRESOLVED 'hf://acme/base'";
    UsagePredicate "usage.predicate" "the predicate is not what its type says, or must not be signed by this command" "correct the field that the message names" "the predicate is no 'https://slsa.dev/provenance/v1': /runDetails/builder/id: required, but unset or empty";
    UsagePart "usage.part" "the documents given to digest --merge are not all the parts of one measurement, each once" "give every part once" "part 2 of 4 is missing";
    UsageRange "usage.range" "bytes were asked for that the file does not have" "ask for bytes within the file" "'model.bin' has 100 bytes, so there are no 8 bytes to read from byte 96 on";

    ErrorIo "error.io" "the system could not read or write something; also a model that does not exist" "see the message" "cannot read 'model.bin': permission denied";
    ErrorService "error.service" "a service that signing needs did not do its part" "try again; the message names the service" "the certificate authority answered 503";
    ErrorTimeout "error.timeout" "something took longer than it may" "try again" "no answer after 30 s";
    ErrorNetworkRequired "error.network-required" "something would have to be fetched, and the policy says network = never" "bring what is missing, or allow the network" "the trust root 'public' is not cached";
    ErrorTrustRootUnavailable "error.trust-root-unavailable" "a trust root could not be had" "run: modelseal trust update" "the trust root 'public' could not be fetched";
    ErrorTrustRootStale "error.trust-root-stale" "a trust root is older than max-staleness" "run: modelseal trust update" "the trust root 'public' is 31 days old";
    ErrorLimitExceeded "error.limit-exceeded" "a bound that protects against hostile input was reached" "use less evidence, or a smaller model" "33 signatures, the limit is 32";
    ErrorUnsupported "error.unsupported" "the policy asks for something that this version cannot check, which denies" "leave the field out of the policy, or use a version that can check it" "aibom cannot be checked by this version";
    ErrorMemory "error.memory" "a file does not fit into the memory that is available" "load it where there is more memory, or have it signed by shards" "'model.bin' needs 214748364800 bytes of memory to be loaded at once, and 24461316096 are available";
    ErrorCancelled "error.cancelled" "interrupted before it was done" "run it again" "interrupted";
    ErrorInternal "error.internal" "modelseal contradicted itself" "please report it" "unexpected state";
}
