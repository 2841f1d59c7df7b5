"""Records that wait, written into their store now instead of with the next command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pruneexp.errors import UserError
from pruneexp.tracking import counted, redact, resolved, waiting
from pruneexp.tracking.delivery import deliver_all


def deliver(spool: Path, uris: Sequence[str]) -> int:
    """Deliver what waits in a folder, for the stores named or for all; 1 where anything still waits."""
    given = {redact(resolved(uri)): uri for uri in uris}
    status, all_waiting = 0, waiting(spool)
    if not all_waiting:
        print(f"nothing waits in {spool}")
    for found in all_waiting:
        if given and found.uri not in given:
            continue
        uri = given.get(found.uri, found.uri)
        try:
            if "***" in uri:
                raise UserError(f"{found.uri} asks for a password: repeat it in full, --tracking-uri URI.")
            arrived = deliver_all(found, uri, _say)
        except UserError as error:
            _say(str(error))
            arrived = 0
        left = sum(still.records for still in waiting(spool) if still.folder == found.folder)
        status |= int(left > 0)
        rest = f", {counted(left)} still waiting" if left else ""
        print(f"{found.uri}, experiment {found.experiment}: {counted(arrived)} delivered{rest}")
    return status


def _say(sentence: str) -> None:
    print(f"pruneexp.store: {sentence}", file=sys.stderr)
