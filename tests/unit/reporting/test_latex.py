"""Names of the user's own making stand in the caption as they are written, and LaTeX can read them."""

from latentdyn.reporting.latex import latex_table
from latentdyn.reporting.text import Block, Column


def test_the_caption_is_escaped():
    block = Block([Column("k", ["1"], True)])
    text = latex_table([block], [], caption="corpus known_answers, 5 %", label="tab:a_b")
    assert r"\caption{corpus known\_answers, 5 \%}" in text and r"\label{tab:a_b}" in text
