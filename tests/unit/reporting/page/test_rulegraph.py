"""The graph of rules: columns and pairs by hand, rings, and that the drawing holds every rule once."""

import xml.etree.ElementTree as ET

from latentdyn.reporting.page.rulegraph import rule_levels, rulegraph

JOBS = [
    {"rule": "build", "inputs": [], "outputs": ["m"]},
    {"rule": "encode", "inputs": ["m", "outside"], "outputs": ["x"]},
    {"rule": "derive", "inputs": ["x"], "outputs": ["y"]},
    {"rule": "derive", "inputs": ["y"], "outputs": ["z"]},
    {"rule": "train", "inputs": ["y"], "outputs": ["model"]},
    {"rule": "derive", "inputs": ["x", "model"], "outputs": ["v"]},
    {"rule": "<odd>", "inputs": ["m"], "outputs": ["o"]},
]


def test_a_rule_is_right_of_what_it_reads_even_where_rules_use_each_other():
    levels, pairs = rule_levels(JOBS)
    assert levels == {"build": 0, "encode": 1, "derive": 2, "train": 3, "<odd>": 1}
    assert pairs == {
        ("build", "encode"), ("encode", "derive"), ("derive", "train"), ("train", "derive"), ("build", "<odd>")
    }  # fmt: skip


def test_the_later_job_of_a_file_counts_and_a_ring_ends():
    again = [*JOBS, {"rule": "imported", "inputs": [], "outputs": ["x"]}]
    levels, _ = rule_levels(again)
    assert "encode" not in levels and levels["imported"] == 0
    ring = [{"rule": "a", "inputs": ["1"], "outputs": ["2"]}, {"rule": "b", "inputs": ["2"], "outputs": ["1"]}]
    assert rule_levels(ring)[1] == {("a", "b"), ("b", "a")}


def test_the_drawing_is_xml_with_every_rule_once_within_its_frame():
    root = ET.fromstring(rulegraph(JOBS))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == ["<odd>", "build", "derive", "encode", "train"]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in [box for box in root.iter("{http://www.w3.org/2000/svg}rect") if "rx" in box.attrib]:
        assert 0 <= float(box.attrib["x"]) <= width - 158 and 0 <= float(box.attrib["y"]) <= height - 26
    assert rulegraph([]) == ""
