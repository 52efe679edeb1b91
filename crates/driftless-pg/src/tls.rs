use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, SHA_1_WITH_RSA_ENCRYPTION,
    SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};

use crate::error::{ErrorKind, PgError};
use crate::url::{ConnectConfig, SslMode, TlsVersion, outside};

/// How far the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// Any certificate: encryption without knowing with whom.
    Any,
    /// A chain to a trusted root.
    Chain,
    /// The same, and the name of the host.
    ChainAndName,
}

/// The client side of TLS as the connection string demands it.
pub(crate) fn client_config(config: &ConnectConfig) -> Result<Arc<ClientConfig>, PgError> {
    let demand = match config.sslmode {
        SslMode::VerifyFull => Demand::ChainAndName,
        SslMode::VerifyCa => Demand::Chain,
        // As libpq does it: who names a root wants it looked at.
        SslMode::Require if config.sslrootcert.is_some() => Demand::Chain,
        SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => Demand::Any,
    };
    let place = config.place();
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(demand, config, provider.clone())?;
    let versions: Vec<&SupportedProtocolVersion> = [(TlsVersion::V13, &TLS13), (TlsVersion::V12, &TLS12)]
        .into_iter()
        .filter(|(version, _)| (config.tls_versions.0..=config.tls_versions.1).contains(version))
        .map(|(_, spoken)| spoken)
        .collect();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| tls_error(&place, &error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut client = match (&config.sslcert, &config.sslkey) {
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(
                certificates(&place, "sslcert", certificate)?,
                private_key(&place, key)?,
            )
            .map_err(|error| tls_error(&place, &error))?,
        _ => builder.with_no_client_auth(),
    };
    client.enable_sni = config.sni;
    Ok(Arc::new(client))
}

fn tls_error(place: &str, error: &rustls::Error) -> PgError {
    PgError::new(ErrorKind::Tls, place, format!("TLS cannot be set up: {error}"))
}

fn unreadable(place: &str, keyword: &str, path: &Path, why: &dyn std::fmt::Display) -> PgError {
    PgError::new(
        ErrorKind::Tls,
        place,
        format!("{keyword}={} cannot be used: {why}", path.display()),
    )
    .remedy_is(format!("point `{keyword}` at a readable PEM file"))
}

fn certificates(place: &str, keyword: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PgError> {
    let bytes = outside::whole(path).map_err(|error| unreadable(place, keyword, path, &error))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(place, keyword, path, &error))?;
    if found.is_empty() {
        return Err(unreadable(place, keyword, path, &"it holds no certificate"));
    }
    Ok(found)
}

fn private_key(place: &str, path: &Path) -> Result<PrivateKeyDer<'static>, PgError> {
    // As libpq: root's keys may be read by a group, anybody else's by nobody else.
    if let Ok(metadata) = fs::metadata(path) {
        let allowed = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        if metadata.mode() & allowed != 0 {
            return Err(
                unreadable(place, "sslkey", path, &"others may read it").remedy_is("`chmod 600` the file")
            );
        }
    }
    let bytes = outside::whole(path).map_err(|error| unreadable(place, "sslkey", path, &error))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| unreadable(place, "sslkey", path, &error))
}

/// Checks the server's certificate as far as was demanded, and always that the server holds its key.
#[derive(Debug)]
struct Verifier {
    demand: Demand,
    provider: Arc<CryptoProvider>,
    /// Absent where any certificate will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of `sslrootcert`. A server's own self-signed certificate may be one of them.
    named: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        demand: Demand,
        config: &ConnectConfig,
        provider: Arc<CryptoProvider>,
    ) -> Result<Verifier, PgError> {
        let mut verifier = Verifier {
            demand,
            provider,
            chain: None,
            named: Vec::new(),
        };
        if demand == Demand::Any {
            return Ok(verifier);
        }
        let place = config.place();
        let mut roots = RootCertStore::empty();
        if let Some(path) = &config.sslrootcert {
            verifier.named = certificates(&place, "sslrootcert", path)?;
            for certificate in &verifier.named {
                roots
                    .add(certificate.clone())
                    .map_err(|error| unreadable(&place, "sslrootcert", path, &error))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(
                    PgError::new(ErrorKind::Tls, place, "this system trusts no root certificates").remedy_is(
                        "install the package ca-certificates, or name the root with sslrootcert=FILE",
                    ),
                );
            }
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), verifier.provider.clone())
            .build()
            .map_err(|error| {
                PgError::new(
                    ErrorKind::Tls,
                    place,
                    format!("no usable root certificates: {error}"),
                )
            })?;
        verifier.chain = Some(chain);
        Ok(verifier)
    }

    /// Whether the chain's only fault is that the certificate is itself one of the named roots, as it is for a
    /// server with a self-signed certificate. Its dates were checked before this fault was found.
    fn is_named_root(&self, certificate: &CertificateDer<'_>, error: &rustls::Error) -> bool {
        // The fault has no variant of its own in this version of rustls, only a source.
        matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if format!("{other:?}").contains("CaUsedAsEndEntity"))
            && self
                .named
                .iter()
                .any(|root| root.as_ref() == certificate.as_ref())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // The name is what is looked at last: an error about it means that the chain holds.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.demand == Demand::Chain => Ok(ServerCertVerified::assertion()),
            Err(error) if self.is_named_root(end_entity, &error) => {
                if self.demand == Demand::ChainAndName {
                    rustls::client::verify_server_name(
                        &ParsedCertificate::try_from(end_entity)?,
                        server_name,
                    )?;
                }
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What went wrong in a handshake, in words, and what to do.
pub(crate) fn handshake_error(config: &ConnectConfig, error: std::io::Error) -> PgError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (cause, remedy) = match tls {
        Some(rustls::Error::InvalidCertificate(fault)) => certificate_fault(config, fault),
        Some(rustls::Error::AlertReceived(alert)) => (
            format!("the server ended the TLS handshake with {alert:?}"),
            "look at the server's log; if it demands a client certificate, name one with sslcert and sslkey",
        ),
        Some(other) => (
            format!("the TLS handshake failed: {other}"),
            "check that host and port are PostgreSQL's own and that no proxy stands between",
        ),
        None => (
            format!("the connection broke in the TLS handshake: {error}"),
            "look at the server's log",
        ),
    };
    PgError::new(ErrorKind::Tls, config.place(), cause)
        .remedy_is(remedy)
        .source(error)
}

