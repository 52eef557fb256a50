"""What an application is: the meaning of ``app.yaml``, and which parameters of a request it accepts."""

import difflib
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bwvisu.domain import asking
from bwvisu.domain.declared import Declared, Schema
from bwvisu.domain.job import Scalar, ServiceName
from bwvisu.domain.parameter import Parameter
from bwvisu.errors import Fault, InvalidInput

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""An application's name: its folder's."""
PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
RESERVED = frozenset({"access", "job", "range", "true", "false", "none", "and", "or", "not", "in", "is", "if", "else"})
"""Words that mean something else in a template."""
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = frozenset({"host", "port", "password", "url", "id", "user"})
"""What ``connect`` may mention: of the service's address as its user sees it, and of the job."""


class Port(Declared):
    """A port that the application listens on, in the order of ``KEYHOLE_PORT<I>``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    protocol: Literal["http", "https", "tcp", "vnc"]
    path: str = Field(default="", pattern=r"^(/[!-~]*)?$")
    """Where its page begins, for http and https."""


class Handover(Declared):
    """How the user is connected; texts may hold the `PLACEHOLDERS` in braces."""

    port: str = ""
    """Name of the port; empty: the first."""

    def texts(self) -> Iterable[str]:
        """Everything that may hold placeholders."""
        return ()

    @model_validator(mode="after")
    def _placeholders_known(self) -> Self:
        for text in self.texts():
            for word in PLACEHOLDER.findall(text):
                if word not in PLACEHOLDERS:
                    raise ValueError(f"knows no {{{word}}}{did_you_mean(word, PLACEHOLDERS)}")
        return self


class Link(Handover):
    """The browser opens the port's page; secrets go into the fragment, which no server sees or logs."""

    kind: Literal["link"]
    fragment: str = ""

    def texts(self) -> Iterable[str]:
        """The fragment."""
        return (self.fragment,)


class Form(Handover):
    """The browser posts a form, so that secrets travel in a body; the answer leads to the page."""

    kind: Literal["form"]
    action: str = Field(pattern=r"^/[!-~]*$")
    """Path, with query, on the port."""
    fields: Mapping[str, str] = Field(default_factory=dict)

    def texts(self) -> Iterable[str]:
        """The fields' values."""
        return self.fields.values()


class Native(Handover):
    """The user starts a program of their own."""

    kind: Literal["native"]
    command: str
    """What to type, e.g. ``vncviewer {host}::{port}``."""

    def texts(self) -> Iterable[str]:
        """The command."""
        return (self.command,)


VariableName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""A variable of the original's templates."""
Connect = Annotated[Link | Form | Native, Field(discriminator="kind")]


class Limits(Declared):
    """Bounds of this application, beside the cluster's."""

    per_user: int | None = Field(default=None, ge=1)
    """Jobs of one user that are not finished."""


class Original(Declared):
    """What this application is called in the original bwVisu's API; `domain.original` reads requests by it."""

    template_name: str = Field(alias="template-name", pattern=r"^[^/\\\r\n]+$", max_length=255)
    variables: Mapping[VariableName, str] = Field(default_factory=dict)
    """The original's variable -> our parameter, each of them once."""


