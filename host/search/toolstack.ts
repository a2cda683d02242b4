// Toolstacks whose hypercalls are part of the schedules: each has a CPU, on which its sysctls are
// begun (assembly/hv/begun.ts) and executed in the steps that the search enumerates. What a
// toolstack asks for next follows from the answers it has had, so that it can be taken back with
// the machine.

import * as abi from "../abi.js";
import type { Core } from "../core.js";
import { errnoName } from "../errno.js";
import { XenError } from "../error.js";
import type { Allocate } from "../guest.js";
import type { Violation } from "../schedules.js";

const DOMAIN = 0;
const ID = abi.XEN_XSPLICE_ID_SIZE;

/** One sysctl. */
export interface Request {
  /** struct xen_sysctl, 136 bytes. */
  readonly sysctl: Uint8Array;
  /** What the answer brings along: memory of domain 0. */
  readonly reads?: { readonly va: bigint; readonly length: number };
  /** The payload with whose action under way it is over; without it, when it returns. */
  readonly settles?: string;
}

export interface Answer {
  /** What the hypercall returned. */
  readonly rc: number;
  /** struct xen_sysctl as it was copied back. */
  readonly sysctl: Uint8Array;
  /** What was in `reads` then. */
  readonly read?: Uint8Array;
  /** What became of `settles`: a status, -errno, or GONE: there is no such payload any more. */
  readonly status?: number;
}

/** Of an answer's status. */
export const GONE = -abi.ENOENT;

export interface Toolstack {
  /** Undefined: it has no more to ask. */
  next(answers: readonly Answer[]): Request | undefined;
}

type Phase = "ready" | "calling" | "waiting" | "done";

/** Where a toolstack is. */
interface Place {
  readonly phase: Phase;
  readonly answers: readonly Answer[];
  /** What is under way. */
  readonly request?: Request;
}

/** Where all of them are; a value. */
export type Places = readonly Place[];

/** Status of a payload of either format, -EAGAIN while an action is under way; undefined: gone. */
function statusOf(core: Core, id: string): number | undefined {
  const wanted = new TextEncoder().encode(id);
  const is = (bytes: Uint8Array): boolean =>
    wanted.every((byte, i) => bytes[i] === byte) && (bytes[wanted.length] ?? 0) === 0;
  for (let i = 0; i < core.invoke("hv_payload_count") >>> 0; i++) {
    core.invoke("hv_payload_get", i);
    if (!is(core.window(ID))) continue;
    const status = core.record().getInt32(abi.PAYLOAD_INFO_STATUS, true);
    return status === abi.XSPLICE_STATUS_PROGRESS ? -abi.EAGAIN : status;
  }
  for (let i = 0; i < core.invoke("hv_livepatch_count") >>> 0; i++) {
    core.invoke("hv_livepatch_get", i);
    const record = core.record();
    const length = record.getUint32(abi.LIVEPATCH_INFO_NAME_LEN, true);
    const name = core.bytes(record.getUint32(abi.LIVEPATCH_INFO_NAME_OFF, true), length);
    if (length === wanted.length && is(name)) return record.getInt32(abi.LIVEPATCH_INFO_RC, true);
  }
  return undefined;
}

/** The toolstacks of a search; number n works on CPU n. */
export class Toolstacks {
  private readonly buffers: readonly bigint[];

  constructor(
    private readonly core: Core,
    private readonly toolstacks: readonly Toolstack[],
    allocate: Allocate,
  ) {
    this.buffers = toolstacks.map(() => allocate(abi.SYSCTL_SIZE).va);
  }

  start(): Places {
    return this.toolstacks.map(() => ({ phase: "ready", answers: [] }));
  }

  /** Begins what can be begun and takes what has ended. */
  advance(places: Places): Places {
    let changed = false;
    const now = places.map((place, cpu) => {
      const next = this.advanceOne(place, cpu);
      changed ||= next !== place;
      return next;
    });
    return changed ? now : places;
  }

  private advanceOne(place: Place, cpu: number): Place {
    switch (place.phase) {
      case "ready":
        return this.begin(place, cpu);
      case "calling":
        return this.collect(place, cpu);
      case "waiting":
        return this.settle(place);
      default:
        return place;
    }
  }

