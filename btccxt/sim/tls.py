"""How a client reaches the embedded exchange, and why it can reach nothing else.

The client keeps the exchange's real URLs. Its aiohttp connector maps every host name to the embedded exchange's own
address, trusts only a private certificate authority made for this run, and refuses to open a socket to anywhere
else. So ccxt's error tables, which match URLs, stay valid, and no test can reach a real venue.

An exchange in another process tells what a client needs at ``https://<address>/sim/info``; see ``fetch_info``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import ipaddress
import os
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from btccxt.errors import ConfigError, ConnectionLost

INFO_PATH = "/sim/info"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_VALID_FOR = dt.timedelta(days=825)  # the longest that common TLS clients accept for a leaf


@dataclass(frozen=True, slots=True)
class SimAddress:
    """Where an embedded exchange listens, and the certificate authority that vouches for it."""

    host: str
    port: int
    ca_pem: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SimInfo:
    """What a client in another process must know: whom to trust, and how time runs there."""

    address: SimAddress
    speed: float  # exchange seconds per wall second
    now_ms: int  # the exchange's clock when it answered
    dialects: tuple[str, ...]
    market: str = ""  # tells this exchange's market from that of every other one


class CertificateAuthority:
    """A private CA, made in memory (about 10 ms), and leaf certificates for whatever host a client asks for.

    Hosts are learnt from the TLS handshake (SNI), so a dialect needs no list of certificates.
    """

    def __init__(self, local_hosts: tuple[str, ...] = _LOCAL_NAMES) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())  # one key for all leaves: saves a generation each
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "btccxt embedded exchange CA")])
        certificate = self._issue(
            self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0), hosts=()
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._local_hosts = local_hosts

    def server_context(self) -> ssl.SSLContext:
        """For a listening socket: answers each host name with a leaf of its own."""
        context = self._leaf_context(self._local_hosts)
        context.sni_callback = self._choose_leaf
        return context

    def _choose_leaf(self, connection: ssl.SSLObject, host: str | None, _context: ssl.SSLContext) -> None:
        if host is None or host in self._local_hosts:
            return
        if host not in self._contexts:
            self._contexts[host] = self._leaf_context((host,))
        connection.context = self._contexts[host]

    def _leaf_context(self, hosts: tuple[str, ...]) -> ssl.SSLContext:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
        leaf = self._issue(
            subject, self._leaf_key.public_key(), x509.BasicConstraints(ca=False, path_length=None), hosts
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The ssl module loads keys from files only: written for the blink of an eye, readable by this user alone.
        with tempfile.TemporaryDirectory(prefix="btccxt-sim-") as folder:
            path = Path(folder, "leaf.pem")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(
                    self._leaf_key.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption(),
                    )
                )
                file.write(leaf.public_bytes(serialization.Encoding.PEM))
            context.load_cert_chain(path)
        return context

    def _issue(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        constraints: x509.BasicConstraints,
        hosts: tuple[str, ...],
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + _VALID_FOR)
            .add_extension(constraints, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if constraints.ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        else:
            usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False).add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
        return builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


# ------------------------------------------------------------------ the client's side


class SimResolver(AbstractResolver):
    """Maps every host name and port to the embedded exchange."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=self._host,
                port=self._port,
                family=self._family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def client_context(ca_pem: str) -> ssl.SSLContext:
    """Trusts the embedded exchange's authority and nobody else: no public certificate verifies with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca_pem)
    return context


def connector_for(address: str | SimAddress, ca_pem: str | None = None) -> aiohttp.TCPConnector:
    """The connector for a client of an embedded exchange; call it inside the client's running loop.

    ``address`` is ``'127.0.0.1:8443'`` together with ``ca_pem`` (see ``fetch_info``), or a ``SimAddress``. Give it to
    ``aiohttp.ClientSession`` and that session to ccxt (``'session': session``); whoever made the session closes it.
    """
    if isinstance(address, SimAddress):
        host, port, trusted = address.host, address.port, address.ca_pem
    else:
        host, port = parse_address(address)
        if ca_pem is None:
            raise ConfigError(f"connector_for({address!r}) needs ca_pem as well; fetch_info({address!r}) tells it")
        trusted = ca_pem

    def only_here(address_info: tuple[Any, ...]) -> socket.socket:
        # aiohttp asks no resolver about a literal IP address: this is the door that such a URL has to pass as well.
        family, kind, protocol, _, target = address_info
        if tuple(target[:2]) != (host, port):
            message = f"refused: {target[0]}:{target[1]} is not the embedded exchange at {host}:{port}"
            raise OSError(errno.EHOSTUNREACH, message)
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=SimResolver(host, port),
        ssl=client_context(trusted),
        socket_factory=only_here,
        use_dns_cache=False,
        limit=0,
        happy_eyeballs_delay=None,
    )


def parse_address(address: str) -> tuple[str, int]:
    """``'127.0.0.1:8443'`` or ``'localhost:8443'`` -> (IP address, port). Raises ConfigError."""
    host, colon, port_text = address.strip().removeprefix("https://").rstrip("/").rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not colon or not port_text.isascii() or not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise ConfigError(f"sim_address {address!r} is not of the form 'host:port', for example '127.0.0.1:8443'")
    try:
        return str(ipaddress.ip_address(host)), int(port_text)
    except ValueError:
        try:
            found = socket.getaddrinfo(host, int(port_text), type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConfigError(f"sim_address {address!r}: no host {host!r} ({error})") from None
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        return str(found[0][4][0]), int(port_text)


async def fetch_info(address: str, timeout_s: float = 5.0) -> SimInfo:
    """What the embedded exchange at ``address`` (``'127.0.0.1:8443'``) says of itself.

    The certificate is not verified here: its authority is exactly what is being asked for. Raises ConfigError for a
    malformed address or an answer that is no embedded exchange's, ConnectionLost where nobody answers.
    """
    host, port = parse_address(address)
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"https://{netloc}{INFO_PATH}", ssl=unverified) as response,
        ):
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        raise ConnectionLost(f"no embedded exchange answers at {address}: {error or type(error).__name__}") from error
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not {"ca_pem", "speed", "now_ms", "dialects"} <= answer.keys():
        raise ConfigError(f"what answers at {address} is not an embedded exchange; start one with `btccxt sim`")
    return SimInfo(
        address=SimAddress(host, port, str(answer["ca_pem"])),
        speed=float(answer["speed"]),
        now_ms=int(answer["now_ms"]),
        dialects=tuple(str(name) for name in answer["dialects"]),
        market=str(answer.get("market", "")),
    )
