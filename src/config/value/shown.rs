//! Quantities for messages, as short as the file would have them.

use std::time::Duration;

pub(in crate::config) fn count_text(n: u64) -> String {
    match n {
        _ if n > 0 && n.is_multiple_of(1_000_000_000) => format!("{}g", n / 1_000_000_000),
        _ if n > 0 && n.is_multiple_of(1_000_000) => format!("{}m", n / 1_000_000),
        _ => n.to_string(),
    }
}

pub(super) fn share_text(share: f64) -> String {
    format!("{}%", (share * 1000.0).round() / 10.0)
}

pub(super) fn duration_text(d: Duration) -> String {
    let ms = d.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    match units.iter().find(|(_, size)| ms.is_multiple_of(*size)) {
        _ if ms == 0 => "0".to_owned(),
        Some((unit, size)) => format!("{}{unit}", ms / size),
        None => format!("{ms}ms"),
    }
}
