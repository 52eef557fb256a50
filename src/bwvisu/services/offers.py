"""What of the catalogue can run where, and on what terms.  Pure."""

from collections.abc import Mapping

from bwvisu.domain.application import Application
from bwvisu.services.idle import resolve
from bwvisu.settings import ClusterSettings, ForwardSettings


def not_carried(application: Application, forwards: ForwardSettings) -> str:
    """Why nobody would ever reach the application through these gateways; empty: they carry it."""
    others = application.not_for_proxies if forwards.proxied else ""
    return f"its gateways carry HTTP applications only, and this one has {others}" if others else ""


def runs_on(application: Application, clusters: Mapping[str, ClusterSettings]) -> tuple[str, ...]:
    """Where it may run and can be reached, in the order of the settings."""
    return tuple(
        name
        for name, settings in clusters.items()
        if name in (application.clusters or clusters) and not not_carried(application, settings.forwards)
    )


def usual_idle_stops(application: Application, clusters: Mapping[str, ClusterSettings]) -> dict[str, int]:
    """By cluster, where its jobs are stopped when nobody uses them and nobody says otherwise: in minutes."""
    usual = {name: resolve(None, application, settings.limits.idle_stop) for name, settings in clusters.items()}
    return {name: seconds // 60 for name, seconds in usual.items() if seconds is not None}
