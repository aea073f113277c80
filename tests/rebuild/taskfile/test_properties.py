"""Every property of a task and of a step: its type, its default, its faults."""

from __future__ import annotations

from typing import Any

import pytest

from graph.reference import Platform
from rebuild.secrets.secret import Secret
from rebuild.taskfile import (
    Build,
    Cache,
    Cmd,
    Kind,
    Mount,
    Network,
    Push,
    SecretSource,
    TaskFile,
    Version,
    Volume,
    VolumeFile,
)
from tests.rebuild.taskfile.reading import fault, one_step, read, refused, step_text

UUID = "0e1d4d4e-77c1-4ba1-9d1e-0a1b2c3d4e5f"


def mounting(*paths: str) -> str:
    """A file whose only step mounts its only volume at these paths."""
    mounts = "".join(f"\n      - {{name: v, mountPath: {path}}}" for path in paths)
    return f"volumes: [{{name: v, secret: {{f: YQ==}}}}]\nsteps:\n  - cmd: x\n    volumeMounts:{mounts}\n"


def test_a_task_file_of_nothing_but_a_version_has_every_default() -> None:
    assert read("version: v1.1.0") == TaskFile("acb.yaml", version=Version.V1_1)
    assert read("steps: []") == TaskFile(
        "acb.yaml",
        version=Version.V1_0,
        steps=(),
        step_timeout_s=600,
        working_directory=None,
        networks=(),
        volumes=(),
        secrets=(),
        warnings=(),
    )


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("v1.0.0", Version.V1_0),
        ("V1.1.0", Version.V1_1),
        ("1.0-preview-1", Version.PREVIEW),
        ("1.0-PREVIEW-1", Version.PREVIEW),
        ("'v1.1.0'", Version.V1_1),
        ("", Version.V1_0),
    ],
)
def test_the_versions(written: str, version: Version) -> None:
    assert read(f"version: {written}\nsteps: []").version is version


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("version: 1.1.0", "v1.1.0"),
        ("version: '1.0.0'", "v1.0.0"),
        ("version: v2", "v1.1.0"),
        ("version 1.1.0", "v1.1.0"),
        ("version v1.0.0", "v1.0.0"),
    ],
)
def test_another_version_is_refused_with_the_one_that_was_meant(line: str, meant: str) -> None:
    problem = fault(f"# a task\n{line}\nsteps: []\n")

    assert (problem.line, problem.hint) == (2, f"write version: {meant}")


def test_the_task_gives_steps_their_time_limit_and_directory() -> None:
    steps = read("""
        stepTimeout: 30
        workingDirectory: app
        steps:
          - cmd: a
          - {cmd: a, timeout: 5, workingDirectory: /src}
          - {cmd: a, timeout: -1, workingDirectory: sub/../other}
    """).steps

    assert [step.timeout_s for step in steps] == [30, 5, 30]
    assert [step.working_directory for step in steps] == ["/workspace/app", "/src", "/workspace/other"]


@pytest.mark.parametrize("written", ["0", "-5", "~", ""])
def test_a_time_limit_that_is_none_is_the_default(written: str) -> None:
    assert read(f"stepTimeout: {written}").step_timeout_s == 600


def test_the_directory_of_the_run_counts_where_the_task_has_none() -> None:
    assert read("steps: [{cmd: a}]", working_directory="x").steps[0].working_directory == "/workspace/x"
    assert read("workingDirectory: y", working_directory="x").working_directory == "y"


DEFAULTS: dict[str, Any] = {
    "when": (),
    "depends_on": (),
    "environment": (),
    "working_directory": "/workspace",
    "entry_point": None,
    "user": None,
    "privileged": False,
    "network": None,
    "isolation": None,
    "cpus": None,
    "expose": (),
    "ports": (),
    "mounts": (),
    "detach": False,
    "keep": False,
    "pull": False,
    "download_retries": 0,
    "download_retry_delay_s": 0,
    "start_delay_s": 0,
    "timeout_s": 600,
    "retries": 0,
    "retry_delay_s": 5,
    "retry_on_errors": (),
    "repeat": 0,
    "ignore_errors": False,
    "exited_with": (),
    "exited_without": (),
    "condition": None,
    "is_finally": False,
}


