"""One login and one statement by PyMySQL; ../../support/drivers.py has the contract."""

import argparse
import ssl
import sys

import pymysql


def read_options():
    parser = argparse.ArgumentParser()
    for name in ("host", "port", "socket", "user", "password", "database", "tls", "ca", "plugin", "query"):
        parser.add_argument(f"--{name}", default="")
    return parser.parse_args()


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


def main():
    try:
        print(run(read_options()))
    except (pymysql.Error, RuntimeError) as error:
        number, message = error.args if len(error.args) == 2 else (0, error)
        print("ERROR", number, message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
