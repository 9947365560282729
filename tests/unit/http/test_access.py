"""Who may ask for what: every URL of the app has its access, and keeps to it."""

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from tests.unit.http.control_stand import Stand, stand
from waystation.http.access import ACCESS, Access
from waystation.http.operations import NAME
from waystation.http.routes import ANTHROPIC_PREFIXES, CALL_ROUTES

ID = "x_0123456789"
LIMITS, RPM = "/waystation/rate_limits", "max_requests_per_1_minute"


def bare(path: str) -> str:
    """A path without the prefix of a base URL, as the table has it."""
    prefix = next(
        prefix for prefix in sorted(ANTHROPIC_PREFIXES, key=len, reverse=True) if path.startswith(f"{prefix}/")
    )
    return path.removeprefix(prefix)


def routes_of(app: Starlette) -> Iterator[tuple[str, str]]:
    """Every method and path of the app, without those that only refuse."""
    for route in app.routes:
        assert isinstance(route, Route), f"{route} can't be looked up in the table"
        if (route.path.encode() in CALL_ROUTES and route.name == "call_options") or route.name == NAME:
            continue
        for method in (route.methods or set()) - {"HEAD"}:
            yield method, route.path


def test_every_url_has_its_access_and_the_table_has_nothing_else(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        there = {f"{method} {bare(path)}" for method, path in routes_of(s.worker.app())}
        there |= {f"POST {bare(path.decode())}" for path in CALL_ROUTES}
        assert there == set(ACCESS)

    stand(tmp_path, story)


def test_nobody_gets_further_than_their_key_goes(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        _, other_admin, _ = await s.new_organization()
        wrong = "sk-" + "x" * 48
        for label, access in ACCESS.items():
            method, path = label.split(" ")
            if access in (Access.PUBLIC, Access.MACHINE, Access.CALL) or "{model" in path:
                continue
            path = re.sub(r"\{\w+\}", ID, path)
            statuses = [(await s.ask(method, path, key=key)).status for key in ("", wrong, s.key, other_admin)]
            assert statuses[:2] == [401, 401], label
            if access is Access.KEY:
                assert not {401, 403} & set(statuses[2:]), label
            elif access is Access.ADMIN:
                assert statuses[2] == 403, label
            elif access is Access.OPERATOR:
                assert statuses[2:] == [403, 403], label
        denied = await s.ask("POST", "/waystation/organizations", {"name": "Mine"}, key=other_admin)
        assert "first organization" in denied.body["error"]["message"]

    stand(tmp_path, story)


def test_the_figures_are_for_this_machine_and_the_operator(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        _, other_admin, _ = await s.new_organization()
        client = s._client
        for key, status in (("", 401), (s.key, 403), (other_admin, 403), (s.operator, 200)):
            headers = {"x-forwarded-for": "203.0.113.7"} | ({"authorization": f"Bearer {key}"} if key else {})
            assert (await client.get("/metrics", headers=headers)).status_code == status
        assert (await client.get("/metrics")).status_code == 200

    stand(tmp_path, story)


def test_what_is_another_organizations_is_not_there(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, _ = await s.new_organization()
        budget = await s.post("/waystation/budgets", {"scope": "organization", "window": "day", "cap": "1"})
        key = await s.post("/waystation/keys", {"name": "k", "project_id": s.project_id})
        limit = await s.post(LIMITS, {"scope": "project", "subject": s.project_id, RPM: 5})
        project = f"/organization/projects/{s.project_id}"
        asked = [
            ("GET", f"/waystation/budgets/{budget['id']}", None),
            ("POST", f"/waystation/budgets/{budget['id']}", {"cap": "9"}),
            ("DELETE", f"/waystation/budgets/{budget['id']}", None),
            ("GET", f"{LIMITS}/{limit['id']}", None),
            ("DELETE", f"{LIMITS}/{limit['id']}", None),
            ("POST", LIMITS, {"scope": "organization", "subject": s.organization_id, RPM: 0}),
            ("POST", LIMITS, {"scope": "project", "subject": s.project_id, RPM: 0}),
            ("POST", LIMITS, {"scope": "key", "subject": key["id"], RPM: 0}),
            ("GET", f"{project}/rate_limits", None),
            ("POST", f"{project}/rate_limits/{limit['id']}", {RPM: 0}),
            ("GET", project, None),
            ("POST", project, {"name": "Mine"}),
            ("POST", f"{project}/archive", None),
            ("GET", f"{project}/api_keys", None),
            ("GET", f"{project}/api_keys/{key['id']}", None),
            ("DELETE", f"{project}/api_keys/{key['id']}", None),
            ("GET", f"/waystation/projects/{s.project_id}", None),
            ("POST", f"/waystation/projects/{s.project_id}", {"name": "Mine"}),
            ("GET", f"/waystation/keys/{key['id']}", None),
            ("DELETE", f"/waystation/keys/{key['id']}", None),
            ("POST", "/waystation/keys", {"name": "k", "project_id": s.project_id}),
            ("POST", "/waystation/budgets", {"scope": "key", "subject": key["id"], "window": "day", "cap": "1"}),
        ]
        for method, path, body in asked:
            said = await s.ask(method, path, body, key=admin)
            assert said.status == 404, (method, path, said)
        mine = await s.get("/organization/projects", key=admin)
        path = f"/organization/projects/{mine['data'][0]['id']}/rate_limits/{limit['id']}"
        assert (await s.ask("POST", path, {RPM: 0}, key=admin)).status == 404, "through a project of one's own"
        lists = ("/waystation/budgets", LIMITS, "/waystation/credit", "/waystation/keys", "/organization/projects")
        for path in lists:
            said = await s.ask("GET", path, key=admin, organization_id=s.organization_id)
            assert said.error == (404, "not_found", "organization_id"), path
            assert (await s.ask("GET", path, organization_id=organization_id)).status == 200, "the operator's may"
        assert (await s.ask("GET", "/waystation/credit", organization_id="org-none")).status == 404
        assert (await s.get(f"/waystation/budgets/{budget['id']}"))["cap_nano"] == "1000000000"

    stand(tmp_path, story)
