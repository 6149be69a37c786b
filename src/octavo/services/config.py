"""The config service: settings in versions, over those of the definition.

A version is all that was set, for all profiles; it never changes, and a new one follows the newest
or is not written at all. A run reads one version when it begins; later changes do not touch it.
Knows nothing of files, commands or HTTP.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from octavo.definition import LAST_VALUE, Pipeline, check_last_value
from octavo.definition.settings import (
    Values,
    as_declared,
    declared,
    flat,
    from_environment,
    names,
    nested,
    parsed,
)
from octavo.errors import DataError, DefinitionError
from octavo.services.profiles import DEFAULT
from octavo.stages.training import algorithms
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.user import user

Content = dict[str, Values]
"""Profile to what was set for it; ``default`` is what all profiles share."""

Changes = dict[str, dict[str, list[Any]]]
"""Profile to setting to [its value before, its value after]; None where it is not set."""


@dataclass(frozen=True)
class Held:
    """The settings that hold, read once and for all."""

    version: int
    """Of the config service; 0 before anything was set."""
    profile: str
    values: Values
    """By flat names, such as ``training.trials``."""
    origins: dict[str, str]
    """Where each value comes from, for people."""

    @property
    def training(self) -> dict[str, Any]:
        """By the names of `octavo.definition.Training`'s fields."""
        return nested(self.values)


