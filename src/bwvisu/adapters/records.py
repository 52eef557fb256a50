"""Where each record lies in etcd, and how it is read and written.

Kind comes first in every key, because etcd grants rights by contiguous ranges.  One key, one writing role:

================================  ====================  =============================================
key below ``<prefix>/v1/``        writer                holds
================================  ====================  =============================================
``specs/{id}``                    api                   `JobSpec`
``secrets/{id}``                  api                   the job's secret, raw bytes
``bundles/{digest}``              api                   an application bundle's text
``idempotency/{client}/{key}``    api                   `IdempotencyRecord`
``lookups/{cluster}/{user}``      api                   `UserLookup`
``gateways/{cluster}/{gateway}``  api                   `Drain`
``quota/{cluster}/{user}``        api and leader        `Quota`
``admissions/{id}``               api                   `Admissions`
``shares/{id}``                   api                   `Shares`
``preferences/{user}``            api                   `Preferences`
``audit/{replica}/{page}``        this replica of api   `AuditPage`
``users/{cluster}/{user}``        leader                `ClusterUser`
``status/{id}``                   leader                `JobStatus`
``notices/{id}``                  leader                `Notices`
``forwards/{id}``                 leader                `JobForwards`
``clusters/{name}``               leader                `ClusterView`
``requests/{id}/{run}``           keyhole               `PortRequest`
``reports/{id}/{run}.{seq}``      keyhole               `Report`
``installation``                  first, then leader    `Installation`
``leader``                        leadership            `LeaderRecord`
================================  ====================  =============================================

``quota/`` has two writers, which is why both compare-and-swap: the API takes a place in the transaction that accepts
the job, the leader gives it back.  The leader deletes everything of a job once its retention has passed.
``installation`` is drawn by whoever comes first; a leader notes its release in it, and `bwvisu.roles.state` its
generation while no leader can be: all compare the revision.  Every role reads it, since it says who may run.
"""

from dataclasses import dataclass

from bwvisu.adapters.formats import decode, encode
from bwvisu.domain.job import JobId
from keyhole.domain import Run

__all__ = ["Keys", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class Keys:
    """Builds and reads keys below one prefix, e.g. ``/bwvisu``."""

    prefix: str = "/bwvisu"

    @property
    def root(self) -> str:
        """Prefix of everything, with the layout's version."""
        return f"{self.prefix}/v1/"

    def kind(self, kind: str) -> str:
        """Prefix of all records of one kind."""
        return f"{self.root}{kind}/"

    def kind_of(self, key: str) -> str:
        """The kind of a key: ``.../status/abc`` -> ``status``."""
        return key.removeprefix(self.root).partition("/")[0]

    def job_of(self, key: str) -> JobId:
        """The first part behind the kind: ``.../reports/abc/1.0.3`` -> ``abc``."""
        return self.tail(key).partition("/")[0]

    def tail(self, key: str) -> str:
        """What follows the kind: ``.../status/abc`` -> ``abc``."""
        return key.removeprefix(self.root).partition("/")[2]

    def spec(self, job_id: JobId) -> str:
        """Key of a job's `JobSpec`."""
        return self.kind("specs") + job_id

    def secret(self, job_id: JobId) -> str:
        """Key of a job's secret."""
        return self.kind("secrets") + job_id

    def status(self, job_id: JobId) -> str:
        """Key of a job's `JobStatus`."""
        return self.kind("status") + job_id

    def notices(self, job_id: JobId) -> str:
        """Key of a job's `Notices`."""
        return self.kind("notices") + job_id

    def admissions(self, job_id: JobId) -> str:
        """Key of a job's `Admissions`."""
        return self.kind("admissions") + job_id

    def shares(self, job_id: JobId) -> str:
        """Key of a job's `Shares`."""
        return self.kind("shares") + job_id

    def forwards(self, job_id: JobId) -> str:
        """Key of a job's `JobForwards`."""
        return self.kind("forwards") + job_id

    def requests(self, job_id: JobId) -> str:
        """Prefix of a job's `PortRequest` records."""
        return f"{self.kind('requests')}{job_id}/"

    def request(self, job_id: JobId, run: Run) -> str:
        """Key of one run's `PortRequest`."""
        return f"{self.requests(job_id)}{run}"

    def reports(self, job_id: JobId) -> str:
        """Prefix of a job's `Report` records."""
        return f"{self.kind('reports')}{job_id}/"

    def report(self, job_id: JobId, run: Run, seq: int) -> str:
        """Key of one `Report`."""
        return f"{self.reports(job_id)}{run}.{seq}"

    def bundle(self, digest: str) -> str:
        """Key of an application bundle's text."""
        return self.kind("bundles") + digest

    def idempotency(self, client: str, key_digest: str) -> str:
        """Key of an idempotency record; ``key_digest`` is the hash of the client's key, so any text is safe."""
        return f"{self.kind('idempotency')}{client}/{key_digest}"

    def lookup(self, cluster: str, user: str) -> str:
        """Key of a question about an account."""
        return f"{self.kind('lookups')}{cluster}/{user}"

    def user(self, cluster: str, user: str) -> str:
        """Key of the answer about an account."""
        return f"{self.kind('users')}{cluster}/{user}"

    def quota(self, cluster: str, user: str) -> str:
        """Key of the `Quota` of a person."""
        return f"{self.kind('quota')}{cluster}/{user}"

    def gateway(self, cluster: str, gateway: str) -> str:
        """Key of a gateway's `Drain`."""
        return f"{self.kind('gateways')}{cluster}/{gateway}"

    def preferences(self, user: str) -> str:
        """Key of a person's `Preferences`."""
        return self.kind("preferences") + user

    def audit(self, replica: str, page: int) -> str:
        """Key of an `AuditPage`."""
        return f"{self.kind('audit')}{replica}/{page:02}"

    def cluster(self, name: str) -> str:
        """Key of a cluster's `ClusterView`."""
        return self.kind("clusters") + name

    @property
    def installation(self) -> str:
        """Key of the `Installation`."""
        return f"{self.root}installation"

    @property
    def leader(self) -> str:
        """Key that the leader holds by its lease."""
        return f"{self.root}leader"
