"""`SummaryWriter`: what scripts log to."""

from __future__ import annotations

import os
import socket
import time
from typing import Any, Self

import numpy as np

from . import embedding, plugins, summary
from .files import FileWriter


class SummaryWriter:
    """Writes what TensorBoard shows into event files below `log_dir`.

    Without `log_dir` that is `runs/<date>_<host><comment>`. `purge_step` voids what earlier files
    of the run have from that step on. Values are tensors, arrays or numbers.

    >>> import os, tempfile
    >>> from wengert.utils.tensorboard import SummaryWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SummaryWriter(folder) as writer:
    ...         writer.add_scalar("loss", 0.5, global_step=1)
    ...     [name] = os.listdir(folder)
    ...     name.startswith("events.out.tfevents.")
    True
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            now = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()
        self.default_bins = summary.default_bins().tolist()

    def _make(self, directory: Any) -> FileWriter:
        return FileWriter(directory, self.max_queue, self.flush_secs, self.filename_suffix)

    def _get_file_writer(self) -> FileWriter:
        """The writer of the run; a new file if `close` was called."""
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = self._make(self.log_dir)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                self.file_writer.start_at(self.purge_step)
                self.purge_step = None
        return self.file_writer

    def get_logdir(self) -> Any:
        """Returns the directory of the event files."""
        return self.log_dir

    def _add(self, content: bytes, step: Any, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(content, step, walltime)

    # -- numbers

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Adds one number to the curve `tag`, as float32.

        `new_style` writes it as a tensor of the scalars plugin, `double_precision` in float64.
        Raises AssertionError for anything with more elements.
        """
        content = summary.scalar(tag, scalar_value, new_style, double_precision)
        self._add(content, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds several numbers to one chart; each has an event file in a directory of its own."""
        walltime = time.time() if walltime is None else walltime
        base = self._get_file_writer().get_logdir()
        writers: Any = self.all_writers
        for tag, x in tag_scalar_dict.items():
            directory = f"{base}/{main_tag.replace('/', '_')}_{tag}"
            if directory not in writers:
                writers[directory] = self._make(directory)
            writers[directory].add_summary(summary.scalar(main_tag, x), global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a whole tensor."""
        self._add(summary.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Adds the distribution of the elements: over TensorFlow's bins, or numpy.histogram's."""
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        self._add(summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a distribution whose upper limits and counts are known."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        limits, counts = (plugins.as_list(x) for x in (bucket_limits, bucket_counts))
        content = summary.histogram_raw(tag, min, max, num, sum, sum_squares, limits, counts)
        self._add(content, global_step, walltime)

    # -- pictures, sounds, text

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds a picture: floats in [0, 1] or uint8, dims in the order of `dataformats`."""
        self._add(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Adds a batch of pictures as one, eight in a row."""
        self._add(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: list[str] | None = None,
    ) -> None:
        """Adds a picture with red frames at boxes (N, 4) of xmin, ymin, xmax, ymax.

        There is no font to write `labels` with: NotImplementedError if there are any.
        """
        if labels is not None:
            raise NotImplementedError(
                "add_image_with_boxes draws no labels: draw them into the image first, or log a "
                "figure of matplotlib with add_figure"
            )
        content = summary.image_boxes(tag, img_tensor, box_tensor, rescale, dataformats)
        self._add(content, global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a figure of matplotlib, or a list of figures of one size; `close` closes them."""
        from matplotlib import pyplot
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figures = list(figure) if isinstance(figure, list | tuple) else [figure]
        pictures = []
        for one in figures:
            canvas: Any = FigureCanvasAgg(one)
            canvas.draw()
            pictures.append(np.asarray(canvas.buffer_rgba())[:, :, :3])
            if close:
                pyplot.close(one)
        if isinstance(figure, list | tuple):
            self.add_images(tag, np.stack(pictures), global_step, walltime, "NHWC")
        else:
            self.add_image(tag, pictures[0], global_step, walltime, "HWC")

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Refuses: videos need an encoder; `add_images` shows the frames."""
        raise NotImplementedError(
            "add_video needs a video encoder, which wengert does not bring: log the frames with "
            "add_images"
        )

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Adds a sound: one dim of samples in [-1, 1]."""
        self._add(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a text, shown as Markdown."""
        self._add(summary.markdown(tag, text_string), global_step, walltime)

    # -- graphs, embeddings, plugins

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Adds the graph of one run of a module on some inputs: a tensor or a tuple of them.

        Its nodes are the calls that the run records, in the scopes of their modules. Raises RuntimeError if nothing is recorded.
        """
        from .graph import graph_def

        if not hasattr(model, "named_modules"):
            raise TypeError(f"add_graph shows modules, not a {type(model).__name__}")
        content = graph_def(model, input_to_model)
        self._get_file_writer().add_graph(content)

    def add_onnx_graph(self, prototxt: Any) -> None:
        """Refuses: ONNX files are not read."""
        raise NotImplementedError(
            "add_onnx_graph needs the onnx package, which wengert does not use"
        )

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Adds points (N, D) to the projector, with a label and a square picture (C, H, H) each.

        With `metadata_header` every label is a list with one entry per column.
        """
        points = summary.as_array(mat)
        step = 0 if global_step is None else int(global_step)
        subdir = f"{step:05d}/{_encoded(tag)}"
        base = self._get_file_writer().get_logdir()
        embedding.write(os.path.join(base, subdir), points, metadata, label_img, metadata_header)
        entry = embedding.config(tag, subdir, metadata is not None, label_img)
        with open(os.path.join(base, "projector_config.pbtxt"), "ab") as file:
            file.write(entry.encode())

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds precision against recall of binary labels and predictions in [0, 1]."""
        content = plugins.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(content, global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a precision-recall curve that is known already."""
        content = plugins.pr_curve_raw(
            tag, true_positive_counts, false_positive_counts, true_negative_counts,
            false_negative_counts, precision, recall, num_thresholds,
        )  # fmt: skip
        self._add(content, global_step, walltime)

    def add_custom_scalars(self, layout: dict[str, dict[str, list[Any]]]) -> None:
        """Sets charts of several scalars: {category: {title: ["Multiline" or "Margin", tags]}}."""
        self._add(plugins.custom_scalars(layout), None)

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Sets one chart with a line for each tag."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Sets one chart of three tags: a value, its lower and its upper bound."""
        if len(tags) != 3:
            raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds point clouds (B, N, 3) with colours (B, N, 3) and faces (B, F, 3) of point numbers."""
        for given in (vertices, colors, faces):
            shape = None if given is None else tuple(summary.as_array(given).shape)
            if shape is not None and (len(shape) != 3 or shape[-1] != 3):
                raise ValueError(f"Tensor shape should be of shape BxNx3, but got {shape}.")
        content = plugins.mesh(tag, vertices, colors, faces, config_dict)
        self._add(content, global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """Adds a run to the table of hyperparameters: settings and what they led to.

        It is a run of its own in `run_name` below the log directory; metrics are scalars of it.
        """
        contents = plugins.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        if not run_name:
            run_name = str(time.time())
        directory = os.path.join(self._get_file_writer().get_logdir(), run_name)
        with SummaryWriter(log_dir=directory) as run:
            for content in contents:
                run._add(content, global_step)
            for name, x in metric_dict.items():
                run.add_scalar(name, x, global_step)

    # -- the files

    def flush(self) -> None:
        """Hands everything to the system."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Closes all files; logging again begins new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _encoded(tag: str) -> str:
    """A tag as the name of a directory."""
    for character in "%/\\":  # the percent sign first
        tag = tag.replace(character, f"%{ord(character):02x}")
    return tag
