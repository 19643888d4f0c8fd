"""A hidden linear state under independent noise: what a factorizer into state and innovation should find is exact.

    s_t = A s_{t-1} + w_t,  w ~ N(0, (1 - radius²) I)        x_t = C s_t + v_t,  v ~ N(0, noise² I)

A = radius x orthogonal, so that s ~ N(0, I) at every t. Frames have covariances

    Γ_l = Cov(x_t, x_{t-l}) = C A^l Cᵀ  (l > 0),        S = Γ_0 = C Cᵀ + noise² I

Given a window of frames, all laws follow by conditioning the joint Gaussian. Given the whole past, they follow from the
Kalman filter: the covariance P of s_t given x_{<t} solves a Riccati equation (Anderson & Moore 1979, §4.4), and

    V = C P Cᵀ + noise² I        (covariance of x_t given x_{<t})
    R = ½ Σ ln(λ_i(V) / noise²)  (nats a frame: what x_t must tell if C s_t is to be known as well as noise allows)
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_discrete_are
from scipy.stats import ortho_group

from latentdyn.processes.base import Answer, require
from latentdyn.processes.gaussian import GaussianStep, log_det, shape_answers
from latentdyn.seeds import numpy_generator


class StateSpace:
    """A linear state of `state_dim` dimensions in `dim` dimensions of frames; stationary from the first frame on."""

    kind = "state_space"

    def __init__(self, dim: int, seed: int, *, state_dim: int, radius: float, noise: float, window_frames: int) -> None:
        """
        Args:
            radius: of A's eigenvalues. noise: deviation of each dimension of v. window_frames: W, the frames of context
                that `answers` are given.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.seed, self.state_dim, self.noise, self.window_frames = dim, seed, state_dim, noise, window_frames
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(state_dim >= 1, self, "state_dim", state_dim, "at least 1")
        require(0 < radius < 1, self, "radius", radius, "a number above 0 and below 1")
        require(0 < noise < math.inf, self, "noise", noise, "a number above 0")
        require(window_frames >= 1, self, "window_frames", window_frames, "at least 1")
        generator = numpy_generator("process", self.kind, seed)
        rotation = ortho_group.rvs(state_dim, random_state=generator) if state_dim > 1 else np.ones((1, 1))
        self.transition = radius * rotation
        self.emission = generator.standard_normal((dim, state_dim)) / math.sqrt(state_dim)
        self._spread = math.sqrt(1 - radius**2)  # of w
        self._of_noise = noise**2 * np.eye(dim)
        self.frame_covariance = self.emission @ self.emission.T + self._of_noise

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        state = generator.standard_normal(self.state_dim)
        pushes = self._spread * generator.standard_normal((n_frames, self.state_dim))
        states = np.empty((n_frames, self.state_dim))
        for t in range(n_frames):
            states[t] = state
            state = self.transition @ state + pushes[t]
        return states @ self.emission.T + self.noise * generator.standard_normal((n_frames, self.dim))

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At every k, given W frames that end k frames before."""
        found = list(shape_answers(self.frame_covariance))
        for k in horizons:
            step = self._step(k)
            found += step.answers(k, numpy_generator("process", self.kind, self.seed, "cosine", k))
            if k == 1:
                found += [step.level_gain(), Answer("unbounded", 1, 0.0, "radius < 1")]
            found += [step.information(k), *step.judged(k)]
        return found + self._answers_of_factorizers()

    def _answers_of_factorizers(self) -> list[Answer]:
        """Given the whole past, at beta = 1 and the process's own noise."""
        given = self.given_past()
        return [
            Answer("innovation_nats", None, self.rate(), "½ Σ ln(λ_i(V) / noise²), Kalman filter"),
            Answer("frame_nll", None, self.nll(given), "½ ln det(2πe V), Kalman filter"),
            Answer("next_frame_information", None, self.information(given), "½ ln(det S / det V), Kalman filter"),
        ]

    def given_window(self, k: int, window_frames: int) -> np.ndarray:
        """Covariance (D, D) of x_t given x_{t-k-W+1 .. t-k}."""
        _, joint, cross = self._window(k, window_frames)
        x_cross = cross[: self.dim]
        return np.asarray(self.frame_covariance - x_cross @ np.linalg.solve(joint, x_cross.T))

    def given_past(self, k: int = 1) -> np.ndarray:
        """Covariance (D, D) of x_t given all frames up to x_{t-k}, of which there are infinitely many."""
        push = self._spread**2 * np.eye(self.state_dim)
        state = solve_discrete_are(self.transition.T, self.emission.T, push, self._of_noise)
        return self._of_frames(self._ahead(state, k - 1))

    def given_start(self, n: int) -> np.ndarray:
        """Covariance (D, D) of x_n given x_0 .. x_{n-1}, the first n frames of an utterance, by the Kalman filter."""
        state = np.eye(self.state_dim)
        for _ in range(n):
            gain = np.linalg.solve(self._of_frames(state), self.emission @ state).T
            state = self._ahead(state - gain @ self.emission @ state, 1)
        return self._of_frames(state)

    def nll(self, covariance: np.ndarray) -> float:
        """NLL of frames in nats a frame, if they have this covariance (D, D) given what is known."""
        return 0.5 * (self.dim * math.log(2 * math.pi * math.e) + log_det(covariance))

    def information(self, covariance: np.ndarray) -> float:
        """What is known tells so many nats about a frame, if the frame has this covariance (D, D) given it."""
        return 0.5 * (log_det(self.frame_covariance) - log_det(covariance))

    def rate(self) -> float:
        """R, in nats a frame."""
        return 0.5 * float(np.log(np.linalg.eigvalsh(self.given_past()) / self.noise**2).clip(min=0).sum())

    def _step(self, k: int) -> GaussianStep:
        """Laws of Δx_t and x_t given W frames."""
        both, joint, cross = self._window(k, self.window_frames)
        difference = np.hstack([np.eye(self.dim), -np.eye(self.dim)])
        delta, delta_cross = difference @ both @ difference.T, difference @ cross
        factor = np.linalg.solve(np.linalg.cholesky(joint), delta_cross.T).T
        explained = factor @ factor.T
        return GaussianStep(
            delta=delta,
            residual=delta - explained,
            frame=self.frame_covariance,
            frame_residual=self.given_window(k, self.window_frames),
            mean_factor=factor,
            explained=float(np.trace(explained)),
        )

    def _window(self, k: int, window_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Covariances of (x_t, x_{t-1}), of the W frames (newest first), and of the two with the W."""
        lags = range(k, k + window_frames)
        both = self._blocks([0, 1], [0, 1])
        return both, self._blocks(lags, lags), self._blocks([0, 1], lags)

    def _blocks(self, rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
        """Cov(x_{t-i}, x_{t-j}) for i in rows and j in columns, as one matrix."""
        return np.block([[self._lagged(j - i) for j in columns] for i in rows])

    def _lagged(self, lag: int) -> np.ndarray:
        """Γ_lag = Cov(x_t, x_{t-lag})."""
        if lag == 0:
            return self.frame_covariance
        power = np.linalg.matrix_power(self.transition, abs(lag))
        return np.asarray(self.emission @ (power if lag > 0 else power.T) @ self.emission.T)

    def _ahead(self, state: np.ndarray, steps: int) -> np.ndarray:
        """Covariance of the state so many frames later."""
        for _ in range(steps):
            state = self.transition @ state @ self.transition.T + self._spread**2 * np.eye(self.state_dim)
        return state

    def _of_frames(self, state: np.ndarray) -> np.ndarray:
        """Covariance of a frame whose state has this one."""
        return np.asarray(self.emission @ state @ self.emission.T + self._of_noise)


PROCESS = StateSpace
