"""TLS with clients and with servers."""

import re
import shutil
import ssl
import subprocess

import pytest

from support import programs, wire
from support.certificates import make_certificates
from support.daemon import PASS_THROUGH
from support.drivers import DRIVERS, Login, log_in
from support.raw_client import RawClient
from support.shared_servers import start_server
from support.tls import TlsClient, client_context
from support.wire import Cap, Closed, Err

LISTEN = """
local handler = { on_login = function(client, login)
  local tls = client.tls
  event(tls and table.concat({ 'tls', tls.version, tls.cipher, tls.subject or '-', tls.server_name or '-' }, ' ') or 'plain')
  return client:connect(SERVER, %s)
end }
for _, where in ipairs { SOCK, TCP } do mysql_listen(where, handler, { tls = %s }) end
"""
FILES = "{ cert = CERT, key = KEY %s}"
OWN = "{user='plain', password='secret'}"


@pytest.fixture
def names(certificates):
    """What scripts call the files by."""
    return {
        "CA": certificates.ca,
        "CERT": certificates.server,
        "KEY": certificates.server_key,
        "CLIENT": certificates.client,
        "CLIENT_KEY": certificates.client_key,
    }


@pytest.fixture
def strangers(folder):
    return make_certificates(folder / "strangers")


def listen(more="", login="login", tls=None):
    return LISTEN % (login, tls or FILES % more)


def to_server(tls, login=OWN):
    """The proxy's own login to a server."""
    return f"""
local handler = {{ on_login = function(client, login)
  return client:connect(SERVER, {login}, {{ unchecked = true, connect_timeout = 5, tls = {tls} }})
end }}
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler)
"""


def secured(address, context=None, **options):
    client = TlsClient(address)
    try:
        return client.start_tls(context or client_context(), **options)
    except BaseException:
        client.close()
        raise


def failure_of(address, user="plain", password="secret"):
    with RawClient(address) as client, pytest.raises(Err) as caught:
        client.login(user, password)
    return caught.value


def server_cipher(client):
    return client.query("SHOW STATUS LIKE 'Ssl_cipher'").rows[0][1].decode()


# listeners


@pytest.mark.parametrize("driver", ["mariadb-10.11", "pymysql", "mysql-9"])
def test_clients_that_check_the_certificate(perilune, fetched, names, strangers, driver):
    for needed in DRIVERS[driver].needs:
        fetched(needed)
    daemon = perilune(listen(login=OWN + ", { unchecked = true }"), names)
    wish = {"user": "plain", "password": "secret", "tls": "verify"}
    assert log_in(driver, Login(daemon.tcp, ca=names["CA"], **wish)).value == "plain@%"
    daemon.events.wait(r"^tls TLSv1\.3 TLS_AES")
    assert log_in(driver, Login(daemon.tcp, ca=strangers.ca, **wish)).value is None


def test_self_signed_by_default(perilune):
    daemon = perilune(listen(tls="nil"))
    for address in (daemon.tcp, daemon.sock):
        with secured(address) as client:
            client.login("plain", "secret")
            assert client.value("SELECT CURRENT_USER()") == "plain@%"
    daemon.events.wait("^tls ", count=2)


def test_the_ordinary_mariadb_client_of_today_without_options(perilune, mariadb118):
    """It wants TLS, on unix sockets too, and there takes any certificate."""
    daemon = perilune(listen(tls="nil"), {"SERVER": mariadb118.address})
    for address in (daemon.sock, daemon.tcp):
        assert programs.mariadb(address, "SELECT CURRENT_USER()", name="mariadb-11.8").stdout == "plain@%\n"


def test_no_tls(perilune):
    daemon = perilune(listen(tls="false"))
    with TlsClient(daemon.tcp) as client:
        assert not client.receive_greeting().capabilities & Cap.SSL
        client.login("plain", "secret")
    daemon.events.wait("^plain$")


def test_required(perilune, names):
    daemon = perilune(listen(", required = true"), names)
    error = failure_of(daemon.tcp)
    assert (error.code, error.sqlstate) == (3159, "HY000")
    with secured(daemon.tcp) as client:
        client.login("plain", "secret")
    with RawClient(daemon.sock) as client:
        client.login("plain", "secret")


