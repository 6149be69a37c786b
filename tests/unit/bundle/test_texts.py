"""Free text as n-grams, against scikit-learn, and against the rules written out by hand."""

import json
import math
import re
import subprocess
import sys
import unicodedata

import numpy as np
import polars as pl
import pytest
import xxhash
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

from octavo.bundle import ENCODERS, Encoder, LinearEncoder, OrdinalEncoder
from octavo.bundle.profile import MEASURES, profile, shares
from octavo.definition import Ngrams
from octavo.errors import DefinitionError

TEXTS = [
    "The bus was late, and the driver rude.",
    "A friendly DRIVER; a clean bus",
    "late late late",
    "",
    "Übergröße ﬁnally naïve — café № 7",
    "the train was on time",
    "driver, driver and the bus",
    "!?",
]
WAYS = [
    Ngrams(lengths=1, limit=2000),
    Ngrams(lengths=(1, 3), limit=2000),
    Ngrams(of="letters", lengths=(2, 4), limit=2000),
    Ngrams(of="letters", lengths=3, limit=2000),
]


def plain(text):
    return unicodedata.normalize("NFKC", text).lower()


def vectorizer(kind, asked, **options):
    words = asked.of == "words"
    return kind(
        preprocessor=plain,
        analyzer="word" if words else "char_wb",
        token_pattern=r"\w+" if words else None,
        ngram_range=asked.lengths,
        **options,
    )


def encoded(asked, train, new=None, flavour="ordinal"):
    frame = pl.DataFrame({"t": train}, schema={"t": pl.String})
    encoder = ENCODERS[flavour].fit(frame, texts={"t": asked})
    new = frame if new is None else pl.DataFrame({"t": new}, schema={"t": pl.String})
    return encoder, encoder.transform(new)


