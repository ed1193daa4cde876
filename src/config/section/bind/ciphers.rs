//! `ciphers`: which cipher suites a bind offers, and in which order.

use crate::config::checked::{Certificate, Cipher, TlsVersion};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::pem;
use crate::config::suggest;
use crate::config::tree::Kind;
use crate::config::value::Value;

/// Names that are looked at. So many cannot be all different and known: what is behind them changes nothing.
const MOST: usize = 100;

/// `None` is a mistake, `Some(None)` the default.
pub(super) fn read(value: Value<'_>) -> Option<Option<Vec<Cipher>>> {
    let names = match &value.node.kind {
        Kind::Scalar(_) => match value.nonempty()? {
            text if text == "default" => return Some(None),
            text => split(value, &text),
        },
        _ => {
            let items = value.one_or_more()?.into_iter().take(MOST);
            items.map(|v| Some((v.nonempty()?, v.span(), v.is_hidden()))).collect::<Option<Vec<_>>>()?
        }
    };
    let mut ciphers: Vec<Cipher> = Vec::new();
    let mut good = true;
    for (name, span, hidden) in names {
        match named(&name) {
            Some(cipher) if ciphers.contains(&cipher) => {
                let message = format!("`{}` is named twice", cipher.iana());
                let wrong = Diagnostic::error(Code::Conflict, span, message);
                value
                    .context
                    .report(wrong.hint(format!("once is enough; OpenSSL calls it `{}`", cipher.openssl())));
                good = false;
            }
            Some(cipher) => ciphers.push(cipher),
            None => {
                value.context.report(unknown(if hidden { None } else { Some(&name) }, span));
                good = false;
            }
        }
    }
    good.then_some(Some(ciphers))
}

/// The names of `A:B:C`, each with its place.
fn split(value: Value<'_>, text: &str) -> Vec<(String, Span, bool)> {
    // What a reference resolved to has no place of its own, and is not quoted.
    let resolved = text != value.source();
    let mut start = 0;
    let place = |part: &str| {
        let span = if resolved { value.span() } else { value.part(start, part.len()) };
        start += part.len() + 1;
        (part.to_owned(), span, resolved || value.is_hidden())
    };
    text.split(':').take(MOST).map(place).collect()
}

fn named(name: &str) -> Option<Cipher> {
    Cipher::ALL.into_iter().find(|c| c.iana() == name || c.openssl() == name)
}

/// `None` for a name that may not be quoted.
fn unknown(name: Option<&str>, span: Span) -> Diagnostic {
    let wrong = |message: String| Diagnostic::error(Code::UnknownName, span, message);
    let Some(name) = name else {
        return wrong("there is no such cipher".to_owned())
            .hint("names of OpenSSL or IANA, as in the documentation");
    };
    if name == "default" {
        return wrong("`default` is no cipher".to_owned()).hint("it stands alone: `ciphers: default`");
    }
    if name.is_empty() {
        return wrong("an empty name in the list of ciphers".to_owned()).hint("remove the surplus `:`");
    }
    let command = name.starts_with(['!', '-', '+', '@', '=']) || name.contains('+');
    if command || matches!(name, "HIGH" | "MEDIUM" | "LOW" | "ALL" | "DEFAULT" | "ECDHE" | "EECDH" | "AESGCM")
    {
        let message = format!("`{name}` is a selection of OpenSSL, not the name of a cipher");
        return wrong(message)
            .hint("name each cipher, or write `ciphers: default`: weak ones are never offered");
    }
    let all = Cipher::ALL.into_iter();
    let names: Vec<&str> = if name.starts_with("TLS_") {
        all.map(Cipher::iana).collect()
    } else {
        all.map(Cipher::openssl).collect()
    };
    let weak = ["CBC", "RC4", "3DES", "DES", "MD5", "NULL", "EXPORT", "RSA_WITH"]
        .iter()
        .any(|part| name.contains(part) && !name.contains("ECDHE_RSA_WITH"))
        || name.ends_with("-SHA")
        || name.ends_with("_SHA");
    if weak {
        let message = format!("`{name}` is not offered: only ciphers with forward secrecy and AEAD are");
        return wrong(message).maybe_hint(suggest::hint(None, &names));
    }
    wrong(format!("there is no cipher `{name}`")).maybe_hint(suggest::among(name, &names))
}

/// Reports what clients could not connect with. `value` is where the ciphers stand.
pub(super) fn fit(
    value: Value<'_>,
    ciphers: &[Cipher],
    min_version: TlsVersion,
    certificates: &[Certificate],
) -> Option<()> {
    let tls13 = ciphers.iter().any(|c| c.is_tls13());
    let reject = |message: &str, hint: &str| value.reject(Code::Conflict, message, hint);
    if min_version == TlsVersion::Tls13 && !tls13 {
        let hint = "add one like `TLS_AES_256_GCM_SHA384`, or let `min_version` be \"1.2\"";
        return reject("none of these ciphers is of TLS 1.3, and `min_version` allows nothing else", hint);
    }
    let fitting = |c: &&Cipher| !c.is_tls13() && certificates.iter().any(|held| pem::suits(held, **c));
    let tls12 = min_version == TlsVersion::Tls12 && ciphers.iter().find(fitting).is_some();
    if !tls12 && !tls13 {
        let hint =
            "certificates with an RSA key need `ECDHE-RSA-...`, those with another key `ECDHE-ECDSA-...`";
        return reject("no certificate of this bind works with any of these ciphers", hint);
    }
    let warn = |message: &str, hint: &str| {
        value.context.report(Diagnostic::warning(Code::Conflict, value.span(), message).hint(hint));
    };
    if min_version == TlsVersion::Tls13 && ciphers.iter().any(|c| !c.is_tls13()) {
        warn(
            "`min_version` is 1.3: the ciphers of TLS 1.2 among these are never used",
            "the names of TLS 1.3 begin with `TLS_AES_` or `TLS_CHACHA20_`; remove the others",
        );
    } else if min_version == TlsVersion::Tls12 && !tls12 {
        warn(
            "clients that speak only TLS 1.2 cannot connect: none of these ciphers serves them",
            "let `min_version` be \"1.3\" if that is meant, or add a cipher of TLS 1.2 that fits a certificate",
        );
    } else if !tls13 {
        warn(
            "TLS 1.3 is not offered: none of these ciphers is of it",
            "add `TLS_AES_256_GCM_SHA384`, `TLS_AES_128_GCM_SHA256`, `TLS_CHACHA20_POLY1305_SHA256`",
        );
    }
    Some(())
}
