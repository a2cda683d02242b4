// Sentences for what can refuse any operation: the envelope of the sysctl, access, ids, the
// queries, the state of a payload, and the machine itself (requirements D2: any, GET, LIST,
// ACTION).

import * as abi from "../abi.js";
import { workloadName } from "../workloads.js";
import { hex, plural, type Sentence, type Sentences, type Words } from "./words.js";

/** The sub-operations by number, as a policy file names them. */
const OPERATIONS = ["upload", "get", "list", "action", "info"];

/** `upload` …: what the policy denied. */
export function deniedOperation(index: number): string {
  return OPERATIONS[index] ?? `${index}`;
}

function action(step: number): string {
  const name = abi.stepName(step);
  return name.startsWith("step-") ? "the action" : name.toUpperCase();
}

/** The states in a mask, as words: `CHECKED or REVERTED`. */
function states(mask: bigint): string {
  const names = [1, 2, 4, 8, 16].filter((bit) => mask & BigInt(bit)).map(abi.statusName);
  return names.length === 0 ? hex(mask) : names.join(" or ");
}

/** A status that may be a negative errno, from the low 32 bits of an operand. */
function state(value: bigint): string {
  const status = Number(BigInt.asIntN(32, value));
  return status < 0 ? `${status}` : abi.statusName(status);
}

const pointer = (words: Words): string => {
  const { refusal } = words;
  return refusal.va === 0n && refusal.value === 0n
    ? "a guest pointer"
    : `the guest pointer ${hex(refusal.va || refusal.value)}`;
};

/** What is asked for at boot, by its place in the record (BOOT_*). */
const PARAMETERS: ReadonlyMap<number, string> = new Map([
  [abi.BOOT_CPUS, "such a number of CPUs,"],
  [abi.BOOT_PAYLOAD_BASE, "payloads at this address"],
  [abi.BOOT_QUIESCE, "patch point number"],
  [abi.BOOT_WORKLOAD, "workload number"],
]);

