//! When a server counts as up or down, and as slow: pure state machines over check results. The first result after a
//! cold start decides at once (traffic waits for it, so there is nothing to be careful about); afterwards `rise` results
//! in a row change it for the better and `fall` in a row for the worse.

use std::borrow::Cow;
use std::time::Duration;

/// `check.rise`, `check.fall` and `check.slow_above`; the counts are at least 1 (0 is read as 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub rise: u32,
    pub fall: u32,
    /// A passed check that took longer speaks for a slow server; `None`: none is slow.
    pub slow_above: Option<Duration>,
}

impl Default for Thresholds {
    /// HAProxy's.
    fn default() -> Thresholds {
        Thresholds { rise: 2, fall: 3, slow_above: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not checked yet: takes no traffic where the backend has a check.
    #[default]
    Unknown,
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    Up,
    Down,
}

/// How a check ended, in the categories of HAProxy's `check_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The port answers (a `tcp` check).
    ConnectOk,
    /// Refused, unreachable, or the name does not resolve.
    ConnectFailed,
    ConnectTimeout,
    TlsFailed,
    TlsTimeout,
    /// The answer is the expected one.
    AnswerOk,
    /// An answer, but not the expected status or body.
    AnswerUnexpected,
    /// Not an answer: broken protocol, closed too early.
    AnswerInvalid,
    AnswerTimeout,
}

impl Verdict {
    pub fn passed(self) -> bool {
        matches!(self, Verdict::ConnectOk | Verdict::AnswerOk)
    }

    /// As in the `check_status` column.
    pub fn haproxy_code(self) -> &'static str {
        match self {
            Verdict::ConnectOk => "L4OK",
            Verdict::ConnectFailed => "L4CON",
            Verdict::ConnectTimeout => "L4TOUT",
            Verdict::TlsFailed => "L6RSP",
            Verdict::TlsTimeout => "L6TOUT",
            Verdict::AnswerOk => "L7OK",
            Verdict::AnswerUnexpected => "L7STS",
            Verdict::AnswerInvalid => "L7RSP",
            Verdict::AnswerTimeout => "L7TOUT",
        }
    }
}

/// One finished check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    pub verdict: Verdict,
    /// The answer's HTTP status, if there was one.
    pub code: Option<u16>,
    /// For people: `connection refused`, `status 500, expected 200`. No secrets, no bodies.
    pub reason: Cow<'static, str>,
    pub took: Duration,
}

impl CheckResult {
    pub fn passed(&self) -> bool {
        self.verdict.passed()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    state: State,
    /// Results in a row that speak against `state`.
    against: u32,
}

impl Health {
    /// Up, though nothing was checked.
    pub fn assumed_up() -> Health {
        Health { state: State::Up, against: 0 }
    }

    pub fn state(self) -> State {
        self.state
    }

    /// What is known is old: the next result that speaks against it decides.
    pub fn doubt(&mut self) {
        self.against = u32::MAX - 1;
    }

    /// Takes a result in; says when the state changed by it.
    pub fn observe(&mut self, passed: bool, thresholds: Thresholds) -> Option<Transition> {
        let needed = match (self.state, passed) {
            (State::Up, true) | (State::Down, false) => {
                self.against = 0;
                return None;
            }
            (State::Unknown, _) => 1,
            (State::Down, true) => thresholds.rise,
            (State::Up, false) => thresholds.fall,
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        *self = Health { state: if passed { State::Up } else { State::Down }, against: 0 };
        Some(if passed { Transition::Up } else { Transition::Down })
    }

    /// Whether the next results may change the state: time for the fast interval.
    pub fn is_changing(self) -> bool {
        self.against > 0 || self.state == State::Unknown
    }

    /// How long to wait before the next check.
    pub fn next_interval(self, interval: Duration, fast_interval: Duration) -> Duration {
        if self.is_changing() { fast_interval.min(interval) } else { interval }
    }

    /// HAProxy's words: `UP`, `UP 2/3` (two more failures to go), `DOWN`, `DOWN 1/2` (one pass of two). A server not
    /// checked yet takes no traffic: `DOWN`.
    pub fn text(self, thresholds: Thresholds) -> Cow<'static, str> {
        match (self.state, self.against) {
            (State::Up, 0) => Cow::Borrowed("UP"),
            (State::Up, failed) => Cow::Owned(format!(
                "UP {}/{}",
                thresholds.fall.saturating_sub(failed).max(1),
                thresholds.fall
            )),
            (State::Down, passed) if passed > 0 && thresholds.rise > 1 => {
                Cow::Owned(format!("DOWN {}/{}", passed.min(thresholds.rise - 1), thresholds.rise))
            }
            (State::Down | State::Unknown, _) => Cow::Borrowed("DOWN"),
        }
    }
}

/// Whether the checks of a server are slow. Those that fail tell nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slowness {
    slow: bool,
    /// Results in a row that speak against `slow`.
    against: u32,
    decided: bool,
}

