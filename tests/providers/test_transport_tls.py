"""Requests over TLS: nothing is sent to a server whose certificate nobody vouches for."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from providers.transport import AsyncTransport, CallFailed
from tests.providers.socket_server import Behaviour, Connection, answer_all, socket_server
from tests.providers.test_transport import HEADERS


def over_tls(context: ssl.SSLContext, behave: Behaviour) -> Behaviour:
    def shake_hands_and_behave(connection: Connection) -> None:
        with context.wrap_socket(connection.socket, server_side=True) as secured:
            behave(Connection(connection.server, secured))

    return shake_hands_and_behave


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate for 127.0.0.1 that only itself vouches for, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    coded = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    where = tmp_path_factory.mktemp("tls") / "certificate.pem"
    where.write_bytes(key.private_bytes(*coded) + made.public_bytes(serialization.Encoding.PEM))
    return where


@pytest.fixture
def behave(certificate: Path) -> Behaviour:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return over_tls(context, answer_all)


async def test_an_unknown_certificate_means_not_sent(behave: Behaviour) -> None:
    transport = AsyncTransport(2.0)
    with socket_server(behave) as server:
        with pytest.raises(CallFailed) as failed:
            await transport.send("POST", f"https://127.0.0.1:{server.port}/v1", HEADERS, b"a=1")
        assert server.requests == []
    await transport.close()
    assert (failed.value.reason, failed.value.sent) == ("not_connected", False)


async def test_a_certificate_for_another_name_means_not_sent(
    behave: Behaviour, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport = AsyncTransport(2.0)
    with socket_server(behave) as server:
        with pytest.raises(CallFailed) as failed:
            await transport.send("POST", f"https://localhost:{server.port}/v1", HEADERS, b"a=1")
        assert server.requests == []
    await transport.close()
    assert (failed.value.reason, failed.value.sent) == ("not_connected", False)


async def test_an_operators_own_authority_is_trusted(
    behave: Behaviour, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport = AsyncTransport(2.0)
    with socket_server(behave) as server:
        answer = await transport.send("POST", f"https://127.0.0.1:{server.port}/v1", HEADERS, b"a=1")
        assert (answer.status, len(server.requests)) == (200, 1)
    await transport.close()
