//! Sessions resume wherever they may: on other connections, threads and binds, over a reload. And nowhere else: a ticket
//! never spares a client the certificate that a bind asks for.

use std::process::{Command, Stdio};

use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedProtocolVersion};

use crate::support::certificates::{Authority, Identity};
use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::scratch::Scratch;
use crate::support::tls_client::{Client, Wish};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const NAME: &str = "one.test";
const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];

struct Site {
    edge: Edge,
    authority: Authority,
    /// Vouch for clients.
    alpha: Authority,
    beta: Authority,
    upstream: Upstream,
}

/// A frontend with one bind for each of `binds`, what `tls` has besides `certificates`.
fn site(threads: usize, binds: &[&str]) -> Site {
    let directory = Scratch::new();
    let [authority, alpha, beta] = ["edge", "alpha", "beta"].map(Authority::new);
    authority.issue(&[NAME]).write(&directory, "one.pem");
    alpha.write(&directory, "alpha.pem");
    beta.write(&directory, "beta.pem");
    let upstream = Upstream::named("one");
    let path = directory.path().display().to_string();
    let settings = Settings { threads, ..Settings::default() };
    let edge =
        Edge::start_with(&settings, directory, &sections(binds), &[("dir", &path), ("one", &upstream.url())]);
    Site { edge, authority, alpha, beta, upstream }
}

fn sections(binds: &[&str]) -> String {
    let tls = |more: &&str| format!("{{address: 127.0.0.1:0, tls: {{certificates: <dir>/one.pem{more}}}}}, ");
    let binds: String = binds.iter().map(tls).collect();
    format!(
        "
frontends:
  web: {{bind: [{binds}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: <one>}}}}}}"
    )
}

const REQUIRED: &str = ", client_ca: <dir>/alpha.pem";
const OPTIONAL: &str = ", client_ca: <dir>/alpha.pem, client_verify: optional";
const OTHER: &str = ", client_ca: <dir>/beta.pem";