class Application(Declared):
    """``app.yaml``: what users see of an application, what it asks, and how they reach it."""

    title: str = Field(min_length=1)
    summary: str = ""
    version: str = ""
    category: str = ""
    icon: str = Field(default="icon.svg", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.svg$")
    ports: tuple[Port, ...] = ()
    connect: Connect | None = None
    parameters: Mapping[str, Parameter] = Field(default_factory=dict)
    """In the order of the form."""
    start_timeout: int = Field(default=300, ge=1)
    """Seconds from Slurm's start of the job to its services' first answer."""
    idle_stop: int | None = Field(default=None, ge=60)
    """Seconds without activity after which its jobs are stopped, within the cluster's limits; None: never."""
    view_only: bool = False
    """Whether it lets those in who shall only see: by a second password, ``access.view_password``."""
    limits: Limits = Limits()
    clusters: tuple[str, ...] = ()
    """Where it can run; empty: on every cluster."""
    original: Original | None = None

    @property
    def services(self) -> tuple[ServiceName, ...]:
        """Its ports as a job's spec lists them."""
        return tuple(ServiceName(name=port.name, protocol=port.protocol, path=port.path) for port in self.ports)

    @property
    def not_for_proxies(self) -> str:
        """What of it no HTTP proxy can carry, in words; empty: all can be carried."""
        ports = [f"the port {port.name} ({port.protocol})" for port in self.ports if port.protocol != "http"]
        native = ["a program of the user's own (connect: native)"] if isinstance(self.connect, Native) else []
        return ", ".join(ports + native)

    def check(self, parameters: Mapping[str, object]) -> Mapping[str, Scalar]:
        """Every declared parameter with its value, defaults resolved, in declared order.

        Raises `InvalidInput` with a fault for each wrong, missing or unknown one.  Values are never repeated in it.
        """
        unknown = (name for name in parameters if name not in self.parameters)
        faults = [self._unknown(name) for name in islice(unknown, 20)]
        values, wrong = asking.read(self.parameters, parameters)
        faults += [Fault(pointer(name), f"{name} {why}") for name, why in wrong.items()]
        if faults:
            raise InvalidInput(faults)
        return values

    def json_schema(self) -> Schema:
        """JSON Schema (2020-12) of the parameters; ``properties`` are in the order of the form."""
        return asking.json_schema(self.title, self.parameters)

    def on(self, cluster: str) -> Self:
        """The application as this cluster has it: with its limits, choices and defaults."""
        return self.model_copy(update={"parameters": {n: each.on(cluster) for n, each in self.parameters.items()}})

    def differs_on(self, cluster: str) -> bool:
        """Whether anything that it asks is narrower there."""
        return any(cluster in parameter.narrower for parameter in self.parameters.values())

    def _unknown(self, name: str) -> Fault:
        return Fault(pointer(name), f"there is no parameter {shown(name)}{did_you_mean(name, self.parameters)}")

    @field_validator("parameters")
    @classmethod
    def _names(cls, parameters: Mapping[str, Parameter]) -> Mapping[str, Parameter]:
        for name in parameters:
            if not PARAMETER_NAME.fullmatch(name) or name in RESERVED:
                raise ValueError(f"{shown(name)} cannot be a name: lower-case letters, digits and _, no word of Jinja2")
        asking.check_conditions(parameters)
        return parameters

    @model_validator(mode="after")
    def _references(self) -> Self:
        names = [port.name for port in self.ports]
        if len(set(names)) < len(names):
            raise ValueError("two ports have the same name")
        for name, parameter in self.parameters.items():
            for cluster in parameter.narrower:
                if self.clusters and cluster not in self.clusters:
                    near = did_you_mean(cluster, self.clusters)
                    raise ValueError(f"{name} names the cluster {cluster!r}, where the application does not run{near}")
        if self.connect and (self.connect.port not in ("", *names) or not names):
            raise ValueError(f"connect needs a port that is declared{did_you_mean(self.connect.port, names)}")
        return self

    @model_validator(mode="after")
    def _original_is_complete(self) -> Self:
        """Whatever a request must say can be said by the original's variables, and in one way only."""
        if self.original is None:
            return self
        targets = tuple(self.original.variables.values())
        for target in targets:
            if target not in self.parameters:
                raise ValueError(f"original names no parameter: {shown(target)}{did_you_mean(target, self.parameters)}")
            if targets.count(target) > 1:
                raise ValueError(f"original has two variables for the parameter {target}")
        for name, parameter in self.parameters.items():
            if parameter.when_absent is None and name not in targets:
                raise ValueError(f"original has no variable for the parameter {name}, which is required")
        return self


def pointer(name: str, inside: str = "/parameters") -> str:
    """RFC 6901 pointer to a parameter in a request's body; long names are cut."""
    return f"{inside}/" + _encodable(name).replace("~", "~0").replace("/", "~1")


def shown(name: str) -> str:
    """A hostile name, printable and short."""
    return repr(_encodable(name))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A further sentence with the nearest known word, or nothing."""
    near = difflib.get_close_matches(word[:80], list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def fill(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its placeholders replaced, in one pass: a value is never searched for placeholders."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _encodable(name: str) -> str:
    """Cut, and without the halves of characters that JSON can smuggle in and UTF-8 cannot carry out."""
    return name[:80].encode(errors="backslashreplace").decode()
