"""Packages that would hurt others, each of one module, and what a user reads of each.

All of them are installed together, beside the good ones of `support/packages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wheel_files import Package


class Bad(NamedTuple):
    """A package that may not get its way.

    Attributes:
        source: of its module.
        says: what `als plugins` says of it; empty where it is loaded, and only its doing undone.
        status: what becomes of it.
        groups: more groups of entry points.
        entry: what its entry point names, where that is not its module.
    """

    source: str
    says: str = ""
    status: str = "failed"
    groups: Mapping[str, Mapping[str, str]] = {}
    entry: str = ""


SPECS = """
from als_engine import (
    AgentSpec, EncoderSpec, ScenarioSpec, SensorSpec, ShapeSpec, SuiteEntry, SuiteSpec, hookimpl
)
"""


def offers(hook: str, value: str, before: str = "pass") -> str:
    """The source of a module with one hook, which returns a value."""
    return f"{SPECS}\n@hookimpl\ndef {hook}():\n    {before}\n    return {value}\n"


def acts(hook: str, argument: str, body: str) -> str:
    """The source of a module with one hook that does something."""
    return f"{SPECS}\n@hookimpl\ndef {hook}({argument}):\n    {body}\n"


EVIL = """
class Evil(BaseException):
    def __str__(self):
        raise SystemExit(7)
    __repr__ = __str__
