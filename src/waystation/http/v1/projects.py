"""`/v1/organization/projects`, as OpenAI has them, and `/v1/waystation/projects` for what those lack."""

from functools import partial
from typing import Any, Literal

from waystation.accounts.model import Project
from waystation.http.v1.control import PAGE, Asked, Control, Query, Resource
from waystation.wire.listing import listing
from waystation.wire.projects import (
    CreateProject,
    KeptAnswersDeleted,
    ProjectList,
    ProjectObject,
    ProjectSettings,
    UpdateProject,
    UpdateProjectSettings,
)
from waystation.wire.read import Reader

_read_create, _read_update, _read_settings = (
    Reader(CreateProject).read,
    Reader(UpdateProject).read,
    Reader(UpdateProjectSettings).read,
)


async def create(control: Control, asked: Asked) -> ProjectObject:
    wanted = _read_create(asked.body)
    return project_object(
        await control.change(
            partial(control.accounts.create_project, organization_id=asked.organization_id, name=wanted.name)
        )
    )


async def list_(control: Control, asked: Asked) -> ProjectList:
    page, archived = asked.page(), asked.flag("include_archived")

    def find(connection: Any) -> list[Project]:
        return control.accounts.projects(
            connection,
            asked.organization_id,
            page.after,
            page.rows_max,
            ascending=page.ascending,
            archived=archived,
        )

    return listing(ProjectList, page, [project_object(project) for project in await control.read(find)])


async def retrieve(control: Control, asked: Asked) -> ProjectObject:
    return project_object(await _find(control, asked))


async def update(control: Control, asked: Asked) -> ProjectObject:
    wanted, project_id = _read_update(asked.body), asked.id("project_id")
    put = partial(
        control.accounts.update_project,
        organization_id=asked.organization_id,
        project_id=project_id,
        name=wanted.name,
    )
    return project_object(await control.change(put))


async def archive(control: Control, asked: Asked) -> ProjectObject:
    project_id = asked.id("project_id")
    return project_object(
        await control.change(
            partial(control.accounts.archive_project, organization_id=asked.organization_id, project_id=project_id)
        )
    )


async def retrieve_settings(control: Control, asked: Asked) -> ProjectSettings:
    return project_settings(await _find(control, asked))


async def update_settings(control: Control, asked: Asked) -> ProjectSettings:
    wanted, project_id = _read_settings(asked.body), asked.id("project_id")
    put = partial(
        control.accounts.update_project,
        organization_id=asked.organization_id,
        project_id=project_id,
        name=wanted.name,
        on_disconnect=wanted.on_disconnect,
        cache_s=wanted.cache_s,
    )
    return project_settings(await control.change(put))


async def forget_answers(control: Control, asked: Asked) -> KeptAnswersDeleted:
    project = await _find(control, asked)  # also one that is archived: what it keeps is still its own
    count = await control.forget_answers(project.id)
    return KeptAnswersDeleted(id=project.id, count=count)


async def _find(control: Control, asked: Asked) -> Project:
    project_id = asked.id("project_id")
    return await control.read(
        partial(control.accounts.project, organization_id=asked.organization_id, project_id=project_id)
    )


# -- as they are shown


def project_object(project: Project) -> ProjectObject:
    return ProjectObject(
        id=project.id,
        name=project.name,
        created_at=project.created_at,
        archived_at=project.archived_at,
        status=_status(project),
    )


def project_settings(project: Project) -> ProjectSettings:
    return ProjectSettings(
        id=project.id,
        organization_id=project.organization_id,
        name=project.name,
        created_at=project.created_at,
        archived_at=project.archived_at,
        status=_status(project),
        on_disconnect=project.on_disconnect,
        cache_s=project.cache_s,
    )


def _status(project: Project) -> Literal["active", "archived"]:
    return "active" if project.archived_at is None else "archived"


_ALL, _ONE, _OURS = "/organization/projects", "/organization/projects/{project_id}", "/waystation/projects/{project_id}"
_ARCHIVED = Query("include_archived", {"type": "boolean", "default": False}, "Those that were archived, too.")
RESOURCES = (
    Resource("GET", _ALL, list_, "list-projects", "The projects.", ProjectList, query=(*PAGE, _ARCHIVED)),
    Resource("POST", _ALL, create, "create-project", "Make a project.", ProjectObject, CreateProject),
    Resource("GET", _ONE, retrieve, "retrieve-project", "A project.", ProjectObject),
    Resource("POST", _ONE, update, "modify-project", "Change a project's name.", ProjectObject, UpdateProject),
    Resource(
        "POST", f"{_ONE}/archive", archive, "archive-project", "Archive a project: its keys are refused.", ProjectObject
    ),
    Resource(
        "GET", _OURS, retrieve_settings, "retrieveProjectSettings", "A project, with all we have.", ProjectSettings
    ),
    Resource(
        "POST",
        _OURS,
        update_settings,
        "updateProjectSettings",
        "Change a project.",
        ProjectSettings,
        UpdateProjectSettings,
    ),
    Resource(
        "DELETE",
        f"{_OURS}/kept_answers",
        forget_answers,
        "forgetKeptAnswers",
        "Forget a project's kept answers, within a second.",
        KeptAnswersDeleted,
    ),
)
