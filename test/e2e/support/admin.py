"""HTTP to the daemon's metrics and admin interfaces, and perilunectl."""

import http.client
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

from .daemon import PATIENCE, binary

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def until(condition, seconds=20):
    """The first true value: a number that is read just after an answer may not be there yet."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return value


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def request(address, path, method="GET", headers=None, body=None, seconds=60):
    """`address`: a path or (host, port). The status, the headers and the body as text."""
    timeout = seconds * PATIENCE
    connection = UnixConnection(address, timeout) if isinstance(address, str) else http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def ask(address, path, method="GET", status=200, **options):
    """The JSON of an answer."""
    got, _, body = request(address, path, method, **options)
    assert got == status, (got, body)
    return json.loads(body)


class Metrics:
    """One page, parsed: metrics(name, label=value…) is a value, or the sum of all that fit."""

    def __init__(self, text):
        self.text, self.values, self.names = text, {}, set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                self.names.add(line.split()[2])
            if line.startswith("#"):
                continue
            name, labels, value = _LINE.match(line).groups()
            key = (name, tuple(sorted(_LABEL.findall(labels or ""))))
            assert key not in self.values, f"twice: {key}"
            self.values[key] = float(value)

    def __call__(self, name, **labels):
        wanted = set(labels.items())
        found = [value for (known, has), value in self.values.items() if known == name and wanted <= set(has)]
        assert found, f"no {name} {labels} in\n{self.text}"
        return sum(found)


def scrape(address, path="/metrics", **options):
    status, headers, body = request(address, path, **options)
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), (status, body)
    return Metrics(body)


def ctl_binary():
    default = Path(binary()).resolve().parents[1] / "ctl" / "perilunectl"
    path = Path(os.environ.get("PERILUNECTL_BINARY", default))
    assert path.exists(), f"{path} is missing: build it, or set PERILUNECTL_BINARY"
    return str(path)


def ctl(*arguments, socket_path=None, status=0, environment=None, seconds=60):
    """What perilunectl prints."""
    where = ["--socket", socket_path] if socket_path else []
    done = subprocess.run(
        [ctl_binary(), *where, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds * PATIENCE,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})},
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr
