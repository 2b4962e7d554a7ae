"""A load generator so lean that it hardly counts: one request over kept connections, answers read and not parsed."""

from __future__ import annotations

import asyncio
import json

REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [0.1, 0.2, 0.3, 0.4]}]}
"""What is sent."""


async def throughput(port: int, model: str, seconds: float, concurrency: int) -> float:
    """Returns the requests per second that `127.0.0.1:port` answered for `model`.

    Raises:
        RuntimeError: an answer was not 200.
    """
    body = json.dumps(REQUEST).encode()
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    start = loop.time()
    counts = await asyncio.gather(*(_connection(port, request, start + seconds) for _ in range(concurrency)))
    return sum(counts) / (loop.time() - start)


async def _connection(port: int, request: bytes, end: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    answered = 0
    while loop.time() < end:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head[:16]:
            raise RuntimeError(f"answered with {head!r}")
        length = head.index(b"content-length:") + len(b"content-length:")
        await reader.readexactly(int(head[length : head.index(b"\r", length)]))
        answered += 1
    writer.close()
    await writer.wait_closed()
    return answered
