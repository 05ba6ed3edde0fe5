"""The floor forwards every byte: what is measured against must do the work.

    test_floor.py PATH_OF_PERILUNE_FLOOR
"""

import hashlib
import random
import socket
import subprocess
import sys
import threading
import unittest

TIMEOUT = 30
BIG = 32 << 20  # far more than two sockets' buffers: the kernel refuses, the floor queues and waits


def receive_all(source: socket.socket) -> str:
    digest = hashlib.sha256()
    while more := source.recv(1 << 16):
        digest.update(more)
    return digest.hexdigest()


class Floor(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(('127.0.0.1', 0))
        self.server.settimeout(TIMEOUT)
        self.addCleanup(self.server.close)
        self.floor = subprocess.Popen(
            [binary, '0', '127.0.0.1', str(self.server.getsockname()[1])],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.port = int(self.floor.stdout.readline().rsplit(':', 1)[1])

    def stop(self):
        self.floor.terminate()
        self.floor.wait()
        self.floor.stdout.close()

    def session(self) -> tuple[socket.socket, socket.socket]:
        """Both ends, connected through the floor."""
        client = socket.create_connection(('127.0.0.1', self.port), TIMEOUT)
        self.addCleanup(client.close)
        server, _ = self.server.accept()
        server.settimeout(TIMEOUT)
        self.addCleanup(server.close)
        return client, server

    def test_big_stream_to_a_reader_that_comes_late(self):
        data = random.Random(1).randbytes(BIG)
        for direction in ('up', 'down'):
            with self.subTest(direction):
                client, server = self.session()
                source, target = (client, server) if direction == 'up' else (server, client)
                source.setblocking(False)
                sent = self.fill(source, data)
                source.settimeout(TIMEOUT)
                sender = threading.Thread(target=send_rest, args=(source, data[sent:]))
                sender.start()
                received = receive_all(target)
                sender.join()
                self.assertEqual(received, hashlib.sha256(data).hexdigest())

    def fill(self, source: socket.socket, data: bytes) -> int:
        """Until nothing more is taken, so that the floor is blocked before the reader begins."""
        sent = 0
        while sent < len(data):
            try:
                sent += source.send(data[sent:sent + (1 << 20)])
            except BlockingIOError:
                return sent
        self.fail('the floor took everything though nobody read: no back-pressure')

    def test_both_directions_at_once(self):
        client, server = self.session()
        for _ in range(1000):
            client.sendall(b'question')
            server.sendall(b'answer')
            self.assertEqual(server.recv(100), b'question')
            self.assertEqual(client.recv(100), b'answer')

    def test_end_of_one_side_ends_the_session(self):
        client, server = self.session()
        client.close()
        self.assertEqual(server.recv(1), b'')

    def test_refused_target_closes_the_client(self):
        self.server.close()
        with socket.create_connection(('127.0.0.1', self.port), TIMEOUT) as client:
            self.assertEqual(client.recv(1), b'')


def send_rest(source: socket.socket, data: bytes):
    source.sendall(data)
    source.shutdown(socket.SHUT_WR)


if __name__ == '__main__':
    binary = sys.argv.pop(1)
    unittest.main()
