//! Clients that show a certificate: who is let in, who is refused and counted, and how rules and servers learn whom it
//! names, in a way that no client can forge.

use std::path::PathBuf;
use std::process::Command;

use rcgen::string::BmpString;
use rcgen::{CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::support::certificates::{Authority, Identity, params};
use crate::support::curl;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Ask, Message};
use crate::support::scratch::Scratch;
use crate::support::tls_client::{Client, Wish};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const NAME: &str = "one.test";
const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];

struct Site {
    edge: Edge,
    authority: Authority,
    clients: Authority,
    upstream: Upstream,
}

/// `acls`: sections of their own; `rules`: of the frontend, after those that tell the server whom the certificate names.
/// The frontend has two binds: one requires a certificate, one does not.
fn site(acls: &str, rules: &str) -> Site {
    let directory = Scratch::new();
    let (authority, clients) = (Authority::new("edge authority"), Authority::new("client authority"));
    authority.issue(&[NAME]).write(&directory, "one.pem");
    authority.write(&directory, "ca.pem");
    clients.write(&directory, "clients.pem");
    let upstream = Upstream::named("one");
    let path = directory.path().display().to_string();
    let sections = format!(
        "
{acls}
frontends:
  web:
    bind:
      - {{address: 127.0.0.1:0, tls: {{certificates: <dir>/one.pem, client_ca: <dir>/clients.pem}}}}
      - {{address: 127.0.0.1:0, tls: {{certificates: <dir>/one.pem, client_ca: <dir>/clients.pem, client_verify: optional}}}}
    rules:
      - {{set_header: {{x-client-cn: \"%[client_cn]\", x-client-dn: \"%[client_dn]\"}}}}
{rules}
    default_backend: ai
backends:
  ai: {{servers: {{one: {{url: <one>}}}}}}"
    );
    let edge = Edge::start_with(
        &Settings::default(),
        directory,
        &sections,
        &[("dir", &path), ("one", &upstream.url())],
    );
    Site { edge, authority, clients, upstream }
}

const REQUIRED: usize = 0;
const OPTIONAL: usize = 1;

impl Site {
    fn client(&self, identity: Option<&Identity>, versions: &[&'static SupportedProtocolVersion]) -> Client {
        Client::new(&self.authority, &Wish { identity, versions, suites: &[] })
    }

    fn ask(&self, bind: usize, identity: Option<&Identity>, ask: Ask) -> Option<Message> {
        let client = self.client(identity, rustls::ALL_VERSIONS);
        let ask = ask.header("host", NAME);
        client.ask(self.edge.addresses("web")[bind], NAME, &ask).map(|(answer, _)| answer)
    }

    /// Status of a request with each version; `None` where the client is refused.
    fn statuses(&self, bind: usize, identity: Option<&Identity>) -> [Option<u16>; 2] {
        VERSIONS.map(|versions| {
            let ask = Ask::get("/v1/models").header("host", NAME);
            let address = self.edge.addresses("web")[bind];
            self.client(identity, versions).ask(address, NAME, &ask).map(|(answer, _)| answer.status())
        })
    }

    fn failures(&self) -> f64 {
        self.edge.metrics().sum("tidegate_tls_failures_total", &[("frontend", "web")])
    }

    /// The two headers of the latest request that reached the server.
    fn told(&self) -> [Option<String>; 2] {
        let last = self.upstream.requests().pop().unwrap();
        ["x-client-cn", "x-client-dn"].map(|name| last.header(name).map(str::to_owned))
    }

    /// A certificate with exactly these parts of a subject, in this order.
    fn named(&self, parts: &[(&[u64], DnValue)]) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (oid, value) in parts {
            params.distinguished_name.push(DnType::from_oid(oid), value.clone());
        }
        self.clients.sign(params, &KeyPair::generate().unwrap())
    }

    /// The same by OpenSSL, which knows subjects with several attributes in one part.
    fn named_by_openssl(&self, subject: &str) -> (Identity, PathBuf) {
        let directory = &self.edge.directory;
        directory.write("clients.key", &self.clients.key());
        // OpenSSL's own would make it the certificate of an authority.
        let config = directory.write("openssl.cnf", "[req]\ndistinguished_name = name\n[name]\n");
        let key = KeyPair::generate().unwrap().serialize_pem();
        let (file, out) = (directory.write("client.key", &key), directory.path().join("client.pem"));
        let made = Command::new("openssl")
            .args(["req", "-new", "-x509", "-days", "2", "-utf8", "-multivalue-rdn", "-subj", subject])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-config")
            .arg(config)
            .arg("-key")
            .arg(file)
            .arg("-CA")
            .arg(directory.path().join("clients.pem"))
            .arg("-CAkey")
            .arg(directory.path().join("clients.key"))
            .arg("-out")
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (Identity { certificate: std::fs::read_to_string(&out).unwrap(), key }, out)
    }
}

const CN: &[u64] = &[2, 5, 4, 3];
const O: &[u64] = &[2, 5, 4, 10];
const OU: &[u64] = &[2, 5, 4, 11];

fn utf8(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

#[test]
fn who_shows_no_good_certificate_is_refused_and_counted() {
    let site = site("", "");
    let key = || KeyPair::generate().unwrap();
    let mut expired = params(&["app1"]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    let mut early = params(&["app1"]);
    early.not_before = date_time_ymd(2090, 1, 1);
    let mut server = params(&["app1"]);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let bad = [
        ("from elsewhere", Authority::new("client authority").issue(&["app1"])),
        ("expired", site.clients.sign(expired, &key())),
        ("not yet valid", site.clients.sign(early, &key())),
        ("for servers", site.clients.sign(server, &key())),
    ];
    let mut refused = 0.0;
    for (what, identity) in &bad {
        for bind in [REQUIRED, OPTIONAL] {
            assert_eq!(site.statuses(bind, Some(identity)), [None, None], "{what}, bind {bind}");
            refused += 2.0;
            until(&format!("it is counted: {what}"), || site.failures() == refused);
        }
    }
    assert_eq!(site.statuses(REQUIRED, None), [None, None]);
    until("none at all is counted", || site.failures() == refused + 2.0);
    assert_eq!(site.upstream.count(), 0);
    until("each has its line", || site.edge.log().len() as f64 == refused + 2.0);
    let lines = site.edge.log();
    assert!(lines.iter().all(|line| line["reason"] == "tls_handshake" && line["detail"].is_string()));
}

#[test]
fn good_certificate_is_let_in_and_optional_lets_in_others_too() {
    let site = site("", "");
    let good = site.clients.issue(&["app1"]);
    let mut usage = params(&["app2"]);
    usage.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let stated = site.clients.sign(usage, &KeyPair::generate().unwrap());
    for bind in [REQUIRED, OPTIONAL] {
        for identity in [&good, &stated] {
            assert_eq!(site.statuses(bind, Some(identity)), [Some(200); 2]);
        }
    }
    assert_eq!(site.statuses(OPTIONAL, None), [Some(200); 2]);
    assert_eq!(site.failures(), 0.0);
}

#[test]
fn rules_know_whom_the_certificate_names() {
    let site = site(
        "
acls:
  known: {client_cn: [app1, app2]}
  whole: {client_dn: [\"CN=x,O=Elsewhere\", \"CN=app3,OU=Tide,O=Example\\\\, Inc.\", \"CN=Zoë,O=Example\"]}",
        "      - {deny: {status: 403}, if: not known and not whole}",
    );
    let named = |cn: &str| site.named(&[(O, utf8("Elsewhere")), (CN, utf8(cn))]);
    let status = |identity: Option<&Identity>| {
        let statuses = site.statuses(OPTIONAL, identity);
        assert_eq!(statuses[0], statuses[1]);
        statuses[0].unwrap()
    };
    for (name, expected) in
        [("app1", 200), ("app2", 200), ("app3", 403), ("APP1", 403), ("app1 ", 403), ("x", 200)]
    {
        assert_eq!(status(Some(&named(name))), expected, "{name:?}");
    }
    assert_eq!(status(None), 403);
    let inc = [(O, utf8("Example, Inc.")), (OU, utf8("Tide")), (CN, utf8("app3"))];
    assert_eq!(status(Some(&site.named(&inc))), 200);
    let order = [(OU, utf8("Tide")), (O, utf8("Example, Inc.")), (CN, utf8("app3"))];
    assert_eq!(status(Some(&site.named(&order))), 403, "the order counts");
    assert_eq!(status(Some(&site.named(&[(O, utf8("Example")), (CN, utf8("Zoë"))]))), 200);
    let forged = [(O, utf8("Elsewhere,CN=x")), (CN, utf8("nobody"))];
    assert_eq!(status(Some(&site.named(&forged))), 403, "a comma in a value is no new part");
    let forged = [(CN, utf8("x,O=Elsewhere"))];
    assert_eq!(status(Some(&site.named(&forged))), 403);
}

#[test]
fn server_is_told_the_subject_as_openssl_writes_it() {
    let site = site("", "");
    for (subject, common_name) in [
        ("/C=DE/O=Example, Inc./OU=a\\+b/CN=app1", Some("app1")),
        ("/O=Zoë & Söhne/CN=日本", Some("日本")),
        ("/O=z/CN=a+OU=b", Some("a")),
        ("/CN=first/CN=second", Some("first")),
        ("/O=<a>;\"q\"\\\\/CN=#1", Some("#1")),
        ("/O=nobody", None),
        ("/DC=org/DC=example/UID=u/emailAddress=a@b.test/serialNumber=7/CN=a=b", Some("a=b")),
    ] {
        let (identity, file) = site.named_by_openssl(subject);
        let said = Command::new("openssl")
            .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let expected = said.trim_end_matches('\n').strip_prefix("subject=").unwrap().to_owned();
        assert_eq!(site.ask(REQUIRED, Some(&identity), Ask::get("/")).unwrap().status(), 200);
        assert_eq!(site.told(), [common_name.map(str::to_owned), Some(expected)], "{subject}");
    }
}

#[test]
fn other_string_types_are_read_too() {
    let site = site("acls: {known: {client_cn: Zoë}}", "      - {deny: {status: 403}, if: not known}");
    let identity = site.named(&[(CN, DnValue::BmpString(BmpString::try_from("Zoë").unwrap()))]);
    assert_eq!(site.ask(REQUIRED, Some(&identity), Ask::get("/")).unwrap().status(), 200);
    assert_eq!(site.told(), [Some("Zoë".to_owned()), Some("CN=Zo\\C3\\AB".to_owned())]);
}

#[test]
fn common_name_with_control_characters_is_nobodys() {
    let site = site("acls: {known: {client_cn: admin}}", "      - {deny: {status: 403}, if: known}");
    for name in ["admin\0", "admin\r\nx-role: root", "ad\nmin", " admin", "admin "] {
        let identity = site.named(&[(CN, utf8(name))]);
        assert_eq!(site.ask(REQUIRED, Some(&identity), Ask::get("/")).unwrap().status(), 200);
        let [common_name, subject] = site.told();
        assert_eq!(common_name, None, "{name:?}");
        assert_ne!(subject.as_deref(), Some("CN=admin"));
        assert!(site.upstream.requests().pop().unwrap().head.all("x-role").is_empty());
    }
}

#[test]
fn what_a_client_says_of_itself_never_reaches_the_server() {
    let site = site("", "");
    let forged = || Ask::get("/").header("x-client-cn", "admin").header("X-Client-DN", "CN=admin");
    assert_eq!(site.ask(OPTIONAL, None, forged()).unwrap().status(), 200);
    assert_eq!(site.told(), [None, None]);
    let app = site.clients.issue(&["app1"]);
    for bind in [REQUIRED, OPTIONAL] {
        assert_eq!(site.ask(bind, Some(&app), forged()).unwrap().status(), 200);
        assert_eq!(site.told().map(Option::unwrap), ["app1", "CN=app1"]);
    }
}

#[test]
fn certificate_is_still_known_when_a_session_resumes() {
    let site = site("acls: {known: {client_cn: app1}}", "      - {deny: {status: 403}, if: not known}");
    let (app, other) = (site.clients.issue(&["app1"]), site.clients.issue(&["app2"]));
    for versions in VERSIONS {
        let client = site.client(Some(&app), versions);
        for resumed in [false, true, true] {
            let ask = Ask::get("/").header("host", NAME).header("x-client-cn", "admin");
            let (answer, session) = client.ask(site.edge.address("web"), NAME, &ask).unwrap();
            assert_eq!((answer.status(), session.resumed), (200, resumed));
            assert_eq!(site.told().map(Option::unwrap), ["app1", "CN=app1"]);
            // What it would show now makes no difference to a session that it has.
            client.show(Some(&other));
        }
    }
}

#[test]
fn requests_of_a_kept_connection_and_of_http2_carry_it_too() {
    let site = site("acls: {known: {client_cn: app1}}", "      - {deny: {status: 403}, if: not known}");
    let app = site.clients.issue(&["app1"]);
    let mut session = site.client(Some(&app), &[&TLS13]).connect(site.edge.address("web"), NAME).unwrap();
    for _ in 0..3 {
        let answer = session.connection.ask(&Ask::get("/").header("host", NAME));
        assert_eq!(answer.status(), 200);
        assert_eq!(site.told()[0].as_deref(), Some("app1"));
    }
    let pem = app.write(&site.edge.directory, "app1.pem").display().to_string();
    let authority = site.edge.directory.path().join("ca.pem");
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        for (bind, certificate, status) in
            [(REQUIRED, true, 200), (OPTIONAL, true, 200), (OPTIONAL, false, 403), (REQUIRED, false, 0)]
        {
            let more = [flag, "-H", "x-client-cn: admin", "--cert", &pem];
            let more = if certificate { &more[..] } else { &more[..3] };
            let got = curl::https(site.edge.addresses("web")[bind], NAME, &authority, "/v1/models", more);
            assert_eq!(got.status, status, "{flag} bind {bind}: {got:?}");
            if status == 200 {
                assert_eq!(got.version, version);
                assert_eq!(site.told().map(Option::unwrap), ["app1", "CN=app1"]);
            }
        }
    }
    let line =
        site.edge.logged("of HTTP/2", |line| line["protocol"] == "HTTP/2.0" || line["protocol"] == "HTTP/2");
    assert_eq!(line["tls"], "TLSv1.3", "{line}");
}

#[test]
fn bundle_of_authorities_vouches_for_the_clients_of_each() {
    let site = site("", "");
    let second = Authority::new("second");
    site.edge.directory.write("clients.pem", &format!("{}{}", site.clients.pem(), second.pem()));
    assert_eq!(site.statuses(REQUIRED, Some(&second.issue(&["b"]))), [None; 2]);
    site.edge.process.signal("HUP");
    until("the reload", || site.edge.process.stderr().iter().any(|line| line.contains("is in force")));
    for authority in [&site.clients, &second] {
        assert_eq!(site.statuses(REQUIRED, Some(&authority.issue(&["b"]))), [Some(200); 2]);
    }
}