class ConfigService:
    """Settings of one home, as one profile sees them.

    Parameters
    ----------
    profile
        Whose settings lie over the shared ones, and are changed; ``default``: the shared ones.
    environment
        Variables such as ``OCTAVO_TRAINING_TRIALS`` lie over all.

    Examples
    --------
    ``octavo config set training.trials 30`` makes a new version; ``octavo config history`` lists
    them; ``octavo config get`` says which value holds and where it comes from.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        profile: str = DEFAULT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.catalog = catalog
        self.profile = profile
        self.environment = environment or {}

    @property
    def version(self) -> int:
        """The newest version; 0 before anything was set."""
        return self._newest()[0]

    def held(self) -> Held:
        """Return the settings that hold now.

        Raises
        ------
        DefinitionError
            If one that was set is none that the definition takes any more.
        """
        rows = self._rows()
        version, content = _numbered(rows[-1]) if rows else (0, {})
        values = declared(self.pipeline)
        origins = dict.fromkeys(values, "pipeline.py")
        for scope in dict.fromkeys((DEFAULT, self.profile)):
            for name, value in content.get(scope, {}).items():
                said = "config version" if scope == DEFAULT else f"profile {scope}, version"
                values[name] = value
                origins[name] = f"{said} {_since(rows, scope, name)}"
        for name, (variable, value) in from_environment(self.environment).items():
            values[name], origins[name] = value, f"environment, {variable}"
        try:
            check(self.pipeline, values)
        except DefinitionError as error:
            origin = origins.get(f"t{error.where[1:]}", "")
            where = f"{error.where} ({origin})" if origin else error.where
            raise DefinitionError(error.what, where=where, fix=error.fix) from error
        ordered = names(values)
        return Held(
            version, self.profile, {n: values[n] for n in ordered}, {n: origins[n] for n in ordered}
        )

    def set(self, name: str, text: str, comment: str = "", if_version: int | None = None) -> int:
        """Change one setting; see `change`.

        Parameters
        ----------
        name
            ``training.trials`` and the like.
        text
            The value as JSON, as plain words, or names separated by commas.
        """
        return self.change(parsed(name, text), comment=comment, if_version=if_version)

    def change(
        self,
        values: Mapping[str, Any],
        *,
        comment: str = "",
        by: str = "",
        if_version: int | None = None,
        replace: bool = False,
    ) -> int:
        """Make a new version with some settings of this profile changed; return its number.

        Whoever else writes at the same time, nothing of theirs is lost: the change is made to what
        is newest when it is written.

        Parameters
        ----------
        values
            Setting to value; None: it is no longer set.
        by
            Who changes it; the user of this process if nothing is said.
        if_version
            Only if this is the newest version.
        replace
            Whether what is not among ``values`` is no longer set.

        Raises
        ------
        DefinitionError
            If there is no such setting, or it cannot have this value.
        DataError
            If another version is the newest; says what has changed since.
        """
        changed = {k: v for name, value in values.items() for k, v in flat(name, value).items()}

        def changing(content: Content) -> Content:
            before = {} if replace else content.get(self.profile, {})
            after = {k: v for k, v in (before | changed).items() if v is not None}
            return _without_empty({**content, self.profile: after})

        return self._write(changing, comment, by, if_version)

    def rollback(
        self, version: int, *, comment: str = "", by: str = "", if_version: int | None = None
    ) -> int:
        """Make a new version with the content of an old one, for all profiles; return its number.

        Raises
        ------
        DefinitionError
            If there is no such version, or the definition no longer takes what it has.
        DataError
            As of `change`.
        """
        content = self.content(version)
        return self._write(lambda _: content, comment or f"back to {version}", by, if_version)

    def content(self, version: int) -> Content:
        """Return all that was set in a version; nothing in version 0.

        Raises
        ------
        DefinitionError
            If there is no such version.
        """
        found = {0: {}, **dict(map(_numbered, self._rows()))}
        if version not in found:
            raise DefinitionError.unknown("version", str(version), map(str, found))
        return found[version]

    def diff(self, old: int, new: int) -> Changes:
        """Return what differs between two versions.

        Raises
        ------
        DefinitionError
            If there is no such version.
        """
        return _changes(self.content(old), self.content(new))

    def history(self) -> list[Row]:
        """Return all versions, newest first: version, at, by, comment, changes, content.

        ``at`` is in microseconds since the epoch.
        """
        rows: list[Row] = []
        before: Content = {}
        for row in self._rows():
            version, content = _numbered(row)
            by = row["document"].get("by", "")
            one = {"version": version, "at": row["at"], "by": by, "comment": row["comment"]}
            rows.insert(0, one | {"changes": _changes(before, content), "content": content})
            before = content
        return rows

    def _rows(self) -> list[Row]:
        return self.catalog.rows(sa.select(tables.config).order_by(tables.config.c.version))

    def _newest(self) -> tuple[int, Content]:
        table = tables.config
        found = self.catalog.one(sa.select(table).order_by(table.c.version.desc()))
        return _numbered(found) if found else (0, {})

    def _write(
        self,
        changing: Callable[[Content], Content],
        comment: str,
        by: str,
        if_version: int | None,
    ) -> int:
        """Make a new version of the newest; the same content again makes none."""
        while True:
            newest, content = self._newest()
            if if_version not in (None, newest):
                raise self._overtaken(if_version, newest)
            after = changing(content)
            changes = _changes(content, after)
            if not changes:
                return newest
            for scope in changes:
                shared = declared(self.pipeline) | after.get(DEFAULT, {})
                for algorithm in check(self.pipeline, shared | after.get(scope, {})):
                    algorithms.require(algorithm)
            document = {"settings": after, "by": by or user()}
            row = {"version": newest + 1, "document": document, "comment": comment}
            try:
                with self.catalog.transaction() as connection:
                    connection.execute(tables.config.insert().values(**row, at=tables.now()))
                    about = {"actor": document["by"], "comment": comment, "changes": changes}
                    tables.emit(connection, "config changed", f"version {newest + 1}", **about)
            except exc.IntegrityError:
                continue  # another writer took this number: the change is made to what it wrote
            return newest + 1

    def _overtaken(self, expected: int, newest: int) -> DataError:
        since = told(self.diff(expected, newest))
        return DataError(
            f"the newest version is {newest}, not {expected}; it differs in "
            f"{'; '.join(since) or 'nothing'}.",
            where="config",
            fix=f"Look at it, and change version {newest}.",
        )


def check(pipeline: Pipeline, values: Values) -> list[algorithms.Algorithm]:
    """Refuse settings that ``pipeline.py`` could not have; return the algorithms they name.

    Raises
    ------
    DefinitionError
        Naming the declaration's field.
    """
    training = as_declared(pipeline, values)
    own = {getattr(a, "name", a): a for a in pipeline.algorithms}
    for name, given in training.params.items():
        algorithms.narrowed(algorithms.get(own.get(name, name)), given)
    kind = pipeline.problem.kind
    found = [algorithms.suited(own.get(name, name), kind) for name in training.algorithms or ()]
    if LAST_VALUE in [algorithm.name for algorithm in found]:
        check_last_value(pipeline)
    return found


def told(changes: Changes) -> list[str]:
    """Return changes for people, one each."""
    return [
        ("" if scope == DEFAULT else f"profile {scope}: ")
        + f"{name}: {shown(before)} → {shown(after)}"
        for scope, each in changes.items()
        for name, (before, after) in each.items()
    ]


def shown(value: Any) -> str:
    """Return a setting's value for people, as `octavo.definition.settings.parsed` reads it."""
    if value is None:
        return "not set"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def _numbered(row: Row) -> tuple[int, Content]:
    """Return a version's number and content; the oldest rows hold the shared settings alone."""
    document = row["document"]
    if "settings" in document:
        return row["version"], document["settings"]
    return row["version"], {DEFAULT: {f"training.{k}": v for k, v in document.items()}}


def _since(rows: Sequence[Row], scope: str, name: str) -> int:
    """Return the version in which a setting got the value it has in the newest."""
    values = [(n, content.get(scope, {}).get(name)) for n, content in map(_numbered, rows)]
    since = len(values) - 1
    while since and values[since - 1][1] == values[-1][1]:
        since -= 1
    return values[since][0]


def _changes(old: Content, new: Content) -> Changes:
    found: Changes = {}
    for scope in sorted(old.keys() | new.keys(), key=lambda s: (s != DEFAULT, s)):
        before, after = old.get(scope, {}), new.get(scope, {})
        each = {
            name: [before.get(name), after.get(name)]
            for name in names(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        }
        found |= {scope: each} if each else {}
    return found


def _without_empty(content: Content) -> Content:
    return {scope: values for scope, values in content.items() if values}
