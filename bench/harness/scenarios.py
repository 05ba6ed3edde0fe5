"""What is measured, one endpoint at a time."""

import dataclasses
import pathlib
import time

from . import machine, server, sysbench
from .endpoints import Endpoint, Factory
from .process import run_measured

LOAD = pathlib.Path(__file__).parents[1] / 'load'
RESULT_MEGABYTES = 200


@dataclasses.dataclass
class Sample:
    """What one endpoint did in one round."""

    rate: float  # units a second
    p50: float | None  # milliseconds
    p99: float | None
    cpu_us: float  # the proxy's CPU microseconds per unit
    foreign: float  # share of the pinned CPUs that others used meanwhile


@dataclasses.dataclass
class Scenario:
    """`load(endpoint, seconds)` runs the load and says what it did."""

    name: str
    title: str
    unit: str
    load: object
    target: float | None = None  # at most this much of HAProxy's CPU


def point_select(threads: int, prepared: bool):
    return lambda endpoint, seconds: sysbench.run('oltp_point_select', endpoint, threads=threads,
                                                  seconds=seconds, prepared=prepared)


def connect(endpoint: Endpoint, seconds: float) -> sysbench.Load:
    return sysbench.run(LOAD / 'connect.lua', endpoint, seconds=seconds)


def up(endpoint: Endpoint, _seconds: float) -> sysbench.Load:
    load = sysbench.run(LOAD / 'up.lua', endpoint, events=RESULT_MEGABYTES)
    return dataclasses.replace(load, p50=None, p99=None)


def down(endpoint: Endpoint, _seconds: float) -> sysbench.Load:
    """The plain client, because it alone can throw a result away while it arrives."""
    start = time.monotonic()
    _, cpu = run_measured(
        ['mariadb', '--no-defaults', '--host=127.0.0.1', f'--port={endpoint.port}',
         '--ssl' if endpoint.options else '--skip-ssl',
         f'--user={server.USER}', f'--password={server.PASSWORD}',
         f'--database={server.DATABASE}',
         '--quick', '--batch', '--raw', '--skip-column-names', '--execute',
         f"SELECT REPEAT('x', 1000000) FROM seq_1_to_{RESULT_MEGABYTES}"],
        discard=True)
    return sysbench.Load(RESULT_MEGABYTES, time.monotonic() - start, None, None, cpu)


SCENARIOS = [
    Scenario('text-1', 'Point select, text, 1 client', 'statement', point_select(1, False), 0.90),
    Scenario('text-16', 'Point select, text, 16 clients', 'statement', point_select(16, False),
             0.97),
    Scenario('text-64', 'Point select, text, 64 clients', 'statement', point_select(64, False),
             0.97),
    Scenario('prepared-1', 'Point select, prepared, 1 client', 'statement', point_select(1, True),
             0.90),
    Scenario('prepared-16', 'Point select, prepared, 16 clients', 'statement',
             point_select(16, True), 0.97),
    Scenario('prepared-64', 'Point select, prepared, 64 clients', 'statement',
             point_select(64, True), 0.97),
    Scenario('connect', 'Connect, log in, one statement, quit', 'session', connect, 1.1),
    Scenario('down', f'One result of {RESULT_MEGABYTES} MB', 'MB', down, 1.0),
    Scenario('up', f'{RESULT_MEGABYTES} statements of 1 MB', 'MB', up, 1.0),
]


class Meter:
    """Measures one endpoint under one scenario, corrected for the CPU's speed at that moment."""

    def __init__(self, calibration: machine.Calibration, server_process, cpus: set[int]):
        self.calibration = calibration
        self.server = server_process
        self.cpus = cpus

    def measure(self, scenario: Scenario, endpoint: Endpoint, seconds: float) -> Sample:
        start, busy = time.monotonic(), machine.busy_seconds(self.cpus)
        proxy, database = endpoint.cpu_seconds(), self.server.cpu_seconds()
        load = scenario.load(endpoint, seconds)
        end = time.monotonic()
        busy = machine.busy_seconds(self.cpus) - busy
        proxy = endpoint.cpu_seconds() - proxy
        ours = proxy + load.cpu_seconds + max(0.0, self.server.cpu_seconds() - database)
        slowdown = self.calibration.slowdown(start, end)
        return Sample(rate=load.rate * slowdown, p50=scaled(load.p50, slowdown),
                      p99=scaled(load.p99, slowdown),
                      cpu_us=proxy / load.events * 1e6 / slowdown,
                      foreign=max(0.0, busy - ours) / (end - start) / len(self.cpus))


def scaled(milliseconds: float | None, slowdown: float) -> float | None:
    return None if milliseconds is None else milliseconds / slowdown


@dataclasses.dataclass
class Idle:
    """KiB of one proxy with `sessions` logged-in idle sessions; all figures by kind of memory."""

    sessions: int
    empty: dict[str, int]
    half: dict[str, int]
    full: dict[str, int]
    closed: dict[str, int]

    def per_session(self, kind: str) -> float:
        return (self.full[kind] - self.empty[kind]) / self.sessions

    def per_further_session(self, kind: str) -> float:
        """Without what the first ones paid for all."""
        return (self.full[kind] - self.half[kind]) / (self.sessions - self.sessions // 2)


def measure_idle(factory: Factory, name: str, sessions: int) -> Idle:
    """On a fresh process: sessions that logged in, asked once, and wait."""
    endpoint = factory.start(name)
    try:
        empty = settled_memory(endpoint)
        clients = open_sessions(endpoint.port, sessions // 2)
        half = settled_memory(endpoint)
        clients += open_sessions(endpoint.port, sessions - sessions // 2)
        full = settled_memory(endpoint)
        for client in clients:
            client.quit()
        return Idle(sessions, empty, half, full, settled_memory(endpoint))
    finally:
        endpoint.stop()


def open_sessions(port: int, count: int) -> list:
    clients = []
    for _ in range(count):
        client = server.connect(port)
        client.query('SELECT 1')
        clients.append(client)
    return clients


def settled_memory(endpoint: Endpoint) -> dict[str, int]:
    """Once the process has rested: no CPU used between two looks."""
    last = -1.0

    def rested():
        nonlocal last
        previous, last = last, endpoint.cpu_seconds()
        time.sleep(0.1)
        return last - previous < 0.001
    machine.wait_until(rested, f'{endpoint.name} at rest')
    return endpoint.process.memory()
