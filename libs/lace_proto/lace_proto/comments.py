"""The documentation of the contract: what the comments in proto/ say about each name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

from google.protobuf import descriptor_pb2


@cache
def described_files() -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
    """Our own files as the descriptor set holds them, imported ones left out, sorted by name."""
    image = descriptor_pb2.FileDescriptorSet.FromString(
        resources.files("lace_proto").joinpath("descriptors.binpb").read_bytes()
    )
    ours = [file for file in image.file if file.package.split(".")[0] == "lace"]
    return tuple(sorted(ours, key=lambda file: file.name))


def comment_of(full_name: str) -> str:
    """The leading comment of a service, method, message, field, enum or enum member; empty where there is none."""
    return _comments().get(full_name, "")


@cache
def _comments() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in described_files():
        texts = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
        for name, path in _names(file):
            text = texts.get(path, "")
            if text:
                found[name] = "\n".join(line.removeprefix(" ").rstrip() for line in text.strip("\n").split("\n"))
    return found


def _names(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every name of a file with its path in the descriptor, as source_code_info counts it."""
    for index, service in enumerate(file.service):
        full_name, path = f"{file.package}.{service.name}", (6, index)
        yield full_name, path
        for number, method in enumerate(service.method):
            yield f"{full_name}.{method.name}", (*path, 2, number)
    yield from _type_names(file.package, (), 4, file.message_type, 5, file.enum_type)


def _type_names(
    scope: str,
    path: tuple[int, ...],
    message_tag: int,
    messages: Sequence[descriptor_pb2.DescriptorProto],
    enum_tag: int,
    enums: Sequence[descriptor_pb2.EnumDescriptorProto],
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for index, message in enumerate(messages):
        full_name, at = f"{scope}.{message.name}", (*path, message_tag, index)
        yield full_name, at
        for number, field in enumerate(message.field):
            yield f"{full_name}.{field.name}", (*at, 2, number)
        yield from _type_names(full_name, at, 3, message.nested_type, 4, message.enum_type)
    for index, enum in enumerate(enums):
        at = (*path, enum_tag, index)
        yield f"{scope}.{enum.name}", at
        for number, value in enumerate(enum.value):
            # Ours, not protobuf's: members are named below their enum, so that two enums may share a word.
            yield f"{scope}.{enum.name}.{value.name}", (*at, 2, number)
