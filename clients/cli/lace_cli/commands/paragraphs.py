"""`lace paragraph`: prose to a specification, out of the facts that it allows and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.lines import tell
from lace_cli.output import AsJson, print_json, print_table, warn
from lace_cli.printable import printable

if TYPE_CHECKING:
    from lace.runs.v1 import paragraphs_pb2

_HELP = """Paragraphs by specification: each sentence rests on facts that you allow, and stands only where they hold it.

    Examples:  lace paragraph create spec.yaml   ·   lace paragraph generate par_…   ·   lace paragraph show par_…
    """

ParagraphId = Annotated[str, typer.Argument(metavar="PARAGRAPH", help="Id, as `lace paragraph list` shows it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait until it is done.")]
Judge = Annotated[bool, typer.Option("--judge", help="Have a model look at what stands, too.")]
Etag = Annotated[str, typer.Option("--etag", help="Only if it has this etag still: lace paragraph show --json.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    commands: dict[str, Callable[..., None]] = {
        "create": create, "list": list_paragraphs, "show": show, "generate": generate, "verify": verify, "edit": edit,
        "respec": respec, "land": land, "rebuild": rebuild, "delete": delete,
    }  # fmt: skip
    for name, command in commands.items():
        group.command(name)(command)
    app.add_typer(group, name="paragraph")


Spec = Annotated[Path | None, typer.Argument(metavar="[SPEC]", help="A YAML or JSON file; options come before it.")]
Title = Annotated[str, typer.Option("--title", help="What it is about.")]
Purpose = Annotated[str, typer.Option("--purpose", help="What it is for.")]
Section = Annotated[str, typer.Option("--section", help="The section that it belongs to.")]
Fact = Annotated[
    list[str] | None, typer.Option("--fact", metavar="FACT", help="A fact that it may use; again for more.")
]
Require = Annotated[list[str] | None, typer.Option("--require", metavar="FACT", help="Of these, one that it must use.")]
Question = Annotated[list[str] | None, typer.Option("--question", help="A question that it answers.")]


def create(
    spec: Spec = None,
    title: Title = "",
    purpose: Purpose = "",
    section: Section = "",
    fact: Fact = None,
    require: Require = None,
    question: Question = None,
    artifact: Annotated[str, typer.Option("--artifact", help="The document that it may land in.")] = "",
    node: Annotated[str, typer.Option("--node", help="The section of that document; its root where not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a paragraph of a specification; nothing is written yet.

    A file holds title, purpose, allowed_fact_ids, and what you want of: section, questions, required_fact_ids,
    audience, tone, language, min_sentences, max_sentences, min_words, max_words, forbidden_phrases.

    Examples:  lace paragraph create spec.yaml   ·   lace paragraph create --title Cost --purpose "To say what was
    paid." --fact fct_… --fact fct_…
    """
    from lace_cli.connection import connect
    from lace_cli.paragraph_files import spec_of

    asked = spec_of(spec, _options(title, purpose, section, fact, require, question))
    with connect() as api:
        made = api.paragraphs.create(asked, artifact_id=artifact, node_id=node)
    if as_json:
        print_json(made)
        return
    typer.echo(f"{made.paragraph_id} is a draft.")
    typer.echo(f"Have it written: lace paragraph generate {made.paragraph_id}")


def respec(
    paragraph: ParagraphId,
    spec: Spec = None,
    title: Title = "",
    purpose: Purpose = "",
    section: Section = "",
    fact: Fact = None,
    require: Require = None,
    question: Question = None,
    etag: Etag = "",
    as_json: AsJson = False,
) -> None:
    """Put another specification in the place of the one there is; the paragraph is a draft again.

    Example:  lace paragraph respec par_… spec.yaml
    """
    from lace_cli.connection import connect
    from lace_cli.paragraph_files import spec_of

    asked = spec_of(spec, _options(title, purpose, section, fact, require, question))
    with connect() as api:
        changed = api.paragraphs.change_spec(paragraph, asked, etag=etag)
    if as_json:
        print_json(changed)
    else:
        typer.echo(f"{changed.paragraph_id} is a draft to specification {changed.spec_version}.")


