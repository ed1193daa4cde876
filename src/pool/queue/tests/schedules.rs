//! Every order of coming, waking, looking, giving up and freeing places: when nothing is left to do, nobody waits for a
//! place that is free, and nobody is counted who is gone.

use proptest::prelude::*;

use super::*;

const SERVERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Enter {
        who: Who,
        /// It may use any server; else only this one.
        only: Option<usize>,
    },
    Act(prop::sample::Index),
    Leave(prop::sample::Index),
    /// Of a request; the how-manieth of those that are served, modulo their number.
    Finish(usize),
    /// A server has room for one more from now on.
    Grow(usize),
}

/// A waiter and its task, a step at a time: another may act between its wake-up, its look and what follows.
struct Task {
    waiting: Waiting,
    only: Option<usize>,
    next: Next,
}

#[derive(Clone, Copy, PartialEq)]
enum Next {
    Poll,
    Look,
    Sleep,
}

#[derive(Default)]
struct World {
    queue: Arc<Queue>,
    free: [usize; SERVERS],
    busy: Vec<usize>,
    tasks: Vec<Task>,
}

/// Takes a place that `only` allows.
fn take(free: &mut [usize; SERVERS], only: Option<usize>) -> Option<usize> {
    let server = (0..SERVERS).find(|&server| only.is_none_or(|only| only == server) && free[server] > 0)?;
    free[server] -= 1;
    Some(server)
}

impl World {
    fn enter(&mut self, who: Who, only: Option<usize>) {
        let first_attempt = only.is_none();
        let gated = self.queue.has_first_attempts(0);
        // As Pool::pick: one look, then one under the lock of the line.
        if let Some(server) = (!gated).then(|| take(&mut self.free, only)).flatten() {
            return self.busy.push(server);
        }
        let free = &mut self.free;
        let look = |gated: bool| if gated { None } else { take(free, only) };
        match self.queue.enter(8, who, first_attempt, look) {
            Entered::Served(server) => self.busy.push(server),
            Entered::Waiting(ticket) => {
                let waiting = Waiting { ticket, flag: Arc::default() };
                self.tasks.push(Task { waiting, only, next: Next::Poll });
            }
            Entered::Full => assert_eq!(self.queue.len(), 8),
        }
    }

    fn can_act(&self, index: usize) -> bool {
        let task = &self.tasks[index];
        task.next != Next::Sleep || task.waiting.flag.0.load(Ordering::SeqCst)
    }

    fn act(&mut self, index: usize) {
        if !self.can_act(index) {
            return;
        }
        let task = &mut self.tasks[index];
        match task.next {
            Next::Poll | Next::Sleep => {
                task.waiting.woken();
                task.next = if task.waiting.poll() { Next::Look } else { Next::Sleep };
            }
            Next::Look => match take(&mut self.free, task.only) {
                Some(server) => {
                    self.tasks.remove(index).waiting.ticket.served();
                    self.busy.push(server);
                }
                None => task.next = Next::Poll,
            },
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter { who, only } => self.enter(who, only),
            Step::Act(index) if !self.tasks.is_empty() => self.act(index.index(self.tasks.len())),
            Step::Leave(index) if !self.tasks.is_empty() => {
                drop(self.tasks.remove(index.index(self.tasks.len())))
            }
            Step::Finish(index) if !self.busy.is_empty() => {
                let server = self.busy.remove(index % self.busy.len());
                self.free[server] += 1;
                self.queue.release();
            }
            Step::Grow(server) => {
                self.free[server] += 1;
                self.queue.wake_all();
            }
            _ => {}
        }
    }

    /// Everyone acts until nobody can.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some(index) = (0..self.tasks.len()).find(|&index| self.can_act(index)) else { return };
            self.act(index);
        }
        panic!("a place goes round in circles");
    }

    fn assert_nobody_waits_in_vain(&self) {
        for task in &self.tasks {
            assert!(take(&mut self.free.clone(), task.only).is_none(), "{:?} are free", self.free);
        }
        assert_eq!(self.queue.len(), self.tasks.len());
        assert_eq!(self.queue.has_first_attempts(0), self.tasks.iter().any(|task| task.only.is_none()));
    }
}

fn a_step() -> impl Strategy<Value = Step> {
    let priority = prop::sample::select(vec![Priority::Low, Priority::Normal, Priority::High]);
    let only = prop::option::weighted(0.3, 0..SERVERS);
    prop_oneof![
        4 => (priority, 0..3_u64, only)
            .prop_map(|(priority, client, only)| Step::Enter { who: Who { priority, client, wants: 0 }, only }),
        8 => any::<prop::sample::Index>().prop_map(Step::Act),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Finish),
        1 => (0..SERVERS).prop_map(Step::Grow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_free_place_is_forgotten_and_the_count_returns_to_zero(steps in prop::collection::vec(a_step(), 1..80)) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.assert_nobody_waits_in_vain();
        while !world.busy.is_empty() {
            world.step(Step::Finish(0));
            world.settle();
            world.assert_nobody_waits_in_vain();
        }
        world.tasks.clear();
        world.assert_nobody_waits_in_vain();
        prop_assert!(world.queue.is_empty());
    }
}
