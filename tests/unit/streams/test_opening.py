"""Which stream a URL names."""

import subprocess
import sys

import pytest

from octavo.errors import DefinitionError
from octavo.project import load
from octavo.streams import Block, Topic, open_stream


@pytest.mark.parametrize(("url", "file"), [("sqlite:", "t.db"), ("sqlite:a/b", "a/b/t.db")])
def test_the_embedded_log_is_in_a_folder(tmp_path, url, file):
    stream = open_stream(url, tmp_path)
    stream.create(Topic("t"))
    assert (tmp_path / file).exists()
    stream.close()


def test_the_embedded_log_anywhere(tmp_path):
    stream = open_stream(f"sqlite:{tmp_path / 'else'}", tmp_path / "home")
    stream.create(Topic("t"))
    assert (tmp_path / "else" / "t.db").exists()
    stream.close()


def test_one_in_memory_is_new_each_time(tmp_path):
    open_stream("memory:", tmp_path).create(Topic("t"))
    assert open_stream("memory:", tmp_path).topics() == []


@pytest.mark.parametrize("url", ["", "sqlite", "rabbit:x", "memory:x"])
def test_another_url_is_refused(tmp_path, url):
    with pytest.raises(DefinitionError, match="there is no stream"):
        open_stream(url, tmp_path)


def test_a_project_has_the_stream_of_its_profile(tmp_path, make_project, monkeypatch):
    make_project(tmp_path, orders=10)
    (tmp_path / "octavo.toml").write_text('[profile.other]\nstream = "sqlite:log"\n')
    for profile, file in ((None, "streams/t.db"), ("other", "streams/log/t.db")):
        stream = load(tmp_path, profile=profile).stream()
        stream.create(Topic("t"))
        stream.append("t", [Block(rows=1)])
        assert (tmp_path / ".octavo" / file).exists()
        stream.close()
    monkeypatch.setenv("OCTAVO_STREAM", "memory:")
    assert load(tmp_path, profile="other").stream().topics() == []


def test_a_stream_needs_nothing_else_of_octavo():
    """Whoever only appends starts fast: no table library, no kernel, no catalog."""
    code = "import sys; import octavo.streams.sqlite; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "polars",
        "numba",
        "numpy",
        "deltalake",
        "sqlalchemy",
        "lmdb",
        "pytest",
        "octavo.stores",
    }
    assert not heavy & set(found.stdout.split())
