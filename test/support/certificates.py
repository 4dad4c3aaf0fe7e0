"""Writes a certificate authority of its own and certificates for 127.0.0.1 into a folder.

`ca.pem`, another authority's `other-ca.pem`, and `good`, `expired` and `elsewhere` (of another host), each as
NAME.pem and NAME.key.
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


def signed(name, key, issuer, issuer_key, *, until=NOW + DAY, ca=False, address=None):
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
    return builder.sign(issuer_key, hashes.SHA256())


def write(path, certificate):
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def main(folder):
    ca_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    write(folder / "ca.pem", signed("pkx ca", ca_key, "pkx ca", ca_key, ca=True))
    write(folder / "other-ca.pem", signed("pkx other", other_key, "pkx other", other_key, ca=True))
    for name, address, until in (
        ("good", "127.0.0.1", NOW + DAY),
        ("expired", "127.0.0.1", NOW - DAY),
        ("elsewhere", "127.0.0.2", NOW + DAY),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        write(folder / f"{name}.pem", signed(name, key, "pkx ca", ca_key, until=until, address=address))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_bytes(private)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
