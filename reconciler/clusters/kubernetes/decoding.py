"""Answers in JSON, as objects. What is no such answer was given by something before the API server, such as a gateway.

It says nothing about the cluster, so it counts as no answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson
from aiohttp.http_exceptions import LineTooLong

from reconciler.errors import ClusterUnavailable

Json = dict[str, Any]


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

    Raises:
        ClusterUnavailable: a line is longer than the reader takes (4 MB as the official client opens it); no object is.
    """
    try:
        async for line in content:
            if line.endswith(b"\n"):
                yield line
    except (LineTooLong, ValueError) as error:
        raise not_understood(about, "a line of it does not end") from error
