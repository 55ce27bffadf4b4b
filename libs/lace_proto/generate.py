"""Generates the wire code from proto/: modules, typed stubs and the descriptor set that documents them.

    generate.py              write libs/lace_proto/{lace,buf}/ and lace_proto/descriptors.binpb
    generate.py --check      exit 1 and list the files that differ from what proto/ says
    generate.py --lint       buf lint with proto/buf.yaml
    generate.py --breaking   buf breaking against proto/released.binpb, where there is one
    generate.py --release    write proto/released.binpb: the contract that later changes must not break

Everything comes from installed packages: no remote registry is asked.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.api import http_pb2
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    timestamp_pb2,
)

MEMBER = Path(__file__).resolve().parent
PROTO = MEMBER.parents[1] / "proto"
RELEASED = PROTO / "released.binpb"
VALIDATE = "buf/validate/validate.proto"
DESCRIPTORS = "lace_proto/descriptors.binpb"
TREES = ("lace", "buf")
PACKAGE_DOCSTRING = '"""Generated from proto/ by generate.py; do not edit."""\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where all is well, 1 where something drifted, broke or was refused."""
    parser = argparse.ArgumentParser(description="Wire code from proto/.")
    mode = parser.add_mutually_exclusive_group()
    for name in ("check", "lint", "breaking", "release"):
        mode.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            return check()
        if options.lint:
            return lint()
        if options.breaking:
            return breaking()
        if options.release:
            return release()
        return write()
    except subprocess.CalledProcessError as error:
        return int(error.returncode) or 1


def write() -> int:
    """Replaces the generated trees by fresh ones, file by file, so that readers never see them missing."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        produced = set(_produced(fresh))
        for name in set(_produced(MEMBER)) - produced:
            (MEMBER / name).unlink()
        for name in sorted(produced):
            if not _same(MEMBER / name, fresh / name):
                (MEMBER / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fresh / name, MEMBER / name)
    sys.stdout.write(f"{len(produced)} files generated\n")
    return 0


def check() -> int:
    """Compares what is committed with what proto/ gives today."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        names = set(_produced(fresh)) | set(_produced(MEMBER))
        drifted = sorted(name for name in names if not _same(MEMBER / name, fresh / name))
    for name in drifted:
        sys.stderr.write(f"differs from proto/: libs/lace_proto/{name}\n")
    return 1 if drifted else 0


def generate(target: Path) -> None:
    """Writes the whole output below `target`: lace/, buf/ and the descriptor set."""
    with tempfile.TemporaryDirectory() as folder:
        include = _include_paths(Path(folder))
        image = _describe(Path(folder), include)
        _protoc(*include, *_message_outputs(target), VALIDATE, *_ours())
        services = sorted(file.name for file in image.file if file.service)
        if services:
            outputs = ("--grpc_python_out", str(target), "--mypy_grpc_out", f"only_async,quiet:{target}")
            _protoc(*include, *outputs, *services)
    _write_descriptors(image, target / DESCRIPTORS)
    _complete_packages(target)


def lint() -> int:
    """Style and comments of our own files; imported ones are not ours to judge."""
    with tempfile.TemporaryDirectory() as folder:
        image = _image(Path(folder))
        return _buf("lint", str(image), "--config", str(PROTO / "buf.yaml"), "--path", "lace")


def breaking() -> int:
    """Changes that would break a client of the last release; nothing to compare before the first one."""
    if not RELEASED.exists():
        sys.stdout.write("proto/released.binpb does not exist yet: nothing was released\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        image = _image(Path(folder))
        config = ("--config", str(PROTO / "buf.yaml"))
        against = ("--against", str(RELEASED), "--against-config", str(PROTO / "buf.yaml"))
        return _buf("breaking", str(image), *config, *against, "--path", "lace")


def release() -> int:
    """Keeps today's contract, without comments, as the one that `--breaking` compares with."""
    with tempfile.TemporaryDirectory() as folder:
        files = _describe(Path(folder), _include_paths(Path(folder)))
    for file in files.file:
        file.ClearField("source_code_info")
    RELEASED.write_bytes(files.SerializeToString(deterministic=True))
    return 0


def _image(folder: Path) -> Path:
    _describe(folder, _include_paths(folder))
    return folder / "image.binpb"


def _include_paths(folder: Path) -> tuple[str, ...]:
    rules = folder / "rules.binpb"
    rules.write_bytes(_validation_rules().SerializeToString(deterministic=True))
    # The set comes beside the folders, not in place of them: protoc looks in both.
    return (f"--descriptor_set_in={rules}", f"-I{PROTO}", f"-I{_common_protos()}")


def _describe(folder: Path, include: Sequence[str]) -> Any:
    """Everything that proto/ says, with imports, comments and positions; also left in folder/image.binpb."""
    image = folder / "image.binpb"
    _protoc(*include, "--include_imports", "--include_source_info", f"--descriptor_set_out={image}", *_ours())
    return _descriptor_set_class().FromString(image.read_bytes())


def _descriptor_set_class() -> Any:
    """FileDescriptorSet in a pool of its own, which knows no options of others.

    In the default pool the bytes written would depend on which extensions this process happens to have imported.
    """
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))


def _buf(*arguments: str) -> int:
    # Run from proto/, so that the paths in buf's findings are those of the files there.
    return subprocess.run([_executable("buf"), *arguments], cwd=PROTO, check=False).returncode  # noqa: S603 - ours


def _protoc(*arguments: str) -> None:
    plugins = [f"--plugin={name}={_executable(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *plugins, *arguments], check=True)  # noqa: S603 - ours


def _executable(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed; it comes with the dev dependencies")
    return found


def _message_outputs(target: Path) -> tuple[str, ...]:
    target.mkdir(parents=True, exist_ok=True)
    return ("--python_out", str(target), "--mypy_out", f"quiet:{target}")


def _ours() -> list[str]:
    return sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))


def _common_protos() -> Path:
    """The folder whose google/api and google/rpc hold the .proto files of googleapis-common-protos."""
    return Path(http_pb2.__file__).parents[2]


def _validation_rules() -> descriptor_pb2.FileDescriptorSet:
    """buf/validate/validate.proto as the protovalidate wheel carries it, with the files that it imports."""
    from protovalidate._gen.buf.validate import validate_pb

    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().MergeFromString(validate_pb.desc().proto.to_binary())
    return files


def _write_descriptors(image: Any, path: Path) -> None:
    for file in image.file:
        if file.package.split(".")[0] != "lace":
            file.ClearField("source_code_info")
        for location in file.source_code_info.location:
            # Positions change with every edit above them, and nobody asks for them at run time.
            location.ClearField("span")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image.SerializeToString(deterministic=True))


def _complete_packages(target: Path) -> None:
    for tree in TREES:
        for folder in (target / tree, *(path for path in (target / tree).rglob("*") if path.is_dir())):
            (folder / "__init__.py").write_text(PACKAGE_DOCSTRING)
        (target / tree / "py.typed").touch()


def _produced(root: Path) -> Iterator[str]:
    """Relative names of all generated files below `root`."""
    for tree in TREES:
        for path in (root / tree).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(root).as_posix()
    if (root / DESCRIPTORS).exists():
        yield DESCRIPTORS


def _same(left: Path, right: Path) -> bool:
    return left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)


if __name__ == "__main__":
    sys.exit(main())