export const GENERAL: Sentences = new Map<number, Sentence>([
  [
    abi.REASON_ARG_FAULT,
    (_, words) => ({
      message: `The hypervisor cannot copy from or to ${pointer(words)}${words.where}.`,
      hint: "Pass buffers that lie wholly inside the calling domain's own memory.",
    }),
  ],
  [
    abi.REASON_ABI_VERSION,
    ({ value }) => ({
      message:
        `The interface version is ${hex(value)}; the hypervisor speaks ` +
        `${hex(abi.XEN_SYSCTL_INTERFACE_VERSION)}.`,
      hint: "Build the client against this hypervisor's sysctl.h.",
    }),
  ],
  [
    abi.REASON_NOT_PRIVILEGED,
    ({ value }) => ({
      message: `Domain ${value} is not privileged to make this hypercall.`,
      hint: "Make it from domain 0, or boot with a policy file that allows it.",
    }),
  ],
  [
    abi.REASON_XSM_DENIED,
    ({ index, value }) => ({
      message: `The policy denies ${deniedOperation(index)} to domain ${value}.`,
      hint: "Add the operation to the domain's list in the policy file and boot with it.",
    }),
  ],
  [
    abi.REASON_UNKNOWN_OP,
    ({ value }) => ({
      message: `There is no sub-operation ${value}.`,
      hint: "UPLOAD 0, GET 1, LIST 2, ACTION 3 and INFO 4 exist.",
    }),
  ],
  [abi.REASON_ID_EMPTY, () => ({ message: "The id is empty.", hint: "Give 1 to 40 characters." })],
  [
    abi.REASON_ID_NONCANONICAL,
    (_, words) => ({
      message: `The id ${words.id} is longer than 40 bytes, or has bytes behind its end.`,
      hint: "Give 1 to 40 bytes and fill the field with zeros.",
    }),
  ],
  [
    abi.REASON_GET_STATUS_NONZERO,
    ({ value }) => ({
      message: `GET was called with status ${state(value)}; it must be 0 on input.`,
      hint: "Clear the structure before the call.",
    }),
  ],
  [
    abi.REASON_NO_SUCH_ID,
    ({ id }, words) => ({
      message: id === "" ? "No payload has an empty id." : `There is no payload ${words.id}.`,
      hint: "`list` shows those that exist; `upload` makes one.",
    }),
  ],
  [
    abi.REASON_LIST_BATCH,
    ({ value, limit }) => ({
      message:
        `LIST was asked for ${value} entries at once; ${limit || abi.XSPLICE_LIST_MAX} is the ` +
        "most.",
      hint: "Ask for fewer and go on at the next index.",
    }),
  ],
  [
    abi.REASON_LIST_INDEX,
    ({ value, limit }) => ({
      message: `LIST was asked to start at ${value}; there are ${plural(limit, "payload")}.`,
      hint: "Start again at 0: payloads may have been unloaded meanwhile.",
    }),
  ],
  [
    abi.REASON_LIST_HANDLE,
    () => ({
      message: "LIST was given no buffer for its entries.",
      hint: "Pass a buffer, or ask for 0 entries to learn only their number.",
    }),
  ],
  [
    abi.REASON_UNKNOWN_CMD,
    ({ value, name }) =>
      name === ""
        ? {
            message: `There is no action ${value}.`,
            hint:
              "CHECK 1, UNLOAD 2, REVERT 3 and APPLY 4 exist; LOADED is a state, not an " +
              "action.",
          }
        : {
            message: `A payload of this format has no action '${name}'.`,
            hint:
              "The RFC's has check, apply, revert and unload, today's apply, revert, replace " +
              "and unload.",
          },
  ],
  [
    abi.REASON_WRONG_STATE,
    ({ value, limit, step }, words) => ({
      message:
        `${action(step)} of ${words.id} is not possible in state ${state(value)}` +
        `${limit === 0n ? "" : `, only in ${states(limit)}`}.`,
      hint: "The way is: upload, check, apply, revert, unload.",
    }),
  ],
  [
    abi.REASON_BUSY,
    ({ other }, words) => ({
      message: `${other === "" ? words.id : words.other()} is still in progress.`,
      hint: "Let the machine run until its status is no longer PROGRESS, then try again.",
    }),
  ],
  [
    abi.REASON_STILL_APPLIED,
    (_, words) => ({
      message: `The code of ${words.id} is live: it is applied, or its revert failed.`,
      hint: "Revert it first.",
    }),
  ],
  [
    abi.REASON_STILL_REFERENCED,
    ({ va, va2, other, value, cpu }, words) => ({
      message:
        `A pointer into ${words.id} is left${words.at}` +
        `${va2 === 0n || va2 === va ? "" : `: ${hex(va2)}`}` +
        `${value === 0n ? "" : `, on CPU ${cpu}`}` +
        `${other === "" ? "" : `, in ${words.other()}`}.`,
      hint: "Let the machine run until no CPU is inside it, or revert what points there.",
    }),
  ],
  [
    abi.REASON_INFO_BUFFER,
    ({ value, limit }) => ({
      message: `The buffer for the build-id has ${plural(value, "byte")}, ${limit} are needed.`,
      hint: "Ask with a zero handle first to learn the size.",
    }),
  ],
  [
    abi.REASON_IMAGE,
    (refusal, words) => ({
      message:
        `The image cannot be booted: a segment of ${hex(refusal.value)} bytes at ` +
        `${hex(refusal.va)}${words.where} does not lie in the upper half of the address space, ` +
        "or where the machine keeps things of its own.",
      hint: "Give a hypervisor: an x86-64 ELF executable linked to addresses of its own half.",
    }),
  ],
  [
    abi.REASON_BOOT_PARAMETER,
    ({ va, value, limit, index, name }) => {
      const what = name || (PARAMETERS.get(index) ?? "such a parameter");
      const at = index === abi.BOOT_PAYLOAD_BASE ? `, ${hex(va)}` : "";
      const number = value === 0n ? at : ` ${value}`;
      return {
        message:
          `The machine cannot be booted with ${what}${number}` +
          `${limit === 0n ? "" : `; the limit is ${limit}`}.`,
        hint:
          "Boot with 1 to 256 CPUs, a payload area that lies apart from the image, and names " +
          "that `boot --help` knows.",
      };
    },
  ],
  [
    abi.REASON_ENTRY_MISSING,
    (_, words) => ({
      message: `The image has no ${words.name("entry")} by which guests could enter it.`,
      hint: "Boot it with `--entries machine`: the machine then brings entries of its own.",
    }),
  ],
  [
    abi.REASON_WORKLOAD_HYPERCALL,
    ({ value, index }) => ({
      message:
        `Guests of the workload ${workloadName(index)} live on hypercall ${value}, ` +
        "which the image has not.",
      hint: "storm, block, spin and idle run on every image; mixed takes what there is.",
    }),
  ],
  [
    abi.REASON_BAD_ADDRESS,
    ({ va, va2, value }) => ({
      message:
        `No memory is mapped at ${hex(va2 === 0n ? va : va2)}` +
        `${value === 0n ? "" : ` (${plural(value, "byte")} from ${hex(va)})`}.`,
      hint: "`symbols` shows where the image lies.",
    }),
  ],
  [
    abi.REASON_NO_SUCH_DOMAIN,
    ({ value, name }) => ({
      message: `There is no domain ${name || value}.`,
      hint: "Domain 0 and domain 1 exist in every machine.",
    }),
  ],
  [
    abi.REASON_NO_SUCH_CPU,
    ({ value, limit, name }) => ({
      message:
        `There is no CPU ${name || value}; the machine has ` +
        `${limit === 0n ? "fewer" : plural(limit, "CPU")}.`,
      hint: "Boot with more CPUs, or name one that exists.",
    }),
  ],
  [
    abi.REASON_CPU_BUSY,
    ({ cpu, va }, words) => ({
      message: `CPU ${cpu} does not come out of the hypervisor: it is in ${words.address(va)}.`,
      hint:
        "Let the machine `run`, or name another CPU. `stacks` shows where all of them are; if " +
        "none comes out any more, a real host would hang, too: `boot` begins afresh.",
    }),
  ],
  [
    abi.REASON_NO_HYPERCALL,
    ({ value, name }) => ({
      message: `The image has no hypercall ${name || value}.`,
      hint: "It has neither a hypercall_table entry nor a do_<name> function for it.",
    }),
  ],
  [
    abi.REASON_NO_GUESTS,
    () => ({
      message: "The machine has no guests: its CPUs only work when they are called.",
      hint: "Boot with a workload to begin a hypercall without waiting for it.",
    }),
  ],
]);
