"""Speech with slots: every sentence is one action, one text and one pair of numbers."""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np
import pytest
from acme_worlds import Reach

from als_engine import ScenarioSpec, Verb
from als_engine.bodies.codec import DISCRETE_ACTIONS
from als_engine.envs.parallel import parallel_env
from als_engine.errors import TaskError
from als_engine.sensors.tokenizer import decode
from als_engine.simulation import simulate
from als_engine.world.arrays import NOTHING
from als_engine.world.speech import MAX_SENTENCES, Speech

SKILLS = tuple(f"skill {i}" for i in range(4))
SAID = ("yes", Verb("assign", SKILLS), "no", Verb("praise", ["student 0", "student 1"]))
SENTENCES = (
    "yes", "assign skill 0", "assign skill 1", "assign skill 2", "assign skill 3",
    "no", "praise student 0", "praise student 1",
)  # fmt: skip


class Assign(Reach):
    """Walk to the flag, and talk on the way."""

    default_sensors: ClassVar = ("text", "proprioception")
    utterances: ClassVar = SAID


ASSIGN = ScenarioSpec(
    "Test/Assign-v0", f"{__name__}:Assign", max_episode_steps=400, num_avatars=2, max_avatars=2
)


def test_verbs_and_slots_make_sentences():
    speech = Speech(SAID)
    assert speech.sentences == SENTENCES
    assert speech.verbs == ("yes", "assign", "no", "praise")
    assert speech.slots == ("skill 0 or student 0", "skill 1 or student 1", "skill 2", "skill 3")
    for number, sentence in enumerate(SENTENCES):
        assert speech.index(sentence) == number
        verb, slot = speech.verb[number], speech.slot[number]
        assert speech.sentence[verb, slot] == number
        assert sentence.startswith(speech.verbs[verb])
        assert (slot == NOTHING) == (sentence in ("yes", "no"))
    assert speech.verb[NOTHING] == speech.slot[NOTHING] == NOTHING
    assert Speech(("yes", "no")).slots == ()
    with pytest.raises(TaskError, match='unknown utterance "asign skill 3"; did you mean "assign'):
        speech.index("asign skill 3")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("yes", "utterances must be a list of texts, got 'yes'"),
        (("yes", "yes"), "'yes' is there twice"),
        (("go left", Verb("go", ("left",))), "'go left' is there twice"),
        (("", "no"), "has a text that is empty"),
        (("yes", 3), "must be a text or a Verb, got 3"),
        ((Verb("go", ()),), "the verb 'go' has no slots; give the text alone"),
        (
            (Verb("go", [str(i) for i in range(MAX_SENTENCES + 1)]),),
            "make 1025 sentences, of",
        ),
    ],
)
def test_what_is_no_speech_is_named(wrong, message):
    with pytest.raises(TaskError, match=message):
        Speech(wrong)
    with pytest.raises(TaskError, match="must be a list of texts"):
        Verb("go", "left")


@pytest.fixture(scope="module")
def parallel():
    env = parallel_env(ASSIGN, action_mode="factored", sensors=["text"])
    env.reset(seed=0)
    yield env
    env.close()


def test_whoever_is_near_reads_the_whole_sentence_while_the_speaker_walks(parallel):
    parts = parallel.simulation.action_choices
    assert list(parts) == ["locomotion", "hand", "say", "slot"]
    state, speech = parallel.simulation.state, parallel.simulation.state.speech
    for say, slot in itertools.product(range(5), range(4)):
        act = np.array([2, 0, say, slot])
        seen, *_ = parallel.step({"avatar_0": act, "avatar_1": np.zeros(4, np.int64)})
        said = NOTHING if say == 0 else speech.sentence[say - 1, slot]
        heard = f" <heard> {SENTENCES[said]}" if said != NOTHING else ""
        assert decode(seen["avatar_1"]["text"]).endswith(" metres" + heard)
        assert state.said_verb[0].tolist() == [say - 1 if said != NOTHING else NOTHING, NOTHING]
        expected = NOTHING if say in (0, 1, 3) or said == NOTHING else slot
        assert state.said_slot[0].tolist() == [expected, NOTHING]
    assert state.avatars.velocity[0, 0, 0] < -0.1


@pytest.mark.parametrize("mode", ["discrete", "continuous", "factored"])
def test_every_sentence_can_be_said_in_every_mode(mode):
    simulation = simulate(ASSIGN, len(SENTENCES), action_mode=mode)
    simulation.reset(range(len(SENTENCES)))
    simulation.commands.clear()
    simulation.commands.say[:, 0] = range(len(SENTENCES))
    actions = simulation.codec.encode(simulation.commands, 2)
    simulation.step(actions)
    state = simulation.state
    assert state.avatars.utterance[:, 0].tolist() == list(range(len(SENTENCES)))
    assert np.array_equal(simulation.codec.encode(simulation.commands, 2), actions)
    if mode == "discrete":
        assert simulation.action_space.n == len(DISCRETE_ACTIONS) + len(SENTENCES)
        assert simulation.action_names[-1] == "say 'praise student 1'"
    vector, layout = simulation.state_vector(), simulation.state_layout
    slots = vector[:, layout["avatars.said_slot"]].reshape(len(SENTENCES), 2, 4)
    assert slots[:, 0].argmax(axis=-1)[slots[:, 0].any(axis=-1)].tolist() == [0, 1, 2, 3, 0, 1]
    assert not slots[:, 1].any()
    simulation.close()
