//! Checks of servers that speak HTTP/2: the same version as for traffic.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::checks_tls::{authority, edge, verdicts};
use crate::support::scratch::Scratch;

/// What a server on HTTP/2 was asked: method, path, `authorization`, body.
type Asked = [String; 4];

/// A server that speaks HTTP/2 alone; it answers every request with 200, a header and `ready`.
struct Http2Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _stop: oneshot::Sender<()>,
}

impl Http2Server {
    fn start(config: &ServerConfig) -> Http2Server {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener, acceptor, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        Http2Server { address, asked, _stop: stop }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, seen: Arc<Mutex<Vec<Asked>>>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        tokio::task::spawn_local(async move {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::task::spawn_local(reply(request, respond, Arc::clone(&seen)));
            }
        });
    }
}

async fn reply(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    seen: Arc<Mutex<Vec<Asked>>>,
) {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(Ok(part)) = body.data().await {
        let _ = body.flow_control().release_capacity(part.len());
        bytes.extend_from_slice(&part);
    }
    let key = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let path = head.uri.path_and_query().unwrap().as_str();
    let asked = [head.method.as_str(), path, key, &String::from_utf8_lossy(&bytes)].map(str::to_owned);
    seen.lock().unwrap().push(asked);
    let answer = http::Response::builder().header("x-ready", "yes").body(()).unwrap();
    let mut send = respond.send_response(answer, false).unwrap();
    let _ = send.send_data(Bytes::from_static(b"ready"), true);
}

#[test]
fn a_server_on_http2_is_checked_on_http2() {
    let directory = Scratch::new();
    let (ca, config) = authority(&directory);
    let server = Http2Server::start(&config);
    let one = |more: &str| {
        format!("url: \"https://{}/base\", api_key: key, tls: {{ca_file: {ca}{more}}}", server.address)
    };
    let expect = "expect: {status: [200], header: {x-ready: \"yes\"}, body: {contains: ready}}";
    let edge = edge(
        directory,
        &[
            (&format!("http: {{path: /models, {expect}}}"), one("")),
            (&format!("http: {{method: POST, path: /post, body: hello, {expect}}}"), one("")),
            ("http: {expect: {body: {contains: other}}}", one("")),
            ("tcp: {}", one("")),
            ("http: {path: /one}", one(", alpn: [http/1.1]")),
        ],
    );
    let told = ["UP L7OK", "UP L7OK", "DOWN L7RSP", "UP L4OK", "DOWN L6RSP"];
    assert_eq!(verdicts(&edge), told, "{}", edge.process.transcript());
    let asked = server.asked();
    for expected in [["GET", "/base/models", "Bearer key", ""], ["POST", "/base/post", "Bearer key", "hello"]]
    {
        assert!(asked.contains(&expected.map(str::to_owned)), "{asked:?}");
    }
}
