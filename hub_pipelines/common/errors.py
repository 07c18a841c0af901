"""The two kinds of failure that decide what happens next, and the one place that tells them apart.

Belongs here: the base classes that say *who retries*. Not here: a stage's own errors, which derive
from these beside the code that raises them; how often and when (submission/retry.py).
"""


class HubError(Exception):
    """Base of every error that the hub raises on purpose. Its text is meant for the reader it reaches."""


class Permanent(HubError):
    """Trying again cannot help: the submission goes to review. Nobody retries.

    `cause` is the review cause, one of `submission.model.Cause`;
    `fix` tells the sender, in plain words, what to do next.
    """

    cause = "unreadable"

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


class Transient(HubError):
    """Trying again may help (database locked, disk full, connection lost): the hub retries with backoff."""


def may_pass(error: BaseException) -> bool:
    """Whether the hub tries again by itself.

    An error that nobody foresaw may pass too: a bug of the hub must not send a sender's file to review at its
    first sight. It is tried as often as any other and then waits for a person with its trace.
    """
    return not isinstance(error, Permanent)


class SettingsError(HubError):
    """A setting is missing or wrong; the text names the setting and the fix. The operator retries."""
