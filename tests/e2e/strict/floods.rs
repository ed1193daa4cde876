//! Floods of HTTP/2 frames that cost us more than they cost the client: each ends its own connection within a bounded
//! number of frames and is counted, and a client beside it does not notice.

use std::time::Duration;

use super::beside::{beside, median_while};
use super::{PATIENCE, Site, Table, Verdict, same, soon};
use crate::support::h2_raw::{
    self as h2, CANCEL, CONTINUATION, Client, DATA, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, Next,
    PING, PRIORITY, data, field, frame, get, headers, ping, request_fields, reset, settings, window_update,
};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// A flood: what goes before it, and its frames one after another.
struct Flood {
    name: &'static str,
    /// The label of `tidegate_denied_total`.
    reason: &'static str,
    before: Vec<u8>,
    /// The frames number N.
    frames: fn(u32) -> Vec<u8>,
    /// How many are sent between two looks at what came back.
    batch: u32,
    /// How many it may send before it hears of its end.
    bound: u32,
}

/// The stream of request number N.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

impl Flood {
    fn new(name: &'static str, reason: &'static str, frames: fn(u32) -> Vec<u8>) -> Flood {
        Flood { name, reason, before: Vec::new(), frames, batch: 50, bound: 5_000 }
    }

    fn behind(self, before: &[u8]) -> Flood {
        Flood { before: before.to_vec(), ..self }
    }
}

fn floods() -> Vec<Flood> {
    let open = headers(1, false, &request_fields("POST", "/v1/slow"));
    let begun = frame(HEADERS, END_STREAM, 1, &request_fields("GET", "/v1/x"));
    let get_and_reset = |number| [get(stream(number), "/v1/x"), reset(stream(number), CANCEL)].concat();
    let post_and_reset = |number| {
        let begin = headers(stream(number), false, &request_fields("POST", "/v1/x"));
        [begin, reset(stream(number), CANCEL)].concat()
    };
    let tiny =
        |name, reason, frames| Flood { bound: 20_000, ..Flood::new(name, reason, frames).behind(&open) };
    vec![
        Flood { batch: 10, ..Flood::new("requests begun and reset", "h2_rapid_reset", get_and_reset) },
        Flood {
            batch: 10,
            ..Flood::new("requests with a body begun and reset", "h2_rapid_reset", post_and_reset)
        },
        Flood {
            batch: 500,
            ..Flood::new("requests reset in the same breath", "h2_rapid_reset", get_and_reset)
        },
        Flood::new("PING", "h2_ping_flood", |_| ping(0)),
        Flood::new("SETTINGS", "h2_settings_flood", |_| settings(&[(3, 100)])),
        Flood::new("empty SETTINGS", "h2_settings_flood", |_| settings(&[])),
        Flood::new("DATA without data", "h2_empty_data_flood", |_| data(1, false, b"")).behind(&open),
        tiny("DATA of one byte", "h2_tiny_data_flood", |_| data(1, false, b"x")),
        // To the library below us it is DATA without data.
        tiny("DATA of padding alone", "h2_other_flood", |_| frame(DATA, h2::PADDED, 1, b"\x02\0\0")),
        Flood::new("windows of the connection opened by a byte", "h2_window_update_flood", |_| {
            window_update(0, 1)
        }),
        Flood::new("windows of a stream opened by a byte", "h2_window_update_flood", |_| window_update(1, 1))
            .behind(&open),
        Flood::new("CONTINUATION without fields", "h2_continuation_flood", |_| {
            frame(CONTINUATION, 0, 1, b"")
        })
        .behind(&begun),
        Flood::new("CONTINUATION with fields", "h2_continuation_flood", |_| {
            frame(CONTINUATION, 0, 1, &field(b"x-a", b"b"))
        })
        .behind(&begun),
        Flood::new("HEADERS on a stream that is open", "h2_headers_flood", |_| {
            headers(1, false, &field(b"x-a", b"b"))
        })
        .behind(&open),
        Flood::new("PRIORITY", "h2_control_flood", |number| {
            frame(PRIORITY, 0, stream(number % 1000), b"\0\0\0\0\x0f")
        }),
        Flood::new("frames of an unknown kind", "h2_control_flood", |_| frame(0x42, 0, 0, b"")),
        Flood::new("PINGs answered that nobody sent", "h2_control_flood", |_| {
            frame(PING, h2::ACK, 0, b"abcdefgh")
        }),
    ]
}

