//! A client of the demo: one keep-alive connection over TLS, every answer checked for completeness.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::plan::{Plan, TRAFFIC_KEY};

/// Longer than anything the demo's configuration lets happen.
const PATIENCE: Duration = Duration::from_secs(20);
const CHAT: &str = r#"{"model":"gpt-4.1","messages":[{"role":"user","content":"How are you today?"}]}"#;
const STREAM: &str = r#"{"model":"gpt-4.1","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Tell me everything."}]}"#;
const EMBEDDING: &str =
    r#"{"model":"text-embedding-3-small","encoding_format":"base64","input":"A sentence to embed."}"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Chat,
    Stream,
    Embedding,
    Models,
}

/// What a client sees when it is not served.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("connection broken: {0}")]
    Broken(#[from] hyper::Error),
    #[error("status {0}: {1}")]
    Status(u16, String),
    #[error("incomplete answer ({0:?})")]
    Incomplete(Ask),
    #[error("no answer within {PATIENCE:?}")]
    TimedOut,
}

pub struct Client {
    tls: TlsConnector,
    address: std::net::SocketAddr,
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(plan: &Plan, tls: TlsConnector) -> Client {
        let authority = format!("localhost:{}", plan.edge.port());
        Client { tls, address: plan.edge, authority, sender: None }
    }

    /// The name of the provider that answered. After a failure the next call connects anew.
    pub async fn call(&mut self, ask: Ask) -> Result<String, Failure> {
        let result =
            tokio::time::timeout(PATIENCE, self.exchange(ask)).await.unwrap_or(Err(Failure::TimedOut));
        if result.is_err() {
            self.sender = None;
        }
        result
    }

    async fn exchange(&mut self, ask: Ask) -> Result<String, Failure> {
        let request = self.request(ask);
        let response = self.connection().await?.send_request(request).await?;
        let provider = header(&response, "x-mock-server");
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let excerpt: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(Failure::Status(status.as_u16(), excerpt));
        }
        if complete(ask, &body) { Ok(provider) } else { Err(Failure::Incomplete(ask)) }
    }

    fn request(&self, ask: Ask) -> Request<Full<Bytes>> {
        let (method, path, body) = match ask {
            Ask::Chat => (Method::POST, "/v1/chat/completions", CHAT),
            Ask::Stream => (Method::POST, "/v1/chat/completions", STREAM),
            Ask::Embedding => (Method::POST, "/v1/embeddings", EMBEDDING),
            Ask::Models => (Method::GET, "/v1/models", ""),
        };
        let mut request = Request::new(Full::new(Bytes::from_static(body.as_bytes())));
        *request.method_mut() = method;
        *request.uri_mut() = hyper::Uri::from_static(path);
        let headers = request.headers_mut();
        for (name, value) in [
            (HOST, self.authority.as_str()),
            (AUTHORIZATION, &format!("Bearer {TRAFFIC_KEY}")),
            (CONTENT_TYPE, "application/json"),
        ] {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        }
        request
    }

    /// The connection there is, or a new one where the balancer has closed it between two requests.
    async fn connection(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failure> {
        let usable = match self.sender.as_mut() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.sender = None;
        }
        match &mut self.sender {
            Some(sender) => Ok(sender),
            empty => {
                let stream = TcpStream::connect(self.address).await.map_err(Failure::Connect)?;
                // A delay on this side would be measured as the balancer's.
                stream.set_nodelay(true).map_err(Failure::Connect)?;
                let name = ServerName::from(
                    rustls_pki_types::DnsName::try_from("localhost")
                        .map_err(|_| Failure::Connect(std::io::ErrorKind::InvalidInput.into()))?,
                );
                let stream = self.tls.connect(name, stream).await.map_err(Failure::Connect)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::task::spawn_local(connection);
                Ok(empty.insert(sender))
            }
        }
    }
}

/// TLS that trusts the demo's authority and nothing else.
pub fn connector(plan: &Plan) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&plan.ca)? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn header(response: &Response<hyper::body::Incoming>, name: &str) -> String {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or("unknown").to_owned()
}

/// Whether all of the answer is there: a whole JSON document of its kind, or a stream up to its end mark.
fn complete(ask: Ask, body: &[u8]) -> bool {
    let has = |list: &str| {
        let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        value.and_then(|value| Some(!value.get(list)?.as_array()?.is_empty())).unwrap_or(false)
    };
    match ask {
        Ask::Chat => has("choices"),
        Ask::Embedding | Ask::Models => has("data"),
        Ask::Stream => body.ends_with(b"data: [DONE]\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_answer_is_not_complete() {
        assert!(complete(Ask::Chat, br#"{"choices":[{}]}"#));
        assert!(!complete(Ask::Chat, br#"{"choices":[{}"#));
        assert!(!complete(Ask::Models, br#"{"data":[]}"#));
        assert!(complete(Ask::Stream, b"data: {}\n\ndata: [DONE]\n\n"));
        assert!(!complete(Ask::Stream, b"data: {}\n\ndata: {\"error\":{}}\n\n"));
    }
}
