"""`/v1/waystation/notices`: what an administrator should know, such as a credential that its provider refused."""

import re
from functools import partial

from waystation.errors import InvalidRequest
from waystation.fleet.model import Notice
from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.wire.drills import NoticeList, NoticeObject
from waystation.wire.listing import listing

_NUMBER = re.compile(r"[0-9]{1,18}")


async def list_(control: Control, asked: Asked) -> NoticeList:
    page = asked.page()
    if page.after and not _NUMBER.fullmatch(page.after):
        raise InvalidRequest("Invalid 'after': it is the id of an object of this list.", param="after")
    after_id = int(page.after) if page.after else None
    verb = partial(control.fleet.notices, after_id=after_id, rows_max=page.rows_max, ascending=page.ascending)
    return listing(NoticeList, page, [notice_object(each) for each in await control.read(verb)])


def notice_object(notice: Notice) -> NoticeObject:
    return NoticeObject(id=str(notice.id), at=notice.at, kind=notice.kind, subject=notice.subject, detail=notice.detail)


RESOURCES = (Resource("GET", "/waystation/notices", list_, "listNotices", "The newest first.", NoticeList, query=PAGE),)
