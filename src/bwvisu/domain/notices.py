"""What was said of a job by mail."""

from collections.abc import Mapping

from pydantic import AwareDatetime

from bwvisu.domain.job import Notice, Record


class Notices(Record):
    """The record ``notices/{id}``: which mails about a job were begun.  Written by the leader, before each of them."""

    begun: Mapping[Notice, AwareDatetime] = {}
