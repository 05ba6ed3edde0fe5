"""Prints "moment cost" 20 times a second: what a write and a read of a socket pair cost now, in
nanoseconds. Runs as its own process on the CPU it inherits; see machine.Calibration."""

import socket
import statistics
import time

INTERVAL = 0.05
PAIRS = 9


def cost() -> float:
    pairs = []
    for _ in range(PAIRS):
        start = time.perf_counter_ns()
        left.send(b'x')
        right.recv(1)
        pairs.append(time.perf_counter_ns() - start)
    return statistics.median(pairs)


left, right = socket.socketpair()
while True:
    time.sleep(INTERVAL)
    print(f'{time.monotonic():.3f} {cost():.0f}', flush=True)
