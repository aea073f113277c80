"""The root of every error that tracker raises on purpose, sorted by who must act.

    TrackerError              something failed; exit code 1
      WrongUse                the caller or the operator must change what was typed; exit code 2
        InvalidReference      an image name, digest or platform that breaks the naming rules
        DockerfileError       a Dockerfile that the builder would refuse; always with file:line
        ConfigError           settings (raised in tracker.settings.settings)
      StoreError              the database cannot be used as asked
        StoreBusy             another process holds it; later it can be
      RegistryError           what a registry answered (subclasses in rebuild.images.registry)
      EngineError             what the engine lacks or refused (subclasses in rebuild.engines.engine)

Anything else that escapes is a defect of tracker: its traceback goes to the log.
"""


class TrackerError(Exception):
    """A failure with a message for people: the thing, the place and the rule; `hint` is the way out."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongUse(TrackerError):
    """What was typed, configured or written in a file has to change; nothing was done."""

    exit_code = 2


class InvalidReference(WrongUse):
    """An image name, digest or platform that no registry would take."""


class StoreError(TrackerError):
    """The database is missing, newer than this program, or not ours."""


class StoreBusy(StoreError):
    """Another process has held the database for longer than anybody should; nothing was written."""