"""


def scenario(id: str) -> str:
    """The source of a module that offers one scenario."""
    return offers("als_scenarios", f"[ScenarioSpec({id!r}, 'some:Task', 1)]")


def loads(source: str) -> str:
    """The source of a module that does something when it is imported, and has a hook."""
    return f"{source}\n{offers('als_agents', '[]')}"


ENDS = {
    "ends-abort": Bad("import os\nos.abort()", "ended its process while it was loaded (SIGABRT)"),
    "ends-exit": Bad(
        "import os\nos._exit(0)", "ended its process while it was loaded (exit code 0)"
    ),
    "ends-crash": Bad(
        "import ctypes\nctypes.string_at(0)", "ended its process while it was loaded (SIGSEGV)"
    ),
    "ends-in-hook": Bad(
        offers("als_scenarios", "[]", "import os; os.abort()"),
        "ended its process while it was loaded (SIGABRT)",
    ),
    "ends-in-commands": Bad(
        acts("als_commands", "app", "import os; os._exit(5)"),
        "ended its process in als_commands (exit code 5)",
    ),
    "ends-never": Bad(
        loads(
            "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(999,), name='sleeper').start()"
        ),
        "keeps its process from ending: its thread sleeper goes on",
    ),
}
"""Those that would end the process, or keep it from ending."""

RAISE = {
    "raises-exit": Bad("import sys\nsys.exit(3)", "SystemExit: 3"),
    "raises-interrupt": Bad("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises-leave": Bad("raise GeneratorExit", "GeneratorExit"),
    "raises-evil": Bad(f"{EVIL}\nraise Evil", "Evil: (its message cannot be read)"),
    "raises-asking": Bad("input('your key? ')", "EOFError"),
    "raises-syntax": Bad("def (", "SyntaxError: invalid syntax"),
    "raises-in-hook": Bad(
        offers("als_scenarios", "[]", "1 / 0"), "als_scenarios: ZeroDivisionError"
    ),
    "raises-exit-in-hook": Bad(
        offers("als_scenarios", "[]", "raise SystemExit(4)"), "als_scenarios: SystemExit: 4"
    ),
    "raises-exit-in-commands": Bad(
        acts("als_commands", "app", "raise SystemExit(3)"), "SystemExit: 3"
    ),
    "raises-later": Bad(
        offers("als_agents", "(1 / 0 for _ in 'a')"), "als_agents: ZeroDivisionError"
    ),
    "raises-in-commands": Bad(acts("als_commands", "app", "app.no_such()"), "AttributeError"),
    "no-module": Bad("", "No module named 'elsewhere'", entry="elsewhere"),
    "no-attribute": Bad("", "has no attribute 'hooks'", entry="no_attribute:hooks"),
    "no-plugin": Bad("number = 5", "it has no hooks", "refused", entry="no_plugin:number"),
    "no-object": Bad("nothing = None", "it has no hooks", "refused", entry="no_object:nothing"),
    "no-hooks": Bad("", "it has no hooks", "refused"),
}
"""Those whose code fails."""

API = "als_engine.api"

OFFER = {
    "api-new": Bad(
        "import als_engine.of_the_future",
        "it is written for version 2 of the plugin API, and als-engine",
        "refused",
        {API: {"main": "2"}},
    ),
    "api-old": Bad(loads(""), "it is written for version 0", "refused", {API: {"main": "0"}}),
    "api-odd": Bad(
        loads(""), 'must be a whole number, got "one"', "refused", {API: {"main": "one"}}
    ),
    "aa-scenario": Bad(
        scenario("Acme/FetchKettle-v0"),
        'scenario "Acme/FetchKettle-v0" of aa-scenario exists already, from acme-kitchen',
        "refused",
    ),
    "aa-open": Bad(
        scenario("Acme/Other-v0"),
        'the namespace "Acme/" belongs to acme-kitchen, acme-lab',
        "refused",
    ),
    "aa-namespace": Bad(
        scenario("Acme/Mine-v0"),
        'the namespace "Acme/" belongs to acme-kitchen, acme-lab, who had it first',
        "refused",
        {"als_engine.namespaces": {"Acme": "aa_namespace"}},
    ),
    "aa-agent": Bad(
        offers("als_agents", "[AgentSpec('walker', 'a:B')]"),
        'agent "walker" of aa-agent exists already, from acme-lab',
        "refused",
    ),
    "aa-suite": Bad(
        offers("als_suites", "[SuiteSpec('Breakfast'.lower(), (SuiteEntry('ALS/Tag-v0'),))]"),
        'suite "breakfast" of aa-suite exists already, from acme-lab',
        "refused",
    ),
    "aa-sensor": Bad(
        offers("als_sensors", "[SensorSpec('Acme/thermometer', 'a:B')]"),
        'sensor "Acme/thermometer" of aa-sensor exists already, from acme-lab',
        "refused",
    ),
    "aa-encoder": Bad(
        offers("als_encoders", "[EncoderSpec('Acme/net', 'a:B')]"),
        'encoder "Acme/net" of aa-encoder exists already, from acme-lab',
        "refused",
    ),
    "aa-command": Bad(
        acts("als_commands", "app", "app.command('kettle')(lambda: print('mine'))"),
        'command "kettle" of aa-command exists already, from acme-lab',
        "refused",
    ),
    "our-agent": Bad(
        offers("als_agents", "[AgentSpec('ppo', 'a:B')]"),
        'agent "ppo" of our-agent exists already, from als-engine',
        "refused",
    ),
    "our-sensor": Bad(
        offers("als_sensors", "[SensorSpec('rgb', 'a:B')]"),
        'sensor "rgb" of our-sensor needs a namespace',
        "refused",
    ),
    "our-command": Bad(
        acts("als_commands", "app", "app.command('train')(lambda: print('mine'))"),
        'command "train" of our-command exists already, from als-engine',
        "refused",
    ),
    "our-group": Bad(
        acts("als_commands", "app", "import typer; app.add_typer(typer.Typer(), name='bench')"),
        'command "bench" of our-group exists already, from als-engine',
        "refused",
    ),
    "our-options": Bad(
        acts("als_commands", "app", "app.callback()(lambda: None)"),
        "als_commands adds commands, and no options of `als` itself",
        "refused",
    ),
    "our-word": Bad(
        offers("als_sensors", "[SensorSpec('chart', 'a:B')]"),
        'sensor "chart" of our-word needs a namespace',
        "refused",
    ),
    "our-namespace": Bad(
        scenario("als/Mine-v0"),
        'the namespace "als/" belongs to als-engine',
        "refused",
        {"als_engine.namespaces": {"ALS": "our_namespace"}},
    ),
    "looks-scenario": Bad(scenario("\u0410LS/Tag-v0"), 'id must be "Namespace/Name-vN"', "refused"),
    "looks-case": Bad(
        offers("als_agents", "[AgentSpec('ODD/walker', 'a:B'), AgentSpec('odd/walker', 'a:B')]"),
        'agent "odd/walker" of looks-case exists already, from looks-case',
        "refused",
    ),
    "looks-command": Bad(
        acts("als_commands", "app", "app.command('tr\u0430in')(lambda: None)"),
        "must be of small letters, digits and hyphens",
        "refused",
    ),
    "looks-blank": Bad(
        acts("als_commands", "app", "app.command('list ')(lambda: None)"),
        "must be of small letters, digits and hyphens",
        "refused",
    ),
    "looks-red": Bad(
        offers("als_agents", "[AgentSpec('\\x1b[31mred', 'a:B')]"),
        "id must be a lower-case name",
        "refused",
    ),
    "gives-none": Bad(
        offers("als_scenarios", "None"),
        "als_scenarios: it returned None; is there a `return`?",
        "refused",
    ),
    "gives-number": Bad(offers("als_agents", "5"), "als_agents: TypeError: 'int' object"),
    "gives-sensor": Bad(
        offers("als_encoders", "[SensorSpec('a/b', 'a:B')]"),
        "als_encoders must return EncoderSpecs, got SensorSpec",
        "refused",
    ),
    "gives-evil": Bad(
        EVIL + offers("als_sensors", "[Evil()]"), "must return SensorSpecs, got a Evil", "refused"
    ),
    "gives-field": Bad(
        offers("als_agents", "[AgentSpec('a', 'nowhere')]"),
        'als_agents: AgentSpec: agent of "a" must be "module:Class"',
        "refused",
    ),
    "gives-text": Bad(
        offers("als_suites", "'abc'"), "als_suites must return SuiteSpecs, got 'a'", "refused"
    ),
    "gives-endless": Bad(
        "import itertools\n" + offers("als_agents", "itertools.repeat(1)"),
        "als_agents must return at most 10000 AgentSpecs",
        "refused",
    ),
    "gives-types": Bad(
        offers("als_scenarios", "[ScenarioSpec('Odd/A-v0', 'some:Task', '9')]"),
        'max_episode_steps of "Odd/A-v0" must be a whole number',
        "refused",
    ),
}
"""Those that offer what they may not."""

CHANGE = {
    "prints-lines": "import os\nprint('[1, 2] hello')\nos.write(1, b'from C\\n')",
    "prints-colours": "print('\\x1b[31mred')",
    "prints-later": "import threading, time\n"
    "def go():\n    while True:\n        print('later')\n        time.sleep(0.05)\n"
    "threading.Thread(target=go, daemon=True).start()",
    "prints-at-the-end": "import atexit, os\natexit.register(print, 'at the end')\n"
    "atexit.register(os.write, 1, b'from C at the end')",
    "closes": "import os, sys\nsys.stdout.close()\nsys.__stdout__.close()\n"
    "os.close(1)\nos.close(0)",
    "replaces": "import sys\nsys.stdout = sys.stderr = None",
    "detaches": "import sys\nsys.stdout.detach()\nsys.stderr.close()",
    "keeps": "import sys\nkept = sys.stdout",
    "moves": "import os\nos.chdir('/')\nos.umask(0o777)",
    "speaks": "import locale\nlocale.setlocale(locale.LC_ALL, 'C')",
    "warns": "import warnings\nwarnings.simplefilter('error')\nwarnings.showwarning = None",
    "signals": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.alarm(100)\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])",
    "seeds": "import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)\n"
    "numpy.seterr(all='raise')",
    "argues": "import sys\nsys.argv[:] = ['rm']\nsys.setrecursionlimit(100000)\n"
    "sys.excepthook = None",
    "silences": "import gc, logging\nlogging.disable(logging.CRITICAL)\ngc.disable()",
    "registers": "import gymnasium, warnings\n"
    "warnings.simplefilter('ignore')\n"
    "gymnasium.register('ALS/Tag-v0', entry_point='mine:Env')\n"
    "gymnasium.registry.pop('Acme/FetchKettle-v0', None)",
    "changes-specs": "from als_engine.plugins.registry import registry\n"
    "spec = registry.scenario('ALS/Tag-v0')\n"
    "try:\n    spec.kwargs['size'] = 1e9\nexcept TypeError:\n    pass\n"
    "registry.scenarios().clear(); registry.plugins().clear()",
}
"""Those that are loaded, and whose doings are undone."""

BAD = {
    **ENDS,
    **RAISE,
    **OFFER,
    **{name: Bad(loads(source), "", "loaded") for name, source in CHANGE.items()},
}


def packages() -> list[Package]:
    """All of them."""
    return [_package(name, bad) for name, bad in BAD.items()]


def _package(name: str, bad: Bad) -> Package:
    module = name.replace("-", "_")
    groups = {"als_engine": {"main": bad.entry or module}, **bad.groups}
    return Package(name, {f"{module}.py": bad.source}, groups)
