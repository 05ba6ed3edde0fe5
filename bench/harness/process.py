"""A child process: its CPU time, its memory, its end."""

import os
import pathlib
import signal
import socket
import subprocess

from . import machine

PATIENCE = 300  # seconds, for a command that should end by itself
MEMORY_FIELDS = ('Rss', 'Pss', 'Private_Clean', 'Private_Dirty')


class Process:
    def __init__(self, name: str, arguments: list, log: pathlib.Path):
        self.name = name
        self.log = log
        with log.open('w') as out:
            self.child = subprocess.Popen([str(argument) for argument in arguments],
                                          stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.pid = self.child.pid

    def cpu_seconds(self) -> float:
        """User and system time of all threads that live now."""
        return cpu_seconds(self.pid)

    def memory(self) -> dict[str, int]:
        """KiB of Rss, Pss and Private."""
        return parse_smaps_rollup(
            pathlib.Path(f'/proc/{self.pid}/smaps_rollup').read_text())

    def wait_ready(self, ready):
        """`ready` is asked until it says yes; a process that ended meanwhile raises its log."""
        def ended_or_ready():
            if self.child.poll() is not None:
                raise RuntimeError(f'{self.name} ended with {self.child.returncode}:\n'
                                   + self.log.read_text(errors='replace')[-2000:])
            return ready()
        machine.wait_until(ended_or_ready, self.name)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


def cpu_seconds(pid: int) -> float:
    total = 0
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        try:
            total += int((task / 'schedstat').read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that ended while we looked
    return total / 1e9


def parse_smaps_rollup(text: str) -> dict[str, int]:
    fields = {}
    for line in text.splitlines():
        name, _, rest = line.partition(':')
        if name in MEMORY_FIELDS:
            fields[name] = int(rest.split()[0])
    return {'Rss': fields['Rss'], 'Pss': fields['Pss'],
            'Private': fields['Private_Clean'] + fields['Private_Dirty']}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def run_measured(arguments: list, *, discard: bool = False,
                 patience: float = PATIENCE) -> tuple[str, float]:
    """Runs to the end; its output (unless discarded), and the CPU seconds it used.

    Failure raises with what it said.
    """
    before = os.times()
    done = subprocess.run([str(argument) for argument in arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL if discard else subprocess.PIPE,
                          stderr=subprocess.PIPE if discard else subprocess.STDOUT,
                          text=True, check=False, timeout=patience)
    if done.returncode != 0:
        raise RuntimeError(f'{arguments[0]} failed with {done.returncode}:\n'
                           f'{done.stderr if discard else done.stdout}')
    after = os.times()
    used = (after.children_user - before.children_user
            + after.children_system - before.children_system)
    return done.stdout or '', used
