"""A hosting company's configuration, end to end: who a client is comes from its cgroup or uid, where it may go and with which
password from PostgreSQL, where the password is kept in a sealed box, notifications empty the cache of that, each account has its
cluster, a datagram ends an account's sessions; all of it under load and while the configuration is read again and again."""

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from nacl.public import PrivateKey, SealedBox

from postgres import own_postgres
from support.daemon import PATIENCE
from support.wire import Err

SCRIPT = """
local clusters = {
  blue = mysql_cluster({ SERVER }, { name = 'blue', monitoring = true, interval = 0.2, timeout = 5 }),
  green = mysql_cluster({ { SERVER, weight = 2 } }, { name = 'green' }),
}
local public, secret = sodium.hex2bin(PUBLIC), sodium.hex2bin(SECRET)
local db = pg:new(PG, 'routing', { connections = 2 })
local cache = {}

-- The row of an account as the database has it, or false.
local function look_up(name)
  local known = cache[name]
  if known ~= nil then return known end
  local result, message = db:execute(
    'SELECT cluster, login, sealed, networks FROM account WHERE name = $1 AND NOT disabled', { name, n = 1 })
  if not result then return nil, message end
  local row = result:fetch({}, 'a') or false
  cache[name] = row
  return row
end

db:listen('account', function() cache = {} event('cache emptied') end)
db:execute('SELECT 1')  -- from now on nothing is missed
control_listen(CONTROL, { allow_uids = { UID } })

local function account_of(client)
  local name = XATTR ~= '' and client.cgroup.xattr[XATTR]
  return name or 'uid' .. client.uid
end

mysql_listen(SOCK, {
  on_login = function(client, login)
    client.account = account_of(client)
    local row, message = look_up(client.account)
    if row == nil then
      print('lookup failed:', message)
      return client:err('Temporarily unavailable')
    end
    if not row then return client:err('No such account', { code = 1045, sqlstate = '28000' }) end
    client.notes.networks = row.networks and pg:decode_array(row.networks) or {}
    local password = sodium.crypto_box_seal_open(sodium.hex2bin(row.sealed), public, secret)
    return client:connect(clusters[row.cluster], { user = row.login, password = password, database = login.database })
  end,
  on_command_phase = function(client) client.notes.ready = true end,
})
"""

SCHEMA = """
CREATE SCHEMA routing;
CREATE TABLE routing.account (name text PRIMARY KEY, cluster text, login text, sealed text, networks text[], disabled boolean DEFAULT false);
CREATE FUNCTION routing.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY account; RETURN NULL; END';
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON routing.account FOR EACH STATEMENT EXECUTE FUNCTION routing.tell();
GRANT USAGE ON SCHEMA routing TO web; GRANT SELECT ON routing.account TO web;
"""


KEY = PrivateKey.generate()


def seal(password):
    return SealedBox(KEY.public_key).encrypt(password.encode()).hex()


def definitions(postgres_conninfo, mariadb, control, xattr):
    return {
        "PG": postgres_conninfo,
        "SERVER": mariadb.address,
        "PUBLIC": KEY.public_key.encode().hex(),
        "SECRET": KEY.encode().hex(),
        "CONTROL": control,
        "XATTR": xattr,
    }


@pytest.fixture
def postgres():
    with own_postgres() as postgres:
        postgres.sql(SCHEMA)
        yield postgres


def move_to(group):
    (group / "cgroup.procs").write_text(str(os.getpid()))


def enter(group):
    """Whether it could be made, with an attribute, and this process moved into it."""
    if not (group.parent / "cgroup.controllers").exists():
        return False
    try:
        group.mkdir()
        os.setxattr(group, "user.account", b"from-cgroup")
        move_to(group)
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        return False
    return True


def unified_hierarchy():
    """Where it is mounted; not where Perilune looks for it on machines that have the old hierarchies too."""
    mounts = [line.split() for line in open("/proc/self/mounts")]
    return Path(next((mount[1] for mount in mounts if mount[2] == "cgroup2"), CGROUPS))


CGROUPS = "/sys/fs/cgroup"
WITH_CGROUPS = ("unshare", "--mount", "sh", "-c", f'umount --recursive {CGROUPS}; mount -t cgroup2 none {CGROUPS} && exec "$@"', "sh")


