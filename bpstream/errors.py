"""Every error bpstream raises.

BPStreamError
├── SettingsError          a BPSTREAM_* variable is unknown or unusable (exit status 2)
├── StartError             the worker cannot start or go on as it is (exit status 1)
├── FileError              a file cannot be read, or does not hold what it should
├── ModelError             a model file is missing, damaged or of another kind
├── RejectedObservation    data that cannot be used: it becomes a dead letter
├── SinkError              a store did not take a batch; writing it again may succeed
├── NotFound               what a person asks about is not there
└── Conflict               what a person asks does not go with how things are
"""


class BPStreamError(Exception):
    """The root: `except BPStreamError` catches what bpstream itself raises."""


class SettingsError(BPStreamError):
    """A setting is unknown or cannot be read; the message names it and what would do."""


class StartError(BPStreamError):
    """The worker cannot do its work as it is configured; retrying would not help."""


class FileError(BPStreamError):
    """A file or folder cannot be read, or does not hold what it should."""


class ModelError(BPStreamError):
    """A model cannot be served: the message names the file and what is wrong with it."""


class RejectedObservation(BPStreamError):
    """Input without a usable blood pressure; it becomes a dead letter.

    `reason` is one of a short fixed list, fit for a metric label; `path` is the
    FHIRPath of the element at fault and `found` what stood there.
    """

    def __init__(self, reason: str, *, path: str, found: object) -> None:
        self.reason, self.path, self.found = reason, path, found
        super().__init__(f"{reason}: {path} is {found!r}")


class SinkError(BPStreamError):
    """A store is away, slow or full.  The batch was not (all) stored; write it again."""


class NotFound(BPStreamError):
    """What a person asks about is not there, or is not there any more."""


class Conflict(BPStreamError):
    """What a person asks does not go with how things are; `told` is how they are, as JSON."""

    def __init__(self, sentence: str, **told: object) -> None:
        self.told = told
        super().__init__(sentence)
