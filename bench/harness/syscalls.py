"""System calls per statement and per session, counted by strace: exact, on any machine.

With one client the session logs in before strace attaches, so that the statements are all it
sees. With 16 the sessions of sysbench are inside the count and are subtracted again.
"""

import collections
import dataclasses
import pathlib
import signal
import subprocess

from . import machine, server, sysbench
from .endpoints import Endpoint

STATEMENTS = 2000
CLIENTS = 16
CLIENTS_STATEMENTS = 16000
SESSIONS = 200

# "at most" of doc/benchmarking.rst; the counts of short runs are a hair off at both ends
TARGETS = {'statement': 6.05, 'statement-16': 4.5, 'session': 38.0}
TITLES = {'statement': 'per statement, 1 client', 'statement-16': 'per statement, 16 clients',
          'session': 'per session'}


@dataclasses.dataclass
class Counts:
    """Calls by name, per unit."""

    calls: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.calls.values())

    def __str__(self) -> str:
        named = sorted(self.calls.items(), key=lambda item: -item[1])
        return ', '.join(f'{count:.2f} {name}' for name, count in named if count >= 0.01)


class Strace:
    """Counts what a process does between enter and exit."""

    def __init__(self, pid: int, directory: pathlib.Path):
        self.pid = pid
        self.output = directory / 'strace'
        self.calls = collections.Counter()

    def __enter__(self):
        self.output.unlink(missing_ok=True)
        self.strace = subprocess.Popen(
            ['strace', '-c', '-f', '-p', str(self.pid), '-o', str(self.output)],
            stderr=subprocess.PIPE, text=True)
        machine.wait_until(self._attached, 'strace')
        return self

    def _attached(self) -> bool:
        if self.strace.poll() is not None:
            raise RuntimeError(f'strace: {self.strace.stderr.read()}')
        return all(is_traced(task) for task in pathlib.Path(f'/proc/{self.pid}/task').iterdir())

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate()
        self.calls = parse(self.output.read_text())


def is_traced(task: pathlib.Path) -> bool:
    return '\nTracerPid:\t0\n' not in (task / 'status').read_text()


def parse(table: str) -> collections.Counter:
    """Columns: % time, seconds, usecs/call, calls, errors (may be empty), syscall."""
    calls = collections.Counter()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) in (5, 6) and fields[3].isdigit() and fields[-1] != 'total':
            calls[fields[-1]] = int(fields[3])
    return calls


def count(endpoint: Endpoint, directory: pathlib.Path) -> dict[str, Counts]:
    statement = count_statements(endpoint, directory)
    session = count_sessions(endpoint, directory)
    many = count_many(endpoint, directory, statement, session)
    return {'statement': statement, 'statement-16': many, 'session': session}


def count_statements(endpoint: Endpoint, directory: pathlib.Path) -> Counts:
    client = server.connect(endpoint.port)
    client.query('SELECT 1')
    with Strace(endpoint.process.pid, directory) as strace:
        for _ in range(STATEMENTS):
            client.query('SELECT 1')
    client.quit()
    return per_unit(strace.calls, STATEMENTS)


def count_sessions(endpoint: Endpoint, directory: pathlib.Path) -> Counts:
    with Strace(endpoint.process.pid, directory) as strace:
        for _ in range(SESSIONS):
            client = server.connect(endpoint.port)
            client.query('SELECT 1')
            client.quit()
    return per_unit(strace.calls, SESSIONS)


def count_many(endpoint: Endpoint, directory: pathlib.Path, statement: Counts,
               session: Counts) -> Counts:
    with Strace(endpoint.process.pid, directory) as strace:
        load = sysbench.run('oltp_point_select', endpoint, threads=CLIENTS,
                            events=CLIENTS_STATEMENTS)
    calls = dict(strace.calls)
    for name, each in session.calls.items():
        login = each - statement.calls.get(name, 0.0)
        calls[name] = max(0.0, calls.get(name, 0) - CLIENTS * login)
    return per_unit(calls, load.events)


def per_unit(calls: dict, units: int) -> Counts:
    return Counts({name: number / units for name, number in calls.items()})
