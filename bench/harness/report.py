"""Medians and ratios as Markdown.

A ratio is taken within a round, where both sides saw the same machine; the median of the ratios is
reported, never the ratio of two medians.
"""

import statistics

from .scenarios import Idle, Sample, Scenario
from .syscalls import TARGETS as CALL_TARGETS, TITLES as CALL_TITLES, Counts

EMPTY_TARGET = 10 * 1024  # KiB of the process before its first session
IDLE_TARGET = 2.0  # KiB per idle session
OURS = ('perilune', 'perilune-known', 'perilune-on-query', 'perilune-log-text',
        'perilune-log-json', 'perilune-tcp')
# Of endpoints with targets of their own; of the other scenarios none.
OWN_TARGETS = {
    # with an on_query that looks at the text and lets it pass
    'perilune-on-query': {'text-1': 0.95, 'text-16': 1.05, 'text-64': 1.05},
    'perilune-log-text': {}, 'perilune-log-json': {},
    'perilune-tcp': {'text-1': 0.82, 'text-16': 0.92, 'text-64': 0.92, 'down': 1.0, 'up': 1.0}}
# At most this much of the CPU of the same proxy without a log, all threads together.
LOG_TARGETS = {'perilune-log-text': 1.20, 'perilune-log-json': 1.25}

Rounds = list[dict[str, Sample]]  # a round: endpoint name to what it did


def ratio(rounds: Rounds, figure: str, name: str, base: str) -> list[float]:
    """Of every round in which both were measured."""
    return [getattr(samples[name], figure) / getattr(samples[base], figure)
            for samples in rounds
            if name in samples and base in samples and getattr(samples[base], figure)]


def median(rounds: Rounds, figure: str, name: str) -> float | None:
    values = [getattr(samples[name], figure) for samples in rounds if name in samples]
    return None if not values or None in values else statistics.median(values)


def endpoints(rounds: Rounds) -> list[str]:
    names = dict.fromkeys(name for samples in rounds for name in samples)
    order = ['direct', 'haproxy', 'nginx', 'pgbouncer', 'floor', *OURS]
    return sorted(names, key=order.index)


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ['---'] + ['---:'] * (len(header) - 1), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def figure(value: float | None, digits: int) -> str:
    return '' if value is None else f'{value:,.{digits}f}'


def ratios(values: list[float], with_range: bool = False) -> str:
    if not values:
        return ''
    middle = f'{statistics.median(values):.2f}'
    if not with_range or len(values) == 1:
        return middle
    return f'{middle} ({min(values):.2f}–{max(values):.2f})'


def scenario_section(scenario: Scenario, rounds: Rounds) -> str:
    rows = [scenario_row(rounds, name) for name in endpoints(rounds)]
    plural = scenario.unit if scenario.unit == 'MB' else f'{scenario.unit}s'
    header = ['', f'{plural}/s', '÷ direct', 'p50 ms', 'p99 ms',
              f'CPU µs/{scenario.unit}', '÷ HAProxy', '÷ floor', 'others']
    return f'## {scenario.title}\n\n{table(header, rows)}\n'


def scenario_row(rounds: Rounds, name: str) -> list[str]:
    rate = [name, figure(median(rounds, 'rate', name), 0),
            ratios(ratio(rounds, 'rate', name, 'direct')),
            figure(median(rounds, 'p50', name), 3), figure(median(rounds, 'p99', name), 3)]
    cpu = ['', '', ''] if name == 'direct' else [
        figure(median(rounds, 'cpu_us', name), 2),
        ratios(ratio(rounds, 'cpu_us', name, 'haproxy'), with_range=True),
        ratios(ratio(rounds, 'cpu_us', name, 'floor'))]
    return rate + cpu + [f'{100 * median(rounds, "foreign", name):.0f} %']


