"""Where the binaries are."""

import pathlib
import sys

BUILD = pathlib.Path(__file__).resolve().parents[2] / 'build'
FLOOR = BUILD / 'bench/perilune_floor'
PERILUNE = BUILD / 'src/daemon/perilune'


def find_floor(path: pathlib.Path | None) -> pathlib.Path:
    path = path or FLOOR
    if not path.exists():
        sys.exit(f'{path} is not there: build it with ninja bench/perilune_floor, '
                 'or name it with --floor')
    return path.resolve()


def find_perilune(path: pathlib.Path | None) -> pathlib.Path | None:
    """None if it is not built; one that was named must be there."""
    if path and not path.exists():
        sys.exit(f'{path} is not there')
    if path or PERILUNE.exists():
        return (path or PERILUNE).resolve()
    print(f'{PERILUNE} is not built: measuring without it', file=sys.stderr)
    return None
