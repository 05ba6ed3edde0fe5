"""A column of each type of each server, and a parameter of each type of the binary protocol."""

import struct

from . import wire
from .transcript import typed


def column(definition, *values):
    """With the values of the rows, as SQL."""
    return definition, values


def integers():
    for name, bits in ("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64):
        yield column(name, -(1 << bits - 1), (1 << bits - 1) - 1, 0)
        yield column(f"{name} UNSIGNED", 0, (1 << bits) - 1, 1)
        yield column(f"{name} ZEROFILL", 0, 7, 1)


def strings():
    for name in "CHAR(10)", "VARCHAR(300)", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT":
        for charset in "utf8mb4", "latin1":
            yield column(f"{name} CHARACTER SET {charset}", "'a'", "REPEAT('ÿ', 10)", "''")
    for name in "BINARY(10)", "VARBINARY(300)", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB":
        yield column(name, "x'00'", "x'fffefbfa00fffefbfa00'", "''")
    # Lengths at which the length takes more bytes, and first bytes of a row that are those of other packets.
    yield column("LONGBLOB", "REPEAT('x', 250)", "REPEAT('x', 251)", "REPEAT('x', 65535)")
    yield column("LONGTEXT", "REPEAT('y', 65536)", "REPEAT('y', 252)", "REPEAT('y', 254)")


def times():
    yield column("DATE", "'0000-00-00'", "'9999-12-31'", "'1000-01-01'")
    yield column("YEAR", "1901", "2155", "0")
    for digits in (0, 1, 3, 6):
        fraction = ("." + "9" * digits).rstrip(".")
        yield column(f"TIME({digits})", "'-838:59:59'", f"'838:59:58{fraction}'", "0")
        yield column(f"DATETIME({digits})", "'0000-00-00 00:00:00'", f"'9999-12-31 23:59:59{fraction}'", "'1000-01-01 00:00:00'")
        yield column(f"TIMESTAMP({digits}) NULL", "'1970-01-02 00:00:01'", f"'2038-01-01 03:14:07{fraction}'", "'0000-00-00 00:00:00'")


def others():
    yield column("DECIMAL(65, 30)", "-" + "9" * 35 + "." + "9" * 30, "9" * 35 + "." + "9" * 30, "0")
    yield column("DECIMAL(5, 0) UNSIGNED", "0", "99999", "1")
    yield column("FLOAT", "-3.402823e38", "3.402823e38", "0")
    yield column("FLOAT(7, 3)", "-9999.999", "9999.999", "0.001")
    yield column("DOUBLE", "-1.7976931348623157e308", "2.2250738585072014e-308", "0")
    yield column("DOUBLE ZEROFILL", "0", "3.5", "1e100")
    yield column("BIT(1)", "b'0'", "b'1'", "b'0'")
    yield column("BIT(64)", "0", "0xffffffffffffffff", "1")
    yield column("BOOLEAN", "FALSE", "TRUE", "FALSE")
    yield column("ENUM('', 'a', 'ü')", "'a'", "'ü'", "''")
    yield column("SET('a', 'b', 'ü')", "'a'", "'a,b,ü'", "''")
    yield column("JSON", "'null'", """'{"a": [1, -2.5, "ü", {}]}'""", "'[]'")
    yield column("GEOMETRY", "ST_GeomFromText('POINT(-1 1)')", "ST_GeomFromText('POLYGON((0 0, 0 9, 9 9, 0 0))')", "ST_GeomFromText('POINT(0 0)')")
    yield column("POINT", "ST_GeomFromText('POINT(-1 1)')", "ST_GeomFromText('POINT(1e300 1e-300)')", "ST_GeomFromText('POINT(0 0)')")
    yield column("GEOMETRYCOLLECTION", *["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')"] * 3)


def of_mariadb():
    yield column("INET6", "'::'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'::ffff:1.2.3.4'")
    yield column("INET4", "'0.0.0.0'", "'255.255.255.255'", "'127.0.0.1'")
    yield column("UUID", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-fffffffffffe'", "'123e4567-e89b-12d3-a456-426655440000'")


OWN = {
    "mariadb": [*of_mariadb()],
    "mariadb118": [*of_mariadb(), column("VECTOR(3)", "VEC_FromText('[0,0,0]')", "VEC_FromText('[1,-2,3e30]')", "VEC_FromText('[1,1,1]')")],
    "mysql9": [column("VECTOR(3)", "TO_VECTOR('[0, 0, 0]')", "TO_VECTOR('[1, -2, 3e30]')", "TO_VECTOR('[1]')")],
}


def table(server, name):
    """The statements that make a table with a column of each type: a row of NULLs, and of each type's values."""
    columns = [*integers(), *strings(), *times(), *others(), *OWN[server]]
    definitions = ", ".join(f"c{number} {definition}" for number, (definition, _) in enumerate(columns))
    rows = [", ".join(["NULL"] * len(columns)), *(", ".join(str(values[row]) for _, values in columns) for row in range(3))]
    inserts = "".join(f"INSERT INTO {name} VALUES (NULL, {row}); " for row in rows)
    return f"SET sql_mode = '', NAMES utf8mb4; CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, {definitions}) ROW_FORMAT=DYNAMIC; {inserts}"


def parameters():
    """Each type that a client may send as, at its ends."""
    for kind, size in (1, 1), (2, 2), (13, 2), (3, 4), (9, 4), (8, 8):  # TINY, SHORT, YEAR, LONG, INT24, LONGLONG
        for data in bytes(size), b"\xff" * size, b"\xff" * (size - 1) + b"\x7f", bytes(size - 1) + b"\x80":
            yield typed(kind, data)
            yield typed(kind, data, unsigned=True)
    for number in 0.0, -1.5, 3.4e38:
        yield typed(4, struct.pack("<f", number))  # FLOAT
        yield typed(5, struct.pack("<d", number))  # DOUBLE
    yield typed(6, None)  # NULL
    day, hour = struct.pack("<HBB", 2024, 2, 29), bytes([23, 59, 58])
    for kind in 10, 12, 7:  # DATE, DATETIME, TIMESTAMP
        for data in b"", day, day + hour, day + hour + struct.pack("<I", 999999):
            yield typed(kind, bytes([len(data)]) + data)
    for data in b"", struct.pack("<BI", 1, 34) + hour, struct.pack("<BI", 0, 0) + hour + struct.pack("<I", 1):
        yield typed(11, bytes([len(data)]) + data)  # TIME
    # DECIMAL, VARCHAR, BIT, JSON, NEWDECIMAL, ENUM, SET, the BLOBs, VAR_STRING, STRING, GEOMETRY
    for kind in 0, 15, 16, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255:
        for text in b"", b"1", b"12.5", b"x" * 300:
            yield typed(kind, wire.lenenc_text(text))
