"""The wiring: what each role is made of.  ``bwvisu serve ROLE`` runs one of them, ``all`` runs them in one process.

Law: only here are the parts put together, and only here meet bwvisu and the keyhole's API and reconcilers.  Nothing
is decided here.

=============  =====================================================================================
``api``        REST, on mirrors of specs and status; writes what is wanted
``keyhole``    the jobs' API, on a mirror of forwards; writes what jobs ask for and report
``reconciler`` stands for election; the leader runs one `ClusterTerm` per cluster until its term ends
``portal``     web pages, from what the REST API says; no store
=============  =====================================================================================
"""

from bwvisu.roles.serve import Role, serve

__all__ = ["Role", "serve"]
