"""Deadlines for whole answers, and pages that servers send instead of what was asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import requests

T = TypeVar("T")
HEAD_BYTES = 512


def within(seconds: float, function: Callable[[Callable[[requests.Response], None]], T]) -> T:
    """What a function gives, if it gives it in time.

    Time-outs of sockets are for the next packet, so that a server that trickles holds a reader for
    ever: it is left behind in a thread of its own, and the connection that it keeps is ended.

    Args:
        seconds: how long to wait.
        function: is given a function that it calls with the response that it reads.

    Raises:
        TimeoutError: it took longer. What `function` raises.
    """
    opened: list[requests.Response] = []
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(function(opened.append))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if not wait([answer], seconds).done:
        for each in opened:
            with contextlib.suppress(Exception):
                each.raw.shutdown()  # close would wait for the reader
        raise TimeoutError(f"no whole answer within {seconds:g} s")
    return answer.result()


def is_page(content_type: str | None, head: bytes) -> bool:
    """True if an answer that should be data is a page: a login, a proxy's notice, an error."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    start = head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower()
    return kind == "text/html" or start.startswith((b"<!doctype", b"<html"))


SENT_PAGE = "answers a web page instead of data, as a login or a proxy does"
