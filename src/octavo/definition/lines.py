"""How lines of a log are taken apart: patterns by name, and those that a user writes.

Sources: Apache HTTP Server, mod_log_config and core (ErrorLogFormat); nginx, ngx_http_log_module
and its error log; RFC 3164 and RFC 5424. Regular expressions are those of Rust's crate regex.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl
from polars.exceptions import ComputeError

from octavo.errors import DefinitionError


@dataclass(frozen=True)
class LinePattern:
    """A regular expression that a whole line must fit."""

    regex: str
    """Named groups are the columns, ``(?P<status>\\d{3})``."""
    times: Mapping[str, str] = field(default_factory=dict)
    """Columns with times, and how they are written, in the directives of ``strptime``."""

    @property
    def whole(self) -> str:
        """The expression, of which nothing may be before or behind."""
        return f"^(?:{self.regex})$"

    @property
    def columns(self) -> list[str]:
        """Names of the groups, in order; groups without one are left aside."""
        dtype = pl.Series([""]).str.extract_groups(self.whole).dtype
        return [f.name for f in dtype.fields if not f.name.isdigit()]  # type: ignore[union-attr]


_QUOTED = r'(?:[^"\\]|\\.)*'
_REQUEST = (
    r'"(?:(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<protocol>[A-Z]+/[\d.]+))?'
    rf'|(?P<request>{_QUOTED}))"'
)
_COMMON = (
    r"(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    rf"{_REQUEST} (?P<status>\d{{3}}) (?P<size>\d+|-)"
)
_COMBINED = rf'{_COMMON} "(?P<referer>{_QUOTED})" "(?P<agent>{_QUOTED})"'
_ACCESS = {"time": "%d/%b/%Y:%H:%M:%S %z"}

LINES: dict[str, LinePattern] = {
    "common": LinePattern(_COMMON, _ACCESS),
    "combined": LinePattern(_COMBINED, _ACCESS),
    "vhost_combined": LinePattern(rf"(?P<vhost>\S+) {_COMBINED}", _ACCESS),
    "apache_error": LinePattern(
        r"\[(?P<time>\w{3} \w{3} \d\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] "
        r"\[(?:(?P<module>\w*):)?(?P<level>\w+)\](?: \[pid (?P<pid>\d+)(?::tid (?P<tid>\d+))?\])?"
        r"(?: \[client (?P<client>[^\]]+)\])? (?P<message>.*)",
        {"time": "%a %b %d %H:%M:%S%.f %Y"},
    ),
    "nginx_error": LinePattern(
        r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>\w+)\] (?P<pid>\d+)#(?P<tid>\d+): "
        r"(?:\*(?P<connection>\d+) )?(?P<message>.*)",
        {"time": "%Y/%m/%d %H:%M:%S"},
    ),
    "syslog": LinePattern(
        r"(?:<(?P<priority>\d{1,3})>)?"
        r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\S+) "
        r"(?P<host>\S+) (?P<program>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: ?(?P<message>.*)"
    ),
    "syslog_5424": LinePattern(
        r"<(?P<priority>\d{1,3})>(?P<version>\d{1,2}) (?P<time>\S+) (?P<host>\S+) "
        r"(?P<program>\S+) (?P<pid>\S+) (?P<message_id>\S+) "
        r"(?P<data>-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: (?P<message>.*))?"
    ),
}
"""Patterns by the names that ``Files(lines=…)`` takes."""


def line_pattern(given: str, *, where: str) -> LinePattern:
    """Return the pattern of a name, or that of a regular expression.

    Raises
    ------
    DefinitionError
        If there is no such name, or the expression is none, or has no named group.
    """
    if given in LINES:
        return LINES[given]
    if re.fullmatch(r"\w+", given):
        raise DefinitionError.unknown("pattern of lines", given, LINES, where=where)
    pattern = LinePattern(given)
    try:
        names = pattern.columns
    except ComputeError as error:
        raise DefinitionError(
            f"it is no regular expression: {str(error).splitlines()[-1]}.",
            where=where,
            fix="Write it without look-around and back references.",
        ) from error
    if not names:
        raise DefinitionError(
            "the regular expression names no group, so there is no column.",
            where=where,
            fix=r"Name what is to be one: (?P<status>\d{3}).",
        )
    return pattern
