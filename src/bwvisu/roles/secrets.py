"""Sealing the stored secrets of jobs anew, outside of any role."""

from bwvisu.adapters.records import Keys
from bwvisu.adapters.vault import read_vault, rotate
from bwvisu.errors import OperatorError
from bwvisu.roles.base import open_store
from bwvisu.roles.installation import refuse_the_future
from bwvisu.settings import Settings


async def rotate_secrets(settings: Settings) -> tuple[int, int]:
    """How many were sealed anew with the first key, and how many secrets there are; see `vault.rotate`."""
    vault = read_vault(settings.secrets.key_files)
    if not vault.sealing:
        raise OperatorError("secrets.key_files names no key: make one with `bwvisu secrets create-key`")
    keys = Keys(settings.etcd.prefix)
    async with open_store(settings.etcd) as store:
        await refuse_the_future(store, keys)
        return await rotate(store, keys, vault)
