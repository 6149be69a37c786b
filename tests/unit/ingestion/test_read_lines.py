"""Logs: the known patterns, patterns of one's own, and lines that fit none."""

import datetime as dt
import gzip
import zipfile

import polars as pl
import pytest
from reading import read

from octavo.definition import Files
from octavo.definition.lines import LINES
from octavo.errors import DataError, DefinitionError


def moment(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


# Name, a line from the format's own documentation or a server, and what is in it.
KNOWN = [
    (
        "common",
        '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
        {"host": "127.0.0.1", "ident": None, "user": "frank", "method": "GET", "status": 200,
         "time": moment(2000, 10, 10, 20, 55, 36), "path": "/apache_pb.gif", "size": 2326,
         "protocol": "HTTP/1.0", "request": None},
    ),
    (
        "combined",
        '::1 - - [01/Jan/2024:00:00:00 +0000] "POST /a?b=\\"c\\" HTTP/2.0" 404 - "-" "Mozilla \\"x\\" (y)"',  # noqa: E501
        {"host": "::1", "user": None, "time": moment(2024, 1, 1), "path": '/a?b=\\"c\\"',
         "size": None, "referer": None, "agent": 'Mozilla \\"x\\" (y)'},
    ),
    (
        "combined",
        '10.0.0.1 - - [29/Feb/2024:23:59:59 +0530] "\\x16\\x03\\x01" 400 157 "-" ""',
        {"method": None, "path": None, "request": "\\x16\\x03\\x01", "status": 400,
         "time": moment(2024, 2, 29, 18, 29, 59), "agent": None},
    ),
    (
        "vhost_combined",
        'example.com:443 10.0.0.1 - - [29/Feb/2024:23:59:59 +0000] "GET / HTTP/1.1" 200 5 "-" "x"',
        {"vhost": "example.com:443", "host": "10.0.0.1", "agent": "x"},
    ),
    (
        "apache_error",
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] "
        "[client 72.15.99.187:80] File does not exist: /favicon.ico",
        {"time": moment(2011, 9, 9, 10, 42, 29, 902022), "module": "core", "level": "error",
         "pid": 35708, "client": "72.15.99.187:80", "message": "File does not exist: /favicon.ico"},
    ),
    (
        "apache_error",
        "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2",
        {"time": moment(2005, 12, 4, 4, 47, 44), "module": None, "level": "notice", "pid": None},
    ),
    (
        "nginx_error",
        '2024/03/17 13:02:11 [error] 1234#5678: *42 open() "/x" failed (2: No such file)',
        {"time": moment(2024, 3, 17, 13, 2, 11), "level": "error", "pid": 1234, "tid": 5678,
         "connection": 42, "message": 'open() "/x" failed (2: No such file)'},
    ),
    (
        "syslog",
        "<34>Oct  1 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        {"priority": 34, "time": "Oct  1 22:14:15", "host": "mymachine", "program": "su",
         "pid": None, "message": "'su root' failed for lonvick on /dev/pts/8"},
    ),
    (
        "syslog",
        "2024-03-17T13:02:11.123456+01:00 web1 sshd[811]: Failed password for root",
        {"time": moment(2024, 3, 17, 12, 2, 11, 123456), "program": "sshd", "pid": 811},
    ),
    (
        "syslog_5424",
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 '
        '[exampleSDID@32473 iut="3" event="[\\]"][b c="d"] An application event',
        {"priority": 165, "version": 1, "time": moment(2003, 10, 11, 22, 14, 15, 3000),
         "program": "evntslog", "pid": None, "message_id": "ID47",
         "data": '[exampleSDID@32473 iut="3" event="[\\]"][b c="d"]',
         "message": "An application event"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("name", "line", "values"), KNOWN, ids=[n for n, *_ in KNOWN])
def test_known_patterns_are_told_from_the_file_or_declared(tmp_path, name, line, values, told):
    given = {} if told else {"lines": name}
    parsed = read(tmp_path / ("x.log" if told else "messages"), line + "\n", **given)
    assert parsed.frame.columns == [*LINES[name].columns, "_row"]
    row = parsed.frame.row(0, named=True)
    assert {key: row[key] for key in values} == values


def test_every_known_pattern_has_a_line_here():
    assert {name for name, *_ in KNOWN} == set(LINES)


def access(status, path="/x"):
    return f'10.0.0.{status % 9} - - [01/Jan/2024:00:00:0{status % 9} +0000] "GET {path} HTTP/1.1" {status} 7'  # noqa: E501


def test_lines_that_do_not_fit_are_kept_with_their_text_and_number(tmp_path):
    text = "\n".join([access(200), "garbage", "", access(404), access(500) + " extra"]) + "\n"
    data = text.encode() + b'\xff" bad\r\n' + access(301).encode()
    parsed = read(tmp_path / "x.log", data, lines="common")
    assert parsed.frame["status"].to_list() == [200, 404, 301]
    assert parsed.frame["_row"].to_list() == [0, 2, 5]
    assert parsed.rejected.select("_row", "text", "rule").rows() == [
        (1, "garbage", "lines"), (3, access(500) + " extra", "lines"),
        (4, '\\xff" bad', "encoding"),
    ]  # fmt: skip
    assert parsed.rejected["reason"][0] == "it does not fit the pattern common"
    assert parsed.text(2) == access(404)


def test_a_time_that_is_none_is_rejected_by_its_column(tmp_path):
    bad = access(200).replace("01/Jan", "99/Jan")
    lines = "\n".join([*(access(200) for _ in range(200)), bad])
    parsed = read(tmp_path / "x.log", lines)
    assert parsed.frame.height == 200
    assert parsed.rejected.select("_row", "text", "column", "rule").rows() == [
        (200, bad, "time", "type")
    ]


OWN = r"(?P<at>\S+) (?P<level>[A-Z]+) (?:user=(?P<user>\w+) )?took (?P<ms>\d+)(ms|s)"


def test_a_pattern_of_ones_own_whatever_the_file_is_called(tmp_path):
    text = "2024-01-02 INFO user=ann took 12ms\n2024-01-03 WARN took 7s\nnothing\n"
    for path in (tmp_path / "app.txt", tmp_path / "app", tmp_path / "app.csv"):
        parsed = read(path, text, lines=OWN)
        assert parsed.frame.rows() == [
            (dt.date(2024, 1, 2), "INFO", "ann", 12, 0),
            (dt.date(2024, 1, 3), "WARN", None, 7, 1),
        ]
        assert parsed.rejected["reason"].to_list() == [
            "it does not fit the pattern that is declared"
        ]
    chosen = read(path, text, lines=OWN, columns=["ms"], overrides={"ms": pl.Float64})
    assert chosen.frame.rows() == [(12.0, 0), (7.0, 1)]


def test_a_line_whose_groups_are_all_empty_fits(tmp_path):
    parsed = read(tmp_path / "x.log", "a\nb1\nb\n", lines=r"b(?P<n>\d)?")
    assert parsed.frame.rows() == [(1, 1), (None, 2)]
    assert parsed.rejected["text"].to_list() == ["a"]


def test_packed_and_rotated_logs(tmp_path):
    line = access(200) + "\n"
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(line.encode()))
    (tmp_path / "access.log.1").write_text(line)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("access.log", line)
    for name in ("access.log.2.gz", "access.log.1", "x.zip"):
        assert read(tmp_path / name).frame["status"].to_list() == [200]


def test_later_files_have_the_schema_of_the_first(tmp_path):
    schema = read(tmp_path / "x.log", access(200)).schema
    later = read(tmp_path / "y.log", access(404), schema=schema)
    assert later.schema == schema
    longer = read(tmp_path / "z.log", access(404) + ' "-" "-"', schema=schema)
    assert [*longer.schema] == [*schema, "referer", "agent"]
    with pytest.raises(DataError, match="the file lacks 'ident'"):
        read(tmp_path / "w.log", "x 200", schema=schema, lines=r"(?P<host>\S+) (?P<status>\d+)")


def test_a_log_of_no_known_pattern_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"none of the known patterns.*'what is this'.*lines="):
        read(tmp_path / "x.log", "what is this\n")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("combine", "Did you mean 'combined'"),
        (r"(\d+) x", "names no group"),
        (r"(?P<a>\d+", "no regular expression"),
        (r"(?=a)(?P<a>\d+)", "no regular expression"),
        (7, "not of the kind"),
    ],
)
def test_what_cannot_be_declared(lines, said):
    with pytest.raises(DefinitionError, match=said):
        Files("x.log", lines=lines)
