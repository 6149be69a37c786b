"""The catalog's tables. Times are int64 microseconds since the epoch, UTC.

A change here needs a migration in ``migrations/versions``; a test compares the two.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

definitions = Table(
    "definitions",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("pipeline", String, nullable=False),
    Column("problem", JSON, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("stamps", String, nullable=False),
    Column("schema", JSON, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", String, primary_key=True),
    Column("dataset", String, nullable=False),
    Column("sequence", Integer, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("state", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("clock", BigInteger),
    Column("rows", BigInteger),
    Column("rejected", BigInteger),
    Column("duplicates", BigInteger),
    Column("restated", BigInteger),
    Column("bytes", BigInteger),
    Column("newest", BigInteger),
    Column("schema_fingerprint", String),
    Column("delta_version", BigInteger),
    Column("through", JSON),
    Column("seconds", Float),
    Column("quality", JSON),
    Column("planned_at", BigInteger, nullable=False),
    Column("committed_at", BigInteger),
    Column("withdrawn", BigInteger),
    Column("withdrawn_why", Text),
    Column("topic", String),
    Column("partition", Integer),
    Column("first_offset", BigInteger),
    Column("end_offset", BigInteger),
    Column("epoch", BigInteger),
    Column("received_at", BigInteger),
    Index("batches_by_offset", "topic", "partition", "end_offset"),
    Index("batches_by_newest", "newest"),
    Index("batches_by_clock", "clock"),
    Index("batches_by_withdrawal", "withdrawn"),
    UniqueConstraint("dataset", "content_hash", name="one_batch_per_content"),
)
"""``through``: how far a database was read, the ``cursor`` and its greatest ``value`` as text; null
for what is read as a whole. ``restated``: rows with other content than an earlier one of the same
event. ``withdrawn``: the withdrawal's own place in the order of sequences, null for a batch that
stands. ``rows`` of a planned batch is null until prep has passed it with its rows written; then it
says how many are to be written again. Of a batch from a stream: ``topic`` and ``partition``, the
range of offsets from ``first_offset`` to before ``end_offset``, the ``epoch`` of the lease under
which it was planned, and ``received_at``, when its first row was appended; null for what is
loaded."""

barrier = Table(
    "barrier",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("clock", BigInteger, nullable=False),
)
"""One row: how far prep has come in the order of batches, or is about to, and the newest
``known_at`` up to there. What is committed later has a place and a clock after it."""

feature_groups = Table(
    "feature_groups",
    metadata,
    Column("group_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("cut_over", BigInteger, nullable=False),
    Column("replaced", BigInteger),
    Column("cause", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("committed_at", BigInteger, nullable=False),
    Index("feature_groups_by_name", "name"),
)
"""Features of one view (or of the rows) that were back-filled together. ``columns``: stored name to
fingerprint, of those it still keeps up. ``cut_over``: the position from which it counts, and up to
which corrections are in it. ``replaced``: the position at which a rebuild took its place, or
nothing wanted it any more."""

feature_versions = Table(
    "feature_versions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_id", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("clock", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("too_late", BigInteger, nullable=False),
    Column("state", String),
    Column("run_id", String, nullable=False),
    Column("committed_at", BigInteger, nullable=False),
    Column("first", BigInteger),
    UniqueConstraint("group_id", "position", name="one_version_per_position"),
)
"""How far each group has come: one row for every prep of it. Where it is kept up live, one row that
goes on: of all positions from ``first`` on; null: of ``position`` alone."""

stale = Table(
    "stale",
    metadata,
    Column("name", String, primary_key=True),
    Column("batch_id", String, primary_key=True),
    Column("cause", String, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Entities whose features a correction has made wrong: ``key`` is the entity's key as text, or
``*`` where they are too many to name. ``position``: the correction's place in the sequence."""