def test_a_step_of_nothing_but_a_command_has_every_default() -> None:
    step = one_step("cmd: alpine")

    assert {name: getattr(step, name) for name in DEFAULTS} == DEFAULTS
    assert (step.id, step.kind, step.action) == ("acb_step_0", Kind.CMD, Cmd("alpine"))


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("id: web-1.x_y", "id", "web-1.x_y"),
        ("id: 022", "id", "022"),
        ("id: on", "id", "on"),
        ("id: 1.10", "id", "1.10"),
        ("workingDirectory: ../x", "working_directory", "/x"),
        ("workingDirectory: 'c:\\x'", "working_directory", "c:\\x"),
        ("disableWorkingDirectoryOverride: true", "working_directory", None),
        ("entryPoint: /bin/x", "entry_point", "/bin/x"),
        ("user: 1000:1000", "user", "1000:1000"),
        ("user: 010", "user", "010"),
        ("privileged: yes", "privileged", True),
        ("network: host", "network", "host"),
        ("isolation: hyperv", "isolation", "hyperv"),
        ("cpus: 1.50", "cpus", "1.50"),
        ("cpus: .5", "cpus", ".5"),
        ("expose: [80, 53/udp, 1-9]", "expose", ("80", "53/udp", "1-9")),
        ("ports: ['8080:80', 443, '127.0.0.1:1:2/udp', '127.0.0.1::2', '[::1]:1:2', '1-2:3-4']", "ports",
         ("8080:80", "443", "127.0.0.1:1:2/udp", "127.0.0.1::2", "[::1]:1:2", "1-2:3-4")),
        ("detach: on", "detach", True),
        ("keep: Y", "keep", True),
        ("keep: OFF", "keep", False),
        ("pull: True", "pull", True),
        ("cmdDownloadRetries: 3", "download_retries", 3),
        ("downloadRetries: 4", "download_retries", 4),
        ("cmdDownloadRetryDelay: 7", "download_retry_delay_s", 7),
        ("downloadRetryDelay: 8", "download_retry_delay_s", 8),
        ("startDelay: 9", "start_delay_s", 9),
        ("startDelay: -9", "start_delay_s", 0),
        ("timeout: 0", "timeout_s", 600),
        ("timeout: 1_000", "timeout_s", 1000),
        ("retries: 2", "retries", 2),
        ("retries: 022", "retries", 18),
        ("retries: 0o22", "retries", 18),
        ("retries: 0x1F", "retries", 31),
        ("retries: 0b11", "retries", 3),
        ("retries: +5", "retries", 5),
        ("retries: 09", "retries", 9),
        ("retries: 1e2", "retries", 100),
        ("retries: !!int '3'", "retries", 3),
        ("retryDelay: 0", "retry_delay_s", 5),
        ("retryDelay: 11", "retry_delay_s", 11),
        ("retryOnErrors: [timeout, '', 503]", "retry_on_errors", ("timeout", "503")),
        ("repeat: 1", "repeat", 1),
        ("ignoreErrors: true", "ignore_errors", True),
        ("exitedWith: [0, 0x10]", "exited_with", (0, 16)),
        ("exitedWithout: [1]", "exited_without", (1,)),
        ("finally: true", "is_finally", True),
        ("when: ['-']", "when", ("-",)),
        ("when: []", "when", ()),
    ],
)  # fmt: skip
def test_a_property_of_a_cmd_step(line: str, name: str, value: Any) -> None:
    assert getattr(one_step(f"cmd: alpine\n{line}"), name) == value


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("retries: '2'", "retries of step 'acb_step_0' is the text '2', not a number"),
        ("retries: two", "not a number"),
        ("retries: [1]", "retries of step 'acb_step_0' is a list, not a number"),
        ("retries: -1", "it must be 0 or more"),
        ("retries: 99999999999", "it must be 2147483647 or less"),
        ("retries: 1:30", "not a number"),
        ("repeat: -1", "it must be 0 or more"),
        ("timeout: 99999999", "it must be"),
        ("detach: 'true'", "not a boolean"),
        ("detach: 1", "not a boolean"),
        ("detach: maybe", "not a boolean"),
        ("detach: {a: b}", "is a map, not a boolean"),
        ("user: [a]", "is a list, not a text"),
        ("ports: '80:80'", "is the text '80:80', not a list"),
        ("ports: [web]", "is no port"),
        ("ports: ['80:80:80:80']", "is no port"),
        ("ports: ['--privileged']", "is no port"),
        ("expose: ['1:2']", "is no port"),
        ("env: A=1", "not a list"),
        ("env: [[A=1]]", "is a list, not a text"),
        ("when: first", "not a list"),
        ("cpus: many", "not a number"),
        ("cpus: '1 --privileged'", "not a number"),
        ("cache: on", "cache of step 'acb_step_0' is 'on'"),
        ("exitedWith: [256]", "exit codes are 0 to 255"),
        ("exitedWith: [a]", "not a number"),
        ("exitedWithout: [1]\nexitedWith: [1]", "both exitedWith and exitedWithout"),
        ("platforms: [linux/arm64]", "platforms belong to a build step"),
        ("network: nowhere", "network 'nowhere' of step 'acb_step_0' is not one of the task"),
        ("if: steps.", "if of step 'acb_step_0'"),
        ("if: !failure()", "begins with '!', which YAML takes"),
        ("id: a b", "contains white space"),
        ("id: \"a\\u00a0b\"", "contains white space"),
        ("id: acb_root", "is reserved"),
        ("id: -x", "it names a container"),
        ("id: a/b", "it names a container"),
        ("env: [TRACKER_OUTPUT=x]", "sets TRACKER_OUTPUT"),
        ("user: !!binary '*'", "no text in base64"),
        ("volumeMounts: [{name: v, mountPath: /x}]", "which is no volume of the task"),
        ("volumeMounts: [{mountPath: /x}]", "has no name"),
        ("volumeMounts: [{name: v}]", "has no mountPath"),
        ("volumeMounts: [v]", "is the text 'v', not a map of properties"),
        ("volumeMounts: v", "not a list"),
    ],
)  # fmt: skip
def test_a_wrong_property_is_refused_at_its_line(line: str, words: str) -> None:
    problem = fault(step_text(f"cmd: alpine\nkeep: false\n{line}"))

    assert words in problem.rule
    assert (problem.path, problem.line) == ("acb.yaml", 4)


