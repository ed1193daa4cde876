use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
    let size = u32::try_from(length).unwrap().to_be_bytes();
    [&size[1..], &[kind, flags, 0, 0, 0, 1][..], &vec![0xa5; length]].concat()
}

fn after_preface() -> Guard {
    let mut guard = Guard::default();
    guard.feed(PREFACE, 0, Tick(0)).unwrap();
    guard
}

/// How many of these frames pass in a moment.
fn allowed(frame: &[u8], most: usize) -> (usize, Option<Flood>) {
    let mut guard = after_preface();
    for passed in 0..most {
        if let Err(trip) = guard.feed(frame, 0, Tick(0)) {
            assert_eq!(trip.at, 0);
            return (passed, Some(trip.kind));
        }
    }
    (most, None)
}

#[test]
fn floods_trip_at_their_budget() {
    for (frame, flood) in [
        (frame(frame::RST_STREAM, 0, 4), Flood::RapidReset),
        (frame(frame::PING, 0, 8), Flood::Ping),
        (frame(frame::SETTINGS, 0, 6), Flood::Settings),
        (frame(frame::DATA, 0, 0), Flood::EmptyData),
        (frame(frame::DATA, 0, 15), Flood::TinyData),
        (frame(frame::WINDOW_UPDATE, 0, 4), Flood::WindowUpdate),
        (frame(frame::CONTINUATION, 0, 0), Flood::Continuation),
        (frame(frame::HEADERS, 0, 0), Flood::Continuation),
        (frame(2, 0, 5), Flood::Control),
        (frame(7, 0, 8), Flood::Control),
        (frame(200, 0, 100), Flood::Control),
        (frame(frame::PING, frame::ACK, 8), Flood::Control),
        (frame(frame::SETTINGS, frame::ACK, 0), Flood::Control),
    ] {
        assert_eq!(allowed(&frame, 20_000), (usize::from(flood.budget()), Some(flood)));
    }
}

#[test]
fn requests_and_data_have_no_budget() {
    for frame in [
        frame(frame::DATA, frame::END_STREAM, 0),
        frame(frame::DATA, frame::END_STREAM, 3),
        frame(frame::DATA, 0, 16),
        frame(frame::DATA, 0, 16_384),
    ] {
        assert_eq!(allowed(&frame, 30_000), (30_000, None));
    }
    let mut guard = after_preface();
    for stream in (1..60_000u32).step_by(2) {
        let mut request = frame(frame::HEADERS, frame::END_HEADERS, 50);
        request[5..9].copy_from_slice(&stream.to_be_bytes());
        guard.feed(&request, 0, Tick(0)).unwrap();
    }
}

#[test]
fn trailers_have_a_budget() {
    let mut guard = after_preface();
    let headers = frame(frame::HEADERS, frame::END_HEADERS, 50);
    guard.feed(&headers.repeat(1 + usize::from(Flood::Headers.budget())), 0, Tick(0)).unwrap();
    assert_eq!(guard.feed(&headers, 0, Tick(0)), Err(Trip { kind: Flood::Headers, at: 0 }));
}

#[test]
fn a_header_block_has_few_pieces_and_64_kilobytes() {
    let piece = frame(frame::CONTINUATION, 0, 10);
    let mut guard = after_preface();
    guard.feed(&frame(frame::HEADERS, 0, 10), 0, Tick(0)).unwrap();
    guard.feed(&piece.repeat(5), 0, Tick(0)).unwrap();
    assert_eq!(guard.feed(&piece, 0, Tick(0)), Err(Trip { kind: Flood::Continuation, at: 0 }));

    let mut guard = after_preface();
    let large = [frame(frame::HEADERS, 0, 16_384), frame(frame::CONTINUATION, 0, 16_384).repeat(3)].concat();
    guard.feed(&large, 0, Tick(0)).unwrap();
    assert_eq!(
        guard.feed(&frame(frame::CONTINUATION, 4, 1), 0, Tick(0)).unwrap_err().kind,
        Flood::Continuation
    );

    let mut guard = after_preface();
    let whole =
        [frame(frame::HEADERS, 0, 10), piece.repeat(4), frame(frame::CONTINUATION, frame::END_HEADERS, 0)];
    assert_eq!(guard.feed(&whole.concat().repeat(500), 0, Tick(0)), Ok(()));
}

