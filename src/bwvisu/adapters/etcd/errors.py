"""What can go wrong with etcd, sorted by who must act.

EtcdError
├── EtcdUnavailable        time: nothing was changed, try again
├── OutcomeUnknown         the caller: read back, then decide
├── Compacted              the caller: list anew
├── LeaseLost              the caller: what hung on the lease is gone
├── TransactionTooLarge    the programmer: ask for less in one transaction
└── EtcdRefused            a person: password, rights, certificates
    └── EtcdFull           a person: free space, then clear the alarm
"""

from bwvisu.errors import BwvisuError, OperatorError, TryAgain


class EtcdError(BwvisuError):
    """Anything that etcd, or the way to it, did wrong."""


class EtcdUnavailable(EtcdError, TryAgain):
    """Time must act: no member answered within the deadline, and nothing was changed."""


class OutcomeUnknown(EtcdError):
    """The caller must read back before deciding: the write was sent and may be applied, even later."""


class Compacted(EtcdError):
    """The caller must list anew: etcd does not hold that revision, since it was compacted or never was here."""


class LeaseLost(EtcdError):
    """The caller must start over: the lease has run out and its keys are gone."""


class TransactionTooLarge(EtcdError):
    """The programmer must ask for less: more operations or bytes than etcd takes in one transaction."""


class EtcdRefused(EtcdError, OperatorError):
    """A person must act: etcd turned us away (password, rights, certificate) or calls the request wrong."""


class EtcdFull(EtcdRefused):
    """A person must act: etcd's space quota is used up (alarm NOSPACE), it only reads until that is cleared."""
