"""Every login through Perilune that the tests try: the axes of the big table, and how a cell is tried.

`support/login_rules.py` says what comes of each, `login_table_to_rst.py` shows both in the manual. The client says by
its user name what it wants, so that one script of three listeners serves all cells.
"""

import hashlib
import itertools
from dataclasses import dataclass
from typing import NamedTuple

from .drivers import CLEAR, DRIVERS, ED25519, NATIVE, PARSEC, SHA2, SHA256
from .login_table import ACCOUNTS

# What a client may be told to begin with; the first is what it does by itself at Perilune's greeting. The others have
# no such option.
CLIENT_PLUGINS = {
    "pymysql": (NATIVE,),
    "mysql2": (NATIVE,),
    "go-sql-driver": (NATIVE,),
    "connector-j": (NATIVE,),
    "mariadb-10.11": (NATIVE, SHA2, SHA256, ED25519, CLEAR),
    "mariadb-11.8": (NATIVE, SHA2, SHA256, ED25519, PARSEC, CLEAR),
    "mysql-9": (NATIVE, SHA2, SHA256, CLEAR),
}


@dataclass(frozen=True)
class Transport:
    """`listener` is one of the script's; `tls` is what drivers are told."""

    listener: str
    tls: str = "off"
    has_ca: bool = False


CLIENT_TRANSPORTS = {
    "unix": Transport("unix"),
    "tcp": Transport("plain"),
    "tls": Transport("tls", "required"),
    "tls_ca": Transport("tls", "verify", has_ca=True),
    # The listener's own certificate, which nobody signed. At an address that MariaDB's client does not take for local:
    # there it would not look at it.
    "tls_no_ca": Transport("self_signed", "verify"),
}


@dataclass(frozen=True)
class Way:
    """`number` is that of the manual's list. `secret` is what `login:verify` gets; `has_own`: the script logs in by
    credentials of its own, not by what it learnt."""

    number: int
    secret: str | None = None
    has_own: bool = False


WAYS = {
    "pass_through": Way(1),
    "known": Way(2, has_own=True),
    "verify_clear": Way(3, "clear"),
    "verify_native": Way(3, "native"),
    "verify_sha2": Way(3, "sha2"),
    "verify_ed25519": Way(3, "ed25519"),
    "verify_parsec": Way(3, "parsec"),
    "verify_native_own": Way(3, "native", has_own=True),
    "verify_sha2_own": Way(3, "sha2", has_own=True),
    "verify_ed25519_own": Way(3, "ed25519", has_own=True),
    "verify_parsec_own": Way(3, "parsec", has_own=True),
    "read_password": Way(4),
}

SERVER_ACCOUNTS = {
    "mariadb": ("native", "ed25519"),
    "mariadb118": ("native", "ed25519", "parsec"),
    "mysql9": ("sha2_full", "sha2_fast", "sha256"),
}
SERVER_TRANSPORTS = ("unix", "tcp", "tls")
PASSWORD = "secret"


class Cell(NamedTuple):
    driver: str
    plugin: str
    transport: str
    way: str
    server: str
    account: str
    server_transport: str

    def user(self, is_wrong=False):
        """The name by which the client asks for this cell; the script's own credentials can be wrong too."""
        way = "known_wrong" if is_wrong and self.way == "known" else self.way
        return ".".join((way, self.server, self.account, self.server_transport))

    @property
    def asks_for_plugin(self):
        return self.plugin != CLIENT_PLUGINS[self.driver][0]

    @property
    def listener(self):
        """Its name, and whether it has to announce that it is a MariaDB: Connector/J sets variables by the version, and
        one of those that a MySQL 5.7 has is unknown to MariaDB before 11.1."""
        return CLIENT_TRANSPORTS[self.transport].listener, (self.driver, self.server) == ("connector-j", "mariadb")


class Back(NamedTuple):
    server: str
    account: str
    server_transport: str


BACKS = [
    Back(server, account, transport)
    for server, accounts in SERVER_ACCOUNTS.items()
    for account in accounts
    for transport in SERVER_TRANSPORTS
]


def cells_of(driver, transport, way):
    return [Cell(driver, plugin, transport, way, *back) for plugin in CLIENT_PLUGINS[driver] for back in BACKS]


FRONTS = list(itertools.product(DRIVERS, CLIENT_TRANSPORTS, WAYS))


