"""The traces of a run as a Parquet file: columns channel, t_s, v; channels in its metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.record import draft_of

if TYPE_CHECKING:
    from joulebench.energy import Trace


def save_traces(path: Path, traces: Sequence[Trace]) -> None:
    """Write traces to one Parquet file: columns channel, t_s, v; channels in its metadata."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    lengths = [len(trace) for trace in traces]
    codes = np.repeat(np.arange(len(traces), dtype=np.int32), lengths)
    names = [trace.channel.name.encode() for trace in traces]
    ends = np.cumsum([0, *map(len, names)], dtype=np.int32)
    empty: list[Any] = [np.empty(0)]
    # From buffers: given arrays or lists, pyarrow imports pandas, half a second of each trial.
    channel = pa.DictionaryArray.from_arrays(
        _column(pa.int32(), len(codes), codes),
        _column(pa.string(), len(names), ends, b"".join(names)),
    )
    times = np.concatenate([trace.t_s for trace in traces] or empty).astype(float, copy=False)
    values = np.concatenate([trace.v for trace in traces] or empty).astype(float, copy=False)
    form = {"channel": channel.type, "t_s": pa.float64(), "v": pa.float64()}
    table = pa.Table.from_arrays(
        [
            channel,
            _column(form["t_s"], len(times), times),
            _column(form["v"], len(values), values),
        ],
        schema=pa.schema(form, metadata={"joulebench.channels": dumps_channels(traces)}),
    )
    with draft_of(path) as draft:
        pq.write_table(
            table, draft, compression="zstd", use_dictionary=["channel"], write_statistics=False
        )


def _column(kind: Any, count: int, *buffers: Any) -> Any:
    """Give a column of values that are all there, out of their bytes."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, count, [None, *map(pa.py_buffer, buffers)])


def dumps_channels(traces: Sequence[Trace]) -> str:
    """Give the channels of traces as JSON."""
    return json.dumps([trace.channel.to_dict() for trace in traces], allow_nan=False)


def load_traces(path: Path) -> dict[str, Trace]:
    """Read the traces of one run by channel name.

    Raises:
        UsageError: The file is absent, cannot be read, or holds something else.
    """
    import pyarrow as pa

    try:
        return _traces(path)
    except (
        OSError,
        pa.ArrowException,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{path} holds no traces: {what}") from error


def _traces(path: Path) -> dict[str, Trace]:
    import numpy as np
    import pyarrow.parquet as pq

    from joulebench.energy import Trace

    table = pq.read_table(path)
    column = table["channel"].combine_chunks()
    names = column.dictionary.to_pylist()
    codes = column.indices.to_numpy()
    t_s, v = table["t_s"].to_numpy(), table["v"].to_numpy()
    traces = {}
    for record in json.loads((table.schema.metadata or {})[b"joulebench.channels"]):
        rows = np.flatnonzero(codes == names.index(record["name"]))
        traces[record["name"]] = Trace(Channel.from_dict(record), t_s[rows], v[rows])
    return traces
