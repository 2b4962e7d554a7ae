"""The JSON Schemas of manifests, and what they find wrong, as problems in people's words.

The schemas in `schemas/` are published for editors; the same files check here. Their rules are the "why" of a
problem, their descriptions where a rule is no words, and their examples its "fix". Values are never echoed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from reconciler.errors import Problem
from reconciler.repository.scalars import kind_of
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, a_kind, listed, nearest, shown

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

# The library is imported when the first file is checked: where none changed since the last pass, none is.

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "left empty",
}
_NAME = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_WRITTEN_BY_THE_CLUSTER = frozenset(
    {
        "status",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "selfLink",
        "deletionTimestamp",
    }
)


@cache
def schema(kind: str) -> dict[str, Any]:
    """Returns the published JSON Schema of `kind` (one of `documents.KINDS`)."""
    file = schema_folder() / f"{kind.lower()}.schema.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def schema_folder() -> FilePath:
    """Returns the folder of the published schemas."""
    package = FilePath(__file__).parents[1]
    # An installed package carries the schemas inside itself, a source tree beside itself.
    places = (package / "schemas", package.parent / "schemas")
    return next(place for place in places if (place / "model.schema.json").is_file())


def schema_problems(subject: Subject) -> list[Problem]:
    """Returns what the schema of its kind finds wrong with `subject`."""
    problems: dict[Problem, None] = {}
    for error in _validator(subject.kind).iter_errors(subject.value):
        problems.update(dict.fromkeys(_explained(subject, error)))
    return list(problems)


@cache
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above
    from jsonschema.validators import extend  # noqa: PLC0415 - see above

    # JSON Schema takes 2.0 for an integer and lets `$` match before a final line break; clusters do neither.
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    checking: Any = extend  # untyped in the stubs
    return checking(Draft202012Validator, {"pattern": _whole_pattern}, type_checker=checker)(schema(kind))


def _whole_pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - see above

    if isinstance(instance, str) and re.fullmatch(pattern, instance) is None:
        yield ValidationError("pattern")


def _explained(subject: Subject, error: ValidationError) -> Iterator[Problem]:
    path: Path = tuple(error.absolute_path)
    rule: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        for key in instance.keys() - rule["properties"].keys():
            yield _unknown_field(subject, (*path, key), key, rule["properties"])
    elif error.validator == "required":
        for key in rule["required"]:
            if key not in instance:
                yield _missing_field(subject, (*path, key), rule["properties"][key])
    else:
        what = _what(error, rule)
        yield subject.problem(path, what, _why(error, rule, path), _fix(error, rule))


def _unknown_field(subject: Subject, path: Path, key: str, known: dict[str, Any]) -> Problem:
    if key in _WRITTEN_BY_THE_CLUSTER:
        return subject.problem(
            path, f"`{key}` does not belong in a manifest", "it is written by the cluster, not by people", "remove it"
        )
    meant = nearest(key, known)
    fix = f"did you mean `{meant}`?" if meant else f"remove it; known here: {listed(sorted(known))}"
    return subject.problem(path, f"unknown field `{shown(key)}`", f"{a_kind(subject.kind)} has no such field here", fix)


def _missing_field(subject: Subject, path: Path, rule: dict[str, Any]) -> Problem:
    fix = f"add it{_example(rule, path)}"
    return subject.problem(path, f"`{path[-1]}` is missing", f"it is required: {_described(rule)}", fix)


def _what(error: ValidationError, rule: dict[str, Any]) -> str:
    if error.validator == "type":
        return f"this is {_kind(error.instance)}, and must be {_expected(rule)}"
    if error.validator in ("minimum", "maximum"):
        return f"{error.instance} is not between {rule['minimum']} and {rule['maximum']}"
    if error.validator == "enum":
        return f"this is not {listed(rule['enum'])}"
    if error.validator in ("minLength", "maxLength", "minItems"):
        return f"this is longer than {rule['maxLength']} characters" if error.instance else "this is empty"
    if error.validator == "pattern" and rule["pattern"] == _NAME:
        return f"`{shown(str(error.instance))}` cannot be a name"
    return "this is not in the form it must have"


def _why(error: ValidationError, rule: dict[str, Any], path: Path) -> str:
    key = next((shown(step) for step in reversed(path) if isinstance(step, str)), "the value")
    key = f"an item of {key}" if path and isinstance(path[-1], int) else key
    if error.validator == "type":
        return f"{key} is always {_expected(rule)}"
    if error.validator in ("minimum", "maximum"):
        return f"{key} is at least {rule['minimum']} and at most {rule['maximum']}"
    if error.validator in ("minLength", "maxLength", "minItems"):
        return f"{key} has at most {rule['maxLength']} characters" if error.instance else f"{key} is never empty"
    return _described(rule)


def _described(rule: dict[str, Any]) -> str:
    """Returns the first sentence of the description as a phrase."""
    text = str(rule.get("description", "")).partition(". ")[0].removesuffix(".")
    return text if text.startswith("Kubernetes") else text[:1].lower() + text[1:]


def _fix(error: ValidationError, rule: dict[str, Any]) -> str:
    if error.validator == "type":
        return _type_fix(error, rule)
    if error.validator in ("minimum", "maximum"):
        return f"choose a number from {rule['minimum']} to {rule['maximum']}"
    if error.validator == "enum":
        meant = nearest(str(error.instance), rule["enum"])
        return f"did you mean `{meant}`?" if meant else f"write {listed(rule['enum'])}"
    if error.validator == "pattern" and rule["pattern"] == _NAME:
        meant = re.sub(r"[^a-z0-9]+", "-", str(error.instance).lower()).strip("-")
        return f"write for example `{meant if re.fullmatch(_NAME, meant) else rule['examples'][0]}`"
    return f"correct it{_example(rule)}"


def _type_fix(error: ValidationError, rule: dict[str, Any]) -> str:
    types = _expected_types(rule)
    if error.instance is None:
        return f"give it a value{_example(rule)}"
    if "string" in types and isinstance(error.instance, bool | int | float):
        return "put the value in quotes"
    if types == ["boolean"]:
        return "write true or false, without quotes"
    if types == ["object"]:
        return "write its fields on the lines below it, indented"
    if types == ["integer"]:
        return "write a whole number, without quotes"
    return f"correct it{_example(rule)}"


def _expected_types(rule: dict[str, Any]) -> list[str]:
    types = rule["type"]
    return [types] if isinstance(types, str) else types


def _expected(rule: dict[str, Any]) -> str:
    return listed(_TYPES[name] for name in _expected_types(rule))


def _kind(value: object) -> str:
    return "a fraction" if isinstance(value, float) else kind_of(value)


def _example(rule: dict[str, Any], path: Path = ()) -> str:
    examples = rule.get("examples") or ([rule["const"]] if "const" in rule else [])
    if not examples:
        return ""
    text = examples[0] if isinstance(examples[0], str) else json.dumps(examples[0]).replace('"', "")
    return f", for example `{path[-1]}: {text}`" if path else f", for example `{text}`"
