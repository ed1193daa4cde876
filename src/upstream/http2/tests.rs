//! HTTP/2 exchanges over a pipe: with the h2 crate as the server, or frames written by hand.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pingora::http::RequestHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Link;
use crate::base::clock::Tick;
use crate::runtime::target::{Addresses, Target};
use crate::upstream::connect::Want;
use crate::upstream::session::{Fault, Session};

const PATIENCE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(30);

fn target() -> Arc<Target> {
    Arc::new(Target {
        id: 1,
        name: "s".into(),
        addresses: Arc::new(Addresses::new(
            "a.test".into(),
            443,
            vec![SocketAddr::from(([127, 0, 0, 1], 1))],
        )),
        moved: Arc::default(),
        tls: None,
        host: HeaderValue::from_static("a.test"),
        send_proxy: false,
        idle_timeout: IDLE,
        max_idle: 8,
        base_path: None,
        warned: 0.into(),
    })
}

fn session(link: &Link, method: &Method) -> Session {
    let want = Want { method, upgrade: false, fresh: false, client: None };
    Session::http2(link.reserve().unwrap(), &target(), &want, false)
}

fn head(method: &str) -> Box<RequestHeader> {
    let mut head = RequestHeader::build_no_case(method, b"/v1/x", None).unwrap();
    head.insert_header("host", "a.test").unwrap();
    Box::new(head)
}

/// Sends a GET and reads the head of its answer.
async fn get(link: &Link) -> (Session, Result<(), Fault>) {
    let mut session = session(link, &Method::GET);
    session.send_head(head("GET"), true).await.unwrap();
    let read = session.read_head().await;
    (session, read)
}

async fn body(session: &mut Session) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    while let Some(part) = session.read_body().await? {
        all.extend_from_slice(part);
    }
    assert!(session.body_done());
    Ok(all)
}

/// A link to an h2 server that treats every request with `answer`.
async fn serving<F, R>(builder: server::Builder, answer: F) -> Link
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    Handle::current().spawn(async move {
        let mut connection = builder.handshake::<_, Bytes>(theirs).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            Handle::current().spawn(answer(request, respond));
        }
    });
    Link::begin(ours, IDLE).await.unwrap()
}

fn answer(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

async fn whole(mut body: RecvStream) -> BytesMut {
    let mut all = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        all.extend_from_slice(&part);
    }
    all
}

#[tokio::test]
async fn a_request_and_its_answer_go_through_a_stream() {
    let link = serving(server::Builder::new(), |request, mut respond| async move {
        assert_eq!(request.uri(), "https://a.test/v1/x");
        let body = whole(request.into_body()).await;
        let mut send = respond.send_response(answer(200), false).unwrap();
        send.send_data(body.freeze(), true).unwrap();
    })
    .await;
    let mut session = session(&link, &Method::POST);
    assert!(session.is_http2());
    session.send_head(head("POST"), false).await.unwrap();
    let part = Bytes::from(vec![7u8; 200_000]);
    for _ in 0..3 {
        assert!(session.send_part(&part, PATIENCE).await);
    }
    assert!(session.finish(PATIENCE).await);
    session.read_head().await.unwrap();
    let head = session.head().unwrap();
    assert_eq!((head.status, head.version), (StatusCode::OK, http::Version::HTTP_11));
    assert_eq!(head.headers["transfer-encoding"], "chunked");
    assert_eq!(body(&mut session).await.unwrap(), vec![7u8; 600_000]);
}

#[tokio::test]
async fn interim_heads_are_read_one_by_one() {
    let link = serving(server::Builder::new(), |_, mut respond| async move {
        respond.send_informational(answer(103)).unwrap();
        respond.send_response(answer(204), true).unwrap();
    })
    .await;
    let (mut session, read) = get(&link).await;
    read.unwrap();
    assert_eq!(session.head().unwrap().status, 103);
    session.read_head().await.unwrap();
    assert_eq!(session.head().unwrap().status, 204);
    assert!(session.body_done());
}

#[tokio::test]
async fn a_refused_stream_was_not_touched() {
    let link = serving(server::Builder::new(), |_, mut respond| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
    })
    .await;
    assert_eq!(get(&link).await.1, Err(Fault::Refused));
}

