use proptest::prelude::*;

use super::*;

const TEN: Period = Period(10_000);

/// `update_freq_ctr_period` and `read_freq_ctr_period` of HAProxy, as they are written there, without the flapping correction.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::stick) struct Reference {
    tick: i128,
    current: i128,
    previous: i128,
}

impl Reference {
    pub(in crate::stick) fn add(&mut self, n: i128, period: i128, now: i128) {
        if now - self.tick >= period {
            self.previous = self.current;
            self.current = 0;
            self.tick += period;
            if now - self.tick >= period {
                self.previous = 0;
                self.tick = now;
            }
        }
        self.current += n;
    }

    pub(in crate::stick) fn read(&self, period: i128, now: i128) -> i128 {
        let (mut current, mut past) = (self.current, self.previous);
        let mut remain = self.tick + period - now;
        if remain < 0 {
            remain += period;
            past = if remain >= 0 { current } else { 0 };
            current = 0;
        }
        (past * remain + current * period) / period
    }
}

#[test]
fn a_period_fades_over_the_next() {
    let mut counter = RateCounter::<u32>::default();
    counter.add(10, TEN, Tick(1000));
    for (now, reading) in [(1000, 10), (10_999, 10), (11_000, 10), (11_001, 9), (16_000, 5), (20_999, 0)] {
        assert_eq!(counter.read(TEN, Tick(now)), reading, "at {now}");
    }
    counter.add(1, TEN, Tick(16_000));
    assert_eq!(counter.read(TEN, Tick(16_000)), 6);
    assert_eq!(counter.read(TEN, Tick(21_000)), 1);
}

#[test]
fn two_silent_periods_forget_everything() {
    let mut counter = RateCounter::<u32>::default();
    counter.add(10, TEN, Tick(0));
    counter.add(1, TEN, Tick(20_000));
    assert_eq!(counter.read(TEN, Tick(20_000)), 1);
}

#[test]
fn what_is_taken_back_comes_from_its_own_period() {
    let mut counter = WideRateCounter::default();
    counter.add(10, TEN, Tick(1000));
    let first = counter.began();
    counter.add(4, TEN, Tick(12_000));
    let second = counter.began();
    assert_eq!((first, second), (Tick(1000), Tick(11_000)));
    counter.take_back(6, first, TEN);
    assert_eq!(counter.read(TEN, Tick(16_000)), 4 + 4 / 2);
    counter.take_back(1, second, TEN);
    assert_eq!(counter.read(TEN, Tick(16_000)), 3 + 4 / 2);
    counter.take_back(100, second, TEN);
    assert_eq!(counter.read(TEN, Tick(16_000)), 4 / 2, "never below nothing");
    counter.add(5, TEN, Tick(22_000));
    counter.take_back(5, first, TEN);
    counter.take_back(5, Tick(0), TEN);
    assert_eq!(counter.read(TEN, Tick(22_000)), 5, "what has faded is gone");
}

#[test]
fn the_largest_values_do_not_overflow() {
    let mut counter = RateCounter::<u32>::default();
    let longest = Period::of(Duration::MAX);
    counter.add(u32::MAX, longest, Tick(5));
    counter.add(1, longest, Tick(5));
    counter.add(u32::MAX, longest, Tick(5 + longest.ms()));
    assert!(counter.read(longest, Tick(6 + longest.ms())) > u64::from(u32::MAX));
    for threshold in [0, 1, u64::from(u32::MAX), u64::MAX] {
        counter.until_at_most(threshold, longest, Tick(6 + longest.ms()));
    }
    counter.until_at_most(0, longest, Tick(u64::MAX));
    assert_eq!(Period::of(Duration::ZERO).length(), Duration::from_millis(1));
}

#[test]
fn bytes_of_a_fast_day_are_counted_whole() {
    // 10 Gb/s for a day is 108 TB.
    let day = Period::of(Duration::from_secs(86_400));
    let mut counter = WideRateCounter::default();
    for hour in 0..24 {
        counter.add(4_500_000_000_000, day, Tick(hour * 3_600_000));
    }
    assert_eq!(counter.read(day, Tick(86_399_999)), 108_000_000_000_000);
    assert_eq!(counter.read(day, Tick(86_400_000 + 43_200_000)), 54_000_000_000_000);
}

