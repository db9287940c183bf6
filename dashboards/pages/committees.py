"""Committees of a family's members, from the predictions that the engine stored: ensembles and cascades."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.info import scaling as info
from dashboards.info.words import compact, share
from dashboards.reader import Reader
from runs.browsing import Head
from runs.errors import LedgerError
from runs.records import TrialRecord
from scaling_rules import Committee

PREDICTIONS = "predictions"  # kind of the artifacts from which committees are made
MAX_TRIALS = 500  # of a family
NOTE = (
    "Members alone, and the ensembles and cascades that none beat on one half of the validation images, where they were"
    " chosen; measured on the other half, where some are beaten."
)


def committees(reader: Reader, grown: Head) -> tuple[Committee, ...]:
    """Returns the frontier of a family's committees; nothing where fewer than two members' predictions are stored."""
    return reader.shared(("committees", grown.id, grown.revision), lambda: _frontier(reader, grown))


def card(found: tuple[Committee, ...]) -> Component:
    """Returns the committees as a table; nothing where there are none."""
    if not found:
        return html.Div()
    cells = [list(row.values()) for row in rows(found)]
    header = list(rows(found)[0])
    return parts.card(
        "Committees", parts.table(header, cells, caption="Committees", numeric=(3, 4)), note=NOTE
    )


def rows(found: tuple[Committee, ...]) -> list[dict[str, str]]:
    """Returns the committees as rows of text."""
    return [
        {
            "Kind": one.kind,
            "Members": " + ".join(one.names),
            "Mean": one.mean,
            "MACs": compact(one.cost),
            "Accuracy": share(one.accuracy),
            "95 % interval": f"{share(one.low)} to {share(one.high)}",
            "Beaten": "yes" if one.beaten else "",
        }
        for one in found
    ]


def _frontier(reader: Reader, grown: Head) -> tuple[Committee, ...]:
    votes = [vote for trial in _cheapest_first(reader, grown) if (vote := _votes(reader, trial)) is not None]
    try:
        return info.committee(votes) if len(votes) > 1 else ()
    except ValueError:
        return ()


def _votes(reader: Reader, trial: TrialRecord) -> info.Votes | None:
    """Returns what a trained member said; None where nothing is stored, or it is damaged."""
    stored = [one for one in reader.browse.artifacts(trial.id) if one.kind == PREDICTIONS]
    if not stored:
        return None
    try:
        found = info.arrays(reader.artifacts.get_bytes(stored[-1].sha256))
        name = f"{trial.choices.get('rule', '')} {trial.choices.get('size', '')} (trial {trial.number})"
        return info.Votes(name, trial.costs["macs"], found["probabilities"], found["labels"])
    except (LedgerError, ValueError, KeyError):
        return None


def _cheapest_first(reader: Reader, grown: Head) -> list[TrialRecord]:
    found = reader.browse.page(grown.id, list(range(min(grown.num_trials, MAX_TRIALS))))
    return sorted(found, key=lambda one: one.costs.get("macs", 0.0))
