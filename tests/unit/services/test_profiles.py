import pytest

from octavo.errors import DefinitionError
from octavo.services.batching import Bounds
from octavo.services.profiles import Profile, load_profile

TOML = """
[profile.default]
mlflow = "http://one"
[profile.prod]
mlflow = "http://two"
[profile.bare]
"""


def test_without_a_file_the_default_holds(tmp_path):
    assert load_profile(tmp_path, None, {}) == Profile()


@pytest.mark.parametrize(
    ("name", "environment", "expected"),
    [
        (None, {}, ("default", "http://one")),
        ("prod", {}, ("prod", "http://two")),
        ("bare", {}, ("bare", "http://one")),
        (None, {"OCTAVO_PROFILE": "prod"}, ("prod", "http://two")),
        ("default", {"OCTAVO_PROFILE": "prod"}, ("default", "http://one")),
        ("prod", {"OCTAVO_MLFLOW": "http://three"}, ("prod", "http://three")),
    ],
)
def test_which_value_holds(tmp_path, name, environment, expected):
    (tmp_path / "octavo.toml").write_text(TOML)
    found = load_profile(tmp_path, name, environment)
    assert (found.name, found.mlflow) == expected


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (TOML, "prdo", "octavo.toml: there is no profile 'prdo'. Did you mean 'prod'?"),
        (TOML, "new", r"A new one is a table \[profile.new\] in octavo.toml"),
        ("[profiles.prod]", "prod", "there is no table 'profiles'"),
        ("[profile.prod]\nmlfow = 'x'", "prod", r"octavo.toml \[profile.prod\]: there is no key"),
        ("[profile.prod]\nmlflow = 3", "prod", "mlflow is no text"),
        ("[profile.prod]\ndatabases = 'x'", "prod", "databases.*it is no table"),
        ("[profile.prod.databases]\nshop = 3", "prod", "shop is no text"),
        ("[profile.prod]\nmaintain_every = '10'", "prod", "'10' is not a duration"),
        ("[profile.prod]\nkeep_files = '59s'", "prod", "keep_files: it is less than 1m"),
        ("profile = 3", "default", "it is no table"),
        ("[profile]\nprod = 3", "default", "it is no table"),
        ("[profile.", "default", "it is no TOML"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path, text, name, says):
    (tmp_path / "octavo.toml").write_text(text)
    with pytest.raises(DefinitionError, match=says):
        load_profile(tmp_path, name, {})


def test_databases_of_all_profiles_and_of_the_environment(tmp_path):
    (tmp_path / "octavo.toml").write_text("""
[profile.default.databases]
Shop = "sqlite:shop.db"
other = "sqlite:other.db"
[profile.prod.databases]
shop = "postgresql://prod/shop"
""")
    variables = {"OCTAVO_DATABASE_MORE": "sqlite:more.db", "OCTAVO_DATABASE_OTHER": "sqlite:own.db"}
    assert load_profile(tmp_path, None, {}).databases["shop"] == "sqlite:shop.db"
    assert load_profile(tmp_path, "prod", variables).databases == {
        "shop": "postgresql://prod/shop",
        "other": "sqlite:own.db",
        "more": "sqlite:more.db",
    }


def test_an_address_is_not_printed():
    assert "secret" not in repr(Profile(mlflow="http://ann:secret@host"))
    assert "secret" not in repr(Profile(databases={"shop": "postgresql://ann:secret@host"}))


def test_bounds_of_a_batch(tmp_path):
    (tmp_path / "octavo.toml").write_text('[profile.default]\nbatch_rows = "64"\n')
    profile = load_profile(tmp_path, None, {"OCTAVO_BATCH_WAIT": "200us"})
    assert profile.bounds == Bounds(rows=64, wait_us=200)
    assert load_profile(tmp_path / "bare", None, {}).bounds == Bounds()
    for key, value in (("ROWS", "0"), ("ROWS", "many"), ("WAIT", "soon")):
        profile = load_profile(tmp_path, None, {f"OCTAVO_BATCH_{key}": value})
        with pytest.raises(DefinitionError, match=f"batch_{key.lower()}"):
            _ = profile.bounds