fn certificate_fault(config: &ConnectConfig, fault: &CertificateError) -> (String, &'static str) {
    let host = config.host();
    match fault {
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            format!("the server's certificate names no host at all (no subjectAltName), so not `{host}`"),
            "have a certificate issued with the host in subjectAltName, or use sslmode=verify-ca",
        ),
        CertificateError::NotValidForNameContext { presented, .. } => (
            format!(
                "the server's certificate is not for `{host}`: it names {}",
                presented
                    .iter()
                    .map(|name| plain(name))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "connect by a name that the certificate holds (hostaddr=ADDRESS says where it is), or use sslmode=verify-ca",
        ),
        CertificateError::NotValidForName => (
            format!("the server's certificate is not for `{host}`"),
            "connect by a name that the certificate holds, or use sslmode=verify-ca",
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate was not issued by a root that is trusted here".to_owned(),
            "name the file with the issuer's root certificate by sslrootcert=FILE (several may stand in one file; \
             Supabase offers its own in the project's database settings)",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the server's certificate has expired".to_owned(),
            "renew it on the server; if it is fresh, look at this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the server's certificate is not valid yet".to_owned(),
            "look at this machine's clock",
        ),
        other => (
            format!("the server's certificate is refused: {other:?}"),
            "have a certificate issued in X.509 version 3 with subjectAltName, signed by a CA",
        ),
    }
}

/// A name without what rustls writes around it: `DnsName("a")` is `a`.
fn plain(name: &str) -> &str {
    name.split_once("(\"")
        .and_then(|(_, rest)| rest.strip_suffix("\")"))
        .unwrap_or(name)
}

/// `tls-server-end-point` of RFC 5929: the certificate's hash by the hash of its own signature. `None` for
/// signatures without one, such as Ed25519, to which nothing can be bound.
pub(crate) fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = Certificate::from_der(certificate).ok()?;
    match parsed.signature_algorithm.oid {
        // The RFC replaces SHA-1 by SHA-256.
        SHA_1_WITH_RSA_ENCRYPTION | SHA_256_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_256 => {
            Some(Sha256::digest(certificate).to_vec())
        }
        SHA_384_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_384 => Some(Sha384::digest(certificate).to_vec()),
        SHA_512_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_512 => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};

    use proptest::prelude::{any, prop, proptest};

    use super::*;

    proptest! {
        /// The certificate is looked at before anything is known of the server that sent it.
        #[test]
        fn any_bytes_are_a_certificate_or_none(
            noise in prop::collection::vec(any::<u8>(), 0..80),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            server_end_point(&CertificateDer::from(noise));
            let mut bytes = CERTIFICATE.with(|certificate| certificate.to_vec());
            assert!(server_end_point(&CertificateDer::from(bytes.as_slice())).is_some());
            assert_eq!(server_end_point(&CertificateDer::from(&bytes[..cut.index(bytes.len())])), None);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            server_end_point(&CertificateDer::from(bytes));
        }
    }

    thread_local! {
        static CERTIFICATE: CertificateDer<'static> = self_signed(&PKCS_ECDSA_P384_SHA384);
    }

    fn self_signed(algorithm: &'static SignatureAlgorithm) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn the_hosts_name_is_told_unless_that_is_not_wanted() {
        let client = |text| client_config(&ConnectConfig::parse(text).unwrap()).unwrap();
        assert!(client("host=h user=u").enable_sni);
        assert!(!client("host=h user=u sslsni=0").enable_sni);
    }

    #[test]
    fn names_are_shown_without_their_kind() {
        assert_eq!(plain("DnsName(\"db.example.org\")"), "db.example.org");
        assert_eq!(plain("IpAddress(127.0.0.1)"), "IpAddress(127.0.0.1)");
    }

    #[test]
    fn the_hash_is_that_of_the_certificates_own_signature() {
        let certificate = self_signed(&PKCS_ECDSA_P384_SHA384);
        assert_eq!(
            server_end_point(&certificate),
            Some(Sha384::digest(&certificate).to_vec())
        );
        assert_eq!(server_end_point(&self_signed(&PKCS_ED25519)), None);
        assert_eq!(server_end_point(&CertificateDer::from(vec![0x30, 3, 1])), None);
    }
}
