"""Runs sysbench and reads its report."""

import dataclasses
import re

from . import server
from .process import PATIENCE, run_measured

OPTIONS = {'oltp_point_select': ['--skip-trx=on', f'--table-size={server.TABLE_SIZE}']}


@dataclasses.dataclass
class Load:
    events: int
    seconds: float
    p50: float  # milliseconds
    p99: float
    cpu_seconds: float  # of sysbench itself

    @property
    def rate(self) -> float:
        return self.events / self.seconds


def run(script, endpoint, *, threads: int = 1, seconds: float = 0, events: int = 0,
        prepared: bool = False) -> Load:
    """For `seconds`, or for `events`."""
    output, cpu = run_measured([
        'sysbench', script, *endpoint.login, *endpoint.options,
        f'--threads={threads}',
        f'--time={seconds:.0f}', f'--events={events}', '--histogram=on',
        f'--db-ps-mode={"auto" if prepared else "disable"}', *OPTIONS.get(script, []), 'run'],
        patience=seconds + PATIENCE)
    return parse(output, cpu)


def parse(output: str, cpu: float) -> Load:
    errors = int(number(r'ignored errors:\s+(\d+)', output))
    if errors:
        raise RuntimeError(f'sysbench met {errors} errors:\n{output}')
    buckets = [(float(value), int(count)) for value, count in
               re.findall(r'^\s*([\d.]+)\s*\|\**\s*(\d+)\s*$', output, re.MULTILINE)]
    return Load(events=int(number(r'total number of events:\s+(\d+)', output)),
                seconds=number(r'total time:\s+([\d.]+)s', output),
                p50=percentile(buckets, 0.50), p99=percentile(buckets, 0.99), cpu_seconds=cpu)


def number(pattern: str, output: str) -> float:
    found = re.search(pattern, output)
    if not found:
        raise RuntimeError(f'sysbench did not report /{pattern}/:\n{output}')
    return float(found[1])


def percentile(buckets: list[tuple[float, int]], share: float) -> float:
    """The upper bound of the bucket that holds this share of the counts."""
    wanted = share * sum(count for _, count in buckets)
    seen = 0
    for value, count in buckets:
        seen += count
        if seen >= wanted:
            return value
    raise RuntimeError('sysbench reported an empty histogram')
