//! The first server with room, in the order of the configuration: HAProxy's `first`. It fills a server up to its
//! `max_concurrent` before it uses the next, so that the last ones may be switched off while there is little to do.
//! Weights count for nothing here, but 0 is still no traffic.

use super::{Choice, Servers};

pub(super) fn first<S: Servers>(servers: &S) -> Choice<S::Taken> {
    let mut refused = false;
    for (position, _) in servers.open() {
        match servers.take(position) {
            Some(taken) => return Choice::Taken(taken),
            None => refused = true,
        }
    }
    servers.none_taken(refused)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;

    #[test]
    fn a_server_is_filled_before_the_next_is_used() {
        let bench = Bench::limited(&[(1, 2), (256, 1), (1, 9)]);
        let got: Vec<_> = (0..5).map(|_| first(&bench)).collect();
        assert_eq!(got, [0, 0, 1, 2, 2].map(Choice::Taken));
        bench.leave(0);
        assert_eq!(first(&bench), Choice::Taken(0));
    }

    #[test]
    fn weight_zero_is_passed_over_and_who_fills_up_meanwhile_too() {
        let bench = Bench::limited(&[(0, 9), (1, 1), (1, 1)]);
        bench.refuse(1);
        assert_eq!(first(&bench), Choice::Taken(2));
        assert_eq!(first(&bench), Choice::Full);
        assert_eq!(first(&Bench::new(&[0, 0])), Choice::Empty);
    }
}
