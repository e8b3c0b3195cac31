//! TLS on one connection, over whatever carries its bytes; and which certificates are taken.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::loadgen::settings::{Protocol, Tls};

/// Where the certificates of authorities lie on the machines that we know.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why TLS can't be spoken at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file with certificates can't be read.
    #[error("{}: {why}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is no such file on this machine.
    #[error("this machine has no certificates of authorities")]
    NoAuthorities,
    /// The name is none that a certificate could bear.
    #[error("no certificate can be for {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// The library has a reason.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}

/// What all connections of a load have in common.
pub fn config(tls: &Tls, protocol: Protocol) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = if tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Any(provider))).with_no_client_auth()
    } else {
        builder.with_root_certificates(authorities(tls.authorities.as_deref())?).with_no_client_auth()
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 { .. } => b"h2".to_vec(),
    }];
    let name = ServerName::try_from(tls.server_name.clone());
    let name = name.map_err(|_| TlsError::Name { name: tls.server_name.clone() })?;
    Ok((Arc::new(config), name))
}

fn authorities(named: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let asked = named.map(Path::to_owned).or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    let path = asked.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.exists()));
    let path = path.ok_or(TlsError::NoAuthorities)?;
    let wrong = |why: String| TlsError::Authorities { path: path.clone(), why };
    let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| wrong(error.to_string()))?;
    let mut store = RootCertStore::empty();
    // A bundle may hold a few that this library does not take; the others are as good as ever.
    store.add_parsable_certificates(certificates.filter_map(Result::ok));
    if store.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(store) }
}

/// Takes any certificate, because the user said so.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS on one connection.
#[derive(Debug)]
pub struct Session {
    connection: Box<ClientConnection>,
    has_ended: bool,
}

impl Session {
    /// Begins; what is to be sent first stands in `out` afterwards.
    pub fn new(
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
        out: &mut Vec<u8>,
    ) -> Result<Self, rustls::Error> {
        let connection = Box::new(ClientConnection::new(Arc::clone(config), name.clone())?);
        let mut session = Self { connection, has_ended: false };
        session.flush(out);
        Ok(session)
    }

    /// Whether the server has said that nothing comes any more. An end of the connection without that word may be anybody's.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the handshake goes on.
    pub fn is_shaking_hands(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Encrypts; what is to be sent stands in `out` afterwards.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        // Both write into memory: they can't fail, and the session's own limit is lifted by flushing.
        let mut left = plain;
        while !left.is_empty() {
            let Ok(taken) = self.connection.writer().write(left) else { return };
            left = &left[taken..];
            self.flush(out);
        }
    }

    /// Decrypts what came into `plain`; what is to be sent for it stands in `out`.
    pub fn read(&mut self, mut raw: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), rustls::Error> {
        while !raw.is_empty() {
            if self.connection.read_tls(&mut raw).is_err() {
                break;
            }
            let processed = self.connection.process_new_packets();
            self.flush(out);
            self.has_ended |= processed?.peer_has_closed();
            // It says "nothing now" by an error.
            let _ = self.connection.reader().read_to_end(plain);
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() && self.connection.write_tls(out).is_ok() {}
    }
}

/// Why a handshake failed, in words that are few enough to be counted by.
pub fn reason(error: &rustls::Error) -> &'static str {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(why) => certificate(why),
        E::NoCertificatesPresented => "the server shows no certificate",
        E::AlertReceived(_) => "the server refused by an alert",
        E::PeerIncompatible(_) => "no version or cipher in common",
        E::NoApplicationProtocol => "the server does not speak this version of HTTP",
        E::InvalidMessage(_) => "what came is no TLS",
        E::PeerMisbehaved(_) => "the server broke the protocol",
        _ => "the handshake failed",
    }
}

fn certificate(why: &rustls::CertificateError) -> &'static str {
    use rustls::CertificateError as C;
    match why {
        C::Expired | C::ExpiredContext { .. } => "the certificate has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "the certificate is not valid yet",
        C::UnknownIssuer => "nobody we trust has signed the certificate",
        C::NotValidForName | C::NotValidForNameContext { .. } => "the certificate is for another name",
        C::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is an authority's, and no server's"
        }
        C::Revoked => "the certificate is revoked",
        _ => "the certificate is not valid",
    }
}