  private begin(place: Place, cpu: number): Place {
    const request = this.toolstacks[cpu]?.next(place.answers);
    if (!request) return { ...place, phase: "done" };
    const va = this.buffers[cpu] ?? 0n;
    this.core.record().setBigUint64(0, va, true);
    const nr = BigInt(abi.HYPERVISOR_SYSCTL);
    const rc = this.core.invoke("hv_begin", DOMAIN, cpu, nr, 1);
    if (rc === -abi.EOPNOTSUPP) throw XenError.of(abi.EOPNOTSUPP, abi.REASON_NO_GUESTS);
    if (rc < 0) return place; // the CPU is not free for it now
    this.core.window().set(request.sysctl);
    this.core.invoke("hv_write", DOMAIN, va, request.sysctl.length);
    return { phase: "calling", answers: place.answers, request };
  }

  private collect(place: Place, cpu: number): Place {
    if (this.core.invoke("hv_collect", cpu) !== 1) return place;
    const result = this.core.record();
    const returned = result.getUint32(abi.RESULT_STOP, true) === abi.STOP_RETURN;
    const rc = returned ? Number(result.getBigInt64(abi.RESULT_RAX, true)) : -abi.EIO;
    const sysctl = this.read(this.buffers[cpu] ?? 0n, abi.SYSCTL_SIZE);
    const { reads } = place.request ?? {};
    const answer = { rc, sysctl, ...(reads && { read: this.read(reads.va, reads.length) }) };
    const waits = returned && rc === 0 && place.request?.settles !== undefined;
    const answers = [...place.answers, answer];
    if (!returned) return { phase: "done", answers };
    return waits ? { ...place, phase: "waiting", answers } : { phase: "ready", answers };
  }

  private read(va: bigint, length: number): Uint8Array {
    this.core.invoke("hv_read", DOMAIN, va, length);
    return this.core.window(length).slice();
  }

  private settle(place: Place): Place {
    const status = statusOf(this.core, place.request?.settles ?? "");
    if (status === -abi.EAGAIN) return place;
    const last = place.answers.at(-1);
    if (!last) return place;
    const settled = { ...last, status: status ?? GONE };
    return { phase: "ready", answers: [...place.answers.slice(0, -1), settled] };
  }

  isOver(places: Places): boolean {
    return places.every(({ phase }) => phase === "done");
  }
}

/** `APPLIED`, `-EBUSY`, `done` of an answer. */
function answerWord({ rc, status = 0 }: Answer): string {
  const error = rc < 0 ? rc : status;
  if (error < 0) return `-${errnoName(error)}`;
  return status === 0 ? "done" : abi.statusName(status);
}

/** What toolstacks have got: `APPLIED, REVERTED and -EBUSY` of two. */
export const outcomeOf = (places: Places): string =>
  places.map(({ answers }) => answers.map(answerWord).join(", ")).join(" and ");

/** Work that was accepted and never came to an end: its payload went meanwhile (K61). */
export function lostWork(places: Places): Violation | undefined {
  const cpu = places.findIndex(({ answers }) => answers.some(({ status }) => status === GONE));
  return cpu < 0 ? undefined : { invariant: "lost-work", cpu, va: 0n };
}

/** A toolstack that is where it was, and has still no answer. */
export function stuckWork(before: Places, after: Places): Violation | undefined {
  const cpu = after.findIndex(
    ({ phase, answers }, i) =>
      (phase === "calling" || phase === "waiting") &&
      phase === before[i]?.phase &&
      answers.length === before[i]?.answers.length,
  );
  return cpu < 0 ? undefined : { invariant: "never-ends", cpu, va: 0n };
}

/** Tells places apart that mean another future: what is asked for next follows from all of an
 *  answer. `pending`: bits of what may still happen. */
export function hashPlaces(places: Places, pending: number): bigint {
  let hash = 0x811c9dc5;
  const add = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193) >>> 0;
  };
  add(pending);
  for (const { phase, answers } of places) {
    add(phase.charCodeAt(0));
    add(answers.length);
    for (const { rc, status = 0, sysctl, read } of answers) {
      add(rc);
      add(status);
      sysctl.forEach(add);
      read?.forEach(add);
    }
  }
  return BigInt(hash) << 24n;
}
