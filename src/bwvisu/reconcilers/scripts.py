"""The batch script of a job's attempt, rendered from the stored bundle and from nothing else."""

from dataclasses import dataclass, field

from bwvisu.adapters.bundles import Source
from bwvisu.adapters.etcd import Store
from bwvisu.adapters.job_script import KeyholeAddress, job_script
from bwvisu.adapters.records import Keys
from bwvisu.adapters.vault import Vault
from bwvisu.domain.job import JobSpec
from bwvisu.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Scripts:
    """Renders scripts of one cluster's jobs."""

    store: Store
    keys: Keys
    keyhole: KeyholeAddress
    vault: Vault = field(default_factory=Vault)

    async def __call__(self, spec: JobSpec, attempt: int) -> bytes:
        """The script of one attempt.

        Raises `OperatorError` or `UserError` where it cannot be rendered, `EtcdError` where the store does not answer,
        `KeyMissing` where we have not been given what the job's secret is sealed with.
        """
        secret = self.vault.open(spec.id, await self._value(self.keys.secret(spec.id), "secret"))
        source = Source.parse(await self._value(self.keys.bundle(spec.bundle), "application bundle"), spec.bundle)
        return job_script(source, spec, attempt, secret, self.keyhole).encode()

    async def _value(self, key: str, what: str) -> bytes:
        entry = await self.store.get(key)
        if entry is None:
            raise OperatorError(f"the job's {what} is not in the store")
        return entry.value
