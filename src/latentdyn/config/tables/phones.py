"""The table of phones: what frames tell about the phone that is spoken."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.phones import Phones
from latentdyn.config.tables.base import PlainTable, Shown

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class PhonesTable(PlainTable):
    """What the frames of each representation tell about the phone that is spoken."""

    shown = Shown(
        about="Frames of held-out speakers, and the phone that is spoken at the centre of each. "
        "`phone_information` is 0 of frames that tell nothing, and at most `phone_entropy`. ABX errors are 0 where "
        "every phone is nearest to its own kind, and 0.5 by chance. Columns `.._permuted` are the same with permuted "
        "labels: they must be chance. Frames in random order (`shuffled`) tell what the voice and the sentence tell. "
        "Compare per frame at one frame rate only. ABX compares the same spoken phones in every row, "
        "but for some at the ends of utterances. n: frames.",
        caption="What frames tell about the phone that is spoken",
        columns=("phone_information", "phone_information_permuted", "phone_accuracy", "abx_within", "abx_across"),
        drawn=("phone_information", "abx_within", "abx_across"),
    )

    kind: Literal["phones"]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return [config.section(Phones).of(config, corpus, row, row, 0) for row in self.rows(config)]
