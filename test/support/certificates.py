"""Writes a certificate authority of its own and certificates for 127.0.0.1 into a folder.

`ca.pem`, another authority's `other-ca.pem`, and `good`, `expired` and `elsewhere` (of another host), each as
NAME.pem and NAME.key. Of clients there are `client`, `client-expired`, and by the other authority
`client-foreign`, all three of spiffe://lab/trainer, and `client-nobody` and `client-other`, of others.

With a number of seconds behind the folder: a certificate `client-brief` of the trainer's that lasts so long.
"""

import datetime
import ipaddress
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def named(name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def signed(name, key, issuer, issuer_key, *, until=NOW + DAY, ca=False, address=None, uri=None):
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 10 * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if address is not None:
        addresses = [x509.IPAddress(ipaddress.ip_address(address))]
        builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
    if uri is not None:
        names = [x509.UniformResourceIdentifier(uri), x509.DNSName("trainer.lab")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def write(path, certificate):
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def write_pair(folder, name, key, certificate):
    write(folder / f"{name}.pem", certificate)
    write_key(folder / f"{name}.key", key)


def write_key(path, key):
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(private)


def main(folder):
    ca_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    write_key(folder / "ca.key", ca_key)
    write(folder / "ca.pem", signed("pkx ca", ca_key, "pkx ca", ca_key, ca=True))
    write(folder / "other-ca.pem", signed("pkx other", other_key, "pkx other", other_key, ca=True))
    for name, address, until in (
        ("good", "127.0.0.1", NOW + DAY),
        ("expired", "127.0.0.1", NOW - DAY),
        ("elsewhere", "127.0.0.2", NOW + DAY),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = signed(name, key, "pkx ca", ca_key, until=until, address=address)
        write_pair(folder, name, key, certificate)
    ours, theirs = ("pkx ca", ca_key), ("pkx other", other_key)
    for name, uri, issuer, until in (
        ("client", "spiffe://lab/trainer", ours, NOW + DAY),
        ("client-expired", "spiffe://lab/trainer", ours, NOW - DAY),
        ("client-foreign", "spiffe://lab/trainer", theirs, NOW + DAY),
        ("client-nobody", "spiffe://lab/nobody", ours, NOW + DAY),
        ("client-other", "spiffe://lab/other", ours, NOW + DAY),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        write_pair(folder, name, key, signed(name, key, *issuer, until=until, uri=uri))


def brief(folder, seconds):
    ca_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    key = ec.generate_private_key(ec.SECP256R1())
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    certificate = signed("brief", key, "pkx ca", ca_key, until=until, uri="spiffe://lab/trainer")
    write_pair(folder, "client-brief", key, certificate)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        brief(Path(sys.argv[1]), float(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
