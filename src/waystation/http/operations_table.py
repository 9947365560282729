"""Every operation of OpenAI's description (August 2026), by family: plain data, judged by `http/operations.py`.

A line is methods and a path, without the prefix of a base URL. Whether it is served is not said here: what is, is found by
itself in `http/access.py`. `instead` is what a caller is told of one that is not.
"""

from typing import NamedTuple


class Family(NamedTuple):
    name: str
    instead: str  # what to do in place of what isn't served
    lines: str
    described: bool = True  # by OpenAI's description; else an older URL that OpenAI has taken away


ALL_SERVED = ""

FAMILIES: tuple[Family, ...] = (
    Family(
        "Chat completions",
        ALL_SERVED,
        """
        GET POST /chat/completions
        GET POST DELETE /chat/completions/{completion_id}
        GET /chat/completions/{completion_id}/messages
        """,
    ),
    Family(
        "Completions",
        ALL_SERVED,
        """
        POST /completions
        """,
    ),
    Family(
        "Responses",
        ALL_SERVED,
        """
        POST /responses
        GET DELETE /responses/{response_id}
        POST /responses/{response_id}/cancel
        GET /responses/{response_id}/input_items
        POST /responses/input_tokens
        POST /responses/compact
        POST /responses?beta=true
        GET DELETE /responses/{response_id}?beta=true
        POST /responses/{response_id}/cancel?beta=true
        POST /responses/compact?beta=true
        GET /responses/{response_id}/input_items?beta=true
        POST /responses/input_tokens?beta=true
        """,
    ),
    Family(
        "Conversations",
        ALL_SERVED,
        """
        GET POST /conversations/{conversation_id}/items
        GET DELETE /conversations/{conversation_id}/items/{item_id}
        POST /conversations
        GET POST DELETE /conversations/{conversation_id}
        """,
    ),
    Family(
        "Embeddings",
        ALL_SERVED,
        """
        POST /embeddings
        """,
    ),
    Family(
        "Moderations",
        ALL_SERVED,
        """
        POST /moderations
        """,
    ),
    Family(
        "Models",
        (
            "Models are added and removed by the server's administrator, in its configuration or under "
            "/v1/waystation/deployments."
        ),
        """
        GET /models
        GET DELETE /models/{model:path}
        """,
    ),
    Family(
        "Files",
        ALL_SERVED,
        """
        GET POST /files
        GET DELETE /files/{file_id}
        GET /files/{file_id}/content
        """,
    ),
    Family(
        "Uploads",
        ALL_SERVED,
        """
        POST /uploads
        POST /uploads/{upload_id}/cancel
        POST /uploads/{upload_id}/complete
        POST /uploads/{upload_id}/parts
        """,
    ),
    Family(
        "Batches",
        "Send the requests one by one, or many at a time, to the endpoint that the batch names.",
        """
        GET POST /batches
        GET /batches/{batch_id}
        POST /batches/{batch_id}/cancel
        """,
    ),
    Family(
        "Vector stores",
        (
            "Make vectors with POST /v1/embeddings, search them in a database of your own, and send what was found as "
            "input."
        ),
        """
        GET POST /vector_stores
        GET POST DELETE /vector_stores/{vector_store_id}
        POST /vector_stores/{vector_store_id}/file_batches
        GET /vector_stores/{vector_store_id}/file_batches/{batch_id}
        POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel
        GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files
        GET POST /vector_stores/{vector_store_id}/files
        GET POST DELETE /vector_stores/{vector_store_id}/files/{file_id}
        GET /vector_stores/{vector_store_id}/files/{file_id}/content
        POST /vector_stores/{vector_store_id}/search
        """,
    ),
    Family(
        "Containers",
        (
            "Offer the tool code_interpreter in POST /v1/responses, with a container of type auto, to a model whose provider "
            "has it (OpenAI has); or give the model a function and run the code on your own side."
        ),
        """
        GET POST /containers
        GET DELETE /containers/{container_id}
        GET POST /containers/{container_id}/files
        GET DELETE /containers/{container_id}/files/{file_id}
        GET /containers/{container_id}/files/{file_id}/content
        """,
    ),
    Family(
        "Audio",
        (
            "Point a client of its own at a server or provider of speech, by its base URL. A chat model that hears takes "
            "recordings in POST /v1/chat/completions, as parts of type input_audio."
        ),
        """
        POST /audio/speech
        POST /audio/transcriptions
        POST /audio/translations
        GET POST /audio/voice_consents
        GET POST DELETE /audio/voice_consents/{consent_id}
        POST /audio/voices
        """,
    ),
    Family(
        "Images",
        (
            "Offer the tool image_generation in POST /v1/responses to a model whose provider has it (OpenAI has), or point a "
            "client of its own at a provider of images."
        ),
        """
        POST /images/edits
        POST /images/generations
        POST /images/variations
        """,
    ),
    Family(
        "Videos",
        "Ask a provider of videos directly; OpenAI itself has deprecated this API.",
        """
        GET POST /videos
        POST /videos/characters
        GET /videos/characters/{character_id}
        POST /videos/edits
        POST /videos/extensions
        GET DELETE /videos/{video_id}
        GET /videos/{video_id}/content
        POST /videos/{video_id}/remix
        """,
    ),
    Family(
        "Realtime",
        "Stream text with POST /v1/responses and stream: true.",
        """
        POST /realtime/calls
        POST /realtime/calls/{call_id}/accept
        POST /realtime/calls/{call_id}/hangup
        POST /realtime/calls/{call_id}/refer
        POST /realtime/calls/{call_id}/reject
        POST /realtime/client_secrets
        POST /realtime/sessions
        POST /realtime/transcription_sessions
        POST /realtime/translations/client_secrets
        """,
    ),
    Family(
        "Fine-tuning",
        "Tune the model at its provider and add the result as a model here.",
        """
        POST /fine_tuning/alpha/graders/run
        POST /fine_tuning/alpha/graders/validate
        GET POST /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions
        DELETE /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions/{permission_id}
        GET POST /fine_tuning/jobs
        GET /fine_tuning/jobs/{fine_tuning_job_id}
        POST /fine_tuning/jobs/{fine_tuning_job_id}/cancel
        GET /fine_tuning/jobs/{fine_tuning_job_id}/checkpoints
        GET /fine_tuning/jobs/{fine_tuning_job_id}/events
        POST /fine_tuning/jobs/{fine_tuning_job_id}/pause
        POST /fine_tuning/jobs/{fine_tuning_job_id}/resume
        """,
    ),
    Family(
        "Evals",
        "Ask the model with POST /v1/responses and grade its answers on your own side.",
        """
        GET POST /evals
        GET POST DELETE /evals/{eval_id}
        GET POST /evals/{eval_id}/runs
        GET POST DELETE /evals/{eval_id}/runs/{run_id}
        GET /evals/{eval_id}/runs/{run_id}/output_items
        GET /evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}
        """,
    ),
    Family(
        "Skills",
        "Put the skill's instructions into `instructions` of POST /v1/responses.",
        """
        GET POST /skills
        GET POST DELETE /skills/{skill_id}
        GET /skills/{skill_id}/content
        GET POST /skills/{skill_id}/versions
        GET DELETE /skills/{skill_id}/versions/{version}
        GET /skills/{skill_id}/versions/{version}/content
        """,
    ),
    Family(
        "ChatKit",
        "Build the chat on POST /v1/responses.",
        """
        POST /chatkit/sessions/{session_id}/cancel
        POST /chatkit/sessions
        GET /chatkit/threads/{thread_id}/items
        GET DELETE /chatkit/threads/{thread_id}
        GET /chatkit/threads
        """,
    ),
    Family(
        "Content provenance",
        "Only the maker of a picture or a sound can check its marks: ask OpenAI directly.",
        """
        POST /content_provenance_checks
        """,
    ),
    Family(
        "Usage and costs",
        (
            "Use GET /v1/organization/usage/completions, /embeddings, /moderations or GET /v1/waystation/usage: what isn't served "
            "isn't used either."
        ),
        """
        GET /organization/costs
        GET /organization/usage/audio_speeches
        GET /organization/usage/audio_transcriptions
        GET /organization/usage/code_interpreter_sessions
        GET /organization/usage/completions
        GET /organization/usage/embeddings
        GET /organization/usage/file_search_calls
        GET /organization/usage/images
        GET /organization/usage/moderations
        GET /organization/usage/vector_stores
        GET /organization/usage/web_search_calls
        """,
    ),
    Family(
        "Admin keys",
        "Use /v1/waystation/keys, with `admin: true` for an admin key.",
        """
        GET POST /organization/admin_api_keys
        GET DELETE /organization/admin_api_keys/{key_id}
        """,
    ),
    Family(
        "Spending",
        "Use /v1/waystation/budgets: a budget can bind an organization, a project or a key.",
        """
        GET POST /organization/projects/{project_id}/spend_alerts
        GET POST DELETE /organization/projects/{project_id}/spend_alerts/{alert_id}
        GET POST /organization/spend_alerts
        GET POST DELETE /organization/spend_alerts/{alert_id}
        GET POST DELETE /organization/spend_limit
        GET POST DELETE /organization/projects/{project_id}/spend_limit
        """,
    ),
    Family(
        "People, groups and roles",
        "Who may do what is said by keys: make one for each person or program with POST /v1/waystation/keys.",
        """
        GET POST /organization/groups
        GET POST DELETE /organization/groups/{group_id}
        GET POST /organization/groups/{group_id}/roles
        GET DELETE /organization/groups/{group_id}/roles/{role_id}
        GET POST /organization/groups/{group_id}/users
        GET DELETE /organization/groups/{group_id}/users/{user_id}
        GET POST /organization/invites
        GET DELETE /organization/invites/{invite_id}
        GET POST /organization/projects/{project_id}/groups
        GET DELETE /organization/projects/{project_id}/groups/{group_id}
        GET POST /organization/projects/{project_id}/users
        GET POST DELETE /organization/projects/{project_id}/users/{user_id}
        GET POST /organization/roles
        GET POST DELETE /organization/roles/{role_id}
        GET /organization/users
        GET POST DELETE /organization/users/{user_id}
        GET POST /organization/users/{user_id}/roles
        GET DELETE /organization/users/{user_id}/roles/{role_id}
        GET POST /projects/{project_id}/groups/{group_id}/roles
        GET DELETE /projects/{project_id}/groups/{group_id}/roles/{role_id}
        GET POST /projects/{project_id}/roles
        GET POST DELETE /projects/{project_id}/roles/{role_id}
        GET POST /projects/{project_id}/users/{user_id}/roles
        GET DELETE /projects/{project_id}/users/{user_id}/roles/{role_id}
        """,
    ),
    Family(
        "Projects",
        (
            "Make a project for each team with POST /v1/organization/projects and keys in it with POST "
            "/v1/waystation/keys."
        ),
        """
        GET POST /organization/projects
        GET POST /organization/projects/{project_id}
        GET /organization/projects/{project_id}/api_keys
        GET DELETE /organization/projects/{project_id}/api_keys/{api_key_id}
        POST /organization/projects/{project_id}/archive
        GET /organization/projects/{project_id}/certificates
        POST /organization/projects/{project_id}/certificates/activate
        POST /organization/projects/{project_id}/certificates/deactivate
        GET POST /organization/projects/{project_id}/data_retention
        GET POST /organization/projects/{project_id}/hosted_tool_permissions
        GET POST DELETE /organization/projects/{project_id}/model_permissions
        GET /organization/projects/{project_id}/rate_limits
        POST /organization/projects/{project_id}/rate_limits/{rate_limit_id}
        GET POST /organization/projects/{project_id}/service_accounts
        GET POST DELETE /organization/projects/{project_id}/service_accounts/{service_account_id}
        POST /organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys
        """,
    ),
    Family(
        "Organization",
        "The server's administrator sets this up: see the configuration guide.",
        """
        GET /organization/audit_logs
        GET POST /organization/certificates
        POST /organization/certificates/activate
        POST /organization/certificates/deactivate
        GET POST DELETE /organization/certificates/{certificate_id}
        GET POST /organization/data_retention
        """,
    ),
    Family(
        "Assistants",
        (
            "OpenAI has deprecated it: use POST /v1/responses, with /v1/conversations in place of threads. See the "
            "migration guide for more information: https://developers.openai.com/api/docs/assistants/migration."
        ),
        """
        GET POST /assistants
        GET POST DELETE /assistants/{assistant_id}
        POST /threads
        POST /threads/runs
        GET POST DELETE /threads/{thread_id}
        GET POST /threads/{thread_id}/messages
        GET POST DELETE /threads/{thread_id}/messages/{message_id}
        GET POST /threads/{thread_id}/runs
        GET POST /threads/{thread_id}/runs/{run_id}
        POST /threads/{thread_id}/runs/{run_id}/cancel
        GET /threads/{thread_id}/runs/{run_id}/steps
        GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}
        POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs
        """,
    ),
    Family(
        "Taken away by OpenAI",
        (
            "OpenAI has taken this URL away. Use POST /v1/responses or POST /v1/chat/completions with the name of the "
            "engine as `model`; GET /v1/models lists the models."
        ),
        """
        GET /engines
        GET POST /engines/{engine:path}
        POST /edits
        POST /answers
        POST /classifications
        POST /search
        GET POST /fine-tunes
        GET POST DELETE /fine-tunes/{job:path}
        """,
        described=False,
    ),
)
