"""Encoding is exact both ways, and decoded numbers are short to write."""

from hypothesis import given, settings
from hypothesis import strategies as st

from merge_dsl.space.genes import Gene, decode, encode
from merge_dsl.space.resolve import spoken
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from merge_dsl.text.tree import Let, Number

EXACT = settings(derandomize=True, deadline=None, max_examples=300)
UNIT = st.floats(0.0, 1.0)
ENDS = st.integers(-(10**6), 10**6).flatmap(
    lambda low: st.tuples(st.just(low), st.integers(low + 1, low + 10**6))
)


@st.composite
def genes(draw: st.DrawFn) -> Gene:
    """Any gene that a recipe can describe."""
    low, high = draw(ENDS)
    scale = 10.0 ** draw(st.integers(-7, 2))
    kind = draw(st.sampled_from(["real", "log", "step", "int", "int log", "int step", "choice"]))
    if kind == "real":
        return Gene("g", "real", low * scale, high * scale, 0.0)
    if kind == "log":
        bottom = (abs(low) + 1) * scale
        return Gene("g", "real", bottom, bottom * (1 + (high - low)), 0.0, log=True)
    if kind == "step":
        step = draw(st.sampled_from([0.1, 0.25, 1e-3, 3.0]))
        return Gene("g", "real", low * 0.1, low * 0.1 + step * (1 + high - low), 0.0, step=step)
    if kind == "int":
        return Gene("g", "int", low, high, low)
    if kind == "int log":
        return Gene("g", "int", abs(low) + 1, abs(low) + 1 + high - low, 1, log=True)
    if kind == "int step":
        return Gene("g", "int", low, high, low, step=draw(st.integers(1, max(1, high - low))))
    options = draw(st.lists(st.integers(0, 99), min_size=1, max_size=9, unique=True))
    return Gene("g", "choice", None, None, options[0], options=tuple(options))


@EXACT
@given(genes(), UNIT)
def test_what_was_decoded_decodes_again(gene: Gene, x: float) -> None:
    value = decode(gene, x)
    assert decode(gene, encode(gene, value)) == value
    assert 0.0 <= encode(gene, value) <= 1.0


@EXACT
@given(genes(), UNIT)
def test_values_stay_inside(gene: Gene, x: float) -> None:
    value = decode(gene, x)
    if gene.options:
        assert value in gene.options
    else:
        assert gene.low is not None and gene.high is not None
        assert isinstance(value, int | float)
        slack = 1e-9 * (abs(gene.high) + abs(gene.low))
        assert gene.low - slack <= value <= gene.high + slack
        assert isinstance(value, int) == (gene.kind == "int")


@EXACT
@given(genes(), UNIT)
def test_a_value_reads_back_from_a_recipe(gene: Gene, x: float) -> None:
    value = decode(gene, x)
    tree = parse(Source("x", f"recipe a\nlet x = {spoken(value)}\n")).tree
    assert tree is not None and isinstance(tree.items[0], Let)
    number = tree.items[0].value
    assert isinstance(number, Number) and float(number.value) == value


def test_reals_are_readable() -> None:
    gene = Gene("g", "real", 0.0, 1.0, 0.5)
    assert decode(gene, 1 / 3) == 0.3333
    assert decode(gene, 0.0) == 0.0 and decode(gene, 1.0) == 1.0
    assert decode(Gene("g", "real", 1e-5, 1.0, 0.1, log=True), 0.5) == 0.0031623
    assert decode(Gene("g", "real", 0.0, 0.5, 0.1, step=0.1), 0.55) == 0.3


def test_what_lies_outside_is_clipped() -> None:
    gene = Gene("g", "real", 0.0, 1.0, 0.5)
    assert (decode(gene, -3.0), decode(gene, 7.0), decode(gene, float("nan"))) == (0.0, 1.0, 0.5)


def test_flags_and_choices_have_even_bins() -> None:
    flag = Gene("g", "flag", None, None, True, options=(False, True))
    assert [decode(flag, x) for x in (0.0, 0.49, 0.5, 1.0)] == [False, False, True, True]
    three = Gene("g", "choice", None, None, "a", options=("a", "b", "c"))
    assert [decode(three, x) for x in (0.3, 0.5, 0.7)] == ["a", "b", "c"]
