"""API keys: what is kept of them, who they let in, and for how long."""

import time

import pytest
import sqlalchemy as sa

from octavo.errors import DefinitionError, ResourceError
from octavo.services import keys
from octavo.services.keys import KnownKeys, Role, create, listed, revoke
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog.db")


@pytest.fixture
def known(catalog):
    found = KnownKeys(catalog, lambda text: None)
    yield found
    found.close()


def caller(known, key):
    known.look()
    return known.caller(key.encode())


def test_a_key_is_shown_once_and_kept_nowhere(catalog):
    made = create(catalog, "shop", ["predict"])
    begin, key_id, secret = made.key.split("_", 2)
    assert (begin, key_id, len(secret)) == ("octavo", made.row["key_id"], 43)
    assert secret.encode() not in catalog.path.read_bytes()
    (row,) = listed(catalog)
    assert row == made.row
    assert not row.keys() & {"salt", "hash"}
    again = create(catalog, "other", ["predict"])
    table = tables.keys
    stored = catalog.rows(sa.select(table.c.salt, table.c.hash))
    assert stored[0] != stored[1]
    assert again.key != made.key


def test_who_has_it_is_who_it_was_made_for(catalog, known):
    made = create(catalog, "shop", ["predict"], rate="5/m")
    found = caller(known, made.key)
    assert (found.name, found.key_id, found.roles) == ("shop", made.row["key_id"], {Role.PREDICT})
    assert found.rate == (5, 60)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key + "A",
        lambda key: key.swapcase(),
        lambda key: key.replace("octavo_", ""),
        lambda key: key.replace("octavo_", "other_"),
        lambda key: key.rsplit("_", 1)[0] if key.count("_") == 2 else key[:-5],
        lambda key: f"octavo_{'0' * 12}_{key.split('_', 2)[2]}",
        lambda key: "octavo_",
        lambda key: "octavo__",
    ],
)
def test_anything_else_is_nobody_s(catalog, known, spoil):
    made = create(catalog, "shop", ["predict"])
    assert caller(known, made.key) is not None
    assert caller(known, spoil(made.key)) is None


def test_the_secret_of_one_key_opens_no_other(catalog, known):
    one, other = create(catalog, "one", ["read"]), create(catalog, "other", ["admin"])
    mixed = f"octavo_{other.row['key_id']}_{one.key.split('_', 2)[2]}"
    assert caller(known, mixed) is None


@pytest.mark.parametrize(
    ("given", "has"),
    [
        (["read"], {"read"}),
        (["ingest"], {"ingest"}),
        (["predict"], {"predict"}),
        (["predict", "ingest"], {"predict", "ingest"}),
        (["operate"], {"read", "ingest", "predict", "operate"}),
        (["admin"], {"read", "ingest", "predict", "operate", "admin"}),
    ],
)
def test_what_a_role_implies(catalog, known, given, has):
    made = create(catalog, "shop", given)
    assert caller(known, made.key).roles == has
    assert sorted(made.row["roles"]) == sorted(given), "stored as given"


def test_a_revoked_key_is_refused_and_its_name_free(catalog, known):
    made = create(catalog, "shop", ["predict"], by="ann")
    with pytest.raises(DefinitionError, match="there is a key of the name 'shop'"):
        create(catalog, "shop", ["read"])
    row = revoke(catalog, "shop", by="bob")
    assert row["revoked_at"] is not None
    assert caller(known, made.key) is None
    with pytest.raises(DefinitionError, match="no usable key 'shop'"):
        revoke(catalog, "shop")
    second = create(catalog, "shop", ["predict"])
    assert caller(known, made.key) is None
    assert caller(known, second.key) is not None
    assert revoke(catalog, second.row["key_id"])["name"] == "shop", "by its ID"
    events = catalog.rows(sa.select(tables.events).order_by(tables.events.c.id))
    told = [(e["kind"], e["subject"], e["actor"]) for e in events[:2]]
    assert told == [("key made", "shop", "ann"), ("key revoked", "shop", "bob")]


def test_an_expired_key_is_refused_at_once_and_its_name_free(catalog, known, monkeypatch):
    made = create(catalog, "shop", ["predict"], expires="1h")
    assert caller(known, made.key) is not None
    later = time.time() + 3601
    monkeypatch.setattr(keys.time, "time", lambda: later)
    assert known.caller(made.key.encode()) is None, "without a look into the catalog"
    monkeypatch.setattr(tables, "now", lambda: round(later * 1e6))
    known.look()
    assert len(known) == 0
    create(catalog, "shop", ["predict"])


def test_new_and_revoked_keys_are_seen_by_themselves(catalog, known):
    def comes(expected):
        until = time.monotonic() + 10 * keys.EVERY
        while (known.caller(made.key.encode()) is not None) != expected:
            assert time.monotonic() < until
            time.sleep(0.02)

    made = create(catalog, "shop", ["predict"])
    comes(True)
    revoke(catalog, "shop")
    comes(False)


def test_a_catalog_that_cannot_be_read_for_long_lets_nobody_in(catalog, known, monkeypatch):
    made = create(catalog, "shop", ["predict"])
    known.look()
    later = time.monotonic() + keys.BLIND + 1
    monkeypatch.setattr(keys.time, "monotonic", lambda: later)
    with pytest.raises(ResourceError, match="the keys cannot be read"):
        known.caller(made.key.encode())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": ""}, "'' is no name"),
        ({"name": "a\nb"}, "is no name"),
        ({"name": "x" * 101}, "1 to 100 characters"),
        ({"roles": []}, "a key needs a role. One of read, ingest, predict, operate, admin"),
        ({"roles": ["predcit"]}, "Did you mean 'predict'"),
        ({"expires": "tomorrow"}, "--expires: 'tomorrow' is not a duration"),
        ({"rate": "fast"}, "--rate: 'fast' is not a rate"),
        ({"rate": "0/s"}, "--rate: '0/s' is not a rate"),
    ],
)
def test_what_cannot_be_is_refused_with_words(catalog, options, says):
    given = {"name": "shop", "roles": ["predict"]} | options
    with pytest.raises(DefinitionError, match=says):
        create(catalog, **given)
    assert listed(catalog) == []


def test_what_a_newer_version_says_of_a_key_locks_nobody_else_out(catalog):
    """A role that is unknown is for nothing here; of an unknown rate the key is not taken."""
    told, table = [], tables.keys
    good, newer, odd = [create(catalog, name, ["predict"]) for name in ("good", "newer", "odd")]
    with catalog.transaction(alone=True) as connection:
        change = table.update().values(roles=["predict", "audit"])
        connection.execute(change.where(table.c.name == "newer"))
        connection.execute(table.update().values(rate="9/week").where(table.c.name == "odd"))
    found = KnownKeys(catalog, told.append)
    found.close()
    assert caller(found, good.key).roles == {"predict"}
    assert caller(found, newer.key).roles == {"predict"}
    assert caller(found, odd.key) is None
    assert "key 'odd': '9/week' is not a rate" in told[0]
