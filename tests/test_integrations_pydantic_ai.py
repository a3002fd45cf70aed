"""A pydantic-ai tool over our answers, with the real pydantic-ai and agents that run."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

from gorilla_rag import Gorilla
from gorilla_rag.errors import UsageError
from gorilla_rag.integrations.pydantic_ai import Recommendation, recommend_api

ROOT = Path(__file__).parents[1]
QUESTION = "group my customers into 7 segments"
KMEANS = "sklearn.cluster.KMeans(n_clusters=7)"
# Sets no argument, so that with `fields="call"` no model has to write anything.
QUICK = "convert text to speech in my app"
SPEECH = "transformers.pipeline(task='text-to-speech', model='facebook/mms-tts-eng')"


def asking(*questions: str) -> FunctionModel:
    """A model that calls the tool with one question after the other, then repeats what it was told last."""

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        assert [tool.name for tool in info.function_tools] == ["recommend_api"]
        told = returned(messages)
        if len(told) < len(questions):
            return ModelResponse([ToolCallPart("recommend_api", {"question": questions[len(told)]})])
        return ModelResponse([TextPart(told[-1].model_response_str())])

    return FunctionModel(reply)


def returned(messages: list[ModelMessage]) -> list[ToolReturnPart]:
    return [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]


def recommended(part: ToolReturnPart) -> Recommendation:
    assert isinstance(part.content, Recommendation)
    return part.content


def test_an_agent_is_told_the_answer_field_by_field(gorilla: Gorilla) -> None:
    how: dict[str, Any] = {"mode": "dense", "k": 2, "fields": "call"}
    answer = gorilla.ask(QUICK, **how)
    result = Agent(asking(QUICK), tools=[recommend_api(gorilla, **how)]).run_sync("Help me.")
    told = recommended(returned(result.all_messages())[0])
    assert told.api_call == SPEECH
    assert told == Recommendation(
        api_call=answer.api_call,
        explanation=answer.explanation,
        code=answer.code,
        checks=[str(check) for check in answer.verdict.checks],
        confidence=answer.confidence,
        version=answer.version,
        source=answer.source,
        trusted=answer.trusted,
        reason=answer.reason,
    )
    assert (told.trusted, told.source) == (True, "huggingface")
    assert "parses: passed (one Python call)" in told.checks
    assert json.loads(result.output)["api_call"] == SPEECH, "what the model reads is JSON"


def test_an_agent_gets_an_explanation_too(gorilla: Gorilla) -> None:
    result = Agent(asking(QUESTION), tools=[recommend_api(gorilla)]).run_sync("Help me.")
    told = recommended(returned(result.all_messages())[0])
    assert told.api_call == KMEANS
    assert "KMeans" in told.explanation


def test_an_async_run_is_told_the_same(gorilla: Gorilla) -> None:
    agent = Agent(asking(QUICK), tools=[recommend_api(gorilla, fields="call")])
    assert asyncio.run(agent.run("Help me.")).output == agent.run_sync("Help me.").output


def test_a_refusal_is_told_with_its_reason(gorilla: Gorilla) -> None:
    result = Agent(asking(QUESTION), tools=[recommend_api(gorilla, threshold=1.0)]).run_sync("Help me.")
    told = recommended(returned(result.all_messages())[0])
    assert (told.api_call, told.code, told.checks) == (None, "", [])
    assert "below 1.00" in told.reason


def test_an_empty_question_goes_back_to_the_model(gorilla: Gorilla) -> None:
    result = Agent(asking(" ", QUICK), tools=[recommend_api(gorilla, fields="call")]).run_sync("Help me.")
    first, second = returned(result.all_messages())
    assert first.outcome == "retried"
    assert "the question is empty" in str(first.content)
    assert recommended(second).api_call == SPEECH


def test_the_tools_schema_asks_for_one_question(gorilla: Gorilla) -> None:
    definition = recommend_api(gorilla).tool_def
    assert definition.name == "recommend_api"
    assert "which API to call" in (definition.description or "")
    assert definition.parameters_json_schema["required"] == ["question"]
    assert definition.parameters_json_schema["properties"] == {"question": {"type": "string"}}


def test_the_test_model_can_call_it(gorilla: Gorilla) -> None:
    result = Agent(TestModel(), tools=[recommend_api(gorilla, fields="call")]).run_sync("Help me.")
    told = recommended(returned(result.all_messages())[0])
    assert told.api_call in {doc.api_call for doc in gorilla.index.store.documents(range(len(gorilla.index)))}


@pytest.mark.parametrize("how", [{"k": 0}, {"mode": "sparse"}, {"threshold": 2.0}], ids=str)
def test_an_option_that_cannot_be_served_is_refused_before_any_agent_runs(
    gorilla: Gorilla, how: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(how))} is"):
        recommend_api(gorilla, **how)


def test_without_pydantic_ai_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['pydantic_ai'] = None; import gorilla_rag.integrations.pydantic_ai"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ExtraMissing: pydantic_ai is not installed" in done.stderr
    assert "gorilla-rag[pydantic-ai]" in done.stderr


def test_the_pages_snippet_runs() -> None:
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.+?)```", page.partition("## pydantic-ai")[2], re.DOTALL)
    names: dict[str, Any] = {"model": asking(QUESTION)}
    exec(snippet, names)
    assert KMEANS in names["result"].output
