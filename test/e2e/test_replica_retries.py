"""A replica whose primary goes away while it is being greeted tries again: no error of Perilune's makes it give up."""

import threading
import time

import pytest

from support.daemon import PASS_THROUGH, PATIENCE
from support.shared_servers import own_server
from support.wire import Greeting

STEPS = 9  # of a MariaDB's, up to its registration
ANSWERS = {"TIMESTAMP": b"%d", "SERVER_ID": b"77", "CHECKSUM": b"NONE"}


class Primary:
    """Answers so many commands of a connection as a MariaDB would, and hangs up at the next one."""

    def __init__(self, fake):
        self.most, self.hung_up = 0, 0
        self._seen = threading.local()  # a connection has a thread of its own
        self.server = fake(Greeting(server_version="10.11.5-MariaDB", plugin="mysql_native_password"), on_command=self._answer)

    def _answer(self, peer, command):
        self._seen.count = getattr(self._seen, "count", 0) + 1
        text = command[1:].decode("latin1").upper()
        if self._seen.count > self.most or command[0] != 3:
            self.hung_up += 1
            return peer.hang_up()
        if text.startswith("SET"):
            return peer.ok()
        value = next((value for word, value in ANSWERS.items() if word in text), b"0")
        value = value % time.time() if b"%" in value else value
        columns = [b"server_id", value] if text.startswith("SHOW") else [value]
        return peer.rows([f"c{n}" for n in range(len(columns))], [tuple(columns)])


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


@pytest.mark.streams
def test_a_primary_that_goes_away_at_any_step(perilune, fake, certificates, folder):
    primary = Primary(fake)
    daemon = perilune(PASS_THROUGH, {"SERVER": primary.server.address})
    with own_server("mariadb", folder / "replica", certificates) as replica:
        replica.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={daemon.tcp[1]}, MASTER_USER='plain', MASTER_PASSWORD='secret', MASTER_CONNECT_RETRY=1")
        for step in range(STEPS):
            primary.most, before = step, primary.hung_up
            replica.sql("START SLAVE")
            wait_until(lambda: primary.hung_up >= before + 3)
            assert replica.sql("SHOW SLAVE STATUS").split("\t")[10] == "Connecting"
            replica.sql("STOP SLAVE")
