"""The parts of the harness that decide something, without a server."""

import hashlib
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import growth, machine, mysql, process, report, syscalls, sysbench  # noqa: E402
from harness.scenarios import Idle, Sample, Scenario  # noqa: E402

SYSBENCH = """
Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.012 |**************************************** 90
       0.013 |***                                      9
       0.020 |                                         1

SQL statistics:
    ignored errors:                      0      (0.00 per sec.)

General statistics:
    total time:                          2.0000s
    total number of events:              100
"""

STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           1       200           write
 40.00    0.000200           1       210        10 read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500           1       410        10 total
"""

SMAPS = """\
55d000-7ff000 ---p 00000000 00:00 0                              [rollup]
Rss:                4000 kB
Pss:                3000 kB
Pss_Dirty:          1000 kB
Private_Clean:       500 kB
Private_Dirty:      1500 kB
"""


def sample(cpu: float, rate: float = 1.0) -> Sample:
    return Sample(rate=rate, p50=None, p99=None, cpu_us=cpu, foreign=0.0)


class Sysbench(unittest.TestCase):
    def test_report_is_read(self):
        load = sysbench.parse(SYSBENCH, cpu=1.5)
        self.assertEqual((load.events, load.seconds, load.rate), (100, 2.0, 50.0))
        self.assertEqual((load.p50, load.p99), (0.012, 0.013))

    def test_errors_are_not_overlooked(self):
        with self.assertRaisesRegex(RuntimeError, '3 errors'):
            sysbench.parse(SYSBENCH.replace('errors:                      0',
                                            'errors:                      3'), cpu=1.5)

    def test_missing_figure_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, 'did not report'):
            sysbench.parse(SYSBENCH.replace('total time', 'time'), cpu=1.5)


class Ratios(unittest.TestCase):
    ROUNDS = [{'haproxy': sample(10), 'floor': sample(8)},
              {'haproxy': sample(20), 'floor': sample(18)},
              {'haproxy': sample(100), 'floor': sample(70)}]

    def test_within_rounds(self):
        self.assertEqual(report.ratio(self.ROUNDS, 'cpu_us', 'floor', 'haproxy'), [0.8, 0.9, 0.7])

    def test_median_of_ratios_is_reported(self):
        row = report.scenario_row(self.ROUNDS, 'floor')
        self.assertIn('0.80 (0.70–0.90)', row)

    def test_missing_base_gives_no_ratio(self):
        self.assertEqual(report.ratio(self.ROUNDS, 'rate', 'floor', 'direct'), [])


class IdleTable(unittest.TestCase):
    @staticmethod
    def idle(kib: int) -> Idle:
        def memory(total: int) -> dict[str, int]:
            return {'Rss': total, 'Private': total}
        return Idle(sessions=100, empty=memory(5000), half=memory(5000 + kib // 2),
                    full=memory(5000 + kib), closed=memory(5000))

    def test_ratios_are_of_the_growth_per_session(self):
        row = report.idle_row('floor', [self.idle(100)],
                              {'haproxy': [self.idle(400)], 'floor': [self.idle(100)]})
        self.assertEqual(row[:6], ['floor', '1.00', '1.00', '1.00', '0.25', '1.00'])

    def test_yardstick_that_did_not_grow_gives_no_ratio(self):
        row = report.idle_row('floor', [self.idle(100)], {'haproxy': [self.idle(0)]})
        self.assertEqual(row[4:6], ['', ''])


class Targets(unittest.TestCase):
    def test_time(self):
        scenario = Scenario('text-1', 'title', 'statement', load=None, target=0.90)
        rounds = [{'haproxy': sample(10), 'perilune': sample(8.9), 'perilune-known': sample(9.1)}]
        rows = report.time_targets({'text-1': (scenario, rounds)})
        self.assertEqual(report.missed(rows), ['perilune-known: CPU ÷ HAProxy, text-1'])

    def test_memory(self):
        idle = Idle(sessions=100, empty={'Rss': 9000}, half={'Rss': 9150}, full={'Rss': 9300},
                    closed={'Rss': 9300})
        self.assertEqual(idle.per_further_session('Rss'), 3.0)
        self.assertEqual(report.missed(report.idle_targets({'perilune': [idle]})),
                         ['perilune: KiB per idle session'])

    def test_calls_per_session_are_those_of_known_credentials(self):
        counts = {name: {'session': syscalls.Counts({'read': 39.0})} for name in report.OURS}
        self.assertEqual(report.missed(report.call_targets(counts)),
                         ['perilune-known: system calls per session'])


class Strace(unittest.TestCase):
    def test_table_with_and_without_errors_column(self):
        self.assertEqual(syscalls.parse(STRACE), {'write': 200, 'read': 210})


class Machine(unittest.TestCase):
    def test_memory(self):
        self.assertEqual(process.parse_smaps_rollup(SMAPS),
                         {'Rss': 4000, 'Pss': 3000, 'Private': 2000})

    def test_slowdown_is_relative_to_the_fastest_tenth(self):
        samples = [(float(moment), 1000.0 if moment < 10 else 1500.0) for moment in range(20)]
        self.assertEqual(machine.slowdown(samples, 0, 9), 1.0)
        self.assertEqual(machine.slowdown(samples, 10, 19), 1.5)

    def test_no_sample_means_no_correction(self):
        self.assertEqual(machine.slowdown([(1.0, 1000.0)], 5, 6), 1.0)


class Growth(unittest.TestCase):
    def test_steady_memory_with_a_busy_moment(self):
        samples = [(float(second), 5000 + (400 if second == 100 else 0)) for second in range(180)]
        self.assertEqual(growth.growth(samples, settle=60), 0)

    def test_leak(self):
        samples = [(float(second), 5000 + 100 * second) for second in range(180)]
        self.assertGreater(growth.growth(samples, settle=60), 10000)

    def test_what_settles_first_does_not_count(self):
        samples = [(float(second), 5000 + 100 * min(second, 50)) for second in range(180)]
        self.assertEqual(growth.growth(samples, settle=60), 0)

    def test_too_short(self):
        with self.assertRaises(ValueError):
            growth.growth([(1.0, 5000)], settle=60)


class MySQL(unittest.TestCase):
    CHALLENGE = bytes(range(1, 21))

    def test_challenge_is_found_in_the_greeting(self):
        fixed = b'\xff\xf7\x2d\x02\x00\xff\x81\x15' + bytes(10)
        greeting = (b'\x0a5.5.5-10.11.19-MariaDB\0' + b'\x07\0\0\0' + self.CHALLENGE[:8] + b'\0'
                    + fixed + self.CHALLENGE[8:] + b'\0' + mysql.NATIVE + b'\0')
        self.assertEqual(mysql.challenge_of(greeting), self.CHALLENGE)

    def test_native_answer_is_checked_as_a_server_does(self):
        """The server knows SHA1(SHA1(password)) and finds SHA1(password) in the answer."""
        answer = mysql.native_answer(b'secret', self.CHALLENGE)
        stored = hashlib.sha1(hashlib.sha1(b'secret').digest()).digest()
        mask = hashlib.sha1(self.CHALLENGE + stored).digest()
        once = bytes(a ^ b for a, b in zip(answer, mask))
        self.assertEqual(hashlib.sha1(once).digest(), stored)

    def test_no_password_no_answer(self):
        self.assertEqual(mysql.native_answer(b'', self.CHALLENGE), b'')


if __name__ == '__main__':
    unittest.main()
