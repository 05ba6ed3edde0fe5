"""Files of apps in place of a script, and perilune.apps within one."""

import contextlib
import json
import socket
import subprocess
from types import SimpleNamespace

import pytest
from throwaway import ReservedPort

from support.daemon import binary
from support.nodes import plain_nodes, read_line
from support.tcp import Target, connect, receive_all, receive_exactly
from support.tls import client_context

NOBODY = "127.0.0.1:1"


def as_json(port, targets):
    return json.dumps({"Apps": [{"Name": "web", "Ports": [port], "Targets": targets, "Listen": "127.0.0.1"}]})


def as_yaml(port, targets):
    return f"apps:\n- name: web\n  ports: [{port}]\n  targets: {json.dumps(targets)}\n  listen: '127.0.0.1'\n"


def as_toml(port, targets):
    return f"[[Apps]]\nname = 'web'\nports = [{port}]\ntargets = {json.dumps(targets)}\nlisten = '127.0.0.1'\n"


FORMATS = {"apps.json": as_json, "apps.yaml": as_yaml, "apps.yml": as_yaml, "apps.toml": as_toml}


@pytest.fixture(scope="session")
def server():
    """These tests need no database."""
    return SimpleNamespace(address=NOBODY, socket="/nowhere")


@pytest.fixture
def port():
    with contextlib.closing(ReservedPort()) as reserved:
        yield reserved.port


@pytest.fixture
def targets():
    made = [Target() for _ in range(3)]
    yield made
    for target in made:
        target.close()


@pytest.fixture
def serve(daemons):
    """Starts a daemon with a file of apps for its configuration."""

    def serve(name, text, **options):
        daemon = daemons("", **options)
        daemon.write_file(name, text)
        daemon.command = lambda *more: [binary(), "--config", str(daemon.folder / name), "--workers", "3", *more]
        return daemon.start()

    return serve


def check(folder, name, text):
    """What --check says of it, and its exit status."""
    (folder / name).write_text(text)
    done = subprocess.run([binary(), "--check", "--config", name], cwd=folder, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr, done.returncode


def answered_by(port, target, word=b"hello"):
    """A session through the port, which must reach this target."""
    with connect(("127.0.0.1", port)) as client, target.accept() as server:
        client.sendall(word)
        assert receive_exactly(server, len(word)) == word
        server.sendall(word[::-1])
        assert receive_exactly(client, len(word)) == word[::-1]


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_forwards(serve, targets, port, name):
    serve(name, FORMATS[name](port, [targets[0].address]))
    answered_by(port, targets[0])


@pytest.mark.no_reload
def test_round_robin_over_all_targets(serve, targets, port):
    serve("apps.json", as_json(port, [target.address for target in targets]))
    with contextlib.ExitStack() as clients:
        for _ in range(6):
            clients.enter_context(connect(("127.0.0.1", port)))
        for target in targets:
            target.accept()
            target.accept()


def test_a_target_that_refuses_is_passed_over(serve, targets, port):
    serve("apps.json", as_json(port, [NOBODY, targets[0].address]))
    for _ in range(4):
        answered_by(port, targets[0])


def test_every_port_of_an_app(serve, targets):
    with contextlib.closing(ReservedPort()) as one, contextlib.closing(ReservedPort()) as other:
        app = {"Name": "web", "Ports": [one.port, other.port], "Targets": [targets[0].address]}
        serve("apps.json", json.dumps({"Apps": [app]}))
        answered_by(one.port, targets[0])
        answered_by(other.port, targets[0])


def test_health_takes_a_target_out(serve, targets, port):
    app = {"Name": "web", "Ports": [port], "Targets": [NOBODY, targets[0].address], "Health": {"Interval": 0.1, "Fall": 1, "Rise": 1}}
    daemon = serve("apps.json", json.dumps({"Apps": [app]}))
    daemon.log.wait("127.0.0.1:1.*down|down.*127.0.0.1:1")


def app_with(port, targets, **more):
    return json.dumps({"Apps": [{"Name": "web", "Ports": [port], "Targets": targets, **more}]})


def test_every_address_without_a_listen(serve, targets, port):
    serve("apps.json", app_with(port, [targets[0].address]))
    for host in "127.0.0.1", "127.0.0.9", "::1":
        with socket.create_connection((host, port), timeout=30) as client, targets[0].accept() as server:
            client.sendall(b"x")
            assert receive_exactly(server, 1) == b"x"


def test_sticky_clients_stay(serve, port):
    with plain_nodes("127.0.0.2", "127.0.0.3", "127.0.0.4") as nodes:
        serve("apps.json", app_with(port, [node.address for node in nodes], Sticky=True))
        seen = {}
        for host in [*range(10, 40)] * 3:
            with socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(f"127.0.0.{host}", 0)) as client:
                name = read_line(client)
            assert seen.setdefault(host, name) == name
        assert len(set(seen.values())) == 3


def test_tls(serve, certificates, targets, port):
    tls = {"Cert": str(certificates.server), "Key": str(certificates.server_key)}
    serve("apps.json", app_with(port, [targets[0].address], TLS=tls))
    context = client_context(certificates.ca)
    with context.wrap_socket(connect(("127.0.0.1", port)), server_hostname="localhost") as client, targets[0].accept() as server:
        client.sendall(b"hello")
        assert receive_exactly(server, 5) == b"hello"


@pytest.mark.no_reload
def test_a_reload_reads_the_file_again(serve, targets, port):
    daemon = serve("apps.json", as_json(port, [targets[0].address]))
    with connect(("127.0.0.1", port)) as old, targets[0].accept() as server:
        daemon.write_file("apps.json", as_json(port, [targets[1].address]))
        daemon.reload()
        answered_by(port, targets[1])
        server.sendall(b"still here")
        assert receive_exactly(old, 10) == b"still here"
        daemon.write_file("apps.json", "{")
        daemon.reload()
        daemon.log.wait("apps.json: parse error at line 1")
        answered_by(port, targets[1])


def test_max_connections(serve, targets, port):
    app = {"Name": "web", "Ports": [port], "Targets": [targets[0].address], "MaxConnections": 1}
    serve("apps.json", json.dumps({"Apps": [app]}))
    with connect(("127.0.0.1", port)) as first, targets[0].accept() as server:
        first.sendall(b"x")
        assert receive_exactly(server, 1) == b"x"
        with connect(("127.0.0.1", port)) as second:
            with contextlib.suppress(ConnectionResetError):
                assert receive_all(second) == b""


def test_from_a_script(daemons, targets, port):
    daemon = daemons("require('perilune.apps').listen('apps.yaml')")
    daemon.write_file("apps.yaml", as_yaml(port, [targets[0].address]))
    daemon.start()
    answered_by(port, targets[0])


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.json", "{", "a.json: parse error at line 1, column 2"),
        ("a.yaml", "Apps: [\n", "a.yaml: line 2, column 1: "),
        ("a.toml", "Apps = \n", "a.toml: line 1, column 8: "),
        ("a.json", '{"Apps": [\n{"Name": "web", "Ports": [80], "Target": []}]}', "a.json:2: app 'web': unknown key 'Target', did you mean 'Targets'?"),
        ("a.yaml", "Apps:\n- Name: web\n  Ports: [http]\n  Targets: ['h:1']\n", "a.yaml:3: app 'web': 'Ports': a number expected, got a text"),
        ("a.toml", "[[Apps]]\nName = 'web'\nPorts = [80]\nTargets = ['host']\n", "a.toml:4: app 'web': 'Targets': "),
        ("a.json", '{"Apps": []}', "a.json:1: 'Apps' is empty"),
        ("a.yaml", "Apps:\n- Name: web\n  Ports: [80]\n  Targets: ['h:1']\n  Health: {Interval: 0}\n", "a.yaml:2: app 'web': "),
    ],
)
def test_mistakes_name_file_line_and_key(folder, name, text, message):
    said, status = check(folder, name, text)
    assert said.startswith(message), said
    assert said.count("\n") == 1, said
    assert status == 78


def test_check_says_what_a_file_declares(folder):
    said, status = check(folder, "a.json", '{"Apps": [{"Name": "web", "Ports": [80, 81], "Targets": ["h:1"], "Sticky": true}]}')
    assert said == "tcp_listen *:80: on_connect\ntcp_listen *:81: on_connect\ntcp_cluster web: 1 nodes\nworkers one per processor\n"
    assert status == 0


def test_check_of_a_file_that_is_not_there(folder):
    done = subprocess.run([binary(), "--check", "--config", "none.json"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert "No such file" in done.stderr
    assert done.returncode == 78
