"""control_listen and control_client: control datagrams end sessions by their account."""

import os
import pwd
import socket
import struct
import subprocess

import pytest

from support.daemon import PATIENCE
from support.wire import Closed, Err

MAGIC = bytes.fromhex("63046101")
DISCONNECT_DATABASE, FADE_CHILDREN = 20, 8


def command(number, payload, padding=b"\0"):
    return struct.pack(">HH", len(payload), number) + payload + padding * (-len(payload) % 4)


def disconnect(*accounts):
    return MAGIC + b"".join(command(DISCONNECT_DATABASE, account.encode()) for account in accounts)


# The database says which account a client is in.
SERVE = """
mysql_listen(SOCK, { on_login = function(client, login)
  client.account = login.database
  if login.database == 'shared_db' and login.user == 'dumper' then event('waiting') wait_for_gate('go') end
  return client:connect(SERVER, { user = login.user, password = 'secret' }, { unchecked = true })
end, on_disconnect = function(client) event('gone ' .. client.account) end })
"""
SCRIPT = "control_listen(FOLDER .. '/control')\n" + SERVE


def send(daemon, datagram, name="control"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(datagram, str(daemon.folder / name))


def logged_in(daemon, account):
    return daemon.logged_in(database=account)


def is_closed(client):
    """Closed without a word, so that drivers connect again."""
    with pytest.raises(Closed):
        client.packets.read()
    return True


@pytest.mark.threads
def test_every_session_of_the_account_is_closed_in_all_workers(perilune):
    daemon = perilune(SCRIPT)
    mine = [logged_in(daemon, "anna") for _ in range(9)]
    others = [logged_in(daemon, name) for name in ("Anna", "ann", "annab", "berta")]
    send(daemon, disconnect("anna"))
    daemon.log.wait('closed sessions count=9 account="anna"')
    assert all(is_closed(client) for client in mine)
    for client in others:
        assert client.value("SELECT 1") == "1"
    daemon.events.wait("^gone anna$", count=9)
    for client in (*mine, *others):
        client.close()


def test_sessions_in_any_phase(perilune):
    daemon = perilune(SCRIPT)
    with daemon.raw() as waiting, logged_in(daemon, "shared_db") as busy:
        waiting.send_login("dumper", "secret", "shared_db")
        daemon.events.wait("^waiting$")
        busy.command(3, b"SELECT SLEEP(60)")
        send(daemon, disconnect("shared_db"))
        daemon.log.wait('closed sessions count=2 account="shared_db"')
        with pytest.raises(Closed):
            waiting.finish_login("secret")
        with pytest.raises(Closed):
            busy.packets.read()


def test_several_commands_and_those_for_others(perilune):
    daemon = perilune(SCRIPT)
    with logged_in(daemon, "anna") as anna, logged_in(daemon, "berta") as berta, logged_in(daemon, "carla") as carla:
        send(daemon, MAGIC)
        send(daemon, MAGIC + command(FADE_CHILDREN, b"carla") + command(999, b"carla") + command(DISCONNECT_DATABASE, b""))
        send(daemon, disconnect("anna", "nobody", "berta"))
        daemon.log.wait('closed sessions count=1 account="berta"')
        assert is_closed(anna) and is_closed(berta)
        assert carla.value("SELECT 1") == "1"
    assert not daemon.log.matching("nobody") and not daemon.log.matching("datagram ignored")


@pytest.mark.no_reload
def test_what_is_malformed_is_logged_once_a_minute_and_harms_nobody(perilune):
    daemon = perilune(SCRIPT)
    whole = disconnect("carla")
    for broken in [b"", b"\0" * 8, MAGIC + b"\0", *(whole[:n] for n in range(1, len(whole)) if n not in (4, 12))]:
        send(daemon, broken)
    send(daemon, MAGIC + b"\xff" * 60000)
    with logged_in(daemon, "anna") as anna, logged_in(daemon, "berta") as berta:
        send(daemon, disconnect("anna") + b"\xff\xff\0\x14")  # what comes before a mistake counts
        daemon.log.wait('closed sessions count=1 account="anna"')
        assert is_closed(anna) and berta.value("SELECT 1") == "1"
    assert len(daemon.log.matching("control datagram ignored")) == 1


def test_descriptors_that_come_along_are_closed(perilune):
    daemon = perilune(SCRIPT)
    fds = f"/proc/{daemon.pid}/fd"
    with logged_in(daemon, "anna") as client:
        for _ in range(200):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.connect(str(daemon.folder / "control"))
                socket.send_fds(sock, [MAGIC + command(13, b"")], [0, 0, 0])
        send(daemon, disconnect("anna"))
        assert is_closed(client)
    assert len(os.listdir(fds)) < 200


def send_as(user, name, datagram):
    """To an abstract socket, from a process of that user."""
    code = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(bytes.fromhex(sys.argv[2]), "\\0" + sys.argv[1])
"""
    entry = pwd.getpwnam(user)
    command = ["/usr/bin/python3", "-c", code, name, datagram.hex()]
    subprocess.run(command, user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_allow_uids(perilune):
    allowed, refused = pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("nobody").pw_uid
    name = f"perilune-{os.getpid()}-{udp_port()}"
    daemon = perilune("control_listen('@%s', { allow_uids = { %d, 4711 } })\n" % (name, allowed) + SERVE)
    with logged_in(daemon, "anna") as client:
        send_as("nobody", name, disconnect("anna"))
        send_as("root", name, disconnect("anna"))
        daemon.log.wait(f'control datagram ignored peer="uid={refused}" reason="not allowed"')
        daemon.log.wait('control datagram ignored peer="uid=0" reason="not allowed"')
        assert client.value("SELECT 1") == "1"
        send_as("daemon", name, disconnect("anna"))
        daemon.log.wait("closed sessions count=1")
        assert is_closed(client)


# --- UDP


def udp_port():
    """A port that nobody has just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def send_udp(port, datagram, source="127.0.0.1", host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if ":" not in host:
            sock.bind((source, 0))
        sock.sendto(datagram, (host, port))


@pytest.mark.parametrize("where, host", [("127.0.0.1:%d", "127.0.0.1"), ("*:%d", "127.0.0.1"), ("*:%d", "::1"), ("[::1]:%d", "::1")])
def test_udp(perilune, where, host):
    port = udp_port()
    daemon = perilune("control_listen('%s')\n" % (where % port) + SERVE)
    with logged_in(daemon, "anna") as client:
        send_udp(port, disconnect("anna"), host=host)
        daemon.log.wait("closed sessions count=1")
        assert is_closed(client)


def test_from(perilune):
    port = udp_port()
    daemon = perilune("control_listen('*:%d', { from = { '127.0.0.2', '127.1.0.0/16' } })\n" % port + SERVE)
    with logged_in(daemon, "anna") as client:
        send_udp(port, disconnect("anna"))
        daemon.log.wait('control datagram ignored peer="127.0.0.1" reason="not allowed"')
        assert client.value("SELECT 1") == "1"
        send_udp(port, disconnect("anna"), source="127.1.2.3")
        daemon.log.wait("closed sessions count=1")
        assert is_closed(client)


def test_multicast_reaches_every_instance(perilune):
    port = udp_port()
    script = "control_listen('0.0.0.0:%d', { multicast_group = '239.255.47.11', interface = 'lo' })\n" % port + SERVE
    first, second = perilune(script), perilune(script)
    with logged_in(first, "anna") as one, logged_in(second, "anna") as two:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            sock.sendto(disconnect("anna"), ("239.255.47.11", port))
        for daemon in (first, second):
            daemon.log.wait("closed sessions count=1")
        assert is_closed(one) and is_closed(two)


# --- reload


@pytest.mark.threads
@pytest.mark.no_reload
def test_a_reload_keeps_the_socket_and_applies_who_may_send(perilune):
    port = udp_port()
    text = "control_listen('127.0.0.1:%d'%s)\ncontrol_listen(FOLDER .. '/%s')\n" + SERVE
    daemon = perilune(text % (port, "", "first"))
    inode = os.stat(daemon.folder / "first").st_ino
    daemon.reload()
    assert os.stat(daemon.folder / "first").st_ino == inode
    with logged_in(daemon, "anna") as client:
        daemon.write_config(text % (port, ", { from = { '127.0.0.9' } }", "second"))
        daemon.reload()
        assert not (daemon.folder / "first").exists() and (daemon.folder / "second").exists()
        send_udp(port, disconnect("anna"))
        daemon.log.wait("not allowed")
        assert client.value("SELECT 1") == "1"
        # The session belongs to the generation before.
        send(daemon, disconnect("anna"), "second")
        daemon.log.wait("closed sessions count=1")
        assert is_closed(client)


@pytest.mark.no_reload
def test_a_port_that_is_taken_fails_the_reload_and_changes_nothing(perilune):
    daemon = perilune(SCRIPT)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        daemon.write_config("control_listen('127.0.0.1:%d')\n" % taken.getsockname()[1] + SERVE)
        daemon.reload()
        daemon.log.wait("cannot listen on 127.0.0.1.*in use")
    with logged_in(daemon, "anna") as client:
        send(daemon, disconnect("anna"))
        assert is_closed(client)


@pytest.mark.no_reload
def test_a_socket_in_use_is_not_taken_away_and_a_dead_one_is_replaced(daemons):
    first = daemons(SCRIPT).start()
    second = daemons(SCRIPT.replace("FOLDER ..", "'%s' .." % first.folder), stop_code=78)
    second.spawn()
    assert second.wait() == 78
    second.log.wait("in use by another process")
    third = daemons(SCRIPT)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(third.folder / "control"))
    third.start()
    with logged_in(third, "anna") as client:
        send(third, disconnect("anna"))
        assert is_closed(client)


# --- control_client


def test_a_script_sends_what_another_one_hears(perilune, daemons):
    port = udp_port()
    daemon = perilune("control_listen('*:%d')\n" % port + SCRIPT)
    with logged_in(daemon, "anna") as anna, logged_in(daemon, "berta") as berta, logged_in(daemon, "carla") as carla:
        script = f"""
            local c = assert(control_client:new('{daemon.folder}/control'))
            assert(c:send(c:build():disconnect_database('anna', 'nobody'):fade_children('x')))
            local u = assert(control_client:new(control_resolve('127.0.0.1:{port}')))
            assert(u:send(u:build():disconnect_database('berta')))
            local n = assert(control_client:new('localhost:{port}'))
            assert(n:send(n:build():disconnect_database('carla')))
            """
        perilune(script + SERVE, workers=1, reloading=False)
        for name in ("anna", "berta", "carla"):
            daemon.log.wait(f'closed sessions count=1 account="{name}"')
        assert is_closed(anna) and is_closed(berta) and is_closed(carla)


@pytest.mark.no_reload
def test_the_bytes_that_a_client_sends(perilune, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        path = str(folder / "listener")
        sock.bind(path)
        sock.settimeout(30 * PATIENCE)
        script = """
            local c = control_client:new(WHERE)
            local function s(b) assert(c:send(b) == true) end
            s(c:build():fade_children('foo'))
            s(c:build():cancel_job('p', 'j'))
            s(c:build():reject_client('\\0\\0\\0\\5' .. '192.0.2.1'):tarpit_client('x', 7))
            s(c:build())
            """
        perilune(script + SERVE, {"WHERE": path}, workers=1)
        assert sock.recv(4096) == bytes.fromhex("63046101 0003 0008 666f6f00")
        assert sock.recv(4096) == bytes.fromhex("63046101 0003 0019 70006a00")
        assert sock.recv(4096) == MAGIC + command(23, b"\0\0\0\5" + b"192.0.2.1") + command(24, b"x") + command(24, b"7")
        assert sock.recv(4096) == MAGIC


def test_a_client_finds_a_receiver_that_was_started_again(perilune, folder):
    path = str(folder / "listener")
    script = """
        local function run(client, login)
          local c = assert(control_client:new(WHERE))
          local function try(name)
            local ok, message = c:send(c:build():reset_limiter(name))
            event(tostring(ok or message))
          end
          try('1')
          wait_for_gate('stopped')
          try('2')
          wait_for_gate('started')
          try('3')
          return client:err('done')
        end
        mysql_listen(SOCK, { on_login = run })
        """
    daemon = perilune(script, {"WHERE": path}, workers=1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as first, daemon.raw() as client:
        first.bind(path)
        client.send_login("x")
        daemon.events.wait("^true$")
        first.close()
        os.unlink(path)
        daemon.open_gate("stopped")
        daemon.events.wait("No such file")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
            second.bind(path)
            daemon.open_gate("started")
            daemon.events.wait("^true$", count=2)
            assert second.recv(100) == MAGIC + command(22, b"3")
        with pytest.raises(Err, match="done"):
            client.finish_login()


@pytest.mark.no_reload
@pytest.mark.parametrize(
    "expression, said",
    [
        ("control_client:new(FOLDER .. '/nothing')", "nil.*No such file"),
        ("control_client:new('no such name')", "nil.*no such name"),
        ("control_client:new('no-such-host.invalid')", "nil.*cannot resolve"),
        ("pcall(control_client.new, control_client)", "false.*string expected"),
        ("pcall(control_resolve, 'no-such-host.invalid')", "false.*cannot resolve"),
        ("tostring(control_resolve('127.0.0.1'))", "127.0.0.1:5478"),
        ("pcall(C.send, C, 'x')", "false.*control_client.builder expected, got string"),
        ("pcall(B.fade_children, B)", "false.*Not enough parameters"),
        ("pcall(B.cancel_job, B, 'x')", "false.*Invalid parameters"),
        ("pcall(B.fade_children, B, {})", "false.*string expected, got table"),
        ("pcall(B.fade_children, B, ('x'):rep(65536))", "false.*longer than"),
        ("C:send(B:fade_children(('x'):rep(65535), ('x'):rep(65535), ('x'):rep(65535), ('x'):rep(65535)))", "nil.*[Mm]essage too long"),
        ("B:fade_children('x') == B", "true"),
    ],
)
def test_mistakes_of_a_client(perilune, expression, said):
    script = f"C = control_client:new('127.0.0.1:9') B = C:build() local a, b = {expression} event(tostring(a) .. ' ' .. tostring(b))"
    daemon = perilune(script + SERVE, workers=1)
    assert daemon.events.wait("^" + said)


@pytest.mark.parametrize(
    "call, message",
    [
        ("control_listen('somewhere.example')", "only numeric addresses"),
        ("control_listen(FOLDER .. '/c', { from = { '127.0.0.1' } })", "'from' is not for unix sockets"),
        ("control_listen('127.0.0.1', { allow_uids = { 1 } })", "'allow_uids' is only for unix sockets"),
        ("control_listen(FOLDER .. '/c', { allow_uids = { 'root' } })", "a list of user ids expected"),
        ("control_listen(FOLDER .. '/c', { allow_uid = { 1 } })", "did you mean 'allow_uids'"),
        ("control_listen('*', { multicast_group = '10.0.0.1' })", "not a multicast address"),
        ("control_listen('127.0.0.1', { multicast_group = 'ff02::1' })", "not of the address's family"),
        ("control_listen('127.0.0.1:%d', { interface = 'nosuch0' })" % 9, "no network interface"),
        ("control_listen('127.0.0.1') control_listen('127.0.0.1:5478')", "has a control listener already"),
    ],
)
def test_mistakes_of_a_listener(daemons, call, message):
    daemon = daemons(call + SERVE, workers=None, stop_code=78)
    daemon.spawn()
    assert daemon.wait() == 78
    daemon.log.wait(message)


def test_check_reports_it(daemons):
    daemon = daemons(SCRIPT, workers=None)
    done = subprocess.run(daemon.command("--check"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and f"control_listen {daemon.folder}/control" in done.stdout
