"""Who may ask for what: one table of every URL, to be read in one go.

A URL that isn't here can't be served: `http/app.py` looks each of them up when it is built. Paths are without the prefix
of a base URL.
"""

from enum import StrEnum


class Access(StrEnum):
    PUBLIC = "public"
    MACHINE = "machine"  # whoever is on this machine; from elsewhere the operator
    CALL = "call"  # a project's key: `gateway/answer.py` asks for it
    PROJECT = "project"  # a project's key, for the objects of its project
    KEY = "key"  # any key that is valid
    ADMIN = "admin"  # an admin key, for its own organization; the operator's may name another
    OPERATOR = "operator"  # an admin key of the first organization: the one that runs this server


ACCESS: dict[str, Access] = {
    # pages of the server
    "GET /": Access.PUBLIC,
    "GET /health": Access.PUBLIC,
    "GET /ready": Access.PUBLIC,
    "GET /version": Access.PUBLIC,
    "GET /openapi.json": Access.PUBLIC,
    "GET /metrics": Access.MACHINE,
    # calls, and what stands beside them
    "POST /chat/completions": Access.CALL,
    "POST /completions": Access.CALL,
    "POST /embeddings": Access.CALL,
    "POST /moderations": Access.CALL,
    "POST /responses": Access.CALL,
    "POST /responses/compact": Access.CALL,
    "POST /messages": Access.CALL,
    "POST /messages/count_tokens": Access.KEY,
    "GET /models": Access.KEY,
    "GET /models/{model:path}": Access.KEY,
    "POST /waystation/tokenize": Access.KEY,
    "POST /waystation/estimate": Access.KEY,  # at the prices of its own project, or of its organization
    # what is kept
    "GET /responses/{response_id}": Access.PROJECT,
    "DELETE /responses/{response_id}": Access.PROJECT,
    "POST /responses/input_tokens": Access.PROJECT,
    "POST /responses/{response_id}/cancel": Access.PROJECT,
    "GET /responses/{response_id}/input_items": Access.PROJECT,
    "POST /conversations": Access.PROJECT,
    "GET /conversations/{conversation_id}": Access.PROJECT,
    "POST /conversations/{conversation_id}": Access.PROJECT,
    "DELETE /conversations/{conversation_id}": Access.PROJECT,
    "GET /conversations/{conversation_id}/items": Access.PROJECT,
    "POST /conversations/{conversation_id}/items": Access.PROJECT,
    "GET /conversations/{conversation_id}/items/{item_id}": Access.PROJECT,
    "DELETE /conversations/{conversation_id}/items/{item_id}": Access.PROJECT,
    # files
    "GET /files": Access.PROJECT,
    "POST /files": Access.PROJECT,
    "GET /files/{file_id}": Access.PROJECT,
    "DELETE /files/{file_id}": Access.PROJECT,
    "GET /files/{file_id}/content": Access.PROJECT,
    "POST /uploads": Access.PROJECT,
    "POST /uploads/{upload_id}/parts": Access.PROJECT,
    "POST /uploads/{upload_id}/complete": Access.PROJECT,
    "POST /uploads/{upload_id}/cancel": Access.PROJECT,
    "GET /chat/completions": Access.PROJECT,
    "GET /chat/completions/{completion_id}": Access.PROJECT,
    "POST /chat/completions/{completion_id}": Access.PROJECT,
    "DELETE /chat/completions/{completion_id}": Access.PROJECT,
    "GET /chat/completions/{completion_id}/messages": Access.PROJECT,
    # OpenAI's admin API
    "GET /organization/projects": Access.ADMIN,
    "POST /organization/projects": Access.ADMIN,
    "GET /organization/projects/{project_id}": Access.ADMIN,
    "POST /organization/projects/{project_id}": Access.ADMIN,
    "POST /organization/projects/{project_id}/archive": Access.ADMIN,
    "GET /organization/projects/{project_id}/api_keys": Access.ADMIN,
    "GET /organization/projects/{project_id}/api_keys/{key_id}": Access.ADMIN,
    "GET /organization/projects/{project_id}/rate_limits": Access.ADMIN,
    "POST /organization/projects/{project_id}/rate_limits/{rate_limit_id}": Access.ADMIN,
    "DELETE /organization/projects/{project_id}/api_keys/{key_id}": Access.ADMIN,
    "GET /organization/usage/completions": Access.ADMIN,
    "GET /organization/usage/embeddings": Access.ADMIN,
    "GET /organization/usage/moderations": Access.ADMIN,
    "GET /organization/costs": Access.ADMIN,
    # what it lacks
    "GET /waystation/organization": Access.ADMIN,
    "POST /waystation/organization": Access.ADMIN,
    "GET /waystation/organizations": Access.OPERATOR,
    "POST /waystation/organizations": Access.OPERATOR,
    "GET /waystation/projects/{project_id}": Access.ADMIN,
    "POST /waystation/projects/{project_id}": Access.ADMIN,
    "DELETE /waystation/projects/{project_id}/kept_answers": Access.ADMIN,
    "GET /waystation/keys": Access.ADMIN,
    "POST /waystation/keys": Access.ADMIN,
    "GET /waystation/keys/{key_id}": Access.ADMIN,
    "DELETE /waystation/keys/{key_id}": Access.ADMIN,
    "GET /waystation/budgets": Access.ADMIN,
    "POST /waystation/budgets": Access.ADMIN,
    "GET /waystation/budgets/{budget_id}": Access.ADMIN,
    "POST /waystation/budgets/{budget_id}": Access.ADMIN,
    "DELETE /waystation/budgets/{budget_id}": Access.ADMIN,
    "GET /waystation/rate_limits": Access.ADMIN,
    "POST /waystation/rate_limits": Access.ADMIN,
    "GET /waystation/rate_limits/{rate_limit_id}": Access.ADMIN,
    "DELETE /waystation/rate_limits/{rate_limit_id}": Access.ADMIN,
    "GET /waystation/prices": Access.ADMIN,
    "POST /waystation/prices": Access.OPERATOR,  # nobody prices themselves
    "GET /waystation/prices/effective": Access.KEY,
    "GET /waystation/exchange_rates": Access.ADMIN,
    "POST /waystation/exchange_rates": Access.OPERATOR,
    "GET /waystation/credit": Access.ADMIN,
    "GET /waystation/credit/grants": Access.ADMIN,
    "POST /waystation/credit/grants": Access.OPERATOR,  # nobody gives themselves credit
    "POST /waystation/credit/redeem": Access.ADMIN,
    "GET /waystation/credit/codes": Access.OPERATOR,
    "POST /waystation/credit/codes": Access.OPERATOR,
    "DELETE /waystation/credit/codes/{code_id}": Access.OPERATOR,
    "GET /waystation/usage": Access.ADMIN,
    "GET /waystation/requests/{request_id}": Access.KEY,  # of the same project; an admin's of the organization
    "GET /waystation/invoices": Access.ADMIN,
    "GET /waystation/invoices/{invoice_id}": Access.ADMIN,
    "GET /waystation/reratings": Access.OPERATOR,
    "POST /waystation/reratings": Access.OPERATOR,
    "GET /waystation/reratings/{rerating_id}": Access.OPERATOR,
    "POST /waystation/ledger/verify": Access.OPERATOR,
    # where calls go
    "GET /waystation/providers": Access.OPERATOR,
    "POST /waystation/providers": Access.OPERATOR,
    "POST /waystation/providers/{provider:path}/test": Access.OPERATOR,
    "GET /waystation/providers/{provider:path}": Access.OPERATOR,
    "POST /waystation/providers/{provider:path}": Access.OPERATOR,
    "DELETE /waystation/providers/{provider:path}": Access.OPERATOR,
    "GET /waystation/credentials": Access.OPERATOR,
    "POST /waystation/credentials": Access.OPERATOR,
    "GET /waystation/credentials/{credential_id:path}": Access.OPERATOR,
    "POST /waystation/credentials/{credential_id:path}": Access.OPERATOR,
    "DELETE /waystation/credentials/{credential_id:path}": Access.OPERATOR,
    "GET /waystation/deployments": Access.OPERATOR,
    "POST /waystation/deployments": Access.OPERATOR,
    "GET /waystation/deployments/{deployment_id:path}": Access.OPERATOR,
    "POST /waystation/deployments/{deployment_id:path}": Access.OPERATOR,
    "DELETE /waystation/deployments/{deployment_id:path}": Access.OPERATOR,
    "GET /waystation/routes": Access.OPERATOR,
    "GET /waystation/routes/{route:path}": Access.OPERATOR,
    "POST /waystation/routes/{route:path}": Access.OPERATOR,
    "DELETE /waystation/routes/{route:path}": Access.OPERATOR,
    "GET /waystation/drills": Access.ADMIN,  # for projects of one's own
    "POST /waystation/drills": Access.ADMIN,
    "DELETE /waystation/drills/{drill_id}": Access.ADMIN,
    "GET /waystation/notices": Access.OPERATOR,
    "GET /waystation/health": Access.OPERATOR,
}
