"""A streaming standby, made and fed through whatever lies between it and its primary."""

import contextlib
import os
import shutil
import subprocess

import psycopg2

from postgres import PASSWORD, Postgres, program
from throwaway import ServerError, plain_environment, temporary_folder, unprivileged

from .replication import until

ACCESS = ("local replication all trust", "host replication all all scram-sha-256")
# A standby's numbers may not be smaller than its primary's, so that both have the same options.
OPTIONS = (
    "wal_level=replica",
    "max_wal_senders=6",
    "max_replication_slots=4",
    "wal_keep_size=256MB",
    "wal_retrieve_retry_interval=100ms",
    "synchronous_commit=on",
)


class Standby(Postgres):
    """`follow` in place of `install`. By its name commits wait for it."""

    NAME = "standby"

    def __init__(self, folder, release=None):
        super().__init__(folder, options=OPTIONS, release=release)

    def follow(self, host, port):
        self._as_user, owner = unprivileged("postgres")
        os.chown(self.folder, *owner)
        source = f"host={host} port={port} user=web password={PASSWORD} application_name={self.NAME} sslmode=disable"
        command = [program("pg_basebackup", self._release), "-D", f"{self.folder}/data", "-R", "-c", "fast", "--no-sync", "-d", source]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=plain_environment(), **self._as_user)
        if done.returncode != 0:
            raise ServerError(f"there is no base backup:\n{done.stdout}{done.stderr}")
        self.start()


@contextlib.contextmanager
def own_standby(release=None):
    """One that does not run yet; its address is known."""
    folder = temporary_folder("pg-standby-")
    standby = Standby(folder, release)
    try:
        yield standby
    finally:
        standby.close()
        shutil.rmtree(folder)


def ask(server, statement):
    """What the superuser gets, without a transaction: rows, or none."""
    with contextlib.closing(psycopg2.connect(server.local_conninfo)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def streams(primary, name):
    """How many of this name are sent all that the primary writes."""
    return ask(primary, f"SELECT count(*) FROM pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming'")[0][0]


@contextlib.contextmanager
def synchronous(primary, name=Standby.NAME):
    """The primary's commits wait for the standby, which is there."""
    until(lambda: streams(primary, name))
    ask(primary, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    ask(primary, "SELECT pg_reload_conf()")
    try:
        until(lambda: ask(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))
        yield
    finally:
        primary.start_again()
        ask(primary, "ALTER SYSTEM RESET synchronous_standby_names")
        ask(primary, "SELECT pg_reload_conf()")
