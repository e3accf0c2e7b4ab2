"""What a secured Kafka or Elasticsearch needs: certificates made on the spot, users, ports."""

import base64
import random
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from tests.faults.proxy import Proxy

USER, PASSWORD = "bpstream", "correct-horse-7d1f"
"""Who may use the secured broker, by PLAIN and by SCRAM."""

# Below the ports that outgoing connections are given: nothing takes one in between.
_PORTS = range(20000, 32000)


class Certificates:
    """Two authorities: one that signed the server's certificate, and one that nobody knows."""

    def __init__(self, folder: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        server = authority.issue_cert("127.0.0.1")
        self.ca_file, self.wrong_ca_file = folder / "ca.pem", folder / "wrong-ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        stranger.cert_pem.write_to_path(self.wrong_ca_file)
        self.server = folder / "server.pem"
        """The server's private key and certificates."""
        server.private_key_and_cert_chain_pem.write_to_path(self.server)
        # A JVM reads keys in this form alone.
        key = serialization.load_pem_private_key(server.private_key_pem.bytes(), None)
        self.keystore = folder / "keystore.pem"
        chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
        self.keystore.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + chain
        )


@dataclass(frozen=True)
class SecuredKafka:
    """The listener of a broker that wants TLS and a password; the plain one stays."""

    port: int
    plain_port: int
    certificates: Certificates
    options: tuple[str, ...]
    """Of the start of the broker."""

    @classmethod
    def planned(cls, certificates: Certificates) -> Self:
        """For a broker that is not started yet."""
        port, controller, secured = random.sample(_free_ports(), 3)
        listeners = {"PLAINTEXT": port, "CONTROLLER": controller, "SECURED": secured}
        addresses = {name: f"{name}://127.0.0.1:{at}" for name, at in listeners.items()}
        of_listener = "listener.name.secured"
        modules = "org.apache.kafka.common.security"
        settings = {
            "listeners": ",".join(addresses.values()),
            "advertised.listeners": f"{addresses['PLAINTEXT']},{addresses['SECURED']}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL"
            ),
            f"{of_listener}.ssl.keystore.type": "PEM",
            f"{of_listener}.ssl.keystore.location": str(certificates.keystore),
            f"{of_listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{of_listener}.plain.sasl.jaas.config": (
                f'{modules}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
        }
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            name = f"{of_listener}.{mechanism}.sasl.jaas.config"
            settings[name] = f"{modules}.scram.ScramLoginModule required;"
        options = [f"--kafka-setting={name}={value}" for name, value in settings.items()]
        return cls(secured, port, certificates, ("--kafka-port", str(port), *options))

    def add_user(self) -> None:
        """Make the user known, for SCRAM; for PLAIN it stands in the broker's settings."""
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.plain_port}"})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            credentials = ScramCredentialInfo(mechanism, 4096)
            user = UserScramCredentialUpsertion(USER, credentials, PASSWORD.encode())
            (made,) = admin.alter_user_scram_credentials([user]).values()
            made.result(timeout=30)

    @property
    def plain(self) -> str:
        """The address of the listener that wants nothing."""
        return f"127.0.0.1:{self.plain_port}"

    @property
    def settings(self) -> Mapping[str, str]:
        """The BPSTREAM_* variables of who uses it as is right."""
        return {
            "BPSTREAM_BROKER": f"kafka://127.0.0.1:{self.port}",
            "BPSTREAM_BROKER_SECURITY_PROTOCOL": "SASL_SSL",
            "BPSTREAM_BROKER_USERNAME": USER,
            "BPSTREAM_BROKER_PASSWORD": PASSWORD,
            "BPSTREAM_BROKER_CA_FILE": str(self.certificates.ca_file),
        }


def _free_ports() -> list[int]:
    found = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == 3:
            break
    return found


class SecuredElasticsearch(Proxy):
    """A real node behind what it cannot do itself here: TLS, and to know who asks.

    The modules of Elasticsearch that do both are not published.  What is refused is answered in
    Elasticsearch's own words.
    """

    API_KEY = base64.b64encode(b"ward-key:s3cret-k3y-91ac").decode()
    EXPIRED = base64.b64encode(b"old-key:s3cret-k3y-91ac").decode()

    def __init__(self, node: str, certificates: Certificates) -> None:
        super().__init__(node)
        self.certificates = certificates
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificates.server)

    def start(self) -> Self:
        """Return once it listens."""
        super().start()
        assert self._server is not None
        # The handshake is for the thread of its connection.
        self._server.socket = self._tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        return self

    @property
    def settings(self) -> Mapping[str, str]:
        """The BPSTREAM_* variables of who uses it as is right."""
        return {
            "BPSTREAM_ELASTICSEARCH_URL": self.url.replace("http:", "https:"),
            "BPSTREAM_ELASTICSEARCH_API_KEY": self.API_KEY,
            "BPSTREAM_ELASTICSEARCH_CA_FILE": str(self.certificates.ca_file),
        }

    def refusal(self, given: str | None) -> str:
        """Why who sends this `Authorization` is refused; empty: who may go on."""
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if given in (f"ApiKey {self.API_KEY}", f"Basic {basic}"):
            return ""
        if given == f"ApiKey {self.EXPIRED}":
            return "api key is expired"
        return "unable to authenticate with provided credentials"
