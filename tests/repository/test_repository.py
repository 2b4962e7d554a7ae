"""A repository of manifests: what is fetched, what is read, and what cannot be."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from reconciler.errors import RepositoryError
from reconciler.model.manifests import Source
from reconciler.repository import Repository
from tests.repository.manifest_texts import model, server
from tests.repository.remotes import WHO, Remote, git


def names(repository: Repository, rev: str | None = None) -> list[str]:
    return [manifest.name for manifest in repository.desired_state(rev).models]


@pytest.mark.parametrize("form", ["{bare}", "file://{bare}", "{work}", "{work}/.git"])
def test_what_is_committed_is_read_from_a_path_or_a_url(remote: Remote, form: str) -> None:
    commit = remote.push({"models/iris.yaml": model("iris"), "servers.yml": server("mlserver")})
    remote.write({"models/uncommitted.yaml": model("other")})
    repository = remote.repository(url=form.format(bare=remote.bare, work=remote.work))
    repository.fetch()
    state = repository.desired_state()
    assert (state.commit, repository.commit()) == (commit, commit)
    assert [(m.name, m.source) for m in state.models] == [("iris", Source("models/iris.yaml", 1))]
    assert [s.name for s in state.servers] == ["mlserver"]


def test_a_relative_path_is_taken_from_where_the_command_runs(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.push({"iris.yaml": model("iris")})
    monkeypatch.chdir(remote.work)
    repository = remote.repository(url=".")
    monkeypatch.chdir("/")
    assert names(repository) == ["iris"]


def test_a_fetch_brings_new_commits_and_reading_alone_does_not(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    repository = remote.repository()
    repository.fetch()
    remote.push({"other.yaml": model("other")})
    assert names(repository) == ["iris"]
    repository.fetch()
    assert names(repository) == ["iris", "other"]


def test_only_the_folder_asked_for_is_read(remote: Remote) -> None:
    remote.push({"prod/iris.yaml": model("iris"), "production/x.yaml": "a: [", "test/bad.yaml": "a: ["})
    state = remote.repository(path="./prod//").desired_state()
    assert [str(m.source) for m in state.models] == ["prod/iris.yaml:1"]


def test_a_folder_without_manifests_is_an_empty_desired_state(remote: Remote) -> None:
    commit = remote.push({"docs/readme.md": "hello"})
    state = remote.repository(path="docs").desired_state()
    assert (state.commit, state.models, state.servers) == (commit, (), ())


@pytest.mark.parametrize(("path", "what"), [("nowhere", "no folder `nowhere`"), ("iris.yaml", "`iris.yaml` is a file")])
def test_a_path_that_is_no_folder_of_the_commit_is_refused(remote: Remote, path: str, what: str) -> None:
    remote.push({"iris.yaml": model("iris")})
    with pytest.raises(RepositoryError, match=what) as raised:
        remote.repository(path=path).desired_state()
    assert raised.value.why
    assert raised.value.fix


def test_a_branch_a_tag_a_hash_and_an_ancestor_name_commits(remote: Remote) -> None:
    first = remote.push({"iris.yaml": model("iris")})
    git(remote.work, "tag", "-a", "v1", "-m", "a tag")
    git(remote.work, "push", "--quiet", "origin", "v1")
    git(remote.work, "checkout", "--quiet", "-b", "next/one")
    second = remote.push({"other.yaml": model("other")})
    repository = remote.repository(ref="next/one")
    repository.fetch()
    assert repository.commit() == second
    assert {repository.commit(rev) for rev in ("main", "v1", first, first[:10], "next/one~1", "HEAD")} == {first}
    assert names(repository, "v1") == ["iris"]


def test_a_branch_goes_before_a_tag_of_the_same_name(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    git(remote.work, "push", "--quiet", "origin", "HEAD:refs/tags/both")
    second = remote.push({"other.yaml": model("other")})
    git(remote.work, "push", "--quiet", "origin", "HEAD:refs/heads/both")
    assert remote.repository(ref="both").commit() == second


def test_a_ref_that_is_neither_branch_nor_tag_is_fetched_by_name(remote: Remote) -> None:
    remote.push({})
    change = remote.push({"iris.yaml": model("iris")})
    git(remote.work, "push", "--quiet", "origin", "HEAD:refs/pull/7/head")
    git(remote.work, "reset", "--quiet", "--hard", "HEAD~1")
    remote.push({})
    assert remote.repository(ref="refs/pull/7/head").commit() == change


def test_without_a_ref_the_branch_that_head_names_is_read(remote: Remote) -> None:
    git(remote.work, "checkout", "--quiet", "-b", "trunk")
    git(remote.bare, "symbolic-ref", "HEAD", "refs/heads/trunk")
    commit = remote.push({"iris.yaml": model("iris")})
    assert remote.repository().commit() == commit


def test_a_checkout_without_a_branch_is_read_at_its_commit(remote: Remote) -> None:
    first = remote.push({"iris.yaml": model("iris")})
    remote.push({})
    git(remote.work, "checkout", "--quiet", "--detach", first)
    assert remote.repository(url=str(remote.work)).commit() == first


def test_an_empty_repository_is_fetched_and_has_no_commits(remote: Remote) -> None:
    repository = remote.repository()
    repository.fetch()
    with pytest.raises(RepositoryError, match="has no commits"):
        repository.commit()
    commit = remote.push({"iris.yaml": model("iris")})
    repository.fetch()
    assert repository.commit() == commit


def test_a_branch_that_is_not_there_is_refused_and_the_nearest_is_named(remote: Remote) -> None:
    remote.push({})
    with pytest.raises(RepositoryError, match="no branch, tag or commit `mian`") as raised:
        remote.repository(ref="mian").commit()
    assert raised.value.fix == "did you mean `main`?"


def test_a_head_that_names_nothing_is_refused(remote: Remote) -> None:
    remote.push({})
    git(remote.bare, "symbolic-ref", "HEAD", "refs/heads/gone")
    with pytest.raises(RepositoryError, match="has no default branch"):
        remote.repository().commit()


def test_a_branch_that_was_deleted_is_gone_after_the_next_fetch(remote: Remote) -> None:
    remote.push({})
    git(remote.work, "push", "--quiet", "origin", "HEAD:refs/heads/feature")
    repository = remote.repository(ref="feature")
    repository.fetch()
    git(remote.work, "push", "--quiet", "origin", ":refs/heads/feature")
    repository.fetch()
    with pytest.raises(RepositoryError, match="`feature`") as raised:
        repository.commit()
    assert "deleted" in raised.value.why


def test_a_branch_that_was_rewritten_is_read_as_it_is_now(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    remote.push({"old.yaml": model("old")})
    repository = remote.repository()
    repository.fetch()
    git(remote.work, "reset", "--quiet", "--hard", "HEAD~1")
    commit = remote.push({"new.yaml": model("new")})
    repository.fetch()
    assert repository.commit() == commit
    assert names(repository) == ["iris", "new"]


def test_a_branch_that_became_a_folder_of_branches_is_fetched(remote: Remote) -> None:
    remote.push({})
    git(remote.work, "push", "--quiet", "origin", "HEAD:refs/heads/a")
    repository = remote.repository(ref="a/b")
    repository.fetch()
    git(remote.work, "push", "--quiet", "origin", ":refs/heads/a")
    git(remote.work, "push", "--quiet", "origin", "HEAD:refs/heads/a/b")
    repository.fetch()
    assert repository.commit() == git(remote.work, "rev-parse", "HEAD")


def test_a_shallow_clone_is_read_and_what_it_lacks_is_explained(remote: Remote, tmp_path: Path) -> None:
    first = remote.push({})
    second = remote.push({"iris.yaml": model("iris")})
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{remote.bare}", "shallow")
    repository = remote.repository(url=str(tmp_path / "shallow"))
    assert repository.commit() == second
    assert names(repository) == ["iris"]
    with pytest.raises(RepositoryError, match="no branch, tag or commit") as raised:
        repository.commit(first)
    assert "shallow" in raised.value.why
    assert "unshallow" in raised.value.fix


def test_the_subject_of_a_commit_is_told(remote: Remote) -> None:
    remote.push({}, "Iris gets a new version\n\nmore text")
    assert remote.repository().subject() == "Iris gets a new version"


# -- damage -----------------------------------------------------------------------------------------------------------


def test_a_damaged_clone_is_made_anew_by_the_next_fetch(remote: Remote) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    repository = remote.repository()
    repository.fetch()
    shutil.rmtree(remote.cached() / "objects")
    (remote.cached() / "packed-refs").write_text("garbage")
    repository.fetch()
    assert repository.commit() == commit
    assert names(repository) == ["iris"]


def test_objects_that_are_missing_are_fetched_again_when_they_are_read(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    repository = remote.repository()
    repository.fetch()
    shutil.rmtree(remote.cached() / "objects" / "pack")
    for place in (remote.cached() / "objects").iterdir():
        shutil.rmtree(place)
    assert names(repository) == ["iris"]


def test_a_damaged_remote_is_told_as_such(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    blob = git(remote.work, "rev-parse", "HEAD:iris.yaml")
    repository = remote.repository()
    repository.fetch()
    for folder in (remote.bare, remote.cached()):
        (folder / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RepositoryError) as raised:
        repository.desired_state()
    assert raised.value.why


def test_a_lock_left_by_a_killed_git_does_not_stop_the_next_fetch(remote: Remote) -> None:
    remote.push({})
    repository = remote.repository()
    repository.fetch()
    (remote.cached() / "refs" / "heads" / "main.lock").touch()
    commit = remote.push({"iris.yaml": model("iris")})
    repository.fetch()
    assert repository.commit() == commit


def test_several_fetch_into_one_cache_at_once(remote: Remote) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    seen: list[str] = []

    def work() -> None:
        repository = remote.repository()
        repository.fetch()
        seen.append(repository.commit())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [commit] * 4


def test_a_cache_that_another_process_holds_is_waited_for_within_the_time_limit(remote: Remote, tmp_path: Path) -> None:
    remote.push({})
    remote.repository().fetch()
    impatient = Repository(str(remote.bare), cache=tmp_path / "cache", timeout=0.1)
    with FileLock(f"{remote.cached()}.lock"), pytest.raises(RepositoryError, match="is in use"):
        impatient.fetch()


def test_a_cache_folder_that_cannot_be_made_is_told(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file stands where the folder should be")
    with pytest.raises(RepositoryError, match="cannot be written"):
        remote.repository().fetch()


def test_a_disk_that_takes_no_more_is_told_and_leaves_no_half_clone(remote: Remote, tmp_path: Path) -> None:
    remote.push({"noise.bin": random.Random(1).randbytes(200_000)})
    script = (
        "import resource, sys; from pathlib import Path; from reconciler.repository import Repository\n"
        "from reconciler.errors import RepositoryError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: Repository(sys.argv[1], cache=Path(sys.argv[2])).fetch()\n"
        "except RepositoryError as error: print(bool(error.why and error.fix))\n"
    )
    command = [sys.executable, "-c", script, str(remote.bare), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
    assert [place for place in (tmp_path / "cache").iterdir() if place.is_dir()] == []


# -- what is no repository ------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_repository_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(RepositoryError, match="is not a Git repository") as raised:
        Repository(str(tmp_path / "plain"), cache=tmp_path / "cache").fetch()
    assert "git init" in raised.value.fix


def test_a_folder_inside_a_repository_is_refused_with_the_repository_and_path_to_name(remote: Remote) -> None:
    remote.push({"examples/iris.yaml": model("iris")})
    with pytest.raises(RepositoryError, match="is not a Git repository") as raised:
        remote.repository(url=str(remote.work / "examples")).fetch()
    assert raised.value.fix == f"name the repository `{remote.work}` and the path `examples` in it"


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="is not a Git repository") as raised:
        Repository(str(tmp_path / "nowhere"), cache=tmp_path / "cache").commit()
    assert raised.value.why == "there is no such folder"


# -- the surroundings -----------------------------------------------------------------------------------------------


def test_the_variables_of_a_git_hook_do_not_mislead(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    git(tmp_path, "init", "--quiet", "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / ".git" / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "elsewhere"))
    assert remote.repository().commit() == commit


def test_no_hook_runs(remote: Remote, plain_git: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "pre-push"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    remote.push({"iris.yaml": model("iris")})
    plain_git.write_text(f"[core]\n\thooksPath = {hooks}\n")
    repository = remote.repository()
    repository.fetch()
    repository.desired_state()
    assert not (tmp_path / "ran").exists()
    subprocess.run(["git", "tag", "x"], cwd=remote.work, check=True, env={**WHO, "GIT_CONFIG_GLOBAL": str(plain_git)})
    assert (tmp_path / "ran").exists(), "the hook would have run"


def test_manifests_of_a_work_tree_that_are_not_as_committed_are_named(remote: Remote) -> None:
    remote.push({"prod/a.yaml": model("a"), "b.yaml": model("b")})
    everything, below = remote.repository(url=str(remote.work)), remote.repository(url=str(remote.work), path="prod")
    assert everything.uncommitted() == ()
    remote.write({"prod/a.yaml": model("a", memory="9"), "prod/new/c.yml": model("c"), "b.yaml": None, "notes.txt": ""})
    assert everything.uncommitted() == ("b.yaml", "prod/a.yaml", "prod/new/c.yml")
    assert below.uncommitted() == ("prod/a.yaml", "prod/new/c.yml")
    assert remote.repository().uncommitted() == ()
