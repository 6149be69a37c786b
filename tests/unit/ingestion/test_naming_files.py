import hashlib

import pytest
import xxhash

from octavo.errors import DataError
from octavo.stages.ingestion.files import content_hash, expand


@pytest.fixture
def folder(tmp_path):
    for name in ("b.csv", "a.csv", "notes.txt", "deep/c.csv", "[x].csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["*.csv"], ["[x].csv", "a.csv", "b.csv"]),
        (["**/*.csv"], ["[x].csv", "a.csv", "b.csv", "deep/c.csv"]),
        (["b.csv", "a.csv", "*.csv"], ["[x].csv", "a.csv", "b.csv"]),
        (["[x].csv"], ["[x].csv"]),
        (["[ab].csv"], ["a.csv", "b.csv"]),
        (["deep/../a.csv"], ["deep/../a.csv"]),
    ],
)
def test_patterns_name_files_once_and_sorted(folder, patterns, names):
    assert expand(patterns, folder) == [folder / name for name in names]


def test_absolute_patterns_ignore_the_base(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert expand([folder / "*.csv"], elsewhere) == expand(["*.csv"], folder)


def test_the_base_is_no_pattern(tmp_path):
    (tmp_path / "[2020]").mkdir()
    (tmp_path / "[2020]" / "a.csv").write_text("a")
    assert expand(["*.csv"], tmp_path / "[2020]") == [tmp_path / "[2020]" / "a.csv"]


def test_a_pattern_without_files_says_what_is_there(folder):
    with pytest.raises(DataError, match=r"no file matches '\*\.parquet'") as raised:
        expand(["a.csv", "*.parquet"], folder)
    assert raised.value.where == str(folder)
    assert raised.value.fix == "The folder holds: [x].csv, a.csv, b.csv, deep, notes.txt."
    with pytest.raises(DataError, match="no file matches") as raised:
        expand(["none/x.csv"], folder)
    assert raised.value.where == str(folder)
    with pytest.raises(DataError, match="'deep/' is a folder"):
        expand(["deep/"], folder)


def test_the_hash_is_of_the_raw_bytes(tmp_path):
    content = hashlib.sha256(b"seed").digest() * 100_000
    path = tmp_path / "f"
    path.write_bytes(content)
    assert content_hash(path) == xxhash.xxh3_128(content).hexdigest()
    path.write_bytes(content + b"x")
    assert content_hash(path) != xxhash.xxh3_128(content).hexdigest()
    with pytest.raises(DataError, match="no such file"):
        content_hash(tmp_path / "none")
