"""The short report after a run: what was asked, what was found, where things are, what is next."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.card.words import chosen_by_loss
from octavo.pages.html import number
from octavo.project import Project
from octavo.status import outputs
from octavo.stores.approvals import ASKED


def print_report(project: Project, document: dict[str, Any]) -> None:
    """Print the report to standard output."""
    console = Console(highlight=False)
    console.print()
    console.print(f"[bold]{escape(document['problem']['question'])}[/]")
    flow = (_data, _streams, _views, _followed, _tables)
    for part in (_answer, _approval, _stages, *flow, _candidates, _judged, _drift, _told, _mirror):
        part(console, project, document)
    console.print(f"\nEverything is stored in {project.home.path}")
    console.print("Next: " + _next(project, document))


def _answer(console: Console, project: Project, document: dict[str, Any]) -> None:
    verdict = document["verdict"]
    if verdict is None:
        console.print(f"[yellow]Not answered yet[/] ({document['state']}).")
        if document["error"]:
            console.print(escape(document["error"]))
        return
    low, high = verdict["test_interval"]
    last = verdict.get("last_value")  # none in a verdict of an earlier Octavo
    word = "[green]Answered[/]" if verdict["answered"] else "[yellow]Not answered[/]"
    console.print(
        f"{word}: {verdict['metric']} on test [bold]{_figure(verdict['test'])}[/] "
        f"(95 % interval {_figure(low)} to {_figure(high)}, {verdict['test_rows']:,} rows); "
        f"needed {_figure(verdict['threshold'])}, trivial baseline {_figure(verdict['baseline'])}"
        + (f", last value {_figure(last['test'])}." if last else ".")
    )
    if not verdict["promoted"]:
        console.print(f"  Why: {escape(verdict['reason'])}.")


def _approval(console: Console, project: Project, document: dict[str, Any]) -> None:
    request = document["approval"]
    if request is None:
        return
    name, why = request["candidate_id"], request["reason"]
    if request["state"] == ASKED:
        console.print(
            f"[yellow]Awaiting approval[/]: {name}, since {_time(request['asked_at'])}; `octavo "
            "approve` lets it answer, `octavo decline` refuses it."
        )
        return
    told = (
        f"  {request['state'].capitalize()} by {request['actor']}, {_time(request['decided_at'])}"
    )
    console.print(escape(told + (f": {why}" if why else ".")))


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def _figure(value: float) -> str:
    """Write a figure as far as its digits say something: shares to three places, costs to units."""
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _stages(console: Console, project: Project, document: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name in ("stage", "state", "seconds", "rows in", "rows out", "rejected"):
        table.add_column(name, justify="left" if name in ("stage", "state") else "right")
    for stage in document["stages"]:
        seconds = "" if stage["seconds"] is None else f"{stage['seconds']:.1f}"
        counts = [
            "" if stage[key] is None else f"{stage[key]:,}"
            for key in ("rows_in", "rows_out", "rejected")
        ]
        table.add_row(stage["name"], stage["state"], seconds, *counts)
    console.print()
    console.print(table)


def _data(console: Console, project: Project, document: dict[str, Any]) -> None:
    found = outputs(project.catalog, "ingestion").get("datasets", {})
    parts = [
        f"{name} {counts['rows']:,}"
        + (f" (+{counts['rejected']:,} rejected)" if counts["rejected"] else "")
        for name, counts in found.items()
    ]
    if parts:
        console.print("\n[bold]Data[/]      " + ", ".join(parts))
    prepped = outputs(project.catalog, "prep")
    if prepped:
        console.print(
            f"[bold]Features[/]  {prepped['features']}, of {prepped['views']} views and the row"
        )
        for hot in prepped.get("hot", []):
            about = f"{hot['key']} in view {hot['view']!r}: {hot['held']:,} of {hot['of']:,}"
            console.print(f"[yellow]Hot[/]       {escape(about)} observations of {hot['dataset']}")
    for each in document["stale"]:
        entities = "all" if each["entities"] is None else f"{each['entities']:,}"
        console.print(
            f"[yellow]Stale[/]     {each['name']}: {entities} entities, batch {each['batch_id']} "
            f"{each['cause']}; `octavo prep --rebuild` corrects them"
        )
    parts = [
        f"{name} "
        + _rows_of(counts)
        + (f", {counts['base_rate']:.1%} positive" if "base_rate" in counts else "")
        for name, counts in outputs(project.catalog, "segregation").get("parts", {}).items()
    ]
    if parts:
        console.print("[bold]Split[/]     " + "; ".join(parts + _beside(project)))
    for leak in document["leaks"]:
        found = escape(f"{leak['kind']}: {leak['what']} {leak['fix']}")
        console.print(f"[yellow]Leak?[/]     {found}")


def _streams(console: Console, project: Project, document: dict[str, Any]) -> None:
    for each in document["streams"]:
        fresh = each["freshness"]
        last = "nothing ingested yet" if fresh is None else f"the last batch within {fresh:.1f} s"
        console.print(
            f"[bold]Stream[/]    {each['dataset']}, partition {each['partition']}: "
            f"{each['end']:,} rows received, {each['lag']:,} wait to be ingested; {last}"
        )


def _views(console: Console, project: Project, document: dict[str, Any]) -> None:
    behind = [each for each in document["views"] if each["rows"]]
    if document["views"]:
        names = ", ".join(each["view"] for each in document["views"])
        told = f"{names}: nothing waits to be prepped"
        if behind:
            most = max(behind, key=lambda each: each["waits"])
            told = f"{most['view']}: {most['rows']:,} rows wait, since {most['waits']:.1f} s"
        console.print(f"[bold]Live[/]      {escape(told)}")


def _tables(console: Console, project: Project, document: dict[str, Any]) -> None:
    tables = document["tables"]
    if document["streams"] and tables:  # batches of files are few, and need no looking after
        most = max(tables, key=lambda table: table["files"])
        files, size = (sum(table[key] for table in tables) for key in ("files", "bytes"))
        console.print(
            f"[bold]Tables[/]    {len(tables)}, of {files:,} data files and {size / 1e6:,.1f} MB; "
            f"most files in {escape(most['table'])}: {most['files']:,}"
        )


def _followed(console: Console, project: Project, document: dict[str, Any]) -> None:
    for name, size in document["followed"].items():
        console.print(f"[bold]Files[/]     {name}: {size:,} bytes are not in its stream yet")


def _told(console: Console, project: Project, document: dict[str, Any]) -> None:
    counts = document["notifications"]
    if any(counts.values()):
        console.print(
            f"[yellow]Told[/]      {counts['waiting']:,} notifications wait, {counts['failed']:,} "
            "were given up; `octavo notifications list --failed` says why"
        )


def _mirror(console: Console, project: Project, document: dict[str, Any]) -> None:
    mirror = document["mirror"]
    if mirror and mirror["error"]:
        console.print(
            f"[yellow]MLflow[/]    {mirror['due']} events are not mirrored yet: "
            f"{escape(mirror['error'])}; tried again after each run, and by `octavo mirror`"
        )


def _beside(project: Project) -> list[str]:
    """Return what there is to say of a split besides its parts."""
    found = outputs(project.catalog, "segregation")
    said = [f"{found['left_out']:,} in no part"] if found.get("left_out") else []
    if len(found.get("folds", [])) > 1:
        said.append(f"validated on {len(found['folds'])} folds")
    trained = outputs(project.catalog, "training")
    for part, rows in trained.get("drawn", {}).items():
        said.append(f"the search used {trained['most']:,} of the {rows:,} rows of {part}")
    return said


def _rows_of(counts: dict[str, Any]) -> str:
    """Say how many rows a part has: labeled ones, or where nothing is labeled all of them."""
    return f"{counts['labeled']:,} labeled" if counts["labeled"] else f"{counts['rows']:,} rows"


def _candidates(console: Console, project: Project, document: dict[str, Any]) -> None:
    verdict = document["verdict"]
    if verdict is None:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("candidate")
    table.add_column("algorithm")
    table.add_column(f"{verdict['metric']} on validation", justify="right")
    if how := chosen_by_loss(verdict):
        table.add_column("log loss", justify="right")
    table.add_column("seconds", justify="right")
    live = (document["deployment"] or {}).get("candidate")
    for row in verdict["ranking"]:
        mark = " ← deployed" if row["candidate_id"] == live else ""
        loss = [number(row["log_loss"])] if how else []
        table.add_row(
            row["candidate_id"], row["algorithm"], f"{row['validation']:.4f}", *loss,
            f"{row['seconds']:.1f}{mark}",
        )  # fmt: skip
    console.print()
    console.print(table)
    if how:
        console.print(how)
    champion = verdict["champion"]
    if champion and "champion" in champion:
        chance = f" (p = {champion['gain']['p']:.3f})" if "gain" in champion else ""
        console.print(
            f"Champion {champion['candidate']}: {champion['champion']:.4f}, challenger "
            f"{champion['challenger']:.4f} on the same {champion['rows']:,} later rows{chance}."
        )


def _judged(console: Console, project: Project, document: dict[str, Any]) -> None:
    """Say in a line each what else was found of the candidate on test."""
    verdict = document["verdict"]
    if verdict is None or "servable" not in verdict:  # an earlier Octavo's told less
        return
    console.print()
    if costs := verdict["costs"]:
        low, high = costs["saved"]["interval"]
        console.print(
            f"[bold]Costs[/]     {costs['per_1000']:,.0f} for 1,000 rows of test, yes from "
            f"{costs['threshold']:.3f} on ({costs['yes']:.1%} of them); always "
            f"{costs['always']:,.0f}, never {costs['never']:,.0f}; saved "
            f"{costs['saved']['gain']:,.0f} ({low:,.0f} to {high:,.0f})"
        )
    for group in verdict["worst"][:2]:
        told, true, rows = f"{group['told']:.3g}", f"{group['true']:.3g}", f"{group['rows']:,}"
        console.print(
            f"[bold]Off[/]       {group['off']} where {escape(group['group'])}: on average of "
            f"{rows} rows told {told}, came true {true}"
        )
    for feature, found in verdict["fairness"].items():
        gaps = [f"{rate} {gap:.3f}" for rate, gap in found["gaps"].items() if gap is not None]
        console.print(f"[bold]Gaps[/]      between groups of {escape(feature)}: {', '.join(gaps)}")
    served = verdict["servable"]
    if served["refused"] is None:
        console.print(
            f"[bold]Served[/]    from {served['load_seconds']:.1f} s after a start, a row in "
            f"{served['p50_ms']:.1f} ms (p99 {served['p99_ms']:.1f}), "
            f"{served['rows_per_second']:,.0f} rows a second, {served['memory_mb']:,.0f} MB"
        )


def _drift(console: Console, project: Project, document: dict[str, Any]) -> None:
    found = outputs(project.catalog, "monitoring")
    if "drift" not in found:
        return
    measure, drifted = found["measure"], found["drifted"]
    times = (found["from"] or "", found["to"] or "")
    when = " … ".join(time[:16] for time in times) if found["from"] else "the newest batch"
    worst = sorted(found["drift"].items(), key=lambda item: -item[1][measure])[:5]
    console.print(
        f"\n[bold]Drift[/]     {len(drifted)} of {len(found['drift'])} features above "
        f"{measure} {found['threshold']} in {when}; most: "
        + ", ".join(f"{name} {values[measure]:.2f}" for name, values in worst)
    )
    performance = found["performance"]
    if performance:
        told = " whose label has come" if project.definition.problem.needs_labels else ""
        console.print(
            f"[bold]Since[/]     {performance['metric']} {_figure(performance['figure'])} on the "
            f"{performance['labeled']:,} rows of that time{told}"
        )
    if alarms := found.get("alarms"):
        word = "Alarms" if project.definition.problem.kind == "anomaly" else "Yes   "
        console.print(
            f"[bold]{word}[/]    {alarms['raised']:,} of {alarms['rows']:,} rows of that time"
        )


def _next(project: Project, document: dict[str, Any]) -> str:
    where = str(project.folder)
    if project.home.path.parent != project.folder:
        where += f" --home {project.home.path}"
    if (request := document["approval"]) and request["state"] == ASKED:
        return f"`octavo card` shows what was found; `octavo approve --dir {where}` lets it answer."
    if document["deployment"]:
        labels = " --labels both" if project.definition.problem.learns_from == "both" else ""
        return (
            f"`octavo up {where}` serves it; `octavo data {where} --split train{labels} -o "
            "train.parquet` gives the training rows; `octavo candidates` and `octavo batches` show "
            "more."
        )
    if document["verdict"]:
        return "add features or trials (`octavo config set training.trials 30`), then run again."
    return f"`octavo run {where}`."
