"""Record a process: take events from the hooks, sort them into streams and steps, write them down."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterable

from detaudit.digest.algorithm import Digest, now
from detaudit.digest.sketch import sketch
from detaudit.model.trace import Kind, Phase, Place, StreamRole
from detaudit.record.digests import Digests
from detaudit.record.generators import Generators
from detaudit.record.listeners import Listeners
from detaudit.record.process import TRAINING, TracedProcess
from detaudit.record.replicas import Replicas
from detaudit.record.scope import RecordingScope
from detaudit.record.session import Session
from detaudit.record.sites import Sites
from detaudit.record.stream import PART_EVENTS, StreamState
from detaudit.sources.ledger import Ledger, LedgerLine, NotingThread
from detaudit.trace.layout import NO_DIGEST, NO_SITE, place_key
from detaudit.trace.writer import PackedStep, TraceWriter


class StopAfterSteps(SystemExit):
    """Ends the program after the steps that were asked for, as `sys.exit(0)` would."""


class Recorder:
    """One per process. Forked children get a trace of their own (`after_fork`)."""

    def __init__(
        self,
        session: Session,
        sites: Sites,
        ledger: Ledger | None = None,
        scope: RecordingScope | None = None,
    ) -> None:
        self.session = session
        self.scope = scope or RecordingScope()
        """Keeps what the hooks replace, so that it can be restored."""
        self.ledger = ledger
        self.level = session.level
        self.sites = sites
        self.digests = Digests(self.problem, self.sketch if session.sketches else None)
        self.generators = Generators()
        self.listeners = Listeners()
        self.active = True
        self.stopped = False
        """True once the program was told to end, after the steps that were asked for."""
        self.on_stop: Callable[[], object] = lambda: None
        self.has_optimizer = False
        """True once any torch optimizer exists; without one, a backward pass makes a step."""
        self.seconds = 0.0
        """Time spent in hooks."""
        self.problems: dict[str, None] = {}
        self._writer: TraceWriter | None = None
        self.lock = threading.RLock()
        self._sequence = itertools.count() if ledger is None else ledger.sequence
        self._local = threading.local()
        self._streams: dict[str, StreamState] = {}
        self._keys: dict[tuple[Phase, Kind, str, str | None, str], bytes] = {}
        self._places: dict[bytes, Place] = {}
        self._backward_owners: list[StreamState] = []
        self.process = TracedProcess(session)
        self.replicas = Replicas()
        self._described = False
        self._sketched: set[bytes] = set()
        """Digests of the values in this trace that have a sketch; there are few, since few steps have
        sketches."""

    def stream(self) -> StreamState:
        """Return the stream of the calling thread.

        Autograd's own threads have none: what happens in them belongs to the thread that called backward.
        """
        state: StreamState | None = getattr(self._local, "state", None)
        if state is None:
            if self._backward_owners and isinstance(threading.current_thread(), threading._DummyThread):
                return self._backward_owners[-1]
            state = self._local.state = self._open_stream()
        return state

    def known_stream(self) -> StreamState | None:
        """Return the calling thread's own stream, quickly; None if it has none or nothing is recorded now."""
        return getattr(self._local, "state", None) if self.active else None

    def key(self, phase: Phase, kind: Kind, root: str, module: str | None, name: str) -> bytes:
        """Return the key of a place; announce the place if it is new."""
        identity = (phase, kind, root, module, name)
        key = self._keys.get(identity)
        if key is None:
            place = Place(phase, kind, root, module, name)
            key = self._keys[identity] = place_key(place)
            self._places[key] = place
            self._open().add_place(key, place)
            self.replicas.announce(key, place)
        return key

    def add(
        self,
        stream: StreamState,
        key: bytes,
        outputs: Digest | None,
        inputs: Digest | None = None,
        site: bytes = NO_SITE,
    ) -> int:
        """Add an event to a stream and return its sequence number."""
        sequence = next(self._sequence)
        stream.identity += (key, inputs or NO_DIGEST, outputs or NO_DIGEST)
        stream.sites.append(site)
        stream.sequences.append(sequence)
        if len(stream.sites) >= PART_EVENTS:
            self._write(stream, complete=False)
            stream.part += 1
        return sequence

    def add_all(
        self, stream: StreamState, keys: Iterable[bytes], outputs: Iterable[Digest | None], site: bytes
    ) -> None:
        """Add events that have only outputs, all with one site."""
        for key, digest in zip(keys, outputs, strict=True):
            self.add(stream, key, digest, site=site)

    def end_step(self, stream: StreamState) -> None:
        """Write down the step that ended and begin the next."""
        for listener in self.listeners.on_step_end:
            listener(stream)
        if not self._described:
            self._describe()
        self._write(stream, complete=True)
        stream.step += 1
        stream.part = 0
        stream.backwards_since_step = 0
        stream.roots_since_step.clear()
        stream.owners.clear()

    def stop_if_done(self, stream: StreamState) -> None:
        """Raise StopAfterSteps in the main thread once enough steps are recorded."""
        limit, counts = self.session.steps, stream.number == 1 and self.process.role in TRAINING
        if limit is not None and counts and stream.step >= limit:
            self.stopped = True
            self.on_stop()
            raise StopAfterSteps(0)

    def enter_backward(self, stream: StreamState) -> None:
        """Note that a backward pass starts in this thread."""
        stream.backward_depth += 1
        self._backward_owners.append(stream)

    def leave_backward(self, stream: StreamState) -> None:
        """Note that a backward pass ended in this thread."""
        stream.backward_depth -= 1
        self._backward_owners.remove(stream)

    def batch_writer(self) -> TraceWriter:
        """Return the open trace, which the origins of batches are written to."""
        return self._open()

    def sketch(self, digest: Digest, value: object) -> None:
        """Note the sketch of a value that was digested, if sketches are asked for."""
        if not self.session.sketches:
            return
        known = now(digest)
        if known not in self._sketched:
            self._sketched.add(known)
            made = sketch(value)
            if made is not None:
                self._open().add_sketch(known, made)

    def problem(self, text: str) -> None:
        """Note something that kept the recorder from seeing everything."""
        self.problems[text] = None

    def fail(self, error: BaseException) -> None:
        """Stop recording; the program goes on, and the trace says why it is incomplete."""
        self.active = False
        kind = "the trace could not be written" if isinstance(error, sqlite3.Error) else "the recorder failed"
        text = f"{kind}: {type(error).__name__}: {error}"
        self.problem(text)
        self.session.leave_problem(text)

    def after_fork(self) -> None:
        """Start over in a forked child, whose events go into a trace of its own."""
        self.session.leave_to_parent(self._writer)
        self.session = self.session.for_child()
        self._writer = None
        self.lock = threading.RLock()
        self._local = threading.local()
        self._streams = {}
        self._backward_owners = []
        self.process = TracedProcess(self.session)
        self.replicas = Replicas()
        self._described = False
        self._sketched = set()
        self.sites.announce_to(None)

    def rename(self) -> None:
        """Rename the streams of this process, which has turned out to be a rank."""
        with self.lock:
            self._open().rename_process(self.process.name, self.process.role)

    def close(self) -> None:
        """Write what is left and close the trace. Safe to call twice, and after a failure."""
        for listener in self.listeners.on_close:
            listener()
        with self.lock:
            self._rest_of_ledger()
            if self._writer is None:
                return
            writer, self._writer = self._writer, None
            try:
                self._finish(writer)
            except sqlite3.Error as error:
                self.fail(error)
            self.active = False

    def _finish(self, writer: TraceWriter) -> None:
        if self.active:
            for stream in self._streams.values():
                if stream.sites:
                    # Updates by hand are done at the latest when the program ends.
                    complete = bool(stream.backwards_since_step) and not self.has_optimizer
                    writer.write_step(self._pack(stream, complete=complete))
        self._describe_into(writer)
        writer.set_meta("finished", self.active)
        writer.set_meta("stopped", self.stopped)
        steps = max((stream.step for stream in self._streams.values()), default=0)
        writer.set_meta("ranks", self.replicas.header(self.process.rank, steps, finished=self.active))
        writer.close()

    def _open(self) -> TraceWriter:
        with self.lock:
            if self._writer is None:
                self._writer = TraceWriter(self.session.trace_path())
                # A forked child knows places and sites from before; keys of them may be in use.
                self.sites.announce_to(self._writer)
                for key, place in self._places.items():
                    self._writer.add_place(key, place)
                for name, value in self.session.header().items():
                    self._writer.set_meta(name, value)
            return self._writer

    def _open_stream(self) -> StreamState:
        with self.lock:
            writer = self._open()
            thread = threading.current_thread()
            is_main = thread is threading.main_thread() and self.process.role is not StreamRole.THREAD
            label = "main" if is_main else self._free_label(thread.name)
            stream = self._streams[label] = StreamState(len(self._streams) + 1, label)
            writer.add_stream(stream.number, self.process.role_of(label), self.process.name, label)
            return stream

    def _free_label(self, name: str) -> str:
        for number in itertools.count(1):
            label = name if number == 1 else f"{name}#{number}"
            if label not in self._streams:
                return label
        raise AssertionError

    def _write(self, stream: StreamState, *, complete: bool) -> None:
        if self.ledger is not None:
            self._write_ledger(stream, self.ledger.take(threading.get_ident()))
        self._open().write_step(self._pack(stream, complete=complete))

    def _write_ledger(self, stream: StreamState, entries: Iterable[tuple[NotingThread, LedgerLine]]) -> None:
        writer = self._open()
        for thread, one in entries:
            what = (one.sequence, one.source, one.operation, *one.fact, one.phase, one.site)
            values = (one.count, one.amount, one.digest, one.shown)
            writer.add_ledger((stream.number, stream.step, *thread, *what, *values))

    def _rest_of_ledger(self) -> None:
        """Write what threads that take no steps noted, with the stream of the main thread."""
        entries = list(self.ledger.take()) if self.ledger is not None and self.active else []
        if entries:
            self._write_ledger(self.stream(), entries)

    def _pack(self, stream: StreamState, *, complete: bool) -> PackedStep:
        taken = stream.take()
        states, copies = self.generators.states(), self.replicas.rows(taken[0])
        return PackedStep(stream.number, stream.step, stream.part, complete, *taken, states, copies)

    def _describe(self) -> None:
        # Not at the start: asking torch for its thread count would fix it before the program can.
        self._described = True
        self._describe_into(self._open())

    def _describe_into(self, writer: TraceWriter) -> None:
        from detaudit.record.environment import environment

        writer.set_meta("environment", environment())
        writer.set_meta("overhead_seconds", self.seconds)
        writer.set_meta("problems", list(self.problems))
