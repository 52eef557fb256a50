"""What a leader does for one cluster: the loops, and what they share.

====================  ==========================================  =======================
loop                  does                                        nudged by
====================  ==========================================  =======================
``look``              one ``squeue``                              a submission, a request for ports
``jobs``              plans, sets verbs going                     every change, every look
``accounts``          answers the API's questions about users     a new question
``retire``            ends grants, frees their ports              stopped and ended jobs, grants, every look
``serve``             grants ports                                requests, reports, every look
``move``              moves grants off gateways that are left     a drain
``sync:<gateway>``    keeps a gateway's rules as wanted           a change of its grants, of admissions
``probe:<gateway>``   asks whether services listen                -
``activity:<gateway>``  lists who is connected                    -
``knock:<gateway>``   hears whether a quiet gateway is there      -
``config``            asks Slurm for MinJobAge, partitions …      -
``quota``             frees the places of jobs that are over      every change of a status
``mail``              mails those who want to be told             -
``traces``            tells a collector how long each step took   -
``publish``           shows the cluster's state to the API        -
====================  ==========================================  =======================

No loop waits for another: a slow gateway or Slurm delays only its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

from bwvisu.adapters.job_script import KeyholeAddress
from bwvisu.adapters.slurm import SlurmCluster
from bwvisu.adapters.ssh import MeasuredWire, Wire
from bwvisu.domain.cluster import Installation
from bwvisu.domain.job import JobId
from bwvisu.domain.lifecycle import State
from bwvisu.domain.naming import SlurmJobName
from bwvisu.reconcilers.accounts import Accounts
from bwvisu.reconcilers.dispatch import Dispatcher
from bwvisu.reconcilers.driver import Loop
from bwvisu.reconcilers.execute import Executor
from bwvisu.reconcilers.jobs import JobsReconciler
from bwvisu.reconcilers.keyhole_host import LeaderBooks, LeaderOffice, LeaderTenants
from bwvisu.reconcilers.memory import LeaderMemory
from bwvisu.reconcilers.publish import Publisher
from bwvisu.reconcilers.quota import QuotaReconciler
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.scripts import Scripts
from bwvisu.reconcilers.site import EVERY, Site
from bwvisu.reconcilers.views import JOB_KINDS, Views
from bwvisu.reconcilers.watcher import Watcher
from bwvisu.reconcilers.writer import Writer
from bwvisu.roles.base import Base, read_secret
from bwvisu.roles.boards import Boards, totals
from bwvisu.roles.conversions import (
    command_nodes,
    policy_of,
    slurm_settings,
    ssh_settings,
)
from bwvisu.roles.gateways import GatewayLoops
from bwvisu.roles.mail import mail_loops
from bwvisu.roles.metrics import LeaderMetrics
from bwvisu.roles.nodes import Nodes
from bwvisu.roles.traces import traced
from bwvisu.settings import ClusterSettings

VERBS_AT_ONCE = 32


class ClusterTerm:
    """One cluster during one term of office."""

    def __init__(
        self,
        name: str,
        base: Base,
        drawn: Installation,
        records: Records,
        writer: Writer,
        wire: Wire,
        dispatcher: Dispatcher,
        metrics: LeaderMetrics,
    ) -> None:
        self._name = name
        self._settings: ClusterSettings = base.settings.clusters[name]
        self._base = base
        self._records = records
        self._writer = writer
        self._wire = wire
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._slurm = SlurmCluster(
            wire, command_nodes(self._settings), slurm_settings(self._settings), clock=base.monotonic
        )
        self._site = Site(self._slurm)
        self._policy = policy_of(
            self._settings,
            drawn,
            settles_within=self._slurm.settles_within,
            retention=base.settings.retention.finished,
        )
        record_every = self._settings.forwards.activity.record_every
        self._boards = Boards(self._seen_anew, partial(totals, records), record_every, base.monotonic)
        self._views = Views(name, records, self._boards)
        self._watcher = Watcher(
            name,
            self._slurm,
            self._looked,
            poll_interval=self._settings.slurm.poll_interval,
            clock=base.monotonic,
        )
        self._accounts = self._make_accounts()
        self._watching, self._traces = traced(name, base, metrics.jobs.of(name))
        self._jobs = self._loop("jobs", self._make_jobs().reconcile, interval=2.0, gap=0.02)
        self._account_loop = self._loop("accounts", self._accounts.reconcile, interval=30.0)
        self._config = self._loop("config", self._learn_config, interval=EVERY)
        quota = QuotaReconciler(name, records, writer)
        self._quota = self._loop("quota", quota.reconcile, interval=10.0, gap=0.2)
        self._mail = mail_loops(name, base, records, writer)
        sharing = self._settings.sharing.allowed
        books = LeaderBooks(name, records, writer, base.wall, base.monotonic, sharing=sharing)
        self._nodes = Nodes(name, records, books, wire, command_nodes(self._settings), self._boards)
        tenants = LeaderTenants(self._views, self._watcher, lambda: self._policy, records)
        office = LeaderOffice(writer.leadership, drawn.generation)
        self._gateways = GatewayLoops(name, base, drawn.id, wire, books, tenants, office, self._boards, self._nodes)
        self._publish = self._loop("publish", self._make_publisher().reconcile, interval=2.0)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        name: str,
        base: Base,
        drawn: Installation,
        records: Records,
        writer: Writer,
        metrics: LeaderMetrics,
    ) -> AsyncIterator["ClusterTerm"]:
        """Open connections for the term; leaving ends what is still at work, then closes them."""
        async with AsyncExitStack() as stack:
            stack.callback(metrics.wire.forget, name)  # last: what is still at work then is counted, too
            wire = await stack.enter_async_context(aclosing(base.connect(ssh_settings(base.settings.clusters[name]))))
            dispatcher = await stack.enter_async_context(Dispatcher(VERBS_AT_ONCE))
            yield cls(name, base, drawn, records, writer, MeasuredWire(wire, name, metrics.wire), dispatcher, metrics)

    async def run(self) -> None:
        """Run every loop until cancelled."""
        self._records.listen(self._changed)
        self._dispatcher.on_done = self._jobs.nudge
        loops = (
            self._watcher.loop,
            self._jobs,
            self._account_loop,
            self._config,
            self._quota,
            self._publish,
            *self._mail,
            *self._traces,
            *self._gateways.all(),
        )
        told = self._metrics.listener(self._name)
        with self._metrics.term(self._name, self._settings.gateways_by_name(), self._states):
            async with asyncio.TaskGroup() as group:
                for loop in loops:
                    loop.on_pass = told
                    group.create_task(loop.run())

    def _states(self) -> list[State]:
        return [view.status.state for view in self._views.current().values()]

    # ---- who nudges whom --------------------------------------------------------------------------------------

    def _changed(self, kind: str, tail: str) -> None:
        if kind in JOB_KINDS:
            self._views.changed(tail.partition("/")[0])
            self._jobs.nudge()
        if kind in {"requests", "reports", "specs", "status"}:
            self._gateways.judge()
        if kind == "forwards":
            self._gateways.retire.nudge()  # a grant may be news of a job that has ended while it was written
        if kind == "admissions":
            self._admissions_changed(tail)
        if kind == "lookups":
            self._account_loop.nudge()
        if kind == "gateways":
            self._publish.nudge()
            self._gateways.move.nudge()
        if kind in {"status", "quota"}:
            self._quota.nudge()

    def _admissions_changed(self, job_id: JobId) -> None:
        forwards = self._records.forwards.get(job_id)
        for gateway in {grant.gateway for grant in forwards.grants} if forwards else ():
            self._gateways.sync(gateway)

    def _looked(self) -> None:
        self._jobs.nudge()
        self._gateways.judge()

    def _seen_anew(self, job_id: JobId) -> None:
        self._views.changed(job_id)
        self._jobs.nudge()

    # ---- what the loops are made of ---------------------------------------------------------------------------

    def _loop(self, does: str, body: Callable[[], Awaitable[object]], *, interval: float, gap: float = 0.0) -> Loop:
        return Loop(f"{does}:{self._name}", body, interval=interval, gap=gap, clock=self._base.monotonic)

    def _make_accounts(self) -> Accounts:
        return Accounts(
            self._name,
            self._slurm,
            self._records,
            self._writer,
            pattern=self._settings.users.pattern,
            minimum_uid=self._settings.users.minimum_uid,
            home_prefix=self._settings.home_prefix,
            wall=self._base.wall,
            clock=self._base.monotonic,
        )

    def _make_publisher(self) -> Publisher:
        return Publisher(
            self._name,
            self._records,
            self._writer,
            self._watcher,
            self._nodes.command_nodes,
            self._nodes.gateways,
            lambda: self._site.partitions,
            clock=self._base.monotonic,
            wall=self._base.wall,
        )

    def _make_jobs(self) -> JobsReconciler:
        memory = LeaderMemory()
        executor = Executor(
            self._slurm,
            self._records,
            self._writer,
            self._accounts,
            memory,
            self._scripts(),
            job_name=self._job_name,
            look_soon=self._watcher.loop.nudge,
            watching=self._watching,
            clock=self._base.monotonic,
            wall=self._base.wall,
        )
        return JobsReconciler(
            lambda: self._policy,
            self._views,
            self._watcher,
            self._accounts,
            memory,
            executor,
            self._dispatcher,
            self._boards.quiet,
            clock=self._base.monotonic,
            wall=self._base.wall,
        )

    def _scripts(self) -> Scripts:
        keyhole = self._base.settings.keyhole
        urls = self._settings.keyhole_urls or keyhole.public_urls
        ca_pem = read_secret(keyhole.ca_file) if keyhole.ca_file is not None else None
        return Scripts(self._base.store, self._base.keys, KeyholeAddress(urls, ca_pem), self._base.vault)

    def _job_name(self, job_id: JobId, attempt: int) -> str:
        return str(SlurmJobName(self._policy.name_prefix, self._policy.installation, job_id, attempt))

    async def _learn_config(self) -> None:
        self._config.pace(interval=await self._site.ask(), gap=0.0)
        if self._site.config is not None:
            self._policy = replace(self._policy, min_job_age=self._site.config.min_job_age)
