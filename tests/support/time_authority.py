"""A time stamping authority on this machine: certificates of the test's own, answers by `openssl ts`."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

OPENSSL: Final = shutil.which("openssl")
CONFIG: Final = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.3.6.1.4.1.13762.3
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""
DAY: Final = timedelta(days=1)


class TimeAuthority:
    """Its address, and the file with its root certificate. Set `broken` to other bytes to have it answer those."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broken = folder, b""
        self.url = ""
        self.ca_file = folder / "root.pem"
        root_key, root = _make_root()
        key, certificate = _issue(root_key, root)
        self.ca_file.write_bytes(_pem(root))
        (folder / "signer.pem").write_bytes(_pem(certificate))
        (folder / "key.pem").write_bytes(_key_pem(key))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.conf").write_text(CONFIG.format(folder=folder))

    def answer(self, request: bytes) -> bytes:
        """The answer of `openssl ts` to a request."""
        query, reply = self.folder / "query", self.folder / "reply"
        query.write_bytes(request)
        command = [
            OPENSSL, "ts", "-reply", "-config", "tsa.conf", "-section", "tsa", "-queryfile", query, "-out", reply,
            "-signer", "signer.pem", "-inkey", "key.pem", "-sha256",
        ]  # fmt: skip
        subprocess.run([str(one) for one in command], cwd=self.folder, check=True, capture_output=True, timeout=30)
        return reply.read_bytes()


@contextmanager
def running_authority(folder: Path) -> Iterator[TimeAuthority]:
    """An authority that answers over HTTP on the loopback address."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = TimeAuthority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            answer = authority.broken or authority.answer(request)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _make_root() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(65537, 2048)
    name = _name("Root")
    builder = _certificate(key, name, name).add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _issue(root_key: rsa.RSAPrivateKey, root: x509.Certificate) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(65537, 2048)
    builder = _certificate(key, _name("Signer"), root.subject)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return key, builder.sign(root_key, hashes.SHA256())


def _certificate(key: rsa.RSAPrivateKey, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
