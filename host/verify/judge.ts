// Judges payloads, one after the other, each alone on the same machine: a booted image, and the
// payloads of the stack applied. Between two payloads the machine is put back.

import * as abi from "../abi.js";
import { createMachine } from "../create.js";
import { MachineBug, XenError } from "../error.js";
import type { Machine } from "../machine.js";
import { type Candidate, payloadName, whyUnreadable } from "./candidate.js";
import type { Checkpoint } from "./checkpoint.js";
import { boundSymbols, fileFindings, limit } from "./file_findings.js";
import { hazardFindings } from "./hazards.js";
import { newNames, noteOf, type PayloadFile, readPayloadFile } from "./payload_file.js";
import { reachFindings } from "./reach.js";
import type { LoadedLivepatch } from "./records.js";
import { References } from "./references.js";
import {
  type Claims,
  type Finding,
  hexBytes,
  type Judged,
  NO_CLAIMS,
  type PatchRow,
  type PayloadRow,
  type Step,
  type VerifyRow,
} from "./row.js";

export interface JudgeOptions {
  readonly cpuFeatures?: string;
  /** Applied before, in this order. */
  readonly stack?: readonly Candidate[];
}

interface Walked {
  readonly failed?: { readonly step: Step; readonly error: XenError } | undefined;
  readonly patches: readonly PatchRow[];
  readonly loaded?: LoadedLivepatch | undefined;
}

const CRASH = /^xen-(crash|hang)-/;

type Decision = Pick<
  VerifyRow,
  "verdict" | "step" | "code" | "errno" | "reason" | "message" | "hint"
>;

/** The verdict: the first step that failed, else damage that Xen would not notice. */
function decide(failed: Walked["failed"], findings: readonly Finding[]): Decision {
  if (failed) {
    const { step, error } = failed;
    const { errno, code, reason, message, hint } = error;
    const verdict = CRASH.test(reason) ? "danger" : "refused";
    return { verdict, step, code, errno, reason, message, ...(hint ? { hint } : {}) };
  }
  const damage = findings.find(({ severity }) => severity === "error");
  if (!damage) return { verdict: "ok", code: 0 };
  const { id, message, hint, place } = damage;
  const where = place === "" ? "" : ` (${place})`;
  return {
    verdict: "danger",
    step: "apply",
    code: 0,
    reason: id,
    message: `Xen accepts this and is damaged: ${message}${where}`,
    hint,
  };
}

export class Judge {
  /** State of the machine before a payload; known from the first one on. */
  private clean: bigint | undefined;
  /** Made when a payload leaves something behind for the first time: most never do. */
  private checkpoint: Checkpoint | undefined;
  private references: References | undefined;

  private constructor(
    private machine: Machine,
    private readonly image: Uint8Array | undefined,
    private readonly options: JudgeOptions,
  ) {}

  /**
   * Boots an image and applies the stack.
   * @param image without it the embedded mini-Xen
   * @throws XenError when the image cannot be used, or a payload of the stack
   */
  static async boot(image: Uint8Array | undefined, options: JudgeOptions): Promise<Judge> {
    const judge = new Judge(await bootMachine(image, options), image, options);
    await judge.applyStack();
    return judge;
  }

  private async applyStack(): Promise<void> {
    const { stack = [] } = this.options;
    if (stack.length === 0) return;
    const { applyStack } = await import("./stack.js");
    await applyStack(this.machine, stack);
  }

  /** Judges a file. Never throws because of what is in it. */
  async judge(candidate: Candidate): Promise<Judged> {
    const { file, bytes } = candidate;
    if (!bytes) {
      const { errno, code, reason, message, hint } = whyUnreadable(candidate);
      return this.failedFile(file, { errno, code, reason, message, hint });
    }
    try {
      return await this.judgeBytes(file, bytes);
    } catch (error) {
      if (!(error instanceof MachineBug) && !(error instanceof XenError)) throw error;
      await this.reboot();
      const { message } = error;
      const hint = "Please report it, with the payload and the image.";
      return this.failedFile(file, { errno: "EIO", code: -abi.EIO, reason: "bug", message, hint });
    }
  }

  /** The same machine again: booting and the stack give the same bytes each time. */
  private async reboot(): Promise<void> {
    this.machine = await bootMachine(this.image, this.options);
    await this.applyStack();
    this.checkpoint = undefined;
  }

