"""What an advisor keeps in its file, and what it does where that cannot be read or written."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from cprmodel.advising.learning import Experience
from cprmodel.advising.state import (
    State,
    StateDamaged,
    StateTaken,
    digest_of,
    digest_of_saves,
    is_alive,
    whoami,
)
from cprmodel.advising.stores import Store
from cprmodel.facts.errors import JobError, Problem
from cprmodel.jobs import Job

__all__ = ["Memory"]


class Memory:
    """The file of one advisor. What goes wrong with it is a remark, and training goes on."""

    def __init__(self, store: Store, job: Job, remark: Callable[[str], None], adopt: bool) -> None:
        self._store: Store | None = store
        self._remark, self._adopt = remark, adopt
        self._machines, self._saves = digest_of(job), digest_of_saves(job)
        self._name = secrets.token_hex(8)  # under which this process has the file

    def take_up(self) -> tuple[State | None, bool]:
        """What an earlier process has learned, as far as it applies, and whether that one's end is unknown.

        JobError where the file is another job's, cannot be read, or cannot be written.
        """
        store = self._store
        assert store is not None
        try:
            with store.turn():
                return self._take_up(store)
        except OSError as error:
            problem = Problem("", "", f"a file that can be written ({error.strerror or error})")
            raise JobError(store.name, [problem]) from None

    def _take_up(self, store: Store) -> tuple[State | None, bool]:
        open_ = False
        try:
            found = store.read()
        except StateDamaged as damaged:
            aside = store.put_aside()
            self._remark(
                f"{store.name} is damaged ({damaged}): it is kept as {aside}, and learning begins with the plan "
                "again"
            )
            found, open_ = None, True
        if found is not None:
            found, open_ = self._applying(store.name, found), found.open
            if open_ and is_alive(found.owner):
                self._remark(
                    f"{store.name} was another process's that still runs ({found.owner}): this one has it now "
                    "(give each job a file of its own, and let one process of a job ask)"
                )
                open_ = False
        store.take(self._signed(replace(found or State("", Experience()), open=True)))
        return found, open_

    def _applying(self, name: str, found: State) -> State:
        """What of a state still applies to the job."""
        if self._adopt:
            return found
        machines, saves = found.job == self._machines, found.saves_of == self._saves
        if machines and saves:
            return found
        if not machines and not saves:
            expected = (
                "this job's file: both its machines and its saves are others (name another file, remove it, or say "
                "adopt=True where what was learned still applies)"
            )
            raise JobError(name, [Problem("", "", expected)])
        gone, kept = ("saves", "failures") if machines else ("failures", "saves")
        self._remark(
            f"{name}: the plan's {'checkpoint' if machines else 'cluster'} has changed: what was learned of {gone} "
            f"is begun anew, what was learned of {kept} is kept (adopt=True keeps both)"
        )
        return replace(found, experience=found.experience.of(failures=machines, saves=saves))

    def write(self, state: State) -> None:
        """Put a state in the place of the last one."""
        store = self._store
        if store is None:
            return
        try:
            with store.turn():
                store.write(self._signed(state))
        except StateTaken:
            self._remark(
                f"{store.name} was taken up by another process: what this one learns is not kept (give each job a "
                "file of its own, and let one process of a job ask)"
            )
            self._store = None
        except OSError as error:
            self._remark(
                f"{store.name} could not be written ({error.strerror or error}): a restart begins with what it says"
            )

    def _signed(self, state: State) -> State:
        return replace(state, job=self._machines, saves_of=self._saves, writer=self._name, owner=whoami())
