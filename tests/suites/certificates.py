"""Certificates for a suite, made by openssl: an authority, and a leaf of each kind for one name."""

import pathlib
import subprocess

NAME = "proxy.test"
KEYS = {"ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
AUTHORITY = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
LEAF = f"""basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:{NAME}
"""
# testssl.sh wants to see more than 60 left.
DAYS = "90"


def make(place: pathlib.Path) -> None:
    """Writes ca.pem, and KIND.pem (the chain) and KIND.key for each kind."""
    place.joinpath("leaf.cnf").write_text(LEAF)
    extensions = [part for line in AUTHORITY for part in ("-addext", line)]
    openssl(
        place, "req", "-x509", "-newkey", *KEYS["ecdsa"], "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=Suite authority", "-days", DAYS, *extensions,
    )
    for kind in KEYS:
        leaf(place, kind)


def leaf(place: pathlib.Path, kind: str) -> None:
    """A leaf with its chain."""
    openssl(
        place, "req", "-newkey", *KEYS[kind], "-keyout", f"{kind}.key", "-out", f"{kind}.csr",
        "-subj", f"/CN={NAME}",
    )
    openssl(
        place, "x509", "-req", "-in", f"{kind}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-extfile", "leaf.cnf", "-days", DAYS, "-out", f"{kind}.pem",
    )
    with open(place / f"{kind}.pem", "a", encoding="ascii") as chain:
        chain.write(place.joinpath("ca.pem").read_text())


def openssl(place: pathlib.Path, *arguments: str) -> None:
    """Runs openssl in `place`; keys are not encrypted."""
    nodes = ["-nodes"] if arguments[0] == "req" else []
    command = ["openssl", *arguments, *nodes]
    subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=60)


def configuration(place: pathlib.Path) -> str:
    """The `certificates` section for what `make` made."""
    lines = [
        f"  - {{ name: {kind}, chain: {place}/{kind}.pem, key: {{ file: {place}/{kind}.key }} }}"
        for kind in KEYS
    ]
    return "\n".join(["certificates:", *lines]) + "\n"
