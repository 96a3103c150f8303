"""What the endpoint counts, in the text format that Prometheus reads."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
Labels = Mapping[str, str | int]
HELP = {
    "forewarn_requests_total": ("counter", "Requests answered, by route and status."),
    "forewarn_request_seconds": ("histogram", "Time from the request's head to the answer's end."),
    "forewarn_decisions_total": ("counter", "Decisions given, by desk, target and kind."),
    "forewarn_tickets_scored_total": ("counter", "Tickets scored, by desk and tier."),
    "forewarn_metric_samples_received_total": ("counter", "Samples that came by remote-write."),
    "forewarn_metric_samples_stored_total": ("counter", "Of these, new ones or new values."),
    "forewarn_metric_samples_late_total": ("counter", "Stored, behind what was looked at already."),
    "forewarn_metric_samples_dropped_total": ("counter", "Samples left out, by reason."),
    "forewarn_metric_samples_last_received_timestamp_seconds": ("gauge", "When samples came last."),
    "forewarn_model_info": ("gauge", "The model served for a desk; always 1."),
    "forewarn_shadow_share": ("gauge", "The share of tickets that a challenger scores too."),
    "forewarn_shadow_loaded": ("gauge", "1 when the named challenger scores, 0 when it cannot."),
    "forewarn_shadow_tickets_total": ("counter", "Tickets scored by a challenger, too."),
    "forewarn_shadow_answers_total": ("counter", "Its answers: the champion's label, or another."),
    "forewarn_shadow_dropped_total": ("counter", "Drawn tickets that it did not score, by reason."),
    "forewarn_deliveries_waiting": (
        "gauge",
        "Alerts, a desk's tickets, of which it has yet to hear.",
    ),
    "forewarn_deliveries_failed": ("gauge", "Of these, what it refused for good."),
    "forewarn_deliveries_oldest_waiting_seconds": (
        "gauge",
        "Since when a receiver has not heard of what it waits for longest; 0 where nothing waits.",
    ),
    "forewarn_detection_watermark_timestamp_seconds": ("gauge", "How far a detector has looked."),
    "forewarn_anomaly_score": ("gauge", "How unusual a series is in the last step judged."),
    "forewarn_anomaly_threshold": ("gauge", "The score at which an alert opens."),
    "forewarn_expected": ("gauge", "What was expected of a series in the last step judged."),
    "forewarn_expected_lower": ("gauge", "Where what is usual begins."),
    "forewarn_expected_upper": ("gauge", "Where what is usual ends."),
    "forewarn_model_loaded": ("gauge", "1 when the promoted model is served, 0 when it is not."),
}


class Figures:
    """Counts of this process since it started; threads may count at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._slower: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._decisions: Counter[tuple[str, str, str]] = Counter()
        self._tiers: Counter[tuple[str, str]] = Counter()
        self._samples: Counter[tuple[str, str]] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._last_received: dict[str, float] = {}

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        with self._lock:
            self._requests[method, route, status] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]  # a sum of seconds
            self._slower.update((route, bound) for bound in BUCKETS if seconds <= bound)

    def count_decisions(self, desk: str, target: str, decisions: Iterable[str]) -> None:
        with self._lock:
            self._decisions.update((desk, target, decision) for decision in decisions)

    def count_tiers(self, desk: str, tiers: Iterable[str]) -> None:
        with self._lock:
            self._tiers.update((desk, tier) for tier in tiers)

    def count_received(self, desk: str, n: int, dropped: Mapping[str, int], at: float) -> None:
        """`n` samples came at `at` (seconds since 1970), of which `dropped` go no further."""
        with self._lock:
            self._samples[desk, "received"] += n
            self._dropped.update({(desk, reason): count for reason, count in dropped.items()})
            self._last_received[desk] = at

    def count_stored(self, desk: str, stored: int, late: int, repeated: int) -> None:
        with self._lock:
            self._samples.update({(desk, "stored"): stored, (desk, "late"): late})
            self._dropped[desk, "repeated"] += repeated

    def text(
        self,
        models: Iterable[tuple[str, str, str]] = (),
        loaded: Mapping[str, bool] | None = None,
        sees: Callable[[str], bool] = lambda desk: True,
    ) -> str:
        """What was counted, of the desks that one `sees`; `models` as (desk, version, run id).

        >>> figures = Figures()
        >>> figures.count_request("GET", "/healthz", 200, 0.02)
        >>> print(figures.text().splitlines()[2])
        forewarn_requests_total{method="GET",route="/healthz",status="200"} 1
        """
        with self._lock:
            blocks = {
                "forewarn_requests_total": list(self._request_lines()),
                "forewarn_request_seconds": list(self._second_lines()),
                "forewarn_decisions_total": list(self._decision_lines(sees)),
                "forewarn_tickets_scored_total": list(self._tier_lines(sees)),
                **self._sample_lines(sees),
            }
        blocks["forewarn_model_info"] = [
            line("forewarn_model_info", {"desk": desk, "version": version, "run_id": run}, 1)
            for desk, version, run in models
        ]
        blocks["forewarn_model_loaded"] = [
            line("forewarn_model_loaded", {"model": name}, int(is_loaded))
            for name, is_loaded in (loaded or {}).items()
        ]
        return "".join(f"{row}\n" for name, rows in blocks.items() for row in headed(name, rows))

    def _request_lines(self) -> Iterator[str]:
        for (method, route, status), count in sorted(self._requests.items()):
            labels = {"method": method, "route": route, "status": status}
            yield line("forewarn_requests_total", labels, count)

    def _second_lines(self) -> Iterator[str]:
        counts: Counter[str] = Counter()
        for (_, route, _), count in self._requests.items():
            counts[route] += count
        name = "forewarn_request_seconds"
        for route, count in sorted(counts.items()):
            for bound in BUCKETS:
                labels = {"route": route, "le": str(bound)}
                yield line(f"{name}_bucket", labels, self._slower[route, bound])
            yield line(f"{name}_bucket", {"route": route, "le": "+Inf"}, count)
            yield line(f"{name}_sum", {"route": route}, round(self._seconds[route], 6))
            yield line(f"{name}_count", {"route": route}, count)

    def _decision_lines(self, sees: Callable[[str], bool]) -> Iterator[str]:
        for (desk, target, decision), count in sorted(self._decisions.items()):
            labels = {"desk": desk, "target": target, "decision": decision}
            if sees(desk):
                yield line("forewarn_decisions_total", labels, count)

    def _tier_lines(self, sees: Callable[[str], bool]) -> Iterator[str]:
        for (desk, tier), count in sorted(self._tiers.items()):
            if sees(desk):
                yield line("forewarn_tickets_scored_total", {"desk": desk, "tier": tier}, count)

    def _sample_lines(self, sees: Callable[[str], bool]) -> dict[str, list[str]]:
        name = "forewarn_metric_samples"
        blocks: dict[str, list[str]] = {}
        for what in ("received", "stored", "late"):
            rows = [(desk, n) for (desk, kind), n in sorted(self._samples.items()) if kind == what]
            told = f"{name}_{what}_total"
            blocks[told] = [line(told, {"desk": desk}, n) for desk, n in rows if sees(desk)]
        told = f"{name}_dropped_total"
        blocks[told] = [
            line(told, {"desk": desk, "reason": reason}, n)
            for (desk, reason), n in sorted(self._dropped.items())
            if sees(desk)
        ]
        told = f"{name}_last_received_timestamp_seconds"
        last = sorted(self._last_received.items())
        blocks[told] = [line(told, {"desk": desk}, at) for desk, at in last if sees(desk)]
        return blocks


def headed(name: str, rows: list[str]) -> list[str]:
    kind, meaning = HELP[name]
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *rows] if rows else []


def line(name: str, labels: Labels, value: float) -> str:
    r"""One sample.

    >>> print(line("up", {"job": 'a "b"'}, 1))
    up{job="a \"b\""} 1
    """
    told = ",".join(f'{key}="{_escaped(str(text))}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
