"""Every setting comes from one environment variable of its own name, and is checked before anything starts.

A process has one settings class, made of the groups below:

    class RouterSettings(ProcessSettings, KafkaSettings, DatabaseSettings):
        router_mode: Literal["decide", "observe"] = Field(
            "decide", description="Whether decisions are published.", examples=["observe"])

    settings = load(RouterSettings)

A field's name in capitals is its environment variable. A field needs a `description` and, when it is required or
not plain, `examples`: both appear in the message of a refused start and in docs/configuration.md. Secrets are
`SecretStr`, so neither logs nor messages show them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

EXIT_CONFIGURATION = 2
"""Exit code of a process whose settings are refused: restarting it doesn't help."""

Problem = tuple[str, str]
"""A setting's name (as in the environment) and what is wrong with it, to be read after the name."""


_environ: ContextVar[Mapping[str, str] | None] = ContextVar("_environ", default=None)


class Settings(BaseSettings):
    """Base of all groups: plain names, an empty variable counts as not set, nothing changes after the start."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    def problems(self) -> Iterator[Problem]:
        """What is wrong between settings, each of them fine by itself. Groups extend it and call `super()`."""
        yield from ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment and nothing else: no .env file that happens to lie in the folder."""
        environ = _environ.get()
        if environ is not None and isinstance(env_settings, EnvSettingsSource):
            env_settings.env_vars = {name.lower(): value for name, value in environ.items() if value != ""}
        return init_settings, env_settings


class ProcessSettings(Settings):
    """What every process has: its name, its probes, its logs, its traces, its end."""

    process_name: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$",
        description="Stable name of this process, unique in its group: Kafka membership and log field. "
        "Default: the kind of the process.",
        examples=["router-0"],
    )
    pid_file: Path | None = Field(
        None, description="File that holds the process id while the process runs.", examples=["/run/okno/router-0.pid"]
    )
    drain_seconds: float = Field(
        20, ge=0, le=3600, description="Longest time to finish the work in hand after SIGTERM.", examples=["20"]
    )
    probe_host: str = Field("127.0.0.1", description="Address of /livez, /readyz and /metrics.", examples=["0.0.0.0"])
    probe_port: int = Field(
        9464, ge=0, le=65535, description="Port of /livez, /readyz and /metrics; 0 takes a free one.", examples=["9464"]
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is written.", examples=["INFO"]
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or lines for people.", examples=["console"]
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        description="Base URL of an OTLP/HTTP collector. Not set: no traces are recorded.",
        examples=["http://collector:4318"],
    )
    trace_sample_ratio: float = Field(
        0.1, ge=0, le=1, description="Share of journeys that are traced, from 0 to 1.", examples=["0.1"]
    )
    fault_points: str = Field(
        "", description="Tests only: what happens at which fault point.", examples=["router.committed=kill"]
    )
    fault_directory: Path | None = Field(
        None, description="Tests only: where reached fault points leave a file.", examples=["/run/okno/faults"]
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)

    def problems(self) -> Iterator[Problem]:
        """Fault points need a folder to report to."""
        yield from super().problems()
        if self.fault_points and self.fault_directory is None:
            yield "FAULT_DIRECTORY", "is missing, FAULT_POINTS needs it"


class OptionalDatabaseSettings(Settings):
    """PostgreSQL, for a process that does its work without it too."""

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL connection URL.", examples=["postgresql://okno:password@127.0.0.1:5432/okno"]
    )

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.get_secret_value())
            known = parts.scheme in {"postgresql", "postgres"}
        except ValueError:
            known = False
        if not known:
            raise PydanticCustomError("url", "must be a URL that starts with postgresql://")
        return value


class DatabaseSettings(OptionalDatabaseSettings):
    """PostgreSQL, 15 or later."""

    database_url: SecretStr = Field(
        description="PostgreSQL connection URL.", examples=["postgresql://okno:password@127.0.0.1:5432/okno"]
    )