impl Slowness {
    pub fn is_slow(self) -> bool {
        self.slow
    }

    /// Whether the next results may change it: time for the fast interval.
    pub fn is_changing(self) -> bool {
        self.against > 0
    }

    /// What is known is of another server: the next result decides at once.
    pub fn doubt(&mut self) {
        self.decided = false;
    }

    /// Takes in what a passed check took; true when it changed by it.
    pub fn observe(&mut self, took: Duration, thresholds: Thresholds) -> bool {
        let Some(limit) = thresholds.slow_above else {
            return std::mem::take(self).slow;
        };
        let slow = took > limit;
        let decided = std::mem::replace(&mut self.decided, true);
        if slow == self.slow {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        let needed = if slow { thresholds.fall } else { thresholds.rise };
        if decided && self.against < needed {
            return false;
        }
        (self.slow, self.against) = (slow, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Thresholds = Thresholds { rise: 2, fall: 3, slow_above: Some(Duration::from_millis(100)) };

    fn run(health: &mut Health, results: &str) -> String {
        results
            .chars()
            .map(|c| match health.observe(c == '+', USUAL) {
                Some(Transition::Up) => 'U',
                Some(Transition::Down) => 'D',
                None => '.',
            })
            .collect()
    }

    #[test]
    fn the_first_result_decides_at_once() {
        assert_eq!(run(&mut Health::default(), "+"), "U");
        assert_eq!(run(&mut Health::default(), "-"), "D");
    }

    #[test]
    fn later_changes_need_rise_and_fall_in_a_row() {
        assert_eq!(run(&mut Health::default(), "+--+---+++"), "U.....D.U.");
        assert_eq!(run(&mut Health::default(), "-+-+++"), "D...U.");
    }

    #[test]
    fn checks_are_fast_while_the_state_may_change() {
        let (slow, fast) = (Duration::from_secs(5), Duration::from_secs(1));
        let mut health = Health::default();
        let mut next = |results: &str| {
            run(&mut health, results);
            health.next_interval(slow, fast)
        };
        assert_eq!(next(""), fast);
        assert_eq!(next("+"), slow);
        assert_eq!(next("-"), fast);
        assert_eq!(next("+"), slow);
        assert_eq!(next("---"), slow);
        assert_eq!(next("+"), fast);
        assert_eq!(next("+"), slow);
    }

    #[test]
    fn status_speaks_haproxys_words() {
        let mut health = Health::default();
        let mut text = |results: &str| {
            run(&mut health, results);
            health.text(USUAL).into_owned()
        };
        assert_eq!(text(""), "DOWN");
        assert_eq!(text("+"), "UP");
        assert_eq!(text("-"), "UP 2/3");
        assert_eq!(text("-"), "UP 1/3");
        assert_eq!(text("-"), "DOWN");
        assert_eq!(text("+"), "DOWN 1/2");
        assert_eq!(text("+"), "UP");
    }

    #[test]
    fn in_doubt_one_result_decides() {
        let mut health = Health::default();
        run(&mut health, "+");
        health.doubt();
        assert_eq!((health.text(USUAL), health.is_changing()), ("UP 1/3".into(), true));
        assert_eq!(run(&mut health, "-"), "D");
        health.doubt();
        assert_eq!(health.text(USUAL), "DOWN 1/2");
        assert_eq!(run(&mut health, "-"), ".");
        assert_eq!(health.text(USUAL), "DOWN");
        health.doubt();
        assert_eq!(run(&mut health, "++--"), "U...");
    }

    #[test]
    fn a_threshold_of_zero_counts_as_one() {
        let mut health = Health::default();
        let zero = Thresholds { rise: 0, fall: 0, slow_above: None };
        assert_eq!(health.observe(true, zero), Some(Transition::Up));
        assert_eq!(health.observe(false, zero), Some(Transition::Down));
    }

    fn slow_or_fast(slowness: &mut Slowness, results: &str) -> String {
        let mut one = |c| {
            let took = Duration::from_millis(if c == 's' { 101 } else { 100 });
            slowness.observe(took, USUAL);
            if slowness.is_slow() { 'S' } else { '.' }
        };
        results.chars().map(&mut one).collect()
    }

    #[test]
    fn slow_checks_need_fall_in_a_row_and_quick_ones_rise() {
        assert_eq!(slow_or_fast(&mut Slowness::default(), "fssfsssfsffs"), "......SSSS..");
    }

    #[test]
    fn the_first_result_of_a_slow_server_decides_at_once() {
        let mut slowness = Slowness::default();
        assert_eq!(slow_or_fast(&mut slowness, "sff"), "SS.");
        slowness.doubt();
        assert_eq!(slow_or_fast(&mut slowness, "s"), "S");
        slowness.doubt();
        assert_eq!(slow_or_fast(&mut slowness, "fss"), "...");
        assert!(!slowness.observe(Duration::from_secs(9), Thresholds { slow_above: None, ..USUAL }));
    }
}