def few_of(driver, transport, way):
    """The cells that run by default.

    Where the server's challenge is relayed, both sides take part: each driver, by the plugin it likes, meets every
    account over every transport. Otherwise the proxy talks with each side for itself, and it is enough that every
    client plugin meets some servers, other ones for each driver, transport and way, so that together they are all.
    """
    chosen = []
    for at, cell in enumerate(cells_of(driver, transport, way)):
        if way == "pass_through" and not cell.asks_for_plugin and transport != "tls_no_ca":
            chosen.append(cell)
        elif (at + FRONTS.index((driver, transport, way))) % 23 == 0:
            chosen.append(cell)
    return chosen


def verifiers(mysql9, mariadb118):
    """What the servers store of the password, by the names of WAYS."""
    stored = "SELECT {} FROM mysql.{} WHERE User = '{}'"
    native = hashlib.sha1(hashlib.sha1(PASSWORD.encode()).digest()).hexdigest()
    of_parsec = "JSON_VALUE(Priv, '$.authentication_string')"
    return {
        "clear": PASSWORD,
        "native": "*" + native.upper(),
        "sha2": "0x" + mysql9.sql(stored.format("HEX(authentication_string)", "user", "sha2")).strip(),
        "ed25519": mariadb118.sql(stored.format(of_parsec, "global_priv", "ed25519")).strip(),
        "parsec": mariadb118.sql(stored.format(of_parsec, "global_priv", "parsec")).strip(),
    }


def account_name(cell, suffix):
    return f"{cell.account}{'_tls' if cell.server_transport == 'tls' else ''}_{suffix}"


def accounts_sql(server, suffix):
    """Statements that make all of a server's accounts, and those that drop them."""
    create, drop = [], []
    for name in SERVER_ACCOUNTS[server]:
        for infix, require in ("", "NONE"), ("_tls", "SSL"):
            user = f"{name}{infix}_{suffix}@'%'"
            create.append(f"CREATE USER {user} {ACCOUNTS[name].identified} REQUIRE {require};")
            drop.append(f"DROP USER {user};")
    return "".join(create), "".join(drop)


def forget_sql(cell, suffix):
    """Makes MySQL forget what it has cached of an account."""
    return f"ALTER USER {account_name(cell, suffix)}@'%' {ACCOUNTS[cell.account].identified}"


# By what `Transport.listener` says.
LISTENERS = {
    "unix": "",
    "plain": "tls = false",
    "tls": "tls = {cert = CERT, key = KEY, required = true}",
    "self_signed": "",
}


def script(targets, secrets, addresses, version, suffix):
    """The configuration. `targets` are the servers' addresses by name and transport, `secrets` those of `verifiers`,
    `addresses` the listeners' by `Cell.listener`, `version` what is announced where it matters."""
    ways = {name: {"secret": way.secret, "has_own": way.has_own, "reads": way.number == 4} for name, way in WAYS.items()}
    tables = {"targets": targets, "secrets": secrets, "ways": {**ways, "known_wrong": ways["known"]}}
    tables |= {"suffix": f"_{suffix}", "password": PASSWORD}
    lines = [f"local {name} = {_lua(value)}" for name, value in tables.items()]
    lines.append(_HANDLER)
    for (name, is_mariadb), address in addresses.items():
        options = [LISTENERS[name], f"server_version = '{version}'" if is_mariadb else ""]
        lines.append("mysql_listen('%s', handler, {%s})" % (address, ", ".join(filter(None, options))))
    return "\n".join(lines)


def _lua(value):
    if isinstance(value, dict):
        return "{%s}" % ", ".join(f"{name} = {_lua(part)}" for name, part in value.items() if part is not None)
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


_HANDLER = """
local function on_login(client, login)
  local name, server, account, transport = login.user:match('^([%w_]+)%.([%w_]+)%.([%w_]+)%.([%w_]+)$')
  local way, options = ways[name], {}
  if way.secret and not login:verify(secrets[way.secret]) then return client:err() end
  if way.reads then assert(login.password) end
  login.user = account .. suffix
  if transport == 'tls' then
    login.user, options.tls = account .. '_tls' .. suffix, {ca = CA}
  end
  if way.has_own then
    login.password = name == 'known_wrong' and 'wrong' or password
    options.unchecked = way.secret == nil
  end
  return client:connect(targets[server][transport], login, options)
end

local handler = { on_login = on_login }
"""
