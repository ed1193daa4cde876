//! One frontend that is reached in every way a client can come, over one server: what a rule does is to be the same on
//! plain HTTP/1, on HTTP/1 over TLS and on HTTP/2.

use super::certificates::Authority;
use super::edge::{Edge, Settings};
use super::http::{Ask, Connection, Message};
use super::http2::Http2;
use super::scratch::Scratch;
use super::tls::{self, Offer};
use super::upstream::Upstream;

const NAME: &str = "tidegate.test";

pub struct Site {
    pub edge: Edge,
    pub one: Upstream,
    authority: Authority,
}

impl Site {
    /// `sections`: tables, ACLs and the like. `frontend`: what the frontend `web` has besides, indented by four. `<one>`
    /// is the server's URL.
    #[track_caller]
    pub fn new(sections: &str, frontend: &str, one: Upstream) -> Site {
        Site::within(Scratch::new(), sections, frontend, "", one)
    }

    /// The same with a base path in the server's URL, in a directory (`<dir>`) that holds files.
    #[track_caller]
    pub fn within(directory: Scratch, sections: &str, frontend: &str, base: &str, one: Upstream) -> Site {
        let authority = Authority::new("a");
        let pem = authority.issue(&[NAME]).write(&directory, "site.pem").display().to_string();
        let (path, url) = (directory.path().display().to_string(), one.url());
        let config = format!(
            "
{sections}
frontends:
  web:
    bind: [{{address: 127.0.0.1:0}}, {{address: 127.0.0.1:0, tls: {{certificates: [<pem>]}}}}]
    default_backend: ai
{frontend}
backends:
  ai: {{retry: {{attempts: 1}}, breaker: off, cooldown: off, servers: {{one: {{url: <one>{base}}}}}}}"
        );
        let values = [("pem", pem.as_str()), ("dir", &path), ("one", &url)];
        let edge = Edge::start_with(&Settings::default(), directory, &config, &values);
        Site { edge, one, authority }
    }

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

    /// HTTP/1 over TLS.
    #[track_caller]
    pub fn open_tls(&self) -> Connection {
        let address = self.edge.addresses("web")[1];
        tls::connect(address, &self.authority, &Offer::http1(NAME)).unwrap().connection
    }

    #[track_caller]
    pub fn http2(&self) -> Http2 {
        Http2::connect(self.edge.addresses("web")[1], &self.authority, NAME)
    }

    /// The answers to one request in every way it can come: HTTP/1, HTTP/1 over TLS, HTTP/2.
    #[track_caller]
    pub fn everywhere(&self, ask: &Ask) -> [Message; 3] {
        [self.ask(ask), self.open_tls().ask(ask), self.http2().ask(ask)]
    }
}
