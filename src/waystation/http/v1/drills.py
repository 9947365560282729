"""`/v1/waystation/drills`: "pretend that this is down", for one project's calls, to see what happens then."""

from functools import partial

from waystation.errors import InvalidRequest
from waystation.fleet.model import Drill, DrillKind
from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.terms import Model
from waystation.wire.drills import DrillList, DrillObject, StartDrill
from waystation.wire.listing import listing, part_of
from waystation.wire.read import Reader

_read = Reader(StartDrill).read


async def start(control: Control, asked: Asked) -> DrillObject:
    wanted = _read(asked.body)
    kind, subject = _what(wanted)
    names = {name for model in control.models().values() for name in _deployments(model)}
    verb = partial(
        control.fleet.drills.start,
        organization_id=asked.organization_id,
        project_id=wanted.project_id,
        kind=kind,
        subject=subject,
        seconds=wanted.seconds,
        deployments=names,
    )
    return drill_object(await control.change(verb), control.clock.now_s())


async def list_(control: Control, asked: Asked) -> DrillList:
    page = asked.page()
    all_ = await control.read(partial(control.fleet.drills.all, organization_id=asked.organization_id))
    now = control.clock.now_s()
    found = part_of(page, all_, lambda each: each.id)
    return listing(DrillList, page, [drill_object(each, now) for each in found])


async def stop(control: Control, asked: Asked) -> DrillObject:
    verb = partial(control.fleet.drills.stop, organization_id=asked.organization_id, drill_id=asked.id("drill_id"))
    return drill_object(await control.change(verb), control.clock.now_s())


def _what(wanted: StartDrill) -> tuple[DrillKind, str]:
    kinds: tuple[DrillKind, ...] = ("provider", "deployment", "credential")
    said = [(kind, subject) for kind in kinds if (subject := getattr(wanted, kind)) is not None]
    if len(said) != 1:
        raise InvalidRequest(
            "Send one of 'provider', 'deployment' and 'credential': what is taken for down.",
            param=said[1][0] if said else "provider",
            code="invalid_value" if said else "missing_required_parameter",
        )
    return said[0]


def _deployments(model: Model) -> list[str]:
    tiers = model.tiers or ((model.deployment,),)
    return [deployment.name for tier in tiers for deployment in tier]


def drill_object(drill: Drill, now: int) -> DrillObject:
    return DrillObject(
        id=drill.id,
        project_id=drill.project_id,
        kind=drill.kind,
        subject=drill.subject,
        status="on" if drill.is_on(now) else "over" if drill.ended_at is None else "stopped",
        created_at=drill.created_at,
        until_at=drill.until_at,
        ended_at=drill.ended_at,
    )


_ALL, _ONE = "/waystation/drills", "/waystation/drills/{drill_id}"
_START = "Take a provider, a deployment or a credential for down, for the calls of one project."
RESOURCES = (
    Resource("GET", _ALL, list_, "listDrills", "The drills of an organization's projects.", DrillList, query=PAGE),
    Resource("POST", _ALL, start, "startDrill", _START, DrillObject, StartDrill),
    Resource("DELETE", _ONE, stop, "stopDrill", "Stop a drill before its time.", DrillObject),
)