/// Sends until it hears that it is over; the connection may still be open then.
fn pour(client: &mut Client, flood: &Flood) -> Verdict {
    client.send(&flood.before);
    let mut sent = 0;
    while sent < flood.bound {
        let batch: Vec<u8> = (sent..sent + flood.batch).flat_map(flood.frames).collect();
        let written = client.send(&batch);
        sent += flood.batch;
        // A batch is read before the next one, or else the buffers of the sockets would hold a flood that nobody read.
        let patience = if written { Duration::from_millis(2) } else { PATIENCE };
        loop {
            match client.next(patience) {
                Next::Frame(frame) if frame.kind == GOAWAY => {
                    return same("GOAWAY", frame.code(), ENHANCE_YOUR_CALM);
                }
                Next::Frame(_) => {}
                // What was said may be lost with what we sent behind it.
                Next::Closed => return Ok(()),
                Next::Nothing => break,
            }
        }
    }
    Err(format!("{sent} times, and the connection is still there"))
}

#[test]
fn floods_end_their_own_connection_and_nothing_else() {
    let origin = Upstream::named("one");
    let site = Site::new("max_request_body: 1m", &origin);
    let quiet = median_while(&site, 50, || false);
    let mut table = Table::new("floods");
    let mut clients = Vec::new();
    for flood in floods() {
        let counted = || site.edge.metrics().sum("tidegate_denied_total", &[("reason", flood.reason)]);
        let before = counted();
        table.case(flood.name, &[&flood.before[..], &(flood.frames)(0)].concat(), || {
            let mut client = site.open_h2();
            let (poured, noticed) = beside(&site, quiet, || pour(&mut client, &flood));
            clients.push((flood.name, client));
            poured.and(noticed)?;
            soon(&format!("{} is counted", flood.reason), || counted() == before + 1.0)
                .map_err(|what| format!("{what}: {:?}", site.denied()))
        });
    }
    for (name, mut client) in clients {
        table.case(&format!("{name}, and a client that stays"), b"", || {
            client.end(PATIENCE).map(drop).map_err(str::to_owned)
        });
    }
    table.conclude();
    until("nothing is open any more", || site.edge.metrics().sum("tidegate_connections", &[]) == 0.0);
}

#[test]
fn lawful_clients_are_no_floods() {
    let origin = Upstream::named("one");
    let site = Site::new("max_request_body: 1m", &origin);
    let body: Vec<u8> = (0..200).flat_map(|_| data(1, false, &[b'x'; 100])).collect();
    let cases = [
        ("PING between requests", (0..50).flat_map(|_| ping(0)).collect::<Vec<_>>()),
        ("windows opened now and then", (0..200).flat_map(|_| window_update(0, 1000)).collect()),
        ("SETTINGS changed a few times", (0..10).flat_map(|_| settings(&[(3, 100)])).collect()),
    ];
    let mut table = Table::new("no floods");
    for (name, frames) in cases {
        table.case(name, &frames, || {
            let mut client = site.open_h2();
            client.send(&frames);
            client.send(&get(501, "/v1/after"));
            answered(&mut client, 501)
        });
    }
    table.case("body in many small pieces", &body, || {
        let mut client = site.open_h2();
        client.send(&headers(1, false, &request_fields("POST", "/v1/x")));
        client.send(&[&body[..], &data(1, true, b"")].concat());
        answered(&mut client, 1)
    });
    let many: Vec<u8> =
        (0..50).flat_map(|number| headers(stream(number), false, &request_fields("POST", "/v1/x"))).collect();
    table.case("everything in flight given up at once", &many, || {
        let mut client = site.open_h2();
        client.send(&[&many[..], &ping(0)].concat());
        // Requests that were only just read are no requests yet: their resets would be those of a flood.
        while !matches!(client.next(PATIENCE), Next::Frame(frame) if frame.kind == PING) {}
        client.send(&(0..50).flat_map(|number| reset(stream(number), CANCEL)).collect::<Vec<u8>>());
        client.send(&get(501, "/v1/after"));
        answered(&mut client, 501)
    });
    table.case("hundreds of requests on one connection", &get(1, "/v1/x"), || {
        let mut client = site.open_h2();
        for number in 0..400 {
            client.send(&get(stream(number), "/v1/x"));
            answered(&mut client, stream(number))?;
        }
        Ok(())
    });
    table.conclude();
}

fn answered(client: &mut Client, stream: u32) -> Verdict {
    match client.hear(stream, PATIENCE) {
        h2::Heard::Answer { status: 200, end: h2::End::Whole, .. } => Ok(()),
        heard => Err(format!("{heard:?}")),
    }
}
