//! Who is served when: priorities, turns between clients, arrival.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn who(priority: Priority, client: u64) -> Who {
    Who { priority, client, wants: 0 }
}

fn normal(client: u64) -> Who {
    who(Priority::Normal, client)
}

/// A line with names, of which one after the other is served.
#[derive(Default)]
struct Served {
    queue: Arc<Queue>,
    line: Vec<(Who, Waiting)>,
}

impl Served {
    fn enter(&mut self, who: Who) {
        let mut waiting = Waiting::enter_as(&self.queue, who);
        assert!(!waiting.poll());
        self.line.push((who, waiting));
    }

    fn enter_many(&mut self, who: Who, count: usize) {
        (0..count).for_each(|_| self.enter(who));
    }

    /// One place is freed: who gets it.
    fn serve(&mut self) -> Who {
        self.queue.release();
        let woken: Vec<usize> = (0..self.line.len()).filter(|&i| self.line[i].1.woken()).collect();
        assert_eq!(woken.len(), 1, "one place wakes one");
        let (who, mut waiting) = self.line.remove(woken[0]);
        assert!(waiting.poll());
        waiting.ticket.served();
        who
    }

    fn serve_clients(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.serve().client).collect()
    }
}

#[test]
fn a_client_with_a_hundred_waiting_delays_another_by_one_service() {
    let mut line = Served::default();
    line.enter_many(normal(1), 100);
    line.enter(normal(2));
    assert_eq!(line.serve_clients(3), [1, 2, 1]);
    line.serve_clients(40);
    line.enter(normal(3));
    assert_eq!(line.serve_clients(2), [3, 1]);
}

#[test]
fn clients_take_turns() {
    let mut line = Served::default();
    for client in [1, 2, 3] {
        line.enter_many(normal(client), 3);
    }
    assert_eq!(line.serve_clients(9), [1, 2, 3, 1, 2, 3, 1, 2, 3]);
}

#[test]
fn who_always_comes_back_at_once_gets_every_other_place_and_no_more() {
    let mut line = Served::default();
    line.enter_many(normal(1), 20);
    line.enter(normal(2));
    let mut served = Vec::new();
    for _ in 0..10 {
        let client = line.serve().client;
        served.push(client);
        if client == 2 {
            line.enter(normal(2));
        }
    }
    assert_eq!(served, [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn who_leaves_takes_no_turn_of_its_client_along() {
    let mut line = Served::default();
    line.enter_many(normal(1), 50);
    line.enter_many(normal(2), 50);
    line.line.drain(..49);
    assert_eq!(line.serve_clients(3), [1, 2, 2]);
    line.enter(normal(1));
    assert_eq!(line.serve_clients(2), [1, 2]);
}

#[test]
fn a_place_told_to_one_who_leaves_stays_its_clients_turn() {
    let mut line = Served::default();
    line.enter_many(normal(1), 3);
    line.enter_many(normal(2), 3);
    line.queue.release();
    assert!(line.line[0].1.woken());
    drop(line.line.remove(0));
    assert!(line.line[0].1.woken(), "its client's next has it");
    let (_, mut waiting) = line.line.remove(0);
    assert!(waiting.poll());
    waiting.ticket.served();
    assert_eq!(line.serve_clients(3), [2, 1, 2]);
}

#[test]
fn high_goes_before_normal_before_low_and_turns_are_taken_in_each() {
    let mut line = Served::default();
    line.enter_many(who(Priority::Low, 1), 2);
    line.enter_many(who(Priority::Normal, 2), 2);
    line.enter_many(who(Priority::High, 3), 2);
    line.enter(who(Priority::High, 1));
    line.enter(who(Priority::Low, 4));
    assert_eq!(line.serve_clients(8), [3, 1, 3, 2, 2, 1, 4, 1]);
}

fn anyone() -> impl Strategy<Value = Who> {
    (prop::sample::select(vec![Priority::Low, Priority::Normal, Priority::High]), 0..5_u64)
        .prop_map(|(priority, client)| who(priority, client))
}

proptest! {
    /// Of a line to which nobody comes any more, the order is known: priority, the how-manieth of its client, arrival.
    #[test]
    fn a_standing_line_is_served_by_priority_turn_and_arrival(
        whos in prop::collection::vec((anyone(), prop::bool::weighted(0.3)), 1..60),
    ) {
        let queue: Arc<Queue> = Arc::default();
        let mut line: Vec<_> = whos.iter().map(|&(who, leaves)| (who, leaves, Waiting::enter_as(&queue, who))).collect();
        line.retain(|(_, leaves, _)| !leaves);
        let mut seen: HashMap<(Priority, u64), usize> = HashMap::new();
        let mut expected = Vec::new();
        for (arrival, (who, _, waiting)) in line.iter_mut().enumerate() {
            prop_assert!(!waiting.poll());
            let turn = seen.entry((who.priority, who.client)).or_default();
            expected.push((std::cmp::Reverse(who.priority), *turn, arrival));
            *turn += 1;
        }
        expected.sort_unstable();
        let mut line: HashMap<usize, Waiting> = line.into_iter().map(|(_, _, waiting)| waiting).enumerate().collect();
        for (_, _, next) in expected {
            queue.release();
            let mut waiting = line.remove(&next).unwrap();
            prop_assert!(waiting.woken() && waiting.poll(), "it is the turn of {}", next);
            prop_assert!(line.values().all(|other| !other.woken()));
            waiting.ticket.served();
        }
        prop_assert!(queue.is_empty());
    }

    /// Whoever comes and goes: while two clients of a priority both have somebody in line, neither is served more than
    /// two times oftener than the other (the one service by which it may have been behind before, and one more).
    #[test]
    fn no_client_that_waits_falls_further_and_further_behind_another(
        steps in prop::collection::vec((0..3_u8, 0..4_u64, any::<prop::sample::Index>()), 1..200),
    ) {
        let mut line = Served::default();
        // For each pair of clients: how often either was served while both waited.
        let mut score: HashMap<(u64, u64), i32> = HashMap::new();
        for (step, client, index) in steps {
            match step {
                0 => line.enter(normal(client)),
                1 if !line.line.is_empty() => drop(line.line.remove(index.index(line.line.len()))),
                _ if !line.line.is_empty() => {
                    let served = line.serve().client;
                    for other in 0..4 {
                        *score.entry((served, other)).or_default() += 1;
                        *score.entry((other, served)).or_default() -= 1;
                    }
                }
                _ => {}
            }
            for a in 0..4 {
                for b in 0..4 {
                    let waits = |client| line.line.iter().any(|(who, _)| who.client == client);
                    let score = score.entry((a, b)).or_default();
                    if a == b || !waits(a) || !waits(b) {
                        *score = 0;
                    }
                    prop_assert!(*score <= 2, "{} was served {} times oftener than {}", a, score, b);
                }
            }
        }
    }
}
