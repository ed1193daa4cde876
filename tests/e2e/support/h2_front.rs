//! tidegate in front of a server on TLS, reached on plain HTTP/1.1 and on HTTP/2.

use std::sync::Arc;

use rustls::ServerConfig;

use super::certificates::Authority;
use super::edge::{Edge, Settings};
use super::http::{Ask, Connection, Message};
use super::http2::Http2;
use super::scratch::Scratch;
use super::tls::server_config;

const NAME: &str = "tidegate.test";

/// What is there before tidegate is: certificates for both ends.
pub struct Ground {
    /// For a server at 127.0.0.1.
    pub config: Arc<ServerConfig>,
    /// The same as a file with certificate and key.
    pub pem: String,
    /// Worker threads of tidegate: one, so that connections can be counted.
    pub threads: usize,
    /// What a server has in its `tls` besides, after a comma.
    pub tls: &'static str,
    pub directory: Scratch,
    pub authority: Authority,
}

pub struct Front {
    pub edge: Edge,
    authority: Authority,
}

impl Ground {
    pub fn new() -> Ground {
        let (directory, authority) = (Scratch::new(), Authority::new("a"));
        let identity = authority.issue(&["127.0.0.1"]);
        let pem = identity.write(&directory, "server.pem").display().to_string();
        Ground { config: server_config(&identity), pem, threads: 1, tls: "", directory, authority }
    }

    /// Starts tidegate over the server at `url`; `backend`: what the backend has besides, indented by four.
    #[track_caller]
    pub fn front(self, backend: &str, url: &str) -> Front {
        let Ground { threads, tls, directory, authority, .. } = self;
        let ca = authority.write(&directory, "ca.pem").display().to_string();
        let pem = authority.issue(&[NAME]).write(&directory, "front.pem").display().to_string();
        let settings = Settings { threads, ..Settings::default() };
        let sections = "
defaults: {max_request_body: 20m}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    default_backend: ai
backends:
  ai:
    breaker: off
    eject: off
    cooldown: off
<backend>
    servers: {one: {url: \"<url>\", tls: {ca_file: <ca><tls>}}}";
        let values = [("backend", backend), ("url", url), ("ca", &ca), ("pem", &pem), ("tls", tls)];
        let edge = Edge::start_with(&settings, directory, sections, &values);
        Front { edge, authority }
    }
}

impl Front {
    /// A plain connection.
    #[track_caller]
    pub fn open(&self) -> Connection {
        self.edge.open()
    }

    /// One request on a plain connection of its own.
    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Message {
        self.edge.ask(ask)
    }

    #[track_caller]
    pub fn http2(&self) -> Http2 {
        Http2::connect(self.edge.addresses("web")[1], &self.authority, NAME)
    }
}
