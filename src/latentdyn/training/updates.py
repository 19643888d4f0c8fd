"""One update of the weights: AdamW on an objective, with a clipped gradient. On a GPU it is captured once and replayed.

An update is about a hundred small kernels, and a GPU is done with one sooner than Python launches the next. A CUDA
graph launches all of them at once. It holds the work of one `arithmetic` of the objective. The same kernels run as
without it, so results do not depend on it.

Nothing here waits for a GPU: an update that is not finite is found on the device, and changes no weight.
"""

import inspect
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.errors import UserError

_UNCAPTURED = 2  # updates of an arithmetic before its capture: they load kernels and reserve what libraries need
_PLAIN_STEP = inspect.unwrap(torch.optim.AdamW.step)


class Objective:
    """What training makes small.

    A subclass has `loss`, or better `prepare` and `prepared_loss`: then `arithmetic` may say which steps do the same.

    quantity, unit: name and unit of the loss, for the curve and the log. held_out: whether there are held-out speakers.
    skips_nonfinite: an update that is not finite is left out and counted, instead of ending the training.
    generators: of the random numbers of `prepared_loss`, beside torch's own.
    """

    quantity: str
    unit: str
    held_out: bool
    skips_nonfinite = False
    generators: Sequence[torch.Generator] = ()

    def loss(self, step: int) -> Tensor:
        """Mean loss of the batch of this step; all its random numbers are a function of `step`."""
        self.prepare(step)
        return self.prepared_loss()

    def prepare(self, step: int) -> None:
        """Seed the generators of this step, and write what it takes into tensors that are the same at every step."""
        raise NotImplementedError  # abstract

    def prepared_loss(self) -> Tensor:
        """The loss of the step that was prepared. Where it has an arithmetic, it reads no value back from the GPU."""
        raise NotImplementedError  # abstract

    def arithmetic(self, step: int) -> Hashable | None:
        """Steps of the same answer do the same operations on the same tensors; None: nothing is known of them."""
        return None

    def held_out_loss(self) -> float:
        """Mean loss over held-out speakers, with the same draws each time."""
        raise NotImplementedError  # abstract

    def keep(self, step: int) -> None:
        """Take note that the model holds the weights of this step for good; 0: those that the training began with."""

    def nonfinite_error(self, step: int, folder: Path) -> UserError:
        """The error to raise if this step's loss or its gradient is not finite. The batch may go to `folder`."""
        raise NotImplementedError  # abstract


class Updates:
    """The updates of one training.

    Args:
        learning_rate: of all parameters but those of a module that has its own `learning_rate`.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, learning_rate: float, weight_decay: float, clip_norm: float
    ) -> None:
        self.parameters, self.objective, self.clip_norm = list(model.parameters()), objective, clip_norm
        self.device = self.parameters[0].device
        self.on_gpu = self.device.type == "cuda"
        _keep_compiler_out()
        self.optimizer: Any = torch.optim.AdamW(
            _by_learning_rate(model, learning_rate),
            lr=learning_rate, weight_decay=weight_decay, fused=True, capturable=self.on_gpu,
        )  # fmt: skip
        self._stream = torch.cuda.Stream(self.device) if self.on_gpu else None
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self.device))  # what was queued so far made the model
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._uncaptured: dict[Hashable, int] = {}
        self._pool: Any = None

    def load(self, state: dict[str, Any]) -> None:
        """Continue with the optimiser's state of an earlier process, on whatever device that ran."""
        self.optimizer.load_state_dict(state)
        for group in self.optimizer.param_groups:
            group["capturable"] = self.on_gpu

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """What is done with the model within waits for its updates, and they for it; other trainings' do not."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def wait(self) -> None:
        """Let what is done with the model from here on wait for its updates."""
        if self._stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._stream)

    def update(self, step: int) -> Tensor:
        """Do the update of this step; its loss, a number on the device. NaN: it was not finite, and changed nothing."""
        with self.in_order():
            arithmetic = self.objective.arithmetic(step) if self.on_gpu else None
            if arithmetic is None:
                return self._apply(self.objective.loss(step))
            self.objective.prepare(step)
            if arithmetic not in self._graphs:
                seen = self._uncaptured.setdefault(arithmetic, 0)
                if seen < _UNCAPTURED:
                    self._uncaptured[arithmetic] += 1
                    return self._apply(self.objective.prepared_loss())
                self._graphs[arithmetic] = self._captured()
            graph, loss = self._graphs[arithmetic]
            graph.replay()
            return loss.clone()

    def _captured(self) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """The update as a graph, and where it leaves its loss. Nothing is computed yet."""
        graph = torch.cuda.CUDAGraph()
        for generator in self.objective.generators:
            graph.register_generator_state(generator)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        # other threads may go on: of this process, nothing else is captured
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            loss = self._apply(self.objective.prepared_loss())
        return graph, loss

    def _apply(self, loss: Tensor) -> Tensor:
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        lost = (norm + loss.detach()) * 0 != 0  # true of infinities and NaN alone, by two kernels
        # the fused optimiser divides gradients by grad_scale, and does nothing where found_inf is 1: so clipping takes
        # no pass of its own over the gradients
        self.optimizer.grad_scale = (norm / self.clip_norm).clamp(min=1.0)
        self.optimizer.found_inf = lost.float()
        with torch.no_grad():
            _PLAIN_STEP(self.optimizer)
        return torch.where(lost, torch.nan, loss.detach())


def _keep_compiler_out() -> None:
    """Keep torch's optimisers from importing its compiler, which nobody here uses and each job would load for a second.

    They load it to mark some methods as not to be compiled, when these are first called. So they are marked before. The
    step is called without its wrapper, which loads the compiler too, and else switches gradients off.
    """
    for method in vars(torch.optim.Optimizer).values():
        if (plain := getattr(method, "__wrapped__", None)) is not None:
            setattr(plain, "__dynamo_disable", plain)  # a name of torch's own


def _by_learning_rate(model: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """The parameters, in groups of one rate. A module with a `learning_rate` has it for what is directly its own."""
    groups: dict[float, list[nn.Parameter]] = {}
    for _, module in model.named_modules():
        rate = getattr(module, "learning_rate", learning_rate)
        groups.setdefault(rate, []).extend(module.parameters(recurse=False))
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
