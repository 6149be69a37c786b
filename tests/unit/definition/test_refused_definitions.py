"""What cannot be meant is refused when it is declared, in words that name field and fix."""

import polars as pl
import pytest
from definitions import label, orders, pipeline, problem, unusual, view, window

import octavo as ov
from octavo.errors import DefinitionError, ExitCode

amount = pl.col("amount")
static = ov.Dataset("orders", ov.Files("x.csv"))
other = ov.Dataset("other", ov.Files("x.csv"), event_id="order_id", event_time="at")

FIELDS = (
    "Write minute, hour, day of the month, month, day of the week: "
    '"0 * * * *" is every hour, "30 6 * * MON" Mondays at 6:30.'
)
MESSAGES = [
    # names: the nearest that exist
    (
        lambda: problem(metric="average_precison"),
        "Problem.metric: there is no choice 'average_precison'. Did you mean 'average_precision'?",
    ),
    (
        lambda: problem(kind="classification"),
        "Problem.kind: there is no choice 'classification'. Known: anomaly, binary, multiclass, "
        "regression.",
    ),
    (
        lambda: window(orders(), take="maen"),
        "Window over 'orders'.take: there is no choice 'maen'. Did you mean 'mean'?",
    ),
    (
        lambda: pipeline(datasets=[other]),
        "Pipeline.rows: there is no dataset 'orders'. Known: other.",
    ),
    (
        lambda: pipeline(problem=problem(target="retuned")),
        "Problem.target: there is no label 'retuned'. Did you mean 'returned'?",
    ),
    (
        lambda: ov.View("v", key="dest", windows=[window(orders())], on={"origin": "dst"}),
        "View 'v'.on: there is no key column 'dst'. Did you mean 'dest'?",
    ),
    (
        lambda: ov.Check("c", amount > 0, "rejct"),
        "Check 'c'.severity: there is no choice 'rejct'. Did you mean 'reject'?",
    ),
    (
        lambda: ov.Monitor(drift="pis"),
        "Monitor.drift: there is no drift measure 'pis'. Did you mean 'psi'?",
    ),
    # the problem
    (
        lambda: problem(at_least=None),
        "Problem: the figure that answers the question is not said exactly once. "
        "Give either at_least=… (a number or ov.Lift(2.5)) or at_most=….",
    ),
    (
        lambda: problem(metric="log_loss"),
        "Problem: for log_loss less is better. Use at_most=….",
    ),
    (
        lambda: problem(at_least=None, at_most=0.5),
        "Problem: for roc_auc more is better. Use at_least=….",
    ),
    (
        lambda: problem(at_least=70),
        "Problem.at_least: roc_auc is at most 1, and 0 asks for nothing; 70 cannot be its target. "
        "Give a fraction such as 0.4.",
    ),
    (
        lambda: problem(kind="regression", metric="r2", at_least=ov.Lift(2)),
        "Problem.at_least: the trivial baseline's r2 is 0, and so is any multiple of it. "
        "Give a number, such as 0.3.",
    ),
    (lambda: ov.Lift(1), "Lift: a lift of 1 asks for nothing. Use more than 1."),
    (
        lambda: problem(target="re turned"),
        "Problem.target: 're turned' is not a name. "
        "Use letters, digits and single underscores, beginning with a letter.",
    ),
    # schedules
    (
        ov.Schedule,
        "Schedule: when it is due is not said exactly once. "
        'Give one of cron="0 * * * *", every="1h" and on="data".',
    ),
    (
        lambda: ov.Schedule(cron="0 * * * *", every="1h"),
        "Schedule: when it is due is not said exactly once. "
        'Give one of cron="0 * * * *", every="1h" and on="data".',
    ),
    (
        lambda: ov.Schedule(cron="60 * * * *"),
        f"Schedule.cron: '60 * * * *' is not a cron expression: bad minute. {FIELDS}",
    ),
    (
        lambda: ov.Schedule(cron="0 0 31 2 *"),
        f"Schedule.cron: '0 0 31 2 *' is not a cron expression: bad day-of-month. {FIELDS}",
    ),
    (
        lambda: ov.Schedule(cron="0 * * * * *"),
        "Schedule.cron: '0 * * * * *' is not a cron expression: wrong number of fields. " + FIELDS,
    ),
    (
        lambda: ov.Schedule(cron=3),  # type: ignore[arg-type]
        f"Schedule.cron: 3 is not a cron expression: wrong number of fields. {FIELDS}",
    ),
    (
        lambda: ov.Schedule(every="10ms"),
        'Schedule.every: 10ms is less than a second. Write "1m", "1h", "1d".',
    ),
    (
        lambda: ov.Schedule(every="1h", zone="Europe/Zurch"),
        "Schedule.zone: there is no time zone 'Europe/Zurch'. Name one: zone=\"Europe/Zurich\".",
    ),
    (
        lambda: ov.Schedule(every="1h", from_="24.12.2026"),
        "Schedule.from_: '24.12.2026' is neither a day nor a time on the clocks of the zone. "
        'Write "2026-12-24", or "2026-12-24T18:00".',
    ),
    (
        lambda: ov.Schedule(every="1h", from_="2026-05-02", until="2026-05-01"),
        "Schedule.until: it ends before it begins. Give a later day.",
    ),
    (
        lambda: ov.Schedule(every="1h", hours=("8:00", "18:00")),
        "Schedule.hours: ('8:00', '18:00') are no hours of a day. "
        'Write from and to: hours=("22:00", "06:00").',
    ),
    (
        lambda: ov.Schedule(every="1h", blackouts="2026-12-25"),
        "Schedule.blackouts: '2026-12-25' is not a list. "
        'Write blackouts=["2026-12-25", ("2026-12-31", "2027-01-02")].',
    ),
    (
        lambda: ov.Schedule(every="1h", blackouts=[("2026-12-25", "2026-12-24")]),
        "Schedule.blackouts: 2026-12-24 is not after 2026-12-25. Give the first, then the last.",
    ),
    (
        lambda: ov.Schedule(every="1h", missed="never"),
        "Schedule.missed: there is no choice 'never'. Known: all, once, skip.",
    ),
    (
        lambda: ov.Training(schedule=ov.Schedule(on="data")),
        "Training.schedule: on='data' cannot be: only datasets wait for data. "
        'Write ov.Schedule(on="upstream").',
    ),
    (
        lambda: orders(schedule=ov.Schedule(on="upstream")),
        "Dataset 'orders'.schedule: on='upstream' cannot be: nothing comes before a dataset. "
        'Write ov.Schedule(on="data").',
    ),
    (
        lambda: orders(offline=ov.Sql("shop", table="orders"), schedule=ov.Schedule(on="data")),
        "Dataset 'orders'.schedule: a database does not tell whether anything is new: it has to be "
        'asked. Say how often: ov.Schedule(every="10m").',
    ),
    (
        lambda: orders(offline=None, online=ov.Stream(), schedule=ov.Schedule(every="1h")),
        "Dataset 'orders'.schedule: it comes by its stream, as it is sent. Take out the schedule.",
    ),
    (
        lambda: orders(schedule="1h"),
        "Dataset 'orders'.schedule: '1h' is not a schedule. Write ov.Schedule(every=\"1h\").",
    ),
    (
        lambda: ov.Training(schedule=3),  # type: ignore[arg-type]
        'Training.schedule: 3 is not a schedule. Write ov.Schedule(every="1h").',
    ),
    (
        lambda: ov.Monitor(schedule=3),  # type: ignore[arg-type]
        'Monitor.schedule: 3 is not a schedule. Write ov.Schedule(every="1h").',
    ),
    # notifications: what is wrong is not shown, since it may be a secret
    (
        lambda: pipeline(notify="json://host"),
        'Pipeline.notify: it is not a list of URLs. notify=["mailto://…", "json://…"].',
    ),
    (
        lambda: pipeline(notify=["json://host", "user:secret@host"]),
        "Pipeline.notify[1]: it is not a URL. Write scheme://…, as Apprise does, or ${NAME}, a "
        "variable that holds all of it.",
    ),
    (
        lambda: ov.Notify("json://me:${my secret}@host"),
        "Notify.url: it is not a URL. Write scheme://…, as Apprise does, or ${NAME}, a variable "
        "that holds all of it.",
    ),
    (
        lambda: ov.Notify("json://me:${7}@host"),
        "Notify.url: a variable in it is not written so. Write ${SMTP_PASSWORD}.",
    ),
    (
        lambda: ov.Notify("json://host", severity="grave"),
        "Notify.severity: there is no severity 'grave'. Known: error, info, warning.",
    ),
    (
        lambda: ov.Notify("json://host", stages=["preparation"]),
        "Notify.stages: there is no stage 'preparation'. Did you mean 'evaluation' or "
        "'segregation'?",
    ),
    (
        lambda: ov.Notify("json://host", kinds=["deploied"]),
        "Notify.kinds: there is no kind 'deploied'. Did you mean 'deployed' or 'declined'?",
    ),
    (
        lambda: ov.Notify("json://host", title="{pipelines}"),
        "Notify.title: there is no field 'pipelines'. Did you mean 'pipeline'?",
    ),
    (
        lambda: ov.Notify("json://host", body="{text.__class__}"),
        "Notify.body: there is no field 'text.__class__'. Known: at, by, count, detail, kind, "
        "pipeline, run, severity, stage, subject, text.",
    ),
    (
        lambda: ov.Notify("json://host", body="{text"),
        "Notify.body: it cannot be filled: expected '}' before end of string. Write fields as "
        "{subject}, and a brace that is meant twice.",
    ),
    (
        lambda: ov.Notify("json://host", quiet=ov.Quiet("22:00", "7:00")),
        'Quiet.end: it is not a time of day. Write "22:00".',
    ),
    (
        lambda: ov.Quiet("22:00", "07:00", zone="Europe/Berlinn"),
        "Quiet.zone: there is no time zone 'Europe/Berlinn'. Write one of the IANA data base, "
        'such as "Europe/Berlin".',
    ),
    (lambda: ov.Notify("json://host", share=3), "Notify.share: it is no share. Use 0 to 1."),
    # labels
    (
        lambda: label(orders(), absent=pl.lit(False), mature_after="1d"),
        "Label 'returned': absent= is no plain value. Write absent=False, or a number.",
    ),
    # datasets
    (lambda: ov.Files(""), 'Files: no file is named. Name one: ov.Files("data/*.csv").'),
    (
        lambda: ov.Files("x.csv", columns=[1]),
        'Files.columns: [1] names no columns. Write "name", or ["one", "another"].',
    ),
    (
        lambda: ov.Dataset("orders", "orders.csv"),  # type: ignore[arg-type]
        "Dataset 'orders'.offline: 'orders.csv' is not of the kind Files or Sql. Give one.",
    ),
    (
        lambda: ov.Sql("shop"),
        'Sql: neither a table nor a query is named. Name one: ov.Sql("shop", table="orders").',
    ),
    (
        lambda: ov.Sql("shop", table="orders", query="select 1"),
        'Sql: both a table and a query are named. Name one: ov.Sql("shop", table="orders").',
    ),
    (
        lambda: ov.Sql("postgresql://me:secret@db/shop", table="orders"),
        "Sql.connection: an address is no name of a connection. Write it in octavo.toml, and its "
        "name there here.",
    ),
    (
        lambda: ov.Sql("shop", table="orders", overlap="1h"),
        "Sql.overlap: an overlap is one of a cursor. Declare cursor too.",
    ),
    (
        lambda: ov.Sql("shop", table="orders", cursor="at", overlap="soon"),
        "Sql.overlap: 'soon' is not a duration. Write number and unit (us, ms, s, m, h, d, w): "
        '"30m", "1h", "7d", "1d12h".',
    ),
    (
        lambda: ov.Sql("shop", table="orders", renamed={"a": "b", "b": "c"}),
        "Sql.renamed: 'b' is both a name in the source and a name of the dataset. Map each name "
        'there to the one that the definition uses: {"amt": "amount"}.',
    ),
    (
        lambda: ov.Dataset("orders", ov.Sql("shop", table="o", cursor="at", overlap="1h")),
        "Dataset 'orders'.offline: an overlap reads rows again, and no event_id tells which these "
        "are. Declare event_id, or leave overlap out.",
    ),
    (
        lambda: ov.Dataset("orders__x", ov.Files("x.csv")),
        "Dataset.name: 'orders__x' is not a name. "
        "Use letters, digits and single underscores, beginning with a letter.",
    ),
    (
        lambda: ov.Dataset("orders", ov.Files("x.csv"), available="1h"),
        "Dataset 'orders': a dataset without event_time cannot have available. "
        "Declare event_time, or leave available out.",
    ),
    (
        lambda: orders(available="1 hour"),
        "Dataset 'orders'.available: '1 hour' is not a duration. "
        'Write number and unit (us, ms, s, m, h, d, w): "30m", "1h", "7d", "1d12h".',
    ),
    (
        lambda: orders(where="amount > 0"),
        "Dataset 'orders'.where: 'amount > 0' is not a Polars expression. Write pl.col(…).",
    ),
    (
        lambda: orders(event_time=5),
        "Dataset 'orders'.event_time: 5 is not a Polars expression. Write pl.col(…).",
    ),
    (
        lambda: orders(columns={"twice": "amount"}),
        "Dataset 'orders'.columns['twice']: 'amount' is not a Polars expression. Write pl.col(…).",
    ),
    (
        lambda: orders(columns={"before": amount.shift(1)}),
        "Dataset 'orders'.columns['before']: the expression col(\"amount\").shift([dyn int: 1]) "
        "looks at other rows. It may only use its own row; use a Window for anything else.",
    ),
    (
        lambda: orders(checks=[ov.Check("c", amount > 0), ov.Check("c", amount > 1)]),
        "Dataset 'orders': the check 'c' is declared twice. Rename one of them.",
    ),
    (
        lambda: ov.Check("c", amount > 0, tolerate=5),
        "Check 'c': tolerate=5 is not a fraction. Use 0 … 1.",
    ),
    # windows and views
    (
        lambda: ov.Window("orders", "amount"),  # type: ignore[arg-type]
        "Window: 'orders' is not a dataset. "
        "Give the ov.Dataset object first: ov.Window(arrivals, …).",
    ),
    (
        lambda: window(orders(), value=None, take="mean"),
        "Window over 'orders': without a value only count, since_* and decayed_count can be "
        "taken. "
        'Name a column: ov.Window(arrivals, "arr_delay", take="mean", …).',
    ),
    (
        lambda: window(orders(), value=amount * 2),
        "Window over 'orders': a window with where= or an expression has no name for its columns. "
        'Add name="…".',
    ),
    (
        lambda: window(orders(), over="0s"),
        "Window over 'orders': a window of no length is empty. Use \"1h\".",
    ),
    (
        lambda: window(orders(), take="lag65"),
        "Window over 'orders'.take: there is no choice 'lag65'. Use 'lag1' to 'lag64'.",
    ),
    (
        lambda: window(orders(), take="q99.9"),
        "Window over 'orders'.take: there is no choice 'q99.9'. Use 'q1' to 'q99'.",
    ),
    (
        lambda: window(orders(), take="median"),
        "Window over 'orders'.take: there is no choice 'median'. It is called 'q50'.",
    ),
    (
        lambda: window(orders(), take="n_uniqe"),
        "Window over 'orders'.take: there is no choice 'n_uniqe'. Did you mean 'n_unique'?",
    ),
    (
        lambda: window(orders(), take="?"),
        "Window over 'orders'.take: there is no choice '?'. Known: count, sum, mean, min, max, "
        "var, std, first, last, since_first, since_last, n_unique, top, decayed_count, "
        "decayed_sum, decayed_mean, lag1 to lag64, q1 to q99.",
    ),
    (
        lambda: window(orders(), take="decayed_sum"),
        "Window over 'orders'.halflife: decayed_sum has no half-life. "
        'Add halflife="1d": the time in which an observation loses half its weight.',
    ),
    (
        lambda: window(orders(), halflife="1d"),
        "Window over 'orders'.halflife: nothing that is taken decays. "
        "Take decayed_count, decayed_sum, decayed_mean, or leave halflife= out.",
    ),
    (
        lambda: window(orders(), take="decayed_sum", halflife="0s"),
        "Window over 'orders'.halflife: a half-life of 0 leaves no weight. Use \"1d\".",
    ),
    (
        lambda: window(orders(), take="decayed_sum", halflife="1h", over=None),
        "Window over 'orders'.over: a decayed window reaches back 64 half-lives at the most. "
        "Use 2d16h or less, resolution included: what is older has no weight left.",
    ),
    (
        lambda: window(orders(), take="decayed_sum", halflife="1h", over=["64h", "65h"]),
        "Window over 'orders'.over: a decayed window reaches back 64 half-lives at the most. "
        "Use 2d16h or less, resolution included: what is older has no weight left.",
    ),
    (
        lambda: window(orders(), resolution="0s"),
        "Window over 'orders'.resolution: a resolution of 0 rounds nothing. "
        'Use "1h", or leave it out: windows are exact by default.',
    ),
    (
        lambda: window(orders(), resolution="1h", take=["mean", "lag2"]),
        "Window over 'orders'.take: lag2 needs observations one by one, which a resolution gives "
        "up. Take it in a window of its own, without resolution=.",
    ),
    (
        lambda: window(orders(), resolution="7h"),
        "Window over 'orders'.over: 1d is not a multiple of the resolution 7h. "
        "Use 1d4h, or a resolution that divides every length.",
    ),
    (
        lambda: window(orders(), resolution="1h", over=["1d", None]),
        "Window over 'orders'.resolution: a window that reaches back to the beginning has no start "
        "to round. Give over=, or leave resolution= out.",
    ),
    (
        lambda: window(orders(), over=[]),
        "Window over 'orders': over or take is an empty list. Name something, or leave it out.",
    ),
    (
        lambda: window(orders(), over=["1d", "a week"]),
        "Window over 'orders'.over: 'a week' is not a duration. "
        'Write number and unit (us, ms, s, m, h, d, w): "30m", "1h", "7d", "1d12h".',
    ),
    (
        lambda: window(orders(), value=amount.cum_sum(), name="x"),
        "Window over 'orders'.value: the expression col(\"amount\").cum_sum() looks at other rows. "
        "It may only use its own row; use a Window for anything else.",
    ),
    (
        lambda: ov.View("v", key="x", windows=window(orders())),  # type: ignore[arg-type]
        "View 'v'.windows: a value of type Window is not a list. Write it in brackets: [ … ].",
    ),
    (
        lambda: window(static, over="7d"),
        "Window over 'orders': static facts hold from the beginning of time, where no window of a "
        "length begins. Leave over= out.",
    ),
    (
        lambda: ov.View("rows", key="x", windows=[window(orders())]),
        "View 'rows': 'rows' is the name of the rows' own features. Choose another.",
    ),
    (
        lambda: ov.View("v", key=[], windows=[window(orders())]),
        "View 'v': a view needs a key and windows. Add them.",
    ),
    (
        lambda: ov.View("v", key="x", windows=[window(orders()), window(orders())]),
        "View 'v': the feature 'v__amount_count_1d' is declared twice. Rename one of them.",
    ),
    # label, split, training
    (
        lambda: label(orders(), absent=False),
        "Label 'returned': absent= and mature_after= are of use only together. "
        'Give both, e.g. absent=False, mature_after="30d", or neither.',
    ),
    (
        lambda: ov.SplitByTime(train=0.7, validation=0.2, test=0.2),
        "SplitByTime: train, validation and test are (0.7, 0.2, 0.2): not three shares of one "
        "whole. Give three fractions above 0 that sum to 1, such as 0.7, 0.15, 0.15.",
    ),
    (lambda: ov.SplitByHash([]), "SplitByHash: no entity is named. Name a column."),
    (
        lambda: ov.SplitByTime(0.4, 0.2, 0.4, folds=3),
        "SplitByTime.folds: 3 folds begin before there is anything to train on: each takes 0.2 off "
        "train, which is 0.4. Use fewer folds, or a smaller share for validation.",
    ),
    (
        lambda: ov.SplitByTime(sliding="0s"),
        'SplitByTime.sliding: nothing is left to train on. sliding="90d".',
    ),
    (
        lambda: ov.SplitByTime(purge="yes"),
        "SplitByTime.purge: 'yes' is not of the kind bool. Give one.",
    ),
    (
        lambda: ov.SplitStratified(bins=1),
        "SplitStratified.bins: 1 is not a whole number from 2 on. Use one.",
    ),
    (
        lambda: ov.Training(algorithms="lightgbm"),
        'Training: algorithms is not a list. algorithms=["lightgbm"].',
    ),
    (
        lambda: ov.Training(monotone={"amount": 2}),
        "Training.monotone['amount']: 2 is none of 1, -1. Write one of them.",
    ),
    (
        lambda: ov.Training(encodings={"zip": "onehot"}),
        "Training.encodings['zip']: 'onehot' is none of 'numeric', 'categorical', 'target'. "
        "Write one of them.",
    ),
    (
        lambda: ov.Training(weights=2),  # type: ignore[arg-type]
        "Training.weights: 2 is not of the kind str. Give one.",
    ),
    (
        lambda: pipeline(training=ov.Training(weights="amuont")),
        "Training.weights: there is no feature 'amuont'. Did you mean 'amount'?",
    ),
    (
        lambda: pipeline(training=ov.Training(monotone={"amuont": 1})),
        "Training.monotone: there is no feature 'amuont'. Did you mean 'amount'?",
    ),
    (
        lambda: ov.Training(trials=0),
        "Training.trials: 0 is not a whole number from 1 on. Use one.",
    ),
    (
        lambda: ov.Training(threads=1.5),  # type: ignore[arg-type]
        "Training.threads: 1.5 is not a whole number from 1 on. Use one.",
    ),
    (
        lambda: ov.Training(budget="0s"),
        'Training.budget: no trial could begin. budget="10m".',
    ),
    (lambda: ov.Monitor(window="0d"), 'Monitor: window is empty. window="7d".'),
    # the whole
    (
        lambda: pipeline(
            static, label=label(other), datasets=[static, other], views=[], derived=[]
        ),
        "Label 'returned': the predicted rows ('orders') have no event_id to meet it by. Declare "
        "event_id on that dataset; only rows that tell their own outcome (of= the rows, without "
        "on=) need none.",
    ),
    (
        lambda: pipeline(static, label=label(static, on=None), views=[], derived=[]),
        "Pipeline.rows, 'orders' without event_time: there is no time to split by. Declare "
        "event_time, or split=ov.SplitStratified().",
    ),
    (
        lambda: pipeline(
            static,
            datasets=[static, other],
            label=label(static, on=None),
            split=ov.SplitByHash("customer"),
            views=[view(other)],
            derived=[],
        ),
        "Pipeline.rows, 'orders' without event_time: view 'customer' observes 'other', whose "
        "events happen after every such row and are seen by none. Declare event_time on the rows, "
        "or observe static datasets only.",
    ),
    (
        lambda: pipeline(label=label(orders(), on="id")),
        "Label 'returned': the label meets rows on ['id'], but their event_id is ['order_id']. "
        "Make label.on the event_id of the predicted rows.",
    ),
    (
        lambda: pipeline(label=label(orders(where=amount > 0))),
        "Pipeline.label: the dataset 'orders' is not the one listed in datasets. "
        "Use the same ov.Dataset object in both places.",
    ),
    (
        lambda: pipeline(views=[], row=[], derived=[]),
        "Pipeline: there is no feature. Add row= or views=.",
    ),
    (
        lambda: pipeline(row=[amount, (amount * 2).alias("amount")]),
        "Pipeline: the feature 'amount' is declared twice. Rename one of them.",
    ),
    (
        lambda: pipeline(row=[amount.alias("returned")]),
        "Pipeline: the target 'returned' is also a feature. "
        "Remove it from the features: it would be read from the future.",
    ),
    (
        lambda: pipeline(row=[amount.alias("_event_time")]),
        "Pipeline: the feature '_event_time' is named as Octavo names its own columns. "
        'Rename it with .alias("…").',
    ),
    (
        lambda: pipeline(derived=[amount.alias("one"), (pl.col("one") * 2).alias("two")]),
        "Pipeline.derived, 'two': it uses 'one', which is itself derived. Write out what 'one' is.",
    ),
    (
        lambda: pipeline(row=amount),
        "Pipeline.row: a value of type Expr is not a list. Write it in brackets: [ … ].",
    ),
    (
        lambda: pipeline(problem="which?"),
        "Pipeline.problem: 'which?' is not of the kind Problem. Give one.",
    ),
    (
        lambda: pipeline(views=[view(orders()), view(orders())]),
        "Pipeline.views: the view 'customer' is declared twice. Rename one of them.",
    ),
    (
        lambda: pipeline(inputs=["amuont"]),
        "Pipeline.inputs: there is no feature 'amuont'. Did you mean 'amount'?",
    ),
    (
        lambda: pipeline(inputs=[]),
        "Pipeline.inputs: no feature is named that the model sees. "
        "Name features that say how unusual a row is; ov.Deviations makes some.",
    ),
    (
        lambda: pipeline(label=None),
        "Pipeline.label: there is no label. "
        'Give one; only an anomaly problem measured by "alarm_ratio" needs none.',
    ),
    (
        lambda: pipeline(problem=unusual(), label=None),
        "Pipeline.inputs: no feature is named that the model sees. "
        "Name features that say how unusual a row is; ov.Deviations makes some.",
    ),
    (
        lambda: pipeline(problem=unusual(metric="roc_auc", at_most=None, at_least=0.7), label=None),
        "Pipeline.label: there is no label. "
        'Give one; only an anomaly problem measured by "alarm_ratio" needs none.',
    ),
    (
        lambda: problem(budget=0.001),
        "Problem.budget: a budget of alarms and a problem of kind anomaly belong together. "
        'Give kind="anomaly" and budget=0.001 (one row in a thousand), or neither.',
    ),
    (
        lambda: problem(metric="precision_at_k"),
        "Problem.k: k and a metric of the first k rows belong together, not k=None and "
        'precision_at_k. Give metric="precision_at_k" and k=100 (or a share, k=0.01), or neither.',
    ),
    (
        lambda: problem(k=100),
        "Problem.k: k and a metric of the first k rows belong together, not k=100 and "
        'roc_auc. Give metric="precision_at_k" and k=100 (or a share, k=0.01), or neither.',
    ),
    *(
        (
            lambda k=k: problem(metric="recall_at_k", k=k),
            f"Problem.k: {k!r} is neither a number of rows nor a share of them. "
            "Give a whole number from 1 on, or a fraction such as 0.01.",
        )
        for k in (0, -1, 1.0, 100.0, True)
    ),
    (
        lambda: problem(metric="cost", at_least=None, at_most=100),
        "Problem.costs: the metric is cost, and no costs are told. "
        "Give costs=ov.Costs(false_positive=5, false_negative=100).",
    ),
    (
        lambda: problem(kind="regression", metric="r2", costs=ov.Costs(1, 1)),
        "Problem.costs: costs are those of yes and no; the problem is regression. Leave them out.",
    ),
    (
        lambda: problem(metric="f1", costs=ov.Costs(1, 1)),
        "Problem.costs: the threshold is asked to be best for f1 and for costs at once. "
        'Use metric="cost", a metric without threshold, or no costs.',
    ),
    (
        lambda: problem(metric="cost", costs=ov.Costs(1, 1, true_positive=-5), at_least=ov.Lift(2)),
        "Problem.at_least: a part of a cost is no target where some outcomes are gains. "
        "Give at_most=…, in units of cost per 1,000 rows.",
    ),
    (
        lambda: problem(metric="mcc", at_least=ov.Lift(2)),
        "Problem.at_least: the trivial baseline's mcc is 0, and so is any multiple of it. "
        "Give a number, such as 0.3.",
    ),
    (
        lambda: ov.Costs(false_positive=1, false_negative=2, true_positive=2),
        "Costs: false_negative costs no more than true_positive, so one answer is always best. "
        "Make false_negative larger than true_positive.",
    ),
    (
        lambda: ov.Costs(false_positive=float("inf"), false_negative=2),
        "Costs.false_positive: inf is no cost. Give a number.",
    ),
    (
        lambda: ov.Evaluation(slices=["a", "a"]),
        "Evaluation.slices: the feature 'a' is declared twice. Rename one of them.",
    ),
    (
        lambda: pipeline(evaluation=ov.Evaluation(fairness=["amuont"])),
        "Evaluation.fairness: there is no feature 'amuont'. Did you mean 'amount'?",
    ),
    (
        lambda: pipeline(
            problem=problem(kind="regression", metric="r2"),
            evaluation=ov.Evaluation(fairness=["amount"]),
        ),
        "Evaluation.fairness: gaps between groups are those of yes and no; the problem is "
        "regression. Name the features in slices instead.",
    ),
    (
        lambda: ov.Gate(most_memory=0),
        "Gate.most_memory: nothing runs in no memory. Give megabytes, such as 500.",
    ),
    (
        lambda: ov.Gate(slowest_answer="fast"),
        "Gate.slowest_answer: 'fast' is not a duration. "
        'Write number and unit (us, ms, s, m, h, d, w): "30m", "1h", "7d", "1d12h".',
    ),
    (
        lambda: unusual(budget=None),
        "Problem.budget: a budget of alarms and a problem of kind anomaly belong together. "
        'Give kind="anomaly" and budget=0.001 (one row in a thousand), or neither.',
    ),
    (
        lambda: unusual(budget=0.6),
        "Problem.budget: 0.6 is not the share of rows that are unusual. "
        "Give a fraction such as 0.001.",
    ),
    (
        lambda: unusual(at_most=1),
        "Problem.at_most: alarm_ratio is 1 at the best; 1 cannot be its target. "
        "Give 2 for up to twice, and no less than half, the alarms budgeted.",
    ),
    (
        lambda: unusual(metric="log_loss"),
        "Problem.metric: there is no choice 'log_loss'. "
        "Known: alarm_ratio, average_precision, roc_auc.",
    ),
    (
        lambda: pipeline().dataset("ordres"),
        "there is no dataset 'ordres'. Did you mean 'orders'?",
    ),
    (
        lambda: pipeline().view("costumer"),
        "there is no view 'costumer'. Did you mean 'customer'?",
    ),
]


@pytest.mark.parametrize(("declare", "message"), MESSAGES, ids=[m[:50] for _, m in MESSAGES])
def test_refused_in_these_words(declare, message):
    with pytest.raises(DefinitionError) as refused:
        declare()
    assert str(refused.value) == message
    assert refused.value.fix, "every message says what to do next"
    assert refused.value.exit_code == ExitCode.USAGE


def test_a_declaration_cannot_be_changed():
    with pytest.raises(AttributeError):
        orders().name = "other"  # type: ignore[misc]


def test_one_word_stands_for_a_list_of_one():
    assert ov.Files("x.csv", columns="amount").columns == ("amount",)
    assert orders().identity == ("order_id",)
    assert window(orders(), over="1d", take="mean").take == ("mean",)
    assert view(orders()).key == ("customer",)
