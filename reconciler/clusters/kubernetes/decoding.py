"""Answers in JSON, as objects. What is no such answer was given by something before the API server, such as a gateway.

It says nothing about the cluster, so it counts as no answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson

from reconciler.errors import ClusterUnavailable

Json = dict[str, Any]

LONGEST_LINE = 16 * 2**20
"""Bytes of a line of a watch at most; an object has 3 MB at most, or etcd would not take it."""


def object_of(answer: bytes, about: str) -> Json:
    """Returns the object that an answer is. `about`: what was asked, for people. Raises ClusterUnavailable."""
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise not_understood(about, "it is no JSON") from error
    if not isinstance(found, dict):
        raise not_understood(about, "it is no object")
    return found


def not_understood(about: str, why: str) -> ClusterUnavailable:
    """Returns the error for an answer that the API server cannot have given."""
    what = f"the answer is not understood: {about}"
    return ClusterUnavailable(what, why=f"{why}; a proxy or gateway before the API server may have given it")


async def lines_of(content: aiohttp.StreamReader, about: str) -> AsyncGenerator[bytes, None]:
    """Yields the whole lines of an answer that goes on; what stands after the last line's end was cut off.

    The reader's own lines end at 128 kB, and an object may be longer.
    """
    rest = bytearray()
    async for chunk in content.iter_any():
        begin = len(rest)
        rest += chunk
        if chunk.find(b"\n") < 0:
            if len(rest) > LONGEST_LINE:
                raise not_understood(about, "a line of it does not end")
            continue
        end = rest.rindex(b"\n", begin) + 1
        whole, rest = bytes(rest[: end - 1]), rest[end:]
        for line in whole.split(b"\n"):
            yield line
