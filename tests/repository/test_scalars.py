"""Unquoted scalars, by YAML 1.1 and by YAML 1.2."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.repository.scalars import readings

SPECIAL = "0123456789+-._:~<=xXoObBeEnNyYtTrRuUlLaAsSfF "


@pytest.mark.parametrize(
    "text",
    [
        *("on", "off", "Yes", "NO", "y", "n", "010", "08", "0o10", "1e3", "1.5e3", "-0x10", "0b11", "1:30", "1:30.5"),
        *("1_000", "1_0.5", "2024-01-01", "2024-01-01T10:00:00Z", "1e999"),
    ],
)
def test_a_scalar_that_the_versions_read_differently_is_seen(text: str) -> None:
    old, new = readings(text)
    assert not old.same(new)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("False", False), ("~", None), ("", None), ("null", None)),
        *(
            ("5", 5),
            ("+5", 5),
            ("-5", -5),
            ("0", 0),
            ("00", 0),
            ("0x10", 16),
            ("1.5", 1.5),
            ("-.5", -0.5),
            ("1.5e+3", 1500.0),
        ),
        *(
            ("300k", "300k"),
            ("1Gi", "1Gi"),
            ("5m", "5m"),
            ("1.2.3", "1.2.3"),
            ("sklearn", "sklearn"),
            ("_", "_"),
            ("=", "="),
        ),
    ],
)
def test_a_scalar_that_both_versions_read_alike_is_what_both_say(text: str, value: object) -> None:
    old, new = readings(text)
    assert old.same(new)
    assert (new.value, type(new.value)) == (value, type(value))


@settings(deadline=None)
@given(st.text(alphabet=SPECIAL, max_size=12))
def test_what_both_versions_read_alike_is_what_a_yaml_1_1_library_reads(text: str) -> None:
    text = text.strip()
    old, new = readings(text)
    loader: Any = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if old.same(new) and text not in ("=", "<<") and new.value is not None:
        kind = {"bool": "true or false", "int": "a number", "float": "a number", "timestamp": "a date"}
        # The library has no float of the form `-.5`, which the standard has.
        assert new.kind == kind.get(tag.rpartition(":")[2], "text") or text.startswith(("-.", "+."))


@settings(deadline=None)
@given(st.text(max_size=80))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    readings(text)
