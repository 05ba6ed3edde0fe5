"""A primary and a replica of it that replicate semi-synchronously through whatever lies between."""

import contextlib
import signal
import subprocess
import time

from throwaway import stop_process

from .daemon import PATIENCE
from .shared_servers import start_server

ACK_TIMEOUT = 20  # seconds that a commit waits for the replica's acknowledgement: longer than any test lets it wait


def until(condition, seconds=20):
    """Waits for what a server tells only to who asks."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "not reached"
        time.sleep(0.02)


class Pair:
    """`primary` and `replica`, of one maker; neither knows of the other until `follow`. The names are the maker's."""

    SERVER = ""
    OPTIONS = ("--log-bin=binlog", "--innodb-flush-log-at-trx-commit=1")  # what is in the log survives a crash
    PRIMARY_OPTIONS = REPLICA_OPTIONS = ()
    RESET = "RESET MASTER"
    CHANGE, START, STOP, FORGET, STATUS = "CHANGE MASTER TO", "START SLAVE", "STOP SLAVE", "RESET SLAVE ALL", "SHOW SLAVE STATUS"
    PLACE = "SHOW MASTER STATUS"
    GTID, WAIT_FOR_GTID, WAIT_FOR_PLACE = "@@gtid_binlog_pos", "MASTER_GTID_WAIT", "MASTER_POS_WAIT"
    PREFIX = "MASTER_"  # of the options of CHANGE
    BY_GTID, BY_PLACE = "USE_GTID=slave_pos", "USE_GTID=no"
    CLEAR = ("SSL=0",)
    SEMI_SYNC = "Rpl_semi_sync_master_"

    def __init__(self, primary, replica):
        self.primary, self.replica = primary, replica
        self._by_gtid = True

    def follow(self, address, place=None, tls=False):
        """Replicates by GTID, or from `place`, by way of `address`, until `leave`."""
        self._by_gtid = place is None
        options = [f"HOST='{address[0]}'", f"PORT={address[1]}", "USER='plain'", "PASSWORD='secret'", "CONNECT_RETRY=1", "HEARTBEAT_PERIOD=0.2"]
        options += ["SSL=1"] if tls else self.CLEAR
        options += [self.BY_GTID] if place is None else [self.BY_PLACE, f"LOG_FILE='{place[0]}'", f"LOG_POS={place[1]}"]
        named = ", ".join(option if option.startswith("GET_") else self.PREFIX + option for option in options)
        self.replica.sql(f"{self.CHANGE} {named}; {self.START}")

    def start(self):
        self.replica.sql(self.START)

    def stop(self):
        self.replica.sql(self.STOP)

    def leave(self):
        self.replica.sql(f"{self.STOP}; {self.FORGET}")

    def place(self):
        """The file that the primary writes, and where in it."""
        return self.primary.sql(self.PLACE).split("\t")[:2]

    def wait(self, seconds=30):
        """Until the replica has applied all that the primary has written so far."""
        if self._by_gtid:
            gtid = self.primary.sql(f"SELECT {self.GTID}").strip().replace("\\n", "")
            asked = f"SELECT {self.WAIT_FOR_GTID}('{gtid}', {seconds}) = 0"
        else:
            asked = "SELECT {}('{}', {}, {}) >= 0".format(self.WAIT_FOR_PLACE, *self.place(), seconds)
        assert self.replica.sql(asked) == "1\n", self.replica_says()

    def wait_for_acknowledgements(self):
        """Until commits wait for the replica."""
        until(lambda: (self.semi_sync("status"), self.semi_sync("clients")) == ("ON", "1"))

    def semi_sync(self, name):
        """What the primary counts."""
        return self.primary.sql(f"SHOW GLOBAL STATUS LIKE '{self.SEMI_SYNC}{name}'").split()[1]

    def replica_says(self):
        """Both makers' columns begin alike."""
        return self.replica.sql(self.STATUS).split("\t")

    def is_connected(self):
        return self.replica_says()[10] == "Yes"

    def streams(self):
        """The sessions in which the primary sends its log, by its own numbers."""
        return self.primary.sql("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'").split()

    def restart_primary(self, how, meanwhile):
        stop_process(self.primary.process, how, 30)
        meanwhile()
        self.primary.start()


class MariadbPair(Pair):
    SERVER = "mariadb"
    OPTIONS = (*Pair.OPTIONS, "--binlog-format=ROW")
    PRIMARY_OPTIONS = (
        "--rpl-semi-sync-master-enabled=ON",
        "--rpl-semi-sync-master-wait-no-slave=OFF",
        f"--rpl-semi-sync-master-timeout={ACK_TIMEOUT * 1000}",
    )
    REPLICA_OPTIONS = ("--rpl-semi-sync-slave-enabled=ON",)


class MysqlPair(Pair):
    SERVER = "mysql-9"
    OPTIONS = (*Pair.OPTIONS, "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
    PRIMARY_OPTIONS = (
        "--plugin-load-add=semisync_source.so",
        "--rpl-semi-sync-source-enabled=ON",
        "--rpl-semi-sync-source-wait-no-replica=OFF",
        f"--rpl-semi-sync-source-timeout={ACK_TIMEOUT * 1000}",
    )
    REPLICA_OPTIONS = ("--plugin-load-add=semisync_replica.so", "--rpl-semi-sync-replica-enabled=ON")
    RESET = "RESET BINARY LOGS AND GTIDS"
    CHANGE, START, STOP, FORGET, STATUS = (
        "CHANGE REPLICATION SOURCE TO", "START REPLICA", "STOP REPLICA", "RESET REPLICA ALL", "SHOW REPLICA STATUS",
    )
    PLACE = "SHOW BINARY LOG STATUS"
    GTID, WAIT_FOR_GTID, WAIT_FOR_PLACE = "@@gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET", "SOURCE_POS_WAIT"
    PREFIX = "SOURCE_"
    BY_GTID, BY_PLACE = "AUTO_POSITION=1", "AUTO_POSITION=0"
    CLEAR = ("SSL=0", "GET_SOURCE_PUBLIC_KEY=1")
    SEMI_SYNC = "Rpl_semi_sync_source_"


PAIRS = {pair.SERVER: pair for pair in (MariadbPair, MysqlPair)}


@contextlib.contextmanager
def own_pair(name, folder, certificates):
    """A pair that the tests of one file have for themselves; their logs begin empty."""
    kind = PAIRS[name]
    with contextlib.ExitStack() as stack:
        primary = start_server(name, folder / "primary", certificates, (*kind.OPTIONS, *kind.PRIMARY_OPTIONS, "--server-id=11"))
        stack.callback(primary.stop)
        stop_process(primary.process, signal.SIGTERM, 30)
        copy_data(folder / "primary", folder / "replica")
        primary.start()
        replica = start_server(name, folder / "replica", certificates, (*kind.OPTIONS, *kind.REPLICA_OPTIONS, "--server-id=12"), accounts=False)
        stack.callback(replica.stop)
        for server in primary, replica:
            server.sql(kind.RESET)
        yield kind(primary, replica)


def copy_data(source, target):
    """Much faster than to make a server's tables anew. MySQL keeps there which server it is."""
    target.mkdir()
    subprocess.run(["cp", "--archive", source / "data", target], check=True)
    (target / "data/auto.cnf").unlink(missing_ok=True)
