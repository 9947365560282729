"""Usage, single calls, invoices and re-ratings over the whole app on a real database, some calls still in a journal."""

import csv
import io
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.contract.shapes import assert_shape
from tests.unit.http.control_stand import Stand, stand
from tests.unit.ledger.reading.reading_stand import DAY_S, post, settlement, write_journal
from waystation.ledger import store
from waystation.ledger.invoices.service import issue_due
from waystation.ledger.records import SETTLE_FIELDS, Record

USAGE, REQUESTS, INVOICES = "/waystation/usage", "/waystation/requests", "/waystation/invoices"
RERATINGS = "/waystation/reratings"
COMPLETIONS, EMBEDDINGS, COSTS = (
    "/organization/usage/completions",
    "/organization/usage/embeddings",
    "/organization/costs",
)
HALF: dict[str, Any] = {"input": "50", "output": "100"}  # of 10 + 5 tokens: 0.001


def begins(months_ago: int) -> int:
    now = datetime.now(UTC)
    count = now.year * 12 + now.month - 1 - months_ago
    return int(datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC).timestamp())


MONTH_AT = begins(2)


def id_of(record: Record) -> str:
    return str(record[SETTLE_FIELDS.index("request_id")])


def books(folder: Path, story: Callable[[Stand, list[Record]], Awaitable[None]]) -> None:
    """Four calls of two months ago: of 0.002, 0.002 and, embeddings, 0.0003; and of 0.002, which is in a journal."""

    async def told(s: Stand) -> None:
        whose: dict[str, Any] = {"organization_id": s.organization_id, "project_id": s.project_id}
        calls = [
            settlement(MONTH_AT + 60, 2_000_000, key_id="key_a", **whose),
            settlement(MONTH_AT + DAY_S, 2_000_000, key_id="key_b", end_user="ann", **whose),
            settlement(
                MONTH_AT + DAY_S,
                300_000,
                operation="embeddings",
                model="e5",
                output_tokens=0,
                reasoning_tokens=0,
                **whose,
                key_id="key_a",
            ),
            settlement(MONTH_AT + DAY_S + 3_600, 2_000_000, key_id="key_a", **whose),
        ]
        await post(s.worker.database, calls[:3], MONTH_AT)
        epoch = await s.worker.database.write(lambda connection: store.open_epoch(connection, 5, MONTH_AT))
        write_journal(s.worker.settings.data / "journal", epoch, calls[3:])
        await story(s, calls)

    stand(folder, told)


