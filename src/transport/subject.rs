//! Whom a client's certificate names. A subject becomes a text in which two different subjects are never the same: RFC
//! 4514 with everything but plain ASCII escaped, byte for byte what `openssl x509 -subject -nameopt RFC2253` prints, so that
//! it can be compared and put into a header.

use std::fmt::Write;

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::transport::client::Subject;

/// `None`: not a certificate, which no verified one is.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Subject> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject();
    Some(Subject { common_name: common_name(name), distinguished_name: distinguished_name(name) })
}

/// The first one, as HAProxy's `ssl_c_s_dn(cn)`. One that a header could not carry as it is (a control character, a space
/// at an end) names nobody: what is left of `admin\0` must not be `admin`.
fn common_name(name: &X509Name<'_>) -> Option<String> {
    let text = text(name.iter_common_name().next()?.attr_value())?;
    let plain = !text.is_empty() && text.trim() == text && !text.contains(char::is_control);
    plain.then_some(text)
}

/// The most specific part first.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    let relative: Vec<_> = name.iter().collect();
    for part in relative.into_iter().rev() {
        let attributes: Vec<_> = part.iter().collect();
        for (index, attribute) in attributes.into_iter().rev().enumerate() {
            if !out.is_empty() {
                out.push(if index == 0 { ',' } else { '+' });
            }
            let oid = attribute.attr_type().to_id_string();
            let value = attribute.attr_value();
            match (short_name(&oid), text(value)) {
                (Some(short), Some(text)) => {
                    out.extend([short, "="]);
                    escape(&text, &mut out);
                }
                (short, _) => {
                    out.extend([short.unwrap_or(&oid), "=#"]);
                    dump(value, &mut out);
                }
            }
        }
    }
    out
}

/// Of a string type, decoded; `None` for other types and for bytes that are not of the type's alphabet.
fn text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).ok(),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            bytes.is_ascii().then(|| String::from_utf8_lossy(bytes).into_owned())
        }
        // By the standard something else; in practice Latin-1, and OpenSSL reads it so.
        Tag::T61String => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => units(bytes, |pair: [u8; 2]| u32::from(u16::from_be_bytes(pair))),
        Tag::UniversalString => units(bytes, u32::from_be_bytes),
        _ => None,
    }
}

fn units<const SIZE: usize>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> u32) -> Option<String> {
    bytes.chunks(SIZE).map(|unit| char::from_u32(number(unit.try_into().ok()?))).collect()
}

/// RFC 4514 2.4, and `\XX` for every byte of what is not plain ASCII.
fn escape(text: &str, out: &mut String) {
    for (at, c) in text.char_indices() {
        let last = at + c.len_utf8() == text.len();
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || last => out.push_str("\\ "),
            ' '..='~' => out.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hexadecimal("\\", byte, out)),
        }
    }
}

/// The value in DER, in hexadecimal.
fn dump(value: &Any<'_>, out: &mut String) {
    let class = u8::from(value.header.is_constructed()) << 5 | (value.class() as u8) << 6;
    // Tags of several bytes are no string types; their number is cut, their length and content are not.
    hexadecimal("", class | u8::try_from(value.tag().0 & 0x1f).unwrap_or(0x1f), out);
    let length = value.data.len();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1)..];
    if length > 0x7f {
        hexadecimal("", 0x80 | u8::try_from(significant.len()).unwrap_or(0), out);
    }
    significant.iter().chain(value.data).for_each(|byte| hexadecimal("", *byte, out));
}

fn hexadecimal(before: &str, byte: u8, out: &mut String) {
    // A String takes everything.
    let _ = write!(out, "{before}{byte:02X}");
}

/// OpenSSL's; those that RFC 4514 names are among them.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.16" => "postalAddress",
        "2.5.4.17" => "postalCode",
        "2.5.4.20" => "telephoneNumber",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.43" => "initials",
        "2.5.4.44" => "generationQualifier",
        "2.5.4.45" => "x500UniqueIdentifier",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.65" => "pseudonym",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::string::{BmpString, TeletexString, UniversalString};
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn subject(parts: &[(&[u64], DnValue)]) -> Subject {
        let mut name = DistinguishedName::new();
        for (oid, value) in parts {
            name.push(DnType::from_oid(oid), value.clone());
        }
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = name;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        of(certificate.der()).unwrap()
    }

    const CN: &[u64] = &[2, 5, 4, 3];
    const O: &[u64] = &[2, 5, 4, 10];

    fn utf8(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    #[test]
    fn most_specific_part_comes_first() {
        let named = subject(&[(O, utf8("Example")), (CN, utf8("app1"))]);
        assert_eq!(named.distinguished_name, "CN=app1,O=Example");
        assert_eq!(named.common_name.as_deref(), Some("app1"));
    }

    #[test]
    fn value_cannot_pass_for_another_part() {
        let named = subject(&[(O, utf8("x, CN=admin+OU=y\n")), (CN, utf8(" #\"\\<;> "))]);
        assert_eq!(named.distinguished_name, r#"CN=\ #\"\\\<\;\>\ ,O=x\, CN=admin\+OU=y\0A"#);
    }

    #[test]
    fn every_string_type_is_read() {
        for value in [
            utf8("Zoë"),
            DnValue::BmpString(BmpString::try_from("Zoë").unwrap()),
            DnValue::UniversalString(UniversalString::try_from("Zoë").unwrap()),
        ] {
            let named = subject(&[(CN, value)]);
            assert_eq!(named.common_name.as_deref(), Some("Zoë"));
            assert_eq!(named.distinguished_name, r"CN=Zo\C3\AB");
        }
        let named = subject(&[(CN, DnValue::TeletexString(TeletexString::try_from("Zoe").unwrap()))]);
        assert_eq!(named.common_name.as_deref(), Some("Zoe"));
    }

    #[test]
    fn common_name_that_a_header_would_change_names_nobody() {
        for odd in ["admin\0", "admin\n", " admin", "admin ", "", "ad\u{85}min"] {
            assert_eq!(subject(&[(CN, utf8(odd))]).common_name, None, "{odd:?}");
        }
        assert_eq!(subject(&[(O, utf8("nobody"))]).common_name, None);
    }

    #[test]
    fn what_is_not_known_is_dumped() {
        let named = subject(&[(&[1, 2, 3, 4], utf8("zz"))]);
        assert_eq!(named.distinguished_name, "1.2.3.4=#0C027A7A");
        let long = subject(&[(&[1, 2, 3, 4], utf8(&"z".repeat(200)))]);
        assert!(long.distinguished_name.starts_with("1.2.3.4=#0C81C87A7A"));
    }
}
