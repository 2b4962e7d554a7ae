"""Files published to a branch of the remote."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.errors import ReportError
from reconciler.repository import Repository
from tests.repository.manifest_texts import model
from tests.repository.remotes import Remote, git

BRANCH = "reconciler-reports"


def tree(remote: Remote, branch: str = BRANCH) -> list[str]:
    return git(remote.bare, "ls-tree", "-r", "--name-only", branch).split()


def commits(remote: Remote, branch: str = BRANCH) -> list[str]:
    return git(remote.bare, "log", "--format=%s", branch).splitlines()


def hook(remote: Remote, name: str, script: str) -> None:
    place = remote.bare / "hooks" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)


def test_a_branch_that_is_not_there_is_made_without_history(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    repository = remote.repository()
    commit = repository.publish(
        BRANCH, {"default/latest.md": b"# ok\n", "default/a.json": b"\x00\xff"}, "First\n\nbody"
    )
    assert git(remote.bare, "rev-parse", BRANCH) == commit
    assert (tree(remote), commits(remote)) == (["default/a.json", "default/latest.md"], ["First"])
    assert repository.read(BRANCH, "default/a.json") == b"\x00\xff"
    assert repository.list(BRANCH, "default") == ("default/a.json", "default/latest.md")


def test_an_empty_remote_can_be_published_to(remote: Remote) -> None:
    remote.repository().publish(BRANCH, {"empty": b""}, "First")
    assert tree(remote) == ["empty"]


def test_files_that_are_not_named_stay_and_none_deletes(remote: Remote) -> None:
    repository = remote.repository()
    repository.publish(BRANCH, {"a": b"1", "b/c": b"2", "b/d": b"3"}, "First")
    repository.publish(BRANCH, {"b/c": None, "e f é": b"4", "never/there": None}, "Second")
    assert repository.list(BRANCH, "") == ("a", "b/d", "e f é")
    assert commits(remote) == ["Second", "First"]
    assert (repository.read(BRANCH, "b/c"), repository.read(BRANCH, "b"), repository.read("nope", "a")) == (None,) * 3
    assert repository.list("nope", "") == ()


def test_the_same_contents_are_not_pushed_again(remote: Remote) -> None:
    repository = remote.repository()
    first = repository.publish(BRANCH, {"a": b"1"}, "First")
    assert repository.publish(BRANCH, {"a": b"1", "b": None}, "Again") == first
    assert commits(remote) == ["First"]


def test_the_same_contents_are_pushed_when_somebody_else_changed_them_meanwhile(remote: Remote) -> None:
    repository = remote.repository()
    repository.publish(BRANCH, {"a": b"1"}, "First")
    remote.repository("other").publish(BRANCH, {"a": b"2"}, "Theirs")
    repository.publish(BRANCH, {"a": b"1"}, "Again")
    assert commits(remote) == ["Again", "Theirs", "First"]


def test_a_branch_that_moved_meanwhile_is_followed(remote: Remote) -> None:
    ours, theirs = remote.repository("ours"), remote.repository("theirs")
    ours.publish(BRANCH, {"ours": b"1"}, "First")
    theirs.publish(BRANCH, {"theirs": b"1"}, "Theirs")
    ours.publish(BRANCH, {"ours": b"2"}, "Ours")
    assert (commits(remote), tree(remote)) == (["Ours", "Theirs", "First"], ["ours", "theirs"])


def test_what_the_remote_dropped_is_not_brought_back(remote: Remote) -> None:
    repository = remote.repository()
    first = repository.publish(BRANCH, {"a": b"1"}, "First")
    repository.publish(BRANCH, {"leaked": b"secret"}, "Second")
    git(remote.bare, "update-ref", f"refs/heads/{BRANCH}", first)
    repository.publish(BRANCH, {"a": b"2"}, "Third")
    assert (commits(remote), tree(remote)) == (["Third", "First"], ["a"])


def test_many_publish_at_once_and_nothing_is_lost(remote: Remote) -> None:
    remote.push({})

    def work(number: int) -> None:
        remote.repository(f"cache-{number}").publish(BRANCH, {f"file-{number}": b"1"}, "A report", retries=20)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert tree(remote) == [f"file-{number}" for number in range(4)]


def test_a_work_tree_with_another_branch_checked_out_is_published_to(remote: Remote) -> None:
    remote.push({"iris.yaml": model("iris")})
    repository = remote.repository(url=str(remote.work))
    commit = repository.publish(BRANCH, {"a": b"1"}, "First")
    repository.publish(BRANCH, {"a": b"2"}, "Second")
    assert git(remote.work, "rev-parse", f"{BRANCH}~1") == commit
    assert git(remote.work, "status", "--short", "--branch") == "## main"


def test_the_branch_that_is_checked_out_is_not_overwritten(remote: Remote) -> None:
    before = remote.push({"iris.yaml": model("iris")})
    with pytest.raises(ReportError, match=r"branch `main` .* cannot be pushed") as raised:
        remote.repository(url=str(remote.work)).publish("main", {"a": b"1"}, "No", retries=1)
    assert raised.value.why
    assert git(remote.work, "rev-parse", "main") == before


def test_a_push_that_the_remote_forbids_is_told_with_its_words_and_not_tried_for_ever(remote: Remote) -> None:
    hook(remote, "pre-receive", "echo 'reports are not welcome' >&2; echo x >> tries; exit 1")
    with pytest.raises(ReportError, match="cannot be pushed") as raised:
        remote.repository().publish(BRANCH, {"a": b"1"}, "No", retries=50)
    assert "reports are not welcome" in raised.value.why
    assert (remote.bare / "tries").read_text().split() == ["x"] * 3


def test_publishing_gives_up_when_the_branch_never_stands_still(remote: Remote) -> None:
    repository = remote.repository()
    repository.publish(BRANCH, {"a": b"0"}, "First")
    hook(
        remote,
        "pre-receive",
        "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n"
        f"c=$(git -c user.name=x -c user.email=x commit-tree -p {BRANCH} -m moved {BRANCH}^{{tree}})\n"
        f"git update-ref refs/heads/{BRANCH} $c\n"
        "exit 1",
    )
    with pytest.raises(ReportError, match="cannot be pushed"):
        repository.publish(BRANCH, {"a": b"1"}, "No", retries=2)
    assert len(commits(remote)) == 4


def test_the_author_is_the_configured_one_or_the_reconciler(remote: Remote, plain_git: Path) -> None:
    repository = remote.repository()
    repository.publish(BRANCH, {"a": b"1"}, "First")
    plain_git.write_text('[user]\n\tname = "Ann <x>"\n\temail = ann@example.com\n')
    repository.publish(BRANCH, {"a": b"2"}, "Second")
    assert git(remote.bare, "log", "--format=%an <%ae>", BRANCH).splitlines() == [
        "Ann x <ann@example.com>",
        "model-reconciler <model-reconciler@localhost>",
    ]


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", ".git/config", "a/.GIT/x", '"a"', "a\nb", "-a", "a//b"])
def test_a_file_that_git_would_not_take_is_refused(remote: Remote, path: str) -> None:
    files: Mapping[str, bytes] = {path: b"1"}
    with pytest.raises(ReportError):
        remote.repository().publish(BRANCH, files, "No")


@pytest.mark.parametrize("branch", ["", "-x", "a b", "a:b"])
def test_a_branch_name_that_is_not_safe_is_refused(remote: Remote, branch: str) -> None:
    with pytest.raises(ReportError):
        remote.repository().publish(branch, {"a": b"1"}, "No")


def test_a_remote_that_is_gone_is_an_error_of_the_report(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written") as raised:
        Repository(str(tmp_path / "gone"), cache=tmp_path / "cache").publish(BRANCH, {"a": b"1"}, "No")
    assert "there is no such folder" in raised.value.why