def test_a_fraction_counts_as_the_whole_number_below_it_and_that_is_told() -> None:
    task = read("steps:\n  - cmd: a\n    retries: 1.9\n")

    assert task.steps[0].retries == 1
    assert [(warning.line, warning.rule) for warning in task.warnings] == [
        (3, "retries of step 'acb_step_0' is 1.9: it counts as 1")
    ]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("id: x", "has neither cmd, build nor push"),
        ("cmd: ''", "has neither cmd, build nor push"),
        ("cmd: ~", "has neither cmd, build nor push"),
        ("push: []", "has neither cmd, build nor push"),
        ("cmd: a\nbuild: .", "has cmd and build"),
        ("cmd: a\nbuild: .\npush: [b]", "has cmd and build and push"),
        ("push: reg/app", "push of step 'acb_step_0' is the text 'reg/app', not a list"),
        ("push: [{a: b}]", "an entry of push of step 'acb_step_0' is a map, not a text"),
        ("cmd: [alpine, x]", "cmd of step 'acb_step_0' is a list, not a text"),
        ("build: {a: b}", "build of step 'acb_step_0' is a map, not a text"),
        ("push: [Reg App]", "contains white space"),
        ("push: ['app@sha256:" + "0" * 64 + "']", "has a digest"),
        ("cmd: UPPER/x/Y", "repositories are lower case"),
        ("cmd: --privileged x", "is not valid"),
        ("cmd: alpine 'x", "has a ' that nothing closes"),
        ("cmd: alpine echo x | docker login -u y", "docker has no engine to talk to here"),
        ("cmd: |\n  alpine a\n  alpine b", "needs a shell: a line end between two commands"),
        ("cmd: alpine a & b", "needs a shell: the operator &"),
        ("cmd: alpine $(a) | b", "needs a shell: a command substitution $(…)"),
        ("cmd: '| alpine'", "cmd of step 'acb_step_0' begins with an operator"),
        ("cmd: alpine | x\ndetach: true", "is detached: nothing can follow its command"),
        ("cmd: alpine > /etc/x", "'/etc/x' would be gone with the helper container"),
        ("build: . | x", "needs a shell: the pipe |"),
        ("cmd: alpine | x %{steps.a.outputs.b}", "puts an output into the text of a shell script"),
        ("build: --build-arg D=$(date) .", "needs a shell: a command substitution"),
        ("build: -t a", "names no context"),
        ("build: .\ncache: yes please", "cache of step 'acb_step_0' is 'yes please'"),
        ("build: .\nplatforms: [linux/amd64/x/y]", "is not of the form os/architecture"),
        ("build: --platform linux/arm64 .\nplatforms: [linux/amd64]", "both platforms and --platform"),
        ("build: .\nshell: true", "shell: true belongs to a cmd step"),
        ("cmd: alpine\nshell: true", "has shell: true and no commands"),
        ("push: [a]\nvolumeMounts: [{name: v, mountPath: /x}]", "is a push step, which mounts nothing"),
    ],
)
def test_a_step_that_says_not_what_to_do_is_refused(step: str, words: str) -> None:
    assert words in " ".join(problem.rule for problem in refused(step_text(step)))


