//! Which of several requests a number is: decided by the number alone, and spread as evenly as their weights let it.

/// Slots that a wheel has at most, but for one for each request. Weights that need more are rounded.
const MOST_SLOTS: u64 = 65_536;
/// 2^64 divided by the golden ratio: its multiples are spread evenly over all numbers, whatever their step.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A round of requests that is gone through again and again. Each round starts at another slot: a thread that has every
/// second number would else meet one half of the requests only.
#[derive(Debug, Clone)]
pub(super) struct Wheel {
    slots: Vec<Slot>,
    /// How often each request stands in a round.
    counts: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    request: usize,
    /// How often it stands in the slots before.
    before: u64,
}

impl Wheel {
    /// A wheel for requests of these weights.
    pub(super) fn of(weights: &[u32]) -> Self {
        let counts = counts(weights);
        let mut next = vec![0; counts.len()];
        let slot = |request: usize| {
            next[request] += 1;
            Slot { request, before: next[request] - 1 }
        };
        let slots = order(&counts).into_iter().map(slot).collect();
        Self { slots, counts }
    }

    /// Which request this number is.
    pub(super) fn request(&self, number: u64) -> usize {
        if self.slots.len() < 2 {
            self.slots.first().map_or(0, |slot| slot.request)
        } else {
            self.slot(number).0.request
        }
    }

    /// How many numbers that are the same request come before this one. Within one round, their order is that of the
    /// slots.
    pub(super) fn occurrence(&self, number: u64) -> u64 {
        if self.slots.len() < 2 {
            return number;
        }
        let (slot, round) = self.slot(number);
        round.wrapping_mul(self.counts[slot.request]).wrapping_add(slot.before)
    }

    /// Its slot, and the number of its round.
    fn slot(&self, number: u64) -> (Slot, u64) {
        let length = self.slots.len() as u64;
        let (round, place) = (number / length, number % length);
        let first = (u128::from(round.wrapping_mul(GOLDEN)) * u128::from(length)) >> 64;
        // Both are smaller than the length.
        let index = place as usize + first as usize;
        let index = if index < self.slots.len() { index } else { index - self.slots.len() };
        (self.slots[index], round)
    }
}

/// How often each stands in a round: their weights, by their greatest common divisor.
fn counts(weights: &[u32]) -> Vec<u64> {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let divisor = weights.iter().fold(0, |divisor, weight| common_divisor(divisor, u64::from(*weight)));
    let count = |weight: &u32| match u64::from(*weight) {
        _ if total == 0 => 1,
        0 => 0,
        weight if total / divisor > MOST_SLOTS => (weight * MOST_SLOTS / total).max(1),
        weight => weight / divisor,
    };
    weights.iter().map(count).collect()
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The requests of a round in their order, by smooth weighted round robin: each gains its count in each step, and the one
/// that has most is next and pays for all.
fn order(counts: &[u64]) -> Vec<usize> {
    // Requests that are all alike need no weighing, however many.
    if counts.iter().all(|count| *count == 1) {
        return (0..counts.len()).collect();
    }
    let total: u64 = counts.iter().sum();
    let mut credits = vec![0_i64; counts.len()];
    let step = |_| {
        let mut most = 0;
        for (index, count) in counts.iter().enumerate() {
            credits[index] += *count as i64;
            // The first of equals.
            if credits[index] > credits[most] {
                most = index;
            }
        }
        credits[most] -= total as i64;
        most
    };
    (0..total).map(step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picks(weights: &[u32], numbers: impl Iterator<Item = u64>) -> Vec<usize> {
        let wheel = Wheel::of(weights);
        numbers.map(|number| wheel.request(number)).collect()
    }

    #[test]
    fn the_first_round_is_spread_evenly() {
        let check = |weights: &[u32], expected: &[usize]| {
            assert_eq!(picks(weights, 0..expected.len() as u64), expected, "{weights:?}");
        };
        check(&[], &[0, 0]);
        check(&[7], &[0, 0, 0]);
        check(&[0, 1], &[1, 1, 1]);
        check(&[0, 0], &[0, 1]);
        check(&[2, 2, 2], &[0, 1, 2]);
        check(&[3, 1], &[0, 0, 1, 0]);
        check(&[50, 10], &[0, 0, 0, 1, 0, 0]);
        check(&[4, 1, 1, 1, 1], &[0, 1, 0, 2, 3, 0, 4, 0]);
    }

    #[test]
    fn threads_that_take_turns_all_get_the_same_mix() {
        let check = |weights: &[u32], threads: usize, share: f64| {
            for thread in 0..threads {
                let picked = picks(weights, (thread as u64..).step_by(threads).take(10_000));
                let first = picked.iter().filter(|request| **request == 0).count() as f64 / 10_000.0;
                assert!((first - share).abs() < 0.005, "thread {thread} of {threads}: {first} instead of {share}");
            }
        };
        check(&[1, 1], 2, 0.5);
        check(&[1, 1], 64, 0.5);
        check(&[3, 1], 4, 0.75);
        check(&[1, 1, 1, 1], 8, 0.25);
        check(&[1, 999], 2, 0.001);
    }

    #[test]
    fn weights_that_are_too_fine_are_rounded_and_none_is_lost() {
        let wheel = Wheel::of(&[u32::MAX, 1, u32::MAX / 2]);
        assert!(wheel.slots.len() as u64 <= MOST_SLOTS + 3);
        assert_eq!(wheel.counts[1], 1);
        assert!(wheel.counts[0].abs_diff(2 * wheel.counts[2]) <= 2);
    }

    proptest! {
        #[test]
        fn each_round_is_exact_and_occurrences_count_up(
            weights in prop::collection::vec(0_u32..40, 1..6),
            round in 0..1_000_000_u64,
        ) {
            let wheel = Wheel::of(&weights);
            let length = wheel.slots.len() as u64;
            let mut seen = vec![Vec::new(); weights.len()];
            for number in round * length..(round + 1) * length {
                seen[wheel.request(number)].push(wheel.occurrence(number));
            }
            for (seen, count) in seen.iter_mut().zip(&wheel.counts) {
                seen.sort_unstable();
                prop_assert_eq!(&*seen, &(round * count..(round + 1) * count).collect::<Vec<_>>());
            }
        }
    }
}
