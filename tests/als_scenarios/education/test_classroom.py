"""The classroom: what counts as an answer, what is held out, and that it can be solved."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.errors import ArgumentError
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS, split_of
from als_scenarios.education import arithmetic, classroom
from als_scenarios.education.arithmetic import LARGEST, OPERATORS, Arithmetic, asked_in
from als_scenarios.education.classroom import PASS, RIGHT_ANSWER, WRONG_ANSWER, Classroom
from als_scenarios.education.lesson import COLUMNS, PAD_COLUMNS, QUESTIONS, STAND
from als_scenarios.education.schoolroom import PAD_RADIUS

SCENARIO = "ALS/Classroom-v0"
STAY, FORWARD = 0, 1


def lesson(num_worlds: int = 1, **arguments: object) -> Simulation:
    arguments.setdefault("sensors", ["lesson"])
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    return sim


def pad(sim: Simulation, right: bool = True) -> np.ndarray:
    """The middle of the right pad, or of a wrong one."""
    question = int(sim.state["answered"][0])
    index = int(sim.state["right_pad"][0, question])
    return sim.state.props.position[0, index if right else index - 1, :2].copy()


def stay(sim: Simulation, steps: int = 1) -> None:
    for _ in range(steps):
        sim.step(np.full((1, sim.observers), STAY))


def aside(sim: Simulation) -> np.ndarray:
    return sim.state["spots"][0, 0].copy()


def play(policy: str, num_worlds: int = 12, **arguments: object) -> dict[str, np.ndarray]:
    """One episode in every world: success, return, metrics of the first avatar."""
    sim = lesson(num_worlds, **arguments)
    rng = np.random.default_rng(0)
    ended = np.zeros(num_worlds, bool)
    out: dict[str, np.ndarray] = {}
    while not ended.all():
        if policy == "expert":
            actions = sim.expert_actions()
        else:
            actions = np.stack([[sim.action_space.sample()] * sim.observers] * num_worlds)
            if sim.action_mode == "discrete":
                actions = rng.integers(sim.action_space.n, size=actions.shape)
            else:
                actions = rng.uniform(-1, 1, actions.shape).astype(np.float32)
        sim.advance(actions)
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "return": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
    sim.close()
    return out


# -- what counts as an answer ----------------------------------------------------------------------


def test_standing_on_the_right_pad_for_five_steps_is_a_right_answer() -> None:
    sim = lesson(num_avatars=1)
    put_avatar(sim, 0, pad(sim))
    stay(sim, STAND - 1)
    assert sim.metrics()["answered"] == 0
    stay(sim)
    assert sim.metrics()["answered"] == 1
    assert sim.metrics()["correct"] == 1
    assert sim.rewards[0, 0] == RIGHT_ANSWER


def test_standing_on_another_pad_is_a_wrong_answer_and_the_lesson_goes_on() -> None:
    sim = lesson(num_avatars=1)
    put_avatar(sim, 0, pad(sim, right=False))
    stay(sim, STAND)
    assert sim.metrics()["answered"] == 1
    assert sim.metrics()["correct"] == 0
    assert sim.rewards[0, 0] == WRONG_ANSWER
    assert not sim.terminated[0]


def test_walking_across_a_pad_is_no_answer() -> None:
    sim = lesson(num_avatars=1)
    middle, hub = pad(sim), sim.state.props.position[0, :, :2].mean(axis=0)
    # Across the pad, at a right angle to its panel's direction.
    along = np.array([-(middle - hub)[1], (middle - hub)[0]]) / np.hypot(*(middle - hub))
    put_avatar(sim, 0, middle - 1.3 * along, float(np.arctan2(along[1], along[0])))
    over = 0
    for _ in range(25):
        sim.step(np.full((1, 1), FORWARD))
        over += int(sim.state["distance"][0, 0] < PAD_RADIUS)
    assert over > STAND
    assert sim.metrics()["answered"] == 0


def test_who_stands_on_a_pad_when_a_question_comes_must_step_off_first() -> None:
    sim = lesson(num_avatars=1)
    put_avatar(sim, 0, pad(sim))
    stay(sim, STAND + 30)
    assert sim.metrics()["answered"] == 1
    put_avatar(sim, 0, aside(sim))
    stay(sim)
    put_avatar(sim, 0, pad(sim))
    stay(sim, STAND)
    assert sim.metrics()["correct"] == 2


def test_standing_is_counted_on_one_pad_at_a_time() -> None:
    sim = lesson(num_avatars=1)
    put_avatar(sim, 0, pad(sim))
    stay(sim, STAND - 1)
    put_avatar(sim, 0, pad(sim, right=False))
    stay(sim, STAND - 1)
    assert sim.metrics()["answered"] == 0


def test_classmates_do_not_answer() -> None:
    sim = lesson(observers=1, num_avatars=2)
    for _ in range(STAND + 5):
        put_avatar(sim, 0, aside(sim))
        put_avatar(sim, 1, pad(sim))
        stay(sim)
    assert sim.state["standing"][0, 1] >= STAND
    assert sim.metrics()["answered"] == 0
    assert (sim.rewards[:, 1] == 0).all()


def test_the_first_of_several_students_to_stand_answers_for_the_class_and_earns_it() -> None:
    sim = lesson(num_avatars=2)
    put_avatar(sim, 1, pad(sim))
    put_avatar(sim, 0, aside(sim))
    stay(sim, STAND)
    assert sim.metrics()["answered"] == 1
    assert sim.rewards[0].tolist() == [0.0, RIGHT_ANSWER]


def test_of_two_in_the_same_step_the_lower_number_answers() -> None:
    sim = lesson(num_avatars=2)
    put_avatar(sim, 0, pad(sim, right=False))
    put_avatar(sim, 1, pad(sim))
    stay(sim, STAND)
    assert sim.metrics()["answered"] == 1
    assert sim.rewards[0].tolist() == [WRONG_ANSWER, 0.0]


def test_the_lesson_ends_with_the_tenth_answer_and_eight_right_ones_pass() -> None:
    sim = lesson(num_avatars=1)
    for question in range(QUESTIONS):
        assert not sim.terminated[0]
        put_avatar(sim, 0, aside(sim))
        stay(sim)
        put_avatar(sim, 0, pad(sim, right=question < PASS))
        stay(sim, STAND)
        assert bool(sim.metrics()["success"][0]) == (question >= PASS - 1)
    assert sim.terminated[0]
    assert sim.metrics()["accuracy"] == PASS / QUESTIONS


def test_progress_pays_the_way_to_the_pad_and_no_circle() -> None:
    sim = lesson(num_avatars=1)
    start = sim.state["distance"][0, 0]
    actions = [FORWARD] * 12 + [2] * 17 + [3] * 9 + [4] * 9
    for action in actions:
        sim.step(np.full((1, 1), action))
    gained = start - sim.state["distance"][0, 0]
    assert sim.metrics()["answered"] == 0
    assert sim.returns[0, 0] == pytest.approx(classroom.PROGRESS * gained)


# -- what is shown and said ------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [0, 1, 5])
def test_board_voice_instruction_and_panels_agree_with_the_question(answers: int) -> None:
    sim = lesson(num_avatars=1)
    for _ in range(answers):
        put_avatar(sim, 0, aside(sim))
        stay(sim)
        put_avatar(sim, 0, pad(sim))
        stay(sim, STAND)
    state = sim.state
    question = int(state["answered"][0])
    assert question == answers
    left, right = state["operands"][0, question].tolist()
    sign = OPERATORS[state["operator"][0, question]]
    text = arithmetic.wording(
        left, OPERATORS.index(sign), right, in_words=bool(state["in_words"][0])
    )
    assert text in " ".join(state.signs.text[0][0].split())
    assert text in state.sounds.text[0][0]
    assert text in state.instructions[0][0]
    numbers = [int(number) for number in state.signs.text[0][1:]]
    assert numbers == 2 * state["numbers"][0, question].tolist()  # Fronts and backs.
    result = {"+": left + right, "-": left - right, "x": left * right}[sign]
    assert numbers[state["right_pad"][0, question]] == result


def test_questions_come_in_digits_and_in_words() -> None:
    sim = lesson(num_worlds=16)
    texts = [told[0] for told in sim.state.instructions]
    assert any(any(c.isdigit() for c in text) for text in texts)
    assert any(not any(c.isdigit() for c in text) for text in texts)


def test_text_holds_the_question_and_what_the_panel_in_front_says() -> None:
    from als_engine.sensors import tokenizer

    sim = lesson(num_avatars=1, sensors=["text"])
    middle = pad(sim)
    front = sim.state.signs.position[0, 1 + int(sim.state["right_pad"][0, 0]), :2]
    put_avatar(sim, 0, middle, float(np.arctan2(*(front - middle)[::-1])))
    stay(sim)
    tokens = sim.observations["text"][0, 0].tolist()
    heard, read = tokens.index(tokenizer.HEARD), tokens.index(tokenizer.READ)
    told = tokenizer.decode([token for token in tokens[1:heard] if token])
    seen = tokenizer.decode([token for token in tokens[read + 1 :] if token])
    assert told == sim.state.instructions[0][0]
    assert int(seen) == sim.state["numbers"][0, 0, sim.state["right_pad"][0, 0]]


def test_question_and_pads_say_what_the_lesson_sensor_says() -> None:
    sim = lesson(num_worlds=3, num_avatars=2, sensors=["lesson", "question", "pads"])
    for _ in range(5):
        sim.step(np.ones((3, 2), np.int64))
    seen = sim.observations
    apart = np.concatenate([seen["question"], seen["pads"].reshape(3, 2, -1)], axis=2)
    assert np.array_equal(apart, seen["lesson"])
    assert seen["pads"][..., 0].sum() == 3 * 2 * 4


def test_the_lesson_sensor_tells_the_question_and_where_the_pads_are() -> None:
    sim = lesson(num_avatars=1)
    middle = pad(sim)
    heading = 0.7
    put_avatar(sim, 0, middle - np.array([np.cos(heading), np.sin(heading)]), heading)
    sim.observe()
    row = sim.observations["lesson"][0, 0]
    named = dict(zip(COLUMNS, row[: len(COLUMNS)].tolist(), strict=True))
    operands, operator = sim.state["operands"][0, 0], int(sim.state["operator"][0, 0])
    assert [named["first"], named["second"]] == pytest.approx(operands / LARGEST)
    assert [named[name] for name in ("plus", "minus", "times")].index(1.0) == operator
    pads = row[len(COLUMNS) :].reshape(-1, len(PAD_COLUMNS))
    assert pads[:, 0].tolist() == [1, 1, 1, 1, 0, 0]
    assert pads[:4, 1] * LARGEST == pytest.approx(sim.state["numbers"][0, 0])
    # A metre straight ahead, in units of four metres.
    right = int(sim.state["right_pad"][0, 0])
    assert pads[right, 3:] == pytest.approx([0.25, 0.0], abs=1e-5)


@pytest.mark.parametrize("operations", ["+", "-", "x"])
def test_sums_add_on_the_linear_line_and_products_on_the_logarithmic_one(operations: str) -> None:
    sim = lesson(num_worlds=32, num_avatars=1, operations=operations)
    sim.observe()
    row = sim.observations["lesson"]
    head, pads = row[:, 0, :4], row[:, 0, len(COLUMNS) :].reshape(32, -1, len(PAD_COLUMNS))
    answer = pads[np.arange(32), sim.state["right_pad"][:, 0]]
    linear = {"+": head[:, 0] + head[:, 2], "-": head[:, 0] - head[:, 2]}
    if operations == "x":
        assert answer[:, 2] == pytest.approx(head[:, 1] + head[:, 3], abs=1e-5)
    else:
        assert answer[:, 1] == pytest.approx(linear[operations], abs=1e-5)


# -- levels and splits -----------------------------------------------------------------------------


def facts_of(levels: range) -> set[tuple[int, int]]:
    """Every unordered pair of operands that the lessons of these levels ask about."""
    task, found = Classroom(num_avatars=1), set()
    for level in levels:
        layout = task.layout(np.random.default_rng(level), level)
        operands = np.sort(np.asarray(layout.quantities["operands"]), axis=1)
        found |= set(map(tuple, operands.tolist()))
    return found


def test_no_pair_of_operands_is_asked_in_two_splits() -> None:
    asked = {split: facts_of(levels[:150]) for split, levels in LEVELS.items()}
    pairs = {(a, b) for b in range(1, LARGEST + 1) for a in range(1, b + 1)}
    for split, facts in asked.items():  # So many lessons ask about all there is.
        assert facts == {pair for pair in pairs if asked_in(*pair) == split}
    assert {split: len(facts) for split, facts in asked.items()} == {
        "train": 45, "validation": 12, "test": 21,
    }  # fmt: skip


@pytest.mark.parametrize("largest", range(3, LARGEST + 1))
def test_a_pair_stays_in_its_split_whatever_the_largest_operand(largest: int) -> None:
    facts = Arithmetic(largest).facts
    for split, pairs in facts.items():
        assert len(pairs) > 0
        assert {asked_in(*pair) for pair in pairs.tolist()} == {split}
    assert sum(map(len, facts.values())) == largest * (largest + 1) // 2


def test_validation_and_test_each_have_a_behaviour_of_classmates_of_their_own() -> None:
    met: dict[str, set[str]] = {}
    for split in LEVELS:
        sim = lesson(4, observers=1, num_avatars=6, split=split)
        drawn = set(sim.state.behaviour[:, 1:].ravel().tolist())
        for _ in range(4):
            sim.reset()
            drawn |= set(sim.state.behaviour[:, 1:].ravel().tolist())
        met[split] = {list(sim.task.behaviours())[i] for i in drawn}
    assert met["train"] == {"wander", "guess", "linger"}
    assert met["validation"] == {"wander", "guess", "linger", "patrol"}
    assert met["test"] == {"wander", "guess", "linger", "follow"}


@pytest.mark.parametrize("num_pads", [2, 4, 6])
def test_every_question_has_one_right_pad_and_different_numbers_of_at_least_zero(
    num_pads: int,
) -> None:
    rng, drill = np.random.default_rng(0), Arithmetic()
    for _ in range(200):
        plan = drill.draw(rng, "train", QUESTIONS, num_pads)
        left, right = plan.left, plan.right
        answer = np.choose(plan.operator, (left + right, left - right, left * right))
        assert (np.sort(plan.numbers, axis=1)[:, 1:] > np.sort(plan.numbers, axis=1)[:, :-1]).all()
        assert plan.numbers.min() >= 0
        assert ((plan.numbers == answer[:, None]).argmax(axis=1) == plan.pad).all()


def test_neither_the_pad_nor_the_rank_of_a_number_gives_the_answer_away() -> None:
    rng, drill = np.random.default_rng(0), Arithmetic(operations="+x")
    plans = [drill.draw(rng, "train", QUESTIONS, 4) for _ in range(1000)]
    pads = np.concatenate([plan.pad for plan in plans])
    numbers = np.concatenate([plan.numbers for plan in plans])
    answers = numbers[np.arange(len(numbers)), pads]
    rank = (numbers < answers[:, None]).sum(axis=1)
    for guess in (pads, rank):
        assert np.bincount(guess, minlength=4) / len(guess) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("num_pads", [2, 3, 4, 5, 6])
def test_pads_never_overlap_and_everybody_starts_beside_them(num_pads: int) -> None:
    task = Classroom(num_avatars=6, num_pads=num_pads)
    for level in range(60):
        layout = task.layout(np.random.default_rng(level), level)
        pads = np.array([prop.position for prop in layout.props.values()])
        apart = np.hypot(*(pads[:, None] - pads).transpose(2, 0, 1))
        assert apart[~np.eye(num_pads, dtype=bool)].min() > 2 * PAD_RADIUS
        spawns = np.array([spawn.position for spawn in layout.spawns])
        assert np.hypot(*(spawns[:, None] - pads).transpose(2, 0, 1)).min() > PAD_RADIUS


# -- it can be solved, and exactly replayed --------------------------------------------------------


@pytest.mark.parametrize(("split", "action_mode"), [("train", "continuous"), ("test", "discrete")])
def test_the_expert_passes_and_random_does_not(split: str, action_mode: str) -> None:
    expert = play("expert", 10, observers=1, split=split, action_mode=action_mode)
    assert expert["success"].mean() >= 0.95
    assert expert["correct"].mean() >= 9.5
    assert all(split_of(int(level)) == split for level in expert["level"])
    random = play("random", 6, observers=1, split=split, action_mode=action_mode)
    assert not random["success"].any()
    assert random["return"].mean() < 0.2 * expert["return"].mean()


def test_a_whole_class_of_experts_passes() -> None:
    assert play("expert", 8, num_avatars=4)["success"].all()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_in_a_batch_is_bit_for_bit_the_world_alone(split: str) -> None:
    many = lesson(6, observers=1, split=split)
    one = simulate(SCENARIO, 1, observers=1, split=split, sensors=["lesson"])
    one.reset([4])
    for _ in range(200):
        many.step(many.expert_actions())
        one.step(one.expert_actions())
        assert many.state.digest(4) == one.state.digest(0)
    assert (many.rewards[4] == one.rewards[0]).all()
    assert (many.observations["lesson"][4] == one.observations["lesson"][0]).all()


def test_lessons_differ_between_levels_and_repeat_within_one() -> None:
    same, other = lesson(level=3), lesson(level=4)
    again = lesson(level=3)
    assert same.state.digest(0) == again.state.digest(0)
    assert (same.state["operands"] != other.state["operands"]).any()
    assert (same.state.props.position != other.state.props.position).any()


# -- arguments and documentation -------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_pads": 1},
        {"num_pads": 7},
        {"num_pads": 2.5},
        {"largest": 2},
        {"largest": 13},
        {"largest": "ten"},
        {"operations": "/"},
        {"operations": ""},
        {"operations": "++"},
    ],
)
def test_a_wrong_argument_is_refused_by_name(arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        simulate(SCENARIO, **arguments)


def test_what_the_documentation_promises_about_the_split_is_so() -> None:
    text = inspect.cleandoc(Classroom.__doc__ or "")
    facts = Arithmetic().facts
    assert f"of the {sum(map(len, facts.values()))} unordered pairs" in text
    assert f"{len(facts['test'])} are asked about in the test split only" in " ".join(text.split())
    assert f"{len(facts['validation'])} of the others in the validation split only" in text