#[test]
fn a_budget_comes_back_with_time() {
    let ping = frame(frame::PING, 0, 8);
    let mut guard = after_preface();
    for second in 0..1000 {
        guard.feed(&ping.repeat(20), 0, Tick(second * 1000)).unwrap();
    }
    assert!(guard.feed(&ping.repeat(201), 0, Tick(1_000_000)).is_err());
    assert!(guard.feed(&ping, 0, Tick(2_000_000)).is_err(), "tripped is tripped");
}

#[test]
fn a_download_pays_for_its_window_updates_and_pings() {
    let updates = frame(frame::WINDOW_UPDATE, 0, 4).repeat(2);
    let ping = frame(frame::PING, 0, 8);
    let mut guard = after_preface();
    // 100,000 DATA frames of 200 bytes in a moment, every one acknowledged twice, a ping after each tenth.
    for sent in 1..100_000_u64 {
        guard.feed(&updates, sent * 200, Tick(0)).unwrap();
        if sent % 10 == 0 {
            guard.feed(&ping, sent * 200, Tick(0)).unwrap();
        }
    }
    // A gigabyte more, acknowledged late, does not buy a flood without end.
    let update = frame(frame::WINDOW_UPDATE, 0, 4);
    let passed = (0..100_000).take_while(|_| guard.feed(&update, 1 << 30, Tick(0)).is_ok()).count();
    assert!((20_000..=21_000).contains(&passed), "{passed}");
}

#[test]
fn the_frames_before_the_flood_may_pass() {
    let fine = [PREFACE, &frame(frame::SETTINGS, 0, 0), &frame(frame::HEADERS, 5, 20)].concat();
    let flood = frame(frame::PING, 0, 8);
    let bytes = [&fine[..], &flood.repeat(300)].concat();
    let at = fine.len() + 200 * flood.len();
    assert_eq!(Guard::default().feed(&bytes, 0, Tick(0)), Err(Trip { kind: Flood::Ping, at }));
}

#[test]
fn what_is_no_http2_is_left_to_the_library() {
    let mut guard = Guard::default();
    let flood = frame(frame::PING, 0, 8).repeat(1000);
    assert_eq!(guard.feed(b"PRI * HTTP/2.1", 0, Tick(0)), Ok(()));
    assert_eq!(guard.feed(&flood, 0, Tick(0)), Ok(()));
}

#[test]
fn labels_differ_and_the_state_is_small() {
    assert_eq!(Flood::ALL.iter().map(|f| f.reason()).collect::<HashSet<_>>().len(), Flood::ALL.len());
    assert!(Flood::ALL.iter().enumerate().all(|(place, flood)| *flood as usize == place));
    assert!(size_of::<Guard>() <= 112, "{}", size_of::<Guard>());
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let one = (0u8..12, any::<u8>(), prop_oneof![Just(0usize), 0usize..20, 0usize..3000], 1usize..120)
        .prop_map(|(kind, flags, length, times)| frame(kind, flags, length).repeat(times));
    proptest::collection::vec(one, 0..12).prop_map(|frames| [PREFACE, &frames.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_trip_where_the_whole_trips(bytes in frames(), lengths in proptest::collection::vec(1usize..70, 1..9)) {
        let whole = Guard::default().feed(&bytes, 3000, Tick(5));
        let mut guard = Guard::default();
        let (mut start, mut pieces) = (0, Ok(()));
        for length in lengths.iter().cycle() {
            let end = (start + length).min(bytes.len());
            pieces = guard.feed(&bytes[start..end], 3000, Tick(5));
            if pieces.is_err() || end == bytes.len() {
                break;
            }
            start = end;
        }
        match (whole, pieces) {
            (Err(whole), Err(piece)) => {
                prop_assert_eq!(whole.kind, piece.kind);
                prop_assert_eq!(start + piece.at, whole.at.max(start));
                prop_assert!(start < whole.at + HEADER);
            }
            (whole, pieces) => prop_assert_eq!(whole, pieces),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(pieces: Vec<Vec<u8>>, written: u64, now: u64) {
        let mut guard = after_preface();
        for piece in pieces {
            let at = guard.feed(&piece, written, Tick(now)).map_or_else(|trip| trip.at, |()| 0);
            prop_assert!(at <= piece.len());
        }
    }
}