@pytest.fixture
def cgroup():
    """This process in a cgroup with an attribute: its name, and how to start who looks for it. Empty where none can be made.

    What is started meanwhile lives there too and must end before.
    """
    here = next((line.split(":", 2)[2].strip() for line in open("/proc/self/cgroup") if line.startswith("0::")), "/")
    hierarchy = unified_hierarchy()
    group = hierarchy / here.lstrip("/") / f"perilune-test-{os.getpid()}"
    if not enter(group):
        yield "", ()
        return
    try:
        yield "account", () if str(hierarchy) == CGROUPS else WITH_CGROUPS
    finally:
        move_to(group.parent)
        wait_until(lambda: is_removed(group))


def is_removed(group):
    """Processes that have just ended are still in it for a moment."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def disconnect(path, account):
    payload = account.encode()
    datagram = bytes.fromhex("63046101") + struct.pack(">HH", len(payload), 20) + payload + b"\0" * (-len(payload) % 4)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(datagram, str(path))


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


class Load:
    """Clients that log in, ask and leave, again and again."""

    def __init__(self, daemon, count=4):
        self.daemon, self.stopped = daemon, threading.Event()
        self.outcomes = []
        self.threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _run(self):
        while not self.stopped.is_set():
            self.outcomes.append(self._once())

    def _once(self):
        try:
            with self.daemon.raw(seconds=60 * PATIENCE) as client:
                client.login("whoever", "whatever")
                return client.value("SELECT CURRENT_USER()").split("@")[0]
        except Err as error:
            return error.message
        except Exception as error:
            return type(error).__name__

    def wait_for(self, outcome, count=10):
        mark = len(self.outcomes)
        wait_until(lambda: self.outcomes[mark:].count(outcome) >= count)

    def settled(self):
        """What the clients meet with after everything that has begun is over."""
        mark = len(self.outcomes)
        wait_until(lambda: len(self.outcomes) >= mark + 40)
        return set(self.outcomes[mark + 20 :])


def test_hosting(mariadb, cgroup, postgres, daemons, folder):
    xattr, wrapper = cgroup
    account = "from-cgroup" if xattr else f"uid{os.getuid()}"
    control = folder / "control"
    define = definitions(postgres.conninfo, mariadb, control, xattr)
    daemon = daemons(f"UID = {os.getuid()}\n" + SCRIPT, define, wrapper=wrapper).start()
    sealed = seal("secret")

    # Nobody knows the account; then it is made, and the cache, which has remembered that there was none, is told.
    with daemon.raw() as client, pytest.raises(Err, match="No such account") as caught:
        client.login("whoever", "whatever")
    assert caught.value.code == 1045
    postgres.sql(f"INSERT INTO routing.account VALUES ('{account}', 'blue', 'plain', '{sealed}', '{{10.0.0.0/8}}')")

    with Load(daemon) as load:
        load.wait_for("plain", 30)
        assert load.settled() == {"plain"}  # through all the reloads

        # Other credentials, from the next login on.
        postgres.sql(f"UPDATE routing.account SET login = 'dumper', cluster = 'green', sealed = '{sealed}'")
        load.wait_for("dumper", 30)
        assert load.settled() == {"dumper"}

        # The account's sessions end, wherever they are and whatever generation they belong to; new ones come.
        held = [daemon.raw() for _ in range(6)]
        for client in held:
            client.login("whoever", "whatever")
        disconnect(control, account)
        daemon.log.wait(f'closed sessions count=[0-9]+ account="{account}"')
        for client in held:
            with client, pytest.raises(Exception):
                client.packets.read()
        load.wait_for("dumper", 30)

        # The database is away for a while: who is in the cache of its worker may still come, the others are refused.
        postgres.stop()
        daemon.log.wait("no connection to PostgreSQL")
        load.wait_for("Temporarily unavailable", 1)
        postgres.start()
        load.wait_for("dumper", 30)

        postgres.sql("UPDATE routing.account SET disabled = true")
        load.wait_for("No such account", 30)
        assert load.settled() == {"No such account"}
    daemon.events.wait("cache emptied")
    for secret in ("secret", "lookup-secret", KEY.encode().hex()):
        assert secret not in daemon.log.text()


def test_a_tool_of_the_command_line(daemons, postgres, mariadb, folder):
    """What a customer does: the command line client, without a password."""
    define = definitions(postgres.local_conninfo, mariadb, folder / "control", "")
    sealed = seal("secret")
    postgres.sql(f"INSERT INTO routing.account VALUES ('uid{os.getuid()}', 'green', 'plain', '{sealed}', NULL)")
    daemon = daemons(f"UID = {os.getuid()}\n" + SCRIPT, define).start()
    command = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--user=customer", f"--socket={daemon.sock}"]
    done = subprocess.run([*command, "--execute=SELECT CURRENT_USER(), 6 * 7", "shared_db"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["plain@%", "42"]
