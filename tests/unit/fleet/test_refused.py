"""A credential that its provider refuses: out of use, told once, in use again when it is mended."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from tests.unit.fleet.fleet_stand import SECRET, FleetStand, fleet_stand
from waystation import tables
from waystation.accounts.store import changes_after
from waystation.fleet.model import Fixed, Notice
from waystation.fleet.store import add_notice
from waystation.providers.model import ProviderConfig
from waystation.terms import Credential, Secret

FILE = Fixed(providers={"filed": ProviderConfig(name="filed", credentials=(Credential("f1", "f", Secret("sk-file")),))})


def made(s: FleetStand) -> str:
    s.provider()
    return s.do(lambda c: s.fleet.credentials.create(c, "blue", "main", Secret(SECRET))).id


def notices(s: FleetStand) -> list[Notice]:
    return s.do(lambda c: s.fleet.notices(c, None, 100, ascending=True))


def refuse(s: FleetStand, id_: str, detail: str, *, shown: str | None = None) -> bool:
    secret = None if shown is None else Secret(shown)
    return s.do(lambda c: s.fleet.refuse_credential(c, id_, "blue", detail, secret))


def test_it_is_disabled_and_told_once_without_its_secret(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        id_ = made(s)
        before = s.do(lambda c: changes_after(c, 0, 100))[-1][0]
        assert [refuse(s, id_, f"upstream 401: no such key\n{SECRET}") for _ in range(3)] == [True, False, False]
        (notice,) = notices(s)
        assert (notice.kind, notice.subject) == ("credential_refused", id_)
        assert notice.detail == {"provider": "blue", "credential": id_, "detail": "upstream 401: no such key ***"}
        (listed,) = s.do(s.fleet.credentials.all)
        assert listed.state is not None
        assert (listed.state.reason, listed.state.disabled_at) == ("refused", s.clock.at)
        assert [topic for _, topic, _ in s.do(lambda c: changes_after(c, before, 100))] == ["fleet"]


@pytest.mark.parametrize("mended_by", ["secret", "enabled"])
def test_it_is_in_use_again_when_it_is_mended_and_may_be_refused_anew(tmp_path: Path, mended_by: str) -> None:
    with fleet_stand(tmp_path) as s:
        id_ = made(s)
        refuse(s, id_, "401")
        if mended_by == "secret":
            s.do(lambda c: s.fleet.credentials.update(c, id_, secret=Secret("sk-another-0123456789")))
        else:
            s.do(lambda c: s.fleet.credentials.update(c, id_, enabled=True))
        assert s.do(s.fleet.credentials.all)[0].state is None
        assert refuse(s, id_, "401")
        assert len(notices(s)) == 2


def test_a_new_secret_does_not_undo_what_an_administrator_did(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        id_ = made(s)
        s.do(lambda c: s.fleet.credentials.update(c, id_, enabled=False))
        assert refuse(s, id_, "401") is False
        after = s.do(lambda c: s.fleet.credentials.update(c, id_, secret=Secret("sk-another-0123456789")))
        assert after.state is not None
        assert after.state.reason == "administrator"


def test_a_late_word_about_a_secret_that_was_replaced_refuses_nothing(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        id_ = made(s)
        s.do(lambda c: s.fleet.credentials.update(c, id_, secret=Secret("sk-another-0123456789")))
        assert refuse(s, id_, "401", shown=SECRET) is False
        assert refuse(s, "cred_gone", "401") is False
        assert notices(s) == []
        assert refuse(s, id_, "401", shown="sk-another-0123456789") is True


def test_the_files_credentials_are_refused_too(tmp_path: Path) -> None:
    with fleet_stand(tmp_path, FILE) as s:
        assert s.do(lambda c: s.fleet.refuse_credential(c, "f1", "filed", "401 sk-file")) is True
        joined = s.fleet.join(s.do(s.fleet.load))
        assert joined.providers["filed"].credentials[0].disabled is True
        assert notices(s)[0].detail["detail"] == "401 ***"


def test_only_the_newest_notices_are_kept(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:

        def many(c: Connection) -> None:
            c.execute(
                insert(tables.notices), [{"at": n, "kind": "k", "subject": "s", "detail": "{}"} for n in range(50)]
            )
            add_notice(c, 99, "k", "new", {}, kept_max=3)

        s.do(many)
        assert [each.at for each in notices(s)] == [48, 49, 99]
