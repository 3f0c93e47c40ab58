"""What an upstream with a failing endpoint did is counted as it happened."""

import unittest

from bench.openloop import Asked
from bench.outcome import Fault, Seen, outcome

ILL, WELL = 1, 2
# Ten requests a second for ten seconds; the fault is there from the second to the sixth of them.
FAULT = Fault(ILL, 1.0, 5.0)


def steady(bad: set[int] = frozenset(), slow: set[int] = frozenset()) -> list[Asked]:
    return [
        Asked(number / 10, 0.5 if number in slow else 0.001, number not in bad)
        for number in range(100)
    ]


def once() -> list[Seen]:
    return [Seen(number / 10, WELL, number) for number in range(100)]


class Outcomes(unittest.TestCase):
    def test_what_shows_in_the_first_two_seconds_is_told_apart(self) -> None:
        # One before the fault, which does not count; two at first; one later.
        found = outcome(steady(bad={5, 10, 29, 30}), once(), FAULT)
        self.assertEqual((found.bad_at_first, found.bad_later), (2, 1))
        self.assertEqual((found.good, found.good_later), (87 / 90, 69 / 70))

    def test_what_is_bad_after_the_repair_counts_too(self) -> None:
        self.assertEqual(outcome(steady(bad={99}), once(), FAULT).bad_later, 1)

    def test_only_requests_of_the_fault_count_as_load(self) -> None:
        again = [Seen(9.0, WELL, number) for number in (9, 10, 49, 50)]
        found = outcome(steady(), once() + again, FAULT)
        self.assertEqual((found.load, found.twice), (42 / 40, 4))

    def test_a_slow_request_is_in_the_percentile_of_its_time(self) -> None:
        found = outcome(steady(slow=set(range(10, 20))), once(), FAULT)
        self.assertGreater(found.p99_at_first_ms, 400)
        self.assertLess(found.p99_later_ms, 10)

    def test_a_burst_at_the_repaired_endpoint_is_seen(self) -> None:
        # It gets the whole of the eighth second, and half of the ninth.
        back = {*range(70, 80), *range(80, 90, 2)}
        seen = [Seen(one.at, ILL if one.number in back else WELL, one.number) for one in once()]
        found = outcome(steady(), seen, FAULT)
        self.assertEqual((found.first_share, found.greatest_share), (1.0, 1.0))

    def test_what_a_frozen_endpoint_reads_when_it_is_back_is_no_share(self) -> None:
        stale = [Seen(5.1, ILL, number) for number in range(20, 40)]
        found = outcome(steady(), once() + stale, FAULT)
        self.assertEqual((found.first_share, found.twice), (None, 20))


if __name__ == "__main__":
    unittest.main()
