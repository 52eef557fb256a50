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
``publish``           shows the cluster's state to the API        -
====================  ==========================================  =======================

No loop waits for another: a slow gateway or Slurm delays only its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

from bwvisu.adapters.gateway_shell import SshGatewayShell
from bwvisu.adapters.job_script import KeyholeAddress
from bwvisu.adapters.slurm import SlurmCluster
from bwvisu.adapters.ssh import Wire
from bwvisu.domain.cluster import Installation
from bwvisu.domain.job import JobId
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
    gateway_nodes,
    own_addresses,
    policy_of,
    slurm_settings,
    ssh_settings,
)
from bwvisu.roles.mail import mail_loops
from bwvisu.roles.nodes import Nodes
from bwvisu.settings import ClusterSettings
from keyhole.domain import Gateway
from keyhole.interfaces import GatewayShell
from keyhole.reach import EVERY as KNOCK_EVERY
from keyhole.reach import Reach
from keyhole.reconciler import (
    ActivityBoard,
    ActivityWatch,
    ForwardsReconciler,
    GatewayBoard,
    GatewaySync,
    Knocker,
    ListeningShell,
    ProbeBoard,
    Prober,
)

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
    ) -> None:
        self._name = name
        self._settings: ClusterSettings = base.settings.clusters[name]
        self._base = base
        self._records = records
        self._writer = writer
        self._wire = wire
        self._dispatcher = dispatcher
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
        self._probes = ProbeBoard(self._seen_anew)
        self._gateway_board = GatewayBoard()
        known = partial(totals, records)
        self._activity = ActivityBoard(self._seen_anew, known, self._settings.forwards.activity.record_every)
        self._boards = Boards(self._probes, self._activity)
        self._views = Views(name, records, self._boards)
        self._watcher = Watcher(
            name,
            self._slurm,
            self._looked,
            poll_interval=self._settings.slurm.poll_interval,
            clock=base.monotonic,
        )
        self._accounts = self._make_accounts()
        self._jobs = self._loop("jobs", self._make_jobs().reconcile, interval=2.0, gap=0.02)
        self._account_loop = self._loop("accounts", self._accounts.reconcile, interval=30.0)
        self._config = self._loop("config", self._learn_config, interval=EVERY)
        quota = QuotaReconciler(name, records, writer)
        self._quota = self._loop("quota", quota.reconcile, interval=10.0, gap=0.2)
        self._mail = mail_loops(name, base, records, writer)
        self._books = LeaderBooks(name, records, writer, base.wall)
        nodes = command_nodes(self._settings)
        self._nodes = Nodes(name, records, self._books, wire, nodes, self._gateway_board, self._activity)
        self._make_forwards(drawn)
        self._publish = self._loop("publish", self._make_publisher().reconcile, interval=2.0)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, name: str, base: Base, drawn: Installation, records: Records, writer: Writer
    ) -> AsyncIterator["ClusterTerm"]:
        """Open connections for the term; leaving ends what is still at work, then closes them."""
        async with (
            aclosing(base.connect(ssh_settings(base.settings.clusters[name]))) as wire,
            Dispatcher(VERBS_AT_ONCE) as dispatcher,
        ):
            yield cls(name, base, drawn, records, writer, wire, dispatcher)

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
            self._retire,
            self._serve,
            self._move,
            self._publish,
            *self._mail,
            *self._syncs.values(),
            *self._probers,
            *self._watches,
            *self._knockers,
        )
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop.run())

    # ---- who nudges whom --------------------------------------------------------------------------------------

    def _changed(self, kind: str, tail: str) -> None:
        if kind in JOB_KINDS:
            self._views.changed(tail.partition("/")[0])
            self._jobs.nudge()
        if kind in {"requests", "reports", "specs", "status"}:
            self._nudge_forwards()
        if kind == "forwards":
            self._retire.nudge()  # a grant may be news of a job that has ended while it was written
        if kind == "admissions":
            self._admissions_changed(tail)
        if kind == "lookups":
            self._account_loop.nudge()
        if kind == "gateways":
            self._publish.nudge()
            self._move.nudge()
        if kind in {"status", "quota"}:
            self._quota.nudge()

    def _admissions_changed(self, job_id: JobId) -> None:
        forwards = self._records.forwards.get(job_id)
        for gateway in {grant.gateway for grant in forwards.grants} & self._syncs.keys() if forwards else ():
            self._syncs[gateway].nudge()

    def _looked(self) -> None:
        self._jobs.nudge()
        self._nudge_forwards()

    def _seen_anew(self, job_id: JobId) -> None:
        self._views.changed(job_id)
        self._jobs.nudge()

    def _nudge_forwards(self) -> None:
        self._retire.nudge()
        self._serve.nudge()

    def _gateway_changed(self, gateway: str) -> None:
        if gateway in self._syncs:  # the settings may have lost one that carries something
            self._syncs[gateway].nudge()

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
        return Scripts(self._base.store, self._base.keys, KeyholeAddress(urls, ca_pem))

    def _make_forwards(self, drawn: Installation) -> None:
        gateways = self._settings.gateways_by_name()
        policy = self._settings.forward_policy(own_addresses(self._base.settings))
        books = self._books
        clock = self._base.monotonic
        reach = Reach(gateways, policy.move_after)
        shell = ListeningShell(SshGatewayShell(self._wire, gateway_nodes(self._settings)), reach, clock)
        forwards = ForwardsReconciler(
            policy=policy,
            gateways=gateways,
            books=books,
            tenants=LeaderTenants(self._views, self._watcher, lambda: self._policy, self._records),
            shell=shell,
            board=self._gateway_board,
            clock=clock,
            drained=self._nodes.drained,
            left=lambda: reach.lost(clock()) | self._nodes.vacated(),
            connections=self._activity.connections,
            on_change=self._gateway_changed,
        )
        self._retire = self._loop("retire", forwards.retire, interval=2.0, gap=0.05)
        self._serve = self._loop("serve", forwards.serve, interval=2.0, gap=0.05)
        self._move = self._loop("move", forwards.move, interval=1.0, gap=0.05)
        self._syncs: dict[str, Loop] = {}
        self._probers: list[Loop] = []
        self._watches: list[Loop] = []
        self._knockers: list[Loop] = []
        for name, gateway in gateways.items():
            sync = GatewaySync(
                gateway=gateway,
                installation=drawn.id,
                policy=policy,
                books=books,
                shell=shell,
                office=LeaderOffice(self._writer.leadership, drawn.generation),
                board=self._gateway_board,
                clock=clock,
            )
            knocker = Knocker(gateway=gateway, shell=shell, reach=reach, clock=clock)
            prober = Prober(gateway=gateway, books=books, shell=shell, board=self._probes)
            self._syncs[name] = self._loop(f"sync:{name}", sync.reconcile, interval=5.0, gap=0.05)
            self._probers.append(self._loop(f"probe:{name}", prober.reconcile, interval=0.5))
            self._watches.append(self._watch_activity(gateway, books, shell))
            self._knockers.append(self._loop(f"knock:{name}", knocker.reconcile, interval=KNOCK_EVERY))

    def _watch_activity(self, gateway: Gateway, books: LeaderBooks, shell: GatewayShell) -> Loop:
        watch = ActivityWatch(
            gateway=gateway,
            books=books,
            shell=shell,
            board=self._activity,
            clock=self._base.monotonic,
            wall=self._base.wall,
            installation=self._policy.installation,
        )
        every = self._settings.forwards.activity.interval
        return self._loop(f"activity:{gateway.name}", watch.reconcile, interval=every)

    def _job_name(self, job_id: JobId, attempt: int) -> str:
        return str(SlurmJobName(self._policy.name_prefix, self._policy.installation, job_id, attempt))

    async def _learn_config(self) -> None:
        self._config.pace(interval=await self._site.ask(), gap=0.0)
        if self._site.config is not None:
            self._policy = replace(self._policy, min_job_age=self._site.config.min_job_age)
