"""What a cancelled run tells those who still have jobs of it in hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lace_core.ids import derive
from lace_runs.app.ports import Message
from lace_runs.domain.runs import Job, Run

# By the topic of the job, the topic on which its service hears that nobody waits for it any more. A compiler's job is
# short and has no such topic.
TOPICS: Mapping[str, str] = {
    "source.ingest.requested": "source.ingest.cancelled",
    "source.import.requested": "source.ingest.cancelled",
}


def called_off(run: Run, jobs: Iterable[Job]) -> Sequence[Message]:
    """One message for each service that still works for the run; none where nothing of it is out."""
    topics = {TOPICS[job.topic] for job in jobs if job.result is None and job.topic in TOPICS}
    payload = {"run_id": run.run_id, "tenant_id": run.tenant_id}
    return [Message(derive("msg", run.run_id, topic), topic, run.run_id, payload) for topic in sorted(topics)]
