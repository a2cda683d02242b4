// What a command works with: the streams, the chosen output form, and the machine behind the file.
// A command prints lines for people and hands over one value for scripts; `--json` decides which of
// them is shown. Nothing of a command reaches the terminal in any other way, so that tests can run
// commands in process. Spec: cli.md, "The machine behind it" and "Rules".

import type { XenError } from "../error.js";
import type { Machine } from "../machine.js";
import type { XenControl } from "../xc.js";
import { optionCount, optionNumber, optionText } from "./arguments.js";
import type { Options } from "./command.js";
import * as files from "./machine_file.js";
import { linked } from "./replace.js";

/** The outside world of one command line. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: NodeJS.ProcessEnv;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
}

/** Milliseconds of an action: more than the hypervisor's clock has. */
const MS_MAX = 0xffff_ffff_ffff_ffffn;

export class Context {
  private options: Options = {};
  private opened: Machine | undefined;
  private release: (() => void) | undefined;
  private unsaved = false;
  private readonly held: { readonly stream: "out" | "err"; readonly text: string }[] = [];
  private value: unknown;

  constructor(
    readonly io: Io,
    readonly json: boolean,
  ) {}

  /** @throws UsageError for a common option that makes no sense, whether it is used or not */
  configure(options: Options): void {
    this.options = options;
    optionCount(options.time, "--time", MS_MAX);
    optionNumber(options.domain, "--domain", 0x7fff, 0);
  }

  /** Colour on a terminal that did not ask for none. */
  get colour(): boolean {
    const { env, outIsTerminal } = this.io;
    return outIsTerminal && !env.NO_COLOR && this.options.color !== false && !this.json;
  }

  /** `--domain`: who makes the sysctls. */
  get domain(): number {
    return optionNumber(this.options.domain, "--domain", 0x7fff, 0);
  }

  get machinePath(): string {
    const chosen = optionText(this.options.machine, "--machine");
    return linked(files.machinePath(chosen, this.io.env));
  }

  /** A line of the result, for people. Of a machine that has changed only when it is saved: what
   *  was read is so then, whatever happens to the process. */
  print(line: string): void {
    if (!this.json) this.put("out", `${line}\n`);
  }

  /** Part of a line; reaches the terminal at once (K56). */
  write(text: string): void {
    this.show();
    if (!this.json) this.io.out(text);
  }

  /** A line to stderr. */
  say(line: string): void {
    this.put("err", `${line}\n`);
  }

  private put(stream: "out" | "err", text: string): void {
    if (this.unsaved) this.held.push({ stream, text });
    else this.io[stream](text);
  }

  /** Shows what was held back. */
  private show(): void {
    for (const { stream, text } of this.held.splice(0)) this.io[stream](text);
  }

  /** The one value that `--json` prints; the last one given counts. */
  result(value: unknown): void {
    this.value = value;
  }

  /** Adds to the value, which is an object. */
  extend(more: object): void {
    this.value = { ...(this.value as object), ...more };
  }

  /** Takes the lock and the machine in the file; boots the embedded image if there is none. */
  async machine(): Promise<Machine> {
    if (this.opened) return this.opened;
    // Waiting for the lock and loading the library go on at the same time.
    const [{ createMachine }] = await Promise.all([import("../create.js"), this.lock()]);
    const snapshot = await files.readMachineFile(this.machinePath);
    if (!snapshot) {
      const machine = await createMachine();
      this.say(`xen-xsplice: no machine at ${this.machinePath}: booted ${machine.label}`);
      this.unsaved = true;
      this.opened = machine;
      return machine;
    }
    try {
      this.opened = await createMachine({ snapshot });
    } catch (error) {
      if ((error as Error).name !== "XenError") throw error;
      throw new files.MachineFileError(this.machinePath, error as XenError);
    }
    return this.opened;
  }

  private async lock(): Promise<void> {
    const say = (text: string): void => this.say(`xen-xsplice: ${text}`);
    const { lockMachine } = await import("./lock.js");
    this.release ??= await lockMachine(this.machinePath, say);
  }

  /** Puts another machine in the place of the one in the file. */
  async boot(machine: Machine): Promise<void> {
    await this.lock();
    this.opened = machine;
    this.unsaved = true;
  }

  /** The machine, for a command that changes it: it is saved at the end, also after a refusal. */
  async changing(): Promise<Machine> {
    const machine = await this.machine();
    this.unsaved = true;
    return machine;
  }

  /** The client library on a machine, as the domain of `--domain`. */
  async control(machine: Machine): Promise<XenControl> {
    const { XenControl } = await import("../xc.js");
    return new XenControl(machine, { domain: this.domain });
  }

  /** Bytes of a file that the user named. */
  async readFile(path: string): Promise<Uint8Array> {
    const { readWhole } = await import("../read_file.js");
    return readWhole(path);
  }

  /** Writes a file that the user named; an older one is replaced at once or not at all. */
  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    const { writeUserFile } = await import("./user_file.js");
    writeUserFile(path, bytes);
  }

  /** Saves the machine if it was changed, and lets the next command have it. */
  async close(save: boolean): Promise<void> {
    const { release, opened, unsaved } = this;
    this.release = undefined;
    this.unsaved = false;
    try {
      if (save && unsaved && opened) {
        await files.writeMachineFile(this.machinePath, opened.snapshot());
      }
      this.show();
    } finally {
      this.held.splice(0); // the machine could not be saved: none of it has happened

      release?.();
    }
  }

  /** Prints the value for scripts. */
  flush(): void {
    if (this.json) this.io.out(`${JSON.stringify(this.value ?? null)}\n`);
  }
}