def idle_section(idle: dict[str, list[Idle]]) -> str:
    rows = [idle_row(name, runs, idle) for name, runs in idle.items()]
    sessions = next(iter(idle.values()))[0].sessions
    header = ['', 'KiB/session', 'KiB/further session', 'private KiB/session', '÷ HAProxy',
              '÷ floor', 'empty RSS KiB', f'with {sessions:,}', 'after close']
    return (f'## {sessions:,} idle sessions, logged in, one statement each\n\n'
            f'{table(header, rows)}\n')


def idle_row(name: str, runs: list[Idle], idle: dict[str, list[Idle]]) -> list[str]:
    def over(base: str) -> str:
        pairs = zip(runs, idle.get(base, []))
        return ratios([run.per_session('Rss') / other.per_session('Rss')
                       for run, other in pairs if other.per_session('Rss')])

    def middle(value) -> float:
        return statistics.median(value(run) for run in runs)
    return [name, f'{middle(lambda run: run.per_session("Rss")):.2f}',
            f'{middle(lambda run: run.per_further_session("Rss")):.2f}',
            f'{middle(lambda run: run.per_session("Private")):.2f}',
            over('haproxy'), over('floor'),
            *(f'{middle(lambda run: getattr(run, moment)["Rss"]):,.0f}'
              for moment in ('empty', 'full', 'closed'))]


def syscalls_section(counts: dict[str, dict[str, Counts]]) -> str:
    rows = [[name, CALL_TITLES[what], f'{each.total:.2f}', str(each)]
            for name, by_kind in counts.items() for what, each in by_kind.items()]
    return '## System calls\n\n' + table(['', '', 'calls', ''], rows) + '\n'


def target_of(scenario: Scenario, name: str) -> float | None:
    return OWN_TARGETS[name].get(scenario.name) if name in OWN_TARGETS else scenario.target


def time_targets(results: dict[str, tuple[Scenario, Rounds]]) -> list[list[str]]:
    return [target_row(f'{name}: CPU ÷ HAProxy, {scenario.name}', target,
                       statistics.median(values), 2)
            for scenario, rounds in results.values() for name in OURS
            if (target := target_of(scenario, name))
            and (values := ratio(rounds, 'cpu_us', name, 'haproxy'))]


def log_targets(results: dict[str, tuple[Scenario, Rounds]]) -> list[list[str]]:
    return [target_row(f'{name}: CPU ÷ perilune, {scenario.name}', target,
                       statistics.median(values), 2)
            for scenario, rounds in results.values() if scenario.unit == 'statement'
            for name, target in LOG_TARGETS.items()
            if (values := ratio(rounds, 'cpu_us', name, 'perilune'))]


def idle_targets(idle: dict[str, list[Idle]]) -> list[list[str]]:
    rows = []
    for name in OURS[:2]:
        for run in idle.get(name, [])[:1]:
            rows.append(target_row(f'{name}: KiB per idle session', IDLE_TARGET,
                                   run.per_session('Rss'), 2))
            rows.append(target_row(f'{name}: KiB of the empty process', EMPTY_TARGET,
                                   run.empty['Rss'], 0))
    return rows


def call_targets(counts: dict[str, dict[str, Counts]]) -> list[list[str]]:
    return [target_row(f'{name}: system calls {CALL_TITLES[what]}', CALL_TARGETS[what],
                       each.total, 2)
            for name in OURS for what, each in counts.get(name, {}).items()
            if what != 'session' or name == 'perilune-known']


def target_row(what: str, limit: float, value: float, digits: int) -> list[str]:
    verdict = 'met' if value <= limit else '**missed**'
    return [what, figure(limit, digits), figure(value, digits), verdict]


def missed(rows: list[list[str]]) -> list[str]:
    return [row[0] for row in rows if row[-1] != 'met']


def targets_section(rows: list[list[str]]) -> str:
    return '## Targets\n\n' + table(['', 'at most', 'measured', ''], rows) + '\n'
