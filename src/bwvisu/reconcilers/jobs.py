"""The job reconciler of one cluster: look at the whole state, plan purely, set the verbs going."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from bwvisu.domain.job import JobId
from bwvisu.domain.observation import Look
from bwvisu.planning.evidence import weigh
from bwvisu.planning.idle import watch
from bwvisu.planning.plan import Plan, missing, plan, remember
from bwvisu.planning.snapshot import JobView, Policy, Quiet, Snapshot
from bwvisu.planning.verbs import LookUpUser, Verb
from bwvisu.reconcilers.accounts import Accounts
from bwvisu.reconcilers.dispatch import Dispatcher
from bwvisu.reconcilers.execute import Executor
from bwvisu.reconcilers.memory import LeaderMemory
from bwvisu.reconcilers.views import Views
from bwvisu.reconcilers.watcher import Watcher

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JobsPass:
    """What one pass came to."""

    jobs: int
    verbs: int
    started: int


class JobsReconciler:
    """Never waits for anything but the plan itself: verbs run beside the passes."""

    def __init__(
        self,
        policy: Callable[[], Policy],
        views: Views,
        watcher: Watcher,
        accounts: Accounts,
        memory: LeaderMemory,
        executor: Executor,
        dispatcher: Dispatcher,
        quiet: Callable[[Iterable[JobView]], Mapping[JobId, Quiet | None]],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._policy = policy
        self._views = views
        self._watcher = watcher
        self._accounts = accounts
        self._memory = memory
        self._executor = executor
        self._dispatcher = dispatcher
        self._quiet = quiet
        self._clock = clock
        self._wall = wall
        self._weighed: Look | None = None
        self._told: frozenset[str] = frozenset()

    async def reconcile(self) -> JobsPass:
        """One pass."""
        snapshot = self._snapshot()
        decided = plan(self._learn(snapshot))
        started = sum(self._start(verb) for verb in decided.verbs)
        self._tell(decided)
        return JobsPass(len(snapshot.jobs), len(decided.verbs), started)

    def _snapshot(self) -> Snapshot:
        jobs = self._views.current()
        return Snapshot(
            policy=self._policy(),
            jobs=jobs,
            look=self._watcher.last,
            users=self._accounts.fresh(),
            busy=frozenset(key for key in self._dispatcher.busy if isinstance(key, str)),
            memory=self._memory.view(),
            now=self._wall(),
            monotonic=self._clock(),
            reachable=self._watcher.reachable,
            set_aside=self._views.set_aside,
            unfound=self._accounts.unfound,
            quiet=self._quiet(jobs.values()),
        )

    def _learn(self, snapshot: Snapshot) -> Snapshot:
        """Remember whom this leader has met and watches and, once for each new look, whom it did not show."""
        self._memory.met = remember(snapshot)
        self._memory.watches = watch(snapshot)
        snapshot = replace(snapshot, memory=self._memory.view())
        look = snapshot.look
        if look is None or look is self._weighed:
            return snapshot
        self._memory.absences = weigh(self._memory.absences, look, missing(snapshot))
        self._memory.tidy(look)
        self._weighed = look
        return replace(snapshot, memory=self._memory.view())

    def _start(self, verb: Verb) -> bool:
        key = ("user", verb.user) if isinstance(verb, LookUpUser) else verb.job_id
        return self._dispatcher.start(key, lambda: self._executor.execute(verb))

    def _tell(self, decided: Plan) -> None:
        foreign = frozenset(decided.foreign)
        for name in sorted(foreign - self._told):
            log.warning("a Slurm job carries our name and is not ours; left alone", job=name)
        self._told = foreign
