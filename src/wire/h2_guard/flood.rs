//! The kinds of HTTP/2 floods, and how much of each is still lawful.

/// What a client floods with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flood {
    /// Requests begun and reset (CVE-2023-44487).
    RapidReset,
    /// PINGs, each of which we answer (CVE-2019-9512).
    Ping,
    /// SETTINGS, each of which we answer (CVE-2019-9515).
    Settings,
    /// DATA frames without data (CVE-2019-9518).
    EmptyData,
    /// DATA frames that hold less than their own header does.
    TinyData,
    /// WINDOW_UPDATEs that nothing we wrote explains.
    WindowUpdate,
    /// A header block in too many, too large or empty pieces (CVE-2024-27316).
    Continuation,
    /// HEADERS on streams that are open already, or were: trailers, and what only looks like them.
    Headers,
    /// PRIORITY (CVE-2019-9513), frames of unknown types, answers to nothing.
    Control,
}

impl Flood {
    pub const ALL: [Flood; 9] = [
        Flood::RapidReset,
        Flood::Ping,
        Flood::Settings,
        Flood::EmptyData,
        Flood::TinyData,
        Flood::WindowUpdate,
        Flood::Continuation,
        Flood::Headers,
        Flood::Control,
    ];

    /// Frames in a [`super::PERIOD`]; of CONTINUATION those that add nothing.
    pub const fn budget(self) -> u16 {
        match self {
            Flood::RapidReset | Flood::Ping => 200,
            Flood::Settings => 30,
            Flood::EmptyData | Flood::Continuation => 100,
            Flood::TinyData => 10_000,
            Flood::WindowUpdate | Flood::Control => 1000,
            Flood::Headers => 500,
        }
    }

    /// A stable label for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Flood::RapidReset => "h2_rapid_reset",
            Flood::Ping => "h2_ping_flood",
            Flood::Settings => "h2_settings_flood",
            Flood::EmptyData => "h2_empty_data_flood",
            Flood::TinyData => "h2_tiny_data_flood",
            Flood::WindowUpdate => "h2_window_update_flood",
            Flood::Continuation => "h2_continuation_flood",
            Flood::Headers => "h2_headers_flood",
            Flood::Control => "h2_control_flood",
        }
    }
}
