"""A clean Debian 12 in a folder, and the same booted: systemd as PID 1 of namespaces of its own.

The tree is made once (debootstrap) and kept with what tools/servers has fetched. A boot sees it through an overlay, so
nothing that happens in there lasts. Its network is a loopback of its own: what packages are needed is fetched before.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from cache import FetchError, cache_folder, digest, ensure
from servers import KEYRING, mirror
from throwaway import die_with_parent

SUITE = "bookworm"
INCLUDED = ("ca-certificates", "dbus", "systemd-sysv")
_CGROUP = Path("/sys/fs/cgroup/systemd")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# In new namespaces. $1: the tree, $2: an empty folder, $3: a store. The mounts go with the namespace.
_MOUNT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"
root=$2/root
mkdir "$2/upper" "$2/work" "$root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$root"
mount --bind "$3/archives" "$root/var/cache/apt/archives"
mount --bind "$3/lists" "$root/var/lib/apt/lists"
"""

_FETCH = r"""
cp /etc/resolv.conf "$root/etc/resolv.conf"
shift 3
exec chroot "$root" /bin/sh -c '
  cd /var/cache/apt/archives
  apt-get --quiet=2 -o Acquire::Retries=3 -o APT::Sandbox::User=root update
  apt-get --quiet=2 -o Acquire::Retries=3 -o APT::Sandbox::User=root --yes --download-only install "$@"' sh "$@"
"""

_BOOT = r"""
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
ip link set lo up
# What runs only when nobody else wants the processor holds the boot up where tests keep it busy.
rm -f etc/systemd/system/multi-user.target.wants/e2scrub_reap.service etc/systemd/system/timers.target.wants/*
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --root="$root" /lib/systemd/systemd
"""


class BootError(Exception):
    """systemd cannot run here; the text says why."""


def tree():
    """The folder of the clean system."""
    folder = cache_folder() / f"debian-12-{digest(SUITE, *INCLUDED)}"
    return ensure(folder, _bootstrap)


def _bootstrap(folder):
    if shutil.which("debootstrap") is None:
        raise FetchError("debootstrap is missing; run tools/deps full")
    options = ["--variant=minbase", f"--include={','.join(INCLUDED)}", f"--keyring={KEYRING}"]
    command = ["debootstrap", *options, SUITE, folder, mirror()]
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise FetchError(f"debootstrap failed:\n{done.stdout[-4000:]}{done.stderr}")


def fetch(packages, store):
    """Puts what these need (names, or files in the store's archives) and the tree does not have into the store."""
    with tempfile.TemporaryDirectory(prefix="perilune-tree-") as work:
        environment = {"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["unshare", "--mount", "/bin/sh", "-c", _MOUNT + _FETCH, "sh", tree(), work, store.folder, *packages]
        done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise FetchError(f"apt-get failed:\n{done.stdout}{done.stderr}")


def obstacle():
    """Why systemd cannot be booted here, or nothing."""
    if os.geteuid() != 0:
        return "only root can boot systemd in namespaces"
    if not (_CGROUP / "cgroup.procs").exists():
        return f"{_CGROUP} is no hierarchy of control groups that could be handed to another systemd"
    kinds = ("--mount", "--pid", "--fork", "--cgroup", "--ipc", "--uts", "--net")
    done = subprocess.run(["unshare", *kinds, "true"], capture_output=True, text=True)
    return f"no namespaces: {done.stderr.strip()}" if done.returncode != 0 else None


class Store:
    """Packages and apt's lists of them, outside of the tree."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.archives = self.folder / "archives"
        (self.archives / "partial").mkdir(parents=True)
        (self.folder / "lists" / "partial").mkdir(parents=True)


class Machine:
    """A tree that was booted; it has the store in place of its own."""

    def __init__(self, folder, store):
        self._folder, self._store = Path(folder), store
        self.root = None
        self._group = _CGROUP / f"perilune-test-{os.getpid()}"
        self._process = self._init = None

    def boot(self, seconds=180):
        self._group.mkdir()
        kinds = ("--mount", "--pid", "--fork", "--cgroup", "--ipc", "--uts", "--net", "--kill-child")
        command = ["unshare", *kinds, "/bin/sh", "-c", _MOUNT + _BOOT, "sh", tree(), self._folder, self._store.folder]
        self._process = subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=self._enter,
        )
        deadline = time.monotonic() + seconds
        while not self._is_up():
            if self._process.poll() is not None:
                raise BootError(f"systemd ended: {self._process.stderr.read()}")
            if time.monotonic() > deadline:
                raise BootError(f"systemd is not up after {seconds} seconds")
            time.sleep(0.2)

    def _enter(self):
        die_with_parent()
        (self._group / "cgroup.procs").write_text(str(os.getpid()))

    def _is_up(self):
        try:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            if not children or Path(f"/proc/{children[0]}/comm").read_text().strip() != "systemd":
                return False
        except OSError:  # it has ended, as the caller will find out
            return False
        self._init = int(children[0])
        self.root = Path(f"/proc/{self._init}/root")
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def run(self, *command, check=True, seconds=300, environment=None):
        enter = ["nsenter", f"--target={self._init}", "--all", f"--root=/proc/{self._init}/root", f"--wd=/proc/{self._init}/root"]
        done = subprocess.run(
            [*enter, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            env={"PATH": _PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout[-12000:]}")
        return done

    def put(self, source, path):
        shutil.copy(source, self.root / path.lstrip("/"))

    def close(self):
        """Killing PID 1 of the namespace kills all in it."""
        if self._process is not None:
            if self._init is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._init, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process.stderr.close()
        for folder, _, _ in os.walk(self._group, topdown=False):
            _remove_group(folder)


def _remove_group(folder, seconds=60):
    """The kernel lets it go once the last process in it is reaped."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return os.rmdir(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
