"""Profiles: one pipeline in several places, such as a laptop and production.

``octavo.toml`` beside ``pipeline.py`` has a table ``[profile.NAME]`` for each; a named profile lies
over ``[profile.default]``, and variables of the environment over both. Knows nothing of settings of
training, which are kept in versions (`octavo.services.config`).
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octavo.definition.durations import microseconds
from octavo.errors import DefinitionError
from octavo.services.batching import Bounds
from octavo.services.log_settings import DEFAULTS, LogSettings

FILE = "octavo.toml"
DEFAULT = "default"


@dataclasses.dataclass(frozen=True)
class Profile:
    """What differs from place to place."""

    name: str = DEFAULT
    mlflow: str = dataclasses.field(default="", repr=False)
    """Address of the MLflow server that runs are mirrored to, which may hold a password; empty:
    they are not. Variable: ``OCTAVO_MLFLOW``."""
    databases: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    """URLs of the databases that `octavo.definition.Sql` names, by the name in small letters; they
    may hold passwords. Variables: ``OCTAVO_DATABASE_NAME``."""
    stream: str = "sqlite:"
    """Where events in motion are, as `octavo.streams.open_stream` takes it. Variable:
    ``OCTAVO_STREAM``."""
    maintain_every: str = "10m"
    """How often `octavo up` maintains the tables. Variable: ``OCTAVO_MAINTAIN_EVERY``."""
    keep_files: str = "1d"
    """How long a data file that was replaced is kept, for who reads an earlier version. Variable:
    ``OCTAVO_KEEP_FILES``."""
    log_features: str = DEFAULTS["log_features"]
    """Share of requests, 0 to 1, of whose predictions the log has the features, too. Variable:
    ``OCTAVO_LOG_FEATURES``."""
    log_largest: str = DEFAULTS["log_largest"]
    """Bytes of one prediction's features and key; of a larger one the log has neither. Variable:
    ``OCTAVO_LOG_LARGEST``."""
    log_outlives: str = DEFAULTS["log_outlives"]
    """What a prediction that was answered outlives in the log: ``kill`` of the server, or loss of
    ``power`` too, for which each answer waits. Variable: ``OCTAVO_LOG_OUTLIVES``."""
    log_scored: str = DEFAULTS["log_scored"]
    """Share of the rows of a batch score, 0 to 1, of which the log has the features, too. Variable:
    ``OCTAVO_LOG_SCORED``."""

    @property
    def log(self) -> LogSettings:
        """How predictions are logged."""
        return LogSettings.of({key: getattr(self, key) for key in DEFAULTS})

    log_format: str = "text"
    """How services write their lines: ``text``, to be read, or ``json``. Variable:
    ``OCTAVO_LOG_FORMAT``."""
    access: str = "open"
    """Who may ask the server: ``open``, whoever is on this machine; ``keys``, who has an API key.
    Variable: ``OCTAVO_ACCESS``."""
    tls_certificate: str = ""
    """A PEM file with the server's certificate, and those it was signed with; empty: it speaks
    plain HTTP. From the folder of ``octavo.toml``. Variable: ``OCTAVO_TLS_CERTIFICATE``."""
    tls_key: str = ""
    """A PEM file with the certificate's private key. Variable: ``OCTAVO_TLS_KEY``."""
    rate: str = ""
    """Requests that a key, or an address that needs none, has in a time, such as ``100/s``; empty:
    any number. Variable: ``OCTAVO_RATE``."""
    largest_body: str = "64MiB"
    """The largest request that the server takes; of JSON 16 MiB at the most. Variable:
    ``OCTAVO_LARGEST_BODY``."""
    in_flight: str = "512"
    """Requests that the server answers at the same time. Variable: ``OCTAVO_IN_FLIGHT``."""
    batch_rows: str = "1024"
    """How many rows of requests that come at the same time are predicted together, at the most.
    Variable: ``OCTAVO_BATCH_ROWS``."""
    batch_wait: str = "0us"
    """How long the first of them waits for others; 0: it takes those that have come already.
    Variable: ``OCTAVO_BATCH_WAIT``."""

    @property
    def bounds(self) -> Bounds:
        """Those of a batch of requests.

        Raises
        ------
        DefinitionError
            If one is no number, or no duration.
        """
        if not self.batch_rows.isdecimal() or not int(self.batch_rows):
            raise DefinitionError(
                f"{self.batch_rows!r} is no number of rows.",
                where="batch_rows",
                fix="Give 1 or more.",
            )
        return Bounds(int(self.batch_rows), microseconds(self.batch_wait, where="batch_wait"))


