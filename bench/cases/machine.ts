// Booting, a payload's whole life, and a command of the command line.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMachine, XenControl } from "../../host/index.js";
import { alternate, milliseconds, type Row, timed } from "../measure.js";
import { ROOT } from "../root.js";

/** The hypervisor of a distribution: XEN_SYMS, or what its debug package installs. */
export function findXenSyms(): string | undefined {
  const { XEN_SYMS } = process.env;
  if (XEN_SYMS) return XEN_SYMS;
  const directory = "/usr/lib/debug/boot";
  if (!existsSync(directory)) return undefined;
  const name = readdirSync(directory).find((entry) =>
    /^xen-syms-[^.]+[^/]*(?<!\.map)$/.test(entry),
  );
  return name && join(directory, name);
}

/** Instantiate the module and boot the embedded image. */
export async function boot(): Promise<Row> {
  const times = await alternate(31, () => timed(() => createMachine()));
  return milliseconds("boot", times, "mini-Xen, module compiled before");
}

export async function bootXenSyms(): Promise<Row | undefined> {
  const path = findXenSyms();
  if (!path || !existsSync(path)) return undefined;
  const image = readFileSync(path);
  const times = await alternate(15, () => timed(() => createMachine({ image })));
  const symbols = (await createMachine({ image })).info().symbols;
  return milliseconds("boot-xen-syms", times, `${symbols} symbols`);
}

/** Upload, check, apply, revert, unload of the XSA-125 fix. */
export async function uploadCycle(): Promise<Row> {
  const machine = await createMachine();
  const xc = new XenControl(machine);
  const payload = readFileSync(join(ROOT, "images/payloads/xsa125.xsplice"));
  const before = machine.stateHash();
  const cycle = async (): Promise<void> => {
    await xc.upload("fix", payload);
    await xc.checkAndWait("fix");
    await xc.applyAndWait("fix");
    await xc.revertAndWait("fix");
    await xc.unload("fix");
  };
  const times = await alternate(201, () => timed(cycle));
  if (machine.stateHash() !== before) throw new Error("the cycle left something behind");
  return milliseconds("upload-cycle", times, `${payload.length} bytes, one function`);
}

/** `xen-xsplice list`, process start included, on a machine with one payload. */
export async function cliList(): Promise<Row | undefined> {
  const main = join(ROOT, "dist/host/cli/main.js");
  if (!existsSync(main)) return undefined;
  const directory = mkdtempSync(join(tmpdir(), "xsplice-bench-"));
  try {
    const file = join(directory, "machine");
    const cli = (...args: string[]): void => {
      const { status, stderr } = spawnSync(process.execPath, [main, "-m", file, ...args]);
      if (status !== 0) throw new Error(`xen-xsplice ${args.join(" ")}: ${stderr}`);
    };
    cli("upload", "fix", join(ROOT, "images/payloads/xsa125.xsplice"));
    const times = await alternate(15, () => timed(() => cli("list")));
    return milliseconds("cli-list", times, "one process");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