#[tokio::test]
async fn an_answer_that_is_reset_is_cut() {
    for reason in [Reason::INTERNAL_ERROR, Reason::NO_ERROR, Reason::REFUSED_STREAM] {
        let link = serving(server::Builder::new(), move |_, mut respond| async move {
            let mut send = respond.send_response(answer(200), false).unwrap();
            send.send_data(Bytes::from_static(b"half"), false).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            send.send_reset(reason);
        })
        .await;
        let (mut session, read) = get(&link).await;
        read.unwrap();
        assert_eq!(session.read_body().await, Ok(Some(&b"half"[..])));
        assert_eq!(session.read_body().await, Err(Fault::Cut), "{reason}");
        assert!(!session.body_done());
    }
}

#[tokio::test]
async fn an_answer_during_a_large_body_is_heard() {
    let link = serving(server::Builder::new(), |request, mut respond| async move {
        let mut send = respond.send_response(answer(413), false).unwrap();
        send.send_data(Bytes::from_static(b"too large"), true).unwrap();
        // Neither read nor reset.
        tokio::time::sleep(PATIENCE).await;
        drop(request);
    })
    .await;
    let mut session = session(&link, &Method::POST);
    session.send_head(head("POST"), false).await.unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    while session.send_part(&Bytes::from_static(&[0; 16_000]), PATIENCE).await {
        sent += 1;
        assert!(sent < 10, "the window is 64 KB");
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(!session.finish(PATIENCE).await);
    session.read_head().await.unwrap();
    assert_eq!(session.head().unwrap().status, 413);
    assert_eq!(body(&mut session).await.unwrap(), b"too large");
}

#[tokio::test]
async fn who_answers_and_resets_takes_no_more() {
    let link = serving(server::Builder::new(), |_, mut respond| async move {
        let mut send = respond.send_response(answer(400), false).unwrap();
        send.send_data(Bytes::from_static(b"no"), true).unwrap();
    })
    .await;
    let mut session = session(&link, &Method::POST);
    session.send_head(head("POST"), false).await.unwrap();
    while session.send_part(&Bytes::from_static(&[0; 16_000]), PATIENCE).await {}
    session.read_head().await.unwrap();
    assert_eq!(body(&mut session).await.unwrap(), b"no");
}

#[tokio::test]
async fn a_request_that_was_given_up_takes_no_window_from_others() {
    let mut builder = server::Builder::new();
    builder.initial_window_size(400_000).initial_connection_window_size(65_535);
    let reads = Arc::new(tokio::sync::Notify::new());
    let (waits, first) = (reads.clone(), AtomicBool::new(true));
    let link = serving(builder, move |request, mut respond| {
        let waits = first.swap(false, Ordering::Relaxed).then(|| waits.clone());
        async move {
            if let Some(waits) = waits {
                waits.notified().await;
            }
            whole(request.into_body()).await;
            respond.send_response(answer(200), true).unwrap();
        }
    })
    .await;
    let part = Bytes::from(vec![7u8; 200_000]);
    let mut stuck = session(&link, &Method::POST);
    stuck.send_head(head("POST"), false).await.unwrap();
    assert!(!stuck.send_part(&part, Duration::from_millis(200)).await);
    reads.notify_one();
    let mut other = session(&link, &Method::POST);
    other.send_head(head("POST"), false).await.unwrap();
    assert!(other.send_part(&part, PATIENCE).await);
    assert!(other.finish(PATIENCE).await);
    other.read_head().await.unwrap();
    assert_eq!(other.head().unwrap().status, 200);
}

#[tokio::test]
async fn clients_that_do_not_read_hold_up_nobody_else() {
    let link = serving(server::Builder::new(), |_, mut respond| async move {
        let mut send = respond.send_response(answer(200), false).unwrap();
        let mut left = 1_000_000;
        while left > 0 {
            send.reserve_capacity(left);
            let Some(Ok(now)) = poll_fn(|cx| send.poll_capacity(cx)).await else { return };
            left -= now;
            send.send_data(vec![1u8; now].into(), left == 0).unwrap();
        }
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let (session, read) = get(&link).await;
        read.unwrap();
        slow.push(session);
    }
    let (mut quick, read) = get(&link).await;
    read.unwrap();
    assert_eq!(body(&mut quick).await.unwrap().len(), 1_000_000);
    for session in &mut slow {
        assert_eq!(body(session).await.unwrap().len(), 1_000_000);
    }
}

#[tokio::test]
async fn a_session_that_is_dropped_cancels_its_stream_alone() {
    let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
    let link = serving(server::Builder::new(), move |_, mut respond| {
        let told = told.clone();
        async move {
            let mut send = respond.send_response(answer(200), false).unwrap();
            let reason = poll_fn(|cx| send.poll_reset(cx));
            match tokio::time::timeout(Duration::from_millis(200), reason).await {
                Ok(reason) => told.send(reason.unwrap()).unwrap(),
                Err(_) => send.send_data(Bytes::from_static(b"whole"), true).unwrap(),
            }
        }
    })
    .await;
    let (dropped, read) = get(&link).await;
    read.unwrap();
    let (mut other, read) = get(&link).await;
    read.unwrap();
    drop(dropped);
    assert_eq!(tells.recv().await, Some(Reason::CANCEL));
    assert_eq!(body(&mut other).await.unwrap(), b"whole");
}

#[tokio::test]
async fn places_are_as_many_as_the_server_takes() {
    let mut builder = server::Builder::new();
    builder.max_concurrent_streams(1);
    let link = serving(builder, |_, mut respond| async move {
        respond.send_response(answer(204), true).unwrap();
    })
    .await;
    assert_eq!(link.most(), 1);
    for _ in 0..3 {
        let (session, read) = get(&link).await;
        read.unwrap();
        assert!(link.reserve().is_none());
        drop(session);
    }
    assert!(link.reserve().is_some());
}

#[tokio::test]
async fn an_idle_connection_is_closed_behind_its_last_stream() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = Handle::current().spawn(async move {
        let mut connection = server::handshake(theirs).await.unwrap();
        let mut count = 0;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            count += 1;
            let mut send = respond.send_response(answer(200), false).unwrap();
            Handle::current().spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                send.send_data(Bytes::from_static(b"late"), true).unwrap();
            });
        }
        count
    });
    let link = Link::begin(ours, IDLE).await.unwrap();
    let (mut session, read) = get(&link).await;
    read.unwrap();
    assert!(!link.is_idle(Tick(1000)) && !link.is_idle(Tick(100_000)));
    drop(link);
    assert_eq!(body(&mut session).await.unwrap(), b"late");
    drop(session);
    assert_eq!(server.await.unwrap(), 1);
}

