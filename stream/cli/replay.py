"""`drift replay`: the engine over files or a range of the log."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import click

from stream.cli.options import json_option, settings_option, state_option
from stream.cli.process import prepare
from stream.cli.source_options import Sources, progress, source_options
from stream.messages import ALERTS, DEAD_LETTERS, DELTAS, FLOWS, FORECASTS

RESULTS = (ALERTS, DELTAS, FLOWS, FORECASTS, DEAD_LETTERS)


@click.command(epilog="Example: drift replay UserBehavior.csv.gz --preset taobao --out results")
@source_options()
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where alerts, deltas, flows, forecasts, dead letters and summary.json go.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    help="As many as the live topic has, to compare with it.  [default: 1, or the topic's]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1_000_000),
    default=5000,
    show_default=True,
    help="Records at a time; changes no result.",
)
@state_option(required=False)
@click.option(
    "--skip-seen",
    is_flag=True,
    help="SOURCE begins with the records that --state holds already; skip them.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "parquet"]),
    default="jsonl",
    show_default=True,
    help="Of the results.",
)
@settings_option
@json_option
def replay(
    sources: Sources,
    out: Path,
    partitions: int | None,
    batch_size: int,
    state: Path | None,
    skip_seen: bool,
    form: str,
    settings: Path | None,
    as_json: bool,
) -> None:
    """Run the engine over SOURCE: files, or a range of the log.

    It writes the alerts and deltas that live workers would have sent, the newest counts of
    flows and demand, and the forecasts made of them. With --state, it goes on from the records
    held there: SOURCE is what follows them.
    """
    from stream.errors import StreamError, WrongUse
    from stream.settings import load
    from stream.storage.claim import Claim
    from stream.storage.event_log import Meter

    if skip_seen and state is None:
        raise WrongUse("--skip-seen needs --state, the folder that holds what was seen")
    loaded = load(settings)
    counted = sources.partitions(partitions)
    meter = Meter()
    source = sources.read(loaded, meter)
    catalog = _catalog(sources.catalog)
    _make_folder(out)
    with tempfile.TemporaryDirectory(prefix="drift-") as scratch:
        folder = state or Path(scratch)
        # A worker's folder is the worker's alone.
        with Claim(folder):
            prepare(loaded)
            with progress("replaying", meter):
                run = _Run(source, loaded, folder, counted, out)
                run.learn_catalog(catalog)
                summary = run.whole(batch_size, skip_seen, keep=state is not None)
    if form == "parquet":
        _to_parquet(out)
    import orjson

    (out / "summary.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        click.echo(orjson.dumps(summary))
    else:
        _print(summary, out)
    if summary["lines"] and not summary["accepted"] and not summary["ignored"]:
        raise StreamError(
            f"none of the {summary['lines']:,} lines is a behavior event; "
            f"{out / DEAD_LETTERS}.jsonl says why of each: is a --preset or --map missing?"
        )


def _catalog(path: Path | None) -> list[Any]:
    """All of it, read before anything is made: what is wrong with it is said first."""
    from stream.storage.event_log import entries

    return list(entries(path)) if path else []


def _make_folder(path: Path) -> None:
    from stream.errors import WrongUse

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"--out: can't make {path}: {error.strerror}") from None


class _Results:
    """The files of results, one JSON object a line."""

    def __init__(self, out: Path) -> None:
        import msgspec

        self._encode = msgspec.json.Encoder().encode_lines
        self._files: dict[str, IO[bytes]] = {
            name: (out / f"{name}.jsonl").open("wb") for name in RESULTS
        }

    def write(self, name: str, messages: Sequence[Any]) -> None:
        if messages:
            self._files[name].write(self._encode(messages))

    def __enter__(self) -> "_Results":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()


class _Run:
    """One replay from the first line to the summary."""

    def __init__(
        self, source: Iterator[Any], settings: Any, state: Path, partitions: int, out: Path
    ) -> None:
        from stream.replay import Replay

        self._source = source
        self._settings = settings
        self._partitions = partitions
        self._out = out
        self._replay = Replay(state, partitions, settings)
        self._alerts = 0
        self._predicted = 0
        self._deltas = 0

    def learn_catalog(self, pieces: Sequence[Any]) -> None:
        """Show the shop model the catalog before the first event."""
        self._replay.learn_catalog(pieces)

    def whole(self, batch_size: int, skip_seen: bool, keep: bool) -> dict[str, Any]:
        """Read, apply, write; the summary."""
        from stream.storage.event_log import Tally
        from stream.stored import combined_hash

        tally, started = Tally(), time.perf_counter()
        before = self._replay.counts()
        try:
            with _Results(self._out) as results:
                batch: list[Any] = []
                for record in self._records(tally, results, skip_seen):
                    batch.append(record)
                    if len(batch) == batch_size:
                        self._feed(batch, results)
                        batch = []
                self._feed(batch, results)
                found = self._replay.findings()
                results.write(ALERTS, found.alerts)
                results.write(FLOWS, self._replay.flows())
                results.write(FORECASTS, found.forecasts)
            took = time.perf_counter() - started
            if keep:
                self._replay.save()
            hashes = self._replay.hashes()
            counts = {name: n - before[name] for name, n in self._replay.counts().items()}
        finally:
            self._replay.close()
        # Lines of files were judged by their reader, records of a topic by the shards.
        rejected, ignored = counts.pop("rejected"), counts.pop("ignored")
        return {
            **tally.summary(),
            "accepted": tally.accepted - rejected - ignored,
            "rejected": tally.rejected + rejected,
            "ignored": sum(tally.ignored.values()) + ignored,
            "alerts": self._alerts,
            "predicted": self._predicted,
            "population_alerts": len(found.alerts),
            "deltas": self._deltas,
            "forecasts": len(found.forecasts),
            **counts,
            "seconds": round(took, 3),
            "events_per_second": round(tally.accepted / took) if took else 0,
            "state_hash": combined_hash(hashes),
            "partition_hashes": {str(number): hash for number, hash in enumerate(hashes)},
            "model_hash": self._replay.shop.hash(),
            "settings": self._settings.fingerprint(),
        }

    def _feed(self, batch: list[Any], results: _Results) -> None:
        from stream.messages import MigrationAlert, PredictedAlert

        published = self._replay.feed(batch)
        results.write(ALERTS, published.alerts)
        results.write(DELTAS, published.deltas)
        results.write(DEAD_LETTERS, published.dead_letters)
        self._alerts += sum(type(alert) is MigrationAlert for alert in published.alerts)
        self._predicted += sum(type(alert) is PredictedAlert for alert in published.alerts)
        self._deltas += len(published.deltas)

    def _records(self, tally: Any, results: _Results, skip_seen: bool) -> Iterator[Any]:
        """Accepted records with their place in the log; the others are written aside."""
        from stream.shard import LogRecord
        from stream.storage.event_log import Accepted, Rejected, dead_letter

        offsets = self._replay.next_offsets()
        seen = sum(offsets) if skip_seen else 0
        if skip_seen:
            offsets = [0] * len(offsets)
        for record in self._source:
            tally.add(record)
            if type(record) is Accepted:
                if record.partition is not None and record.offset is not None:
                    yield LogRecord(record.partition, record.offset, *record[4:8])
                    continue
                for partition in record.partitions(self._partitions):
                    offset = offsets[partition]
                    offsets[partition] += 1
                    if seen:
                        seen -= 1
                        continue
                    yield LogRecord(partition, offset, *record[4:8])
            elif type(record) is Rejected:
                results.write(DEAD_LETTERS, [dead_letter(record)])


def _to_parquet(out: Path) -> None:
    """Rewrite the results as Parquet, a column a field."""
    import pyarrow.json
    import pyarrow.parquet

    for name in RESULTS:
        lines = out / f"{name}.jsonl"
        if lines.stat().st_size:
            table = pyarrow.json.read_json(lines)
            pyarrow.parquet.write_table(table, out / f"{name}.parquet")
        lines.unlink()


def _print(summary: dict[str, Any], out: Path) -> None:
    counted = ("alerts", "predicted", "population_alerts", "deltas", "forecasts")
    for name in ("lines", "accepted", "rejected", "ignored", *counted):
        click.echo(f"{name:>18}  {summary[name]:,}")
    click.echo(f"{'events_per_second':>18}  {summary['events_per_second']:,}")
    click.echo(f"{'state_hash':>18}  {summary['state_hash']}")
    click.echo(f"results in {out}")