class KafkaSettings(Settings):
    """Apache Kafka, and how to log in to it."""

    kafka_bootstrap_servers: str = Field(
        description="Brokers to ask first, host:port separated by commas.", examples=["127.0.0.1:9092"]
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How connections to Kafka are secured.", examples=["SASL_SSL"]
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="How Okno logs in to Kafka.", examples=["SCRAM-SHA-512"]
    )
    kafka_sasl_username: str | None = Field(None, description="Kafka user.", examples=["okno"])
    kafka_sasl_password: SecretStr | None = Field(None, description="Kafka password.", examples=["the-password"])
    kafka_ssl_cafile: Path | None = Field(
        None,
        description="Certificates that sign the brokers' ones; default: the system's.",
        examples=["/etc/okno/kafka-ca.pem"],
    )
    kafka_ssl_certfile: Path | None = Field(
        None,
        description="Certificate by which Okno shows the brokers who it is (mTLS), with those that sign it.",
        examples=["/etc/okno/kafka.pem"],
    )
    kafka_ssl_keyfile: Path | None = Field(
        None, description="Private key of that certificate, without a password.", examples=["/etc/okno/kafka.key"]
    )

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _servers(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",") if server.strip()]
        for server in servers:
            host, colon, port = server.rpartition(":")
            if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
                raise PydanticCustomError("servers", "must list host:port, separated by commas")
        return ",".join(servers)

    def problems(self) -> Iterator[Problem]:
        """A login needs a user and a password, a certificate its key; files of certificates must be there."""
        yield from super().problems()
        if self.kafka_security_protocol.startswith("SASL_"):
            for name in ("kafka_sasl_username", "kafka_sasl_password"):
                if getattr(self, name) is None:
                    yield name.upper(), f"is missing, KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs it"
        for name in ("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile"):
            file = getattr(self, name)
            if file is not None and not file.is_file():
                yield name.upper(), f"names a file that isn't there ({file})"
        if (self.kafka_ssl_certfile is None) != (self.kafka_ssl_keyfile is None):
            missing = "KAFKA_SSL_KEYFILE" if self.kafka_ssl_keyfile is None else "KAFKA_SSL_CERTFILE"
            yield missing, "is missing, a client certificate is a pair of files"


class ParkingSettings(Settings):
    """What becomes of the records behind a dead letter."""

    park_keys: bool = Field(
        False,
        description="Whether later records of a key wait, as dead letters too, while an earlier one of it does.",
        examples=["true"],
    )


class HttpSettings(Settings):
    """Where a process that serves HTTP listens."""

    http_host: str = Field("127.0.0.1", description="Address to listen on.", examples=["0.0.0.0"])
    http_port: int = Field(
        8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.", examples=["8080"]
    )


def http_url(value: str) -> str:
    """For field validators: the value itself when it is an http(s) URL with a host, else a readable error."""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        fine = False
    if not fine:
        raise PydanticCustomError("url", "must be a URL that starts with http:// or https://")
    return value


S = TypeVar("S", bound=Settings)


def load(cls: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of a process, or end it with exit code 2 and one message that names everything wrong.

    `environ` replaces the environment (tests, `okno doctor`).
    """
    try:
        return read(cls, environ)
    except SettingsRefused as refused:
        _exit(str(refused))


class SettingsRefused(Exception):
    """The settings can't be used; the text is the message for a person, without any secret."""


def read(cls: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Like `load`, but raises `SettingsRefused` instead of ending the process."""
    fields = cls.model_fields
    token = _environ.set(environ)
    try:
        settings = cls()
    except ValidationError as error:
        problems = [_explain(detail, fields) for detail in error.errors(include_url=False)]
        raise SettingsRefused(_message(problems, fields)) from None
    except SettingsError as error:  # a list or an object that isn't JSON
        raise SettingsRefused(_message([(_field_of(error), "is not valid JSON")], fields)) from None
    finally:
        _environ.reset(token)
    between = list(settings.problems())
    if between:
        raise SettingsRefused(_message(between, fields))
    return settings


def _field_of(error: SettingsError) -> str:
    quoted = str(error).split('"')
    return quoted[1].upper() if len(quoted) > 2 else "a setting"


def _explain(detail: ErrorDetails, fields: Mapping[str, FieldInfo]) -> Problem:
    field = str(detail["loc"][0]) if detail["loc"] else "?"
    name = field.upper()
    if detail["type"] == "missing":
        return name, "is missing"
    reason = detail["msg"][:1].lower() + detail["msg"][1:]
    reason = reason.replace("input should be", "must be").replace("string should match", "must match")
    value = detail.get("input")
    secret = field not in fields or _is_secret(fields[field])
    if secret or not isinstance(value, str) or "@" in value:  # an @ may be the end of a URL's password
        return name, reason
    shown = value if len(value) <= 80 else value[:77] + "..."
    return name, f"{reason} (it is {shown!r})"


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _message(problems: list[Problem], fields: Mapping[str, FieldInfo]) -> str:
    count = "one setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    lines = [f"Okno can't start: {count} wrong.", ""]
    for name, what in problems:
        lines.append(f"  {name} {what}")
        field = fields.get(name.lower())
        if field is not None and field.description:
            lines.append(f"      {field.description}")
        if field is not None and field.examples:
            lines.append(f"      Example: {name}={field.examples[0]}")
    lines += ["", "All settings: docs/configuration.md. `okno doctor` checks a whole configuration."]
    return "\n".join(lines)


def _exit(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise SystemExit(EXIT_CONFIGURATION)
