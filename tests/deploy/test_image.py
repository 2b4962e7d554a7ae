"""The Dockerfile keeps what is said of the image: pinned, without root, compilers and the local cluster."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).splitlines()
INSTRUCTIONS = [line.split(maxsplit=1) for line in LINES if line.strip() and not line.startswith("#")]
COMPILERS = ("gcc", "g++", "build-essential", "make", "clang", "cargo", "golang")


def stages() -> list[list[list[str]]]:
    """The instructions of each stage, that of FROM first."""
    found: list[list[list[str]]] = []
    for instruction in INSTRUCTIONS:
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def values(stage: list[list[str]], name: str) -> list[str]:
    return [value for word, value in stage if word == name]


def test_every_stage_starts_from_one_image_pinned_by_tag_and_digest() -> None:
    ((_, argument),) = [each for each in INSTRUCTIONS if each[0] == "ARG"]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", argument)
    assert [values(stage, "FROM")[0].split()[0] for stage in stages()] == ["${PYTHON_IMAGE}"] * 2


def test_the_python_is_one_that_the_package_says_it_runs_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (version,) = re.findall(r"python:(3\.\d+)", "\n".join(LINES[:8]))[-1:]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_the_image_runs_as_the_user_that_the_pods_run_as_who_has_a_name() -> None:
    final = stages()[-1]
    assert values(final, "USER") == ["65532:65532"]
    (run,) = values(final, "RUN")
    assert "useradd --uid 65532" in run
    for workload in ("cronjob/cronjob.yaml", "deployment/deployment.yaml"):
        assert "runAsUser: 65532" in (ROOT / "deploy" / "overlays" / workload).read_text()


def test_the_image_has_git_and_ssh_and_nothing_that_compiles() -> None:
    (run,) = values(stages()[-1], "RUN")
    (packages,) = re.findall(r"apt-get install --yes --no-install-recommends ([^&]+)", run)
    assert packages.split() == ["git", "openssh-client"]
    assert "rm -rf /var/lib/apt/lists/*" in run
    assert not [word for word in COMPILERS if re.search(rf"\b{re.escape(word)}\b", "\n".join(LINES[1:]))]


def test_the_local_cluster_is_left_out_and_wheels_only_are_installed() -> None:
    runs = values(stages()[0], "RUN")
    assert not [run for run in runs if "local]" in run or "[" in run]
    assert any("--only-binary :all:" in run for run in runs)


def test_all_that_the_image_is_built_from_is_in_the_build_context_and_nothing_else() -> None:
    copied = [word for value in values(stages()[0], "COPY") for word in value.split()[:-1]]
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / name).exists() for name in copied)
    assert "*" in rules
    # What the wheel is made of, as pyproject.toml says it, is among it.
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], "README.md", "LICENSE"]
    assert all(any(fnmatch.fnmatch(name, f"{place}*") for place in copied) for name in needed)
