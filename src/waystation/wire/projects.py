"""Projects: as OpenAI's admin API has them, and with what it lacks."""

from typing import Literal

from waystation.wire.answers import Shape
from waystation.wire.listing import Deleted, Listing
from waystation.wire.messages import Exact
from waystation.wire.organizations import Name


class CreateProject(Exact, frozen=True, gc=False, kw_only=True):
    name: Name


class UpdateProject(Exact, frozen=True, gc=False, kw_only=True):
    name: Name | None = None


class ProjectObject(Shape, frozen=True, kw_only=True):
    """A project as OpenAI shows it."""

    id: str
    object: Literal["organization.project"] = "organization.project"
    name: str
    created_at: int
    archived_at: int | None
    status: Literal["active", "archived"]


class ProjectList(Listing, frozen=True, kw_only=True):
    data: list[ProjectObject]


class UpdateProjectSettings(Exact, frozen=True, gc=False, kw_only=True):
    """`on_disconnect`: what becomes of an answer whose client leaves. "cancel" stops it, "drain" has it read to its end,
    so that its usage is exact. `cache_s`: how long an answer is kept for repeats of the same request; 0: not at all."""

    name: Name | None = None
    on_disconnect: Literal["cancel", "drain"] | None = None
    cache_s: int | None = None


class ProjectSettings(Shape, frozen=True, kw_only=True):
    """A project with what OpenAI's has not."""

    id: str
    object: Literal["project"] = "project"
    organization_id: str
    name: str
    created_at: int
    archived_at: int | None
    status: Literal["active", "archived"]
    on_disconnect: str
    cache_s: int


class KeptAnswersDeleted(Deleted, frozen=True, kw_only=True):
    """A project's kept answers have been forgotten."""

    object: str = "project.kept_answers.deleted"
    count: int  # of those that had reached the database
