"""The database servers that all workers of one run share.

The process that the user started owns them; each is started when a test of any worker first asks for it. Workers
ask over a unix socket, since a server dies with the thread that started it.
"""

import contextlib
import shutil
import threading
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener

from throwaway import DatabaseServer, Mariadb, Mariadb118, Mysql9, ServerError, temporary_folder

from .certificates import make_certificates


@dataclass(frozen=True)
class Kind:
    server: type[DatabaseServer]
    accounts: str
    options: tuple = ()


_COMMON = """
GRANT ALL ON *.* TO plain@'%', dumper@'%';
GRANT USAGE ON *.* TO nopass@'%';
CREATE DATABASE shared_db;
"""
_NATIVE = """
CREATE USER plain@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret');
CREATE USER nopass@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('');
CREATE USER dumper@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret');
"""
_ED25519 = """
INSTALL SONAME 'auth_ed25519';
CREATE USER ed25519@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret');
"""
_PARSEC = """
INSTALL SONAME 'auth_parsec';
CREATE USER parsec@'%' IDENTIFIED VIA parsec USING PASSWORD('secret');
"""
_SHA2 = """
CREATE USER plain@'%' IDENTIFIED WITH caching_sha2_password BY 'secret';
CREATE USER nopass@'%' IDENTIFIED WITH caching_sha2_password BY '';
CREATE USER dumper@'%' IDENTIFIED WITH caching_sha2_password BY 'secret';
CREATE USER sha2@'%' IDENTIFIED WITH caching_sha2_password BY 'secret';
CREATE USER sha256@'%' IDENTIFIED WITH sha256_password BY 'secret';
"""

# A header of the PROXY protocol is taken from everybody and asked of nobody.
_MARIADB_OPTIONS = ("--log-bin=binlog", "--binlog-format=ROW", "--proxy-protocol-networks=*")

KINDS = {
    "mariadb": Kind(Mariadb, _NATIVE + _COMMON + _ED25519, _MARIADB_OPTIONS),
    "mariadb-11.8": Kind(Mariadb118, _NATIVE + _COMMON + _ED25519 + _PARSEC),
    "mysql-9": Kind(Mysql9, _SHA2 + _COMMON),
}


def start_server(name, folder, certificates, options=(), accounts=True):
    kind = KINDS[name]
    server = kind.server(folder, [*certificates.server_options(), *kind.options, *options])
    try:
        server.start()
        if accounts:
            server.sql(kind.accounts)
    except BaseException:
        server.stop()
        raise
    return server


@contextlib.contextmanager
def own_server(name, folder, certificates):
    """A server that one test has for itself."""
    server = start_server(name, folder, certificates)
    try:
        yield server
    finally:
        server.stop()


class SharedServers:
    """Owns the run's folder, the certificates and the servers. Starting none of them costs next to nothing."""

    def __init__(self):
        self.folder = temporary_folder("perilune-e2e-")
        self.address = str(self.folder / "shared")
        self._certificates = None
        self._servers = {}
        self._listener = Listener(self.address, "AF_UNIX", backlog=16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            with self._listener.accept() as connection:
                wanted = connection.recv()
                if wanted is None:
                    break
                connection.send(self._answer(wanted))
        for server in self._servers.values():
            server.stop()

    def _answer(self, wanted):
        """What `ask` gets; an exception is raised there."""
        try:
            if self._certificates is None:
                self._certificates = make_certificates(self.folder / "tls")
            return self._certificates if wanted == "certificates" else self._describe(wanted)
        except Exception as error:
            return ServerError(f"{wanted}: {error}")

    def _describe(self, name):
        if name not in self._servers:
            self._servers[name] = start_server(name, self.folder / name, self._certificates)
        return {"socket": self._servers[name].socket, "port": self._servers[name].port}

    def close(self):
        try:
            with Client(self.address, "AF_UNIX") as connection:
                connection.send(None)
            self._thread.join()
            self._listener.close()
        finally:
            shutil.rmtree(self.folder)


def ask(address, wanted):
    """Any worker's question: a server's description by its name, or the "certificates"."""
    with Client(address, "AF_UNIX") as connection:
        connection.send(wanted)
        answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer
