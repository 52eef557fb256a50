"""What the API says of a wrong request, as a sentence beside a field and in the reader's language.  Pure.

The API's sentences begin with the parameter's name, for whoever sends JSON.  On a page the field has a title.
"""

import re
from collections.abc import Callable, Mapping

from bwvisu.portal.texts import _

Translate = Callable[[str], str]
SAYINGS: Mapping[str, str] = {
    # a value
    r"is required": _("Please fill this in."),
    r"must not be empty": _("Please fill this in."),
    r"must be a whole number": _("Please type a whole number."),
    r"must be a number": _("Please type a number."),
    r"must be a finite number of usual size": _("Please type a number of usual size."),
    r"must be at least (?P<limit>.+)": _("It must be at least %(limit)s."),
    r"must be at most (?P<limit>.+)": _("It must be at most %(limit)s."),
    r"must be true or false": _("It must be yes or no."),
    r"must be one of (?P<choices>.+)": _("It must be one of: %(choices)s."),
    r"must have at most (?P<length>\d+) characters": _("It must have at most %(length)s characters."),
    r"must match (?P<pattern>.+)": _("It must have the form %(pattern)s."),
    r"must be one line of text without control characters": _("It must be one line of text."),
    r"must be a path, absolute or .*": _(
        "It must be a path, absolute or from your home directory, and not begin with - or ~."
    ),
    r"is asked only where .*": _("It is not asked with these values."),
    r"should be (0, or )?from (?P<least>\d+) to (?P<most>\d+)": _("It must be from %(least)s to %(most)s."),
    r"should be a valid integer.*": _("Please type a whole number."),
    r"should be greater than or equal to (?P<limit>\d+)": _("It must be at least %(limit)s."),
    r"should be less than or equal to (?P<limit>\d+)": _("It must be at most %(limit)s."),
    r"this cluster stops jobs of this application when nobody uses them": _(
        "This cluster stops sessions of this application when nobody uses them."
    ),
    # a request
    r"this Idempotency-Key was sent before with another body.*": _(
        "Your first try was taken after all, with the values that you had then: look at My sessions. "
        "To start another one, open the application anew."
    ),
    r"the service did not answer in time, so it is not known .*": _(
        "The service did not answer in time, so it is not known whether the session was started. "
        "Launch again: nothing is started twice."
    ),
    r"a preset needs a name of at most (?P<most>\d+) characters\.": _(
        "A preset needs a name of at most %(most)s characters."
    ),
    r"there are (?P<most>\d+) presets already; remove one first\.": _(
        "There are %(most)s presets already; remove one first."
    ),
    r"somebody else has just changed your presets\. Please try again\.": _(
        "Your presets were changed elsewhere just now. Please try again."
    ),
    r"you have no account on a cluster that runs this application\.": _(
        "You have no account on a cluster that runs this application."
    ),
    r"this page was too old\. Please try again\.": _("This page was too old. Please try again."),
    r"only administrators may see this page\.": _("Only administrators may see this page."),
    r"the portal's token does not suffice: this needs the scope (?P<scope>.+)\.": _(
        "The portal's token lacks the scope “%(scope)s”, which this page needs: give it one that has it."
    ),
    r"the service does not answer at the moment\.": _("The service does not answer at the moment."),
    r"the form (is too long|cannot be read)\.": _("The form cannot be read."),
    r"there is no such (job|gateway|page|application.*)|no such job|not found": _(
        "What you look for does not exist, or is not yours."
    ),
    r"(?P<used>\d+) jobs.* are not finished, and one person may have (?P<allowed>\d+).*": _(
        "%(used)s of your sessions there have not ended, and %(allowed)s are allowed: stop one, or wait until one ends."
    ),
    r"the job is \w+, not available": _("The session is not ready."),
    r"the run time of this session cannot be changed\.": _("The run time of this session cannot be changed."),
    r"there is no such cluster": _("There is no such cluster."),
    r"the application does not run there": _("The application does not run there."),
    r"its gateways carry HTTP applications only, .*": _(
        "The application cannot be reached there: the cluster's gateways carry web pages only."
    ),
    r"runs on none of the clusters": _("The application runs on none of the clusters."),
    r"this cluster does not let a job's run time be changed\.": _(
        "This cluster does not let a session's run time be changed."
    ),
    r"(?P<who>.+) allows at most (?P<minutes>\d+) minutes\.": _("At most %(minutes)s minutes are allowed."),
    r"it is not in the cluster's queue yet\.": _("It is not in the cluster's queue yet."),
    r"it is ending\.": _("It is ending."),
    r"it is over\.": _("It is over."),
    r"it was told to stop\.": _("It was told to stop."),
    # who else may enter, and from where
    r"is not an IP address": _("That is no IP address."),
    r"is neither an IP address nor a network such as .*": _("That is neither an IP address nor a network."),
    r"is a network; this site lets single .*": _("This site lets single addresses be admitted only."),
    r"is too wide: .* networks from (?P<prefix>/\d+) be admitted": _("That network is too wide: at least %(prefix)s."),
    r"is or holds .*, from which nobody reaches a gateway": _("Nobody reaches a session from that address."),
    r".+ is IPv[46], and the job's gateway has an IPv(?P<version>[46]) address only; .*": _(
        "The session is reached by IPv%(version)s only: admit the address that you have there."
    ),
    r"(?P<count>\d+) addresses are admitted already; revoke one of them": _(
        "%(count)s addresses are admitted already: revoke one of them."
    ),
    r"it is shared (?P<count>\d+) times already; revoke one of them": _(
        "It is shared %(count)s times already: revoke one of them."
    ),
    r"the job is over, or was told to stop": _("The session is over, or is being stopped."),
    r"(?P<title>.+) cannot let somebody in who shall only see": _("%(title)s cannot let people in who only see."),
    r"this link is not valid, or not any more": _("This link is not valid, or not any more."),
    r"this site does not let jobs be shared": _("This site does not let sessions be shared."),
    r"is not a user name of a cluster": _("No cluster has such a user name."),
    r"owns the job": _("The session is yours already."),
    r"this session is not shared with you any more\.": _("This session is not shared with you any more."),
}
"""How the API says it (without the name in front, whatever the first letter's case), and how a page does."""


def beside(name: str, detail: str, translate: Translate) -> str:
    """What is wrong with the field of a parameter."""
    return said(detail.removeprefix(f"{name} "), translate)


def said(detail: str, translate: Translate) -> str:
    """The same in the reader's language, as far as it is known; else as it is."""
    for pattern, saying in SAYINGS.items():
        if match := re.fullmatch(pattern, detail.strip(), re.IGNORECASE | re.DOTALL):
            return translate(saying) % match.groupdict()
    return detail[:1].upper() + detail[1:]
