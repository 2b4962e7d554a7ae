"""A model's history as a row of characters."""

from __future__ import annotations

from reconciler.simulate.bar import answerers, bar, numbered, scale
from reconciler.simulate.history import Answerer, History, ModelHistory, Stretch

Answers = tuple[tuple[Answerer, float], ...]
ONE, TWO = Answerer("v", "1"), Answerer("v", "2")
V1: Answers = ((ONE, 1.0),)
V2: Answers = ((TWO, 1.0),)


def history(*parts: tuple[float, Answers], end: float = 10.0, wanted: bool = True) -> ModelHistory:
    ends = [start for start, _ in parts[1:]] + [end]
    stretches = (Stretch(start, stop, who, wanted) for (start, who), stop in zip(parts, ends, strict=True))
    return ModelHistory("m", tuple(stretches))


def drawn(model: ModelHistory, width: int = 10, seconds: float = 10.0) -> str:
    return bar(model, answerers(model), seconds, width)


def test_versions_are_numbered_in_the_order_in_which_they_answered() -> None:
    assert drawn(history((0.0, V1), (5.0, V2))) == "1111122222"


def test_an_outage_shorter_than_a_piece_is_still_seen() -> None:
    assert drawn(history((0.0, V1), (4.2, ()), (4.3, V2))) == "1111×22222"


def test_before_the_first_answer_it_is_not_on_the_air_yet_and_not_off_it() -> None:
    assert drawn(history((0.0, ()), (3.0, V1))) == "···1111111"


def test_what_git_does_not_ask_for_is_left_blank() -> None:
    assert drawn(history((0.0, V1), (2.0, ()), wanted=False)) == "11        "


def test_two_versions_at_once_and_lost_requests_have_their_own_characters() -> None:
    both: Answers = ((ONE, 0.5), (TWO, 0.5))
    some: Answers = ((TWO, 0.5),)
    assert drawn(history((0.0, V1), (2.0, both), (4.0, some), (6.0, V2))) == "11++~~2222"


def test_the_scale_ends_soon_after_the_last_change_and_never_after_the_end() -> None:
    def told(model: ModelHistory, seconds: float) -> History:
        return History((model,), (), seconds, None)

    assert scale([told(history((0.0, V1), (17.0, V2), end=300.0), 300.0)]) == 20.0
    assert scale([told(history((0.0, V1), (7.0, V2), end=8.0), 8.0)]) == 8.0


def test_versions_of_one_artifact_are_told_apart_by_their_digests() -> None:
    assert numbered((ONE, TWO)) == ["1 v (1)", "2 v (2)"]
    assert numbered((ONE, Answerer("w", "2"))) == ["1 v", "2 w"]
