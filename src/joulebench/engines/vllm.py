"""Generation with vLLM in the trial's own process."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from joulebench.engines import vllm_package
from joulebench.engines.model_source import ModelSource, find_model
from joulebench.engines.sampling import check_sampling
from joulebench.engines.torch_memory import PeakMemory
from joulebench.engines.torch_model import load_tokenizer
from joulebench.engines.torch_text import TorchText
from joulebench.engines.vllm_choice import Offer, choice_logprob, offer
from joulebench.engines.vllm_complaint import complaint
from joulebench.engines.vllm_course import Course, Courses, fitted, sampling_arguments
from joulebench.engines.vllm_options import DUMMY, DUMMY_WEIGHTS, VllmOptions
from joulebench.work import GenerationFailed, Request, Response, Sampling


class VllmEngine:
    """Runs a model with vLLM's continuous batching; takes requests while others are under way.

    Args:
        model: ``tiny_a``, ``shape:NAME``, a folder written by ``save_pretrained``, or a hub name.
        max_model_len: Longest sequence, tokens; never more than the model's own limit. This and
            the others are those of :class:`joulebench.engines.vllm_options.VllmOptions`.

    Raises:
        UsageError: An option that does not exist or a figure out of range.
    """

    def __init__(  # noqa: PLR0913 (the options of a study file)
        self,
        model: str | Mapping[str, Any],
        *,
        max_model_len: int | None = None,
        gpu_memory_utilization: float | None = None,
        dtype: str = "auto",
        quantization: str | None = None,
        tensor_parallel_size: int = 1,
        load_format: str | None = None,
        enforce_eager: bool = False,
        seed: int = 0,
        kv_cache_dtype: str = "auto",
        kv_cache_gib: float | None = None,
        prefix_caching: bool = False,
        threads: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.model_name = model
        self.options = VllmOptions(
            max_model_len=max_model_len,
            gpu_memory_utilization=gpu_memory_utilization,
            dtype=dtype,
            quantization=quantization,
            tensor_parallel_size=tensor_parallel_size,
            load_format=load_format,
            enforce_eager=enforce_eager,
            seed=seed,
            kv_cache_dtype=kv_cache_dtype,
            kv_cache_gib=kv_cache_gib,
            prefix_caching=prefix_caching,
            threads=threads,
            extra=extra,
        )
        self.truncated = 0
        self.capped = 0
        self._source: ModelSource | None = None
        self._engine: Any = None
        self._text: TorchText | None = None
        self._courses = Courses()
        self._count = 0
        self._seen: dict[str, Any] = {}
        self._peak = PeakMemory()

    def import_libraries(self) -> None:
        """Import vllm and the model's own code, and find (or build) the model.

        Raises:
            UsageError: There is no such model, or an option that this vllm does not have.
            Unavailable: vllm is not installed.
        """
        if self._source is None:
            vllm_package.refuse_missing()
            source = find_model(self.model_name)
            self.options.format_for(source)
            vllm_package.import_vllm(source)
            self.options.refuse_unknown_extra(vllm_package.known_arguments())
            self._source = source

    def load(self) -> None:
        """Start vLLM: weights copied to the device, key-value cache set aside, one forward pass.

        Raises:
            UsageError: The model cannot be loaded, or memory does not suffice.
        """
        self.close()
        self.import_libraries()
        if self.options.threads is not None:
            import torch

            torch.set_num_threads(self.options.threads)
        tokenizer = load_tokenizer(self._found)
        arguments = self._arguments()
        self._engine = vllm_package.start_engine(self._found, arguments)
        self._seen = vllm_package.engine_facts(self._engine)
        self._text = TorchText(tokenizer, None, self._seen["max_model_len"])

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Generate responses for requests that arrive together.

        Start is taken before the chat template is applied; a request that vLLM has wait, since its
        batch is full, starts when it is let in. Output tokens hold the end token.

        Raises:
            UsageError: A sampling that contradicts itself or does not fit the context.
            GenerationFailed: vLLM could not go on; holds the answers that were whole.
        """
        check_sampling(sampling)
        taken_s = time.monotonic()
        for course in [self._course(request, sampling, taken_s) for request in requests]:
            self._add(course, sampling)
        answers: list[Response] = []
        while self._courses:
            answers += self._step(answers)
        order = {request.request_id: place for place, request in enumerate(requests)}
        return sorted(answers, key=lambda answer: order[answer.request_id])

    def submit(self, request: Request, sampling: Sampling) -> None:
        """Take a request, its prompt made into tokens; :meth:`collect` works on it.

        Raises:
            UsageError: A sampling that contradicts itself or does not fit the context.
        """
        check_sampling(sampling)
        self._add(self._course(request, sampling, time.monotonic()), sampling)

    def collect(self, timeout_s: float) -> list[Response]:
        """Take steps until an answer is whole or the time is up, one step at least.

        Raises:
            GenerationFailed: vLLM could not go on.
        """
        until_s = time.monotonic() + timeout_s
        answers: list[Response] = []
        while self._courses and not answers:
            answers = self._step([])
            if time.monotonic() >= until_s:
                break
        return answers

    def choice_logprobs(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Give the log-likelihood of each choice as the answer to each request, in nats.

        Raises:
            GenerationFailed: vLLM could not go on.
            UsageError: A choice that does not fit the context.
        """
        found = [[0.0] * len(offered) for offered in choices]
        offers = [self._offer(*pair) for pair in zip(requests, choices, strict=True)]
        waiting: dict[str, tuple[int, int, list[int]]] = {}
        try:
            for place, given in enumerate(offers):
                for number, ids in enumerate(given.choices):
                    outer_id, _ = self._put(given.prompt + ids, _weighing())
                    waiting[outer_id] = (place, number, ids)
            while waiting:
                for output in self._outputs():
                    if output.finished and str(output.request_id) in waiting:
                        place, number, ids = waiting.pop(str(output.request_id))
                        found[place][number] = choice_logprob(output.prompt_logprobs, ids)
        finally:
            if waiting:
                self._abort(list(waiting))
        return found

    def begin_measuring(self) -> None:
        """Forget the memory's peaks so far: those of the measured work are asked for."""
        self._peak.begin(vllm_package.device(self._engine))

    def facts(self) -> dict[str, Any]:
        """Give version, model, device, cache, and what the context made the engine give up."""
        asked = self.options.max_model_len
        facts: dict[str, Any] = {
            "kind": "vllm",
            "model": self.model_name,
            **self._package_facts(),
            "dtype": self.options.dtype,
            "prompts_truncated": self.truncated,
            "outputs_capped": self.capped,
            **({"max_model_len_asked": asked} if asked is not None else {}),
            **({"extra": dict(self.options.extra)} if self.options.extra else {}),
        }
        return facts | self._model_facts() if self._engine is not None else facts

    def close(self) -> None:
        """End vLLM and give its memory back to the device."""
        engine, self._engine, self._text = self._engine, None, None
        self._courses.forget()
        if engine is not None:
            vllm_package.stop_engine(engine)

    @property
    def _found(self) -> ModelSource:
        if self._source is None:
            raise RuntimeError("import_libraries() has not been called")
        return self._source

    @property
    def _texts(self) -> TorchText:
        if self._text is None:
            raise RuntimeError("load() has not been called")
        return self._text

    def _arguments(self) -> dict[str, Any]:
        """Give vLLM's arguments; the longest sequence is at most the model's own."""
        arguments = self.options.arguments(
            self._found,
            on_cpu=vllm_package.on_cpu(),
            cpu_cache_set=bool(os.environ.get(vllm_package.CPU_CACHE)),
        )
        if self.options.max_model_len is None:
            return arguments
        own = vllm_package.own_limit(self._found, arguments)
        return arguments | {"max_model_len": min(own, self.options.max_model_len)}

    def _course(self, request: Request, sampling: Sampling, taken_s: float) -> Course:
        (prompt,) = self._texts.ids([self._texts.asked(request.prompt)])
        asked = fitted(request, prompt, self._texts.context, sampling)
        return Course(asked, inner_id="", taken_s=taken_s)

    def _add(self, course: Course, sampling: Sampling) -> None:
        params = vllm_package.sampling_params(sampling_arguments(course.asked, sampling))
        outer_id, course.inner_id = self._put(course.asked.prompt, params)
        self._courses.take(outer_id, course)
        self.truncated += course.asked.truncated
        self.capped += course.asked.capped

    def _put(self, prompt: list[int], params: Any) -> tuple[str, str]:
        """Give vLLM a prompt; returns the request's ids without and within."""
        self._count += 1
        outer_id = str(self._count)
        try:
            inner_id = self._engine.add_request(outer_id, {"prompt_token_ids": prompt}, params)
        except (ValueError, TypeError) as cause:
            self._abandon()
            raise GenerationFailed(complaint(self._found, cause)) from cause
        return outer_id, str(inner_id or outer_id)

    def _step(self, before: Sequence[Response]) -> list[Response]:
        """Take one step of vLLM; gives the answers that it made whole."""
        began_s = time.monotonic()
        outputs = self._outputs(before)
        now_s = time.monotonic()
        running = vllm_package.running(self._engine) if self._courses.unbegun() else ()
        answers, given_up = self._courses.step(outputs, running, began_s, now_s)
        if given_up:
            self._abandon()
            raise GenerationFailed(
                f"engine 'vllm': vLLM gave up the request {given_up[0]!r}; see the run's log",
                [*before, *answers],
            )
        return answers

    def _abandon(self) -> None:
        """Have vLLM forget what is under way, so that the engine can be used again."""
        self._abort(self._courses.forget())

    def _abort(self, outer_ids: list[str]) -> None:
        with suppress(Exception):  # the failure that led here is the one to tell
            self._engine.abort_request(outer_ids)

    def _outputs(self, before: Sequence[Response] = ()) -> Sequence[Any]:
        """Have vLLM take a step; where it cannot, the answers before are kept."""
        try:
            outputs: Sequence[Any] = self._engine.step()
        except Exception as cause:  # whatever it is, it ends this work in one line
            self._abandon()
            raise GenerationFailed(complaint(self._found, cause), before) from cause
        return outputs

    def _offer(self, request: Request, offered: Sequence[str]) -> Offer:
        """Give a prompt and each choice behind it, in tokens."""
        text = self._texts.asked(request.prompt)
        prompt, *whole = self._texts.ids([text, *(f"{text} {choice}" for choice in offered)])
        given = offer(request, prompt, whole, self._texts.context)
        self.truncated += given.truncated
        return given

    def _model_facts(self) -> dict[str, Any]:
        import torch

        dummy = self.options.format_for(self._found) == DUMMY
        return {
            **self._seen,
            **self._found.facts,
            **({"random_weights": True, "weights": DUMMY_WEIGHTS} if dummy else {}),
            "load_format": self.options.format_for(self._found),
            "seed": self.options.seed,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "chat_template": self._texts.has_template,
        }

    def _package_facts(self) -> dict[str, Any]:
        """Give the version, and the most memory that was in use: also where loading has failed."""
        if self._source is None:
            return {}
        version = {"version": vllm_package.version()}
        if self.options.tensor_parallel_size > 1:  # what other processes took is not known here
            return version
        return version | self._peak.facts(vllm_package.device(self._engine))


def _weighing() -> Any:
    """Ask for the likelihoods of a prompt's tokens, and the one token that vLLM must generate."""
    asked = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
    return vllm_package.sampling_params(asked)