def test_a_pipe_into_docker_login_is_answered_with_credentials() -> None:
    problem = fault(step_text("cmd: bash echo 'pw' | docker login --password-stdin registry.example.com"))

    assert problem.hint == "steps need no login: give the task credentials for the registry"


def test_a_build_step() -> None:
    step = one_step("""
        id: img
        build: -t app:1 .
        cache: Enabled
        platforms: [linux/amd64, arm64, linux/amd64]
    """)

    assert isinstance(step.action, Build)
    assert step.action.words == ("-t", "app:1", ".")
    assert step.action.cache is Cache.ENABLED
    assert step.action.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64"))


def test_platforms_may_stand_in_the_build_line() -> None:
    step = one_step("build: --platform linux/amd64,linux/386 .")

    assert isinstance(step.action, Build)
    assert [str(platform) for platform in step.action.platforms] == ["linux/amd64", "linux/386"]


def test_a_push_step_names_each_image_once() -> None:
    step = one_step("push: [localhost:5000/a, a, a:latest, ' b:1 ', docker.io/library/a]")

    assert step.action == Push(("localhost:5000/a", "a", "b:1"))


def test_the_first_word_of_a_command_may_stand_for_an_image() -> None:
    text = "steps:\n  - cmd: '  bash -c \"x\" bash '\n  - cmd: bash2 y\n"

    steps = read(text, expand_image=lambda word: {"bash": "mcr.example.com/bash:1"}.get(word, word)).steps

    assert [step.action for step in steps] == [
        Cmd("mcr.example.com/bash:1", ("-c", "x", "bash")),
        Cmd("bash2", ("y",)),
    ]


def test_a_script_is_handed_to_the_shell_of_its_container_as_it_is() -> None:
    step = one_step("cmd: alpine:3 echo 'a b' | tr a b > \"$X\"\nshell: true")

    assert step.action == Cmd("alpine:3", (), "echo 'a b' | tr a b > \"$X\"")


def test_networks() -> None:
    task = read("""
        networks:
          - {name: a, driver: bridge, ipv6: true}
          - {name: b, isDefault: yes}
          - {name: c, isDefault: yes, skipCreation: on}
        steps: [{cmd: x, network: a}]
    """)

    assert task.networks == (
        Network("a", driver="bridge", ipv6=True),
        Network("b", is_default=True),
        Network("c", is_default=True, skip_creation=True),
    )
    assert task.default_network == task.networks[2]


def test_no_network_is_the_default_unless_it_is_marked() -> None:
    assert read("networks: [{name: a}]").default_network is None


def test_volumes_and_mounts() -> None:
    task = read("""
        volumes:
          - name: my-vol_1
            secret: {a.txt: aGVsbG8=, b: ''}
        steps:
          - cmd: x
            volumeMounts: [{name: my-vol_1, mountPath: /a}, {name: my-vol_1, mountPath: /b/c}]
          - build: --secret id=s,src=/a/b .
            volumeMounts: [{name: my-vol_1, mountPath: /a}]
    """)

    assert task.volumes == (
        Volume("my-vol_1", (VolumeFile("a.txt", Secret("aGVsbG8=")), VolumeFile("b", Secret("")))),
    )
    assert task.steps[0].mounts == (Mount("my-vol_1", "/a"), Mount("my-vol_1", "/b/c"))
    assert task.steps[1].mounts == (Mount("my-vol_1", "/a"),)


