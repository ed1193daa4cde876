//! Header values that ask the connection for what it never has.

use super::{Setting, Step, constant};
use crate::config::checked::{Action, HeaderFetch, HeaderPart, HeaderText, ResponseAction, Rule};

/// Warns of the first such fetch of each rule.
pub(super) fn check(
    setting: &Setting<'_>,
    rules: &super::Rules<'_>,
    request: &[Step<'_>],
    response: &[Step<'_>],
) {
    let of_request = rules.request.iter().map(of_rule);
    let of_response = rules.response.iter().map(|rule| match &rule.action {
        ResponseAction::SetHeader(fields) | ResponseAction::AddHeader(fields) => fields.as_slice(),
        ResponseAction::RemoveHeader(_) => &[],
    });
    for (step, fields) in request.iter().chain(response).zip(of_request.chain(of_response)) {
        let parts = fields.iter().flat_map(|(_, HeaderText(parts))| parts);
        if let Some((fetch, lacking)) = parts.filter_map(|part| lacking(setting, part)).next() {
            let message = format!("`%[{fetch}]` never has a value: no bind of this frontend has `{lacking}`");
            let hint = format!("add `{lacking}`; to remove what clients send, use `remove_header`");
            setting.warn(step, message, &hint);
        }
    }
}

fn of_rule(rule: &Rule) -> &[(http::HeaderName, HeaderText)] {
    match &rule.action {
        Action::SetHeader(fields) | Action::AddHeader(fields) => fields,
        _ => &[],
    }
}

/// A fetch without a value, and what the binds lack for it.
fn lacking(setting: &Setting<'_>, part: &HeaderPart) -> Option<(&'static str, &'static str)> {
    let HeaderPart::Fetch(fetch) = part else { return None };
    let plain = setting.binds.is_some_and(|binds| binds.iter().all(|b| b.tls.is_none()));
    let anonymous = !constant::asks_for_certificates(setting);
    match fetch {
        HeaderFetch::ClientCn if anonymous => Some(("client_cn", "client_ca")),
        HeaderFetch::ClientDn if anonymous => Some(("client_dn", "client_ca")),
        HeaderFetch::TlsVersion if plain => Some(("tls_version", "tls")),
        HeaderFetch::TlsCipher if plain => Some(("tls_cipher", "tls")),
        _ => None,
    }
}