#[tokio::test]
async fn idle_begins_with_the_end_of_the_last_exchange() {
    let link = serving(server::Builder::new(), |_, mut respond| async move {
        respond.send_response(answer(204), true).unwrap();
    })
    .await;
    let (session, read) = get(&link).await;
    read.unwrap();
    session.give_back(&crate::upstream::connections::Connections::default(), Tick(5_000)).await;
    assert!(!link.is_idle(Tick(34_999)));
    assert!(link.is_idle(Tick(35_000)));
}

// Frames by hand.

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `:status: 200` and more fields, none of them in a table.
fn ok(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x88];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A server that has sent its SETTINGS and nothing else.
async fn by_hand() -> (Link, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    theirs.write_all(&frame(SETTINGS, 1, 0, &[])).await.unwrap();
    (Link::begin(ours, IDLE).await.unwrap(), theirs)
}

#[tokio::test]
async fn streams_above_the_last_of_a_goaway_were_not_touched_and_the_others_go_on() {
    let (mut link, mut server) = by_hand().await;
    let mut first = session(&link, &Method::GET);
    let mut second = session(&link, &Method::GET);
    first.send_head(head("GET"), true).await.unwrap();
    second.send_head(head("GET"), true).await.unwrap();
    tokio::task::yield_now().await;
    let goaway = [0, 0, 0, 1, 0, 0, 0, 0];
    server.write_all(&frame(GOAWAY, 0, 0, &goaway)).await.unwrap();
    assert_eq!(second.read_head().await, Err(Fault::Goodbye));
    assert!(link.is_over());
    let mut third = session(&link, &Method::GET);
    assert_eq!(third.send_head(head("GET"), true).await, Err(Fault::Goodbye));
    server.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &ok(&[]))).await.unwrap();
    first.read_head().await.unwrap();
    assert!(first.body_done());
}

#[tokio::test]
async fn a_request_that_a_closed_connection_had_is_cut() {
    let (link, mut server) = by_hand().await;
    let mut first = session(&link, &Method::GET);
    first.send_head(head("GET"), true).await.unwrap();
    tokio::task::yield_now().await;
    // It speaks of an error, but it had the stream.
    let goaway = [0, 0, 0, 1, 0, 0, 0, 2];
    server.write_all(&frame(GOAWAY, 0, 0, &goaway)).await.unwrap();
    drop(server);
    assert_eq!(first.read_head().await, Err(Fault::Cut));
}