def list_paragraphs(
    state: Annotated[str, typer.Option("--state", help="Only these: draft, verified, partial, failed, …")] = "",
    artifact: Annotated[str, typer.Option("--artifact", help="Only those of this document.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List paragraphs, newest first.

    Example:  lace paragraph list --state partial
    """
    from itertools import islice

    from lace_cli.connection import connect
    from lace_proto.json import to_python

    with connect() as api:
        found = list(islice(api.paragraphs.list(state=state, artifact_id=artifact), limit))
    if as_json:
        print_json(found)
        return
    rows = [
        (each.paragraph_id, to_python(each)["state"], printable(each.spec.title), each.last_run.error_code)
        for each in found
    ]
    print_table(("paragraph", "state", "title", "remark"), rows, empty="There are none: lace paragraph create --help")


def show(
    paragraph: ParagraphId,
    as_edit: Annotated[bool, typer.Option("--as-edit", help="Print the sentences as a file for `edit`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what stands of a paragraph with the facts that hold it, and what was withheld and why.

    Examples:  lace paragraph show par_…   ·   lace paragraph show par_… --as-edit > text.yaml
    """
    from lace_cli.connection import connect
    from lace_cli.paragraph_files import as_file

    with connect() as api:
        found = api.paragraphs.get(paragraph)
    if as_json:
        print_json(found)
    elif as_edit:
        typer.echo(as_file([*found.sentences, *found.withheld]))
    else:
        _tell(found)


def generate(paragraph: ParagraphId, detach: Detach = False, judge: Judge = False, as_json: AsJson = False) -> None:
    """Have a paragraph written by the model in force, and see what stands of it.

    Example:  lace paragraph generate par_…
    """
    _run("generate", "Writing", paragraph, detach, judge, as_json)


def verify(paragraph: ParagraphId, detach: Detach = False, judge: Judge = False, as_json: AsJson = False) -> None:
    """Have the text verified once more; nothing is written.

    Example:  lace paragraph verify par_… --judge
    """
    _run("verify", "Verifying", paragraph, detach, judge, as_json)


def edit(
    paragraph: ParagraphId,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A YAML or JSON list of {text, fact_ids}.")
    ] = None,
    sentence: Annotated[
        list[str] | None, typer.Option("--sentence", help='A sentence with its facts: "It cost 4 million. [fct_…]".')
    ] = None,
    etag: Etag = "",
    as_json: AsJson = False,
) -> None:
    """Put sentences of your own in the place of the whole text. What their facts do not support is refused.

    Examples:  lace paragraph edit par_… text.yaml   ·   lace paragraph edit par_… --sentence "It cost 4. [fct_…]"
    """
    from lace_cli.connection import connect
    from lace_cli.paragraph_files import sentences_of

    said = sentences_of(file, sentence or ())
    with connect() as api:
        changed = api.paragraphs.edit(paragraph, said, etag=etag)
    if as_json:
        print_json(changed)
    else:
        _tell(changed)


def land(paragraph: ParagraphId, etag: Etag = "", as_json: AsJson = False) -> None:
    """Put the sentences that stand into the document that the paragraph names.

    Example:  lace paragraph land par_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        landed = api.paragraphs.land(paragraph, etag=etag)
    if as_json:
        print_json(landed)
        return
    place = landed.landed
    typer.echo(f"{len(landed.sentences)} sentences are in {place.artifact_id} as {place.block_id}: {place.revision_id}")


def rebuild(
    paragraph: ParagraphId,
    text: Annotated[int, typer.Option("--text", min=0, help="A text by its number; the present one where 0.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make the text once more out of what is stored, without a model, and compare it. The status is 1 where it differs.

    Example:  lace paragraph rebuild par_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = api.paragraphs.rebuild(paragraph, text_version=text)
    if as_json:
        print_json(found)
    else:
        for artefact in found.artefacts:
            typer.echo(f"{artefact.kind:<13}  {artefact.reference}  {artefact.sha256[:12]}")
        told = (
            "the same, byte for byte" if found.same else f"not the same: {', '.join(found.differences) or 'its hash'}"
        )
        typer.echo(f"Text {found.text_version} is {told} ({found.rebuilt_hash[:12]}).")
    if not found.same:
        raise typer.Exit(1)


def delete(paragraph: ParagraphId, etag: Etag = "") -> None:
    """Show a paragraph no more. What it put into documents stays there.

    Example:  lace paragraph delete par_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        api.paragraphs.delete(paragraph, etag=etag)
    typer.echo(f"{paragraph} is deleted.")


def _run(verb: str, doing: str, paragraph: str, detach: bool, judge: bool, as_json: bool) -> None:
    from lace_cli.connection import connect
    from lace_cli.writing import follow_to_end, watched

    with connect() as api:
        start = api.paragraphs.generate if verb == "generate" else api.paragraphs.verify
        started = start(paragraph, settings={"runs.judge": True} if judge else {})
        if detach:
            if as_json:
                print_json(started)
            else:
                typer.echo(f"It is under way; see it: lace watch {started.run_id}")
            return
        with watched(started.run_id):
            follow_to_end(api, started.run_id, doing, quiet=as_json)
        found = api.paragraphs.get(paragraph)
    if as_json:
        print_json(found)
    else:
        _tell(found)


def _options(
    title: str,
    purpose: str,
    section: str,
    fact: list[str] | None,
    require: list[str] | None,
    question: list[str] | None,
) -> dict[str, Any]:
    return {
        "title": title, "purpose": purpose, "section": section, "allowed_fact_ids": fact or [],
        "required_fact_ids": require or [], "questions": question or [],
    }  # fmt: skip


def _tell(found: paragraphs_pb2.Paragraph) -> None:
    from lace_proto.json import to_python

    typer.echo(f"{found.paragraph_id}: {printable(found.spec.title)} ({to_python(found)['state']})")
    for sentence in found.sentences:
        tell(f"  {printable(sentence.text)} [{', '.join(link.fact_id for link in sentence.facts)}]", 4)
        if sentence.HasField("acceptance"):
            by, why = sentence.acceptance.accepted_by, printable(sentence.acceptance.reason)
            tell(f"    on the word of {by}: {why}", 6)
    for sentence in found.withheld:
        tell(f"  withheld, {sentence.verdict}: {printable(sentence.text)}", 4)
        tell(f"    {printable(sentence.reasons[-1])}", 6)
    if any(sentence.verdict == "partially" for sentence in found.withheld):
        typer.echo(f"  Decide what could not be decided: lace review --paragraph {found.paragraph_id}")
    if found.withheld_count > len(found.withheld):
        warn(f"{found.withheld_count} sentences are withheld; they are shown to who may write documents.")
    for rule in found.unmet:
        warn(f"{printable(rule.message)} [{rule.code} {rule.pointer}]")
    if found.last_run.error_code:
        warn(f"The last run failed: {printable(found.last_run.error_message)} [{found.last_run.error_code}]")
