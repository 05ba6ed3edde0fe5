#!/usr/bin/python3
"""Each folder of src includes only what its level may (doc/architecture.rst).

Prints FILE:LINE: REASON for each breach; exits 1 if there is any.
"""

import re
import sys
from pathlib import Path

# folder: folders it may include besides itself, or single headers without their ending. The longest name that fits a file
# counts.
ALLOWED = {
    "util": set(),
    "wire": {"util"},
    "auth": {"util"},
    "data": {"util"},
    "event": {"util"},
    "shared": {"util"},
    "stats": {"util"},
    "log": {"util"},
    "net": {"util", "event"},
    "lua": {"util", "event"},
    "cluster": {"util", "event", "net", "log", "stats", "auth/secret"},
    "pg": {"util", "auth", "event", "net", "log"},
    "sinks": {"util", "event", "net", "log"},
    # The PROXY protocol is no database's: it comes before any driver.
    "session": {"util", "auth", "event", "stats", "log", "net", "cluster", "wire/proxy_protocol"},
    "proto": {"session", "cluster", "util"},
    "proto/*": {"session", "cluster", "net", "wire/*", "auth", "event", "stats", "log", "util"},
    "script": {"session", "cluster", "pg", "lua", "net", "event", "stats", "log", "auth", "data", "shared",
               "util", "wire/control/datagram"},
    "daemon": None,  # everything
    "ctl": {"util"},
}

# foreign header (regular expression): files of src that may include it (regular expressions)
FOREIGN = {
    r"fmt/": [r".*"],
    r"uv\.h": [r"event/.*", r"net/.*"],
    r"openssl/": [r"auth/.*", r"net/tls(_context)?\.cc"],
    r"stringprep\.h": [r"auth/saslprep\.cc"],
    r"sodium(\.h|/)": [r"auth/.*", r"cluster/hash\.cc", r"script/lib_\w+\.cc"],
    r"(lua|luajit|lauxlib|lualib)\.(h|hpp)": [r"lua/.*", r"script/.*"],
    r"nlohmann/": [r"data/json\.cc", r"ctl/.*"],
    r"toml\+\+/": [r"data/toml\.cc"],
    r"yaml-cpp/": [r"data/yaml\.cc"],
    r"re2/": [r"script/lib_re2\.cc"],
    r"libpq-fe\.h": [r"pg/.*"],
    r"systemd/": [r"daemon/.*", r"sinks/\w+\.cc"],
    r"CLI/": [r"daemon/.*", r"ctl/main\.cc"],
    r"curl/": [r"ctl/client\.cc"],
    r"curses\.h": [r"ctl/top\.cc"],
}

# Of the C library and the kernel: free for all.
_SYSTEM = re.compile(
    r"(arpa|asm|linux|net|netinet|sys)/[\w./]+\.h"
    r"|(cpuid|dirent|dlfcn|errno|fcntl|grp|ifaddrs|inttypes|limits|malloc|netdb|poll|pthread|pwd|sched|signal|stdint|stdio"
    r"|stdlib|string|strings|sysexits|syslog|time|unistd|execinfo|cxxabi)\.h"
)
_STANDARD = re.compile(r"[a-z_0-9]+")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    """The row of ALLOWED for a file of src, and its folder under that name; None if there is none."""
    parts = path.split("/")
    folder = "/".join(parts[:-1])
    if parts[0] == "proto" and len(parts) > 2:
        return "proto/*"
    return parts[0] if folder and parts[0] in ALLOWED else None


def covers(allowed, includer, included):
    """May a file in src/includer include one in src/included, given its row's right side?"""
    if allowed is None:
        return True
    top = included.split("/")[0]
    if top in allowed or included.rsplit(".", 1)[0] in allowed:
        return True
    # A protocol sees its own codecs, never another's.
    own = includer.split("/")[1] if includer.startswith("proto/") and includer.count("/") >= 2 else None
    return own is not None and "wire/*" in allowed and included.startswith((f"wire/{own}/", "wire/cursor", "wire/builder"))


def same_folder(includer, included):
    first, second = includer.split("/"), included.split("/")
    if first[0] != second[0]:
        return False
    # proto/mysql and proto/postgres are strangers; the parent folder's table knows them all.
    if first[0] == "proto" and len(first) > 2:
        return first[1] == second[1] or len(second) == 2
    return True


def breaches(path, text, own_headers):
    """(line, reason) for a file of src; own_headers are the paths of all its headers."""
    layer = layer_of(path)
    if layer is None:
        yield 1, f"src/{path} belongs to no layer"
        return
    for match in _INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        quoted, name = match[1] == '"', match[2]
        if name in own_headers:
            if not quoted:
                yield line, f"{name} is ours: include it in quotes"
            elif not same_folder(path, name) and not covers(ALLOWED[layer], path, name):
                yield line, f"{layer} may not include {name}"
        elif quoted and name.endswith(".inc") and name.split("/")[0] == path.split("/")[0]:
            continue  # made by the build
        elif quoted and name.split("/")[0] in ALLOWED:
            yield line, f"{name} does not exist"
        elif quoted and (".." in name or "/" not in name):
            yield line, f"{name}: includes are relative to src"
        else:
            yield from foreign_breach(line, path, name)


def foreign_breach(line, path, name):
    if ALLOWED[layer_of(path)] is None:
        return
    for header, users in FOREIGN.items():
        if re.match(header, name):
            if not any(re.fullmatch(user, path) for user in users):
                yield line, f"{path} may not include <{name}>"
            return
    if not _STANDARD.fullmatch(name) and not _SYSTEM.fullmatch(name):
        yield line, f"<{name}> is in no row of test/check_layers.py"


def main(arguments):
    root = Path(arguments[0] if arguments else "src")
    files = {str(p.relative_to(root)): p for p in sorted(root.rglob("*")) if p.suffix in (".cc", ".hh")}
    own_headers = {str(p.relative_to(root)) for p in root.rglob("*") if p.suffix in (".hh", ".inc")}
    found = 0
    for path, file in files.items():
        for line, reason in breaches(path, file.read_text(), own_headers):
            print(f"{file}:{line}: {reason}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
