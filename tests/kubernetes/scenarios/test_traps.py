"""Traps of docs/seldon.md that no recording leads into, on a real API server: docs/seldon-traps.md has all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.controlplane.running import ControlPlane
from tests.kubernetes.scenarios.process import Checkout, started
from tests.kubernetes.scenarios.stage import Stage, staged
from tests.kubernetes.scenarios.ways import outcome
from tests.kubernetes.scenarios.written import model, recording, server
from tests.recordings.operations import Patch
from tests.recordings.recording import Recording
from tests.recordings.scripts import Manifests

Json = dict[str, Any]

SPEED = 4.0


class Scene:
    """A stage, a repository, and passes of ours."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self._folder = stage, folder
        self._checkout = Checkout(folder / "repository")
        self._processes: list[asyncio.subprocess.Process] = []

    def commit(self, manifests: Manifests | None = None) -> None:
        """Commits `manifests`, or those of the recording's end."""
        self._checkout.commit(manifests or self.stage.script.commits[-1][1])

    def commit_without(self, ref: str) -> None:
        """Commits the state before without `ref`."""
        kept = {name: found for name, found in self.stage.script.first.objects.items() if name != ref}
        self.commit(Manifests(kept))

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Starts a pass."""
        self._processes.append(await started(self.stage, self._checkout, self._folder, "sync", *arguments))
        return self._processes[-1]

    async def ended(self, process: asyncio.subprocess.Process) -> tuple[int | None, str]:
        """Waits for the end of a pass; returns its exit code and what it said."""
        said, wrong = await process.communicate()
        print((said + wrong).decode())  # pytest shows it where a test fails
        return process.returncode, said.decode()

    async def sync(self, *arguments: str) -> tuple[int | None, str]:
        """Does a pass; see `ended`."""
        return await self.ended(await self.start(*arguments))

    async def get(self, kind: str, name: str) -> Json:
        """Returns an object."""
        return await self.stage.found.api.get(kind, name)

    async def until(self, kind: str, name: str, **spec: Any) -> None:
        """Waits until an object's spec says so."""
        async with asyncio.timeout(10):
            while not spec.items() <= (await self.get(kind, name))["spec"].items():
                await asyncio.sleep(0.02)

    async def a_while(self) -> None:
        """Lets some time pass: ten requests to every model."""
        for _ in range(5):
            await self.stage.audience.asked_again()

    async def lost(self) -> dict[str, int]:
        """Returns how many requests were lost, by model."""
        await self.stage.audience.asked_again()
        return dict(outcome(self.stage).lost)

    def who(self, name: str) -> str:
        """Returns who answered last, the replica left out."""
        return self.stage.audience.seen[name][-1].who.partition("@")[0]

    async def end(self) -> None:
        """Ends what still runs."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.communicate()


@asynccontextmanager
async def scene(played: Recording, control_plane: ControlPlane, folder: Path) -> AsyncIterator[Scene]:
    """Gives the state before `played`, with its end committed."""
    async with staged(played, control_plane, speed=SPEED) as stage:
        found = Scene(stage, folder)
        found.commit()
        stage.begin()
        try:
            yield found
        finally:
            await found.end()


def ready(found: Json) -> str:
    """Returns the status of the condition Ready."""
    return next(str(one["status"]) for one in found["status"]["conditions"] if one["type"] == "Ready")


async def test_a_ready_that_is_true_of_the_generation_before_is_not_believed(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    played = recording(1, model("m", "v1", "300k"), model("m", "v2", "300k"))
    async with scene(played, seldon_kinds, tmp_path) as found:
        found.stage.found.let_operator_stand(still=True)
        process = await found.start("--probe", "never")  # which would wait for the operator
        await found.until("Model", "m", storageUri="artifacts/v2")
        await found.a_while()
        assert ready(await found.get("Model", "m")) == "True"
        assert process.returncode is None
        assert found.who("m") == "v1"
        found.stage.found.let_operator_stand(still=False)
        assert (await found.ended(process))[0] == 0
        assert await found.lost() == {}
        assert found.who("m") == "v2"


async def test_ready_is_false_and_no_replica_is_counted_though_the_version_before_serves_and_goes_on_serving(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    played = recording(1, model("m", "v1", "300k"), model("m", "broken", "300k"))
    async with scene(played, seldon_kinds, tmp_path) as found:
        assert (await found.sync())[0] == 5
        now = await found.get("Model", "m")
        assert ready(now) == "False"
        assert "availableReplicas" not in now["status"]
        code, said = await found.sync()
        assert code == 5
        assert [decision["verb"] for decision in json.loads(said)["decisions"] if decision["name"] == "m"] == ["hold"]
        assert (await found.get("Model", "m"))["metadata"]["generation"] == now["metadata"]["generation"]
        assert await found.lost() == {}
        assert found.who("m") == "v1"


async def test_a_change_that_alters_no_replica_and_emits_no_event_does_not_hang(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    logged = {"m": model("m", "v1", "300k")["m"] | {"logger": {"percent": 50}}}
    async with scene(recording(1, model("m", "v1", "300k"), logged), seldon_kinds, tmp_path) as found:
        assert (await found.sync())[0] == 0
        assert (await found.get("Model", "m"))["spec"]["logger"] == {"percent": 50}
        assert await found.lost() == {}


async def test_a_finalizer_that_hangs_ends_in_an_incomplete_pass_and_the_next_one_finishes(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    before = model("m", "v1", "300k") | model("other", "v2", "300k")
    async with scene(recording(1, before, before), seldon_kinds, tmp_path) as found:
        found.commit_without("Model/other")
        found.stage.found.let_finalizers_hang(hang=True)
        assert (await found.sync("--wait-timeout", "3s"))[0] == 5
        assert "deletionTimestamp" in (await found.get("Model", "other"))["metadata"]
        found.stage.found.let_finalizers_hang(hang=False)
        assert (await found.sync())[0] == 0
        assert "other" not in await found.stage.kubectl("get", "models.mlops.seldon.io", "-o", "name")
        assert outcome(found.stage).lost.get("m", 0) == 0


async def test_what_is_being_deleted_is_waited_for_before_it_is_applied_again(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    before = model("m", "v1", "300k")
    async with scene(recording(1, before, before), seldon_kinds, tmp_path) as found:
        found.stage.found.let_finalizers_hang(hang=True)
        await found.stage.kubectl("delete", "model.mlops.seldon.io/m", "--wait=false")
        leaving = (await found.get("Model", "m"))["metadata"]
        process = await found.start()
        await found.a_while()
        assert (await found.get("Model", "m"))["metadata"]["generation"] == leaving["generation"]
        assert process.returncode is None
        found.stage.found.let_finalizers_hang(hang=False)
        assert (await found.ended(process))[0] == 0
        assert (await found.get("Model", "m"))["metadata"]["uid"] != leaving["uid"]
        await found.stage.audience.asked_again()
        assert found.who("m") == "v1"


async def test_a_scheduler_restarted_in_the_middle_of_a_pass_costs_no_request(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    played = recording(1, model("m", "v1", "300k"), model("m", "slow6", "300k"))
    async with scene(played, seldon_kinds, tmp_path) as found:
        process = await found.start()
        await found.until("Model", "m", storageUri="artifacts/slow6")
        found.stage.found.restart_scheduler()
        await found.ended(process)
        await found.stage.quiet()
        assert (await found.sync())[0] == 0
        assert await found.lost() == {}
        assert found.who("m") == "slow6"


async def test_a_server_that_models_are_on_is_not_deleted(seldon_kinds: ControlPlane, tmp_path: Path) -> None:
    before = model("m", "v1", "300k")
    async with scene(recording(1, before, before), seldon_kinds, tmp_path) as found:
        found.commit_without("Server/mlserver")
        assert (await found.sync("--max-deletions", "100%"))[0] == 4
        assert "deletionTimestamp" not in (await found.get("Server", "mlserver"))["metadata"]
        assert await found.lost() == {}


async def test_a_commit_that_comes_while_a_model_still_grows_waits_for_that(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    played = recording(2, model("m", "slow6-on-1", "300k"), model("m", "v2", "300k", 2))
    async with scene(played, seldon_kinds, tmp_path) as found:
        await found.stage.perform(Patch("Model/m", {"spec": {"replicas": 2}}))
        assert (await found.sync("--force-conflicts"))[0] == 0
        assert await found.lost() == {}
        assert found.who("m") == "v2"


async def test_what_waits_for_room_is_asked_for_again_when_a_deletion_has_made_it(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    before = model("other", "v1", "600k")
    async with scene(recording(1, before, before | model("m", "v2", "600k")), seldon_kinds, tmp_path) as found:
        end = found.stage.script.commits[-1][1]
        await found.stage.perform(found.stage.script.plain[-1][1])
        await found.stage.quiet()
        assert found.who("m") == ""
        found.commit(Manifests({ref: one for ref, one in end.objects.items() if ref != "Model/other"}))
        assert (await found.sync())[0] == 0
        await found.stage.audience.asked_again()
        assert found.who("m") == "v2"


async def test_a_model_that_outgrows_its_server_stays_there_though_seldon_would_move_it(
    seldon_kinds: ControlPlane, tmp_path: Path
) -> None:
    servers = server(2, "first") | server(3, "second")
    played = recording(servers, model("m", "v1", "600k", 2), model("m", "v1", "600k", 3))
    async with scene(played, seldon_kinds, tmp_path) as found:
        assert {who.who.partition("@")[2][:5] for who in found.stage.audience.seen["m"]} == {"first"}
        assert (await found.sync())[0] == 4
        assert (await found.get("Model", "m"))["spec"]["replicas"] == 2
        assert await found.lost() == {}
