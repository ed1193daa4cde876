//! One request to a webhook. The address is a secret: what is said of it names its scheme and host alone.

use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::base::secret::Secret;
use crate::config::checked::{Alert, AlertFormat};
use crate::runtime::compile::tls::provider;

/// How long a receiver may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub connect: Duration,
    /// All of it.
    pub total: Duration,
}

pub const TIMES: Times = Times { connect: Duration::from_secs(5), total: Duration::from_secs(10) };

/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Of an answer's body, what is looked at.
const EXCERPT: u64 = 512;
/// Parts of a webhook's path that are shorter are no secrets.
const SECRET_PART: usize = 6;

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// It asks to be left alone for so long.
    pub retry_after: Option<Duration>,
    /// The beginning of the body, for people, without our secrets.
    pub said: String,
}

impl Answer {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request may do better later.
    pub fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }
}

/// Posts to one webhook.
pub struct Post {
    agent: Agent,
    webhook: Secret,
    secrets: Vec<String>,
    total: Duration,
}

impl Post {
    pub fn new(alert: &Alert, times: Times) -> Post {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(times.connect))
            .timeout_global(Some(times.total))
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls())
            .build();
        let webhook = alert.webhook.expose();
        let path = webhook.splitn(4, '/').nth(3).unwrap_or_default();
        let mut secrets = vec![path.to_owned()];
        secrets.extend(path.split(['/', '?', '&', '=']).map(str::to_owned));
        if let AlertFormat::PagerDuty { routing_key } = &alert.format {
            secrets.push(routing_key.expose().to_owned());
        }
        secrets.retain(|secret| secret.len() >= SECRET_PART);
        Post {
            agent: Agent::new_with_config(config),
            webhook: alert.webhook.clone(),
            secrets,
            total: times.total,
        }
    }

    /// # Errors
    /// There is no whole answer; for people.
    pub fn send(&self, body: &[u8]) -> Result<Answer, String> {
        let request = self.agent.post(self.webhook.expose()).header("content-type", "application/json");
        let response = request.send(body).map_err(|error| self.words(&error))?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let mut said = Vec::new();
        // What cannot be read is not needed.
        let _ = body.into_reader().take(EXCERPT).read_to_end(&mut said);
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after.map(|wait| wait.min(LONGEST_WAIT)),
            said: self.excerpt(&said),
        })
    }

    /// Of the proxy that the environment names, an operator may not think.
    fn by_way_of(&self) -> &'static str {
        match self.agent.config().proxy() {
            Some(_) => " (the environment names a proxy, which is used unless NO_PROXY excepts the host)",
            None => "",
        }
    }

    /// One line without our secrets.
    fn excerpt(&self, said: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(said).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }

    /// Never the library's words where they may name the address.
    fn words(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                "no connection in time".to_owned()
            }
            ureq::Error::Timeout(_) => format!("no answer within {:?}", self.total),
            ureq::Error::Io(error) => format!("{error}{}", self.by_way_of()),
            ureq::Error::HostNotFound => "the name of its host is not known".to_owned(),
            ureq::Error::Rustls(error) => format!("TLS: {error}"),
            ureq::Error::Tls(what) => format!("TLS: {what}"),
            ureq::Error::ConnectionFailed => "no connection".to_owned(),
            ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
                "the proxy that the environment names (HTTPS_PROXY) makes no connection".to_owned()
            }
            ureq::Error::Protocol(_) => "its answer is no HTTP".to_owned(),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => "its address cannot be used".to_owned(),
            _ => "the request cannot be made".to_owned(),
        }
    }
}

/// The system's roots: read once, when the first https:// address is there.
fn tls() -> TlsConfig {
    static SYSTEM: OnceLock<RootCerts> = OnceLock::new();
    let roots = SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        let certificates = found.iter().map(|der| Certificate::from_der(der).to_owned());
        RootCerts::Specific(Arc::new(certificates.collect()))
    });
    TlsConfig::builder().root_certs(roots.clone()).unversioned_rustls_crypto_provider(provider()).build()
}

/// What may be said of an address: `https://hooks.slack.com`.
pub fn place(webhook: &Secret) -> String {
    let mut parts = webhook.expose().splitn(4, '/');
    let (scheme, host) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    let host = host.split(['?', '#']).next().unwrap_or_default();
    // Before an @ there is a password.
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}//{host}")
}
