"""A task file as it is written to the text that is carried out: aliases, secrets and templates, in order.

    text → without comments → version → aliases replaced → rendered without secrets → rendered whole

Asks nobody: secrets come by a call of the caller's, alias sources by another.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import field

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.alias_rules import IMAGE_ALIASES
from rebuild.aliases import Aliases, AliasSources, parts, read_aliases, replaced
from rebuild.runs.run_variables import RunVariables
from rebuild.secrets.mask import masked
from rebuild.secrets.secret import Secret
from rebuild.taskfile.fields import Fields
from rebuild.taskfile.model import SecretSource
from rebuild.taskfile.problem import Problems
from rebuild.taskfile.sections import read_secrets
from rebuild.taskfile.yaml_nodes import Mapping as YamlMapping
from rebuild.taskfile.yaml_nodes import read_nodes
from rebuild.template import ForNothing, Limits, NumberedText, Surroundings, TemplateError, render
from rebuild.template.budget import Budget
from rebuild.template.error import Fault, refuse
from rebuild.template.functions.conversion import to_json
from rebuild.template.value import adopt
from rebuild.written_text import BYTES_MOST

ALIASES_SINCE = "v1.1.0"
_VERSION = re.compile(r"version[ \t]*:[ \t]*(?P<text>[^#]*?)[ \t]*(?:#.*)?")
_VERSION_IN_BRACES = re.compile(
    r"""\s*\{(?!\{).*?(?<=[{,\s])(?P<quote>["']?)version(?P=quote)\s*:\s*["']?(?P<text>[\w.-]+)""", re.DOTALL
)

Resolve = Callable[[tuple[SecretSource, ...]], Mapping[str, Secret]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text to carry out. It may hold the text of `secrets`, so no representation shows it."""

    text: str = field(repr=False)
    version: str  # as written, lower case; empty where none is
    secrets: tuple[Secret, ...]  # what was put in, for hiding it in logs and messages
    original_line: Callable[[int], int] = field(repr=False)  # from a line of the text to one of the file
    expand_image: Callable[[str], str] = field(repr=False)  # the image for the first word of a cmd


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task file whose aliases are replaced and whose secrets are known by name."""

    wanted: tuple[SecretSource, ...]
    _version: str
    _template: _Template

    def rendered(self, secrets: Mapping[str, Secret], *, for_nothing: ForNothing | None = None) -> Rendered:
        """The text with the secrets, which are given by id, in it; raise `TemplateError`.

        `for_nothing` says what stands where a value is missing or empty.
        """
        missing = next((source.id for source in self.wanted if source.id not in secrets), None)
        if missing is not None:
            raise WrongUse(f"{self._template.path}: secret {missing!r} was not resolved")
        text = self._template.render(secrets, for_nothing=for_nothing)
        if not text.text.strip():
            raise refuse(self._template.path, 1, "nothing is left of the file once it is rendered")
        return Rendered(
            text.text,
            self._version,
            self._template.known(secrets),
            text.number,
            lambda word: self._template.image(word, secrets),
        )


def render_task(
    text: str,
    *,
    path: str,
    run: RunVariables,
    surroundings: Surroundings,
    values: Mapping[str, object] | None = None,
    resolve: Resolve = lambda wanted: {},
    images: Mapping[str, str] = IMAGE_ALIASES,
    sources: AliasSources | None = None,
    limits: Limits | None = None,
) -> Rendered:
    """Render the task file that `text` writes; see `prepare_task`. `resolve` gives its secrets by id."""
    prepared = prepare_task(
        text,
        path=path,
        run=run,
        surroundings=surroundings,
        values=values,
        images=images,
        sources=sources,
        limits=limits,
    )
    return prepared.rendered(resolve(prepared.wanted) if prepared.wanted else {})


def prepare_task(
    text: str,
    *,
    path: str,
    run: RunVariables,
    surroundings: Surroundings,
    values: Mapping[str, object] | None = None,
    images: Mapping[str, str] = IMAGE_ALIASES,
    sources: AliasSources | None = None,
    limits: Limits | None = None,
) -> Prepared:
    """Do all that needs no secret: whoever asks for secrets without waiting for them calls this first.

    `values` are text, numbers, booleans, lists and maps; one that is a `Secret` is put in as its text.
    `images` are the aliases of images, which a file may overrule. Raise `TemplateError`, `TaskFileError`
    or, for an alias source that cannot be fetched now, `SourceUnavailable`.
    """
    if len(text) > BYTES_MOST:
        raise refuse(path, 1, f"the file has more than {BYTES_MOST:,} characters")
    task = _without_comments(text)
    version = _version(task)
    template = _Template(path, task, run, values or {}, surroundings, limits, Aliases())
    if version >= ALIASES_SINCE:
        template = _with_aliases(template, images, sources or AliasSources())
    return Prepared(_wanted(template), version, template)


@dataclass(frozen=True, slots=True)
class _Template:
    """Everything that rendering needs but the secrets."""

    path: str
    text: NumberedText
    run: RunVariables
    values: Mapping[str, object]
    surroundings: Surroundings
    limits: Limits | None
    aliases: Aliases

    def render(
        self,
        secrets: Mapping[str, Secret],
        text: NumberedText | None = None,
        *,
        for_nothing: ForNothing | None = None,
    ) -> NumberedText:
        try:
            return render(
                self.text if text is None else text,
                self._dot(secrets),
                path=self.path,
                surroundings=self.surroundings,
                limits=self.limits,
                for_nothing=for_nothing,
            )
        except TemplateError as error:  # `fail` says what the template tells it to say
            known = self.known(secrets)
            hint = masked(error.hint, known) if error.hint else None
            raise TemplateError(masked(error.message, known), hint=hint) from None

    def image(self, word: str, secrets: Mapping[str, Secret]) -> str:
        """What the word stands for as the name of an image; itself where it is no alias."""
        text = self.aliases.texts.get(word, word)
        return self.render(secrets, NumberedText.of(text)).text if "{{" in text else text

    def known(self, secrets: Mapping[str, Secret]) -> tuple[Secret, ...]:
        return tuple(
            {*secrets.values(), *(value for value in self.values.values() if isinstance(value, Secret))}
        )

    def _dot(self, secrets: Mapping[str, Secret]) -> dict[str, object]:
        run = self.run.as_values()
        values = {name: _revealed(value) for name, value in self.values.items()}
        return {
            "Build": {"ID": self.run.id},
            "Run": run,
            "Values": values,
            "Secrets": {name: secret.reveal() for name, secret in secrets.items()},
            "RunJSON": self._json(run),
            "ValuesJSON": self._json(values),
        }

    def _json(self, values: Mapping[str, object]) -> str:
        """As JSON, quoted for a shell."""
        try:
            return shlex.quote(to_json(adopt(values, Budget(self.limits or Limits()))))
        except Fault as fault:
            raise refuse(self.path, 1, fault.reason, hint=fault.hint) from None
        except OverflowError:
            raise refuse(self.path, 1, "a value is a number that JSON cannot write") from None


def _revealed(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value


def _without_comments(text: str) -> NumberedText:
    """The lines that are no comments, wherever they stand: in a block of text, too."""
    lines = NumberedText.of(text.replace("\r\n", "\n")).numbered()
    return NumberedText.of_lines(
        (number, line) for number, line in lines if not line.lstrip().startswith("#")
    )


def _version(task: NumberedText) -> str:
    """What the first `version:` in the first column says, or that of a file in JSON; without quotes."""
    for _, line in task.numbered():
        if match := _VERSION.fullmatch(line):
            return match["text"].strip("'\"").lower()
    in_braces = _VERSION_IN_BRACES.match(task.text)
    return in_braces["text"].lower() if in_braces else ""


def _with_aliases(template: _Template, images: Mapping[str, str], sources: AliasSources) -> _Template:
    block, rest = parts(template.text)
    written = template.render({}, block)
    aliases = read_aliases(
        written,
        path=template.path,
        images=images,
        read_source=sources.read,
        secrets=template.known({}),
    )
    return _Template(
        template.path,
        replaced(rest, aliases, path=template.path),
        template.run,
        template.values,
        template.surroundings,
        template.limits,
        aliases,
    )


def _wanted(template: _Template) -> tuple[SecretSource, ...]:
    """What the file's `secrets:` names, once it is rendered without any."""
    if "secrets" not in template.text.text:
        return ()
    text = template.render({})
    problems = Problems(template.path, text.number, template.known({}))
    root = read_nodes(text.text, problems)
    if not isinstance(root, YamlMapping) or root.get("secrets") is None:
        return ()
    wanted = tuple(read_secrets(Fields(root, "the task", problems)))
    problems.settle(strict=False)
    return wanted