def test_secrets() -> None:
    task = read(f"""
        secrets:
          - {{id: pw, keyvault: 'https://v.example.com/secrets/pw'}}
          - {{id: PW, keyvault: 'https://v.example.com/secrets/pw', clientID: {UUID}}}
    """)

    assert task.secrets == (
        SecretSource("pw", "https://v.example.com/secrets/pw"),
        SecretSource("PW", "https://v.example.com/secrets/pw", UUID),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("networks: [{driver: bridge}]", "a network has no name"),
        (
            "networks: [{name: a, driver: macvlan}]",
            "network 'a' asks for the driver 'macvlan': a task makes bridges",
        ),
        ("networks: [{name: 'a b'}]", "network name 'a b' is not valid"),
        ("networks: [{name: a},\n {name: a}]", "there are two networks called 'a'; the first is in line 1"),
        ("networks: [{name: a, ipv6: 6}]", "not a boolean"),
        ("volumes: [{secret: {a: YQ==}}]", "a volume has no name"),
        ("volumes: [{name: a.b, secret: {a: YQ==}}]", "volume name 'a.b' has other characters"),
        ("volumes: [{name: a}]", "volume 'a' has no files"),
        ("volumes: [{name: a, secret: {}}]", "volume 'a' has no files"),
        ("volumes: [{name: a, secret: {x: YQ==}},\n {name: a, secret: {x: YQ==}}]", "two volumes called 'a'"),
        ("volumes: [{name: a, secret: {x/y: YQ==}}]", "file name 'x/y' of volume 'a' is not valid"),
        ("volumes: [{name: a, secret: {..: YQ==}}]", "file name '..' of volume 'a' is not valid"),
        ("volumes: [{name: a, secret: {x: 'not base64'}}]", "file 'x' of volume 'a' is not base64"),
        ("secrets: [{keyvault: https://x}]", "a secret has no id"),
        ("secrets: [{id: a b, keyvault: https://x}]", "contains white space"),
        ("secrets: [{id: a}]", "secret 'a' has no keyvault"),
        ("secrets: [{id: a, keyvault: https://x, clientID: me}]", "clientID 'me' of secret 'a' is not a"),
        ("secrets: [{id: a, keyvault: x},\n {id: a, keyvault: y}]", "two secrets of the id 'a'"),
        (mounting("x"), "not an absolute path"),
        (mounting("'/x:rw'"), "not an absolute path"),
        (mounting("/x", "/x/"), "mounts two volumes at '/x/'"),
        ("stepTimeout: soon", "stepTimeout of the task is the text 'soon', not a number"),
        ("env: {A: 1}", "env of the task is a map, not a list"),
        ("steps: {cmd: a}", "steps of the task is a map, not a list"),
        ("steps: [a]", "a step is the text 'a', not a map of properties"),
        ("steps:\n  - {id: a, cmd: x}\n  - {id: a, cmd: y}", "two steps 'a'; the first is in line 2"),
    ],
)  # fmt: skip
def test_a_wrong_head_is_refused(text: str, words: str) -> None:
    assert words in fault(text).rule


def test_a_volume_with_wrong_content_does_not_show_it() -> None:
    problem = fault("volumes: [{name: a, secret: {x: my secret!}}]")

    assert "my secret!" not in f"{problem} {problem.hint}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("volumes: [{name: w, secret: {a: YQ==}}, {name: w, secret: {a: YQ==}}]", "volumes called 'w'"),
        ("networks: [{name: w}, {name: w}]", "networks called 'w'"),
        ("secrets: [{id: w, keyvault: x}, {id: w, keyvault: x}]", "secrets of the id 'w'"),
    ],
)
def test_a_name_that_comes_twice_in_one_line_is_refused(text: str, what: str) -> None:
    assert fault(text).rule == f"there are two {what}; the first is in line 1"


def test_every_property_is_looked_at_though_the_command_is_wrong() -> None:
    problems = refused(step_text("cmd: a $(x)\nports: [abc]\nexitedWith: [300]\nif: ((\ntimeout: x"))

    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("line", ["$NOT_SET", "$NOT_SET | cat", "${NOT_SET} $NOT_SET"])
def test_a_step_is_refused_and_not_left_out_where_a_variable_leaves_it_no_image(line: str) -> None:
    problem = fault(f"steps:\n  - cmd: {line}\n")

    assert (problem.line, problem.rule) == (2, "cmd of step 'acb_step_0' names no image")


@pytest.mark.parametrize("step", ["push: [/app]", "build: -t /app .", "cmd: /app"])
def test_a_name_that_lost_its_registry_is_told_of_values(step: str) -> None:
    problem = fault(f"steps:\n  - {step}\n")

    assert problem.hint is not None
    assert "--set NAME=VALUE" in problem.hint