#[tokio::test]
async fn a_reset_behind_the_end_of_an_answer_changes_nothing() {
    let (link, mut server) = by_hand().await;
    let mut session = session(&link, &Method::POST);
    session.send_head(head("POST"), false).await.unwrap();
    tokio::task::yield_now().await;
    let mut answer = frame(HEADERS, END_HEADERS, 1, &ok(&[]));
    answer.extend(frame(0, END_STREAM, 1, b"whole"));
    answer.extend(frame(RST_STREAM, 0, 1, &[0, 0, 0, 0]));
    server.write_all(&answer).await.unwrap();
    session.read_head().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(body(&mut session).await.unwrap(), b"whole");
    assert!(!session.send_part(&Bytes::from_static(b"more"), PATIENCE).await);
}

#[tokio::test]
async fn what_is_no_answer_is_broken() {
    let length = |length| ok(&[("content-length", length)]);
    let heads: [(Vec<u8>, &str); 6] = [
        (ok(&[("connection", "close")]), "http2_protocol"),
        (ok(&[("transfer-encoding", "chunked")]), "http2_protocol"),
        (ok(&[("content-length", "5"), ("content-length", "5")]), "repeated_content_length"),
        (ok(&[("content_length", "5")]), "invalid_field_name"),
        // No :status.
        (ok(&[("a", "b")])[1..].to_vec(), "http2_protocol"),
        // :status 101, not in the table.
        ([&[0x08, 3][..], b"101"].concat(), "invalid_status"),
    ];
    for (head_block, reason) in heads {
        let (link, mut server) = by_hand().await;
        let mut session = session(&link, &Method::GET);
        session.send_head(head("GET"), true).await.unwrap();
        tokio::task::yield_now().await;
        server.write_all(&frame(HEADERS, END_HEADERS, 1, &head_block)).await.unwrap();
        assert_eq!(session.read_head().await, Err(Fault::Broken(reason)), "{head_block:?}");
    }
    // More, and less, than the head says.
    for (told, data) in [("3", &b"12345"[..]), ("7", b"12345")] {
        let (link, mut server) = by_hand().await;
        let mut session = session(&link, &Method::GET);
        session.send_head(head("GET"), true).await.unwrap();
        tokio::task::yield_now().await;
        server.write_all(&frame(HEADERS, END_HEADERS, 1, &length(told))).await.unwrap();
        session.read_head().await.unwrap();
        server.write_all(&frame(0, END_STREAM, 1, data)).await.unwrap();
        assert_eq!(body(&mut session).await, Err(Fault::Broken("http2_protocol")), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_dead() {
    let (link, mut server) = by_hand().await;
    let begun = Instant::now();
    let (session, read) = get(&link).await;
    assert_eq!(read, Err(Fault::Cut));
    let took = begun.elapsed().as_secs();
    assert!((19..=21).contains(&took), "{took} s");
    drop(session);
    let mut said = Vec::new();
    server.read_to_end(&mut said).await.unwrap();
    assert!(said.windows(4).any(|bytes| bytes == [8, 6, 0, 0]), "a PING was sent");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_nothing_does_not_keep_a_connection_that_is_over() {
    let (ours, mut theirs) = tokio::io::duplex(256);
    theirs.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let link = tokio::time::timeout(Duration::from_secs(1), Link::begin(ours, IDLE)).await;
    let Ok(Ok(link)) = link else { panic!("no link") };
    let mut session = session(&link, &Method::POST);
    session.send_head(head("POST"), false).await.unwrap();
    assert!(session.send_part(&Bytes::from_static(&[0; 16_000]), PATIENCE).await);
    drop((session, link));
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert!(theirs.write_all(b"x").await.is_err(), "closed");
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_that_answers_pings_is_waited_for() {
    let link = serving(server::Builder::new(), |_, mut respond| async move {
        tokio::time::sleep(Duration::from_secs(300)).await;
        respond.send_response(answer(204), true).unwrap();
    })
    .await;
    let (session, read) = get(&link).await;
    read.unwrap();
    assert_eq!(session.head().unwrap().status, 204);
}

#[test]
fn a_session_may_be_held_across_threads_of_types() {
    fn sendable<T: Send + Sync>() {}
    sendable::<Session>();
}
