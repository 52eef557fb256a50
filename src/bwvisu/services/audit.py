"""The audit trail: one function writes every record, as a line of the log under a name of its own."""

import structlog

from bwvisu.correlation import request_id
from bwvisu.domain.audit import AuditRecord

log = structlog.get_logger("bwvisu.audit")


def audit(record: AuditRecord) -> None:
    """Write one record; see ``docs/audit.md`` for the line's schema."""
    log.info("audit", **{**record.model_dump(mode="json"), "request": record.request or request_id()})