#[test]
fn bytes_stay_at_the_most_there_can_be() {
    let longest = Period::of(Duration::MAX);
    let mut counter = WideRateCounter::default();
    counter.add(u64::MAX, longest, Tick(5));
    counter.add(u64::MAX, longest, Tick(5));
    assert_eq!(counter.read(longest, Tick(5)), u64::MAX);
    let later = Tick(6 + longest.ms());
    counter.add(u64::MAX, longest, later);
    assert_eq!(counter.read(longest, later), u64::MAX);
    assert_eq!(counter.until_at_most(u64::MAX, longest, later), Duration::ZERO);
    for threshold in [0, 1, u64::from(u32::MAX), u64::MAX - 1] {
        let wait = counter.until_at_most(threshold, longest, later);
        assert!(counter.read(longest, later + wait) <= threshold);
        assert!(counter.read(longest, later + (wait - Duration::from_millis(1))) > threshold);
    }
    counter.until_at_most(0, longest, Tick(u64::MAX));
}

proptest! {
    #[test]
    fn it_counts_as_haproxy_does(
        period in 1u32..50,
        steps in prop::collection::vec((0u64..60, 0u32..20), 1..60),
    ) {
        let mut now = 1_000_000;
        let mut ours = RateCounter::<u32>::default();
        let mut theirs = Reference::default();
        for (wait, events) in steps {
            now += wait;
            if events > 0 {
                ours.add(events, Period(period), Tick(now));
                theirs.add(i128::from(events), i128::from(period), now as i128);
            }
            prop_assert_eq!(ours.read(Period(period), Tick(now)) as i128, theirs.read(i128::from(period), now as i128));
        }
    }

    #[test]
    fn the_wait_is_exact(
        period in 1u32..200,
        steps in prop::collection::vec((0u64..150, 1u32..50), 1..8),
        threshold in 0u64..60,
        wait in 0u64..150,
    ) {
        let (period, mut now, mut counter) = (Period(period), 7, RateCounter::<u32>::default());
        for (wait, events) in steps {
            now += wait;
            counter.add(events, period, Tick(now));
        }
        let now = Tick(now + wait);
        let wait = counter.until_at_most(threshold, period, now);
        prop_assert!(counter.read(period, now + wait) <= threshold);
        if !wait.is_zero() {
            prop_assert!(counter.read(period, now + (wait - Duration::from_millis(1))) > threshold);
        }
    }

    #[test]
    fn bytes_count_as_events_do_and_their_wait_is_exact(
        period in 1u32..=u32::MAX,
        steps in prop::collection::vec((0.0f64..1.5, 1u64..=u64::MAX / 64), 1..30),
        threshold in any::<u64>(),
        wait in 0.0f64..1.5,
    ) {
        let part = |of: f64| (f64::from(period) * of) as u64;
        let mut now = 10_000_000_000_000;
        let mut ours = WideRateCounter::default();
        let mut theirs = Reference::default();
        for (wait, bytes) in steps {
            now += part(wait);
            ours.add(bytes, Period(period), Tick(now));
            theirs.add(i128::from(bytes), i128::from(period), i128::from(now));
            let reading = i128::from(ours.read(Period(period), Tick(now)));
            prop_assert_eq!(reading, theirs.read(i128::from(period), i128::from(now)));
        }
        let (now, period) = (Tick(now + part(wait)), Period(period));
        // Most thresholds of 64 bits are above the reading: bring them down to it.
        let reading = ours.read(period, now);
        let threshold = reading.checked_add(1).map_or(threshold, |most| threshold % most);
        let wait = ours.until_at_most(threshold, period, now);
        prop_assert!(ours.read(period, now + wait) <= threshold);
        if !wait.is_zero() {
            prop_assert!(ours.read(period, now + (wait - Duration::from_millis(1))) > threshold);
        }
    }
}
