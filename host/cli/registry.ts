// The list of commands. Each is loaded when it is called: a command line that loads everything it
// could do starts too slowly.

import type { Command } from "./command.js";

interface Entry {
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

/** In the order in which `help` shows them; the RFC's seven are in its own usage text. */
export const COMMANDS: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ["help", { summary: "display this help", load: () => import("./help.js") }],
  ["list", { summary: "list payloads uploaded", load: () => import("./list.js") }],
  ["upload", { summary: "upload file <file> with <id> name", load: () => import("./upload.js") }],
  ["apply", { summary: "apply <id> patch", load: () => import("./apply.js") }],
  ["revert", { summary: "revert <id> patch", load: () => import("./revert.js") }],
  ["unload", { summary: "unload <id> patch", load: () => import("./unload.js") }],
  ["check", { summary: "check <id> patch", load: () => import("./check.js") }],
  ["boot", { summary: "a fresh machine in place of the old one", load: () => import("./boot.js") }],
  ["info", { summary: "what the machine is and has", load: () => import("./info.js") }],
  ["load", { summary: "upload, check and apply in one", load: () => import("./load.js") }],
  ["call", { summary: "run a function of the hypervisor", load: () => import("./call.js") }],
  ["hypercall", { summary: "a guest's hypercall", load: () => import("./hypercall.js") }],
  ["run", { summary: "let the machine run", load: () => import("./run.js") }],
  ["peek", { summary: "memory as hex", load: () => import("./peek.js") }],
  ["disas", { summary: "disassembly, patches marked", load: () => import("./disas.js") }],
  ["symbols", { summary: "the image's symbol table", load: () => import("./symbols.js") }],
  ["map", { summary: "what is patched now", load: () => import("./map.js") }],
  ["explain", { summary: "why the last action failed", load: () => import("./explain.js") }],
  ["console", { summary: "the hypervisor's console", load: () => import("./console.js") }],
  ["key", { summary: "press a debug key", load: () => import("./key.js") }],
  ["stacks", { summary: "every CPU's state and stack", load: () => import("./stacks.js") }],
  ["callers", { summary: "who calls a function", load: () => import("./callers.js") }],
  ["compare", { summary: "old and new code of a function", load: () => import("./compare.js") }],
  ["verify", { summary: "the verdict about payloads", load: () => import("./verify.js") }],
  ["pack", { summary: "an object file becomes a payload", load: () => import("./pack.js") }],
  ["sign", { summary: "append a signature to a payload", load: () => import("./sign.js") }],
  [
    "verify-signature",
    { summary: "verify a payload's signature", load: () => import("./verify_signature.js") },
  ],
  ["serve", { summary: "keep a machine for many clients", load: () => import("./serve.js") }],
  ["with", { summary: "run a client of Xen's libraries", load: () => import("./with.js") }],
  ["search", { summary: "schedules around a patch", load: () => import("./search.js") }],
  ["demo", { summary: "the guided tour", load: () => import("./demo.js") }],
]);
