"""The schemas, the examples and the AsyncAPI document say what the message types say."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from stream.core.engine_rows import PLACES
from stream.core.shop_counts import Findings
from stream.core.updates import decode, encode, unpacked
from stream.outcome import Outcome
from stream.topology.outputs import flow_outputs, outputs, shop_outputs

TOP = Path(__file__).parents[1]
SCHEMAS = TOP / "schemas"
SPEC = importlib.util.spec_from_file_location("schemas_generate", SCHEMAS / "generate.py")
generate = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = generate
SPEC.loader.exec_module(generate)

MESSAGES = pytest.mark.parametrize("message", generate.MESSAGES, ids=lambda m: m.name)


def read(path):
    return json.loads((SCHEMAS / path).read_text())


def validate(instance, schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(instance, schema, jsonschema.Draft202012Validator)


@MESSAGES
def test_the_example_fits_the_schema(message):
    validate(read(f"examples/{message.name}.json"), read(f"v1/{message.name}.schema.json"))


@MESSAGES
def test_the_example_decodes_into_the_message_and_encodes_to_the_same_json(message):
    text = (SCHEMAS / f"examples/{message.name}.json").read_bytes()
    decoded = msgspec.json.decode(text, type=type(message.example))
    assert decoded == message.example
    assert json.loads(msgspec.json.encode(decoded)) == json.loads(text)


KINDS = [(m, name, other) for m in generate.MESSAGES for name, other in m.others]


@pytest.mark.parametrize(("message", "name", "kind"), KINDS, ids=[name for _, name, _ in KINDS])
def test_each_kind_of_a_topic_fits_its_schema_and_decodes(message, name, kind):
    instance = read(f"examples/{message.name}-{name}.json")
    validate(instance, read(f"v1/{message.name}.schema.json"))
    assert msgspec.convert(instance, type(kind), strict=False) == kind


@MESSAGES
def test_what_lacks_a_required_field_is_refused_by_the_schema_and_by_the_type(message):
    schema = read(f"v1/{message.name}.schema.json")
    whole = read(f"examples/{message.name}.json")
    for name in schema["$defs"][type(message.example).__name__]["required"]:
        broken = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(jsonschema.ValidationError):
            validate(broken, schema)
        if name != "kind":  # msgspec takes a Struct's own tag for granted
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(broken, type(message.example), strict=False)


def test_the_generated_files_are_up_to_date():
    assert generate.stale() == [], "run make schemas"


def test_check_names_what_is_stale(tmp_path):
    for path in ("generate.py", "asyncapi.yaml"):
        (tmp_path / path).write_bytes((SCHEMAS / path).read_bytes())
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "old-topic.schema.json").write_text("{}")
    command = [sys.executable, str(tmp_path / "generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
    assert checked.returncode == 1
    assert "schemas/v1/old-topic.schema.json is stale: run make schemas" in checked.stderr
    assert "schemas/examples/migration-alerts.json is stale" in checked.stderr
    assert "asyncapi.yaml" not in checked.stderr


def test_asyncapi_is_valid_by_the_official_schema():
    official = json.loads((TOP / "tests/reference/asyncapi-3.0.0.json").read_text())
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    jsonschema.validate(document, official, jsonschema.Draft7Validator)


def test_every_reference_in_asyncapi_leads_somewhere():
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    for reference in references(document):
        file, _, pointer = reference.partition("#")
        target = read(file) if file else document
        for part in pointer.strip("/").split("/") if pointer else []:
            target = target[part]


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        part = list(part.values())
    if isinstance(part, list):
        for entry in part:
            yield from references(entry)


def test_what_the_worker_publishes_has_the_headers_and_keys_that_asyncapi_tells():
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    updates = unpacked(generate.UPDATES)
    outcome = Outcome(
        alerts=[generate.ALERT],
        foretold=[generate.PREDICTED, generate.OUTCOME],
        deltas=[generate.DELTA],
        dead_letters=[generate.LETTER],
        updates=updates,
    )
    told = [generate.FLOW, generate.DEMAND, generate.CLOCK]
    published = list(outputs(outcome, "behavior-events", 2))
    published += flow_outputs(told, "behavior-events", 2)
    findings = Findings([generate.POPULATION], [generate.FORECAST], [])
    published += shop_outputs(findings, 4)
    assert len(published) == 11
    for record in published:
        (title,) = document["channels"][record.topic]["messages"]
        message = document["components"]["messages"][title]
        headers = {name: value.decode() for name, value in record.headers}
        jsonschema.validate(headers, message["headers"])
        assert headers.keys() <= message["headers"]["properties"].keys()
        assert (record.key is not None) == ("bindings" in message)


def test_the_example_of_shop_updates_is_one_that_workers_read():
    assert decode(encode(generate.UPDATES)) == generate.UPDATES
    assert (unpacked(generate.UPDATES).position // PLACES).tolist() == [48_210, 48_211]
