"""Studies: one file each and a YAML twin in ``conf/study``; a frozen dataclass whose ``run(session)`` does it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from pruneexp.errors import UserError, cause
from pruneexp.experiment.instances import check_homes
from pruneexp.experiment.session import Session


class Study(Protocol):
    """A search over one experiment."""

    def run(self, session: Session) -> None:
        """Do everything the study is for: compute, record, show.

        Raises:
            UserError: the request or the machine is at fault; nothing that was computed is lost.
            JobFailed: some points failed.
        """


def instantiated(node: DictConfig, allowed: Sequence[str] = ()) -> Study:
    """The study that a node describes; ``allowed`` are packages besides this one that it may come from.

    Raises:
        UserError: it cannot be made: it comes from elsewhere, an option is unknown, or out of its range.
    """
    check_homes("study", node, (__name__, *allowed))
    try:
        return cast(Study, instantiate(node, _convert_="all"))
    except InstantiationException as error:
        raise UserError(cause(error)) from error
