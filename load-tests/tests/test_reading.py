"""What the clients print is understood, and what went wrong is never taken for a figure."""

import unittest

from bench import BenchError
from bench.clients import Load, read_h2load, read_s_time, read_wrk
from bench.scenarios.routes import read as read_criterion

WRK = """Running 4s test @ http://127.0.0.1:18080/files/1k.bin
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.35ms  612.00us  15.10ms   92.50%
    Req/Sec    47.19k     2.10k   50.50k    75.00%
  Latency Distribution
     50%    1.23ms
     75%    1.61ms
     90%    1.97ms
     99%    2.10ms
  188123 requests in 4.01s, 230.10MB read
Requests/sec:  46913.47
"""
H2LOAD = """finished in 4.00s, 44395.25 req/s, 48.41MB/s
requests: 177581 total, 177709 started, 177581 done, 177581 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 177581 2xx, 0 3xx, 0 4xx, 0 5xx
"""
S_TIME = """2128 connections in 1.98s; 1074.75 connections/user sec, bytes read 0
2128 connections in 4 real seconds, 0 bytes read per connection
"""
CRITERION = """10,000 routes, literal  time:   [301.10 ns 302.22 ns 303.35 ns]
Found 2 outliers among 100 measurements (2.00%)
10,000 routes, a name that is too long for one line
                        time:   [1.1010 µs 1.1110 µs 1.1210 µs]
"""


class Reading(unittest.TestCase):
    def test_wrk_tells_requests_and_percentiles(self) -> None:
        self.assertEqual(read_wrk(WRK), Load(188123, 4.01, 1.23, 2.1))

    def test_a_request_that_wrk_counts_as_failed_is_an_error(self) -> None:
        lines = (
            "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
            "  Non-2xx or 3xx responses: 1\n",
        )
        for line in lines:
            with self.assertRaises(BenchError):
                read_wrk(WRK + line)

    def test_h2load_tells_what_is_done(self) -> None:
        self.assertEqual(read_h2load(H2LOAD, 4), Load(177581, 4.0))

    def test_a_request_that_h2load_counts_as_failed_is_an_error(self) -> None:
        changes = (
            ("0 failed", "2 failed"),
            ("0 errored", "2 errored"),
            ("0 timeout", "2 timeout"),
            ("0 5xx", "2 5xx"),
            ("177581 succeeded", "177580 succeeded"),
        )
        for old, new in changes:
            with self.assertRaises(BenchError, msg=new):
                read_h2load(H2LOAD.replace(old, new), 4)

    def test_handshakes_are_counted_over_real_time(self) -> None:
        self.assertEqual(read_s_time(S_TIME), Load(2128, 4.0))

    def test_output_that_is_not_understood_is_an_error(self) -> None:
        for read in (read_wrk, read_s_time, lambda told: read_h2load(told, 4)):
            with self.assertRaises(BenchError):
                read("unable to connect")

    def test_criterion_tells_the_middle_of_each_measurement(self) -> None:
        expected = {
            "10,000 routes, literal": 302.22,
            "10,000 routes, a name that is too long for one line": 1111.0,
        }
        self.assertEqual(read_criterion(CRITERION), expected)


if __name__ == "__main__":
    unittest.main()
