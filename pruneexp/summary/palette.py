"""One colour for each kind of curve, so that a dashboard and a figure draw the same curve alike.

Knows the names of choices and no list of them: a choice that is not in the paper gets a colour that follows from its
name, so a new penalty, schedule, mode or criterion needs no edit here.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Mapping

#: Han et al. 2015, Figure 5, by (regulariser, moment), and the other regularisers of this project in its manner. The
#: hues are the paper's; how light they are is chosen so that L1 and L2 differ to every eye (CIELAB distances over 30 in
#: the simulations of Machado et al. 2009).
FIGURE_5: Mapping[tuple[str, str], str] = {
    ("l2", "before"): "#491b70",
    ("l1", "before"): "#34b5ed",
    ("none", "before"): "#6b7280",
    ("l1", "after"): "#f99009",
    ("l2", "after"): "#31725b",
    ("none", "after"): "#5f5a78",
    ("l1_then_l2", "after"): "#0e8f96",
    ("l2", "rounds"): "#c8160b",
    ("l1", "rounds"): "#471404",
    ("none", "rounds"): "#111827",
    ("l1_then_l2", "rounds"): "#0a5f64",
}
#: Levels of anything else, in this order; any two are as far apart, and none is lost on white.
LEVELS = ("#0b62b0", "#e8912d", "#370d0e", "#f83a78", "#10b6e8", "#8c0bf8", "#943114", "#0f0341")
#: What the curves of that figure have in common.
_MODE, _CRITERION = "prune", "layer_std"
#: The moments of the paper, by the schedule that leads to them.
_MOMENTS = {"one_shot": "after", "iterative": "rounds"}
#: Of other colours: dark enough for white paper, and the hues of shipped choices that differ in one group far apart.
_LIGHTNESS, _SATURATION, _SALT = 0.42, 0.65, 385650


def colour(reg: str, when: str, mode: str = _MODE, criterion: str = _CRITERION) -> str:
    """The colour of a curve as ``#rrggbb``; the same names always have the same one.

    Args:
        reg: the regulariser.
        when: a moment (``before``, ``after`` or ``rounds`` of retraining) or the schedule that says it.
        mode: where the surviving weights come from.
        criterion: what scores the weights.
    """
    moment = _MOMENTS.get(when, when)
    paper = FIGURE_5.get((reg, moment)) if (mode, criterion) == (_MODE, _CRITERION) else None
    return paper or other(reg, moment, mode, criterion)


def other(*names: str) -> str:
    """A colour that follows from names alone."""
    hue = sum(_share(name) for name in names)
    parts = colorsys.hls_to_rgb(hue % 1.0, _LIGHTNESS, _SATURATION)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _share(name: str) -> float:
    """The share of the circle of hues by which a name turns a colour; follows from the name."""
    return int.from_bytes(hashlib.sha256(f"{_SALT} {name}".encode()).digest()[:4], "big") / 2**32
