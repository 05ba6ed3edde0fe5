"""Two hosts on one cable: network namespaces joined by a pair of virtual interfaces."""

import itertools
import os
import subprocess

_numbers = itertools.count()


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"ip {' '.join(arguments)}: {done.stderr}")


class Cable:
    """`server` and `client` are addresses; `on_server` and `on_client` begin commands that are to run there."""

    server, client = "10.99.0.1", "10.99.0.2"

    def __init__(self):
        name = f"pl{os.getpid()}x{next(_numbers)}"
        self._namespaces = [name + "s", name + "c"]
        self.on_server, self.on_client = (("ip", "netns", "exec", n) for n in self._namespaces)
        self._made = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        for name in self._namespaces:
            ip("netns", "add", name)
            self._made.append(name)
            ip("-netns", name, "link", "set", "lo", "up")
        server, client = self._namespaces
        ip("-netns", server, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", client)
        for name, address in zip(self._namespaces, (self.server, self.client)):
            ip("-netns", name, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-netns", name, "link", "set", "eth0", "up")

    def close(self):
        for name in self._made:
            ip("netns", "delete", name)
