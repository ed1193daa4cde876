//! The cipher suites that there are, under the names of both worlds: IANA's registry and OpenSSL.

/// All of them have forward secrecy and authenticated encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    Aes256GcmSha384,
    Aes128GcmSha256,
    ChaCha20Poly1305Sha256,
    EcdheEcdsaAes256GcmSha384,
    EcdheEcdsaAes128GcmSha256,
    EcdheEcdsaChaCha20Poly1305Sha256,
    EcdheRsaAes256GcmSha384,
    EcdheRsaAes128GcmSha256,
    EcdheRsaChaCha20Poly1305Sha256,
}

impl Cipher {
    /// In the order in which rustls prefers them.
    pub const ALL: [Cipher; 9] = [
        Cipher::Aes256GcmSha384,
        Cipher::Aes128GcmSha256,
        Cipher::ChaCha20Poly1305Sha256,
        Cipher::EcdheEcdsaAes256GcmSha384,
        Cipher::EcdheEcdsaAes128GcmSha256,
        Cipher::EcdheEcdsaChaCha20Poly1305Sha256,
        Cipher::EcdheRsaAes256GcmSha384,
        Cipher::EcdheRsaAes128GcmSha256,
        Cipher::EcdheRsaChaCha20Poly1305Sha256,
    ];

    /// The name in IANA's registry, as RFC 8446 and RFC 5289 have it.
    pub fn iana(self) -> &'static str {
        match self {
            Cipher::Aes256GcmSha384 => "TLS_AES_256_GCM_SHA384",
            Cipher::Aes128GcmSha256 => "TLS_AES_128_GCM_SHA256",
            Cipher::ChaCha20Poly1305Sha256 => "TLS_CHACHA20_POLY1305_SHA256",
            Cipher::EcdheEcdsaAes256GcmSha384 => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Cipher::EcdheEcdsaAes128GcmSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Cipher::EcdheEcdsaChaCha20Poly1305Sha256 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            Cipher::EcdheRsaAes256GcmSha384 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Cipher::EcdheRsaAes128GcmSha256 => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            Cipher::EcdheRsaChaCha20Poly1305Sha256 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        }
    }

    /// OpenSSL's name; for TLS 1.3 the same as IANA's.
    pub fn openssl(self) -> &'static str {
        match self {
            Cipher::EcdheEcdsaAes256GcmSha384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
            Cipher::EcdheEcdsaAes128GcmSha256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
            Cipher::EcdheEcdsaChaCha20Poly1305Sha256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
            Cipher::EcdheRsaAes256GcmSha384 => "ECDHE-RSA-AES256-GCM-SHA384",
            Cipher::EcdheRsaAes128GcmSha256 => "ECDHE-RSA-AES128-GCM-SHA256",
            Cipher::EcdheRsaChaCha20Poly1305Sha256 => "ECDHE-RSA-CHACHA20-POLY1305",
            tls13 => tls13.iana(),
        }
    }

    /// Whether it is one of TLS 1.3; the others are of TLS 1.2.
    pub fn is_tls13(self) -> bool {
        matches!(self, Cipher::Aes256GcmSha384 | Cipher::Aes128GcmSha256 | Cipher::ChaCha20Poly1305Sha256)
    }
}
