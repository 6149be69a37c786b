"""What became of the log of predictions, as metrics."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from octavo.services.inference_log import InferenceLog


class Logged(Collector):
    """Counts what was logged, and what was not, by reason."""

    def __init__(self, log: InferenceLog) -> None:
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """Give the counters as they are now."""
        told = "Predictions whose record outlives the process."
        yield CounterMetricFamily("octavo_predictions_logged", told, self._log.logged)
        for name, told, counter in (
            ("not_logged", "Predictions that were answered and not logged.", self._log.not_logged),
            ("without_features", "Logged without features.", self._log.without_features),
        ):
            family = CounterMetricFamily(f"octavo_predictions_{name}", told, labels=["reason"])
            for reason, rows in sorted(dict(counter).items()):
                family.add_metric([reason], rows)
            yield family
