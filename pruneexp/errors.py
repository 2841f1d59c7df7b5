"""The exceptions that are meant for a person: a sentence that says what, where, and what is allowed."""

from __future__ import annotations


class Told(Exception):
    """A failure described in one sentence. ``said`` is set once the sentence has reached the user."""

    said = False


class UserError(Told):
    """A mistake or a state of the machine that the user can mend; shown as one sentence, without a traceback."""


class Infeasible(UserError):
    """A budget that this network cannot meet; others on its curve may be."""


class JobFailed(Told):
    """Some points of a job could not be computed; the others were, and are recorded."""
