"""Folders of fetched or built things that outlive a run. A folder is there whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path


class FetchError(Exception):
    """Something could not be fetched or built; the text says what and why."""


def cache_folder():
    """Servers give up root, and the folder of root's own is closed to them."""
    given = os.environ.get("PERILUNE_CACHE")
    if given:
        return Path(given).absolute()
    return Path("/var/cache/perilune") if os.geteuid() == 0 else Path.home() / ".cache" / "perilune"


def digest(*parts):
    """A short name for all that a folder is made from: whoever changes that gets another folder."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def ensure(folder, make):
    """The folder, made by `make(temporary sibling)` if it is not there; whoever comes second waits and uses it."""
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f".{folder.name}.lock"):
        if not folder.exists():
            _make(folder, make)
    return folder


@contextlib.contextmanager
def _locked(path):
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder, make):
    for left_over in folder.parent.glob(f".{folder.name}.*.new"):  # of somebody who was killed
        shutil.rmtree(left_over)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".new", dir=folder.parent))
    try:
        temporary.chmod(0o755)
        make(temporary)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary)
        raise


def main_of(program, names, root_of, make):
    """The command line of a program that fills the cache: [--list] [NAME...]."""
    wanted = [argument for argument in sys.argv[1:] if argument != "--list"] or list(names)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        print(f"{program}: unknown: {' '.join(unknown)}", file=sys.stderr)
        return 64
    if "--list" in sys.argv[1:]:
        for name in wanted:
            print(name, root_of(name) if root_of(name).exists() else "missing")
        return 0
    return 0 if all([_print_made(program, name, root_of(name), make) for name in wanted]) else 1


def _print_made(program, name, folder, make):
    if not folder.exists():
        print(f"fetching {name} ...", file=sys.stderr, flush=True)
    try:
        print(ensure(folder, lambda temporary: make(name, temporary)), flush=True)
        return True
    except (FetchError, OSError) as error:
        print(f"{program}: {name}: {error}", file=sys.stderr, flush=True)
        return False
