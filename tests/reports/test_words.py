"""How people are told of actions and of what a failure means for them."""

from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, ActionKind, Decision, Edge, EdgeKind, Plan, Reason, Verb
from reconciler.reports.report import Context, Report, ReportedAction, planned, with_outcome
from reconciler.reports.words import action_words, consequence

LOAD = Action("load m@2", ActionKind.LOAD, "m", Reason.NEW_VERSION, 600.0)
UNLOAD = Action("unload m@1#1", ActionKind.UNLOAD, "m", Reason.NEW_VERSION, 60.0, number=1)


def failed(verb: Verb, *actions: Action) -> tuple[Report, ReportedAction]:
    """A report whose load failed, everything else being done; and that load."""
    plan = Plan("default", "c", "d", "l", (Decision("Model", "m", verb, Reason.NEW_VERSION),), actions)
    report = planned(plan, Context("default", "local", 0.0))
    for action in actions:
        status = Status.FAILED if action.kind is ActionKind.LOAD else Status.DONE
        report = with_outcome(report, Outcome(action.id, status, "no such file", 0.0, 1.0))
    return report, next(action for action in report.actions if action.kind is ActionKind.LOAD)


def after(action: Action, edge: Edge) -> Action:
    return Action(action.id, action.kind, action.subject, action.reason, action.time_limit, (edge,))


def test_a_load_that_fails_beside_the_old_version_leaves_that_serving() -> None:
    assert consequence(*failed(Verb.ROLL_OUT, LOAD)) == "what served before goes on serving"


def test_a_first_load_that_fails_leaves_nothing_serving() -> None:
    assert consequence(*failed(Verb.LOAD, LOAD)) == "no version of it serves"


def test_a_load_that_fails_after_its_old_version_was_unloaded_takes_the_model_off_the_air() -> None:
    load = after(LOAD, Edge(UNLOAD.id, EdgeKind.ROLLOUT))
    assert "off the air" in consequence(*failed(Verb.RECREATE, UNLOAD, load))


def test_an_old_version_is_named_as_a_version() -> None:
    plan = Plan("default", "c", "d", "l", (), (LOAD, UNLOAD))
    report = planned(plan, Context("default", "local", 0.0))
    assert [action_words(action) for action in report.actions] == ["load m", "unload m version 1"]
