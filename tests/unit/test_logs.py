"""Lines of services: the same things said, to be read or as JSON."""

import json
import logging

import pytest

from octavo.errors import DefinitionError
from octavo.logs import LOG, about, also, begin, relayed


@pytest.fixture(autouse=True)
def left_as_it_was():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = before, level


def said(capsys):
    """Return what was written as JSON, from both streams, and in which."""
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], [
        json.loads(line) for line in err.splitlines()
    ]


def test_a_line_is_to_be_read(capsys):
    begin("text", "prep")
    LOG.info("Prepping customer")
    LOG.error("prep: the disk is full.")
    logging.getLogger("other").warning("odd")
    logging.getLogger("other").info("not told")
    out, err = capsys.readouterr()
    assert out == "Prepping customer\n"
    assert err == "error: prep: the disk is full.\nwarning: odd\n"


def test_a_line_is_an_object_with_what_it_is_about(capsys):
    begin("json", "ingestion", "shop")
    LOG.info("  begins")
    with about(stage="ingestion", dataset="orders"):
        LOG.warning('a "quoted"\nline')
        also(batch_id="b1")
        LOG.error("refused")
    LOG.error("after")
    ((first,), (second, third, last)) = said(capsys)
    assert list(first) == ["time", "level", "service", "pipeline", "message"]
    assert first["message"] == "begins"
    assert (first["level"], second["level"], third["level"]) == ("info", "warning", "error")
    assert (first["service"], first["pipeline"]) == ("ingestion", "shop")
    assert second["message"] == 'a "quoted"\nline'
    assert {"stage": "ingestion", "dataset": "orders"}.items() <= second.items()
    assert "batch_id" not in second
    assert (third["batch_id"], third["dataset"]) == ("b1", "orders")
    assert not {"stage", "dataset", "batch_id"} & last.keys()


def test_an_error_has_its_trace_in_its_own_line(capsys):
    begin("json", "server")
    try:
        raise ZeroDivisionError("no")
    except ZeroDivisionError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    _, (found,) = said(capsys)
    assert "ZeroDivisionError: no" in found["exception"]
    assert "pipeline" not in found


def test_what_a_service_said_in_any_form_is_passed_on():
    who = {"service": "server-1", "pipeline": "shop"}
    plain = json.loads(relayed("ended by SIGKILL", is_error=True, **who))
    assert plain | {"time": ""} == {
        "time": "", "level": "error", "message": "ended by SIGKILL", **who
    }  # fmt: skip
    own = {"time": "t", "level": "warning", "service": "server", "message": "m", "dataset": "d"}
    assert json.loads(relayed(json.dumps(own), is_error=True, **who)) == own | who
    foreign = ('{"message": "m"}', '{"time": 1, "message": "m"}', "[" * 100_000)
    for odd in ("[1]", '{"message"', '"message"', "{}", "", *foreign):
        assert json.loads(relayed(odd, is_error=False, **who))["message"] == odd


def test_an_unknown_form_is_refused():
    with pytest.raises(DefinitionError, match="xml"):
        begin("xml", "prep")
