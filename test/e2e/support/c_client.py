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
    library.mysql_error.restype = library.mysql_stmt_error.restype = ctypes.c_char_p
    library.mysql_stmt_init.restype = ctypes.c_void_p
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

    def prepare(self, sql):
        return CStatement(self._library, self._mysql, sql)

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


_TYPE_LONGLONG, _TYPE_STRING = 8, 254


class _Bind(ctypes.Structure):
    """MYSQL_BIND"""

    _fields_ = [
        ("length", ctypes.POINTER(ctypes.c_ulong)),
        ("is_null", ctypes.c_void_p),
        ("buffer", ctypes.c_void_p),
        ("error", ctypes.c_void_p),
        ("indicator", ctypes.c_char_p),
        ("functions", ctypes.c_void_p * 3),
        ("buffer_length", ctypes.c_ulong),
        ("offset", ctypes.c_ulong),
        ("length_value", ctypes.c_ulong),
        ("flags", ctypes.c_uint),
        ("pack_length", ctypes.c_uint),
        ("buffer_type", ctypes.c_uint),
        ("flag_bytes", ctypes.c_char * 4),
        ("extension", ctypes.c_void_p),
    ]


class CStatement:
    """A prepared statement; use as a context manager. Parameters are integers and texts."""

    def __init__(self, library, mysql, sql):
        self._library = library
        self._statement = ctypes.c_void_p(library.mysql_stmt_init(mysql))
        self._check(library.mysql_stmt_prepare(self._statement, _bytes(sql), ctypes.c_ulong(len(_bytes(sql)))))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._library.mysql_stmt_close(self._statement)

    def execute(self, *values):
        self._execute([_bind(value) for value in values])

    def execute_with_long_data(self, *pieces):
        """The only parameter is a text that goes ahead."""
        self._binds = [_bind("")]
        self._bound = (_Bind * 1)(*self._binds)
        self._check(self._library.mysql_stmt_bind_param(self._statement, self._bound))
        for piece in pieces:
            data = piece.encode()
            self._check(self._library.mysql_stmt_send_long_data(self._statement, 0, data, ctypes.c_ulong(len(data))))
        self._run()

    def _execute(self, binds):
        self._binds, self._bound = binds, (_Bind * max(1, len(binds)))(*binds)
        if binds:
            self._check(self._library.mysql_stmt_bind_param(self._statement, self._bound))
        self._run()

    def _run(self):
        self._check(self._library.mysql_stmt_execute(self._statement))
        self._check(self._library.mysql_stmt_store_result(self._statement))
        self._library.mysql_stmt_free_result(self._statement)

    def _check(self, status):
        if status != 0:
            number = self._library.mysql_stmt_errno(self._statement)
            raise CError(number, self._library.mysql_stmt_error(self._statement).decode())


def _bind(value):
    """What it refers to lives as long as it does."""
    bind = _Bind()
    if isinstance(value, int):
        bind.value = ctypes.c_longlong(value)
        bind.buffer_type, bind.buffer = _TYPE_LONGLONG, ctypes.addressof(bind.value)
    else:
        data = value.encode()
        bind.value, bind.size = ctypes.create_string_buffer(data), ctypes.c_ulong(len(data))
        bind.buffer_type, bind.buffer = _TYPE_STRING, ctypes.addressof(bind.value)
        bind.buffer_length, bind.length = len(data), ctypes.pointer(bind.size)
    return bind


def _bytes(text):
    return None if text is None else text.encode()
