"""The REST JSON mapping by example: what is written, what is read, and what is refused with which pointer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf import (  # noqa: F401 - registers the imports
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from lace_core.errors import LaceError, Reason
from lace_proto.json import from_json, from_python, from_text, to_python

_FILE = """
name: "zoo.proto" package: "zoo" syntax: "proto3"
dependency: "google/protobuf/struct.proto" dependency: "google/protobuf/duration.proto"
dependency: "google/protobuf/timestamp.proto" dependency: "google/protobuf/wrappers.proto"
enum_type { name: "AnimalState"
  value { name: "ANIMAL_STATE_UNSPECIFIED" number: 0 } value { name: "ANIMAL_STATE_FAST_ASLEEP" number: 1 }
  value { name: "ANIMAL_STATE_AWAKE" number: 2 } }
message_type { name: "Animal"
  field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "state" number: 2 type: TYPE_ENUM type_name: ".zoo.AnimalState" label: LABEL_OPTIONAL }
  field { name: "legs" number: 3 type: TYPE_UINT32 label: LABEL_OPTIONAL }
  field { name: "atoms" number: 4 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "photo" number: 5 type: TYPE_BYTES label: LABEL_OPTIONAL }
  field { name: "born_at" number: 6 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
  field { name: "sleep" number: 7 type: TYPE_MESSAGE type_name: ".google.protobuf.Duration" label: LABEL_OPTIONAL }
  field { name: "notes" number: 8 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL }
  field { name: "anything" number: 9 type: TYPE_MESSAGE type_name: ".google.protobuf.Value" label: LABEL_OPTIONAL }
  field { name: "young" number: 10 type: TYPE_MESSAGE type_name: ".zoo.Animal" label: LABEL_REPEATED }
  field { name: "moods" number: 11 type: TYPE_ENUM type_name: ".zoo.AnimalState" label: LABEL_REPEATED }
  field { name: "weights" number: 12 type: TYPE_MESSAGE type_name: ".zoo.Animal.WeightsEntry" label: LABEL_REPEATED }
  field { name: "tame" number: 13 type: TYPE_MESSAGE type_name: ".google.protobuf.BoolValue" label: LABEL_OPTIONAL }
  field { name: "speed" number: 14 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "wild" number: 15 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "fur" number: 16 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "feathers" number: 17 type: TYPE_INT32 label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "age" number: 18 type: TYPE_INT32 label: LABEL_OPTIONAL proto3_optional: true oneof_index: 1 }
  field { name: "ratio" number: 19 type: TYPE_FLOAT label: LABEL_OPTIONAL }
  oneof_decl { name: "skin" } oneof_decl { name: "_age" }
  nested_type { name: "WeightsEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_DOUBLE label: LABEL_OPTIONAL } }
}
"""


def _animal_class() -> Any:
    from google.protobuf import text_format

    pool = descriptor_pool.Default()
    pool.Add(text_format.Parse(_FILE, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("zoo.Animal"))


Animal = _animal_class()


def _refused(value: Any, **options: Any) -> LaceError:
    with pytest.raises(LaceError) as caught:
        from_python(Animal, value, **options)
    return caught.value


def _pointers(error: LaceError) -> list[str]:
    return [detail.field for detail in error.details]


def test_scalars_without_presence_are_always_written_and_others_only_when_set() -> None:
    assert to_python(Animal()) == {
        "name": "",
        "legs": 0,
        "atoms": 0,
        "photo": "",
        "young": [],
        "moods": [],
        "weights": {},
        "speed": 0.0,
        "wild": False,
        "ratio": 0.0,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "fast_asleep"),
        ("atoms", 9_007_199_254_740_993),
        ("photo", "AP8="),
        ("born_at", "2026-11-21T09:30:00Z"),
        ("born_at", "2026-11-21T09:30:00.500000Z"),
        ("born_at", "0001-01-01T00:00:00.000000001Z"),
        ("sleep", "1.5s"),
        ("sleep", "-0.000000001s"),
        ("notes", {"a": [1, 2.5, None, {"b": True}]}),
        ("anything", None),
        ("anything", {}),
        ("moods", ["awake", "unspecified"]),
        ("weights", {"-3": 1.5}),
        ("tame", False),
        ("feathers", 0),
        ("age", 0),
        ("speed", "NaN"),
        ("speed", "-Infinity"),
    ],
)
def test_written_as_it_was_read(field: str, value: Any) -> None:
    assert to_python(from_python(Animal, {field: value}))[field] == value


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-11-21T10:30:00+01:00", "2026-11-21T09:30:00Z"),
        ("2026-11-21t09:30:00.5z", "2026-11-21T09:30:00.500000Z"),
    ],
)
def test_times_are_written_in_utc(given: str, written: str) -> None:
    assert to_python(from_python(Animal, {"born_at": given}))["born_at"] == written


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"name": 1}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "\ud800"}, "/name"),
        ({"state": "ANIMAL_STATE_AWAKE"}, "/state"),
        ({"state": "unspecified"}, "/state"),
        ({"state": 2}, "/state"),
        ({"legs": -1}, "/legs"),
        ({"legs": True}, "/legs"),
        ({"legs": 4.0}, "/legs"),
        ({"legs": 2**32}, "/legs"),
        ({"atoms": "5"}, "/atoms"),
        ({"photo": "AP8"}, "/photo"),
        ({"photo": "A P8="}, "/photo"),
        ({"born_at": "2026-02-30T00:00:00Z"}, "/born_at"),
        ({"born_at": "2026-11-21"}, "/born_at"),
        ({"born_at": None}, "/born_at"),
        ({"sleep": "1.5"}, "/sleep"),
        ({"sleep": "400000000000s"}, "/sleep"),
        ({"notes": []}, "/notes"),
        ({"notes": {"deep": [{"n": 2**53 + 1}]}}, "/notes/deep/0/n"),
        ({"young": {}}, "/young"),
        ({"young": [{}, {"legs": "x"}]}, "/young/1/legs"),
        ({"young": [None]}, "/young/0"),
        ({"moods": ["awake", "cross"]}, "/moods/1"),
        ({"weights": {"x": 1.0}}, "/weights/x"),
        ({"weights": {"1": "x"}}, "/weights/1"),
        ({"tame": 1}, "/tame"),
        ({"speed": "fast"}, "/speed"),
        ({"ratio": 1e39}, "/ratio"),
        ({"fur": "soft", "feathers": 3}, "/feathers"),
        ([], "/"),
    ],
)
def test_wrong_values_are_refused_with_their_pointer(value: Any, pointer: str) -> None:
    error = _refused(value)
    assert error.reason is Reason.INVALID_ARGUMENT
    assert _pointers(error) == [pointer]


def test_unknown_fields_are_refused_with_a_hint() -> None:
    error = _refused({"nmae": "x", "young": [{"a/b": 1}]})
    assert error.reason is Reason.UNKNOWN_FIELD
    assert _pointers(error) == ["/nmae", "/young/0/a~1b"]
    assert "did you mean name?" in error.details[0].description


def test_all_problems_are_reported_at_once() -> None:
    error = _refused({"name": 1, "legs": "x", "tail": 1})
    assert error.reason is Reason.INVALID_ARGUMENT
    assert set(_pointers(error)) == {"/name", "/legs", "/tail"}


def test_depth_limit_counts_objects_and_arrays() -> None:
    three_deep: dict[str, Any] = {"young": [{}]}
    from_python(Animal, three_deep, max_depth=3)
    from_json(Animal, orjson.dumps(three_deep), max_depth=3)
    assert _refused(three_deep, max_depth=2).reason is Reason.JSON_TOO_DEEP
    with pytest.raises(LaceError) as caught:
        from_json(Animal, orjson.dumps(three_deep), max_depth=2)
    assert caught.value.reason is Reason.JSON_TOO_DEEP


@pytest.mark.parametrize("levels", [65, 1000, 100_000])
def test_deep_json_is_refused_before_it_is_walked(levels: int) -> None:
    for text in (b"[" * levels + b"]" * levels, b'{"a":' * levels + b"1" + b"}" * levels):
        with pytest.raises(LaceError) as caught:
            from_json(Animal, text)
        assert caught.value.reason is Reason.JSON_TOO_DEEP


def test_brackets_within_strings_do_not_count() -> None:
    name = '[{"' * 1000 + "\\"
    assert from_json(Animal, orjson.dumps({"name": name})).name == name


@pytest.mark.parametrize("text", [b"", b"{", b'{"name": "\\ud800"}', b"NaN", b'{"name": 1} x', b"\xff"])
def test_what_is_no_json_is_malformed(text: bytes) -> None:
    with pytest.raises(LaceError) as caught:
        from_json(Animal, text)
    assert caught.value.reason is Reason.MALFORMED_JSON


def test_a_key_that_occurs_twice_is_malformed() -> None:
    with pytest.raises(LaceError) as caught:
        from_json(Animal, b'{"name": "a:b", "notes": {"x": 1, "x": 2}}')
    assert caught.value.reason is Reason.MALFORMED_JSON
    assert _pointers(caught.value) == ["x"]
    assert from_json(Animal, b'{"name": "a\\"b:c", "notes": {":": ":"}}').name == 'a"b:c'


def test_numbers_from_a_newer_contract_are_shown() -> None:
    assert to_python(Animal(state=77))["state"] == 77


def test_nan_in_free_json_cannot_be_written() -> None:
    animal = Animal()
    animal.notes.fields["x"].number_value = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        to_python(animal)


@pytest.mark.parametrize(
    ("field", "texts", "value"),
    [
        ("legs", ["4"], 4),
        ("wild", ["true"], True),
        ("speed", ["1e3"], 1000.0),
        ("state", ["awake"], "awake"),
        ("name", [""], ""),
        ("moods", ["awake", "fast_asleep"], ["awake", "fast_asleep"]),
        ("born_at", ["2026-11-21T09:30:00Z"], "2026-11-21T09:30:00Z"),
    ],
)
def test_values_from_paths_and_queries(field: str, texts: list[str], value: Any) -> None:
    found = from_text(Animal.DESCRIPTOR.fields_by_name[field], texts)
    assert found == value
    from_python(Animal, {field: found})


@pytest.mark.parametrize(
    ("field", "texts"),
    [("legs", ["four"]), ("legs", ["1", "2"]), ("legs", ["04"]), ("wild", ["yes"]), ("speed", ["x"]), ("name", [])],
)
def test_refused_texts_of_paths_and_queries(field: str, texts: list[str]) -> None:
    with pytest.raises(LaceError) as caught:
        from_text(Animal.DESCRIPTOR.fields_by_name[field], texts)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert _pointers(caught.value) == [f"/{field}"]


def test_a_tolerant_reading_passes_over_what_a_newer_version_added() -> None:
    from lace.common.v1 import event_pb2
    from lace.runs.v1 import runs_pb2

    newer = {"run_id": "run_1", "state": "hibernating", "mood": {"deep": [1]}, "result": {"sentences": 3, "stars": 5}}
    run = from_python(runs_pb2.Run, newer, tolerant=True)
    assert run == runs_pb2.Run(run_id="run_1", result=event_pb2.RunCompleted(sentences=3))
    with pytest.raises(LaceError):
        from_python(runs_pb2.Run, newer)
    with pytest.raises(LaceError):
        from_python(runs_pb2.Run, {"run_id": 3}, tolerant=True)


def test_many_unknown_fields_are_refused_without_looking_at_each() -> None:
    from lace.runs.v1 import runs_pb2

    with pytest.raises(LaceError) as refused:
        from_python(runs_pb2.Run, {f"field_{number}": 1 for number in range(100_000)})
    assert refused.value.reason == "UNKNOWN_FIELD"
    assert len(refused.value.details) == 50