  private failedFile(
    file: string,
    why: Required<Pick<VerifyRow, "errno" | "code" | "reason" | "message" | "hint">>,
  ): Judged {
    const payload = describe({ format: "unknown" }, 0, undefined, this.machine);
    const row: VerifyRow = {
      file,
      verdict: "refused",
      step: "upload",
      ...why,
      patches: [],
      findings: [],
      payload,
    };
    return { row, claims: NO_CLAIMS };
  }

  private async walk(view: PayloadFile, name: string, bytes: Uint8Array): Promise<Walked> {
    if (view.format === "xsplice") {
      const { walkRfc } = await import("./rfc.js");
      return walkRfc(this.machine, name, bytes);
    }
    const { walkToday } = await import("./today.js");
    return walkToday(this.machine, name, bytes);
  }

  private async judgeBytes(file: string, bytes: Uint8Array): Promise<Judged> {
    this.clean ??= this.machine.stateHash();
    const view = readPayloadFile(bytes);
    const walked = await this.walk(view, payloadName(file), bytes);
    const left = await this.putBack(walked);
    const findings = limit([...(await this.findings(view, walked)), ...left]);
    const row = {
      file,
      ...decide(walked.failed, findings),
      patches: walked.patches,
      findings,
      payload: describe(view, bytes.length, walked.loaded, this.machine),
    };
    return { row, claims: claimsOf(view, walked) };
  }

  /** Puts the machine back. @returns what the payload had left behind */
  private async putBack({ failed, loaded }: Walked): Promise<Finding[]> {
    if (this.machine.stateHash() === this.clean) return [];
    const { aftermath, readImage } = await import("./aftermath.js");
    const after = failed ? undefined : readImage(this.machine);
    if (this.checkpoint) this.checkpoint.restore();
    else {
      const { Checkpoint } = await import("./checkpoint.js");
      await this.reboot();
      this.checkpoint = new Checkpoint(this.machine);
    }
    return after ? aftermath(this.machine, after, loaded ?? { start: 0n, end: 0n }) : [];
  }

  private async findings(view: PayloadFile, walked: Walked): Promise<Finding[]> {
    const { machine } = this;
    const found = walked.loaded ? hazardFindings(machine, walked.loaded) : [];
    if (walked.patches.length > 0) {
      this.references ??= new References(await this.imageBytes(), machine.info());
      found.push(...reachFindings(machine, this.references, walked.patches));
    }
    if (!view.elf) return found;
    if (view.format !== "unknown") found.push(...fileFindings(machine, view.elf));
    const skipped = found.some(({ id }) => id === "relocation-skipped");
    if (!skipped) return found;
    const { branchesNowhere } = await import("./unrelocated.js");
    return [...found, ...branchesNowhere(view.elf)];
  }

  private async imageBytes(): Promise<Uint8Array> {
    if (this.image) return this.image;
    const { MINI_XEN, readSource } = await import("../image.js");
    return readSource(MINI_XEN);
  }
}

function bootMachine(image: Uint8Array | undefined, options: JudgeOptions): Promise<Machine> {
  const { cpuFeatures } = options;
  return createMachine({
    ...(image ? { image } : {}),
    ...(cpuFeatures === undefined ? {} : { cpuFeatures }),
  });
}

function describe(
  view: PayloadFile,
  bytes: number,
  loaded: LoadedLivepatch | undefined,
  machine: Machine,
): PayloadRow {
  const { format, elf } = view;
  const note = (section: string): string => (elf ? noteOf(elf, section) : "");
  const own = loaded ? hexBytes(loaded.buildId) : note(".note.gnu.build-id");
  const below = format === "xsplice" ? ".xsplice.depends" : ".livepatch.depends";
  return {
    format,
    bytes,
    build_id: own,
    depends: loaded ? hexBytes(loaded.depends) : note(below),
    xen_depends: note(".livepatch.xen_depends"),
    hooks: loaded?.hooks ?? [],
    symbols: elf ? boundSymbols(machine, elf) : [],
  };
}

function claimsOf(view: PayloadFile, walked: Walked): Claims {
  const patched = walked.patches.map(({ va, size }) => {
    const start = BigInt(va);
    return { va: start, end: start + BigInt(size) };
  });
  const names = view.elf && view.format === "livepatch" ? newNames(view.elf) : [];
  return { patched, names };
}
