"""The CPU time of a new TLS connection to DynamoDB: `python -m benchmarks.connection`.

Two workers read one item by a consistent read in turns. One stub keeps its connections open, the other closes each
after one response. The difference is a connection: opening it, verifying the server's certificate by the CA bundle
that the code loads, and closing it.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.oms_worker import environment
from benchmarks.requests import BLOCK, WARM_UP_ROUNDS, aws_stub, project_worker
from benchmarks.tables import Table, against_aim, as_markdown, median_and_least
from benchmarks.turns import Block, Worker

_KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
KEPT, NEW = "connection kept open", "new connection for each call"
AIM_MS = 4.0


def write_certificates(folder: Path) -> tuple[Path, Path]:
    """Writes a CA's certificate, and a chain with its key for `localhost`, as AWS's: RSA of 2,048 bits, SHA-256."""
    ca_key, server_key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    ca_name, server_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, it)]) for it in ("Benchmark CA", "localhost")
    )
    now = datetime.now(UTC)

    def signed(subject: x509.Name, key: rsa.RSAPrivateKey, *, is_ca: bool) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if is_ca:  # RFC 5280 requires it, and Python's strict check of a chain
            usage = dict.fromkeys(_KEY_USAGES, False) | {"key_cert_sign": True}
            builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(ca_key, SHA256()).public_bytes(Encoding.PEM)

    ca, chain = folder / "ca.pem", folder / "server.pem"
    ca.write_bytes(signed(ca_name, ca_key, is_ca=True))
    key = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(signed(server_name, server_key, is_ca=False) + key)
    return ca, chain


@contextmanager
def workers() -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-tls-")))
        ca, chain = write_certificates(folder)
        started = []
        for name, options in ((KEPT, []), (NEW, ["--close"])):
            port = stack.enter_context(aws_stub("--certificate", str(chain), *options))
            worker = project_worker(name, environment(f"https://localhost:{port}", "orders"), "--reads", str(ca))
            stack.callback(worker.stop)
            started.append(worker)
        yield started


def measure(rounds: int) -> dict[str, list[Block]]:
    """Returns the blocks of each worker, in turns."""
    with workers() as started:
        measured: dict[str, list[Block]] = {it.name: [] for it in started}
        for turn in range(WARM_UP_ROUNDS + rounds):
            for worker in started if turn % 2 else reversed(started):
                block = worker.block("read", BLOCK)
                if turn >= WARM_UP_ROUNDS:
                    measured[worker.name].append(block)
    return measured


def cost(measured: dict[str, list[Block]]) -> float:
    """Returns the milliseconds of a new connection: the median of the differences of the same turn."""
    pairs = zip(measured[KEPT], measured[NEW], strict=True)
    return statistics.median(new.worker - kept.worker for kept, new in pairs)


def table(measured: dict[str, list[Block]]) -> Table:
    return [
        ["a read of one item over TLS", "CPU ms, median/min"],
        *([name, median_and_least([it.worker for it in blocks])] for name, blocks in measured.items()),
        ["a new connection", against_aim(cost(measured), AIM_MS, 1)],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help=f"blocks of {BLOCK} reads")
    print(as_markdown(table(measure(parser.parse_args().rounds))))


if __name__ == "__main__":
    main()
