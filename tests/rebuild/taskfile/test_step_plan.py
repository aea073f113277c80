"""The exact engine arguments of every step, for podman and docker, without either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from graph.reference import ImageRef, Platform
from rebuild.secrets.secret import Secret
from rebuild.steps.step_place import EngineCalls, EngineKind, PlanSetting, RunPlace
from rebuild.steps.step_plan import PlannedStep, plan_networks, plan_step, plan_steps, refuse_exposed
from rebuild.steps.step_rules import StepRules
from rebuild.taskfile import TaskFileError
from tests.rebuild.taskfile.reading import read, step_text

PLACE = RunPlace("ca1", "/runs/ca1")
PODMAN = PlanSetting(PLACE)
DOCKER = PlanSetting(PLACE, EngineCalls.unprobed(EngineKind.DOCKER))
MOUNTS = ("--volume=/runs/ca1/workspace:/workspace", "--volume=/runs/ca1/home:/acb/home")
PASSWORD = Secret("correct horse")


def plan(text: str, setting: PlanSetting = PODMAN, **options: Any) -> tuple[PlannedStep, ...]:
    return plan_steps(read(text), setting, **options)


def argv(step: str, setting: PlanSetting = PODMAN, head: str = "", **options: Any) -> tuple[str, ...]:
    """The one call of a file with one step."""
    (planned,) = plan(head + step_text(step), setting, **options)
    (call,) = planned.calls
    return call


def flags(step: str, *wanted: str, setting: PlanSetting = PODMAN, head: str = "") -> list[str]:
    """The flags of a step that begin like these."""
    return [
        word for word in argv(step, setting, head) if word.startswith(tuple(f"--{name}" for name in wanted))
    ]


def test_a_container_with_all_its_arguments() -> None:
    call = argv("""
        id: web
        cmd: bash:5 -c 'echo "$X"' $X
        env: ["X='a b'"]
        workingDirectory: src
        user: '1000'
        cpus: 0.5
        entryPoint: /bin/bash
        expose: [80]
    """)

    assert call == (
        *("podman", "run", f"--name={PLACE.prefix}-web", *PLACE.labels, "--rm", "--log-driver=none"),
        *("--user=1000", "--cpus=0.5", "--expose=80"),
        *(f"--network={PLACE.prefix}-default", "--network-alias=web", "--entrypoint=/bin/bash", *MOUNTS),
        *("--volume=/runs/ca1/outputs/web:/acb/output", "--env=HOME=/acb/home"),
        *("--env=TRACKER_OUTPUT=/acb/output/outputs", "--env=X=a b", "--workdir=/workspace/src"),
        *("docker.io/library/bash:5", "-c", 'echo "$X"', "a", "b"),
    )


def test_docker_is_called_with_the_same_arguments() -> None:
    step = "cmd: alpine ls\nports: ['8080:80']\nkeep: true"

    assert argv(step, DOCKER) == ("docker", *argv(step, PODMAN)[1:])


def test_what_the_machine_needs_comes_first() -> None:
    engine = EngineCalls(EngineKind.PODMAN, ("podman", "--runtime=runc"), ("--ulimit=nofile=1:1",))

    call = argv("cmd: alpine", PlanSetting(PLACE, engine))

    assert call[:3] == ("podman", "--runtime=runc", "run")
    assert "--ulimit=nofile=1:1" in call[:-1]


@pytest.mark.parametrize(
    ("step", "name", "expected"),
    [
        ("cmd: a", "rm", ["--rm"]),
        ("cmd: a\nkeep: true", "rm", []),
        ("cmd: a\ndetach: true", "detach", ["--detach"]),
        ("cmd: a\ndisableWorkingDirectoryOverride: true", "workdir", []),
        ("cmd: a\nports: ['80:8080']", "publish", ["--publish=127.0.0.1:80:8080"]),
        ("cmd: a\nports: [80/udp]", "publish", ["--publish=127.0.0.1::80/udp"]),
        ("cmd: a\nports: ['0.0.0.0:80:80']", "publish", ["--publish=0.0.0.0:80:80"]),
        ("cmd: a\nports: ['[::1]:80:80']", "publish", ["--publish=[::1]:80:80"]),
        ("cmd: a\nnetwork: none", "network", ["--network=none"]),
        ("cmd: a\nnetwork: bridge", "network", []),
        ("cmd: a\nisolation: hyperv", "isolation", []),
        ("cmd: a\nenv: [HOME=/root]", "env=HOME", ["--env=HOME=/acb/home", "--env=HOME=/root"]),
    ],
)
def test_a_flag_of_a_container(step: str, name: str, expected: list[str]) -> None:
    assert flags(step, name) == expected


def test_a_script_runs_in_the_shell_of_its_container() -> None:
    call = argv("cmd: alpine echo a | tr a b > /x\nshell: true")

    assert "--entrypoint=sh" in call
    assert call[-3:] == ("docker.io/library/alpine:latest", "-c", "echo a | tr a b > /x")


def test_the_entry_point_of_a_script_is_another_shell() -> None:
    assert flags("cmd: x a | b\nshell: true\nentryPoint: /bin/bash", "entrypoint") == [
        "--entrypoint=/bin/bash"
    ]


def test_an_image_that_the_task_builds_is_never_pulled() -> None:
    planned = plan("steps:\n- build: -t app .\n- cmd: app:latest test\n- cmd: other\n")

    assert ["--pull=never" in step.calls[0] for step in planned] == [False, True, False]


def test_a_pull_comes_before_the_container() -> None:
    assert plan("steps: [{cmd: alpine, pull: true}]")[0].pull == (
        "podman", "pull", "docker.io/library/alpine:latest",
    )  # fmt: skip


def test_mounted_volumes_are_folders_of_the_run() -> None:
    head = "volumes: [{name: v, secret: {f: YQ==}}]\n"

    assert "--volume=/runs/ca1/volumes/v:/run/v" in argv(
        "cmd: a\nvolumeMounts: [{name: v, mountPath: /run/v}]", head=head
    )


class TestNetworks:
    def test_every_run_has_one_of_its_own(self) -> None:
        (network,) = plan_networks(read("steps: []"), PODMAN)

        assert network.create == (
            "podman",
            "network",
            "create",
            "--driver=bridge",
            *PLACE.labels,
            f"{PLACE.prefix}-default",
        )

    def test_those_that_are_listed_take_its_place(self) -> None:
        task = read("networks: [{name: a, ipv6: true}, {name: b, skipCreation: true}]")

        (network,) = plan_networks(task, DOCKER)

        assert network.create == (
            "docker",
            "network",
            "create",
            "--driver=bridge",
            "--ipv6",
            *PLACE.labels,
            f"{PLACE.prefix}-a",
        )

    @pytest.mark.parametrize(
        ("head", "step", "expected"),
        [
            ("networks: [{name: a}]", "cmd: x", []),
            (
                "networks: [{name: a}]",
                "cmd: x\nnetwork: a",
                [f"--network={PLACE.prefix}-a", "--network-alias=w"],
            ),
            (
                "networks: [{name: a, isDefault: on}]",
                "cmd: x",
                [f"--network={PLACE.prefix}-a", "--network-alias=w"],
            ),
            (
                "networks: [{name: a, skipCreation: on}]",
                "cmd: x\nnetwork: a",
                ["--network=a", "--network-alias=w"],
            ),
        ],
    )
    def test_a_step_joins_one(self, head: str, step: str, expected: list[str]) -> None:
        assert flags(f"id: w\n{step}", "network", head=f"{head}\n") == expected

    def test_another_driver_is_the_operators_to_set_up(self) -> None:
        task = read("networks: [{name: a, driver: macvlan, skipCreation: true}]")

        assert plan_networks(task, PODMAN) == ()


class TestWhatTheOperatorAllows:
    @pytest.mark.parametrize(
        ("head", "step"),
        [
            ("", "cmd: a\nprivileged: true"),
            ("", "cmd: a\nnetwork: host"),
            ("networks: [{name: host, skipCreation: on, isDefault: on}]\n", "cmd: a"),
            ("", "build: --network=host ."),
        ],
    )
    def test_nothing_that_reaches_the_machine(self, head: str, step: str) -> None:
        with pytest.raises(WrongUse, match=r"step 'acb_step_0' asks for .* not allowed here"):
            argv(step, head=head)

    def test_more_where_he_says_so(self) -> None:
        setting = PlanSetting(PLACE, rules=StepRules(privileged=True, host_network=True))

        assert flags("cmd: a\nprivileged: true\nnetwork: host", "privileged", "network", setting=setting) == [
            "--privileged", "--network=host",
        ]  # fmt: skip

    @pytest.mark.parametrize("kind", EngineKind)
    def test_no_step_has_the_socket_of_an_engine(self, kind: EngineKind) -> None:
        text = "steps:\n- cmd: docker ps\n- build: -t a .\n- push: [a]\n"

        planned = plan(text, PlanSetting(PLACE, EngineCalls.unprobed(kind)))

        assert not any(".sock" in word for step in planned for call in step.calls for word in call)


class TestBuilds:
    def test_a_build_with_all_its_arguments(self) -> None:
        call = argv("""
            build: -t app -t app:2 -f docker/Dockerfile --build-arg A --build-arg B=2 --label l=m
              --target t --no-cache --pull --network none -m 1g sub
            workingDirectory: src
            env: [A=1]
        """)

        assert call == (
            *("podman", "build", "--tag=docker.io/library/app:latest", "--tag=docker.io/library/app:2"),
            *("--file=/runs/ca1/workspace/src/docker/Dockerfile", "--build-arg=A=1", "--build-arg=B=2"),
            *("--label=l=m", "--target=t", "--network=none", "--no-cache", "--pull=always", "--memory=1g"),
            "/runs/ca1/workspace/src/sub",
        )

    def test_the_platform_of_the_run_is_that_of_its_builds_and_containers(self) -> None:
        setting = PlanSetting(PLACE, platform=Platform.parse("linux/arm64"))

        assert flags("build: .", "platform", setting=setting) == ["--platform=linux/arm64"]
        assert flags("cmd: a", "platform", setting=setting) == ["--platform=linux/arm64"]

    def test_a_build_without_a_name_has_one_in_the_engine_alone(self) -> None:
        assert flags("id: Img\nbuild: .", "tag") == [f"--tag=localhost/{PLACE.prefix}-img"]

    @pytest.mark.parametrize(("value", "expected"), [("disabled", ["--no-cache"]), ("enabled", [])])
    def test_a_cache_can_be_switched_off(self, value: str, expected: list[str]) -> None:
        assert flags(f"build: .\ncache: {value}", "no-cache") == expected

    def test_a_remote_context_is_fetched_into_the_run(self) -> None:
        (planned,) = plan("steps: [{id: a, build: '-f x/Dockerfile https://github.com/x/y.git#main:z'}]")

        assert planned.build is not None
        assert planned.build.remote == "https://github.com/x/y.git#main:z"
        assert planned.calls[0][3:] == ("--file=/runs/ca1/contexts/a/x/Dockerfile", "/runs/ca1/contexts/a")

    @pytest.mark.parametrize(
        "step",
        [
            "build: ..",
            "build: /etc",
            "build: -f ../../etc/passwd .",
            "build: -f /etc/passwd .",
            "build: --secret id=a,src=/etc/shadow .",
            "build: --secret id=a,src=../../etc/shadow .",
            "build: /workspace2",
            "build: .\nworkingDirectory: /etc",
            "build: -f ../../../x https://github.com/x/y.git",
        ],
    )
    def test_no_path_leaves_the_run(self, step: str) -> None:
        with pytest.raises(WrongUse, match="is outside of"):
            argv(step)

    def test_a_secret_of_a_build_is_a_file_of_a_volume_or_a_variable(self) -> None:
        head = "volumes: [{name: v, secret: {f: YQ==}}]\n"
        step = (
            "build: --secret id=a,src=/run/v/f --secret id=b,env=B --secret id=c,src=file .\n"
            "env: [B=2]\nvolumeMounts: [{name: v, mountPath: /run/v}]"
        )

        assert flags(step, "secret", head=head) == [
            "--secret=id=a,src=/runs/ca1/volumes/v/f",
            "--secret=id=b,env=b",
            "--secret=id=c,src=/runs/ca1/workspace/file",
        ]

    def test_a_secret_without_its_variable_is_refused(self) -> None:
        with pytest.raises(WrongUse, match="--secret id=a needs the variable A, and has none"):
            argv("build: --secret id=a,env=A .")


class TestPushes:
    def test_one_call_an_image(self) -> None:
        text = "steps: [{push: [a, 'localhost:5000/b:1']}]"

        assert plan(text)[0].calls == (
            ("podman", "push", "docker.io/library/a:latest", "docker://docker.io/library/a:latest"),
            ("podman", "push", "localhost:5000/b:1", "docker://localhost:5000/b:1"),
        )
        assert plan(text, DOCKER)[0].calls[1] == ("docker", "push", "localhost:5000/b:1")

    def test_several_platforms_are_pushed_as_one_index(self) -> None:
        build = "build: -t r.io/a:1 -t r.io/a:2 .\n  platforms: [linux/amd64, linux/arm/v7]"
        text = f"steps:\n- {build}\n- push: [r.io/a:2]\n"

        built, pushed = plan(text)

        assert [call[2:4] for call in built.calls] == [
            ("--platform=linux/amd64", "--manifest=r.io/a:1"),
            ("--platform=linux/arm/v7", "--manifest=r.io/a:1"),
        ]
        assert pushed.calls == (("podman", "manifest", "push", "--all", "r.io/a:1", "docker://r.io/a:2"),)

    def test_docker_puts_the_index_together_in_the_registry(self) -> None:
        text = "steps:\n- build: -t r.io/a:1 .\n  platforms: [linux/amd64, linux/arm64]\n- push: [r.io/a:1]\n"

        built, pushed = plan(text, DOCKER)

        assert [call[3] for call in built.calls] == [
            "--tag=r.io/a:1-linux-amd64",
            "--tag=r.io/a:1-linux-arm64",
        ]
        assert pushed.calls == (
            ("docker", "push", "r.io/a:1-linux-amd64"),
            ("docker", "push", "r.io/a:1-linux-arm64"),
            ("docker", "manifest", "create", "r.io/a:1", "r.io/a:1-linux-amd64", "r.io/a:1-linux-arm64"),
            ("docker", "manifest", "push", "r.io/a:1"),
        )

    def test_an_index_that_no_step_pushes_is_pushed_by_its_build(self) -> None:
        (built,) = plan("steps:\n- build: -t r.io/a:1 .\n  platforms: [linux/amd64, linux/arm64]\n")

        assert built.calls[-1] == ("podman", "manifest", "push", "--all", "r.io/a:1", "docker://r.io/a:1")


class TestSecrets:
    def test_a_variable_with_a_secret_goes_by_a_file(self) -> None:
        (planned,) = plan("steps: [{id: w, cmd: a, env: [\"P='u:correct horse'\", Q=1]}]", secrets=[PASSWORD])

        assert "--env-file=/runs/ca1/environments/w" in planned.calls[0]
        assert not any("correct horse" in word for word in planned.calls[0])
        assert planned.environment_file == "P=u:correct horse\n"
        assert not planned.exposes

    def test_a_secret_in_the_command_line_is_refused_before_a_run_and_hidden_in_a_plan(self) -> None:
        planned = plan("steps: [{cmd: 'a login -p \"correct horse\"'}]", secrets=[PASSWORD])

        assert planned[0].to_json([PASSWORD])["argv"][-1] == "***"
        with pytest.raises(WrongUse, match="has a secret in its command line"):
            refuse_exposed(planned)

    @pytest.mark.parametrize("value", ["correct horse", "https://u:correct horse@r.io"])
    def test_a_build_argument_with_a_secret_in_it_is_a_secret_of_the_build(self, value: str) -> None:
        step = f"steps: [{{build: \"--build-arg P='{value}' --build-arg Q=horse .\"}}]"

        (planned,) = plan(step, secrets=[PASSWORD])

        assert planned.build is not None
        assert planned.build.build_args == {"Q": "horse"}
        assert [(one.id, one.value) for one in planned.build.secrets] == [("P", Secret(value))]
        assert "--secret=id=P,env=P" in planned.calls[0]

    def test_a_secret_of_a_few_letters_is_no_part_of_a_longer_argument(self) -> None:
        step = "steps: [{build: --build-arg IMAGE=shop/app --build-arg USER=shop .}]"

        (planned,) = plan(step, secrets=[Secret("shop")])

        assert planned.build is not None
        assert planned.build.build_args == {"IMAGE": "shop/app"}

    def test_a_secret_that_the_step_names_goes_before_an_argument_of_its_name(self) -> None:
        step = """
            steps:
              - build: --secret id=P,env=OTHER --build-arg P='correct horse' .
                env: [OTHER=own]
        """

        (planned,) = plan(step, secrets=[PASSWORD])

        assert planned.build is not None
        assert planned.build.build_args == {}
        assert [(one.id, one.value) for one in planned.build.secrets] == [("P", Secret("own"))]

    def test_a_secret_in_a_label_is_refused(self) -> None:
        planned = plan("steps: [{build: \"--label P='correct horse' .\"}]", secrets=[PASSWORD])

        with pytest.raises(WrongUse, match="has a secret in its command line"):
            refuse_exposed(planned)

    def test_a_plan_shows_no_secret(self) -> None:
        text = """
            steps:
              - {cmd: 'a "correct horse"', env: ["P='correct horse'"]}
              - build: --build-arg P='correct horse' .
        """

        shown = json.dumps([step.to_json([PASSWORD]) for step in plan(text, secrets=[PASSWORD])])

        assert "correct horse" not in shown
        assert shown.count("***") == 2

    def test_a_secret_of_several_lines_is_for_a_volume(self) -> None:
        with pytest.raises(WrongUse, match="holds a secret of several lines"):
            plan("steps: [{cmd: a, env: [\"K='one\\ntwo'\"]}]", secrets=[Secret("one\ntwo")])

    def test_the_representation_of_a_plan_shows_no_secret(self) -> None:
        (planned,) = plan("steps: [{cmd: a hunter-two, env: [P=hunter-two]}]", secrets=[Secret("hunter-two")])

        assert planned.hidden == {"P": "hunter-two"}
        assert "hunter-two" not in repr(planned)


class TestOutputs:
    TEXT = """
        steps:
          - {id: v, cmd: version}
          - {id: b, build: '-t app:%{steps.v.outputs.tag} --build-arg N=%{steps.v.outputs.name} .'}
          - {id: p, push: ['app:%{steps.v.outputs.tag}']}
          - id: c
            cmd: 'app:%{steps.v.outputs.tag} "%{steps.v.outputs.name}" $T'
            env: ['T=%{steps.v.outputs.name}']
    """
    OUTPUTS = {"v": {"tag": "7", "name": "a $(b) 'c'"}}  # noqa: RUF012

    def test_a_plan_before_the_run_leaves_them_as_they_are(self) -> None:
        planned = plan(self.TEXT)

        assert planned[1].calls[0][2] == "--tag=app:%{steps.v.outputs.tag}"
        assert planned[3].calls[0][-2:] == ("%{steps.v.outputs.name}", "%{steps.v.outputs.name}")

    def test_a_value_is_one_word_and_is_not_read_again(self) -> None:
        planned = plan(self.TEXT, outputs=self.OUTPUTS)

        assert planned[1].calls[0][2:4] == ("--tag=docker.io/library/app:7", "--build-arg=N=a $(b) 'c'")
        assert planned[2].calls[0][2] == "docker.io/library/app:7"
        assert planned[3].calls[0][-3:] == ("docker.io/library/app:7", "a $(b) 'c'", "a $(b) 'c'")
        assert "--env=T=a $(b) 'c'" in planned[3].calls[0]

    def test_a_value_does_not_become_a_flag_of_a_build(self) -> None:
        task = read("steps:\n- {id: v, cmd: x}\n- {id: b, build: '-t a %{steps.v.outputs.dir}'}\n")

        with pytest.raises(WrongUse, match="would become a flag of the build"):
            plan_step(task, task.step("b"), PODMAN, outputs={"v": {"dir": "--network=host"}})

    def test_a_value_that_makes_no_image_name_is_refused(self) -> None:
        task = read("steps:\n- {id: v, cmd: x}\n- {id: c, cmd: 'a:%{steps.v.outputs.tag}'}\n")

        with pytest.raises(WrongUse, match="tag"):
            plan_step(task, task.step("c"), PODMAN, outputs={"v": {"tag": "not a tag"}})


def test_the_json_of_a_plan_is_for_programs() -> None:
    text = """
        steps:
          - {id: a, build: -t x ., when: ['-'], timeout: 9, retries: 2, env: [A=1]}
          - {push: [x, y], when: [a], if: success()}
          - {cmd: x, finally: true}
    """

    first, second, third = [step.to_json() for step in plan(text)]

    assert first == {
        "id": "a",
        "kind": "build",
        "depends_on": [],
        "when": ["-"],
        "timeout": 9,
        "retries": 2,
        "env": ["A=1"],
        "argv": ["podman", "build", "--tag=docker.io/library/x:latest", "/runs/ca1/workspace"],
    }
    assert (second["kind"], second["if"], len(second["also"])) == ("push", "success()", 1)
    assert (third["finally"], third["depends_on"], third["when"]) == (True, ["acb_step_1"], [])


@given(st.text(max_size=40))
def test_no_text_in_a_command_becomes_a_flag_of_the_engine(text: str) -> None:
    try:
        task = read(f"steps:\n- cmd: {json.dumps(f'alpine {text}')}\n")
    except TaskFileError:
        return

    (planned,) = plan_steps(task, PODMAN)
    plain = argv("cmd: alpine")

    assert planned.calls[0][: len(plain)] == plain


class TestTails:
    def test_what_follows_an_operator_is_planned_for_a_helper(self) -> None:
        (planned,) = plan(step_text("""
            id: s
            cmd: alpine ls $A 2>&1 | sort > f || echo $A
            env: [A=1]
            user: '1000'
            ports: ['80:80']
            entryPoint: /bin/x
            workingDirectory: sub
        """))  # fmt: skip

        told = planned.to_json()

        assert told["argv"][-3:] == ["docker.io/library/alpine:latest", "ls", "1"]
        assert told["piped"] == ["stdout", "stderr"]
        assert told["pipe"] == [
            *("podman", "run", f"--name={PLACE.prefix}.helper-s", *PLACE.labels, "--rm", "--log-driver=none"),
            *("--volume=/runs/ca1/pipes/s:/acb/input", f"--network={PLACE.prefix}-default"),
            *("--entrypoint=sh", *MOUNTS, "--volume=/runs/ca1/outputs/s:/acb/output"),
            *("--env=HOME=/acb/home", "--env=TRACKER_OUTPUT=/acb/output/outputs", "--env=A=1"),
            *("--workdir=/workspace/sub", "docker.io/library/busybox:stable", "-c"),
            "exec 3<>/acb/input </acb/input 3>&-\nsort > f || echo $A",
        ]
        assert "then" not in told

    def test_what_comes_after_is_given_the_exit_code(self) -> None:
        rules = StepRules(helper=ImageRef.parse("r.io/tools:1"))

        (planned,) = plan(step_text("cmd: alpine >/dev/null && b"), PlanSetting(PLACE, rules=rules))

        told = planned.to_json()
        assert (told["dropped"], "pipe" in told) == (["stdout"], False)
        assert told["then"][-5:] == ["r.io/tools:1", "-c", '(exit "$1") && b', "sh", "$?"]

    def test_the_helper_has_none_of_the_rights_of_the_step(self) -> None:
        setting = PlanSetting(PLACE, rules=StepRules(privileged=True))

        (planned,) = plan(step_text("cmd: alpine | b\nprivileged: true"), setting)

        assert planned.tail is not None
        assert ["--privileged" in call for call in (planned.calls[0], *planned.tail.calls)] == [True, False]

    def test_a_secret_behind_an_operator_is_refused(self) -> None:
        planned = plan(step_text("cmd: alpine | login 'correct horse'"), secrets=[PASSWORD])

        assert "***" in planned[0].to_json([PASSWORD])["pipe"][-1]
        with pytest.raises(WrongUse, match="has a secret in its command line"):
            refuse_exposed(planned)

    def test_no_step_can_take_the_name_of_a_helper(self) -> None:
        steps = read("steps: [{id: a, cmd: x | y}, {id: helper-a, cmd: x}, {id: a.helper, cmd: x}]").steps

        names = [PLACE.helper(steps[0]), *(PLACE.container(step) for step in steps)]

        assert len(set(names)) == 4


@pytest.mark.parametrize("platforms", ["linux/amd64", "linux/amd64, linux/arm64"])
def test_what_cannot_be_planned_is_told_with_its_line(platforms: str) -> None:
    task = read(f"steps:\n  - cmd: a\n  - build: -t x -f ../Dockerfile .\n    platforms: [{platforms}]\n")

    with pytest.raises(WrongUse, match=r"^acb\.yaml:3: step 'acb_step_1': Dockerfile '\.\./Dockerfile' is"):
        plan_steps(task, PODMAN)
