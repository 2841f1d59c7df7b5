"""Pretrained weights that others publish: whether they can be had, before anything is fetched. Knows no network."""

from __future__ import annotations

import http.client
from urllib.request import Request, urlopen

_PATIENCE = 10.0  # s, for a server's first word


def check_reachable(url: str) -> None:
    """Ask the server for a file without fetching it.

    Raises:
        OSError: it does not answer, or does not have the file.
    """
    try:
        with urlopen(Request(url, method="HEAD"), timeout=_PATIENCE):
            pass
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__} from {url}") from error
