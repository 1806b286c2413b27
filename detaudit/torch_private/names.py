"""Every private name of torch that detaudit relies on, with what stops working without it."""

from __future__ import annotations

from typing import NamedTuple

_RELIED_ON: dict[str, dict[str, str]] = {
    "torch": {
        "_compile": "a call of torch.manual_seed is taken for a seed that torch gives, not the program",
        "_debug_has_internal_overlap": "kept arguments are copied into tensors that no operator may write to",
        "_dynamo": "errors of torch.compile are not reported as such",
        "_functorch": "errors of torch.compile are not reported as such",
        "_inductor": "code that torch.compile generates is taken for the user's code",
        "_is_functional_tensor": "tensors without values are digested while a program is exported",
        "_neg_view": "operators that get a lazily negated tensor cannot be kept and called again",
    },
    "torch.Generator": {
        "_cdata": "draws from torch's default generator are taken for draws from a generator of the program",
    },
    "torch.Tensor": {
        "_indices": "sparse tensors cannot be digested",
        "_is_zerotensor": "tensors of zeros without memory cannot be digested",
        "_values": "sparse tensors cannot be digested",
    },
    "torch.UntypedStorage": {
        "_cdata": "arguments that share memory no longer share it when an operator is called again",
    },
    "torch._C": {
        "DisableTorchFunction": "function modes of the program see what hooks do, digests among it",
        "DispatchKey": "random numbers within operators that are made of others cannot be exchanged",
        "_AutoDispatchBelowAutograd": "digests and sketches become part of the program's graph",
        "_DisableTorchDispatch": "digests and sketches are recorded as operators of the program",
        "_current_autograd_node": "operators of a backward pass have no line and no module",
        "_get_cudnn_enabled": "dropout within cuDNN's recurrent layers cannot be exchanged",
        "_get_dispatch_stack_at": "torch.jit.trace sees nothing of a program that is recorded by operator",
        "_get_fp32_precision_getter": "detaudit.deterministic cannot tell how recurrent layers compute",
        "_get_tracing_state": "torch.jit.trace writes what hooks do into the program's graph",
        "_len_torch_dispatch_stack": "torch.jit.trace sees nothing of a program that is recorded by operator",
        "_len_torch_function_stack": "recording by operator cannot tell whether function modes are there",
        "_set_cudnn_enabled": "dropout within cuDNN's recurrent layers cannot be exchanged",
        "_set_fp32_precision_setter": "detaudit.deterministic cannot set how recurrent layers compute",
    },
    "torch._C._autograd": {
        "_get_sequence_nr": "operators of a backward pass have no line and no module",
    },
    "torch._C._functorch": {
        "get_unwrapped": "values within vmap and grad cannot be digested",
        "is_functorch_wrapped_tensor": "values within vmap and grad cannot be told from others, nor digested",
    },
    "torch.distributed._functional_collectives": {
        "AsyncCollectiveTensor": "results of collective operations are digested while they are written",
    },
    "torch.distributed._functional_collectives.AsyncCollectiveTensor": {
        "completed": "results of collective operations are digested while they are written",
    },
    "torch._dynamo.eval_frame": {
        "OptimizedModule": "a compiled module is named apart from the module that was compiled",
        "_TorchDynamoContext": "compiled modules cannot be called again alone",
    },
    "torch._dynamo.eval_frame.OptimizedModule": {
        "_orig_mod": "a compiled module is named apart from the module that was compiled",
        "dynamo_ctx": "compiled modules cannot be called again alone",
    },
    "torch._dynamo.utils": {
        "counters": "detaudit cannot tell whether any part of the program was compiled",
    },
    "torch._inductor.config": {
        "deterministic": "detaudit.deterministic cannot give the program its own setting back",
        "fallback_random": "compiled code draws other random numbers than the same code does otherwise",
    },
    "torch._ops": {
        "OpOverload": "plain operators cannot be told from those that take functions",
    },
    "torch._ops.OpOverload": {
        "_op_dk": "random numbers within operators that are made of others cannot be exchanged",
        "_overloadname": "operators cannot be kept and called again",
        "_schema": "nobody knows what an operator reads, writes and gives: no operator can be recorded",
        "has_kernel_for_dispatch_key": "operators that are made of others cannot be told in inference mode",
    },
    "torch._subclasses.fake_tensor": {
        "FakeTensor": "tensors without values are digested while a program is compiled",
    },
    "torch._subclasses.functional_tensor": {
        "FunctionalTensor": "tensors without values are digested while a program is exported",
    },
    "torch._utils": {
        "ExceptionWrapper": "an error in a loader's worker is taken for a batch",
    },
    "torch.autograd": {
        "_engine_run_backward": "the plugin does not notice which tests train",
    },
    "torch.autograd.graph": {
        "_engine_run_backward": "the plugin does not notice which tests train",
    },
    "torch.autograd.graph.Node": {
        "_sequence_nr": "operators of a backward pass have no line and no module",
    },
    "torch.distributed.pipelining.stage.PipelineStage": {
        "_backward_metadata_inference": "the first step of a pipeline is recorded as random",
        "_forward_metadata_inference": "the first step of a pipeline is recorded as random",
    },
    "torch.jit": {
        "_get_trace_graph": "torch.jit sees nothing of a program that is recorded by operator",
    },
    "torch.jit._builtins": {
        "_find_builtin": "TorchScript refuses a program that calls torch.autograd.grad",
        "_register_builtin": "TorchScript refuses a program that calls torch.autograd.grad",
    },
    "torch.jit._trace": {
        "_get_trace_graph": "torch.jit sees nothing of a program that is recorded by operator",
        "_trace_impl": "torch.jit.trace sees nothing of a program that is recorded by operator",
        "trace_module": "torch.jit.trace sees nothing of a program that is recorded by operator",
    },
    "torch.nn.Module": {
        "_apply": "--vary device, dtype and layout cannot place a model",
        "_backward_hooks": "modules that are called again alone call hooks of the program",
        "_backward_pre_hooks": "modules that are called again alone call hooks of the program",
        "_buffers": "buffers are not recorded",
        "_call_impl": "modules that are compiled in place cannot be called again alone",
        "_compiled_call_impl": "modules that are compiled in place cannot be called again alone",
        "_forward_hooks": "modules that are called again alone call hooks of the program",
        "_forward_pre_hooks": "modules that are called again alone call hooks of the program",
        "_modules": "buffers of modules within modules are not recorded",
        "_parameters": "parameters of lazy modules are not recorded",
    },
    "torch.nn.modules.batchnorm": {
        "_BatchNorm": "--vary batch takes batch normalisation for samples that are mixed by mistake",
    },
    "torch.nn.modules.conv": {
        "_ConvNd": "--vary device expects too little rounding of convolutions in TF32",
    },
    "torch.nn.modules.module": {
        "_global_backward_hooks": "modules cannot be called again without being recorded",
        "_global_backward_pre_hooks": "modules cannot be called again without being recorded",
        "_global_forward_hooks": "modules cannot be called again without being recorded",
        "_global_forward_pre_hooks": "modules cannot be called again without being recorded",
        "_has_any_global_hook": "torch.compile warns the user of hooks that are detaudit's",
    },
    "torch.nn.utils.stateless": {
        "_reparametrize_module": "modules cannot be called again on kept weights",
    },
    "torch.optim.Optimizer": {
        "_optimizer_step_post_hooks": "a step that is made again alone calls hooks of the program",
        "_optimizer_step_pre_hooks": "a step that is made again alone calls hooks of the program",
        "_patch_step_function": "a step ends with the backward pass until the first step of an optimizer",
    },
    "torch.optim.optimizer": {
        "_global_optimizer_post_hooks": "the step whose values are kept ends before its update is kept",
    },
    "torch.utils._python_dispatch": {
        "TorchDispatchMode": "operators are not seen",
        "_disable_current_modes": "what is called again alone is recorded as the program's",
        "is_traceable_wrapper_subclass": "tensors that are made of others cannot be digested",
    },
    "torch.utils._python_dispatch.TorchDispatchMode": {
        "_should_skip_dynamo": "recording by operator imports all of torch._dynamo",
        "ignore_compile_internals": "compiled code runs eagerly when it is recorded by operator",
    },
    "torch.utils._pytree": {
        "TreeSpec": "arguments of modules cannot be kept",
        "tree_flatten": "arguments of modules cannot be kept",
        "tree_leaves": "results of modules and of operators that take functions cannot be read",
        "tree_unflatten": "modules cannot be called again on kept arguments",
    },
    "torch.utils.data.DataLoader": {
        "_get_iterator": "batches are not recorded",
    },
    "torch.utils.data.RandomSampler": {
        "_num_samples": "samples that a loader leaves out are not reported as missing",
    },
    "torch.utils.data._utils.fetch": {
        "_IterableDatasetFetcher": "the timing of loader workers cannot be perturbed",
        "_MapDatasetFetcher": "random numbers of a data set cannot be held fixed by sample",
    },
    "torch.utils.data._utils.worker": {
        "_ResumeIteration": "fetches of a worker that is kept for all epochs are counted as one epoch",
        "_worker_loop": "what loader workers fetch and draw is not recorded",
    },
    "torch.utils.data.dataloader": {
        "_BaseDataLoaderIter": "batches are not recorded",
        "_DatasetKind": "data sets without indices cannot be told from others",
        "_MultiProcessingDataLoaderIter": "detaudit cannot tell which worker a batch came from",
    },
    "torch.utils.data.dataloader._BaseDataLoaderIter": {
        "__next__": "batches are not recorded",
        "_auto_collation": "a loader's sampler is not known",
        "_dataset_kind": "data sets without indices cannot be told from others",
        "_index_sampler": "a loader's sampler is not known",
        "_next_index": "detaudit cannot tell which samples a batch has",
        "_num_workers": "detaudit cannot tell how many workers a loader has",
        "_reset": "several passes of a loader that keeps its workers are taken for a single pass",
    },
    "torch.utils.data.dataloader._MultiProcessingDataLoaderIter": {
        "_in_order": "batches that come out of order are given the samples of others",
        "_process_data": "detaudit cannot tell which worker a batch came from",
        "_rcvd_idx": "detaudit cannot tell which samples are in a batch from a worker",
        "_workers": "batches cannot be matched with the processes that fetched them",
    },
    "torch.xpu": {
        "_is_compiled": "--vary device=xpu cannot say why there is no such device",
    },
}
"""Private names, each with what fails without it, by the module or class that has them (under its public path
if there is one)."""

BY_NAME = {
    "torch.nn.utils.stateless._reparametrize_module": ("tie_weights",),
    "torch.utils.data._utils.worker._worker_loop": ("worker_id", "dataset", "index_queue", "data_queue"),
}
"""Parameters that are given, or looked for, by their names."""

BY_POSITION = {
    "torch._dynamo.eval_frame.OptimizedModule": 2,
    "torch.utils.data.dataloader._BaseDataLoaderIter._reset": 3,
    "torch.utils.data.dataloader._MultiProcessingDataLoaderIter._process_data": 3,
}
"""The number of arguments that are given by position, or replaced."""


class PrivateName(NamedTuple):
    """A private name of torch."""

    owner: str
    name: str
    loss: str
    """The feature that stops working, or goes wrong, without the name."""

    def missing(self, torch: str) -> str:
        """Say that a version of torch does not have it, and what that means."""
        return f"torch {torch} has no {self.owner}.{self.name}. Without it, {self.loss}."


NAMES = tuple(
    PrivateName(owner, name, loss) for owner, names in _RELIED_ON.items() for name, loss in names.items()
)
"""All private names."""
