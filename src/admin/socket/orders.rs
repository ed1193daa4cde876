//! Orders to the whole process: `reload`, `rollback`, `drain`, `undrain`. The answer begins as that of HAProxy's `reload`
//! does (management guide, 9.4): `Success=1` or `Success=0`, a line `--`, then what there is to say.

use std::time::Duration;

use crate::admin::View;
use crate::base::units::parse_duration;
use crate::runtime::orders::{Answer, Order};

/// The order that a command is; `None`: another command. `Err`: what is wrong with it.
pub fn parse(words: &[&str]) -> Option<Result<Order, String>> {
    Some(match words {
        ["reload"] => Ok(Order::Reload),
        ["reload", "guard", time] => guard(time),
        ["drain"] => Ok(Order::Drain),
        ["undrain"] => Ok(Order::Undrain),
        ["rollback", rest @ ..] => rollback(rest),
        ["reload", "guard", ..] => Err("usage: reload [guard <time>]\n".to_owned()),
        ["reload" | "drain" | "undrain", ..] => Err(format!("'{}' takes no argument.\n", words[0])),
        _ => return None,
    })
}

fn guard(time: &str) -> Result<Order, String> {
    match parse_duration(time) {
        Ok(time) if (SHORTEST_GUARD..=LONGEST_GUARD).contains(&time) => Ok(Order::GuardedReload(time)),
        _ => Err(format!("`{time}` is no time for a guard: 5s to 10m.\n")),
    }
}

const SHORTEST_GUARD: Duration = Duration::from_secs(5);
const LONGEST_GUARD: Duration = Duration::from_secs(600);

fn rollback(rest: &[&str]) -> Result<Order, String> {
    let (number, write) = match rest {
        [number @ .., "write"] => (number, true),
        number => (number, false),
    };
    let to =
        match number {
            [] => None,
            [number] => Some(number.parse().map_err(|_| {
                format!("`{number}` is no number of the history: 'show history' lists them.\n")
            })?),
            _ => return Err("usage: rollback [<number>] [write]\n".to_owned()),
        };
    Ok(Order::Rollback { to, write })
}

/// Gives it, and waits for what comes of it.
pub async fn give(view: &View, order: Order, who: String) -> String {
    let answer = match &view.orders {
        Some(orders) => orders.give(order, who).await,
        None => Answer::refused("no orders are taken here"),
    };
    format!("Success={}\n--\n{}\n", u8::from(answer.done), answer.message.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_told_from_other_commands() {
        assert_eq!(parse(&["reload"]), Some(Ok(Order::Reload)));
        assert_eq!(parse(&["rollback"]), Some(Ok(Order::Rollback { to: None, write: false })));
        assert_eq!(
            parse(&["rollback", "7", "write"]),
            Some(Ok(Order::Rollback { to: Some(7), write: true }))
        );
        assert_eq!(parse(&["rollback", "write"]), Some(Ok(Order::Rollback { to: None, write: true })));
        assert_eq!(
            parse(&["reload", "guard", "1m"]),
            Some(Ok(Order::GuardedReload(Duration::from_secs(60))))
        );
        for wrong in [
            &["rollback", "x"][..],
            &["reload", "guard"],
            &["reload", "guard", "1h"],
            &["rollback", "1", "2"],
            &["reload", "now"],
            &["drain", "3"],
        ] {
            assert!(matches!(parse(wrong), Some(Err(_))), "{wrong:?}");
        }
        assert_eq!(parse(&["show", "info"]), None);
    }
}
