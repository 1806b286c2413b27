"""Suggest what to write instead of an operator that gives other bits for the same inputs."""

from __future__ import annotations

from dataclasses import dataclass

ANY = ""
"""Stands for every device in the table."""

_ON_CPU = "compute it on the CPU: move its inputs there and the result back"
_UNIQUE = "make the indices unique: where two values go to one place, either may win"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One entry: what a user of the operator can write instead, on a device and in a situation."""

    text: str
    device: str = ANY
    accumulate: bool | None = None
    """For calls that add to what is there (True), that overwrite it (False), or both (None)."""
    backward: bool | None = None
    """For calls in the backward pass, outside of it, or both."""

    def fits(self, device: str, *, accumulate: bool, backward: bool) -> bool:
        """Whether the entry is for a call of this kind."""
        return (
            self.device in {ANY, device}
            and self.accumulate in {None, accumulate}
            and self.backward in {None, backward}
        )


def _on_cuda(text: str) -> tuple[Alternative, ...]:
    return (Alternative(text, "cuda"),)


_INDEX_PUT = (
    Alternative(
        "this is the backward of indexing, x[index]: take rows with torch.index_select(x, 0, index) or"
        " torch.nn.functional.embedding(index, x), single elements with torch.gather",
        "cpu",
        accumulate=True,
        backward=True,
    ),
    Alternative(
        "add rows with x.index_add(0, index, values), single elements with x.scatter_add(0, index, values)",
        "cpu",
        accumulate=True,
    ),
    Alternative(f"{_UNIQUE}; or say which with x.scatter_reduce(..., reduce='amax')", accumulate=False),
)
_PUT = (
    Alternative(
        "this is the backward of torch.take: use torch.gather(x.flatten(), 0, index.flatten()) and"
        " .view_as(index)",
        accumulate=True,
        backward=True,
    ),
    Alternative("x.view(-1).index_add_(0, index.flatten(), values.flatten())", accumulate=True),
    Alternative(f"{_UNIQUE}; or x.view(-1).scatter_reduce_(..., reduce='amax')", accumulate=False),
)
_ONE_HOT = "multiply by a one-hot matrix: torch.nn.functional.one_hot(index, n).T.to(x.dtype) @ x"
_INTERPOLATE = (
    "torch.nn.functional.interpolate takes a deterministic path in modes linear, bilinear and trilinear with"
    " torch.use_deterministic_algorithms(True); mode='nearest' has one anyway"
)
_PADDING = "pad with torch.cat of slices of x, flipped for reflection"
_CONVOLUTION = "torch.backends.cudnn.deterministic = True and torch.backends.cudnn.benchmark = False"
_CUBLAS = "set CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment before the program starts"
_ATTENTION = "run it in `with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):`"
_SORTED = "torch.sort(x, stable=True) and take the value and the index from it"

_TABLE: dict[tuple[str, ...], tuple[Alternative, ...]] = {
    ("index_put", "_index_put_impl", "_unsafe_index_put", "_unsafe_masked_index_put_accumulate"): _INDEX_PUT,
    ("put",): _PUT,
    ("index_copy",): (Alternative(f"{_UNIQUE}; or add with x.index_add(...)"),),
    ("linalg_lstsq",): (
        Alternative(
            "torch.linalg.lstsq(A, B, driver='gels') where A has full rank, else driver='gelsd': the default,"
            " 'gelsy', reads memory that it never wrote",
            "cpu",
        ),
    ),
    (
        "scatter_add", "index_add", "index_select_backward", "scatter_reduce", "index_reduce",
    ): _on_cuda(_ONE_HOT),
    ("scatter",): _on_cuda(_UNIQUE),
    ("bincount",): _on_cuda(
        "(torch.nn.functional.one_hot(x, n).to(w.dtype) * w[:, None]).sum(0)"
    ),
    ("cumsum", "histc", "_ctc_loss", "_ctc_loss_backward", "_cudnn_ctc_loss"): _on_cuda(_ON_CPU),
    ("grid_sampler_2d_backward", "grid_sampler_3d_backward", "cudnn_grid_sampler_backward"): _on_cuda(
        f"{_ON_CPU}; where the grid is a resize, use interpolate"
    ),
    (
        "upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_bicubic2d_backward",
        "upsample_trilinear3d_backward", "_upsample_bilinear2d_aa_backward",
        "_upsample_bicubic2d_aa_backward",
    ): _on_cuda(_INTERPOLATE),
    (
        "reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward",
    ): _on_cuda(_PADDING),
    ("replication_pad1d_backward", "replication_pad2d_backward", "replication_pad3d_backward"): _on_cuda(
        "torch.nn.functional.pad takes a deterministic path with torch.use_deterministic_algorithms(True)"
    ),
    ("nll_loss2d_forward",): _on_cuda(
        "reduction='none' and then .mean(); or flatten the input to (pixels, classes) before the loss"
    ),
    ("_embedding_bag_backward", "_embedding_bag_dense_backward"): _on_cuda(
        "EmbeddingBag with mode='sum' or 'mean' in place of 'max'"
    ),
    (
        "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "adaptive_avg_pool3d_backward",
    ): _on_cuda(
        "x.mean over the spatial dimensions where the output has size 1; else avg_pool2d with a kernel size"
    ),
    ("adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward"): _on_cuda(
        "x.amax over the spatial dimensions where the output has size 1; else max_pool2d with a kernel size"
    ),
    ("avg_pool3d_backward",): _on_cuda("a conv3d with constant weights; or compute it on the CPU"),
    ("max_pool3d_with_indices_backward",): _on_cuda(
        "torch.nn.MaxPool3d takes a deterministic path with torch.use_deterministic_algorithms(True)"
    ),
    ("fractional_max_pool2d_backward", "fractional_max_pool3d_backward"): _on_cuda(
        "max_pool2d or max_pool3d with a kernel size"
    ),
    ("max_unpool2d", "max_unpool3d"): (Alternative(f"{_UNIQUE}; pooling windows must not overlap"),),
    ("median", "nanmedian", "kthvalue"): _on_cuda(_SORTED),
    (
        "convolution", "convolution_backward", "cudnn_convolution", "cudnn_convolution_transpose",
        "_convolution_double_backward",
    ): _on_cuda(_CONVOLUTION),
    ("mm", "addmm", "bmm", "baddbmm", "addbmm", "addmv", "mv", "dot", "_scaled_mm"): _on_cuda(_CUBLAS),
    ("_cudnn_rnn", "_cudnn_rnn_backward"): _on_cuda(
        "set CUBLAS_WORKSPACE_CONFIG=:4096:2 in the environment before the program starts"
    ),
    (
        "_scaled_dot_product_flash_attention_backward", "_scaled_dot_product_efficient_attention_backward",
        "_scaled_dot_product_cudnn_attention_backward", "_flash_attention_backward",
        "_efficient_attention_backward",
    ): _on_cuda(_ATTENTION),
}  # fmt: skip

ALTERNATIVES: dict[str, tuple[Alternative, ...]] = {
    name: entries for names, entries in _TABLE.items() for name in names
}
"""The alternatives by the operator's name, without namespace, overload, and the underscore of in-place
operators. The documentation of `torch.use_deterministic_algorithms` names them, or they were measured on the
CPU."""


def base_name(operator: str) -> str:
    """Shorten the name of an operator: `index_put_` for `aten.index_put_.default`."""
    return operator.split(".")[1] if "." in operator else operator


def alternative(operator: str, device: str, *, accumulate: bool, backward: bool) -> str | None:
    """Return what to write instead of an operator; None where only the switches of torch are known."""
    entries = ALTERNATIVES.get(base_name(operator).rstrip("_"), ())
    fitting = (one for one in entries if one.fits(device, accumulate=accumulate, backward=backward))
    return next((one.text for one in fitting), None)
