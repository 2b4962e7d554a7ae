"""Experiments and Pipelines as a cluster has them: what is carried along with the models that it names.

The manifests of them are in `manifests`, what their specs say in `experiments` and `pipelines`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.experiments import ExperimentSpec
from reconciler.model.pipelines import PipelineSpec


@dataclass(frozen=True, slots=True)
class LiveExperiment:
    """One Experiment object.

    Attributes:
        instance: our ownership label's value, None when nobody owns it.
        labels, annotations: all of them. owned: those of them that we wrote, as in `LiveModel`.
        deleting: it is being deleted. ready: its condition `Ready`, None while nobody has told. message: why it is not.
    """

    kind: ClassVar[str] = "Experiment"
    name: str
    spec: ExperimentSpec
    instance: str | None = None
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    deleting: bool = False
    ready: bool | None = None
    message: str = ""
    owned: frozenset[str] = frozenset()

    @property
    def ref(self) -> str:
        """Kind and name: those of different kinds may have the same name."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class LivePipeline:
    """One Pipeline object; attributes as those of a `LiveExperiment`."""

    kind: ClassVar[str] = "Pipeline"
    name: str
    spec: PipelineSpec
    instance: str | None = None
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    deleting: bool = False
    ready: bool | None = None
    message: str = ""
    owned: frozenset[str] = frozenset()

    @property
    def ref(self) -> str:
        """Kind and name: those of different kinds may have the same name."""
        return f"{self.kind}/{self.name}"


LiveCarried = LiveExperiment | LivePipeline
"""One object of what is carried along (docs/glossary.md)."""
