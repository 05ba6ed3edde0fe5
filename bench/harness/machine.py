"""The CPU everything runs on: how to have it to ourselves, and how fast it is just now."""

import bisect
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

CGROUP_ROOT = pathlib.Path('/sys/fs/cgroup')
CALIBRATOR = pathlib.Path(__file__).with_name('calibrate.py')


class Group:
    """A cpu cgroup of the benchmark's own, if this user may make one.

    Outside of it the kernel's autogroups decide whether a proxy preempts its senders or batches
    them, by which of the processes happens to be a session leader: no comparison survives that.
    """

    def __init__(self, weight: int):
        self.path = None
        self.parent = self._parent()
        if self.parent is None:
            return
        path = self.parent / f'perilune-bench-{os.getpid()}'
        try:
            path.mkdir()
            self._set_weight(path, weight)
            (path / 'cgroup.procs').write_text(str(os.getpid()))
            self.path = path
        except OSError:
            if path.exists():
                path.rmdir()

    @staticmethod
    def _parent():
        if (CGROUP_ROOT / 'cgroup.controllers').exists():
            return CGROUP_ROOT
        return next((p for p in (CGROUP_ROOT / 'cpu', CGROUP_ROOT / 'cpu,cpuacct') if p.is_dir()),
                    None)

    @staticmethod
    def _set_weight(path: pathlib.Path, weight: int):
        """`weight` is in percent of the default."""
        if (path / 'cpu.shares').exists():
            (path / 'cpu.shares').write_text(str(1024 * weight // 100))
        else:
            (path / 'cpu.weight').write_text(str(weight))

    def leave(self):
        """The children must have ended."""
        if self.path:
            (self.parent / 'cgroup.procs').write_text(str(os.getpid()))
            self.path.rmdir()
            self.path = None


class Calibration:
    """Samples how long one small system-call pair takes on the CPU, 20 times a second.

    A busy sibling of the host's core slows everything by up to 1.9 for seconds at a time and no
    counter shows it. CPU times are scaled by slowdown(), 1.0 being the fastest tenth of the run.
    """

    def __init__(self, directory: pathlib.Path):
        self.path = directory / 'calibration'
        with self.path.open('w') as out:
            self.process = subprocess.Popen([sys.executable, str(CALIBRATOR)], stdout=out)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def slowdown(self, start: float, end: float) -> float:
        samples = self._samples()
        return slowdown(samples, start, end)

    def _samples(self) -> list[tuple[float, float]]:
        lines = self.path.read_text().split('\n')[:-1]
        return [tuple(map(float, line.split())) for line in lines]


def slowdown(samples: list[tuple[float, float]], start: float, end: float) -> float:
    """Median cost between two moments, over the cost in the fastest tenth of all samples."""
    times = [moment for moment, _ in samples]
    window = samples[bisect.bisect_left(times, start):bisect.bisect_right(times, end)]
    if not window:
        return 1.0
    costs = sorted(cost for _, cost in samples)
    fastest = statistics.median(costs[:max(1, len(costs) // 10)])
    return max(1.0, statistics.median(cost for _, cost in window) / fastest)


def busy_seconds(cpus: set[int]) -> float:
    """Time these CPUs were not idle since boot; differences of it are of use."""
    ticks = 0
    for line in pathlib.Path('/proc/stat').read_text().splitlines():
        name, *fields = line.split()
        if name.startswith('cpu') and name[3:].isdigit() and int(name[3:]) in cpus:
            user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, fields)
            ticks += user + nice + system + irq + softirq
    return ticks / os.sysconf('SC_CLK_TCK')


def description() -> str:
    cpu = next((line.split(':', 1)[1].strip()
                for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines()
                if line.startswith('model name')), os.uname().machine)
    return f'{cpu}, {os.cpu_count()} CPUs, Linux {os.uname().release}'


def wait_until(condition, what: str, timeout: float = 30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what}: nothing after {timeout:.0f} s')
        time.sleep(0.02)


def end_cleanly_on_sigterm():
    """As by an exception: what was started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
