"""What a reader of a leaderboard must know of the sweep itself: its corpus, its labels, its tasks."""

from __future__ import annotations

from collections.abc import Iterator

from sslbench.cli.question import Question
from sslbench.data.manifest import StoreManifest
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.search.spec import SweepSpec

_SCENARIO = {
    "transfer": "pretrained on a corpus without the target's cells, genes chosen there for all arms",
    "zero_shot": "pretrained on a corpus alone, genes chosen there; the target's training cells serve probes "
    "alone, and its validation labels choose recipe and checkpoint",
}


def sweep_notes(question: Question) -> tuple[str, ...]:
    """Return the notes, in the order in which they matter."""
    spec, manifest = question.sweep_spec, StoreManifest.model_validate(question.data)
    limits = (
        _corpus(spec, manifest, question),
        _labels(spec, manifest, question),
        _modality(spec, question),
        _told(spec),
        _tasks(spec),
        _controls(spec),
        _without_model(spec),
    )
    return tuple(line for lines in limits for line in lines)


def _corpus(spec: SweepSpec, manifest: StoreManifest, question: Question) -> Iterator[str]:
    if not spec.corpus or question.corpus_data is None:
        return
    corpus = StoreManifest.model_validate(question.corpus_data)
    learning = [name for name in spec.arms if spec.learns_from_corpus(name)]
    others = [name for name in spec.arms if name not in learning]
    yield f"{spec.scenario}: {', '.join(learning)} {_SCENARIO[spec.scenario]}" + (
        f"; {', '.join(others)} learn from the target's training cells" if others else ""
    )
    n_measured = manifest.n_genes - manifest.n_genes_missing
    yield (
        f"corpus: {'; '.join(corpus.joined) or corpus.dataset}; {manifest.dataset} measured "
        f"{n_measured:,} of its {manifest.n_genes:,} genes"
    )
    if corpus.guard:
        yield f"no copy of a target cell was found in the corpus ({corpus.guard})"


def _labels(spec: SweepSpec, manifest: StoreManifest, question: Question) -> Iterator[str]:
    if not manifest.label_names:
        left_out = f": {', '.join(question.left_out)} cannot be ranked" if question.left_out else ""
        yield f"cells of {manifest.dataset} have no labels{left_out}; arms are ranked by {spec.objective.metric}"
    if spec.label_fraction < 1:
        yield (
            f"{100 * spec.label_fraction:g} % of the labels of training and validation cells exist in this sweep, "
            "the same ones for every arm and seed"
        )


def _modality(spec: SweepSpec, question: Question) -> Iterator[str]:
    names = [given["name"] for given in spec.evaluation]
    asked = [n for n in names if "modality" in EVALUATIONS.constant(n, "needs_of_cells")]
    if asked and question.modality_measured.get("val") == 0:
        yield (
            f"no validation cell has the second modality: validation scores of {', '.join(asked)} are of training cells, "
            "each predicted by what was fitted on others"
        )


def _told(spec: SweepSpec) -> Iterator[str]:
    names = [given["name"] for given in spec.evaluation]
    of_types = [name for name in names if "bio" in EVALUATIONS.constant(name, "metrics")]
    told = [
        n for n, arm in spec.arms.items() if PRETEXTS.constant(arm.pretext["name"], "sees_labels")
    ]
    if of_types and told:
        yield (
            f"{', '.join(told)} learnt from labels, and how well labels are kept apart is what bio of "
            f"{', '.join(of_types)} scores, 0.6 of its total: compare with the other arms by batch"
        )


def _tasks(spec: SweepSpec) -> Iterator[str]:
    names = [given["name"] for given in spec.evaluation]
    late = [name for name in names if EVALUATIONS.constant(name, "confirm_only")]
    if late:
        yield f"scored in the confirm stage only, so that no recipe was chosen by it: {', '.join(late)}"
    tuned = [name for name in names if EVALUATIONS.constant(name, "trains_encoder")]
    if tuned:
        yield f"{', '.join(tuned)} trains a copy of the encoder; the model that is pulled is the encoder as it was pretrained"


def _controls(spec: SweepSpec) -> Iterator[str]:
    controls = [n for n, arm in spec.arms.items() if arm.is_control and not arm.label_fraction]
    if controls:
        yield (
            f"controls, the scale that the others are read on: {', '.join(controls)}; nothing in them is searched, and "
            "none is the reference, part of the verdict or pulled"
        )


def _without_model(spec: SweepSpec) -> Iterator[str]:
    kept = {
        n: PRETEXTS.constant(a.pretext["name"], "leaves_checkpoint") for n, a in spec.arms.items()
    }
    without = [n for n in kept if not kept[n] and not spec.arms[n].label_fraction]
    if without:
        yield (
            f"{', '.join(without)}: ranked, but no model folder is kept of what was fitted (no tensors, or training cells "
            "themselves), so pull takes another"
        )
