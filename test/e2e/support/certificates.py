"""Throw-away certificates: an authority, and what it signed for the servers and for a client."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EXTENSIONS = """
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[server]
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
[req]
distinguished_name = name
[name]
"""


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files; everybody may read them, keys included, since the servers run as other users."""

    folder: Path

    @property
    def ca(self):
        return self.folder / "ca.pem"

    @property
    def server(self):
        return self.folder / "server.pem"

    @property
    def server_key(self):
        return self.folder / "server.key"

    @property
    def client(self):
        return self.folder / "client.pem"

    @property
    def client_key(self):
        return self.folder / "client.key"

    def server_options(self):
        return [f"--ssl-ca={self.ca}", f"--ssl-cert={self.server}", f"--ssl-key={self.server_key}"]


def make_certificates(folder, *addresses):
    """The server's is for localhost and for `addresses`."""
    folder.mkdir()
    (folder / "extensions").write_text(_EXTENSIONS.replace("IP:::1", ",".join(["IP:::1", *(f"IP:{a}" for a in addresses)])))
    _sign(folder, "authority", "ca", "/CN=Perilune test authority")
    for name in ("server", "client"):
        _sign(folder, name, name, f"/CN=Perilune test {name}", issuer="ca")
    for path in folder.iterdir():
        path.chmod(0o644)
    return Certificates(folder)


def _sign(folder, section, name, subject, issuer=None):
    by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"] if issuer else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "30", "-subj", subject]
        + ["-config", "extensions", "-extensions", section, "-keyout", f"{name}.key", "-out", f"{name}.pem", *by],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
