//! A request's target for the log: query parameters that carry secrets are masked, bytes that could forge a line are
//! escaped.

use std::io::Write;

/// Names of query parameters (without case, `-` as `_`) whose values are keys. Providers take them there: `?key=`.
const SECRET: [&str; 10] = [
    "key",
    "api_key",
    "apikey",
    "x_api_key",
    "token",
    "access_token",
    "auth_token",
    "authorization",
    "secret",
    "password",
];

/// Gives `target` to `write` in pieces, `***` in place of secret values.
pub(super) fn masked(target: &[u8], mut write: impl FnMut(&[u8])) {
    let Some(query) = target.iter().position(|b| *b == b'?').map(|at| at + 1) else { return write(target) };
    let (path, query) = target.split_at(query);
    write(path);
    // `;` separates parameters for some servers.
    for parameter in query.split_inclusive(|b| matches!(b, b'&' | b';')) {
        match parameter.iter().position(|b| *b == b'=').map(|at| parameter.split_at(at)) {
            Some((name, value)) if is_secret(name) => {
                write(name);
                write(b"=***");
                if let Some(separator @ (b'&' | b';')) = value.last() {
                    write(&[*separator]);
                }
            }
            _ => write(parameter),
        }
    }
}

/// An escaped letter in the name (`%6bey`) would hide it from us but not from the server: such names count as secret.
fn is_secret(name: &[u8]) -> bool {
    let same = |secret: &&str| {
        let plain = |b: &u8| if *b == b'-' { b'_' } else { b.to_ascii_lowercase() };
        name.iter().map(plain).eq(secret.bytes())
    };
    name.contains(&b'%') || SECRET.iter().any(same)
}

/// As HAProxy writes a request line: control bytes, bytes above 126, `"` and `#` as `#` and two hex digits.
pub(super) fn haproxy(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'#') {
            out.push(*byte);
        } else {
            // Writing to a Vec does not fail.
            let _ = write!(out, "#{byte:02X}");
        }
    }
}
