"""The control plane for money over the whole app on a real database: what it does."""

import asyncio
from pathlib import Path
from typing import Any

from tests.unit.http.control_stand import Stand, stand

UNIT = 10**9


def test_a_budget_is_made_listed_changed_and_removed_with_how_it_stands(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        asked = {"scope": "project", "subject": s.project_id, "window": "month", "cap": "12.50", "thresholds": [80]}
        made = await s.post("/waystation/budgets", asked)
        assert made["object"] == "budget"
        assert (made["cap_nano"], made["spent_nano"], made["held_nano"], made["left_nano"]) == (
            str(12_500_000_000),
            "0",
            "0",
            str(12_500_000_000),
        )
        assert made["period"]["begins_at"] < made["created_at"] < made["period"]["ends_at"]
        assert (made["currency"], made["hard"], made["thresholds"], made["notices"]) == ("USD", True, [80], [])
        one = f"/waystation/budgets/{made['id']}"
        changed = await s.post(one, {"cap_nano": "500", "hard": False})
        assert (changed["cap_nano"], changed["hard"], changed["thresholds"]) == ("500", False, [80])
        assert await s.get(one) == changed
        listed = await s.get("/waystation/budgets")
        assert listed == {
            "object": "list",
            "first_id": made["id"],
            "last_id": made["id"],
            "has_more": False,
            "data": [changed],
        }
        gone = await s.ask("DELETE", one)
        assert gone.body == {"object": "budget.deleted", "id": made["id"], "deleted": True}
        assert (await s.ask("GET", one)).error == (404, "not_found", "budget_id")
        assert (await s.get("/waystation/budgets"))["data"] == []

    stand(tmp_path, story)


def test_a_list_is_read_a_page_at_a_time_in_either_order(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = [
            (
                await s.post(
                    "/waystation/budgets", {"scope": "end_user", "subject": f"u{n}", "window": "day", "cap": "1"}
                )
            )["id"]
            for n in range(5)
        ]
        for order, expected in (("asc", sorted(made)), ("desc", sorted(made, reverse=True))):
            seen: list[str] = []
            more = True
            while more:
                query: dict[str, Any] = {"limit": 2, "order": order} | ({"after": seen[-1]} if seen else {})
                page = await s.get("/waystation/budgets", **query)
                seen += [each["id"] for each in page["data"]]
                more = page["has_more"]
                assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            assert seen == expected

    stand(tmp_path, story)


def test_a_budget_for_each_end_user_says_how_one_of_them_stands(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = await s.post(
            "/waystation/budgets", {"scope": "end_user", "subject": "*", "window": "day", "cap_nano": 7}
        )
        assert (made["spent_nano"], made["left_nano"], made["end_user"]) == (None, None, None)
        one = await s.get(f"/waystation/budgets/{made['id']}", end_user="alice")
        assert (one["spent_nano"], one["left_nano"], one["end_user"]) == ("0", "7", "alice")

    stand(tmp_path, story)


def test_who_registers_is_prepaid_and_begins_with_the_credit_of_the_setting(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, project_id = await s.new_organization(currency="CNY", time_zone="Asia/Shanghai")
        own = await s.get("/waystation/organization", key=admin)
        assert (own["id"], own["postpaid"], own["currency"], own["time_zone"]) == (
            organization_id,
            False,
            "CNY",
            "Asia/Shanghai",
        )
        credit = await s.get("/waystation/credit", key=admin)
        assert (credit["balance_nano"], credit["available_nano"], credit["granted_nano"], credit["currency"]) == (
            *[str(7 * UNIT // 2)] * 3,
            "CNY",
        )
        (grant,) = (await s.get("/waystation/credit/grants", key=admin))["data"]
        assert (grant["kind"], grant["amount_nano"]) == ("sign_up", str(7 * UNIT // 2))
        projects = (await s.get("/organization/projects", key=admin))["data"]
        assert [project["id"] for project in projects] == [project_id]
        first = await s.get("/waystation/organization")
        assert (first["id"], first["postpaid"]) == (s.organization_id, True)
        assert len((await s.get("/waystation/organizations"))["data"]) == 2
        assert await s.problems() == []

    stand(tmp_path, story, '[money]\nsignup_grant = "3.5"\n')


def test_credit_is_granted_by_the_operator_and_by_codes_that_work_once(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, _ = await s.new_organization()
        grant = await s.post(
            "/waystation/credit/grants",
            {
                "organization_id": organization_id,
                "amount": "20",
                "kind": "top_up",
                "note": "Invoice 7",
                "expires_at": 2**32,
            },
        )
        assert (grant["amount_nano"], grant["note"], grant["kind"]) == (str(20 * UNIT), "Invoice 7", "top_up")
        made = await s.post("/waystation/credit/codes", {"count": 2, "amount": "1.25"})
        assert len({code["code"] for code in made["data"]}) == 2
        redeemed = await s.post("/waystation/credit/redeem", {"code": made["data"][0]["code"].lower()}, key=admin)
        assert (redeemed["kind"], redeemed["amount_nano"]) == ("redeem_code", str(UNIT * 5 // 4))
        again = await s.ask("POST", "/waystation/credit/redeem", {"code": made["data"][0]["code"]}, key=admin)
        assert again.error == (400, "code_redeemed", "code")
        voided = await s.ask("DELETE", f"/waystation/credit/codes/{made['data'][1]['id']}")
        assert voided.body["deleted"] is True
        dead = await s.ask("POST", "/waystation/credit/redeem", {"code": made["data"][1]["code"]}, key=admin)
        assert dead.error == (404, "not_found", "code")
        listed = {code["id"]: code for code in (await s.get("/waystation/credit/codes"))["data"]}
        states = [listed[code["id"]]["status"] for code in made["data"]]
        assert states == ["redeemed", "voided"]
        assert listed[made["data"][0]["id"]]["redeemed_by"] == organization_id
        assert all("code" not in code for code in listed.values()), "shown once"
        credit = await s.get("/waystation/credit", organization_id=organization_id)
        assert credit["balance_nano"] == credit["granted_nano"] == str(26 * UNIT + UNIT // 4)
        assert (credit["used_nano"], credit["expired_nano"], credit["grants"]) == ("0", "0", 3)
        assert credit["next_expiry"] == {"expires_at": 2**32, "left_nano": str(20 * UNIT)}
        assert await s.problems() == []

    stand(tmp_path, story)


def test_of_many_who_redeem_a_code_at_once_one_gets_it(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        admins = [(await s.new_organization(name=f"o{n}"))[1] for n in range(3)]
        (code,) = (await s.post("/waystation/credit/codes", {"amount": "1"}))["data"]
        asked = [s.ask("POST", "/waystation/credit/redeem", {"code": code["code"]}, key=key) for key in admins * 3]
        assert sorted(said.status for said in await asyncio.gather(*asked)) == [200] + [400] * 8
        assert await s.problems() == []

    stand(tmp_path, story)


def test_what_was_decided_before_money_moved_stays(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        other: dict[str, Any] = {"organization_id": (await s.new_organization())[0]}
        for change, param in (({"currency": "CNY"}, "currency"), ({"postpaid": True}, "postpaid")):
            said = await s.ask("POST", "/waystation/organization", change, **other)
            assert said.error == (400, None, param), "the credit of the sign-up has moved"
        same = {"currency": "USD", "postpaid": False, "name": "Renamed", "time_zone": "Asia/Shanghai"}
        renamed = await s.post("/waystation/organization", same, **other)
        assert (renamed["name"], renamed["time_zone"]) == ("Renamed", "Asia/Shanghai")
        first = await s.post("/waystation/organization", {"currency": "CNY", "time_zone": "Europe/Berlin"})
        assert (first["currency"], first["time_zone"]) == ("CNY", "Europe/Berlin"), "nothing has moved yet"
        await s.post("/waystation/budgets", {"scope": "organization", "window": "total", "cap": "1"})
        said = await s.ask("POST", "/waystation/organization", {"currency": "USD"})
        assert said.error == (400, None, "currency"), "there is a budget in CNY"

    stand(tmp_path, story)


def test_an_overdraft_is_credit_on_trust_that_the_operator_gives(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, _ = await s.new_organization()
        other = {"organization_id": organization_id}
        for nano in ("3000000000", "500000000"):
            changed = await s.post("/waystation/organization", {"overdraft_nano": nano}, **other)
            assert changed["overdraft_nano"] == nano
            credit = await s.get("/waystation/credit", key=admin)
            assert (credit["balance_nano"], credit["available_nano"]) == ("0", nano)
            assert await s.problems() == []
        await s.post("/waystation/credit/grants", {**other, "amount": "1"})
        assert (await s.get("/waystation/credit", key=admin))["available_nano"] == "1500000000"
        await s.post("/waystation/organization", {"overdraft": "0"}, **other)
        assert (await s.get("/waystation/credit", key=admin))["available_nano"] == "1000000000"
        assert await s.problems() == []

    stand(tmp_path, story, '[money]\nsignup_grant = "0"\n')


def test_an_archived_project_is_gone_from_the_list_and_its_keys_are_refused(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        project = await s.post("/organization/projects", {"name": "Search"})
        one = f"/organization/projects/{project['id']}"
        key = await s.post("/waystation/keys", {"name": "k", "project_id": project["id"], "expires_in_seconds": 60})
        assert (await s.ask("GET", "/models", key=key["value"])).status == 200
        ours = await s.post(f"/waystation/projects/{project['id']}", {"on_disconnect": "drain", "name": "Find"})
        assert (ours["on_disconnect"], ours["name"], ours["organization_id"]) == ("drain", "Find", s.organization_id)
        archived = await s.post(f"{one}/archive")
        assert (archived["status"], archived["name"]) == ("archived", "Find")
        assert await s.post(f"{one}/archive") == archived
        assert (await s.ask("GET", "/models", key=key["value"])).error == (401, "invalid_api_key", None)
        assert project["id"] not in [each["id"] for each in (await s.get("/organization/projects"))["data"]]
        every = await s.get("/organization/projects", include_archived="true")
        assert project["id"] in [each["id"] for each in every["data"]]
        assert (await s.ask("POST", one, {"name": "x"})).error == (400, None, "project_id")
        more = await s.ask("POST", "/waystation/keys", {"name": "k", "project_id": project["id"]})
        assert more.error == (400, None, "project_id")

    stand(tmp_path, story)


def test_a_key_is_shown_once_listed_redacted_and_revoked(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        keys = f"/organization/projects/{s.project_id}/api_keys"
        made = await s.post("/waystation/keys", {"name": "ci", "project_id": s.project_id})
        assert len(made["value"]) == 51
        shown = await s.get(f"/waystation/keys/{made['id']}")
        assert "value" not in shown
        listed = await s.get(keys)
        assert made["id"] in [key["id"] for key in listed["data"]]
        assert made["value"] not in str(listed)
        gone = await s.ask("DELETE", f"{keys}/{made['id']}")
        assert gone.body == {"object": "organization.project.api_key.deleted", "id": made["id"], "deleted": True}
        assert (await s.ask("DELETE", f"{keys}/{made['id']}")).error == (404, "not_found", "key_id")
        assert (await s.ask("GET", "/models", key=made["value"])).status == 401
        assert (await s.get(f"/waystation/keys/{made['id']}"))["revoked_at"] is not None
        assert (await s.ask("DELETE", f"/waystation/keys/{made['id']}")).status == 200, "to do it again changes nothing"

    stand(tmp_path, story)


def test_the_books_are_verified_one_at_a_time(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        await s.new_organization()
        said = await asyncio.gather(*(s.ask("POST", "/waystation/ledger/verify") for _ in range(4)))
        done = [each for each in said if each.status == 200]
        assert done
        assert done[0].body["ok"] is True
        assert done[0].body["problems"] == []
        for other in said:
            assert other.status in (200, 429)
            assert other.status == 200 or other.headers["retry-after-ms"] == "1000"
        await s.worker.database.write(lambda c: c.exec_driver_sql("UPDATE postings SET amount_nano = amount_nano + 1"))
        found = await s.post("/waystation/ledger/verify")
        assert (found["ok"], found["object"]) == (False, "ledger.verification")
        assert {"table", "row", "message"} == set(found["problems"][0])

    stand(tmp_path, story)