def test_usage_is_told_by_what_is_asked_with_what_is_not_posted_yet(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        span: dict[str, Any] = {"from": MONTH_AT, "until": MONTH_AT + 2 * DAY_S}
        _, admin, _ = await s.new_organization()

        async def told(*names: str, **query: Any) -> list[tuple[Any, ...]]:
            found = await s.get(USAGE, **span, **query)
            return [tuple(each[name] for name in names) for each in found["data"]]

        assert await told("requests", "input_tokens", "cost", "cost_nano", "currency", "model") == [
            (4, 40, "0.0063", "6300000", "USD", None)
        ]
        assert await told("model", "requests", "cost_nano", group_by="model") == [
            ("e5", 1, "300000"),
            ("small", 3, "6000000"),
        ]
        assert await told("from_at", "key", "requests", group_by="key", bucket="day", model="small") == [
            (MONTH_AT, "key_a", 1),
            (MONTH_AT + DAY_S, "key_a", 1),
            (MONTH_AT + DAY_S, "key_b", 1),
        ]
        assert await told("requests", model=["small", "e5"]) == [(4,)]
        assert await told("requests", **{"model[]": "e5"}) == [(1,)]
        assert await told("requests", end_user="ann") == [(1,)]
        assert await told("requests", project="proj_other") == []
        whole = await s.get(USAGE, **span, bucket="day", group_by=["key", "model"], time_zone="Asia/Shanghai")
        assert (whole["group_by"], whole["time_zone"], whole["bucket"]) == (["key", "model"], "Asia/Shanghai", "day")
        assert (whole["from_at"], whole["until_at"]) == (MONTH_AT, MONTH_AT + 2 * DAY_S)
        assert (await s.get(USAGE, **span, key=admin))["data"] == []
        assert (await s.get(USAGE))["data"] == [], "without a time: the last 30 days"

    books(tmp_path, story)


def test_usage_is_read_a_page_at_a_time(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        query = {"from": MONTH_AT, "until": MONTH_AT + 2 * DAY_S, "bucket": "day", "group_by": "key,model"}
        whole = await s.get(USAGE, **query)
        assert (whole["has_more"], whole["next_page"]) == (False, None)
        rows: list[Any] = []
        page: dict[str, str] = {}
        while True:
            found = await s.get(USAGE, **query, limit=1, **page)
            assert len(found["data"]) == 1
            rows += found["data"]
            if not found["has_more"]:
                break
            page = {"page": found["next_page"]}
        assert rows == whole["data"]
        assert len(rows) == 4

    books(tmp_path, story)


def test_a_call_is_told_to_its_project_as_soon_as_it_has_settled(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        posted, waiting = f"{REQUESTS}/{id_of(calls[1])}", f"{REQUESTS}/{id_of(calls[3])}"
        told = await s.get(posted, key=s.key)
        assert (told["id"], told["object"], told["state"], told["end_user"]) == (
            id_of(calls[1]),
            "request",
            "posted",
            "ann",
        )
        assert (told["cost"], told["cost_nano"], told["corrections_nano"], told["input_tokens"]) == (
            "0.002",
            "2000000",
            "0",
            10,
        )
        assert await s.get(posted) == told, "the organization's administrator"
        settled = await s.get(waiting, key=s.key)
        assert (settled["state"], settled["cost"]) == ("settled", "0.002")
        organization_id, admin, project_id = await s.new_organization()
        of_other = (await s.post("/waystation/keys", {"name": "k", "project_id": project_id}, key=admin))["value"]
        project = await s.post("/organization/projects", {"name": "Beside"})
        beside = (await s.post("/waystation/keys", {"name": "k", "project_id": project["id"]}))["value"]
        for key in (admin, of_other, beside):
            for path in (posted, waiting):
                assert (await s.ask("GET", path, key=key)).error == (404, "not_found", "request_id")
        assert (await s.ask("GET", posted, organization_id=organization_id)).status == 404
        for wrong in ("req_none", "x" * 200, "%00", ".."):
            assert (await s.ask("GET", f"{REQUESTS}/{wrong}", key=s.key)).status == 404

    books(tmp_path, story)


def test_usage_and_costs_have_openais_shape(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        span: dict[str, Any] = {"start_time": MONTH_AT + 7, "end_time": MONTH_AT + 3 * DAY_S}
        told = await s.get(COMPLETIONS, **span)
        assert_shape("UsageResponse", told)
        assert [(each["start_time"], each["end_time"], len(each["results"])) for each in told["data"]] == [
            (MONTH_AT, MONTH_AT + DAY_S, 1),
            (MONTH_AT + DAY_S, MONTH_AT + 2 * DAY_S, 1),
            (MONTH_AT + 2 * DAY_S, MONTH_AT + 3 * DAY_S, 0),
        ]
        assert told["data"][1]["results"] == [
            {
                "object": "organization.usage.completions.result",
                "input_tokens": 20,
                "input_cached_tokens": 4,
                "output_tokens": 10,
                "num_model_requests": 2,
                **dict.fromkeys(("project_id", "user_id", "api_key_id", "model", "batch", "service_tier")),
            }
        ]
        by = ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier"]
        grouped = await s.get(COMPLETIONS, **span, **{"group_by[]": by, "api_key_ids[]": ["key_b", "key_c"]})
        assert_shape("UsageResponse", grouped)
        (result,) = grouped["data"][1]["results"]
        assert [result[name] for name in by] == [s.project_id, "ann", "key_b", "small", False, "default"]
        assert (await s.get(COMPLETIONS, **span, batch="true"))["data"][1]["results"] == []
        vectors = await s.get(EMBEDDINGS, **span, group_by="model", models="e5")
        assert_shape("UsageResponse", vectors)
        (result,) = vectors["data"][1]["results"]
        assert (result["input_tokens"], result["num_model_requests"], result["model"]) == (10, 1, "e5")
        costs = await s.get(COSTS, **span, group_by=["line_item", "project_id"])
        assert_shape("UsageResponse", costs)
        assert costs["data"][1]["results"] == [
            {
                "object": "organization.costs.result",
                "amount": {"value": value, "value_nano": nano, "currency": "usd"},
                "line_item": model,
                "project_id": s.project_id,
                "api_key_id": None,
            }
            for model, value, nano in (("e5", 0.0003, "300000"), ("small", 0.004, "4000000"))
        ]
        admin = {"authorization": f"Bearer {s.operator}"}
        raw = await s._client.get(f"/v1{COSTS}", params=span, headers=admin)
        assert '"value":0.0043,' in raw.text, "as it is, and not as a float would have it"

    books(tmp_path, story)


def test_openais_buckets_are_read_a_page_at_a_time(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        query: dict[str, Any] = {"start_time": MONTH_AT, "end_time": MONTH_AT + 30 * 3_600, "bucket_width": "1h"}
        buckets: list[Any] = []
        page: dict[str, str] = {}
        pages = 0
        while True:
            found = await s.get(COMPLETIONS, **query, limit=7, **page)
            buckets += found["data"]
            pages += 1
            if not found["has_more"]:
                break
            page = {"page": found["next_page"]}
        assert (pages, len(buckets)) == (5, 30)
        assert [bucket["start_time"] for bucket in buckets] == [MONTH_AT + n * 3_600 for n in range(30)]
        assert sum(result["num_model_requests"] for bucket in buckets for result in bucket["results"]) == 3
        default = await s.get(COMPLETIONS, start_time=MONTH_AT)
        assert (len(default["data"]), default["has_more"]) == (7, True)
        now = await s.get(COSTS, start_time=int(time.time()))
        assert (len(now["data"]), now["has_more"]) == (1, False)
        assert (await s.get(COSTS, start_time=4_000_000_000))["data"] == []

    books(tmp_path, story)


def test_invoices_are_listed_and_shown_and_saved_as_csv(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        folder = s.worker.settings.data / "journal"
        await s.worker.ledger.sweep()  # posts what the dead worker left
        at = int(time.time())
        await s.worker.database.write(lambda connection: issue_due(connection, folder, at))
        (head,) = (await s.get(INVOICES))["data"]
        assert (head["total"], head["total_nano"], head["terms"], head["month"]) == (
            "0.0063",
            "6300000",
            "postpaid",
            f"{datetime.fromtimestamp(MONTH_AT, UTC):%Y-%m}",
        )
        one = f"{INVOICES}/{head['id']}"
        whole = await s.get(one)
        assert {name: whole[name] for name in head} == head
        assert [(each["model"], each["requests"], each["amount"]) for each in whole["lines"]] == [
            ("e5", 1, "0.0003"),
            ("small", 3, "0.006"),
        ]
        assert whole["corrections"] == []
        saved = await s._client.get(
            f"/v1{one}", params={"format": "csv"}, headers={"authorization": f"Bearer {s.operator}"}
        )
        assert saved.headers["content-type"].startswith("text/csv")
        assert saved.headers["content-disposition"] == f'attachment; filename="{head["id"]}.csv"'
        rows = list(csv.DictReader(io.StringIO(saved.text)))
        assert [(row["kind"], row["amount"]) for row in rows] == [
            ("usage", "0.0003"),
            ("usage", "0.006"),
            ("total", "0.0063"),
        ]
        assert (await s.get(INVOICES, after=head["id"]))["data"] == []
        assert (await s.get(INVOICES, limit=100))["has_more"] is False
        _, admin, _ = await s.new_organization()
        assert (await s.get(INVOICES, key=admin))["data"] == []
        assert (await s.ask("GET", one, key=admin)).error == (404, "not_found", "invoice_id")
        assert await s.problems() == []

    books(tmp_path, story)


def test_a_period_is_looked_at_then_priced_anew_once(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        await s.worker.ledger.sweep()
        asked = {"model": "small", "from": MONTH_AT, "until": MONTH_AT + 2 * DAY_S, "price": HALF}
        looked = await s.post(RERATINGS, {**asked, "preview": True})
        assert looked["changes"] == [
            {
                "organization_id": s.organization_id,
                "currency": "USD",
                "changed": 3,
                "old_nano": "6000000",
                "new_nano": "3000000",
                "delta_nano": "-3000000",
            }
        ]
        assert (looked["id"], looked["preview"], looked["requests"], looked["delta_nano"]) == (
            None,
            True,
            3,
            {"USD": "-3000000"},
        )
        assert (await s.get(RERATINGS))["data"] == []
        assert (await s.get(f"{REQUESTS}/{id_of(calls[0])}"))["cost"] == "0.002", "a preview writes nothing"
        done = [await s.post(RERATINGS, {**asked, "id": "a.typo:1", "reason": "the list had a typo"}) for _ in range(2)]
        assert done[0] == done[1]
        assert (done[0]["preview"], done[0]["price"], done[0]["delta_nano"], done[0]["reason"]) == (
            False,
            {"currency": "USD", **HALF},
            {"USD": "-3000000"},
            "the list had a typo",
        )
        call = await s.get(f"{REQUESTS}/{id_of(calls[0])}", key=s.key)
        assert (call["cost"], call["corrections_nano"]) == ("0.001", "-1000000")
        rates = {"input_nano_per_million": 0, "output_nano_per_million": 0}
        again = {key: value for key, value in asked.items() if key != "price"} | {"rates": rates}
        free = await s.post(RERATINGS, {**again, "id": "free", "reason": "goodwill"})
        assert free["delta_nano"] == {"USD": "-3000000"}
        newest = await s.get(RERATINGS, limit=1)
        assert newest["has_more"] is True
        listed = newest["data"] + (await s.get(RERATINGS, after=newest["last_id"]))["data"]
        assert {each["id"] for each in listed} == {"a.typo:1", "free"}
        assert len(listed) == 2
        assert await s.get(f"{RERATINGS}/a.typo:1") == done[0]
        assert await s.problems() == []

    books(tmp_path, story)


SPAN = {"from": MONTH_AT, "until": MONTH_AT + DAY_S}
START = {"start_time": MONTH_AT, "end_time": MONTH_AT + DAY_S}
QUERIES: list[tuple[str, dict[str, Any], str | None, str]] = [
    (USAGE, {"from": "yesterday"}, None, "from"),
    (USAGE, {"from": 5, "until": 5}, None, "from"),
    (USAGE, {"from": 0, "until": 10**11}, None, "until"),
    (USAGE, {"until": "1e9"}, None, "until"),
    (USAGE, {**SPAN, "bucket": "year"}, None, "bucket"),
    (USAGE, {**SPAN, "group_by": "colour"}, None, "group_by"),
    (USAGE, {**SPAN, "group_by": "model,model"}, None, "group_by"),
    (USAGE, {**SPAN, "group_by": ""}, None, "group_by"),
    (USAGE, {**SPAN, "model": "x" * 257}, None, "model"),
    (USAGE, {**SPAN, "project": [str(n) for n in range(101)]}, None, "project"),
    (USAGE, {**SPAN, "time_zone": "Mars"}, None, "time_zone"),
    (USAGE, {**SPAN, "limit": 10_001}, None, "limit"),
    (USAGE, {**SPAN, "page": "x"}, None, "page"),
    (USAGE, {**SPAN, "page": "e30"}, None, "page"),
    (USAGE, {**SPAN, "page": "W10"}, None, "page"),
    (USAGE, {**SPAN, "page": "x" * 5_000}, None, "page"),
    (USAGE, {**SPAN, "page": "\u4f60"}, None, "page"),
    (USAGE, {**SPAN, "colour": "red"}, "unknown_parameter", "colour"),
    (COMPLETIONS, {}, "missing_required_parameter", "start_time"),
    (COMPLETIONS, {"start_time": "x"}, None, "start_time"),
    (COMPLETIONS, {"start_time": 5, "end_time": 5}, None, "start_time"),
    (COMPLETIONS, {**START, "bucket_width": "1w"}, None, "bucket_width"),
    (COMPLETIONS, {**START, "group_by": "colour"}, None, "group_by"),
    (COMPLETIONS, {**START, "limit": 32}, None, "limit"),
    (COMPLETIONS, {**START, "page": "page_5"}, None, "page"),
    (COMPLETIONS, {**START, "page": f"page_{MONTH_AT + 1}"}, None, "page"),
    (COMPLETIONS, {**START, "page": "page_" + "9" * 500}, None, "page"),
    (COMPLETIONS, {**START, "page": "page_\u0661"}, None, "page"),
    (COMPLETIONS, {**START, "batch": "maybe"}, None, "batch"),
    (COMPLETIONS, {**START, "user_ids": ["x" * 257]}, None, "user_ids"),
    (COMPLETIONS, {"start_time": 10**11, "end_time": 2 * 10**11}, None, "start_time"),
    (EMBEDDINGS, {**START, "group_by": "batch"}, None, "group_by"),
    (COSTS, {**START, "bucket_width": "1h"}, None, "bucket_width"),
    (COSTS, {**START, "limit": 181}, None, "limit"),
    (f"{INVOICES}/INV-2026-000001", {"format": "pdf"}, None, "format"),
    (f"{INVOICES}/one", {}, None, "invoice_id"),
    (INVOICES, {"after": "one"}, None, "invoice_id"),
    (INVOICES, {"order": "asc"}, "unknown_parameter", "order"),
]
ASKED: dict[str, Any] = {"model": "small", **SPAN, "price": HALF, "id": "one", "reason": "why"}
REFUSED: list[tuple[dict[str, Any], int, str | None, str | None]] = [
    ({"model": "small", **SPAN, "price": HALF}, 400, "missing_required_parameter", "id"),
    ({**ASKED, "reason": None}, 400, "missing_required_parameter", "reason"),
    ({**ASKED, "reason": " "}, 400, None, "reason"),
    ({**ASKED, "id": "a b"}, 400, None, "id"),
    ({**ASKED, "id": "x" * 81}, 400, "string_above_max_length", "id"),
    ({**ASKED, "from": -1}, 400, "integer_below_min_value", "from"),
    ({**ASKED, "from": "2026-11-01"}, 400, "invalid_type", "from"),
    ({**ASKED, "until": MONTH_AT}, 400, None, "from"),
    ({**ASKED, "until": 10**11}, 400, None, "until"),
    ({**ASKED, "until": int(time.time()) + 10_000}, 400, None, "until"),
    ({**ASKED, "price": "unmetered"}, 400, "invalid_value", "price"),
    ({**ASKED, "price": None}, 400, "missing_required_parameter", "price"),
    ({**ASKED, "price": {**HALF, "currency": "CNY"}}, 400, None, "price"),
    ({**ASKED, "model": "none"}, 404, "not_found", "model"),
    ({**ASKED, "organization_id": "org-none"}, 404, "not_found", "organization_id"),
    ({**ASKED, "project_id": "proj_none"}, 404, "not_found", "project_id"),
    ({**ASKED, "preview": "yes"}, 400, "invalid_type", "preview"),
    ({**ASKED, "colour": "red"}, 400, "unknown_parameter", "colour"),
]


def test_what_makes_no_sense_is_refused_by_name_and_changes_nothing(tmp_path: Path) -> None:
    async def story(s: Stand, calls: list[Record]) -> None:
        for path, query, code, param in QUERIES:
            said = await s.ask("GET", path, **query)
            assert said.error == (400, code, param), (path, query, said.body)
        for body, status, code, name in REFUSED:
            said = await s.ask("POST", RERATINGS, body)
            assert said.error == (status, code, name), (body, said.body)
        assert (await s.ask("GET", f"{RERATINGS}/none")).error == (404, "not_found", "rerating_id")
        assert (await s.ask("GET", RERATINGS, after="none")).error == (404, "not_found", "after")
        assert (await s.get(RERATINGS))["data"] == []

    books(tmp_path, story)
