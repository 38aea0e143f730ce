"""Chat servers: what they answer, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

from chat_server import CAPTIONS, GOOD, Answer, fails, levels, reply, says, send

from . import Situation

TITLE = "Chat servers"

DRAFT = levels((0, "L1"), (1, "L3"), (2, "L3"))
THOUGHT = f"Is it a disc? A draft: {json.dumps(DRAFT)} or {json.dumps({'short': 'A draft.'})}"

NO_TEXT = "the server's answer has no text"
CUT = "the answer is cut off: the model came to its limit of tokens"
SEES_NOT = "the model or its server takes no image, and --text-only asks without one"


def asked(*answers: Any, **options: Any) -> dict[str, Any]:
    """What a test sends in turn, and what else it is told."""
    return {"make": lambda: answers, "options": options}


def both(form: str) -> dict[str, Any]:
    """Answers to both questions, in the same form."""
    return asked(*(form.format(thought=THOUGHT, answer=json.dumps(answer)) for answer in (CAPTIONS, GOOD)))


def parts(kind: str, **thought: Any) -> dict[str, Any]:
    """Answers in parts, the first of which is a thought."""
    first = {"type": kind, **thought}
    texts = [json.dumps(answer) for answer in (CAPTIONS, GOOD)]
    return asked(
        *(reply([first, {"type": "text", "text": t[:9]}, {"type": "text", "text": t[9:]}]) for t in texts)
    )


def events(answer: Any) -> Answer:
    """An answer in events."""
    text = json.dumps(answer)
    told = [{"choices": [{"delta": {"content": text[k : k + 7]}}]} for k in range(0, len(text), 7)]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in told) + "data: [DONE]\n"
    return lambda handler: send(handler, body, Content_Type="text/event-stream")


def failed(said: str) -> str:
    """The note of a ranking that fails."""
    return f"ranking by chat failed: {said}"


def refuses(status: int, said: str, words: str, **error: Any) -> dict[str, Any]:
    """A server that refuses in these words, whatever it is asked."""
    return {
        "happens": "levels by the default",
        "said": failed(f"{said}HTTP {status}: {words}"),
        **asked(says(status, message=words, **error)),
    }


def takes_no(what: str, status: int, words: str, **error: Any) -> dict[str, Any]:
    """A server that refuses a parameter once, and then answers."""
    return {"happens": what, **asked(says(status, message=words, **error), CAPTIONS, GOOD)}


NO_SCHEMA = "asked without the schema"
NOT_TEXT = json.dumps({"error": "'response_format.type' must be 'json_object' or 'text'"})
PLACED = json.dumps(
    {"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]}
)

ROWS = [
    Situation(
        "thoughts in `<think>` before the answer, with a draft in them",
        "the answer counts",
        **both("<think>{thought}</think>\n{answer}"),
    ),
    Situation(
        "thoughts that end with `</think>` and have no beginning",
        "the answer counts",
        **both("{thought}\n</think>\n\n```json\n{answer}\n```"),
    ),
    Situation("thoughts in `[THINK]`", "the answer counts", **both("[THINK]{thought}[/THINK]{answer}")),
    Situation("thoughts in `◁think▷`", "the answer counts", **both("◁think▷{thought}◁/think▷{answer}")),
    Situation(
        "thoughts within thoughts",
        "the answer counts",
        **both("<think>a <think>{thought}</think> {thought}</think>{answer}"),
    ),
    Situation(
        "thoughts in a channel of analysis",
        "the answer counts",
        **both(
            "<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>"
            "{answer}<|return|>"
        ),
    ),
    Situation(
        "thoughts in `<|channel>thought`",
        "the answer counts",
        **both("<|channel>thought\n{thought}<channel|>{answer}"),
    ),
    Situation(
        "drafts before the answer, with nothing around them",
        "the last one counts",
        **both("{thought} So: {answer}"),
    ),
    Situation(
        "thoughts beside the answer, in `reasoning_content`",
        "the answer counts",
        **asked(*(reply(json.dumps(a), reasoning_content=THOUGHT) for a in (CAPTIONS, GOOD))),
    ),
    Situation(
        "an answer in parts, one of them a thought",
        "the other parts are the answer",
        **parts("thinking", thinking=[{"type": "text", "text": THOUGHT}]),
    ),
    Situation(
        "an answer in parts, one of them reasoning",
        "the other parts are the answer",
        **parts("reasoning", text=THOUGHT),
    ),
    Situation(
        "an answer in events that nobody asked for",
        "they are put together",
        **asked(events(CAPTIONS), events(GOOD)),
    ),
    Situation(
        "thoughts that are cut off",
        "levels by the default",
        failed(f"{CUT} while it was thinking"),
        **asked(CAPTIONS, reply(f"<think>{THOUGHT}", "length")),
    ),
    Situation(
        "thoughts alone, in the text",
        "levels by the default",
        failed(f"{NO_TEXT} but thoughts, which are not taken for an answer"),
        **asked(reply(f"<think>{THOUGHT}")),
    ),
    Situation(
        "thoughts alone, in `reasoning_content`",
        "levels by the default",
        failed(f"{NO_TEXT} but thoughts, which are not taken for an answer"),
        **asked(reply(None, reasoning_content=json.dumps(GOOD))),
    ),
    Situation(
        "thoughts alone, in `reasoning`",
        "levels by the default",
        failed(f"{NO_TEXT} but thoughts, which are not taken for an answer"),
        **asked(reply("", reasoning=THOUGHT)),
    ),
    Situation(
        "captions that are cut off",
        "levels by the model, no captions",
        f"there are no captions: {CUT} in the answer",
        **asked(reply('{"short": "A disc", "detai', "length"), GOOD, captions={}),
    ),
    Situation(
        "levels that are cut off",
        "levels by the default",
        failed(f"{CUT} in the answer"),
        **asked(CAPTIONS, reply(json.dumps(GOOD)[:70], "length")),
    ),
    Situation(
        "a refusal",
        "levels by the default",
        failed("the model refuses: I cannot help with that."),
        **asked(reply(None, refusal="I cannot help with that.")),
    ),
    Situation(
        "a refusal as a part of the answer",
        "levels by the default",
        failed("the model refuses: I cannot help with that."),
        **asked(reply([{"type": "refusal", "refusal": "I cannot help with that."}])),
    ),
    Situation(
        "a filter of the server",
        "levels by the default",
        failed("a filter of the server has withheld the answer"),
        **asked(reply(None, "content_filter")),
    ),
    Situation(
        "an empty answer", "levels by the default", failed(f"{NO_TEXT}: it is empty"), **asked(reply(""))
    ),
    Situation(
        "an empty list of choices",
        "levels by the default",
        failed(f"{NO_TEXT}: its list of choices is empty"),
        **asked(lambda handler: send(handler, '{"choices": []}')),
    ),
    Situation(
        "an answer that is no chat completion",
        "levels by the default",
        failed(f"{NO_TEXT}: it is no chat completion; is the address right?"),
        **asked(lambda handler: send(handler, '{"message": {"content": "A disc."}}')),
    ),
    Situation(
        "a call of a tool in place of an answer",
        "levels by the default",
        failed(f"{NO_TEXT}: the model calls a tool"),
        **asked(reply(None, "tool_calls", tool_calls=[{"type": "function"}])),
    ),
    Situation(
        "an error inside an answer with status 200",
        "levels by the default",
        failed("HTTP 200: out of memory"),
        **asked(says(200, message="out of memory")),
    ),
    Situation(
        "an error inside an answer with status 200 that has a status of its own",
        "levels by the default",
        failed("the server takes no more requests for now: HTTP 429: slow down"),
        **asked(says(200, message="slow down", code=429)),
    ),
    Situation("status 400 for a schema", NO_SCHEMA, **asked(fails(400), CAPTIONS, GOOD)),
    Situation("status 404 for a schema", NO_SCHEMA, **asked(fails(404), CAPTIONS, GOOD)),
    Situation(
        "status 422 for a schema, with its place",
        NO_SCHEMA,
        **asked(lambda handler: send(handler, PLACED, 422), CAPTIONS, GOOD),
    ),
    Situation("status 500 for a schema", **takes_no(NO_SCHEMA, 500, "Failed to parse grammar")),
    Situation("status 501 for a schema", NO_SCHEMA, **asked(fails(501), CAPTIONS, GOOD)),
    Situation(
        "status 200 with an error about the schema",
        **takes_no(NO_SCHEMA, 200, "This response_format type is unavailable now"),
    ),
    Situation(
        "`max_tokens` has another name",
        **takes_no(
            "renamed to `max_completion_tokens`",
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        ),
    ),
    Situation(
        "`max_tokens` is too large for the model",
        **takes_no(
            "asked without it", 400, "max_tokens is too large: 4096. This model supports at most 2048 tokens"
        ),
    ),
    Situation(
        "`max_tokens` and the question are too long together",
        **takes_no(
            "asked without it",
            400,
            "This model's maximum context length is 4096 tokens. However, you "
            "requested 5000 tokens (904 in the messages, 4096 in the completion).",
        ),
    ),
    Situation(
        "`temperature` cannot be 0",
        **takes_no(
            "asked without it",
            400,
            "Unsupported value: 'temperature' does not support 0 with this model.",
            param="temperature",
        ),
    ),
    Situation(
        "a template without a role of the system",
        **takes_no("what it says goes with the user's first message", 500, "System role not supported"),
    ),
    Situation(
        "a template that knows other roles only",
        **takes_no(
            "what the system's says goes with the user's first message",
            500,
            "Only user, assistant and tool roles are supported, got system.",
        ),
    ),
    Situation(
        "a template that refuses with a status of its own",
        **takes_no(
            "what the system's says goes with the user's first message",
            424,
            "Request failed during generation: Conversation roles must alternate user/assistant/...",
        ),
    ),
    Situation(
        "a schema that is told to be text",
        NO_SCHEMA,
        **asked(lambda handler: send(handler, NOT_TEXT, 400), CAPTIONS, GOOD),
    ),
    Situation(
        "thoughts without marks that are cut off",
        "levels by the default",
        failed(f"{CUT} in the answer"),
        **asked(CAPTIONS, reply(THOUGHT, "length")),
    ),
    Situation(
        "a question that is too long",
        **refuses(
            400,
            "the question is too long for the model: ",
            "the request exceeds the available context size, try increasing it",
        ),
    ),
    Situation(
        "a model that cannot see, without its projector",
        **refuses(
            500,
            f"{SEES_NOT}: ",
            "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        ),
    ),
    Situation(
        "a model that cannot see, of a server for text",
        **refuses(
            400, f"{SEES_NOT}: ", "Invalid content type. image_url is only supported by certain models."
        ),
    ),
    Situation(
        "a model that cannot see, of a server that knows no parts",
        **refuses(422, f"{SEES_NOT}: ", "messages[1]: unknown variant `image_url`, expected `text`"),
    ),
    Situation(
        "an image that is too large for the server",
        "levels by the default",
        failed(f"{SEES_NOT}: HTTP 413: Request Entity Too Large"),
        **asked(
            lambda handler: send(
                handler, "<html><head><title>Request Entity Too Large</title></head></html>", 413
            )
        ),
    ),
    Situation(
        "a model that the server does not have",
        **refuses(404, "the server has no such model: ", 'model "tiny" not found, try pulling it first'),
    ),
    Situation(
        "a key that is wrong",
        "levels by the default",
        failed("the server refuses the key: HTTP 401: Incorrect API key provided: ***"),
        **asked(says(401, message="Incorrect API key provided: sk-abc***xyz.")),
    ),
    Situation(
        "a server that loads its model",
        "asked three times, then levels by the default",
        failed("HTTP 503: Loading model"),
        **asked(says(503, message="Loading model")),
    ),
    Situation(
        "a redirect",
        "not followed: levels by the default",
        failed("the address leads to another, which is not followed: HTTP 302"),
        **asked(lambda handler: send(handler, "", 302, Location="http://localhost:1/")),
    ),
    Situation(
        "several models, and none named",
        "the first one is asked",
        "of the 2 models of the server the first is asked: tiny",
        **asked(CAPTIONS, GOOD, models=["tiny", "embedder"]),
    ),
]
