"""A study: its trials run side by side in processes of their own, and are recorded one by one.

Whatever happens to it, what was recorded stays: taken up again it goes on as if undisturbed.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

from octavo.bundle.ranking import Closeness
from octavo.engines import Apart, LateError, LostError, memory_left
from octavo.errors import ResourceError, is_full
from octavo.stages.contract import Context
from octavo.stages.training import finish, trial
from octavo.stages.training.algorithms import get
from octavo.stages.training.finish import BLEND, STACK, Member, Whole, whole_of
from octavo.stages.training.record import Record
from octavo.stages.training.search import FIRST, Proposal, Search, chosen, widened
from octavo.stages.training.trial import Terms, Trial, Tried
from octavo.stores.catalog import Row

_MEMORY = 0.8
"""The share of the memory left that trials may take together."""
_LEAST = 10**9
"""Bytes that a trial may take in any case: libraries alone need a third of that."""
_BLENDED = 12
"""Candidates that may be put together."""
_FITTING = 0.7
"""The share of a trial's time after which its fit should end by itself."""
_LOOK = 0.2
"""Seconds between two looks at whether the run was interrupted."""
_LIKELY = 3
"""Members that what is put together is expected to have."""
_GRACE = 5.0
"""Seconds of the budget that are kept for what follows the trials, at the least."""


