"""Every Lua block of the manual runs: completed where it is a part of something, at real servers, asked by real clients."""

import contextlib
import re
import shutil
import textwrap
import time
from pathlib import Path

import psycopg
import pytest

from postgres import PASSWORD, own_postgres
from support.admin import scrape
from support.daemon import PATIENCE
from support.tcp import connect
from support.wire import Err
from throwaway import ReservedPort

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^( *)\.\. code(?:-block)?:: lua\n((?:\n|\1   .*\n)+)", re.MULTILINE)


def blocks_of(path):
    return [textwrap.dedent(body).strip() + "\n" for _, body in _BLOCK.findall(path.read_text() + "\n")]


def blocks():
    """By file and number. The tutorial's are one script."""
    found = {}
    for path in (*sorted((ROOT / "doc").glob("**/*.rst")), ROOT / "README.rst"):
        texts = blocks_of(path)
        if path.name == "tutorial.rst":
            texts = ["\n".join(texts)]
        found.update({f"{path.stem} {number}": text for number, text in enumerate(texts, 1)})
    return found


BLOCKS = blocks()

# What a fragment may expect to be there.
AROUND = """
server = SERVER
secrets = { plain = 'secret', app = 'secret', probe = 'secret' }
new, old = secrets, { plain = 'older' }
hosts, allowed = {}, { plain = true }
shop = mysql_cluster({ SERVER }, { name = 'around' })
db = pg:new(CONNINFO)
function on_login(client, login)
  client.account = login.user
  return client:connect(server, login)
end
handler = { on_login = on_login }
internal_handler = handler
"""

# What some need besides.
MORE = {
    "script 3": "assert(digest('text') == digest('text'))",
    "security 3": "  return client:connect(server, login)\nend\nreturn client:err()",
}
# Nobody is let in by these.
REFUSING = {"handlers 3"}
# Not every machine has control groups with attributes, and sockets of systemd are not there.
CHECKED = {"handlers 1", "listeners 1"}
# One says two things.
ALTERNATIVES = {"fanout 2": ("tcp", "mysql")}


def complete(name, text):
    """A whole script."""
    text += MORE.get(name, "")
    if name in ALTERNATIVES:
        of_tcp, of_mysql = text.splitlines()
        return f"tcp_listen('*:1', {{ on_connect = function(client)\n{of_tcp}\nend }})\n{in_login(of_mysql)}"
    if re.match(r"return |login\.|if login", text):
        return in_login(text)
    if not re.search(r"(mysql|pgsql|tcp)_listen\(", text):
        handler = "handler" if "handler.on_" in text else "{ on_login = on_login, on_query = on_query, on_init_db = on_init_db }"
        text += f"mysql_listen('*:3306', {handler})\n"
    return text


def in_login(text):
    return f"mysql_listen('*:3306', {{ on_login = function(client, login)\n{text}\nend }})\n"


class Places:
    """Where the names, paths and accounts of the manual are in a test."""

    def __init__(self, folder, server, postgres, certificates):
        self.folder, self._server, self._postgres = folder, server, postgres
        self.listening = []
        self._port = ReservedPort()
        for name in ("etc", "run", "log"):
            (folder / name).mkdir()
        shutil.copy(certificates.server, folder / "etc" / "fullchain.pem")
        shutil.copy(certificates.server_key, folder / "etc" / "key.pem")
        shutil.copy(certificates.ca, folder / "etc" / "ca.pem")
        (folder / "etc" / "hosts.yaml").write_text("anna: db1\n")
        (folder / "run" / "routes.json").write_text('{"anna": "db1"}')
        passwords = folder / "etc" / "pgpass"
        passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
        passwords.chmod(0o600)

    def fill_in(self, text):
        text = re.sub(r"\b(mysql|pgsql|tcp|prometheus|admin)_listen\((?:'[^']*')?", self._listen, text)
        text = re.sub(r"host=\w+\.example", f"host=127.0.0.1 port={self._postgres.port}", text)
        text = re.sub(r"'(\w+)\.example(:\d+)?'", lambda match: f"'{self._host(*match.groups())}'", text)
        for old, new in (
            ("/etc/perilune/", f"{self.folder}/etc/"),
            ("/var/log/perilune/", f"{self.folder}/log/"),
            ("'/run/routes", f"'{self.folder}/run/routes"),
            ("'239.255.1.1'", "'127.0.0.1'"),
            ("'127.0.0.1:3306'", f"'{self._server.address}'"),
            ("'perilune'", "'plain'"),
            ("'a long password'", "'secret'"),
            ("alice", "plain"),
            ("'app'", "'plain'"),
            ("every(10,", "every(0.05,"),
        ):
            text = text.replace(old, new)
        return text

    def _listen(self, match):
        if match[0].endswith("(") and match[1] != "admin":  # systemd's sockets
            return match[0]
        if "proxy_protocol" in match.string:  # lists addresses
            self.listening.append((match[1], ("127.0.0.1", self._port.port)))
            return f"{match[1]}_listen('127.0.0.1:{self._port.port}'"
        name = ".s.PGSQL.5432" if match[1] == "pgsql" else f"listen{len(self.listening)}"
        self.listening.append((match[1], str(self.folder / name)))
        return f"{match[1]}_listen('{self.folder / name}'"

    def close(self):
        self._port.close()

    def _host(self, name, port):
        if name.startswith("pg") or port == ":5432":
            return ("localhost:%d" if name == "pg2" else "127.0.0.1:%d") % self._postgres.port
        return self._server.socket if name == "db2" else self._server.address


