"""tools/peer as processes that tests kill and start again."""

import signal
import subprocess
import sys

from throwaway import die_with_parent

from .daemon import ROOT, Lines

PEER = ROOT / "tools" / "peer"


class Peer:
    """One `tools/peer` with these arguments."""

    def __init__(self, *arguments):
        self._arguments = [str(a) for a in arguments]
        self.logs = []  # of each run
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(PEER), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent,
        )
        self.log = Lines(self.process.stdout)
        self.logs.append(self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.join()

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        """Ends it in order; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.log.join()
        return code

    def text(self):
        return "\n".join(log.text() for log in self.logs)

    def port(self):
        """Where it listens."""
        return int(self.log.wait("^listening on ").rpartition(":")[2])
