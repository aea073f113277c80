"""What a run tells the templates of its task: `.Run.…`. Knows no template."""

from __future__ import annotations

from datetime import UTC, datetime

from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class RunVariables:
    """The variables of one run; what is not known of it is empty."""

    id: str
    date: datetime  # with a zone; one for the whole run
    registry: str = ""
    registry_name: str = ""  # empty: what stands before the first dot of the registry
    os: str = "linux"
    architecture: str = "amd64"
    os_version: str = ""
    commit: str = ""
    branch: str = ""
    task_name: str = ""
    shared_volume: str = ""  # a name for what the steps share; empty: one made of the id
    repository: str = ""
    git_tag: str = ""
    pull_request: str = ""  # its number
    triggered_by: str = ""

    def as_values(self) -> dict[str, str]:
        """By the names that templates use."""
        return {
            "ID": self.id,
            "Registry": self.registry,
            "RegistryName": self.registry_name or self.registry.partition(".")[0],
            "Date": f"{self.date.astimezone(UTC):%Y%m%d-%H%M%S}z",
            "OS": self.os,
            "OSVersion": self.os_version,
            "Architecture": self.architecture,
            "Commit": self.commit,
            "Branch": self.branch,
            "TaskName": self.task_name,
            "SharedVolume": self.shared_volume or f"workspace-{self.id}",
            "Repository": self.repository,
            "GitTag": self.git_tag,
            "PullRequest": self.pull_request,
            "TriggeredBy": self.triggered_by,
        }
