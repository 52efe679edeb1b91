use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate with its key, in PEM.
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A private certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new one that calls itself so.
    ///
    /// # Panics
    ///
    /// No key can be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap_or_else(|error| panic!("{error}"));
        let root = params.self_signed(&key).unwrap_or_else(|error| panic!("{error}"));
        Self {
            certificate: root.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its root certificate, in PEM.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server of these names.
    ///
    /// # Panics
    ///
    /// A name is none, or no key can be made.
    #[must_use]
    pub fn certify(&self, hosts: &[&str]) -> Certified {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let params = CertificateParams::new(hosts).unwrap_or_else(|error| panic!("{error}"));
        let key = KeyPair::generate().unwrap_or_else(|error| panic!("{error}"));
        let signed = params.signed_by(&key, &self.issuer);
        Certified {
            certificate: signed.unwrap_or_else(|error| panic!("{error}")).pem(),
            key: key.serialize_pem(),
        }
    }
}
