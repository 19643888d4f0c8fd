"""`archetype_sounds`: what prototypes of the directions of steps tell of the sound."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, create_model, model_validator

from latentdyn.config.measurements.archetypes import Archetypes
from latentdyn.config.measurements.base import MeasurementKind
from latentdyn.config.representations.same_shape import Surrogate
from latentdyn.config.shapes import Known
from latentdyn.config.values import Strict, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_FASTEST_HZ = 100.0  # of frames: contours have a point every 10 ms


class ArchetypeSounds(MeasurementKind):
    """What the prototypes of the section `archetypes` tell of level, spectrum and pitch of the recordings."""

    measurement = "archetype_sounds"
    section = "archetype_sounds"
    purpose = "what prototypes of the directions of steps tell of the sound"
    by = "representation"
    metrics = "archetype_sounds.json"
    roles: ClassVar = {}
    needs_gpu = False
    hears = True
    minutes = (90, 50)

    sounds: Annotated[list[Literal["level", "flux", "pitch"]], Field(min_length=1), AfterValidator(no_duplicates)] = (
        Field(["level", "flux", "pitch"], description="whose changes are told; pitch needs librosa")
    )
    delays_ms: Annotated[
        list[Annotated[float, Field(ge=-1000, le=1000)]], Field(min_length=1), AfterValidator(no_duplicates)
    ] = Field(
        [-40.0, -20.0, 0.0, 20.0, 40.0, 60.0, 80.0],
        description="candidates for how long after the audio of its own hop a frame hears; training speakers choose "
        "one for each sound",
    )
    recordings: int = Field(
        400, ge=1, le=1_000_000, description="of each split are listened to; more are drawn by name, speakers in turn"
    )
    lowest_pitch_hz: float = Field(60.0, ge=32, le=1000, description="that is looked for")
    highest_pitch_hz: float = Field(
        450.0, gt=32, le=2000, description="that is looked for, at least 1.5 times the lowest one"
    )

    @model_validator(mode="after")
    def _check_pitch(self) -> "ArchetypeSounds":
        if self.lowest_pitch_hz * 1.5 > self.highest_pitch_hz:
            raise ValueError("highest_pitch_hz must be at least 1.5 times lowest_pitch_hz")
        return self

    @classmethod
    def form(cls) -> type[BaseModel]:
        parts: dict[str, Any] = {"sounds": (cls, ...), "archetypes": (Archetypes.form(), ...)}
        return create_model("ArchetypeSoundsSettings", __base__=Strict, **parts)

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        archetypes = config.section(Archetypes).settings(config, by, None)
        return {"sounds": self.model_dump(mode="json"), "archetypes": archetypes}

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        if known.corpus.gives != "audio":
            raise ValueError(
                f"{where}: sounds are those of recordings, and corpus '{known.corpus_name}' (kind "
                f"{known.corpus.kind}) has none"
            )
        for name in config.chain(known.representation):
            if isinstance(config.all_representations[name], Surrogate):
                raise ValueError(
                    f"{where}: the frames of surrogate '{name}' are not those of the recordings at their times, so "
                    "that no sound belongs to them"
                )
        if known.shape.rate_hz is not None and known.shape.rate_hz > _FASTEST_HZ:
            raise ValueError(
                f"{where}: sounds are known every 10 ms, and '{known.representation}' has {known.shape.rate_hz:g} "
                "frames a second; derive one of at most 100"
            )
        config.section(Archetypes).check(where, config, known, by, variant)