class Study:
    """The trials of one search, and what is made of the best.

    Parameters
    ----------
    name
        The study's key in the catalog.
    budget
        Seconds for all of it.
    answers
        Says whether a figure on validation answers the problem.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        terms: Terms,
        search: Search,
        budget: float,
        answers: Callable[[float], bool],
    ) -> None:
        self.context, self.terms, self.search = context, terms, search
        self.answers = answers
        self.budget = budget
        more = search.more_is_better
        self.record = Record(context, name, terms.data_version["id"], more_is_better=more)
        spent = sum(row["seconds"] for row in self.record.rows) / search.at_once
        self._began = time.monotonic() - spent
        left = memory_left()
        share = None if left is None else max(int(_MEMORY * left / search.at_once), _LEAST)
        self._apart = [Apart(share, [str(context.folder)]) for _ in range(search.at_once)]
        self._free: SimpleQueue[Apart] = SimpleQueue()
        for process in self._apart:
            self._free.put(process)
        self._ended = False

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.budget - (time.monotonic() - self._began)

    def run(self) -> None:
        """Run what is not done yet.

        Raises
        ------
        ResourceError
            If the disk is full.
        """
        try:
            if all(row["role"] == "trial" for row in self.record.rows):
                self._run_trials()
            if self.record.best() is not None and self.terms.problem.kind != "anomaly":
                self._finish()
        finally:
            self._ended = True
            for process in self._apart:
                process.stop()

    # --- Trials -------------------------------------------------------------------------------

    def _run_trials(self) -> None:
        recorded = {row["number"]: row for row in self.record.rows}
        begun: list[str] = []
        with ThreadPoolExecutor(self.search.at_once, thread_name_prefix="trial") as pool:
            running: dict[Future[None], int] = {}
            try:
                while True:
                    number = len(begun)
                    if number in recorded:
                        begun.append(recorded[number]["algorithm"])
                        continue
                    self._settle(running, number)
                    if self._is_over(number):
                        break
                    proposal = self.search.propose(number, self.record.rows, begun)
                    if proposal is None and self._may_widen:
                        self._widen(self.record.best())
                        proposal = self.search.propose(number, self.record.rows, begun)
                    if proposal is None:
                        break
                    begun.append(proposal.algorithm.name)
                    running[pool.submit(self._try, proposal)] = number
                self._settle(running, None)
            except BaseException:
                self._ended = True
                for process in self._apart:
                    process.kill()  # the threads wait for them
                raise

    def _settle(self, running: dict[Future[None], int], number: int | None) -> None:
        """Wait until all trials are over that a trial must know of; None: all there are."""
        at_end = number is None or (self.context.settings["trials"] is None and number == FIRST)

        def awaited() -> list[Future[None]]:
            ahead = (number or 0) - self.search.at_once
            return [f for f, each in running.items() if at_end or each <= ahead]

        while waiting := awaited():
            # Not for ever: a Ctrl-C is only noticed between two waits, since Polars' handler has
            # the system restart them.
            done, _ = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                future.result()

    def _is_over(self, number: int) -> bool:
        """Say whether no further trial is begun; widen the search if nothing answers."""
        most = self.context.settings["trials"]
        if number and self.left <= self._reserve() + min(self.record.seconds, default=0.0):
            return True
        if most is not None and number >= most:
            return True
        if number < FIRST:
            return False
        # Of those alone that had to be over: whichever ends first must not decide.
        over = [
            r
            for r in self.record.rows
            if number == FIRST or r["number"] <= number - self.search.at_once
        ]
        best = self.record.best(over)
        if most is None and best is not None and self.answers(best["figure"]):
            return True
        if self._may_widen:
            self._widen(best)
        return False

    @property
    def _may_widen(self) -> bool:
        return self.context.settings["trials"] is None or not self._are_named

    @property
    def _are_named(self) -> bool:
        """Whether somebody has said among which algorithms to search."""
        pipeline, names = self.context.pipeline, self.context.settings["algorithms"]
        usual = [getattr(algorithm, "name", algorithm) for algorithm in pipeline.algorithms]
        return pipeline.training.algorithms is not None or names != usual

    def _widen(self, best: Row | None) -> None:
        """Search among all algorithms there are, and say why."""
        given = self.context.settings["params"]
        searched = widened(self.search.searched, self.terms.problem.kind, given)
        if len(searched) == len(self.search.searched):
            return
        more = [algorithm.name for algorithm in searched[len(self.search.searched) :]]
        self.search = replace(self.search, searched=searched)
        reason = "there is time for more trials than the usual algorithms need"
        if best is None or not self.answers(best["figure"]):
            metric = self.terms.problem.metric
            reached = "no trial succeeded" if best is None else f"{metric} is {best['figure']:.4f}"
            reason = f"nothing answers on validation yet: {reached}"
        self.context.catalog.emit(
            "search widened", ", ".join(more), run_id=self.context.run_id, reason=reason
        )

    def _reserve(self) -> float:
        """Return the seconds that what follows the trials will take."""
        again = 0.0
        if self.context.settings["refit"] and self.terms.problem.kind != "anomaly":
            likely = _LIKELY if self.context.settings["blend"] else 1
            best = self.record.ranked()[:likely]
            again = sum(self._again(row) for row in best)
        return min(_GRACE + again, self.budget / 3)

    def _again(self, row: Row) -> float:
        """Return the seconds that it may take to train a trial's model on all rows, or folds."""
        return row["seconds"] if self._bags else 2 * row["seconds"] / len(self.terms.folds)

    def _try(self, proposal: Proposal) -> None:
        """Run one trial and record it; a failure is a result, not an end."""
        if self._ended:
            return
        began, allowed = time.monotonic(), self._allowed()
        name, params = proposal.algorithm.name, proposal.params
        if proposal.error:
            tried = Tried(state="failed", error=proposal.error)
            self._record(proposal.number, "trial", name, params, tried, began)
            return
        asked = Trial(
            self.terms,
            proposal.number,
            proposal.algorithm,
            proposal.params,
            proposal.rivals,
            _FITTING * allowed,
        )
        tried = self._called(trial.run, asked, allowed)
        if not self._ended:
            self._record(proposal.number, "trial", name, params, tried, began)

    def _allowed(self) -> float:
        """Return the seconds a trial may take: half of those left.

        So one that hangs leaves some to the others. But no less than twice what any has needed.
        """
        left = max(self.left - self._reserve(), 1.0)
        if len(self.search.searched) == 1:
            return left
        return min(left, max(left / 2, 2 * max(self.record.seconds, default=0.0)))

    def _called(self, function: Callable[[Any], Tried], argument: Any, seconds: float) -> Tried:
        process = self._free.get()
        try:
            if process.is_new:
                process.call(trial.ready, None)  # not at the expense of what it is asked
            return process.call(function, argument, seconds=seconds)
        except LateError as error:
            return Tried(state="stopped", error=str(error))
        except LostError as error:
            if is_full(error):
                raise ResourceError.disk_full(where=str(self.context.home.path)) from error
            return Tried(state="failed", error=str(error).strip().splitlines()[-1])
        finally:
            self._free.put(process)

    # --- What follows -------------------------------------------------------------------------

    def _finish(self) -> None:
        """Put the best candidates together, and train what is best once more."""
        settings, roles = self.context.settings, {row["role"] for row in self.record.rows}
        members = self._members()
        if settings["blend"] and "blend" not in roles and len(members) > 1:
            self._blend(members)
        if settings["refit"] and "refit" not in roles:
            self._refit()

    def _members(self) -> list[Member]:
        """Return the candidates that may be put together, best first."""
        good = [r for r in self.record.rows if r["role"] == "trial" and self._is_told(r)]
        best: dict[str, Row] = {}
        for row in self.record.ranked(good):
            best.setdefault(row["candidate_id"], row)
        return [self._whole(row).members[0] for row in list(best.values())[:_BLENDED]]

    def _is_told(self, row: Row) -> bool:
        """Whether a trial's predictions are there: another search may have taken their place."""
        files = [trial.predictions(fold, row["number"]) for fold in self.terms.folds]
        return row["state"] == "complete" and all(file.exists() for file in files)

    def _whole(self, row: Row) -> Whole:
        own = {a.name: a for a in chosen(self.context.pipeline, self.context.settings)}
        return whole_of(row, self.record.by_number, lambda name: own.get(name) or get(name))

    def _blend(self, members: Sequence[Member]) -> None:
        began = time.monotonic()
        seconds = max(self.left, _GRACE)
        tried = self._called(finish.blend, (self.terms, members, seconds), seconds)
        if tried.state == "complete" and tried.candidate_id is None:
            return  # nothing is gained
        used = tried.found.get("members", [])
        params = {"members": [{"trial": each["trial"], "weight": each["weight"]} for each in used]}
        name = BLEND
        if "intercept" in tried.found:
            name, params["intercept"] = STACK, tried.found["intercept"]
        self._record(self.record.rows[-1]["number"] + 1, "blend", name, params, tried, began)

    def _refit(self) -> None:
        best = self.record.best()
        assert best is not None, "nothing is trained again that was not trained"
        whole, bag = self._whole(best), self._bags
        expected = sum(self._again(self.record.by_number[m.number]) for m in whole.members)
        if expected > self.left + _GRACE:
            self.context.catalog.emit(
                "not trained on all rows",
                best["candidate_id"],
                severity="warning",
                run_id=self.context.run_id,
                reason=f"it would take about {expected:.0f} s, and the budget is spent",
            )
            return
        began = time.monotonic()
        again = (self.terms, whole, best["candidate_id"])
        seconds = max(self.left, expected) + _GRACE
        if bag:
            tried = self._called(finish.bag, again, seconds)
        else:
            joined = self.terms.folds[-1] / "joined"
            tried = self._called(finish.refit, (*again, joined), seconds)
        tried.figures = best["folds"]
        tried.closeness = Closeness(best["log_loss"], best["standard_error"])
        params = {"trial": best["number"]} | ({"bag": True} if bag else {})
        number = self.record.rows[-1]["number"] + 1
        self._record(number, "refit", best["algorithm"], params, tried, began)

    @property
    def _bags(self) -> bool:
        """Whether what is best is averaged over the folds, and not trained on all rows at once."""
        return self.context.settings["bag"] and len(self.terms.folds) > 1

    def _record(
        self, number: int, role: str, algorithm: str, params: Any, tried: Tried, began: float
    ) -> None:
        """Write down how a trial went, and show it."""
        self.record.put(number, role, algorithm, params, tried, time.monotonic() - began)
        most = self.context.settings["trials"] or FIRST
        share = max(min((number + 1) / most, 1.0), 1 - max(self.left, 0.0) / self.budget)
        best = self.record.best()
        note = "" if best is None else f"best {best['figure']:.4f}, {best['algorithm']}"
        self.context.progress("trials", share, 1.0, note)