LEAST = {"maintain_every": "1s", "keep_files": "1m"}
"""The shortest durations there may be."""
_KEYS = [field.name for field in dataclasses.fields(Profile) if field.name != "name"]
_URL = "OCTAVO_DATABASE_"


def load_profile(folder: Path, name: str | None, environment: Mapping[str, str]) -> Profile:
    """Return the profile of that name; without a name the one ``OCTAVO_PROFILE`` says.

    Raises
    ------
    DefinitionError
        If there is no such profile, or ``octavo.toml`` cannot be understood.
    """
    name = name or environment.get("OCTAVO_PROFILE") or DEFAULT
    tables = _tables(folder / FILE)
    if name not in tables and name != DEFAULT:
        known = sorted({DEFAULT, *tables})
        error = DefinitionError.unknown("profile", name, known)
        add = f"{error.fix} A new one is a table [profile.{name}] in {FILE}."
        raise DefinitionError(error.what, where=FILE, fix=add)
    values: dict[str, Any] = tables.get(DEFAULT, {}) | tables.get(name, {})
    named = [tables.get(each, {}).get("databases", {}) for each in (DEFAULT, name)]
    named += [{k.removeprefix(_URL): url for k, url in environment.items() if k.startswith(_URL)}]
    databases = {key.lower(): url for urls in named for key, url in urls.items() if url}
    texts = [key for key in _KEYS if key != "databases"]
    given = {key: environment.get(f"OCTAVO_{key}".upper()) or values.get(key) for key in texts}
    found = {key: value for key, value in given.items() if value}
    for key in LEAST.keys() & found.keys():
        if microseconds(found[key], where=key) < microseconds(LEAST[key], where=key):
            raise DefinitionError(
                f"it is less than {LEAST[key]}.", where=key, fix="Give it longer."
            )
    LogSettings.of({key: value for key, value in found.items() if key in DEFAULTS})
    return Profile(name, databases=databases, **found)


def _tables(file: Path) -> dict[str, dict[str, Any]]:
    """Return the tables ``[profile.NAME]`` of a file, checked; none if there is no file."""
    if not file.exists():
        return {}
    try:
        document = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"it is no TOML: {error}.", where=FILE, fix="Correct it.") from error
    for key in document:
        if key != "profile":
            raise DefinitionError.unknown("table", key, ["profile.NAME"], where=FILE)
    tables = document.get("profile", {})
    for name, table in tables.items() if isinstance(tables, dict) else [("profile", tables)]:
        where = f"{FILE} [profile.{name}]"
        if not isinstance(table, dict):
            fix = f"Write [profile.{DEFAULT}] above it."
            raise DefinitionError("it is no table.", where=where, fix=fix)
        for key, value in table.items():
            if key not in _KEYS:
                raise DefinitionError.unknown("key", key, _KEYS, where=where)
            if key == "databases":
                _check_databases(value, where=f"{FILE} [profile.{name}.databases]")
            elif not isinstance(value, str):
                raise DefinitionError(f"{key} is no text.", where=where, fix=f'{key} = "…"')
    return tables


def _check_databases(urls: Any, *, where: str) -> None:
    """Refuse what is no table of URLs; without showing one, since it may hold a password."""
    if not isinstance(urls, dict):
        raise DefinitionError("it is no table.", where=where, fix='shop = "postgresql://…"')
    for name, url in urls.items():
        if not isinstance(url, str):
            raise DefinitionError(f"{name} is no text.", where=where, fix=f'{name} = "…"')
