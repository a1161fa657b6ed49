"""The table of states (messages/states.py): whole, and as the docs draw it."""

from pathlib import Path

from postroom.messages.states import FINAL, MOVES, MessageState, diagram, moves_of_people, target


def test_diagram_in_the_docs_is_the_table() -> None:
    """Drawn anew with `python -c "from postroom.messages.states import diagram; print(diagram())"`."""
    page = (Path(__file__).parents[2] / "docs" / "states.md").read_text()

    assert diagram() in page


def test_every_state_can_be_reached_and_none_is_forgotten() -> None:
    """By some move, or at the beginning."""
    reached = {after for move in MOVES.values() for afters in move.targets.values() for after in afters}

    assert reached | {MessageState.DRAFT} == set(MessageState)


def test_state_never_goes_back_by_a_report() -> None:
    """But for the documented corrections: a late bounce, and a delivery after all."""
    backwards = {
        (before, after)
        for move in MOVES.values() if move.who == "provider"
        for before, afters in move.targets.items() for after in afters if before in FINAL
    }  # fmt: skip
    corrections = {("delivered", "bounced"), ("bounced", "delivered"), ("failed", "delivered")}
    doubts = {(before, after) for before, after in backwards if before in ("uncertain", "unconfirmed")}

    assert backwards - doubts == corrections


def test_wanted_target_has_to_be_in_the_table() -> None:
    """Nothing else is possible."""
    assert target("approve", MessageState.PENDING_REVIEW, MessageState.SCHEDULED) == "scheduled"
    assert target("approve", MessageState.PENDING_REVIEW, MessageState.SENT) is None
    assert target("approve", MessageState.DRAFT) is None
    assert moves_of_people(MessageState.SENT) == ()
