"""What providers' own words for errors mean, as an HTTP status and in OpenAI's form: for errors that come with a 200, and for
those whose status says something else. The table is documented at the providers; what the errors mean for callers is in
`providers/refusals.py`."""

from typing import Any

import msgspec

from waystation.providers.refusals import status_in

_NUMBERS = {
    # MiniMax, base_resp.status_code: https://platform.minimax.io/docs/api-reference/errorcode
    1000: 500,  # unknown
    1001: 504,
    1002: 429,
    1004: 401,
    1008: 402,  # balance
    1013: 500,
    1024: 500,
    1026: 400,  # the input is sensitive
    1027: 400,  # the output is
    1033: 500,
    1039: 429,  # tokens per minute
    1041: 429,  # connections
    2013: 400,  # parameters
    2045: 429,
    2049: 401,
    2056: 429,  # the plan is used up for now
}
_CODES = {
    # Zhipu: https://docs.bigmodel.cn/cn/api/api-code (2026-11-24). Arrears come with 429 there.
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1005"), 401),
    **dict.fromkeys(("1110", "1111", "1112", "1113", "1121", "1309", "1311"), 402),
    **dict.fromkeys(("1210", "1212", "1213", "1214", "1215", "1261", "1300", "1301"), 400),
    **dict.fromkeys(("1211", "1222"), 404),
    **dict.fromkeys(("1302", "1303", "1304", "1305", "1308", "1310", "1312", "1313"), 429),
    **dict.fromkeys(("1120", "1200", "1230", "1234"), 500),
    # DashScope: https://www.alibabacloud.com/help/en/model-studio/developer-reference/error-code (2026-11-24).
    # Arrears come with 400 there.
    "Arrearage": 402,
    "DataInspectionFailed": 400,
    "InvalidApiKey": 401,
    "InvalidParameter": 400,
    "ModelNotFound": 404,
    "RequestTimeOut": 504,
    "data_inspection_failed": 400,
    "invalid_api_key": 401,
    "invalid_parameter_error": 400,
    "model_not_found": 404,
}
_BEGINNINGS = (("Throttling", 429), ("LimitRequests", 429), ("AccessDenied", 403), ("InternalError", 500))


def meant(status: int, body: bytes) -> tuple[int, bytes]:
    """The status that this refusal means, and its body in OpenAI's form. `status` 0: it came within an answer."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return status or 502, body
    if isinstance(said, dict):
        minimax = said.get("base_resp")
        if isinstance(minimax, dict) and minimax.get("status_code"):
            code = minimax["status_code"]
            known = _NUMBERS.get(code, 502) if isinstance(code, int) else 502
            message = {"message": minimax.get("status_msg"), "type": "upstream_error", "code": None, "param": None}
            return known if status in (0, 200) else status, msgspec.json.encode({"error": message})
        error = said.get("error")
        known_as = _status_of(error.get("code") if isinstance(error, dict) else said.get("code"))
        if known_as is not None and (status in (0, 200) or known_as == 402):
            return known_as, body
    return status or status_in(body), body


def _status_of(code: Any) -> int | None:
    if not isinstance(code, str):
        return None
    known = _CODES.get(code)
    if known is None:
        known = next((status for begin, status in _BEGINNINGS if code.startswith(begin)), None)
    return known
