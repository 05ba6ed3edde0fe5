"""MariaDB's client library for C, by ctypes: what programs in most languages stand on, and the only one here that changes its
user as C programs do."""

import ctypes

_OPT_CONNECT_TIMEOUT, _OPT_READ_TIMEOUT = 0, 11


class CError(Exception):
    def __init__(self, number, message):
        super().__init__(f"{number}: {message}")
        self.number, self.message = number, message


def _load():
    library = ctypes.CDLL("libmariadb.so.3")
    library.mysql_init.restype = library.mysql_store_result.restype = ctypes.c_void_p
    library.mysql_real_connect.restype = ctypes.c_void_p
    library.mysql_fetch_row.restype = ctypes.POINTER(ctypes.c_char_p)
    library.mysql_error.restype = ctypes.c_char_p
    return library


class CClient:
    """One connection; use as a context manager. `address`: a path or (host, port)."""

    def __init__(self, address, user, password="", database=None):
        self._library = _load()
        self._mysql = ctypes.c_void_p(self._library.mysql_init(None))
        self._option(_OPT_CONNECT_TIMEOUT, ctypes.c_uint(30))
        self._option(_OPT_READ_TIMEOUT, ctypes.c_uint(60))
        host, port, socket = (None, 0, address) if isinstance(address, str) else (address[0], address[1], None)
        names = map(_bytes, (host, user, password, database))
        connected = self._library.mysql_real_connect(self._mysql, *names, port, _bytes(socket), ctypes.c_ulong(0))
        if not connected:
            error = self._error()
            self.close()
            raise error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._library.mysql_close(self._mysql)

    def change_user(self, user, password="", database=None):
        self._check(self._library.mysql_change_user(self._mysql, _bytes(user), _bytes(password), _bytes(database)))

    def reset_connection(self):
        self._check(self._library.mysql_reset_connection(self._mysql))

    def value(self, sql):
        """The first value of the first row."""
        self._check(self._library.mysql_query(self._mysql, _bytes(sql)))
        result = ctypes.c_void_p(self._library.mysql_store_result(self._mysql))
        try:
            value = self._library.mysql_fetch_row(result)[0]
            return value.decode() if value is not None else None
        finally:
            self._library.mysql_free_result(result)

    def _option(self, number, value):
        self._library.mysql_options(self._mysql, number, ctypes.byref(value))

    def _check(self, status):
        if status != 0:
            raise self._error()

    def _error(self):
        return CError(self._library.mysql_errno(self._mysql), self._library.mysql_error(self._mysql).decode())


def _bytes(text):
    return None if text is None else text.encode()
