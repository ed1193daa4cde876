use std::sync::Arc;

use http::HeaderValue;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::*;
use crate::runtime::target::{Addresses, Target};
use crate::upstream::connections::Connections;

/// A connection to a server that reads 64 KB every 20 ms.
async fn slow_reader() -> Session {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Handle::current().spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut space = vec![0; 64 * 1024];
        while tcp.read(&mut space).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let target = Arc::new(Target {
        id: 1,
        name: "s".into(),
        addresses: Arc::new(Addresses::new("localhost".into(), 1, vec![address])),
        moved: Arc::default(),
        tls: None,
        host: HeaderValue::from_static("localhost"),
        send_proxy: false,
        idle_timeout: Duration::from_secs(30),
        max_idle: 2,
        base_path: None,
        warned: 0.into(),
    });
    let want = Want { method: &Method::POST, upgrade: false, fresh: true, client: None };
    Connections::default().connect(&target, &want, Duration::from_secs(5)).await.unwrap()
}

#[tokio::test]
async fn a_server_that_takes_every_part_in_time_takes_no_longer_than_all_the_time_there_is() {
    let feed = Feed::default();
    // More than the kernel holds: 20 s at this pace.
    (0..1000).for_each(|_| feed.push(vec![0; 64 * 1024].into()));
    feed.end();
    let mut to = slow_reader().await;
    let mut head = Box::new(RequestHeader::build("POST", b"/", None).unwrap());
    head.insert_header(TRANSFER_ENCODING, "chunked").unwrap();
    to.send_head(head, false).await.unwrap();
    let (begun, half) = (clock::instant(), Duration::from_millis(500));
    let mut sending =
        Sending { to, source: &feed, feed: &feed, cursor: Cursor::default(), stopped: false, done_at: None };
    sending.all_there_is(Duration::from_secs(60), begun + half).await;
    assert!(sending.stopped && feed.is_refused());
    assert!((half..4 * half).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}
