//! The edge before the providers: HTTP/1.1 and HTTP/2, everything counted that must come back to nothing.

use std::net::SocketAddr;

use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::scratch::Scratch;
use crate::support::wait::{eventually, until};

const NAME: &str = "one.test";

pub struct Site {
    pub edge: Edge,
    authority: Authority,
    pem: String,
}

const SECTIONS: &str = "
tables:
  by_client: {key: src, size: 100, expire: 60s, counters: [conn_cur, http_req_cnt]}
frontends:
  web:
    bind: [{address: 127.0.0.1:<plain>}, {address: 127.0.0.1:<tls>, tls: {certificates: [<pem>]}}]
    connection_rules: [{track: by_client}]
    default_backend: ai
backends:
  ai:
    queue: {max: 1000}
<backend>";

impl Site {
    /// `backend`: lines of the backend `ai`.
    pub fn start(backend: &str) -> Site {
        let directory = Scratch::new();
        let authority = Authority::new("a");
        let pem = authority.issue(&[NAME]).write(&directory, "one.pem").display().to_string();
        let values = [("plain", "0"), ("tls", "0"), ("pem", &*pem), ("backend", backend)];
        let edge = Edge::start_with(&settings(), directory, SECTIONS, &values);
        Site { edge, authority, pem }
    }

    /// Puts another backend in force.
    pub fn reload(&self, backend: &str) {
        let values = [("plain", "0"), ("tls", "0"), ("pem", &*self.pem), ("backend", backend)];
        self.edge.reload_with(&settings(), SECTIONS, &values);
    }

    pub fn plain(&self) -> SocketAddr {
        self.edge.addresses("web")[0]
    }

    #[track_caller]
    pub fn http2(&self) -> crate::support::http2::Http2 {
        crate::support::http2::Http2::connect(self.edge.addresses("web")[1], &self.authority, NAME)
    }

    /// Waits until nothing counts as there any more, when all clients have gone; then nothing may have gone wrong inside.
    #[track_caller]
    pub fn is_at_rest(&self) {
        until(&format!("everything back to nothing: {:?}", self.leftovers()), || self.leftovers().is_empty());
        let bad = |line: &&String| line.contains("panicked") || line.contains("ERROR");
        let lines = self.edge.process.stderr();
        let bad: Vec<&String> = lines.iter().filter(bad).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        let answered = self.edge.metrics().sum("tidegate_requests_total", &[]);
        let logged = eventually("a log line for every request", || {
            let lines = self.edge.process.stdout().len();
            (lines as f64 >= answered).then_some(lines)
        });
        assert_eq!(logged as f64, answered, "log lines");
    }

    fn leftovers(&self) -> Vec<String> {
        let metrics = self.edge.metrics();
        let mut left = Vec::new();
        for name in [
            "tidegate_connections",
            "tidegate_process_connections",
            "tidegate_requests_in_flight",
            "tidegate_server_in_flight",
            "tidegate_queue_length",
            "tidegate_body_memory_bytes",
        ] {
            assert!(metrics.has(name, &[]), "no {name}");
            let value = metrics.sum(name, &[]);
            if value != 0.0 {
                left.push(format!("{name} {value}"));
            }
        }
        let table = self.edge.command("show table by_client");
        assert!(table.contains("key=127.0.0.1"), "{table}");
        if !table.contains("conn_cur=0") {
            left.push(table);
        }
        left
    }
}

fn settings() -> Settings<'static> {
    Settings { max_connections: 2000, ..Settings::default() }
}
