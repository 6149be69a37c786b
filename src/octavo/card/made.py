"""How the candidate was made: settings, parameters, versions, times, and how to make it again."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from octavo.definition.settings import GROUP, flat
from octavo.pages.html import Figure, Markup, code, facts, paragraph, section, table

Known = Mapping[str, Any]


def timings(known: Known) -> Markup:
    """Return how long its parts, its search and the stages of its run took."""
    candidate, study = known["candidate"], known["study"]
    pairs = [("this candidate", f"{candidate['seconds']:.1f} s")]
    pairs += [(name, f"{took:.2f} s") for name, took in known["bundle"]["timings"].items()]
    if study and study["finished_at"]:
        took = (study["finished_at"] - study["started_at"]) / 1e6
        pairs.append(("the search", f"{took:.1f} s"))
        pairs.append(("its trials", study["trials"]))
    rows = [
        (row["stage"], Figure(f"{row['seconds']:.1f}"), row["rows_in"], row["rows_out"])
        for row in known["stages"]
    ]
    head = ("stage of its run", "seconds", "rows in", "rows out")
    return section("Timings", facts(pairs), table(head, rows))


def configuration(known: Known) -> Markup:
    """Return algorithm, parameters, members of what was put together, settings and versions."""
    bundle = known["bundle"]
    return section(
        "Configuration",
        paragraph(_role(known)),
        _members(bundle["params"]) if "members" in bundle["params"] else _params(bundle["params"]),
        _settings(known),
        _versions(known),
    )


def _role(known: Known) -> str:
    trial = known["trial"]
    algorithm = known["bundle"]["algorithm"]
    if trial is None:
        return f"The algorithm is {algorithm}."
    if trial["role"] == "blend" and algorithm == "stack":
        return "A stack: a weighted sum of the scores of the best candidates of its search."
    if trial["role"] == "blend":
        return "A blend: a weighted mean of the best candidates of its search."
    if trial["role"] == "refit":
        how = ", on every fold, and averaged" if trial["params"].get("bag") else ""
        return f"{algorithm}, trained once more as trial {trial['params'].get('trial')} was{how}."
    return f"{algorithm}, trial {trial['number']} of its search."


def _params(params: Known) -> str:
    rows = [(code(name), _plain(value)) for name, value in params.items()]
    return f"<h3>Parameters</h3>{table(('parameter', 'value'), rows)}" if rows else ""


def _members(params: Known) -> str:
    """Return members: the weights of a blend are shares, those of a stack are not."""
    weight = "{:.1%}".format if "intercept" not in params else "{:.3f}".format
    rows = [
        (
            member["algorithm"],
            Figure(weight(member["weight"])),
            member["trial"],
            Markup("<br>".join(code(f"{k} = {_plain(v)}") for k, v in member["params"].items())),
        )
        for member in params["members"]
    ]
    head = ("member", "weight", "trial", "parameters")
    told = params.get("intercept")
    intercept = "" if told is None else paragraph(f"The intercept is {_plain(told)}.")
    return f"<h3>Members, put together</h3>{table(head, rows)}{intercept}"


def _settings(known: Known) -> str:
    began, version = known["began"] or {}, known["candidate"]["config_version"]
    values = {
        name: value
        for field, declared in (began.get("settings") or {}).items()
        for name, value in flat(f"{GROUP}.{field}", declared).items()
    }
    rows = [
        (code(name), _plain(value), _origin(known, name, value)) for name, value in values.items()
    ]
    said = f"Version {version} of the settings, profile {began.get('profile', 'default')}."
    table_of = table(("setting", "value", "from"), rows)
    return f"<h3>Settings of the search</h3>{paragraph(said, soft=True)}{table_of}"


def _origin(known: Known, name: str, value: Any) -> str:
    """Say where a value comes from, as far as it is recorded."""
    profile, version = known["began"]["profile"], known["candidate"]["config_version"]
    if known["set"].get(profile, {}).get(name) == value and profile != "default":
        return f"profile {profile}, version {version}"
    if known["set"].get("default", {}).get(name) == value:
        return f"config version {version}"
    return "pipeline.py, or the environment"


def _versions(known: Known) -> str:
    began = known["began"] or {}
    rows = [("code", began.get("code") or known["code"])]
    rows += list((began.get("libraries") or {}).items())
    named = [(name, code(version)) for name, version in rows if version]
    return f"<h3>Versions</h3>{table(('what', 'version'), named)}" if named else ""


def reproduced(known: Known) -> Markup:
    """Return the commands that lead here again, in the folder of the definition."""
    candidate = known["candidate"]["candidate_id"]
    told = [
        (f"octavo reproduce {candidate}", "trained once more, compared bit by bit"),
        ("octavo data --split train -o train.parquet", "the rows, of the newest data version"),
        ("octavo candidates --trials", "all trials, failed ones too"),
        (f"octavo card {candidate}", "this page, of what is known by then"),
    ]
    width = max(len(command) for command, _ in told)
    lines = [f"{command:<{width}}  # {said}" for command, said in told]
    marks = [
        ("data version", known["candidate"]["data_version"]),
        ("study", known["candidate"]["study"]),
        ("run", known["candidate"]["run_id"]),
        ("definition", known["definition"]),
        ("content", known["bundle"]["content_hash"][:16]),
    ]
    rows = [(name, code(value)) for name, value in marks if value]
    said = "In the folder of pipeline.py:"
    body = escape("\n".join(lines))
    return section(
        "How to reproduce", table(("", "fingerprint"), rows), paragraph(said), f"<pre>{body}</pre>"
    )


def _plain(value: Any) -> str:
    """Return a value as it is written in JSON, texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