rebuilds = Table(
    "rebuilds",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("names", JSON, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("position", BigInteger),
)
"""Rebuilds that were asked for; ``names`` is empty for all that is stale, ``position`` null until
it is done."""

data_versions = Table(
    "data_versions",
    metadata,
    Column("data_version", String, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("definition", String, nullable=False),
    Column("code_version", String, nullable=False),
    Column("config_version", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
)

stage_runs = Table(
    "stage_runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("inputs", String, nullable=False),
    Column("parts", JSON),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float),
    Column("rows_in", BigInteger),
    Column("rows_out", BigInteger),
    Column("rejected", BigInteger),
    Column("outputs", JSON),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Index("stage_runs_by_stage", "stage", "id"),
)
"""``inputs``: one fingerprint of all that the stage depended on; ``parts``: of each part its own,
and what tells how it changed; null where an earlier Octavo wrote it."""

trials = Table(
    "trials",
    metadata,
    Column("study", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("role", String, nullable=False, server_default="trial"),
    Column("algorithm", String, nullable=False),
    Column("params", JSON, nullable=False),
    Column("found", JSON),
    Column("state", String, nullable=False),
    Column("figure", Float),
    Column("folds", JSON),
    Column("log_loss", Float),
    Column("standard_error", Float),
    Column("steps", JSON),
    Column("seconds", Float),
    Column("candidate_id", String),
    Column("error", Text),
)
"""``role``: ``trial``, or ``blend`` and ``refit``, which are made of earlier ones. ``params``: as
proposed (of a blend the members, of a refit the trial it repeats); ``found``: as they turned out.
``state``: ``complete``, ``pruned``, ``failed``, or ``stopped`` for want of time. ``figure``: the
mean over the figures of the folds, ``folds``, oldest first; of a refit that of the trial it
repeats. ``log_loss`` and ``standard_error``: see `octavo.bundle.ranking`; null where the metric is
fine. ``steps``: losses on the way."""

studies = Table(
    "studies",
    metadata,
    Column("study", String, primary_key=True),
    Column("problem", String),
    Column("warm", JSON),
    Column("trials", Integer),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
)
"""``problem``: the fingerprint of what is asked, the same for all studies of it. ``warm``: for each
algorithm the parameters it took over from earlier ones."""

candidates = Table(
    "candidates",
    metadata,
    Column("candidate_id", String, primary_key=True),
    Column("study", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("algorithm", String, nullable=False),
    Column("params", JSON, nullable=False),
    Column("data_version", String, nullable=False),
    Column("config_version", Integer, nullable=False),
    Column("validation", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

test_readings = Table(
    "test_readings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False),
    Column("candidate_id", String, nullable=False),
    Column("data_version", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False, unique=True),
    Column("candidate_id", String, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("at", BigInteger, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("deployment_id", String, primary_key=True),
    Column("candidate_id", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("live_from", BigInteger, nullable=False),
    Column("live_to", BigInteger),
)

releases = Table(
    "releases",
    metadata,
    Column("release_id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("declared", JSON, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("position", BigInteger),
    Column("error", Text),
    Column("begun_at", BigInteger, nullable=False),
    Column("live_from", BigInteger),
)
"""Definitions that services ran, or were to run. ``state``: ``preparing`` while its features are
back-filled, ``asked`` until the supervisor has handed over, ``live``, ``replaced``, ``refused``, or
``abandoned`` by who was to bring it on. ``declared``: features, datasets and other parts, each name
to fingerprint, as if nothing were ingested; ``columns``: the fingerprints of what prep stores of
it, when it was begun. ``position``: from which its new features count."""

jobs = Table(
    "jobs",
    metadata,
    Column("job", String, primary_key=True),
    Column("declared", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("token", String),
    Column("paused", Text),
    Column("asked_at", BigInteger),
    Column("asked_by", String),
    Column("due", BigInteger),
    Column("tries", Integer, nullable=False),
    Column("retry_at", BigInteger),
    Column("began_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("result", String),
    Column("why", Text),
    Column("epoch", BigInteger),
)
"""What runs by a schedule. ``declared``: the fingerprint of its schedule. ``place``: the time up to
which all its times were begun, or left out; ``token``: the same of one that waits for data.
``paused``: why; null: it is not. ``asked_at``: somebody wants it to run. Of the newest run: the
time it is for, ``due``; how many ``tries`` are left; when it ``began_at`` and ``ended_at``, with
which ``result``; ``epoch``: the lease under which it was begun."""

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""What one process at a time may do. ``epoch``: how often it was taken; what is written under a
lower one is refused. ``until``: when another may take it."""

keys = Table(
    "keys",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("salt", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("rate", String),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", String, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)
"""API keys. ``roles``: as given, without what they imply. ``hash``: the SHA-256 of salt and secret;
both are hexadecimal, and the secret is nowhere. ``rate``: such as ``100/s``; null: that of the
profile. ``expires_at``: null, never."""

config = Table(
    "config",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String, nullable=False, server_default=""),
    Column("hash", String, nullable=False, server_default=""),
)
"""Everything that happened, and was decided; it only grows. ``actor``: who did it, the user of the
process or the name of an API key. ``hash``: see `octavo.stores.catalog.chain`."""

chain = Table(
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("length", BigInteger, nullable=False),
    Column("hash", String, nullable=False),
)
"""One row: how many events there are, and the hash of the last."""

told = Table(
    "told",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("event", BigInteger, nullable=False),
)
"""One row: up to which event it was decided who is told of what."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("event", BigInteger, nullable=False),
    Column("target", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("error", Text),
    Column("ended_at", BigInteger),
    UniqueConstraint("event", "target", name="told_once_per_target"),
    Index("deliveries_by_state", "state", "target"),
)
"""What people are told: a row for each event and target. ``target``: a URL as it may be shown, and
which one of those that look alike. ``state``: ``waiting``, ``delivered``, or ``failed``, when it
was given up. ``attempts`` counts one that goes on, too; ``next_at``: when it is sent, or tried
again, at the earliest; until then it belongs to the process that tries. ``error``: why the last
attempt came to nothing."""

approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("candidate_id", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger),
    Column("actor", String),
    Column("reason", Text),
)
"""Candidates that a person was asked for, one row for each verdict. ``state``: ``asked``,
``approved``, ``declined``, or ``superseded`` by a newer verdict. ``asked_at``: the time of the
verdict; ``actor`` and ``reason``: who decided, and why."""