def test_min_version(perilune, names):
    strict, usual = perilune(listen(", min_version = '1.3'"), names), perilune(listen(), names)
    old = client_context(version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secured(strict.tcp, old)
    for address, context, version in ((strict.tcp, None, r"TLSv1\.3"), (usual.tcp, old, r"TLSv1\.2")):
        with secured(address, context) as client:
            client.login("plain", "secret")
        (strict if address == strict.tcp else usual).events.wait(f"^tls {version} ")


def test_client_certificates(perilune, names, strangers):
    """Who shows a good one needs no other check; who shows none is as unknown as ever."""
    daemon = perilune(listen(", client_ca = CA", login=OWN), names)
    shown = client_context(cert=names["CLIENT"], key=names["CLIENT_KEY"])
    with secured(daemon.tcp, shown) as client:
        client.login("anybody", "anything")
        assert client.value("SELECT CURRENT_USER()") == "plain@%"
    daemon.events.wait("CN=Perilune test client ")
    with pytest.raises((ssl.SSLError, ConnectionError, Closed, AssertionError, Err)):
        with secured(daemon.tcp, client_context(cert=strangers.client, key=strangers.client_key)) as client:
            client.login("anybody", "anything")
    with secured(daemon.tcp) as client, pytest.raises(Err):
        client.login("anybody", "anything")
    daemon.log.wait("nothing has checked this client's password")


def test_the_name_that_the_client_wants(perilune, names):
    daemon = perilune(listen(), names)
    with secured(daemon.tcp, server_name="db.example") as client:
        client.login("plain", "secret")
    daemon.events.wait(r"^tls .* - db\.example$")


def test_what_is_said_in_clear_behind_the_request_is_not_heard(perilune, names):
    """A man in the middle could have put it there."""
    daemon = perilune(listen(), names)
    with TlsClient(daemon.tcp) as client:
        nonce = client.receive_greeting().nonce
        client.packets.sequence = 2
        login = client.packets.encode(wire.HandshakeResponse("plain", wire.native_answer("secret", nonce)).encode())
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.start_tls(client_context(), behind=login)
    assert not daemon.events.matching("tls|plain"), daemon.events.text()
    assert not daemon.log.matching('user="plain"')


# certificates and reloads


def certificate_of(address):
    with secured(address) as client:
        return client.socket.getpeercert(binary_form=True)


def test_a_reload_reads_the_certificate_again(perilune, folder, names, certificates):
    copies = make_certificates(folder / "copies")
    for name in ("server", "server_key"):
        shutil.copy(getattr(certificates, name), getattr(copies, name))
    daemon = perilune(listen(), {**names, "CERT": copies.server, "KEY": copies.server_key}, reloading=False)
    fresh = make_certificates(folder / "fresh")
    before = certificate_of(daemon.tcp)
    with secured(daemon.tcp) as running:
        running.login("plain", "secret")
        for name in ("server", "server_key"):
            shutil.copy(getattr(fresh, name), getattr(copies, name))
        daemon.reload()
        after = certificate_of(daemon.tcp)
        assert after != before
        assert running.value("SELECT 1") == "1"
        copies.server.write_text("nonsense")
        daemon.reload()
        assert str(copies.server) in daemon.log.wait("nothing was changed")
        assert certificate_of(daemon.tcp) == after


@pytest.mark.parametrize("wrong", ["CERT", "KEY", "CA"])
def test_check_names_a_wrong_file(daemons, names, wrong):
    daemon = daemons(listen(", client_ca = CA"), {**names, wrong: "/no/such.pem"})
    done = subprocess.run(daemon.command("--check"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and "/no/such.pem" in done.stderr


# servers


@pytest.mark.parametrize(
    "tls, encrypted",
    [
        ("'disable'", False),
        ("nil", False),
        ("'prefer'", True),
        ("'require'", True),
        ("{ ca = CA }", True),
        ("{ verify = false }", True),
        ("{ ca = CA, server_name = 'localhost' }", True),
    ],
)
def test_tls_to_a_server(perilune, names, tls, encrypted):
    with perilune(to_server(tls), names).logged_in() as client:
        assert bool(server_cipher(client)) == encrypted


@pytest.mark.parametrize("tls, reason", [("{ ca = STRANGERS }", "certificate"), ("{ ca = CA, server_name = 'db.example' }", "mismatch"), ("{}", "certificate")])
def test_a_server_that_is_not_the_one(perilune, names, strangers, tls, reason):
    daemon = perilune(to_server(tls), {**names, "STRANGERS": strangers.ca})
    assert "TLS with the server failed" in failure_of(daemon.sock).message
    daemon.log.wait(f"TLS with the server failed.*{reason}")


@pytest.mark.parametrize("tls, good", [("'prefer'", True), ("'require'", False), ("{ verify = false }", False)])
def test_a_server_without_tls(perilune, fake, tls, good):
    server = fake()
    daemon = perilune(to_server(tls), {"SERVER": server.address})
    if good:
        with daemon.logged_in() as client:
            client.command(wire.COM_PING)
            client.ok()
        return
    assert "does not support TLS" in failure_of(daemon.sock).message
    server.wait_for(lambda s: s.open_connections == 0)
    assert server.broken_handshakes == 0


def test_a_server_that_speaks_nothing_newer_than_tls_1_2(perilune, folder, names, certificates):
    old = start_server("mariadb", folder / "old", certificates, ("--tls-version=TLSv1.2",))
    try:
        daemon = perilune(to_server("{ ca = CA }"), {**names, "SERVER": f"127.0.0.1:{old.port}"})
        for _ in range(2):  # the second one resumes
            with daemon.logged_in() as client:
                assert client.query("SHOW STATUS LIKE 'Ssl_version'").rows[0][1] == b"TLSv1.2"
    finally:
        old.stop()


def test_a_reload_reads_the_files_for_servers_again(perilune, folder, names, certificates, strangers):
    ca = folder / "ca.pem"
    shutil.copy(certificates.ca, ca)
    daemon = perilune(to_server("{ ca = CA }"), {**names, "CA": ca}, reloading=False, workers=1)  # each reads them for itself
    with daemon.logged_in() as running:
        shutil.copy(strangers.ca, ca)
        assert server_cipher(running)
        with daemon.logged_in() as another:
            assert server_cipher(another)
        daemon.reload()
        assert "TLS with the server failed" in failure_of(daemon.sock).message
        assert server_cipher(running)
        shutil.copy(certificates.ca, ca)
        daemon.reload()
        with daemon.logged_in() as another:
            assert server_cipher(another)


def test_a_certificate_for_the_server(perilune, mariadb, names):
    mariadb.sql("CREATE OR REPLACE USER certified@'%' IDENTIFIED BY 'secret' REQUIRE X509")
    login = "{user='certified', password='secret'}"
    daemon = perilune(to_server("{ ca = CA, cert = CLIENT, key = CLIENT_KEY }", login), names)
    with daemon.logged_in() as client:
        assert client.value("SELECT CURRENT_USER()") == "certified@%"
    assert failure_of(perilune(to_server("{ ca = CA }", login), names).sock).code == 1045


def test_sessions_with_a_server_are_resumed(perilune, mysql9, names):
    """MySQL says so in a status variable; MariaDB 10.11 counts none."""
    daemon = perilune(to_server("'require'"), {**names, "SERVER": mysql9.address}, workers=1, reloading=False)
    hits = []
    for _ in range(3):
        with daemon.logged_in() as client:
            hits.append(client.query("SHOW STATUS LIKE 'Ssl_session%reused'").rows[0][1])
    assert hits == [b"0", b"1", b"1"]


# what goes through

SIDES = pytest.mark.parametrize("client_tls, server_tls", [(True, False), (False, True), (True, True)], ids=["client", "server", "both"])


@SIDES
def test_big_results_and_files(perilune, database, folder, names, client_tls, server_tls):
    daemon = perilune(to_server("'require'" if server_tls else "nil", "login"), names)
    path = folder / "rows"
    path.write_text("".join(f"{i}\t{'x' * 1000}\n" for i in range(3000)))
    sql = f"""
        CREATE TABLE t (id INT, text TEXT);
        LOAD DATA LOCAL INFILE '{path}' INTO TABLE t;
        SELECT COUNT(*), SUM(LENGTH(text)) FROM t;
        SELECT MD5(REPEAT('y', 20000000)), LENGTH(REPEAT('y', 20000000));
        SELECT id, text FROM t ORDER BY id;
    """
    option = "--ssl" if client_tls else "--skip-ssl"
    lines = programs.mariadb(daemon.tcp, sql, option, "--local-infile", "--skip-ssl-verify-server-cert", database).stdout.splitlines()
    assert lines[0] == "3000\t3000000"
    assert lines[2:] == [f"{i}\t{'x' * 1000}" for i in range(3000)]


def resident(daemon):
    """KiB."""
    status = open(f"/proc/{daemon.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


@pytest.mark.no_reload
@pytest.mark.budget
def test_memory_of_an_idle_session(perilune, fake):
    """Less than 24 KiB for the whole session, its TLS included."""
    server = fake()
    daemon = perilune(PASS_THROUGH, {"SERVER": server.address}, workers=1)
    count = 150

    def idle(connect):
        clients = [connect() for _ in range(count)]
        for client in clients:
            client.login("plain", "secret")
        return clients

    warm = idle(lambda: secured(daemon.tcp))
    sizes = [resident(daemon)]
    sessions = idle(lambda: secured(daemon.tcp))
    sizes.append(resident(daemon))
    for client in warm + sessions:
        client.close()
    assert (sizes[1] - sizes[0]) / count < 24, sizes
