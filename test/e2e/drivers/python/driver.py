"""One login and one statement by PyMySQL; ../../support/drivers.py has the contract."""

import argparse
import ssl
import sys

import pymysql


def read_options(words):
    parser = argparse.ArgumentParser()
    for name in ("host", "port", "socket", "user", "password", "database", "tls", "ca", "plugin", "query"):
        parser.add_argument(f"--{name}", default="")
    return parser.parse_args(words)


def tls_of(options):
    if options.tls == "off":
        return None
    context = ssl.create_default_context(cafile=options.ca or None)
    if options.tls == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def address_of(options):
    if options.socket:
        return {"unix_socket": options.socket}
    return {"host": options.host, "port": int(options.port)}


def run(options):
    connection = pymysql.connect(
        **address_of(options),
        user=options.user,
        password=options.password,
        database=options.database or None,
        ssl=tls_of(options),
        connect_timeout=20,
        read_timeout=20,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(options.query)
        return cursor.fetchone()[0]


def outcome(words):
    """What to print, and whether it is a value."""
    try:
        return str(run(read_options(words))), True
    except (pymysql.Error, OSError, RuntimeError) as error:
        number, message = error.args if len(error.args) == 2 else (0, error)
        return f"ERROR {number} {message}", False


def main():
    if sys.argv[1:] == ["--batch"]:
        for line in sys.stdin:
            print(outcome(line.rstrip("\n").split("\t"))[0].replace("\n", " "), flush=True)
        return 0
    text, is_value = outcome(sys.argv[1:])
    print(text)
    return 0 if is_value else 1


if __name__ == "__main__":
    sys.exit(main())
