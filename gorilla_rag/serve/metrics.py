"""What a server measures of itself, for Prometheus: times by step, tokens, refusals, faults, and how much waits."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gorilla_rag.answer import Answer
from gorilla_rag.serve.answering import Sent
from gorilla_rag.serve.lifecycle import STATES, Models
from gorilla_rag.serve.routing import Routing

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)


class Metrics:
    """Counters and histograms of one server.

    Args:
        models: whose states are told.
        route: where questions go that name none.
        waiting, running: tell how many questions wait and are worked on.
    """

    def __init__(
        self, models: Models, route: Routing, *, waiting: Callable[[], int], running: Callable[[], int]
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests by path and status.", "path", "status")
        self._request_seconds = self._histogram("request_seconds", "Seconds until a request was served.", "path")
        self._stage_seconds = self._histogram("stage_seconds", "Seconds of an answer by step.", "stage")
        self._tokens = self._counter("tokens", "Tokens read and written by models.", "kind")
        self._answers = self._counter(
            "answers", "Answers by route, model, mode and what became of them.", "route", "model", "mode", "outcome"
        )
        self._handed_over = self._counter("handed_over", "Answers that a route left to the fallback.", "route")
        self._errors = self._counter("errors", "Errors by type.", "type")
        self._violations = self._counter("schema_violations", "Answers whose arguments break the documented schema.")
        for name, what, read in (
            ("queue_depth", "Questions that wait.", waiting),
            ("running", "Questions that are worked on.", running),
        ):
            gauge = Gauge(f"gorilla_rag_{name}", what, registry=self._registry)
            gauge.set_function(read)
        self._states = Gauge(
            "gorilla_rag_model_state",
            "1 for the state that a model is in.",
            ["model", "state"],
            registry=self._registry,
        )
        self._models = models
        self._show(route)

    def _show(self, route: Routing) -> None:
        """Where questions go that name no model."""
        shares = {"default": (route.model, 1.0)}
        if route.other:
            shares = {"a": (route.model, 1 - route.share), "b": (route.other, route.share)}
        name, what = "gorilla_rag_route_share", "Share of the questions without a model that a route gets first."
        share = Gauge(name, what, ["route", "target"], registry=self._registry)
        for one, (target, part) in shares.items():
            share.labels(one, str(target)).set(part)
        name, what = "gorilla_rag_fallback_below", "The fallback is asked where confidence is lower."
        below = Gauge(name, what, ["target"], registry=self._registry)
        if route.fallback:
            below.labels(str(route.fallback)).set(route.below)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts a request, by the route that served it."""
        self._requests.labels(path, str(status)).inc()
        self._request_seconds.labels(path).observe(seconds)

    def answer(self, answer: Answer, sent: Sent) -> None:
        """Counts an answer, its steps, its tokens and what was wrong with it."""
        failed = {check.name for check in answer.verdict.failed}
        outcome = "refused" if answer.refused else "failed" if failed else "answered"
        self._answers.labels(sent.route, sent.target.model, answer.mode, outcome).inc()
        if sent.first:
            self._handed_over.labels(sent.first).inc()
        for stage, seconds in answer.timings.items():
            self._stage_seconds.labels(stage).observe(seconds)
        for kind, count in answer.tokens.items():
            self._tokens.labels(kind).inc(count)
        if "schema" in failed:
            self._violations.inc()

    def error(self, error: BaseException) -> None:
        """Counts an error by its type."""
        self._errors.labels(type(error).__name__).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        for one in self._models.all():
            for state in STATES:
                self._states.labels(one.name, state).set(one.state == state)
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"gorilla_rag_{name}", what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(f"gorilla_rag_{name}", what, labels, registry=self._registry, buckets=_SECONDS)
