"""A certificate for the proxies, and the files that sysbench wants to find where it runs."""

import pathlib
import shutil
import subprocess

SERVER = 'server.pem'  # certificate and key
# Names of sysbench's own.
CLIENT_CERT, CLIENT_KEY, AUTHORITY = 'client-cert.pem', 'client-key.pem', 'cacert.pem'


def make(directory: pathlib.Path):
    cert, key = directory / CLIENT_CERT, directory / CLIENT_KEY
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                    '-noenc', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert],
                   check=True, capture_output=True)
    shutil.copy(cert, directory / AUTHORITY)
    (directory / SERVER).write_text(cert.read_text() + key.read_text())