impl Site {
    fn client(&self, versions: &[&'static SupportedProtocolVersion], identity: Option<&Identity>) -> Client {
        Client::new(&self.authority, &Wish { identity, versions, suites: &[] })
    }

    /// Whether the session was resumed; `None` when the client was refused.
    fn resumed(&self, client: &Client, bind: usize) -> Option<bool> {
        let ask = Ask::get("/v1/models").header("host", NAME);
        let (answer, session) = client.ask(self.edge.addresses("web")[bind], NAME, &ask)?;
        assert_eq!(answer.status(), 200);
        Some(session.resumed)
    }

    fn reload(&self) {
        let before = self.reloads();
        self.edge.process.signal("HUP");
        until("the reload", || self.reloads() > before);
    }

    fn reloads(&self) -> usize {
        self.edge.process.stderr().iter().filter(|line| line.contains("is in force")).count()
    }
}

#[test]
fn session_resumes_on_every_thread() {
    let site = site(4, &[""]);
    for versions in VERSIONS {
        let client = site.client(versions, None);
        assert_eq!(site.resumed(&client, 0), Some(false));
        for _ in 0..16 {
            assert_eq!(site.resumed(&client, 0), Some(true));
        }
    }
}

#[test]
fn session_resumes_on_another_bind_that_asks_for_the_same() {
    let site = site(2, &["", ", alpn: [http/1.1]", REQUIRED, REQUIRED]);
    for versions in VERSIONS {
        let client = site.client(versions, None);
        assert_eq!(site.resumed(&client, 0), Some(false));
        assert_eq!(site.resumed(&client, 1), Some(true));
        let known = site.alpha.issue(&["app1"]);
        let client = site.client(versions, Some(&known));
        assert_eq!(site.resumed(&client, 2), Some(false));
        assert_eq!(site.resumed(&client, 3), Some(true));
    }
}

#[test]
fn session_survives_a_reload() {
    let site = site(2, &["", REQUIRED]);
    let known = site.alpha.issue(&["app1"]);
    for versions in VERSIONS {
        let clients = [site.client(versions, None), site.client(versions, Some(&known))];
        for (bind, client) in clients.iter().enumerate() {
            assert_eq!(site.resumed(client, bind), Some(false));
        }
        site.authority.issue(&[NAME]).write(&site.edge.directory, "one.pem");
        site.reload();
        for (bind, client) in clients.iter().enumerate() {
            for _ in 0..4 {
                assert_eq!(site.resumed(client, bind), Some(true), "bind {bind}");
            }
        }
    }
}

#[test]
fn session_without_a_certificate_never_passes_where_one_is_required() {
    let site = site(2, &["", OPTIONAL, OTHER, REQUIRED]);
    for versions in VERSIONS {
        for begun in [0, 1] {
            let client = site.client(versions, None);
            assert_eq!(site.resumed(&client, begun), Some(false));
            assert_eq!(site.resumed(&client, begun), Some(true), "it has a session");
            for required in [2, 3, 3] {
                assert_eq!(site.resumed(&client, required), None, "from bind {begun} to {required}");
            }
        }
    }
    assert_eq!(site.upstream.count(), 8, "none of the refused requests went on");
}

#[test]
fn session_of_another_authority_never_passes() {
    let site = site(2, &[REQUIRED, OTHER, OPTIONAL]);
    let (ours, theirs) = (site.alpha.issue(&["app1"]), site.beta.issue(&["app1"]));
    for versions in VERSIONS {
        let client = site.client(versions, Some(&theirs));
        assert_eq!(site.resumed(&client, 1), Some(false));
        assert_eq!(site.resumed(&client, 0), None, "a certificate from elsewhere");
        client.show(None);
        assert_eq!(site.resumed(&client, 0), None);
        assert_eq!(site.resumed(&client, 2), Some(false), "served, as one who shows nothing");
        client.show(Some(&ours));
        assert_eq!(site.resumed(&client, 0), Some(false), "by its certificate, not by its session");
        // From one that asks for the same authority, but does not insist.
        let client = site.client(versions, Some(&ours));
        assert_eq!(site.resumed(&client, 2), Some(false));
        client.show(None);
        assert_eq!(site.resumed(&client, 0), None);
    }
}

#[test]
fn reload_that_requires_certificates_ends_the_sessions_without() {
    let site = site(2, &[""]);
    let clients = VERSIONS.map(|versions| site.client(versions, None));
    for client in &clients {
        assert_eq!(site.resumed(client, 0), Some(false));
    }
    let file = site.edge.directory.path().join("tidegate.yaml");
    let (dir, text) =
        (site.edge.directory.path().display().to_string(), std::fs::read_to_string(&file).unwrap());
    let stricter = text.replace("one.pem}", &format!("one.pem{}}}", REQUIRED.replace("<dir>", &dir)));
    assert_ne!(text, stricter);
    site.edge.directory.write("tidegate.yaml", &stricter);
    site.reload();
    for client in &clients {
        assert_eq!(site.resumed(client, 0), None);
    }
    // And the other way round: what was required before may come back as it was.
    site.edge.directory.write("tidegate.yaml", &text);
    site.reload();
    for client in &clients {
        assert!(site.resumed(client, 0).is_some());
    }
}

#[test]
fn session_of_another_process_begins_anew() {
    let (one, two) = (site(1, &[""]), site(1, &[""]));
    for versions in VERSIONS {
        let client = Client::new(&one.authority, &Wish { versions, ..Wish::default() });
        assert_eq!(one.resumed(&client, 0), Some(false));
        // The other one has a certificate of its own authority; give it this one's.
        one.authority.issue(&[NAME]).write(&two.edge.directory, "one.pem");
        two.reload();
        assert_eq!(two.resumed(&client, 0), Some(false), "its keys are its own");
    }
}

#[test]
fn tickets_are_the_rotating_ones_and_allow_no_early_data() {
    let site = site(1, &[""]);
    for (version, protocol) in [("-tls1_2", ProtocolVersion::TLSv1_2), ("-tls1_3", ProtocolVersion::TLSv1_3)]
    {
        let mut child = Command::new("openssl")
            .args(["s_client", "-servername", NAME, version, "-ign_eof", "-connect"])
            .arg(site.edge.address("web").to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Tickets of TLS 1.3 come after the handshake: the answer shows that they have come.
        let ask = Ask::get("/v1/models").header("host", NAME).header("connection", "close");
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), &ask.bytes()).unwrap();
        let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
        assert!(said.contains("lifetime hint: 43200"), "{protocol:?}: twice the six hours of a key: {said}");
        if protocol == ProtocolVersion::TLSv1_3 {
            assert!(said.contains("Max Early Data: 0"), "{said}");
        }
    }
}
