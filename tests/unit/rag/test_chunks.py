from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from rag.chunks import Block, Chunk, split
from rag.extract.markdown import read
from rag.tokens import estimate

BUDGETS = st.integers(min_value=12, max_value=200)
WORDS = st.text("abcdefgh.!?é漢", min_size=1, max_size=12)
PROSE = st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n", "\n\n", "  "])), max_size=60).map(
    lambda parts: "".join(word + space for word, space in parts)
)
BLOCKS = st.lists(
    st.builds(Block, st.sampled_from([("A",), ("A", "B"), ()]), PROSE.filter(str.strip)),
    max_size=6,
)


def squeezed(text: str) -> str:
    return "".join(text.split())


@given(BLOCKS, BUDGETS)
@example([Block((), "x" * 500)], 12)
def test_without_overlap_nothing_is_lost_doubled_or_moved(blocks: list[Block], budget: int) -> None:
    chunks = split(blocks, budget=budget, overlap=0)
    assert squeezed("".join(chunk.text for chunk in chunks)) == squeezed(
        "".join(block.text for block in blocks)
    )
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))


@given(BLOCKS, BUDGETS, st.integers(min_value=0, max_value=6))
def test_every_chunk_keeps_the_budget(blocks: list[Block], budget: int, overlap: int) -> None:
    chunks = split(blocks, budget=budget, overlap=overlap)
    assert all(0 < estimate(chunk.text) <= budget for chunk in chunks)


@given(BLOCKS, BUDGETS)
def test_what_fits_stays_whole(blocks: list[Block], budget: int) -> None:
    chunks = split(blocks, budget=budget, overlap=0)
    for headings, group in groupby(blocks, key=lambda block: block.headings):
        section = "\n\n".join(block.text for block in group)
        if estimate(section) <= budget:
            assert (" > ".join(headings), section) in {(c.section, c.text) for c in chunks}


@given(st.lists(PROSE.filter(str.strip), min_size=2, max_size=5), BUDGETS, st.data())
def test_an_edit_changes_no_other_sections_chunks(
    sections: list[str], budget: int, data: st.DataObject
) -> None:
    blocks = [Block((f"Section {n}",), text) for n, text in enumerate(sections)]
    edited = data.draw(st.integers(0, len(blocks) - 1))
    changed = [*blocks]
    changed[edited] = Block(blocks[edited].headings, data.draw(PROSE.filter(str.strip)))

    def others(blocks: list[Block]) -> list[str]:
        own = f"Section {edited}"
        chunks = split(blocks, budget=budget, overlap=4)
        return [chunk.identity("document") for chunk in chunks if chunk.section != own]

    assert others(blocks) == others(changed)


def test_a_cut_inside_prose_repeats_whole_sentences_up_to_the_overlap() -> None:
    text = " ".join(f"Sentence number {n} says something." for n in range(20))
    chunks = split([Block((), text)], budget=60, overlap=12)
    assert len(chunks) > 2
    for before, after in pairwise(chunks):
        repeated = after.text.split("\n\n")[0]
        assert before.text.endswith(repeated)
        assert 0 < estimate(repeated) <= 12


def test_long_code_is_cut_at_lines_and_fenced_again() -> None:
    code = "\n".join(f"line_{n} = {n}" for n in range(60))
    _, blocks = read(f"# T\n\n```python\n{code}\n```\n".encode())
    chunks = split(blocks, budget=60, overlap=10)
    assert len(chunks) > 2
    bodies = []
    for chunk in chunks:
        first, *body, last = chunk.text.split("\n")
        assert (first, last) == ("```python", "```")
        bodies += body
    assert "\n".join(bodies) == code


def test_every_piece_of_a_long_table_has_its_head() -> None:
    rows = [f"| row {n} | {n} |" for n in range(60)]
    _, blocks = read("\n".join(["| name | value |", "| --- | --- |", *rows]).encode())
    chunks = split(blocks, budget=60, overlap=10)
    assert len(chunks) > 2
    assert all(chunk.text.startswith("| name | value |\n| --- | --- |\n") for chunk in chunks)
    assert [row for chunk in chunks for row in chunk.text.split("\n")[2:]] == rows


def test_identity_is_content_in_its_scope_and_not_place() -> None:
    chunk = Chunk("A > B", "text", 1)
    assert chunk.identity("doc") == Chunk("A > B", "text", 9).identity("doc")
    others = [
        chunk.identity("other"),
        chunk.identity("doc", "pipeline"),
        Chunk("A", "text", 1).identity("doc"),
        Chunk("A > B", "text.", 1).identity("doc"),
    ]
    assert len({chunk.identity("doc"), *others}) == 5