@pytest.fixture(scope="module")
def postgres():
    with own_postgres() as server:
        server.sql("CREATE ROLE plain LOGIN PASSWORD 'secret'; CREATE DATABASE plain OWNER plain", database="postgres")
        server.sql(
            f"""
            CREATE ROLE pgbouncer LOGIN PASSWORD '{PASSWORD}'; CREATE SCHEMA pgbouncer; GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;
            CREATE FUNCTION pgbouncer.get_auth(text) RETURNS TABLE (username name, password text) LANGUAGE sql SECURITY DEFINER
              AS 'SELECT usename, passwd FROM pg_shadow WHERE usename = $1';
            """,
            database="postgres",
        )
        server.sql("CREATE TABLE account (name text, server text, password text); GRANT SELECT ON account TO web")
        yield server


@pytest.fixture
def places(folder, server, postgres, certificates):
    server.sql("CREATE DATABASE IF NOT EXISTS prod_shared_db; CREATE DATABASE IF NOT EXISTS plain_shared_db")
    postgres.sql(f"TRUNCATE account; INSERT INTO account VALUES ('plain', '{server.address}', 'secret')")
    (folder / "m").mkdir()
    places = Places(folder / "m", server, postgres, certificates)
    yield places
    places.close()


def use_mysql(daemon, address):
    with daemon.raw(address) as client:
        client.login("plain", "secret", database="shared_db")
        with contextlib.suppress(Err):  # "Ask an administrator", or a script that answers other texts
            client.query("DROP TABLE missing")
        with contextlib.suppress(Err):
            client.query("SELECT STATUS")
        client.query("USE shared_db")


def use_pgsql(daemon, address):
    folder = Path(address).parent
    with psycopg.connect(host=str(folder), port=5432, user="plain", password="secret", connect_timeout=30) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def use_tcp(daemon, address):
    with connect(address) as client:
        client.sendall(b"hello")


def use_prometheus(daemon, address):
    assert scrape(address).names


CLIENTS = {"mysql": use_mysql, "pgsql": use_pgsql, "tcp": use_tcp, "prometheus": use_prometheus, "admin": lambda daemon, address: None}


def test_blocks_are_found():
    text = "".join(path.read_text() for path in (ROOT / "doc").glob("**/*.rst")) + (ROOT / "README.rst").read_text()
    tutorial = (ROOT / "doc" / "tutorial.rst").read_text()
    assert len(BLOCKS) == text.count(":: lua\n") - tutorial.count(":: lua\n") + 1
    assert {*MORE, *REFUSING, *CHECKED, *ALTERNATIVES} <= set(BLOCKS)


@pytest.mark.no_reload
@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in CHECKED])
def test_a_block_runs(name, places, daemons, postgres):
    script = places.fill_in(complete(name, BLOCKS[name]))
    metrics = f"{places.folder}/counted"
    whole = f"{AROUND}\ndo\n{script}\nend\nprometheus_listen('{metrics}')\n"
    daemon = daemons(whole, {"CONNINFO": postgres.conninfo}, workers=1).start()
    assert places.listening
    for protocol, address in places.listening:
        if name in REFUSING:
            with pytest.raises(Err):
                CLIENTS[protocol](daemon, address)
        else:
            CLIENTS[protocol](daemon, address)
    wait_for_callbacks(metrics, "every(" in script, places.listening)
    assert not daemon.log.matching("callback failed"), daemon.log.text()


def wait_for_callbacks(metrics, has_timer, listening):
    """Each kind was called, and none has failed."""
    expected = {{"tcp": "on_connect"}.get(protocol, "on_login") for protocol, _ in listening if protocol in ("mysql", "pgsql", "tcp")}
    expected |= {"every"} if has_timer else set()
    deadline = time.monotonic() + 20 * PATIENCE
    while True:
        page = scrape(metrics)
        missing = [callback for callback in expected if not page("perilune_lua_callback_calls_total", callback=callback)]
        if not missing:
            break
        assert time.monotonic() < deadline, missing
        time.sleep(0.05)
    assert page("perilune_lua_callback_errors_total") == 0


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_a_block_is_accepted(name, places, daemons, postgres):
    daemon = daemons(f"{AROUND}\n{places.fill_in(complete(name, BLOCKS[name]))}", {"CONNINFO": postgres.conninfo}, arguments=["--check"])
    assert daemon.spawn().wait() == 0, daemon.log.text()