@pytest.mark.parametrize("asked", WAYS)
@pytest.mark.parametrize("flavour", sorted(ENCODERS))
def test_tfidf_is_that_of_scikit_learn(asked, flavour):
    new = [*TEXTS, "words that nobody knew, and the bus", "zzz"]
    encoder, found = encoded(asked, TEXTS, new, flavour)
    oracle = vectorizer(TfidfVectorizer, asked).fit(TEXTS)
    terms = encoder.columns[0].terms
    assert set(terms) == set(oracle.vocabulary_)
    expected = oracle.transform(new).toarray()[:, [oracle.vocabulary_[t] for t in terms]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_limit_keeps_what_varies_most_and_norms_over_that():
    asked = Ngrams(limit=3)
    encoder, found = encoded(asked, TEXTS)
    documents = [set(re.findall(r"\w+", plain(text))) for text in TEXTS]
    counts = {w: sum(w in d for d in documents) for d in documents for w in d}
    n = len(TEXTS)
    best = sorted(counts, key=lambda w: (-counts[w] * (n - counts[w]), w))[:3]
    assert encoder.columns[0].terms == tuple(best)
    assert encoder.names == tuple(f"t: {word}" for word in best)
    oracle = vectorizer(TfidfVectorizer, asked, vocabulary=best).fit(TEXTS)
    np.testing.assert_allclose(found, oracle.transform(TEXTS).toarray(), rtol=1e-12)


@pytest.mark.parametrize("asked", WAYS)
def test_hashed_rows_have_the_angles_of_scikit_learns(asked):
    """Which column an n-gram falls into differs; without collisions the products of rows agree."""
    hashed = Ngrams(asked.of, asked.lengths, asked.limit, hashed=True)
    texts = [text for text in TEXTS if len(text) < 20]
    _, found = encoded(hashed, texts)
    oracle = vectorizer(HashingVectorizer, asked, alternate_sign=False).transform(texts)
    terms = {t for text in texts for t in vectorizer(TfidfVectorizer, asked).build_analyzer()(text)}
    places = {term: xxhash.xxh3_64_intdigest(term.encode()) % asked.limit for term in terms}
    assert len(set(places.values())) == len(terms), "choose texts without collisions"
    np.testing.assert_allclose(found @ found.T, (oracle @ oracle.T).toarray(), atol=1e-12)
    assert set(np.flatnonzero(found.any(axis=0))) == set(places.values())


def test_collisions_add_up():
    _, found = encoded(Ngrams(limit=1, hashed=True), TEXTS)
    assert found[:, 0].tolist() == [1, 1, 1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("hashed", [False, True])
def test_null_empty_and_unseen_texts(hashed):
    asked = Ngrams(limit=50, hashed=hashed)
    encoder, found = encoded(asked, ["a b", None, "b"], [None, "", "  ", "b"])
    assert encoder.names[-1] == "t=<missing>"
    assert found[:, -1].tolist() == [1, 0, 0, 0]
    assert found[:3, :-1].any() == False  # noqa: E712
    assert found[3, :-1].max() == 1
    encoder, found = encoded(asked, ["a b", "b"], [None])
    assert not found.any()
    assert not any("missing" in name for name in encoder.names)
    encoder, found = encoded(asked, [None, None], ["b"])
    assert found.shape == (1, 51 if hashed else 1)


def test_one_text_in_all_its_spellings():
    composed, apart, wide = "Café", "Cafe\u0301", "ＣＡＦＥ\u0301"
    _, found = encoded(Ngrams(), [composed, "tea"], [composed, apart, wide, "CAFÉ"])
    assert (found == found[0]).all()
    assert found[0].max() == 1


def test_idf_by_hand():
    encoder, _ = encoded(Ngrams(), ["x y", "x", None])
    column = encoder.columns[0]
    weights = dict(zip(column.terms, column.weights, strict=True))
    assert weights == {"y": math.log(3 / 2) + 1, "x": math.log(3 / 3) + 1}


@pytest.mark.parametrize("asked", [*WAYS, Ngrams(limit=7, hashed=True)])
def test_round_trip_through_json(asked):
    encoder, found = encoded(asked, [*TEXTS, None])
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    assert again == encoder
    assert again.texts == ["t"]
    new = pl.DataFrame({"t": [*TEXTS, None]})
    assert again.transform(new).tobytes() == found.tobytes()


def test_other_columns_stay_what_they_are():
    frame = pl.DataFrame({"x": [1.0, None], "t": ["a b", "a"], "c": ["a b", "a"]})
    for kind in (OrdinalEncoder, LinearEncoder):
        with_texts = kind.fit(frame, texts={"t": Ngrams()})
        without = kind.fit(frame.drop("t")).transform(frame)
        kept = [i for i, name in enumerate(with_texts.names) if not name.startswith("t: ")]
        np.testing.assert_array_equal(with_texts.transform(frame)[:, kept], without)


def test_only_texts_can_be_read_so():
    with pytest.raises(DefinitionError, match="type Int64 cannot be tfidf"):
        OrdinalEncoder.fit(pl.DataFrame({"t": [1, 2]}), texts={"t": Ngrams()})
    with pytest.raises(DefinitionError, match="no feature 'r'"):
        OrdinalEncoder.fit(pl.DataFrame({"t": ["a"]}), texts={"r": Ngrams()})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"of": "word"}, "Did you mean 'words'"),
        ({"lengths": (2, 1)}, "does not rise"),
        ({"lengths": 9}, "beyond 8"),
        ({"lengths": (1, 2, 3)}, "not a least and a most"),
        ({"lengths": 0}, "from 1 on"),
        ({"limit": 2001}, "more than 2000"),
        ({"limit": 0}, "from 1 on"),
    ],
)
def test_what_cannot_be_asked(given, said):
    with pytest.raises(DefinitionError, match=said):
        Ngrams(**given)


def test_many_texts_are_those_of_pieces(monkeypatch):
    asked = Ngrams(lengths=(1, 2), limit=40)
    whole = encoded(asked, TEXTS * 5)
    monkeypatch.setattr("octavo.bundle.ngrams.ROWS", 3)
    pieces = encoded(asked, TEXTS * 5)
    assert whole[0] == pieces[0]
    assert whole[1].tobytes() == pieces[1].tobytes()


def test_a_profile_of_texts_sees_other_words():
    then = pl.DataFrame({"t": ["the bus was late", "the driver was rude", None, ""] * 50})
    described = profile(then, ["t"], texts=["t"])["t"]
    assert described["words"] == ["bus", "driver", "late", "rude", "the", "was"]
    assert described["shares"][-1] == 0.25
    assert sum(described["shares"]) == pytest.approx(1)
    same = shares(then["t"].reverse(), described)
    other = shares(pl.Series("t", ["my parcel never came", None, None, "x"]), described)
    assert MEASURES["psi"](described["shares"], same) == pytest.approx(0)
    assert MEASURES["psi"](described["shares"], other) > 1
    assert other[-1] == 0.5


def test_a_bundle_with_texts_needs_no_scikit_learn():
    code = """
import json, sys
import polars as pl
from octavo.bundle import Encoder, OrdinalEncoder
from octavo.definition import Ngrams
frame = pl.DataFrame({"t": ["a b", "b c"]})
e = OrdinalEncoder.fit(frame, texts={"t": Ngrams()})
Encoder.from_dict(json.loads(json.dumps(e.to_dict()))).transform(frame)
print("sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
