"""What /metrics says, in Prometheus' text format: the figures of all workers together."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from waystation.http.figures import Figures


class _Snapshot(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield InfoMetricFamily("waystation", "The version that runs.", {"version": figures.version})
        yield CounterMetricFamily("waystation_calls", "Calls that were taken up.", figures.calls)
        records = CounterMetricFamily(
            "waystation_ledger_records", "Records in the journal: holds, and how they ended.", labels=["kind"]
        )
        for kind, count in (("hold", figures.holds), ("settle", figures.settled), ("void", figures.voided)):
            records.add_metric([kind], count)
        yield records
        yield CounterMetricFamily("waystation_usage_posted", "Usage rows in the database.", figures.posted)
        yield GaugeMetricFamily("waystation_usage_pending", "Settled calls not in the database yet.", figures.pending)
        yield GaugeMetricFamily("waystation_connections", "Open connections.", figures.connections)
        yield GaugeMetricFamily("waystation_open_streams", "Answers that are being streamed.", figures.open_streams)
        yield GaugeMetricFamily("waystation_workers", "Gateway processes that serve.", figures.workers)
        jobs = GaugeMetricFamily("waystation_jobs", "Work that outlives its request.", labels=["state"])
        jobs.add_metric(["queued"], figures.jobs_queued)
        jobs.add_metric(["running"], figures.jobs_running)
        yield jobs
        yield GaugeMetricFamily("waystation_models", "Model names that can be asked for.", figures.models)


def exposition(figures: Figures) -> bytes:
    """The figures as text."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(figures))
    return generate_latest(registry)
